"""Real MariaDB servers for tests: own temporary folder, unix socket, unprivileged user, stopped by pid.

with LiveServer.running(log_bin=True) as live:
    live.script("CREATE DATABASE shop")
    live.rows("SELECT 1")
"""

import atexit
import contextlib
import functools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pymysql
import pytest

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("--innodb-flush-method=nosync", "--sync-binlog=0")
"""Options of a server whose machine will not lose power."""
OS_USER = "mysql" if "mysql" in {e.pw_name for e in pwd.getpwall()} else "nobody"
OS_GROUP = pwd.getpwnam(OS_USER).pw_gid


def shared_data(name: str) -> Path:
    """A file of sample data; the test is skipped where the sample data are not installed."""
    folder = Path(os.environ.get("RESTOREKIT_SHARED", ROOT.parent / "shared" / "data"))
    if not (folder / name).exists():
        pytest.skip(f"{name} is not in {folder}; set RESTOREKIT_SHARED")
    return folder / name


def _as_user() -> list[str]:
    """Words that start a server as nobody special, and end it when the test process dies."""
    drop = [f"--reuid={OS_USER}", f"--regid={OS_GROUP}", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", "--pdeathsig", "KILL", *drop, "--"]


def _own(path: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, OS_USER, OS_GROUP)


def server_folder(prefix: str = "rk-") -> Path:
    """A short-named folder (socket paths are limited to 107 bytes) that the server's user may enter."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    folder.chmod(0o755)
    return folder


@functools.cache
def template() -> Path:
    """An empty data directory, made once per test run."""
    folder = server_folder("rk-template-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _own(folder)
    data = folder / "data"
    words = ["--no-defaults", f"--datadir={data}", f"--tmpdir={folder}", "--skip-test-db"]
    words += ["--auth-root-authentication-method=normal"]
    words += ["--skip-name-resolve", "--innodb-log-file-size=8M"]
    subprocess.run([*_as_user(), "mariadb-install-db", *words], check=True, capture_output=True, timeout=120)
    return data


@dataclass
class LiveServer:
    """A server as a hoster runs it (Debian's defaults: utf8mb4). `args` are further options of mariadbd."""

    log_bin: bool = False
    sql_mode: str | None = None
    event_scheduler: bool = False
    port: int | None = None
    args: Sequence[str] = ()
    folder: Path = field(default_factory=server_folder)
    _process: "subprocess.Popen[bytes] | None" = None

    @classmethod
    @contextlib.contextmanager
    def running(cls, **options: Any) -> Iterator[Self]:
        """A started server that is stopped and deleted at the end, also when the test fails."""
        server = cls(**options)
        try:
            server.start()
            yield server
        finally:
            server.destroy()

    @property
    def socket(self) -> Path:
        return self.folder / "s"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server is stopped"
        return self._process.pid

    def _options(self) -> list[str]:
        words = [f"--datadir={self.data}", f"--socket={self.socket}", f"--log-error={self.folder / 'err'}"]
        words += ["--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci", "--skip-name-resolve"]
        words += [f"--tmpdir={self.folder / 'tmp'}"]  # at its start a server deletes temporary tables of others there
        words += [f"--event-scheduler={'ON' if self.event_scheduler else 'OFF'}", f"--pid-file={self.folder / 'pid'}"]
        words += [f"--port={self.port}", "--bind-address=127.0.0.1"] if self.port else ["--skip-networking"]
        words += ["--log-bin=binlog", "--server-id=1"] if self.log_bin else ["--skip-log-bin"]
        words += [f"--sql-mode={self.sql_mode}"] if self.sql_mode is not None else []
        return [*words, *self.args]

    def start(self) -> None:
        """Start it (again) and wait until it answers."""
        if not self.data.exists():
            _own(self.folder)
            (self.folder / "tmp").mkdir(exist_ok=True)
            _own(self.folder / "tmp")
            subprocess.run(["cp", "-a", "--reflink=auto", str(template()), str(self.data)], check=True)
        self.socket.unlink(missing_ok=True)
        argv = [*_as_user(), "mariadbd", "--no-defaults", *self._options()]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )
        end = time.monotonic() + 60
        while True:
            try:
                self._probe()
                self.connect().close()
            except (pymysql.err.OperationalError, OSError):
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"mariadbd did not start:\n{self.log()[-3000:]}") from None
                time.sleep(0.02)  # the end of another process's start can only be polled
            else:
                return

    def _probe(self) -> None:
        """Does anybody listen? The driver would leave its socket open where nobody does."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(str(self.socket))

    def log(self) -> str:
        """What the server wrote to its error log."""
        path = self.folder / "err"
        return path.read_text(errors="replace") if path.exists() else ""

    def _end(self, sign: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(sign)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def stop(self) -> None:
        """Orderly shutdown; idempotent."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9; idempotent."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def destroy(self) -> None:
        """Kill it and delete its folder; idempotent."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, schema: str | None = None, *, user: str = "root", password: str = "") -> Any:
        """A plain pymysql connection (autocommit, utf8mb4)."""
        return pymysql.connect(
            unix_socket=str(self.socket),
            user=user,
            password=password,
            database=schema,
            charset="utf8mb4",
            autocommit=True,
            ssl_disabled=True,  # the driver would read all certificates each time
        )

    def rows(self, sql: str, schema: str | None = None) -> list[tuple[Any, ...]]:
        """Run one statement as root and return its rows."""
        with contextlib.closing(self.connect(schema)) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def one(self, sql: str, schema: str | None = None) -> Any:
        """The first column of the first row."""
        return self.rows(sql, schema)[0][0]

    def client(self) -> list[str]:
        """The mariadb client's command line as root."""
        return ["mariadb", "--no-defaults", f"--socket={self.socket}", "-uroot", "--default-character-set=utf8mb4"]

    def script(self, text: str | bytes, schema: str | None = None) -> None:
        """Feed a script to the mariadb client as root, like an admin would; fails on the first error."""
        feed = text.encode() if isinstance(text, str) else text
        argv = [*self.client(), *([schema] if schema else [])]
        done = subprocess.run(argv, input=feed, capture_output=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")

    def dump(self, schema: str, *options: str) -> bytes:
        """mariadb-dump of one schema as root: `--single-transaction` with routines, triggers and events."""
        words = ["--default-character-set=utf8mb4", "--single-transaction", "-R", "-E", "--triggers"]
        return self.dumped(*words, *options, schema)

    def dumped(self, *words: str) -> bytes:
        """mariadb-dump with exactly these further words."""
        argv = ["mariadb-dump", "--no-defaults", f"--socket={self.socket}", "-uroot", *words]
        done = subprocess.run(argv, capture_output=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout

    def load_chinook(self, schema: str = "Chinook") -> None:
        """The Chinook sample database under that name."""
        text = shared_data("Chinook_MySql.sql").read_bytes()
        self.script(b"SET autocommit=0;" + text.replace(b"`Chinook`", f"`{schema}`".encode()) + b"COMMIT;")


@pytest.fixture(scope="session")
def mariadb_live() -> Iterator[LiveServer]:
    """One live server for the whole run; each test uses schemas of its own."""
    with LiveServer.running() as server:
        yield server

"""One database out of a whole data directory: a server of our own recovers it, and the usual dump is taken there.

The directory is a copy that nobody else uses, thrown away afterwards. The server is a child of this process and dies
with it; it is reached through a socket in a closed folder by an account that is made before it accepts anybody.
"""

import contextlib
import contextvars
import fcntl
import os
import pwd
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from restorekit import shell
from restorekit.engines.mariadb.capture import capture
from restorekit.engines.mariadb.connect import Settings, one
from restorekit.engines.mariadb.datadir import check, options
from restorekit.engines.mariadb.lastwords import damage_in, not_started
from restorekit.engines.mariadb.live import Live
from restorekit.engines.mariadb.sandbox import short_socket_folder, socket_path
from restorekit.engines.mariadb.template import make_folder, os_user
from restorekit.errors import Cancelled, EngineUnavailable, PointUnusable, RestorekitError
from restorekit.model.contents import Contents
from restorekit.model.home import Home
from restorekit.model.point import Compression, Format
from restorekit.ports import Watch

_RECOVERY_S = 1800.0
_UNSEEN = 5
_OURS = ".restorekit"


@contextlib.contextmanager
def extract(settings: Settings, home: Home, datadir: Path, schema: str, watch: Watch) -> Iterator["Extracted"]:
    """See `ports.Extracting.extract`."""
    check(settings, datadir)
    _refuse_in_use(datadir)
    with _served(settings, home, datadir, watch) as (server, process), contextlib.closing(server.connect()) as session:
        sql = "SELECT 1 FROM information_schema.schemata WHERE schema_name=%s"
        if one(session, sql, (schema,)) is None:
            text = f"the data directory holds no database {schema}"
            raise PointUnusable(text, hint="Choose another recovery point; live is untouched.")
        extracted = Extracted(server, process, schema)
        try:
            yield extracted
        finally:
            extracted.close()


class Extracted:
    """The dump as it is written, with the manifest at its end; a `ports.Extraction`."""

    form: tuple[Format, Compression] = ("sql", "none")
    size: int | None = None

    def __init__(self, server: Live, process: shell.Process, schema: str) -> None:
        """Start dumping at once."""
        self._server, self._process, self._schema = server, process, schema
        self._error: BaseException | None = None
        self._left = threading.Event()
        reading, writing = os.pipe()
        self._out = os.fdopen(reading, "rb")
        context = contextvars.copy_context()  # its children inherit the step's lock, too
        words = (os.fdopen(writing, "wb"),)
        self._thread = threading.Thread(target=lambda: context.run(self._write, *words), name="extract")
        self._thread.start()

    def read(self, most: int) -> bytes:
        """Up to `most` bytes; b"" at the end, which is a good one only if `finish` says so."""
        return self._out.read1(most)

    def finish(self) -> bool:
        """False: a dump has no digest. Raises SourceDamaged, DiskFull, EngineUnavailable if it did not end well."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return False

    def close(self) -> None:
        """End everything, however far it is."""
        self._left.set()
        self._out.close()
        self._process.kill()  # whatever waits for the server stops waiting
        self._thread.join()

    def _write(self, out: BinaryIO) -> None:
        try:
            with out:
                self._capture(out)
        except RestorekitError as error:
            self._error = damage_in(error, self._process) or error
        except BaseException as error:  # noqa: BLE001  it belongs to whoever reads
            self._error = error

    def _capture(self, out: BinaryIO) -> Contents:
        return capture(self._server, self._schema, out, _UntilLeft(self._left))


class _UntilLeft:
    """The dump goes on until its reader leaves; whoever reads reports and looks after cancelling."""

    def __init__(self, left: threading.Event) -> None:
        self._left = left

    def progress(self, phase: str, done: int, total: int | None, unit: str = "bytes") -> None:
        """The reader counts the same bytes."""

    def check(self) -> None:
        """Stop when nobody reads any more."""
        if self._left.is_set():
            raise Cancelled("nobody reads the extraction any more")


def _refuse_in_use(datadir: Path) -> None:
    """A server that runs in it holds this lock: then it is no copy, and not one byte of it may change."""
    with (datadir / "ibdata1").open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise EngineUnavailable(f"a server runs in {datadir}; it was left alone") from error


@contextlib.contextmanager
def _served(settings: Settings, home: Home, datadir: Path, watch: Watch) -> Iterator[tuple[Live, shell.Process]]:
    """A server in the directory that answers, and how to log in to it."""
    folder = datadir / _OURS
    _hand_over(settings, datadir)
    for path in (folder, folder / "tmp", folder / "files"):
        make_folder(path, settings)
    socket = socket_path(folder, settings)
    login = settings.model_copy(
        update={"socket": socket, "host": None, "user": f"rk_{secrets.token_hex(12)}", "password_file": folder / "pw"}
    )
    _write_account(login, folder, os_user(settings))
    argv = [settings.mariadbd, "--no-defaults", *options(settings, datadir, folder, socket)]
    server = Live("the data directory", login, home)
    try:
        with shell.start(shell.Spec(argv, user=os_user(settings), cwd=folder)) as process:
            _wait(server, process, datadir, watch)
            yield server, process
    finally:
        shutil.rmtree(short_socket_folder(folder), ignore_errors=True)


def _hand_over(settings: Settings, datadir: Path) -> None:
    """Give the copy to the server's user. Never reached for a directory in which a server runs."""
    make_folder(datadir, settings)
    shutil.rmtree(datadir / _OURS, ignore_errors=True)
    user = os_user(settings)
    if user is not None:
        group = pwd.getpwnam(user).pw_gid
        done = shell.run(shell.Spec(["chown", "-R", "-h", f"{user}:{group}", str(datadir)]))
        if done.returncode:
            raise EngineUnavailable(f"{datadir} cannot be given to {user}: {done.stderr[-300:]}")


def _write_account(login: Settings, folder: Path, user: str | None) -> None:
    secret = secrets.token_urlsafe(24)
    account = f"'{login.user}'@'localhost'"
    lines = "SET sql_log_bin=0;\n"  # the directory's own position in its binary log stays what it was
    lines += f"CREATE USER {account} IDENTIFIED BY '{secret}';\nGRANT ALL PRIVILEGES ON *.* TO {account};\n"
    for name, text in (("pw", secret), ("init.sql", lines)):
        path = folder / name
        path.touch(0o600, exist_ok=False)
        path.write_text(text, encoding="utf-8")
    if user is not None:
        shutil.chown(folder / "init.sql", user)


def _wait(server: Live, process: shell.Process, datadir: Path, watch: Watch) -> None:
    """Until it answers, which is after its recovery. Raises what `not_started` makes, and EngineUnavailable."""
    began, unseen = time.monotonic(), 0
    while True:
        with contextlib.suppress(EngineUnavailable):
            server.connect().close()
            return
        watch.check()
        waited_s = time.monotonic() - began
        watch.progress("recover", int(waited_s), None, "seconds")
        # while one program becomes another (setpriv, mariadbd) its process has no command line for an instant
        unseen = 0 if shell.alive(process.pid, f"--datadir={datadir}") else unseen + 1
        if unseen > _UNSEEN:
            raise not_started(process.wait(10).stderr, datadir)
        if waited_s > _RECOVERY_S:
            text = f"the server did not finish its recovery within {_RECOVERY_S:g} s; live is untouched"
            raise EngineUnavailable(text, hint="Try again.")
        time.sleep(0.01)  # the end of another process's start can only be polled

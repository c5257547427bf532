"""A sandbox is a folder: its server is started when needed, found again by the folder, stopped while people think.

    sandbox.lock   held while the folder or its server changes hands; also says that the folder is ours
    sandbox.json   (0600) everything needed to start the server again and to log in; init.sql creates its account
    data/ tmp/ files/ log/   of the server's unprivileged user, closed to others

The folder itself belongs to us: the server's user must not be able to replace what we start.

The server is found by its command line, never by a recorded pid: it may have been started by a process that
died before it could write anything down.
"""

import contextlib
import fcntl
import hashlib
import os
import pwd
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pymysql.connections import Connection

from restorekit import shell
from restorekit.crashpoint import here
from restorekit.engines.mariadb import connect
from restorekit.engines.mariadb.connect import Settings, quoted, to_socket
from restorekit.engines.mariadb.template import is_full, make_folder, make_passage, os_user, template
from restorekit.engines.mariadb.tuning import server_options, server_zone
from restorekit.errors import DiskFull, EngineUnavailable, UnknownName
from restorekit.model.home import Home
from restorekit.model.staged import Sandbox, SandboxSpec
from restorekit.model.value import Value

_SOCKET_PATH_MAX = 100
_START_S = 60.0
_UNSEEN = 5
READER = "rk_reader"


class Marker(Value):
    """What `sandbox.json` holds. The administrator's name is random: no dump can name it as a definer."""

    id: str
    schema_name: str
    charset: str
    collation: str
    argv: tuple[str, ...]
    env: dict[str, str]
    user: str | None
    socket: str
    admin: str
    password: str
    reader_password: str


def open_sandbox(settings: Settings, home: Home, spec: SandboxSpec) -> Sandbox:
    """Create the sandbox of that id, or find it again; its server runs afterwards. Idempotent.

    Raises EngineUnavailable, DiskFull, ConfigError. The caller names the engine.
    """
    folder = home.staging / spec.id
    make_passage(folder)
    sandbox = Sandbox(id=spec.id, engine="mariadb", folder=str(folder), schema_name=spec.schema_name)
    with _held(folder):
        marker = _read(folder)
        fresh = marker is None or marker.schema_name != spec.schema_name
        try:
            if marker is None or fresh:
                marker = _create(settings, home, spec, folder)
            _ensure_running(folder, marker)
        except (DiskFull, EngineUnavailable):
            if fresh:  # nothing is in it yet, and whoever gives up must not have to open it first
                _clear(folder)
            raise
    return sandbox


def cool(sandbox: Sandbox) -> None:
    """Stop the server, keep the folder. Idempotent."""
    folder = Path(sandbox.folder)
    if folder.exists():
        with _held(folder):
            _stop(folder)


def discard(sandbox: Sandbox) -> None:
    """Stop the server and delete the folder, however far its creation came. Idempotent."""
    folder = Path(sandbox.folder)
    if not folder.exists():
        return
    # The lock file is the first thing a sandbox gets; a folder without it was never ours and is not deleted.
    if not (folder / "sandbox.lock").exists() and any(folder.iterdir()):
        raise EngineUnavailable(f"{folder} does not look like a sandbox and was left alone")
    with _held(folder):
        _clear(folder)


def _clear(folder: Path) -> None:
    """The lock goes last: until then the folder is known as ours."""
    _stop(folder, patience_s=0)  # nothing in it is wanted, and a server on a full disk would take its time
    shutil.rmtree(short_socket_folder(folder), ignore_errors=True)
    for entry in folder.iterdir():
        if entry.name != "sandbox.lock":
            _delete(entry)
    _delete(folder)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def admin(sandbox: Sandbox, schema: str | None = None) -> "Connection[Any]":
    """A pinned session as the sandbox's administrator; starts the server if it is stopped.

    Raises UnknownName if there is no such sandbox, EngineUnavailable, DiskFull.
    """
    marker = running_marker(sandbox)
    return to_socket(Path(marker.socket), marker.admin, marker.password, schema=schema)


def reader(sandbox: Sandbox, schema: str, *, timeout_s: float | None = None) -> "Connection[Any]":
    """A session that can only read this one schema: no files, no writes, statements end after `timeout_s`."""
    marker = running_marker(sandbox)
    with contextlib.closing(admin(sandbox)) as session, session.cursor() as cursor:
        cursor.execute(f"CREATE USER IF NOT EXISTS {READER}@localhost")
        # A dump may have named this account as a definer: whatever it was, it gets our password and these rights.
        cursor.execute(f"ALTER USER {READER}@localhost IDENTIFIED BY %s ACCOUNT UNLOCK", (marker.reader_password,))
        cursor.execute(f"GRANT SELECT, SHOW VIEW, EXECUTE ON {schema_pattern(schema)}.* TO {READER}@localhost")
    opened = to_socket(Path(marker.socket), READER, marker.reader_password, schema=schema)
    with opened.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION READ ONLY")
        cursor.execute("SET SESSION max_statement_time=%s", (timeout_s or 0,))
    return opened


def running_marker(sandbox: Sandbox) -> Marker:
    """The sandbox's marker, its server running. Raises UnknownName, EngineUnavailable, DiskFull."""
    folder = Path(sandbox.folder)
    marker = _read(folder)
    if marker is None:
        raise UnknownName(f"sandbox {sandbox.id} is gone", hint="Stage the restore again.")
    if server_pid(folder) is None or not _answers(marker):
        with _held(folder):
            _ensure_running(folder, marker)
    return marker


def schema_pattern(schema: str) -> str:
    """The schema's name for GRANT, where `_` and `%` would be wildcards."""
    return quoted(schema.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%"))


def server_pid(folder: Path) -> int | None:
    """The process that serves this folder, found by its command line."""
    word = f"--datadir={folder / 'data'}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if word in (entry / "cmdline").read_bytes().split(b"\0"):
                    return int(entry.name)
    return None


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; servers do not inherit it (descriptors are closed on exec)."""
    while True:
        with (folder / "sandbox.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                same = os.fstat(lock.fileno()).st_ino == (folder / "sandbox.lock").stat().st_ino
            except FileNotFoundError:
                same = False
            if same:
                yield
                return
        if not folder.exists():
            raise UnknownName(f"sandbox {folder.name} is gone", hint="Stage the restore again.")


def _read(folder: Path) -> Marker | None:
    try:
        return Marker.model_validate_json((folder / "sandbox.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def _create(settings: Settings, home: Home, spec: SandboxSpec, folder: Path) -> Marker:
    """Lay out the folder; nothing counts until the marker lies in it, so that a killed creation starts over."""
    _stop(folder)
    source = template(settings, home, spec.settings)
    for name in ("data", "tmp", "files", "log"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("tmp", "files", "log"):
        make_folder(folder / name, settings)
    here("sandbox.copying")
    done = shell.run(shell.Spec(["cp", "-a", "--reflink=auto", str(source), str(folder / "data")]), timeout_s=300)
    if done.returncode:
        raise _failure(folder, done.stderr)
    socket = socket_path(folder, settings)
    marker = Marker(
        id=spec.id,
        schema_name=spec.schema_name,
        charset=spec.settings.get("schema_charset", "utf8mb4"),
        collation=spec.settings.get("schema_collation", ""),
        argv=(settings.mariadbd, *server_options(settings, spec, folder, socket)),
        env=server_zone(spec),
        user=os_user(settings),
        socket=str(socket),
        admin=f"rk_{secrets.token_hex(12)}",
        password=secrets.token_urlsafe(24),
        reader_password=secrets.token_urlsafe(24),
    )
    _write_init(folder, marker)
    _write_private(folder / "sandbox.json", marker.model_dump_json(indent=1))
    return marker


def _failure(folder: Path, said: str) -> Exception:
    if is_full(said):
        return _full(folder)
    return EngineUnavailable(f"the sandbox in {folder} could not be created: {said[-300:]}")


def _full(folder: Path) -> DiskFull:
    return DiskFull(
        f"no space left for the staging server in {folder}; live is untouched",
        hint="Free space or move `staging`, then try again.",
    )


def _write_init(folder: Path, marker: Marker) -> None:
    """The server runs this before it accepts anybody: there is no moment with an open administrator."""
    account = f"'{marker.admin}'@'localhost'"
    lines = f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY '{marker.password}';\n"
    lines += f"GRANT ALL PRIVILEGES ON *.* TO {account} WITH GRANT OPTION;\n"
    path = folder / "init.sql"
    _write_private(path, lines)
    if marker.user is not None:
        shutil.chown(path, marker.user, pwd.getpwnam(marker.user).pw_gid)


def _write_private(path: Path, text: str) -> None:
    """Whole or not at all, readable by its owner only."""
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    draft.rename(path)


def socket_path(folder: Path, settings: Settings) -> Path:
    """In the folder; where that path is too long for a socket (107 bytes), in a short private folder."""
    path = folder / "tmp" / "s"
    if len(os.fsencode(path)) <= _SOCKET_PATH_MAX:
        return path
    short = short_socket_folder(folder)
    shutil.rmtree(short, ignore_errors=True)
    make_folder(short, settings)
    return short / "s"


def short_socket_folder(folder: Path) -> Path:
    """Where the socket of a server in `folder` lies if the path in the folder is too long."""
    base = Path("/run") if os.geteuid() == 0 else Path(tempfile.gettempdir())
    return base / f"restorekit-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"


def _stop(folder: Path, *, patience_s: float = 30) -> None:
    pid = server_pid(folder)
    if pid is None:
        return
    word = f"--datadir={folder / 'data'}"
    shell.stop(pid, word, patience_s=patience_s)
    if shell.alive(pid, word):
        raise EngineUnavailable(f"the staging server {pid} of {folder} does not end", hint=f"kill -9 {pid}")


def _answers(marker: Marker) -> bool:
    try:
        to_socket(Path(marker.socket), marker.admin, marker.password).close()
    except EngineUnavailable:
        return False
    return True


def _ensure_running(folder: Path, marker: Marker) -> None:
    """Start the server unless it runs, and wait until it answers. Raises EngineUnavailable, DiskFull."""
    log = folder / "log" / "error.log"
    if server_pid(folder) is None:
        Path(marker.socket).unlink(missing_ok=True)  # a left-over socket would look like a server that hangs
        if short_socket_folder(folder) == Path(marker.socket).parent:
            make_folder(Path(marker.socket).parent, connect.Settings(sandbox_user=marker.user or "mysql"))
        log.unlink(missing_ok=True)
        spec = shell.Spec(marker.argv, env=marker.env, cwd=folder, user=marker.user)
        shell.daemon(spec, folder / "output.log")
        here("sandbox.started")
    end = time.monotonic() + _START_S
    unseen = 0
    while not _answers(marker):
        # while one program becomes another (setpriv, mariadbd) its process has no command line for an instant
        unseen = unseen + 1 if server_pid(folder) is None else 0
        if unseen > _UNSEEN or time.monotonic() > end:
            raise _not_started(folder, log)
        time.sleep(0.01)  # the end of another process's start can only be polled


def _not_started(folder: Path, log: Path) -> Exception:
    try:
        said = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        said = ""
    if is_full(said):
        return _full(folder)
    lines = [line for line in said.splitlines() if "[ERROR]" in line] or said.splitlines()[-3:]
    return EngineUnavailable(
        f"the staging server in {folder} did not start: {' / '.join(lines[-4:])}", hint="Try again."
    )

"""Who may work, and who still works.

A *seat* makes a process the only worker of its host: a lock on a file beside a SQLite state, a session advisory
lock on PostgreSQL. Both fall with the process that holds them. A *run lock* is held while a step's body runs and is
inherited by the children it starts: a rerun after a kill first ends the last orphan of the earlier attempt.

File locks are open-file-description locks: inherited over fork and exec, gone with the last descriptor, and they can
be looked at without being taken.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import signal
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

_LOG = logging.getLogger(__name__)
_WHOLE_FILE = "hhqqi4x"  # struct flock: type, whence, start, length, pid
_NAME_LENGTH = 40
_PATIENCE_S = 5.0


class Interrupted(BaseException):
    """The worker is stopping: nothing is recorded, the next worker carries on here. Not an Exception on purpose."""


class Seat(Protocol):
    """The right to be the only worker of one host."""

    def held(self) -> bool:
        """True while it is certain that the seat is still ours. Cheap; asked about once a second."""
        ...

    def leave(self) -> None:
        """Give the seat up; idempotent."""
        ...


def take_seat(engine: Any, host: str, folder: Path) -> Seat | None:
    """Become the worker of `host`, or None if there is one. `engine` is the state's SQLAlchemy engine."""
    if engine.dialect.name == "sqlite":
        return _FileSeat.take(_seat_file(host, folder))
    return _ServerSeat.take(engine, host)


def seat_taken(engine: Any, host: str, folder: Path) -> bool:
    """True if a worker of `host` runs now. Only looks: nobody who tries at the same moment is turned away."""
    if engine.dialect.name != "sqlite":
        with engine.connect() as connection:
            return _advisory_lock_is_held(connection, host)
    try:
        fd = os.open(_seat_file(host, folder), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, struct.pack(_WHOLE_FILE, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    finally:
        os.close(fd)
    return bool(struct.unpack(_WHOLE_FILE, answer)[0] != fcntl.F_UNLCK)


def _seat_file(host: str, folder: Path) -> Path:
    return folder / f"worker.{host}.lock"


def _open(path: Path) -> int:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack(_WHOLE_FILE, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except (BlockingIOError, PermissionError):  # EAGAIN or EACCES: POSIX leaves the choice
        return False
    return True


class _FileSeat:
    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd

    @classmethod
    def take(cls, path: Path) -> "_FileSeat | None":
        fd = _open(path)
        if _try_lock(fd):
            return cls(fd)
        os.close(fd)
        return None

    def held(self) -> bool:
        return self._fd is not None

    def leave(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _advisory_key(host: str) -> int:
    return int.from_bytes(hashlib.sha256(f"restorekit.worker.{host}".encode()).digest()[:8], "big", signed=True)


def _advisory_lock_is_held(connection: Any, host: str, only_mine: str = "") -> bool:
    key = _advisory_key(host) & (2**64 - 1)
    found = connection.exec_driver_sql(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        f" AND classid::bigint = %s AND objid::bigint = %s {only_mine}",
        (key >> 32, key & 0xFFFFFFFF),
    )
    return bool(found.scalar())


class _ServerSeat:
    """A session advisory lock on a connection of its own. Behind a pooler in transaction mode `held` says no."""

    def __init__(self, connection: Any, host: str) -> None:
        self._connection = connection
        self._host = host

    @classmethod
    def take(cls, engine: Any, host: str) -> "_ServerSeat | None":
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()  # the pool must neither recycle nor hand out the connection that is the lock
        taken = connection.exec_driver_sql("SELECT pg_try_advisory_lock(%s)", (_advisory_key(host),)).scalar()
        if not taken:
            connection.close()
            return None
        # A host that loses power sends no FIN: let the server notice within a minute, not within two hours.
        for setting in ("tcp_keepalives_idle = 30", "tcp_keepalives_interval = 10", "tcp_keepalives_count = 3"):
            connection.exec_driver_sql(f"SET {setting}")
        return cls(connection, host)

    def held(self) -> bool:
        try:
            return _advisory_lock_is_held(self._connection, self._host, "AND pid = pg_backend_pid()")
        except Exception:  # noqa: BLE001 - whatever went wrong, the seat is no longer proven to be ours
            return False

    def leave(self) -> None:
        with contextlib.suppress(Exception):  # a broken connection has lost the lock already
            self._connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
        with contextlib.suppress(Exception):
            self._connection.close()


def run_lock_file(folder: Path, run_id: str) -> Path:
    """The file whose lock says that a step of this run, or a child it left behind, is alive on this host."""
    return folder.resolve() / f"run.{run_id}.lock"


@contextlib.contextmanager
def run_lock(path: Path, stopping: threading.Event) -> Iterator[int]:
    """Hold a run's lock; yields the descriptor that children shall inherit.

    Waits for a living process that has it; the orphans of a dead one are killed and waited for. Raises Interrupted
    if `stopping` is set meanwhile.
    """
    while True:
        fd = _open(path)
        try:
            _wait_for(fd, path, stopping)
            if os.fstat(fd).st_nlink:
                os.pwrite(fd, _name_of(os.getpid()).ljust(_NAME_LENGTH).encode(), 0)
                yield fd
                return
            # `forget` removed the file between our open and our lock: others lock its successor.
        finally:
            os.close(fd)  # never unlock: that would take the lock from inherited copies, too


def _wait_for(fd: int, path: Path, stopping: threading.Event) -> None:
    said_at = time.monotonic() + _PATIENCE_S
    while not _try_lock(fd):
        owner = os.pread(fd, _NAME_LENGTH, 0).decode().strip()
        if owner and _name_of(int(owner.split()[0])) != owner:
            # What it started is of no use to anybody: the step is done again, from its beginning.
            _kill(pid for pid in _holders(path) if pid != os.getpid())
        if stopping.wait(0.02):
            raise Interrupted
        if time.monotonic() > said_at:
            _LOG.warning("waiting for the process (%s) that still holds %s", owner, path)
            said_at = float("inf")


def _name_of(pid: int) -> str:
    """A process's id and start time, which no later process shares; empty if there is none."""
    stat = _stat(pid)
    return f"{pid} {stat[19]}" if stat and stat[0] != "Z" else ""


def _stat(pid: int) -> list[str]:
    """State, parent and what follows in /proc; empty if there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()  # the name in front may hold blanks and brackets


def forget(path: Path) -> None:
    """Remove the lock file of a run that has ended, unless somebody holds it."""
    with contextlib.suppress(FileNotFoundError):
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            if _try_lock(fd):
                path.unlink()
        finally:
            os.close(fd)


def kill_children(path: Path) -> None:
    """Kill every descendant of this process that holds a run's lock, with its process group."""
    _kill(pid for pid in _holders(path) if _descends_from_us(pid))


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            group = os.getpgid(pid)
            os.kill(pid, signal.SIGKILL)
            if group != os.getpgrp():
                os.killpg(group, signal.SIGKILL)


def _holders(path: Path) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*/fd"):
        # Processes end while we look at them; those of other users are not ours.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if any(_leads_to(entry, path) for entry in folder.iterdir()):
                found.append(int(folder.parent.name))
    return found


def _descends_from_us(pid: int) -> bool:
    while stat := _stat(pid):
        pid = int(stat[1])
        if pid == os.getpid():
            return True
    return False


def _leads_to(entry: Path, path: Path) -> bool:
    try:
        return entry.readlink() == path
    except FileNotFoundError:
        return False

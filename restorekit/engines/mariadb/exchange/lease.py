"""No exchange while a physical backup runs, and no physical backup while an exchange runs.

A mariadb-backup holds BACKUP STAGE from its first second; whoever holds it keeps the other waiting. Versions that
take it late are found by the redo log they keep open. Exchanges of different customers on one server take turns,
so that one of them is never taken for a backup.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import one, rows
from restorekit.engines.mariadb.live import Live
from restorekit.errors import BackupRunning, GateTimeout

_TOOLS = ("mariadb-backup", "mariabackup", "xtrabackup")
_HELD = 1205
_TURN = "restorekit exchange"
_TURN_S = 60


def probe(connection: "Connection[Any]") -> str | None:
    """Why no exchange may run now, or None."""
    if (found := backup_process(connection)) is not None:
        return f"process {found} of this host is backing up this server"
    if one(connection, "SELECT IS_USED_LOCK(%s)", [_TURN]) is not None:
        return None  # an exchange has found that there is no backup, and lets none begin
    try:
        rows(connection, "SET STATEMENT lock_wait_timeout=1 FOR BACKUP STAGE START")
    except pymysql.err.Error as error:
        if error.args[0] != _HELD:
            raise
        return "a backup holds the server's backup lock"
    rows(connection, "BACKUP STAGE END")
    return None


@contextlib.contextmanager
def lease(live: Live) -> Iterator[int]:
    """Keep backups waiting inside; the value is the connection that does it.

    Raises BackupRunning at once, GateTimeout if other exchanges on this server do not end.
    """
    with contextlib.closing(live.connect()) as connection:
        if one(connection, "SELECT GET_LOCK(%s, %s)", [_TURN, _TURN_S]) != 1:
            raise GateTimeout("another exchange on this server does not end; live is untouched", hint="Try again.")
        rows(connection, "SET SESSION lock_wait_timeout=1")
        try:
            rows(connection, "BACKUP STAGE START")
        except pymysql.err.Error as error:
            if error.args[0] != _HELD:
                raise
            raise running("a backup holds the server's backup lock") from error
        if (found := backup_process(connection)) is not None:
            raise running(f"process {found} of this host is backing up this server")
        yield int(one(connection, "SELECT CONNECTION_ID()"))


def running(why: str) -> BackupRunning:
    """The error for a backup that is under way."""
    return BackupRunning(f"{why}; live is untouched", hint="Try again when the backup has ended.")


def backup_process(connection: "Connection[Any]") -> int | None:
    """The pid of a backup tool on this host that reads this server's files, or None."""
    data = Path(str(one(connection, "SELECT @@datadir"))).resolve()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if Path(words[0].decode(errors="replace")).name in _TOOLS and _reads(process, data):
            return int(process.name)
    return None


def _reads(process: Path, data: Path) -> bool:
    """True if it has a file of this data directory open, or does not let us look: then it may well be ours."""
    try:
        return any(fd.readlink().is_relative_to(data) for fd in (process / "fd").iterdir())
    except PermissionError:
        return True
    except OSError:
        return False

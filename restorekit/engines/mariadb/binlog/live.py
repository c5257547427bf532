"""The logs of the live server: which files there are, and whether we may read them.

The files are read where the server writes them, which costs the server nothing; so this works only on the
server's own machine and for a system user who may read them.
"""

import contextlib
from pathlib import Path
from typing import Any

import pymysql
from pymysql.connections import Connection

from restorekit.engines.mariadb.binlog.scan import Place, nothing_known, scan_files
from restorekit.engines.mariadb.connect import one, rows
from restorekit.engines.mariadb.live import Live, reading
from restorekit.errors import UsageError
from restorekit.model.changes import LogReading

_DENIED = frozenset({1045, 1142, 1227})
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


class _Silent(Exception):
    """The logs say nothing at all, for this reason."""


def changes(live: Live, cursor: str) -> LogReading:
    """Everything the server's logs say since `cursor`; only what whole transactions have written.

    What keeps the logs from being read at all is a sentence with a remedy, a hole, and the same cursor again.
    Raises EngineUnavailable, and UsageError for a cursor that is none of ours.
    """
    start = Place.parsed(cursor)
    if cursor and start is None:
        raise UsageError("this is no place in a binary log; nothing was read", hint="Begin with an empty one.")
    with reading("the list of binary logs"), live.connect() as session:
        # the clock before the list, and both before the files: nothing committed until then can be missed
        now = int(one(session, "SELECT UNIX_TIMESTAMP()")) + 1  # the end of the second that has begun
        try:
            paths = _files(live, session)
            narrow = _narrow(session)
        except _Silent as silent:
            return nothing_known(start, now, str(silent))
    return _told(scan_files(paths, start, now), narrow)


def _narrow(session: "Connection[Any]") -> str:
    """What the server is told to keep out of its log, as a sentence."""
    for _, _, only, never, *_ in rows(session, "SHOW MASTER STATUS"):
        if only:
            return f"the server logs only {only}: nothing is known of other databases"
        if never:
            return f"the server does not log {never}: nothing is known of that"
    return ""


def _told(found: LogReading, narrow: str) -> LogReading:
    if not narrow:
        return found
    stretches = tuple(s.model_copy(update={"why": s.why or narrow}) for s in found.stretches)
    return found.model_copy(update={"stretches": stretches, "problems": (*found.problems, narrow)})


def _files(live: Live, session: "Connection[Any]") -> list[Path]:
    """The files the server lists, if they are its own and we may read them."""
    on, base, data = rows(session, "SELECT @@log_bin, COALESCE(@@log_bin_basename, ''), @@datadir")[0]
    if not on:
        raise _Silent("the binary log is off: set log_bin in the server's configuration")
    if live.settings.socket is None and (live.settings.host or "127.0.0.1") not in _HERE:
        raise _Silent("the server runs on another machine: its binary logs can be read only there")
    folder = (Path(data) / base).parent
    sizes = {folder / name: size for name, size in _listed(session)}
    paths = list(sizes)
    try:
        for path in paths[:-1]:
            _check(path, sizes[path])
        paths[-1].open("rb").close()
    except PermissionError as error:
        why = f"the files in {folder} cannot be read: run as a system user in the server's group"
        raise _Silent(why) from error
    except FileNotFoundError as error:
        why = f"there is no {paths[-1].name} in {folder}: the server does not see the same files"
        raise _Silent(why) from error
    return paths


def _listed(session: "Connection[Any]") -> list[tuple[str, int]]:
    try:
        return [(str(name), int(size)) for name, size, *_ in rows(session, "SHOW BINARY LOGS")]
    except pymysql.err.Error as error:
        if error.args[0] in _DENIED:
            raise _Silent("the account may not list the binary logs: GRANT BINLOG MONITOR ON *.* to it") from error
        raise


def _check(path: Path, size: int) -> None:
    with contextlib.suppress(FileNotFoundError):  # purged since it was listed: the scan says so
        if path.stat().st_size != size:
            raise _Silent(f"{path.name} in {path.parent} has not the size the server names: it is not this server's")

"""The one statement that exchanges tables, and how to tell afterwards whether it happened."""

import time
from typing import Any

import pymysql
from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import quoted, rows
from restorekit.engines.mariadb.exchange.marker import Journal
from restorekit.errors import EngineUnavailable, GateTimeout, PreflightRefused, RestorekitError

_HINTS = {
    1050: "a table of that name appeared meanwhile",
    1146: "a table disappeared meanwhile",
    1435: "a trigger was created meanwhile",
}
_LOCKED = 1205
_ASIDE = "rk_aside"
_KINDS = ("BASE TABLE", "SYSTEM VERSIONED", "SEQUENCE")


def tables_of(connection: "Connection[Any]", schema: str) -> frozenset[str]:
    """Names of everything in the schema that a RENAME moves: tables and sequences."""
    found = rows(
        connection,
        "SELECT table_name FROM information_schema.tables WHERE table_schema=%s AND table_type IN %s",
        [schema, _KINDS],
    )
    return frozenset(name for (name,) in found)


def forward(connection: "Connection[Any]", journal: Journal, lock_wait_s: float) -> None:
    """Live's tables to `keep`, the coming ones to live: all or nothing, also when the server dies in the middle."""
    pairs = [(journal.target, journal.keep, t) for t in journal.leaving]
    pairs += [(journal.source, journal.target, t) for t in journal.coming]
    _rename(connection, pairs, lock_wait_s, journal.target)


def backward(connection: "Connection[Any]", journal: Journal, lock_wait_s: float) -> None:
    """The reverse of `forward`."""
    pairs = [(journal.target, journal.source, t) for t in journal.coming]
    pairs += [(journal.keep, journal.target, t) for t in journal.leaving]
    _rename(connection, pairs, lock_wait_s, journal.target)


def cost_s(connection: "Connection[Any]", schema: str, most: int) -> float:
    """What moving one table costs this server now (from 1 to 12 ms by its disk): tried on a holding schema's own."""
    tables = sorted(tables_of(connection, schema))[:most]
    if not tables:
        return 0.0
    there_and_back = [
        f"{quoted(schema)}.{quoted(a)} TO {quoted(schema)}.{quoted(b)}"
        for table in tables
        for a, b in ((table, _ASIDE), (_ASIDE, table))
    ]
    began = time.monotonic()
    rows(connection, f"RENAME TABLE {', '.join(there_and_back)}")
    return (time.monotonic() - began) / len(there_and_back)


def happened(connection: "Connection[Any]", journal: Journal) -> bool:
    """True if live's tables were exchanged; decided from the tables themselves. Raises if they are mixed."""
    if not journal.leaving and not journal.coming:
        return False
    kept = frozenset(journal.leaving) & tables_of(connection, journal.keep)
    waiting = frozenset(journal.coming) & tables_of(connection, journal.source)
    if kept == frozenset(journal.leaving) and not waiting:
        return True
    if not kept and waiting == frozenset(journal.coming):
        return False
    raise RestorekitError(
        f"the tables of {journal.target} are neither all old nor all new: {len(kept)} of {len(journal.leaving)} in "
        f"{journal.keep}, {len(waiting)} of {len(journal.coming)} in {journal.source}; nothing was changed",
        hint="Somebody moved or dropped tables by hand. Bring them back under these names, then try again.",
    )


def patience(connection: "Connection[Any]", lock_wait_s: float) -> None:
    """How long statements of this session wait for a table: everybody who comes later waits behind them."""
    rows(connection, "SET SESSION lock_wait_timeout=%s", [max(1, round(lock_wait_s))])


def _rename(connection: "Connection[Any]", pairs: list[tuple[str, str, str]], lock_wait_s: float, target: str) -> None:
    if not pairs:
        return
    moves = ", ".join(f"{quoted(a)}.{quoted(t)} TO {quoted(b)}.{quoted(t)}" for a, b, t in pairs)
    patience(connection, lock_wait_s)
    try:
        # From here on the other data are live. The way back is the reverse statement; no row is copied or deleted.
        rows(connection, f"RENAME TABLE {moves}")
    except pymysql.err.Error as error:
        raise refused(error, target, lock_wait_s) from error


def refused(error: pymysql.err.Error, target: str, lock_wait_s: float) -> RestorekitError:
    """The error of ours for a server's while tables change places; the caller makes true that live is as before."""
    number = error.args[0]
    if number == _LOCKED:
        return GateTimeout(
            f"a transaction holds tables of {target} for longer than {lock_wait_s:g} s; live is as before",
            hint="End the long transaction (`SHOW PROCESSLIST`, `XA RECOVER`) or wait for it, then try again.",
        )
    if number in (0, 1053, 1317, 1927, 2006, 2013):
        return EngineUnavailable(f"the server or its session went away while tables of {target} were being exchanged")
    why = _HINTS.get(number, "the server refused the exchange")
    return PreflightRefused(f"{why} (server error {number}) in {target}; live is as before")

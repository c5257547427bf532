"""Holding writers back while a schema is exchanged, and letting them in again exactly as before."""

import time
from typing import Any

import pymysql
from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import quoted, rows
from restorekit.engines.mariadb.exchange.accounts import Gate, Grant, escaped
from restorekit.errors import GateTimeout

_NO_SUCH_THREAD = 1094
_NO_SUCH_GRANT = frozenset({1141, 1147, 1403})
_NO_SUCH_USER = frozenset({1133, 1396, 1476})
_NO_SUCH_OBJECT = frozenset({1054, 1146, 1305})
_LENT = "SELECT, SHOW VIEW, EXECUTE"
_MASK = "SHOW VIEW"  # powerless alone: it overrides a wider pattern and grants no row


def close(connection: "Connection[Any]", gate: Gate, kill_wait_s: float) -> None:
    """Take the rights away and end the sessions that could still write; raises GateTimeout if some do not end.

    The caller has written the gate down, and calls `reopen` whatever happens here.
    """
    for name in gate.masked:
        rows(connection, f"GRANT {_MASK} ON {gate.mask_scope} TO {name}")
    for grant in gate.grants:
        _tolerating(connection, grant.revocation, _NO_SUCH_GRANT)
    for name in gate.masked:  # a revoked exact grant took the mask of the same row with it
        rows(connection, f"GRANT {_MASK} ON {gate.mask_scope} TO {name}")
    for account in gate.locks:
        _tolerating(connection, f"ALTER USER {account} ACCOUNT LOCK", _NO_SUCH_USER)
    _end_sessions(connection, gate, kill_wait_s)


def reopen(connection: "Connection[Any]", gate: Gate) -> tuple[Grant, ...]:
    """Give back exactly what `close` took, and say which grants have nothing left to stand on. Safe to repeat."""
    for name in gate.masked:
        _tolerating(connection, f"REVOKE {_MASK} ON {gate.mask_scope} FROM {name}", _NO_SUCH_GRANT | _NO_SUCH_USER)
    for account in gate.locks:
        _tolerating(connection, f"ALTER USER {account} ACCOUNT UNLOCK", _NO_SUCH_USER)
    return tuple(grant for grant in gate.grants if not give(connection, grant))


def lend(connection: "Connection[Any]", schema: str, names: tuple[str, ...]) -> None:
    """Let owners of views read a database that was just created: views on their views could not be made otherwise."""
    for name in names:
        rows(connection, f"GRANT {_LENT} ON {quoted(escaped(schema))}.* TO {name}")


def take_back_loans(connection: "Connection[Any]", schema: str, names: tuple[str, ...]) -> None:
    """The reverse of `lend`. Safe to repeat."""
    for name in names:
        scope = f"{quoted(escaped(schema))}.*"
        _tolerating(connection, f"REVOKE {_LENT} ON {scope} FROM {name}", _NO_SUCH_GRANT | _NO_SUCH_USER)


def give(connection: "Connection[Any]", grant: Grant) -> bool:
    """Grant it; False if the account or what it was granted on is gone."""
    if _tolerating(connection, grant.statement, _NO_SUCH_OBJECT | _NO_SUCH_USER):
        return True
    if not grant.table:
        return False
    # A right on a table that is not there can be kept, but only be given together with CREATE.
    words = ", ".join(["CREATE", *(p for p in grant.privileges if "(" not in p)])
    option = " WITH GRANT OPTION" if grant.grant_option else ""
    kept = _tolerating(
        connection,
        f"GRANT {words} ON {grant.scope} TO {grant.grantee}{option}",
        _NO_SUCH_OBJECT | _NO_SUCH_USER,
    )
    if kept and "CREATE" not in grant.privileges:
        _tolerating(connection, f"REVOKE CREATE ON {grant.scope} FROM {grant.grantee}", _NO_SUCH_GRANT)
    return kept and not any("(" in p for p in grant.privileges)


def _tolerating(connection: "Connection[Any]", sql: str, numbers: frozenset[int]) -> bool:
    """Execute; False if the server answered one of these errors."""
    try:
        rows(connection, sql)
    except pymysql.err.Error as error:
        if error.args[0] not in numbers:
            raise
        return False
    return True


def _end_sessions(connection: "Connection[Any]", gate: Gate, kill_wait_s: float) -> None:
    """KILL until none is left: neither REVOKE nor ACCOUNT LOCK stops a session that is already inside."""
    end = time.monotonic() + kill_wait_s
    while left := _sessions(connection, gate):
        for number, _ in left:
            _tolerating(connection, f"KILL {int(number)}", frozenset({_NO_SUCH_THREAD}))
        if time.monotonic() > end:
            named = ", ".join(f"{number} of {user}" for number, user in left[:10])
            raise GateTimeout(
                f"sessions did not end within {kill_wait_s:g} s: connection {named}; live is as before",
                hint="They may be rolling back a large transaction. Try again when they are gone.",
            )
        time.sleep(0.005)  # the end of another session can only be polled


def _sessions(connection: "Connection[Any]", gate: Gate) -> list[tuple[int, str]]:
    if not gate.users:
        return []
    return [
        (number, user)
        for number, user in rows(
            connection,
            "SELECT p.id, p.user FROM information_schema.processlist p WHERE p.id<>CONNECTION_ID() AND p.user IN %s "
            "AND (p.user IN %s OR p.db=%s OR p.command<>'Sleep' OR p.id IN "
            "(SELECT trx_mysql_thread_id FROM information_schema.innodb_trx))",
            [gate.users, gate.sole or ("",), gate.schema_name],
        )
    ]

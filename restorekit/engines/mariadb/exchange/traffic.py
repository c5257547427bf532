"""What else goes on at the server: transactions that hold tables, replicas, filters."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pymysql
from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import quoted, rows
from restorekit.engines.mariadb.live import Live
from restorekit.model.exchange import Finding

_HELD = frozenset({1205, 1213})
"""Waited for in vain, or given up by the server for somebody else's sake: in the middle of traffic both happen."""
_TRIES = 3
_PAUSE_S = 0.1
_MOST_LAG_S = 60


def held(live: Live, schema: str, tables: Sequence[str]) -> Iterator[Finding]:
    """Tables whose lock cannot be had even by asking repeatedly, and who may be holding it.

    The lock is asked for without waiting and given back at once: waiting would hold up every later query.
    """
    with contextlib.closing(live.connect()) as connection:
        # Only so the engine's own lock is asked for, too: a prepared XA transaction holds nothing else.
        rows(connection, "SET SESSION autocommit=0, innodb_table_locks=1, innodb_lock_wait_timeout=1")
        busy = [t for t in tables if not _free(connection, f"{quoted(schema)}.{quoted(t)}")]
        if not busy:
            return
        who = _holders(connection, schema)
    if not who:  # one short statement after the other is no obstacle
        return
    yield Finding(
        severity="wait",
        code="long_transaction",
        text=f"{', '.join(busy[:10])} of {schema} is held by a transaction: {'; '.join(who)}",
        hint="Let it end, or end it, then try again.",
    )


def _free(connection: "Connection[Any]", table: str) -> bool:
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE_S)  # somebody else's statement ends without telling us
        try:
            rows(connection, f"LOCK TABLES {table} WRITE NOWAIT")
        except pymysql.err.Error as error:
            if error.args[0] not in _HELD:
                raise
            continue
        rows(connection, "COMMIT")
        rows(connection, "UNLOCK TABLES")
        return True
    return False


def _holders(connection: "Connection[Any]", schema: str) -> list[str]:
    """Open transactions, oldest first, and prepared ones that no connection owns any more."""
    open_ones = rows(
        connection,
        "SELECT t.trx_mysql_thread_id, p.user, TIMESTAMPDIFF(SECOND, t.trx_started, NOW()) "
        "FROM information_schema.innodb_trx t JOIN information_schema.processlist p ON p.id=t.trx_mysql_thread_id "
        "WHERE p.id<>CONNECTION_ID() AND t.trx_started < NOW() - INTERVAL 1 SECOND "
        "ORDER BY p.db<=>%s DESC, t.trx_started LIMIT 5",
        [schema],
    )
    who = [f"connection {number} of {user}, for {age} s" for number, user, age in open_ones]
    with contextlib.suppress(pymysql.err.Error):  # needs a right of its own
        if prepared := len(rows(connection, "XA RECOVER")):
            who.append(f"{prepared} prepared XA transactions")
    return who


def replication(connection: "Connection[Any]") -> Iterator[Finding]:
    """Replicas of this server, masters of it, and filters: an exchange is one statement in the binary log."""
    sending = rows(connection, "SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'")
    if sending[0][0]:
        yield Finding(
            severity="warn",
            code="replicas",
            text=f"{sending[0][0]} replicas follow this server and need the same room",
            hint="A replica that filters this database, rk_hold_% or rk_undo_% would stop at the exchange.",
        )
    status = _status(connection, "SHOW MASTER STATUS")
    if any(row.get("Binlog_Do_DB") or row.get("Binlog_Ignore_DB") for row in status):
        yield Finding(
            severity="warn", code="binlog_filter", text="this server filters what it writes to its binary log"
        )
    for row in _status(connection, "SHOW ALL SLAVES STATUS"):
        lag = row.get("Seconds_Behind_Master")
        if lag is None or int(lag) > _MOST_LAG_S:
            yield Finding(
                severity="wait",
                code="replica_lag",
                text=f"this server is a replica and {'does not run' if lag is None else f'{lag} s behind'}",
                hint="Exchange on the primary, or when the replica has caught up.",
            )


def _status(connection: "Connection[Any]", sql: str) -> list[dict[str, Any]]:
    with connection.cursor(pymysql.cursors.DictCursor) as cursor:
        try:
            cursor.execute(sql)
        except pymysql.err.Error:  # without the right to look there is nothing to report
            return []
        return list(cursor.fetchall())

"""What an exchange is about to do and has done, written on live itself before the first effect.

One row per order in `_restorekit.exchange_marker`. A row holds names, counts, fingerprints and definitions, never
the value of a customer's row.
"""

import re
from datetime import UTC, datetime
from typing import Any, Literal

import pymysql
from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import MARKER_SCHEMA, one, quoted, rows
from restorekit.engines.mariadb.delta.applying import Written
from restorekit.engines.mariadb.delta.changeset import Delta
from restorekit.engines.mariadb.exchange.accounts import Gate, Grant
from restorekit.engines.mariadb.exchange.keys import ForeignKey
from restorekit.engines.mariadb.objects import Definitions
from restorekit.errors import UsageError
from restorekit.model.contents import Contents
from restorekit.model.difference import TableAction
from restorekit.model.exchange import Exchanged, SlippedTable
from restorekit.model.value import Moment, Value

Phase = Literal["intent", "gated", "written", "exchanged", "done", "taken_back"]
UNFINISHED: tuple[Phase, ...] = ("intent", "gated", "written", "exchanged")
TABLE = f"{quoted(MARKER_SCHEMA)}.exchange_marker"
_ID = re.compile(r"[a-z0-9_-]{1,40}")
_NO_SCHEMA, _NO_TABLE = 1049, 1146
_NO_CHECKPOINT = frozenset({1193, 1227})


class Default(Value):
    """A column whose default draws from a sequence; the name of the schema stands inside and must be set again."""

    table: str
    column: str
    expression: str


class Journal(Value):
    """One exchange (or undo): `leaving` tables of live go to `keep`, `coming` ones come from `source`.

    `before` are live's objects as they were, `drop` and `make` those that change, `measured` the tables that leave
    as they were under the gate, `brought` the contents that come. `broken` views did not work before either. Owners
    of views are `lent` reading rights on a new database while its views are made. `lost` grants had nothing left to
    stand on (`earlier_lost`: in the exchange that is undone). Foreign keys of leaving tables that are `dangling` are
    cut, those of the exchange that is undone are mended (`earlier_dangling`).

    Rows of `deltas` are written one by one, from change sets in `source`; the way back lies in change sets in `keep`,
    and `written` says what was done. With the `open_gate` nobody is held back.
    """

    order_id: str
    undo_of: str | None = None
    target: str
    source: str
    keep: str
    actions: tuple[TableAction, ...]
    objects: bool
    dead_man_s: float
    began_at: Moment
    connections: tuple[int, ...] = ()
    gate: Gate
    leaving: tuple[str, ...] = ()
    coming: tuple[str, ...] = ()
    deltas: tuple[Delta, ...] = ()
    written: Written | None = None
    open_gate: bool = False
    before: Definitions
    drop: Definitions
    make: Definitions
    defaults: tuple[Default, ...] = ()
    create_target: bool = False
    drop_target: bool = False
    charset: str = ""
    collation: str = ""
    brought: Contents | None = None
    measured: Contents | None = None
    slipped: tuple[SlippedTable, ...] = ()
    closed_at: Moment | None = None
    broken: tuple[str, ...] = ()
    lent: tuple[str, ...] = ()
    dangling: tuple[ForeignKey, ...] = ()
    earlier_dangling: tuple[ForeignKey, ...] = ()
    lost: tuple[Grant, ...] = ()
    earlier_lost: tuple[Grant, ...] = ()
    blocked_s: float | None = None
    notes: tuple[str, ...] = ()
    exchanged: Exchanged | None = None


class Marked(Value):
    """A journal and how far it came."""

    phase: Phase
    journal: Journal


def hold_schema(order_id: str) -> str:
    """The schema of the proven copy beside live; raises UsageError for an id that is no plain word."""
    return f"rk_hold_{checked(order_id)}"


def undo_schema(order_id: str) -> str:
    """The schema that keeps what live was."""
    return f"rk_undo_{checked(order_id)}"


def checked(order_id: str) -> str:
    """The id itself; it becomes part of names, so nothing but a plain word is accepted."""
    if not _ID.fullmatch(order_id):
        raise UsageError(
            f"{order_id!r} is no usable order id", hint="Use up to 40 lower-case letters, digits, - and _."
        )
    return order_id


def prepare(connection: "Connection[Any]") -> None:
    """Create the marker's home where it is missing."""
    if one(connection, "SELECT 1 FROM information_schema.tables WHERE table_schema=%s", [MARKER_SCHEMA]):
        return
    rows(connection, f"CREATE DATABASE IF NOT EXISTS {quoted(MARKER_SCHEMA)} CHARACTER SET utf8mb4")
    rows(
        connection,
        f"CREATE TABLE IF NOT EXISTS {TABLE} (order_id VARCHAR(40) CHARACTER SET ascii NOT NULL PRIMARY KEY, "
        "target VARCHAR(64) NOT NULL, phase VARCHAR(16) NOT NULL, journal LONGTEXT NOT NULL, "
        "changed_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)) ENGINE=InnoDB",
    )


def save(connection: "Connection[Any]", phase: Phase, journal: Journal) -> Journal:
    """Write and commit durably, whatever the server's own flush policy is; returns the journal."""
    put(connection, phase, journal)
    harden(connection)
    return journal


def put(connection: "Connection[Any]", phase: Phase, journal: Journal) -> None:
    """Write it as part of the transaction that is open, if one is."""
    rows(
        connection,
        f"INSERT INTO {TABLE} (order_id, target, phase, journal) VALUES (%s,%s,%s,%s) "
        "ON DUPLICATE KEY UPDATE phase=VALUES(phase), journal=VALUES(journal)",
        [journal.order_id, journal.target, phase, journal.model_dump_json()],
    )


def harden(connection: "Connection[Any]") -> None:
    """What is committed survives a power cut from here on, whatever the server's own flush policy is."""
    if one(connection, "SELECT @@innodb_flush_log_at_trx_commit") != 1:
        checkpoint(connection)


def read(connection: "Connection[Any]", order_id: str) -> Marked | None:
    """The marker of one order, or None."""
    found = _select(connection, "WHERE order_id=%s", [order_id])
    return found[0] if found else None


def unfinished(connection: "Connection[Any]") -> list[Marked]:
    """Every exchange that neither ended nor was taken back."""
    return _select(connection, "WHERE phase IN %s", [UNFINISHED])


def _select(connection: "Connection[Any]", condition: str, args: list[Any]) -> list[Marked]:
    try:
        found = rows(connection, f"SELECT phase, journal FROM {TABLE} {condition} ORDER BY changed_at", args)
    except pymysql.err.Error as error:
        if error.args[0] in (_NO_SCHEMA, _NO_TABLE):
            return []
        raise
    # Written by one version and perhaps finished by another (an upgrade during a swap): a gate that stays closed would
    # be worse than a field that nobody knows.
    return [Marked(phase=phase, journal=Journal.model_validate_json(text, extra="ignore")) for phase, text in found]


def now(connection: "Connection[Any]") -> datetime:
    """The server's clock (UTC): all times of one exchange come from it."""
    moment: datetime = one(connection, "SELECT UTC_TIMESTAMP(6)")
    return moment.replace(tzinfo=UTC)


def checkpoint(connection: "Connection[Any]") -> None:
    """Write a checkpoint: tables created and renamed within one interval can keep a crashed server from starting.

    Left out where the server does not offer it or our account may not (preflight says so).
    """
    try:
        rows(connection, "SET GLOBAL innodb_log_checkpoint_now=1")
    except pymysql.err.Error as error:
        if error.args[0] not in _NO_CHECKPOINT:
            raise

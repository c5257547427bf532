"""Replace some tables of live by those of the holding copy, in one transaction; all others are left alone."""

import sqlite3
from collections.abc import Sequence

from restorekit.engines.sqlite import connect, schema
from restorekit.engines.sqlite.connect import literal, quoted
from restorekit.engines.sqlite.gate import Held, Job, UndoCopy, lock
from restorekit.engines.sqlite.schema import MARKER, Table, Thing
from restorekit.errors import ProofFailed
from restorekit.model.difference import TableAction

_NEW = "rk_new"
"""The schema name under which the holding copy is attached."""


def by_tables(job: Job, actions: Sequence[TableAction], *, objects: bool) -> float:
    """Carry out `actions` and, for `objects`, make views, triggers and version numbers equal to the holding copy's.

    Returns seconds writers were held. Raises GateTimeout, PreflightRefused, and what the job's callbacks raise: live
    is as before.
    """
    with connect.reader(job.live) as old, connect.writer(job.live, job.lock_wait_s) as live:
        live.execute(f"ATTACH {literal(connect.uri(job.hold, 'mode=ro&immutable=1'))} AS {_NEW}")
        undo = UndoCopy(old, job)
        undo.ahead()
        lock(live, "BEGIN IMMEDIATE", job.lock_wait_s)
        held = Held(job)
        try:
            undo.under_gate(held)
            live.set_progress_handler(lambda: int(held.seconds > job.gate_max_s), 50_000)
            _apply(live, actions, objects=objects)
            live.execute(f"CREATE TABLE {MARKER} (id TEXT NOT NULL)")
            live.execute(f"INSERT INTO {MARKER} VALUES (?)", (job.order_id,))
            live.set_progress_handler(None, 0)
            lock(live, "COMMIT", job.lock_wait_s)
        except BaseException as error:
            if live.in_transaction:
                live.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError) and connect.primary(error) == sqlite3.SQLITE_INTERRUPT:
                held.check()
            raise
        return held.seconds


def _apply(live: sqlite3.Connection, actions: Sequence[TableAction], *, objects: bool) -> None:
    touched = {a.name for a in actions if a.method != "same"}
    brought = {a.name for a in actions if a.method in ("exchange", "create")}
    wanted = _wanted(live, touched, objects=objects)
    if objects:
        _drop_stale(live, wanted)
    for table in [t for t in schema.tables(live) if t.name in touched]:
        # Cannot be taken back after the commit; the undo copy is whole, forced to the medium and recorded.
        live.execute(f"DROP TABLE main.{quoted(table.name)}")
    for table in [t for t in schema.tables(live, _NEW) if t.name in brought]:
        _bring(live, table)
    there = set(schema.things(live))
    for thing in [t for t in wanted if t not in there]:
        live.execute(thing.sql)
    if objects:
        for name in ("user_version", "application_id"):
            live.execute(f"PRAGMA main.{name}={int(connect.pragma(live, f'{_NEW}.{name}'))}")


def _wanted(live: sqlite3.Connection, touched: set[str], *, objects: bool) -> list[Thing]:
    """Views and triggers as they shall be. A trigger goes with its table."""
    new = schema.things(live, _NEW)
    if objects:
        return new
    kept = [t for t in schema.things(live) if t.on not in touched or t.kind == "view"]
    return kept + [t for t in new if t.kind == "trigger" and t.on in touched]


def _drop_stale(live: sqlite3.Connection, wanted: list[Thing]) -> None:
    for thing in [t for t in schema.things(live) if t.kind == "trigger" and t not in wanted]:
        live.execute(f"DROP TRIGGER main.{quoted(thing.name)}")
    for thing in [t for t in schema.things(live) if t.kind == "view" and t not in wanted]:
        live.execute(f"DROP VIEW main.{quoted(thing.name)}")


def _bring(live: sqlite3.Connection, table: Table) -> None:
    """Make the table as it was defined, then its rows, its counter and its indexes; triggers come later."""
    live.execute(table.sql)
    if table.virtual:
        for shadow in schema.shadows(live, _NEW, table.name):
            live.execute(f"DELETE FROM main.{quoted(shadow)}")
            live.execute(f"INSERT INTO main.{quoted(shadow)} SELECT * FROM {_NEW}.{quoted(shadow)}")
            _bring_state(live, "sqlite_stat1", "tbl", shadow)
        return
    names = [*([table.rowid] if table.rowid else []), *(c.name for c in table.columns)]
    columns = ", ".join(quoted(n) for n in names)
    source = f"{_NEW}.{quoted(table.name)}"
    done = live.execute(f"INSERT INTO main.{quoted(table.name)} ({columns}) SELECT {columns} FROM {source}").rowcount
    expected = live.execute(f"SELECT COUNT(*) FROM {source}").fetchone()[0]
    if done != expected:
        raise ProofFailed(f"table {table.name}: {done} of {expected} rows arrived; live is as before")
    for sql in table.indexes:
        live.execute(sql)
    for name, column in (("sqlite_sequence", "name"), ("sqlite_stat1", "tbl")):
        _bring_state(live, name, column, table.name)


def _bring_state(live: sqlite3.Connection, state: str, column: str, table: str) -> None:
    """Carry a table's counter or statistics, where both sides keep such."""
    for side in ("main", _NEW):
        if not live.execute(f"SELECT 1 FROM {side}.sqlite_schema WHERE name = ?", (state,)).fetchone():
            return
    live.execute(f"DELETE FROM main.{state} WHERE {column} = ?", (table,))
    live.execute(f"INSERT INTO main.{state} SELECT * FROM {_NEW}.{state} WHERE {column} = ?", (table,))

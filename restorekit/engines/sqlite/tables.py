"""Replace some tables of live by those of the holding copy, or some of their rows, in one transaction."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from restorekit.engines.sqlite import connect, schema
from restorekit.engines.sqlite.connect import literal, quoted
from restorekit.engines.sqlite.delta.setting import Change, set_down
from restorekit.engines.sqlite.delta.writing import write
from restorekit.engines.sqlite.gate import Job, UndoCopy, kept, written
from restorekit.engines.sqlite.schema import Table, Thing
from restorekit.errors import ProofFailed
from restorekit.model.difference import TableAction

_NEW = "rk_new"
"""The schema name under which the holding copy is attached."""


@dataclass(frozen=True)
class Work:
    """What is to be done to live: `actions` on tables, `change` the rows of some, `objects` views and triggers."""

    actions: Sequence[TableAction]
    objects: bool
    change: Change | None = None

    @property
    def rows_of(self) -> frozenset[str]:
        """Tables whose rows are written one by one."""
        return frozenset(a.name for a in self.actions if a.method == "delta")


def by_tables(job: Job, work: Work) -> float:
    """Carry out `work` and, for `objects`, make views, triggers and version numbers equal to the holding copy's.

    Returns seconds writers were held. Raises GateTimeout, PreflightRefused, and what the job's callbacks raise: live
    is as before.
    """
    with connect.reader(job.live) as old, connect.writer(job.live, job.lock_wait_s) as live:
        live.execute(f"ATTACH {literal(connect.uri(job.hold, 'mode=ro&immutable=1'))} AS {_NEW}")
        undo = UndoCopy(old, job)
        undo.ahead()
        with written(job, live) as held:
            if work.change is not None:
                set_down(work.change, held.check)
            undo.under_gate(held)
            live.set_progress_handler(lambda: int(held.seconds > job.gate_max_s), 50_000)
            _apply(live, work)
        return held.seconds


def by_rows(job: Job, work: Work) -> float:
    """Write rows, and nothing else; what they replace is kept, not the whole of live. Otherwise as `by_tables`."""
    assert work.change is not None
    with connect.writer(job.live, job.lock_wait_s) as live:
        with written(job, live) as held:
            set_down(work.change, held.check)
            kept(job)
            live.set_progress_handler(lambda: int(held.seconds > job.gate_max_s), 50_000)
            things = schema.things(live)
            _without_triggers(live, work.rows_of)
            write(live, work.change)
            _make(live, things)
        return held.seconds


def _without_triggers(live: sqlite3.Connection, names: frozenset[str]) -> None:
    """No trigger sees a row of ours; they are made again before the commit."""
    for thing in schema.things(live):
        if thing.kind == "trigger" and thing.on in names:
            live.execute(f"DROP TRIGGER main.{quoted(thing.name)}")


def _make(live: sqlite3.Connection, wanted: Sequence[Thing]) -> None:
    there = set(schema.things(live))
    for thing in [t for t in wanted if t not in there]:
        live.execute(thing.sql)


def _apply(live: sqlite3.Connection, work: Work) -> None:
    touched = {a.name for a in work.actions if a.method not in ("same", "delta")}
    brought = {a.name for a in work.actions if a.method in ("exchange", "create")}
    wanted = _wanted(live, touched, objects=work.objects)
    if work.objects:
        _drop_stale(live, wanted)
    _without_triggers(live, work.rows_of)
    for table in [t for t in schema.tables(live) if t.name in touched]:
        # Cannot be taken back after the commit; the undo copy is whole, forced to the medium and recorded.
        live.execute(f"DROP TABLE main.{quoted(table.name)}")
    for table in [t for t in schema.tables(live, _NEW) if t.name in brought]:
        _bring(live, table)
    if work.change is not None:
        write(live, work.change)
    _make(live, wanted)
    if work.objects:
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

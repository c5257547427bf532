"""Choosing among the rows that differ. The choice stays in the sandbox; counts and keyed hashes leave it."""

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from restorekit.engines.mariadb import tables as described
from restorekit.engines.mariadb.connect import one, quoted, rows
from restorekit.engines.mariadb.delta import asking, conflicts, edges, images
from restorekit.engines.mariadb.delta.finding import shape
from restorekit.engines.mariadb.delta.ground import ground
from restorekit.engines.mariadb.delta.keyed import keyed
from restorekit.engines.mariadb.delta.names import CHOSEN, NOTED, chosen, found, number, own
from restorekit.engines.mariadb.delta.resolving import Relations, Resolved, resolve, wanted
from restorekit.engines.mariadb.live import Live, reading
from restorekit.engines.mariadb.snapshot import begin
from restorekit.errors import PreflightRefused, UsageError
from restorekit.model.database import Where
from restorekit.model.pick import ChosenTable, Pick, Selection
from restorekit.model.shown import Choice, Conditions
from restorekit.ports import Watch

_NUMBERS = 5000
"""Rows named in one statement."""


@dataclass(frozen=True)
class Noted:
    """What the comparison wrote down about a table."""

    carried: bool
    no_delta: str
    recorded: bool


@dataclass(frozen=True)
class _Choosing:
    """One choice: what it is made of, and whom to ask."""

    live: Live
    staging: Where
    session: "Connection[Any]"
    noted: Mapping[str, Noted]
    known: edges.Known
    pick: Pick

    @property
    def scope(self) -> list[str]:
        """The tables of the pick whose rows can be written one by one."""
        names = self.noted if self.pick.tables is None else self.pick.tables
        return sorted(n for n in names if n in self.noted and not self.noted[n].no_delta)


def choose(live: Live, sides: tuple[Where, Where], pick: Pick, conditions: Conditions | None, watch: Watch) -> Choice:
    """The duties stand in `ports.Comparing`; `sides` are staging and live."""
    staging, live_where = sides
    with (
        reading("the choice"),
        contextlib.closing(live.where_connect(staging)) as session,
        contextlib.closing(live.where_connect(live_where)) as source,
    ):
        begin(source)
        noted = _noted(session)
        staged = {t.name: t for t in described.tables(session, staging.schema_name)}
        known = edges.Known(session, source, live_where, ground(source, live_where.schema_name), staged)
        known.dark |= {name for name, each in noted.items() if not each.recorded}
        choosing = _Choosing(live, staging, session, noted, known, pick)
        _must_be_possible(choosing)
        tables = list(known.staged) if pick.tables is None else pick.tables
        asked_of = asking.conditions(session, tables, choosing.scope, conditions)
        images.forget(session)
        theirs = described.tables(source, live_where.schema_name, frozenset(_imaged(choosing, bool(asked_of))))
        for table in theirs:
            there = known.staged[table.name]
            images.keep(session, source, (table, there), watch, carried=noted[table.name].carried)
            known.imaged.add(table.name)
            known.sides[table.name] = (table, there)
        return _chosen(choosing, asked_of)


def _chosen(choosing: _Choosing, asked_of: Mapping[str, str]) -> Choice:
    pick, known = choosing.pick, choosing.known
    relations = edges.relations(known)
    for name in choosing.scope:
        relations.ops |= edges.ops(choosing.session, known.staged[name])
    scope = set(choosing.scope)
    rows_of = {n for n in relations.ops if n.table in scope}
    for table, condition in asked_of.items():
        backup, here = asking.fulfilled(choosing.live, choosing.staging, known.staged[table], condition)
        asked = {n for n in rows_of if n.table == table}
        rows_of -= {n for n in asked if n.no not in (here if relations.ops[n] == "D" else backup)}
    resolved = resolve(pick, relations, wanted(pick, relations, rows_of))
    _must_be_writable(choosing, relations, resolved)
    tables = sorted(scope | {n.table for n in resolved.chosen})
    _write(choosing, resolved, tables)
    made = tuple(_told(choosing, relations, resolved, name) for name in tables)
    stored, shown = conflicts.told(known, choosing.live.home.row_key, resolved.troubles)
    selection = Selection(
        tables=tuple(t for t in made if t.writes or t.keep or t.left or not pick.partial),
        conflicts=stored,
        conflict_count=len(resolved.troubles),
    )
    return Choice(selection=selection, conflicts=shown)


def _noted(session: "Connection[Any]") -> dict[str, Noted]:
    listing = "SELECT 1 FROM information_schema.tables WHERE table_schema=%s AND table_name='tables'"
    if one(session, listing, (NOTED,)) is None:
        raise UsageError("nothing was compared yet; live is untouched", hint="Look at the difference first.")
    found = rows(session, f"SELECT name,carried,no_delta,recorded FROM {NOTED}.tables")
    return {name: Noted(bool(carried), no_delta, bool(recorded)) for name, carried, no_delta, recorded in found}


def _must_be_possible(choosing: _Choosing) -> None:
    """Rows of a table were asked for: then they must be such as can be written one by one."""
    if not choosing.pick.partial and choosing.pick.tables is None:
        return
    names = choosing.noted if choosing.pick.tables is None else choosing.pick.tables
    against = [(n, choosing.noted[n].no_delta) for n in sorted(names) if n in choosing.noted]
    if lines := tuple(f"{name}: {why}" for name, why in against if why):
        raise PreflightRefused(
            f"rows cannot be brought back one by one ({lines[0]}); live is untouched",
            hint="Leave these tables out with --only, or restore them as a whole.",
            details=lines,
        )


def _imaged(choosing: _Choosing, asked: bool) -> set[str]:  # noqa: FBT001
    """Tables whose rows must be looked at: those chosen from, and all with findings that foreign keys tie to them.

    Where everything goes and nothing is tied to it there is nothing to look at.
    """
    ties = [(k.child, k.parent) for k in choosing.known.foreign()]
    reach = set(choosing.scope)
    grown = True
    while grown:
        more = {name for tie in ties for name in tie if set(tie) & reach} - reach
        grown = bool(more)
        reach |= more
    tied = {name for tie in ties for name in tie}
    alone = set() if choosing.pick.partial or asked else reach - tied
    return {n for n in reach - alone if n in choosing.noted and choosing.noted[n].recorded}


def _must_be_writable(choosing: _Choosing, relations: Relations, resolved: Resolved) -> None:
    """Rows that came along, or would have to, must be such as can be written one by one."""
    noted = choosing.noted
    for table in sorted({n.table for n in resolved.chosen}):
        if noted[table].no_delta:
            raise PreflightRefused(
                f"rows of {table} are needed, and cannot be brought back one by one: {noted[table].no_delta}; "
                "live is untouched",
                hint="Restore that table as a whole first, or leave out with --only what needs it.",
            )
    for name, table in sorted(relations.unreachable.items()):
        if name in resolved.chosen:
            raise PreflightRefused(
                f"rows of {name.table} need rows of {table} that live lacks, and these cannot be brought back one by "
                f"one: {noted[table].no_delta}; live is untouched",
                hint=f"Restore {table} as a whole first, or leave {name.table} out with --only.",
            )


def _write(choosing: _Choosing, resolved: Resolved, names: Iterable[str]) -> None:
    """The choice, instead of any earlier one."""
    session = choosing.session
    rows(session, f"DROP DATABASE IF EXISTS {CHOSEN}")
    rows(session, f"CREATE DATABASE {CHOSEN}")
    for name in names:
        table = choosing.known.staged[name]
        mine, no, key = own(table.columns), number(table.columns), ",".join(quoted(k) for k in table.key)
        rows(
            session,
            f"CREATE TABLE {chosen(name)} ({shape(mine)}, KEY ({key})) ENGINE=InnoDB "
            f"SELECT {key} FROM {table.full} LIMIT 0",
        )
        numbers = sorted(n.no for n in resolved.chosen if n.table == name)
        columns = f"{','.join(mine)},{key}"
        for start in range(0, len(numbers), _NUMBERS):
            part = ",".join(map(str, numbers[start : start + _NUMBERS]))
            rows(
                session,
                f"INSERT INTO {chosen(name)} ({columns}) SELECT {columns} FROM {found(name)} WHERE {no} IN ({part})",
            )


def _told(choosing: _Choosing, relations: Relations, resolved: Resolved, name: str) -> ChosenTable:
    table = choosing.known.staged[name]
    there = {n: op for n, op in relations.ops.items() if n.table == name}
    written = Counter(op for n, op in there.items() if n in resolved.chosen)
    stays = Counter(op for n, op in there.items() if n not in resolved.chosen)
    skipped = sum(n in resolved.out and op != "D" for n, op in there.items())
    full = chosen(name)
    return ChosenTable(
        name=name,
        insert=written["I"],
        change=written["U"],
        remove=written["D"],
        pulled=sum(n.table == name for n in resolved.pulled),
        keep=stays["D"],
        left=stays["I"] + stays["U"],
        skipped=skipped,
        whole=not stays,
        keyed=keyed(choosing.session, full, own(table.columns), table.key_columns, choosing.live.home.row_key),
    )

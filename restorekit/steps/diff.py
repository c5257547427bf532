"""Staging against live: the difference, what is wanted of it, and for each table what the swap would do."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from restorekit.choosing import methods
from restorekit.errors import NeedsChoice, UnknownName, UsageError
from restorekit.model.contents import Contents, TableContents
from restorekit.model.database import Where
from restorekit.model.difference import Difference, ObjectDifference, TableAction, TableDifference, Wanted
from restorekit.model.pick import Pick
from restorekit.model.plan import Plan
from restorekit.model.shown import Choice, Conditions, ShownConflict
from restorekit.model.staged import Staged
from restorekit.model.verdict import Verdict
from restorekit.ports import Comparing, Describing, Watch

MOST_ROWS = 20
"""Rows kept per table in a stored difference, as keyed hashes."""


class DiffingEngine(Describing, Comparing, Protocol):
    """What the difference asks of an engine."""


@dataclass(frozen=True)
class Proven:
    """What was planned, staged and proven."""

    plan: Plan
    staged: Staged
    verdict: Verdict


@dataclass(frozen=True)
class Part:
    """What is wanted of the difference. `conditions` choose among rows; None: as it was said before.

    `method` insists on one way for all tables.
    """

    pick: Pick | None = None
    conditions: Conditions | None = field(default_factory=dict)
    method: Wanted | None = None


@dataclass(frozen=True)
class Found:
    """The difference, for keeping; and rows that cannot be brought back without deciding, for showing at once."""

    difference: Difference
    conflicts: tuple[ShownConflict, ...] = ()


def first(plan: Plan) -> Part:
    """The part that the request asked for."""
    return Part(pick=Pick(tables=plan.scope) if plan.scope is not None else None, method=plan.request.method)


def again(plan: Plan, before: Difference, *, busy: bool = False) -> Part:
    """The part that an earlier difference was about.

    `busy`: writes that came since were to be accepted, and there was no time to take them in row by row. All of it is
    exchanged then: an exchange does not ask what was written.
    """
    method = before.method or plan.request.method
    if busy and before.pick is None:
        method = "exchange"
    return Part(pick=before.pick, conditions=None, method=method)


def diff(proven: Proven, part: Part, engine: DiffingEngine, now: datetime, watch: Watch) -> Found:
    """Compare what was proven with live. A target that does not exist is all `create`. Safe to repeat.

    Raises UnknownName for a wanted table that is on neither side, PreflightRefused and UsageError where the part that
    is wanted is not possible.
    """
    began = time.monotonic()
    where = Where(schema_name=proven.plan.target.name)
    ours, pick = proven.verdict.contents, part.pick
    watch.progress("live fingerprints", 0, None, "")
    live = _live(engine, where, proven.plan)
    scope = _scope(pick, ours, live)
    equal, unequal = _split(ours, live, scope)
    tables = [_equal_table(t) for t in equal]
    if unequal:
        if live is None:
            tables += [_new_table(t) for t in ours.tables if t.name in unequal]
        else:
            tables += engine.compare(proven.staged.where, where, sorted(unequal), MOST_ROWS, watch)
    tables.sort(key=lambda t: t.name)
    ground = methods.Ground(tables, ours, live, pick, part.method, proven.plan.policy.gate_max_s)
    actions = methods.actions(ground)
    choice: Choice | None = None
    if any(a.method == "delta" for a in actions):
        wanted = _of(pick, actions)
        conditions = _about(part.conditions, wanted, scope)
        choice = engine.choose(proven.staged.where, where, wanted, conditions, watch)
        if pick is None and part.method is None and choice.selection.conflict_count:
            # Rows without a parent in the backup itself, say. Somebody who wants all of it need not decide about them.
            choice, actions = None, methods.actions(replace(ground, method="exchange"))
    if choice is not None:
        actions = methods.chosen(actions, choice.selection, ground)
    difference = Difference(
        tables=tuple(tables),
        objects=tuple(_objects(ours, live)) if pick is None else (),
        actions=tuple(actions),
        pick=pick,
        method=part.method,
        selection=choice.selection if choice else None,
        gate="open" if methods.open_gate(pick, actions, tables) else "closed",
        live=live,
        compared_at=now,
        duration_s=round(time.monotonic() - began, 3),
    )
    return Found(difference, choice.conflicts if choice else ())


def decided(difference: Difference) -> None:
    """Raises NeedsChoice while rows of the difference cannot be brought back without somebody's decision."""
    selection = difference.selection
    if selection is None or not selection.conflict_count:
        return
    if difference.pick is not None and difference.pick.conflicts is not None:
        return
    raise NeedsChoice(
        f"{selection.conflict_count} rows cannot be brought back without a decision; live is untouched",
        hint="Choose with --on-conflict: ours (the backup's row takes its place), theirs (live's row stays and stands "
        "for it), skip (it stays away, and what needs it).",
        details=tuple(_sentence(c.table, c.kind, c.by, c.key[:12]) for c in selection.conflicts),
    )


def _sentence(table: str, kind: str, by: str, key: str) -> str:
    said = {
        "id_reused": f"another row of live bears its key{f' ({by} differs)' if by else ''}",
        "unique_taken": f"another row of live has its value of the unique key {by}",
        "parent_missing": f"it needs a row of {by} that neither the backup nor live has",
        "has_children": f"it would be removed, and rows of {by} point at it",
    }
    return f"{table} row {key}: {said[kind]}"


def _of(pick: Pick | None, actions: Iterable[TableAction]) -> Pick:
    """The pick, over exactly the tables whose rows are written one by one."""
    names = tuple(a.name for a in actions if a.method == "delta")
    return (pick or Pick()).model_copy(update={"tables": names})


def _about(conditions: Conditions | None, pick: Pick, scope: set[str]) -> Conditions | None:
    """The conditions on tables of which rows are chosen; where a table is the same there is nothing to choose."""
    if conditions is None:
        return None
    unknown = sorted(name for name in conditions if name and name not in scope)
    if unknown:
        raise UsageError(
            f"no rows of {', '.join(unknown)} are wanted, but there is a condition on them; live is untouched"
        )
    return {name: sql for name, sql in conditions.items() if not name or name in (pick.tables or ())}


def _live(engine: Describing, where: Where, plan: Plan) -> Contents | None:
    try:
        return engine.contents(where)
    except UnknownName:
        if plan.live_exists:
            raise
        return None


def _scope(pick: Pick | None, ours: Contents, theirs: Contents | None) -> set[str]:
    """The tables to compare: those wanted, and all whose rows these may need."""
    everything = {t.name for t in ours.tables} | {t.name for t in (theirs.tables if theirs else ())}
    if pick is None or pick.tables is None:
        return everything
    unknown = sorted(set(pick.tables) - everything)
    if unknown:
        raise UnknownName(
            f"no table {', '.join(unknown)} in the backup or in live",
            hint="Look at the tables with `restorekit diff` of a restore of the whole database. Live is untouched.",
        )
    scope, waiting = set(pick.tables), list(pick.tables)
    while waiting:
        name = waiting.pop()
        needed = {p for side in (ours, theirs) if side and (t := side.table(name)) for p in t.references} & everything
        waiting += needed - scope
        scope |= needed
    return scope


def _split(ours: Contents, theirs: Contents | None, scope: set[str]) -> tuple[list[TableContents], set[str]]:
    equal = []
    for table in ours.tables:
        other = theirs.table(table.name) if theirs else None
        same = other is not None and _same(table, other)
        if same and table.name in scope:
            equal.append(table)
    return equal, scope - {t.name for t in equal}


def _same(a: TableContents, b: TableContents) -> bool:
    return (
        a.fingerprint is not None
        and b.fingerprint is not None
        and a.fingerprint.algorithm == b.fingerprint.algorithm
        and a.fingerprint == b.fingerprint
        and a.schema_hash == b.schema_hash
    )


def _equal_table(table: TableContents) -> TableDifference:
    rows = table.rows or 0
    return TableDifference(name=table.name, in_live=True, in_staging=True, live_rows=rows, staging_rows=rows)


def _new_table(table: TableContents) -> TableDifference:
    rows = table.rows or 0
    return TableDifference(
        name=table.name, in_live=False, in_staging=True, live_rows=0, staging_rows=rows, missing=rows
    )


def _objects(ours: Contents, theirs: Contents | None) -> Iterable[ObjectDifference]:
    mine = {(o.kind, o.name): o.hash for o in ours.objects if o.kind != "grant"}
    live = {(o.kind, o.name): o.hash for o in (theirs.objects if theirs else ()) if o.kind != "grant"}
    for kind, name in sorted(mine.keys() | live.keys()):
        if (kind, name) not in live:
            yield ObjectDifference(kind=kind, name=name, change="missing")
        elif (kind, name) not in mine:
            yield ObjectDifference(kind=kind, name=name, change="extra")
        elif mine[kind, name] != live[kind, name]:
            yield ObjectDifference(kind=kind, name=name, change="changed")

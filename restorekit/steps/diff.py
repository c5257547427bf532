"""Staging against live: the difference, and for each table what the swap would do."""

import time
from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from restorekit.errors import UnknownName
from restorekit.model.contents import Contents, TableContents
from restorekit.model.database import Where
from restorekit.model.difference import Difference, Method, ObjectDifference, TableAction, TableDifference
from restorekit.model.plan import Plan
from restorekit.model.staged import Staged
from restorekit.model.verdict import Verdict
from restorekit.ports import Comparing, Describing, Watch

MOST_ROWS = 20
"""Rows kept per table in a stored difference, as keyed hashes."""


class DiffingEngine(Describing, Comparing, Protocol):
    """What the difference asks of an engine."""


def diff(
    plan: Plan, staged: Staged, verdict: Verdict, engine: DiffingEngine, now: datetime, watch: Watch
) -> Difference:
    """Compare what was proven with live. A target that does not exist is all `create`. Safe to repeat.

    Raises UnknownName for a wanted table that is on neither side.
    """
    began = time.monotonic()
    where = Where(schema_name=plan.target.name)
    watch.progress("live fingerprints", 0, None, "")
    live = _live(engine, where, plan)
    ours, theirs = verdict.contents, live
    scope = _scope(plan, ours, theirs)
    equal, unequal = _split(ours, theirs, scope)
    tables = [_equal_table(t) for t in equal]
    if unequal:
        if theirs is None:
            tables += [_new_table(t) for t in ours.tables if t.name in unequal]
        else:
            tables += engine.compare(staged.where, where, sorted(unequal), MOST_ROWS, watch)
    tables.sort(key=lambda t: t.name)
    return Difference(
        tables=tuple(tables),
        objects=tuple(_objects(ours, theirs)) if plan.scope is None else (),
        actions=tuple(_actions(tables, ours, theirs, plan.scope)),
        live=live,
        compared_at=now,
        duration_s=round(time.monotonic() - began, 3),
    )


def _live(engine: Describing, where: Where, plan: Plan) -> Contents | None:
    try:
        return engine.contents(where)
    except UnknownName:
        if plan.live_exists:
            raise
        return None


def _scope(plan: Plan, ours: Contents, theirs: Contents | None) -> set[str]:
    everything = {t.name for t in ours.tables} | {t.name for t in (theirs.tables if theirs else ())}
    if plan.scope is None:
        return everything
    unknown = sorted(set(plan.scope) - everything)
    if unknown:
        raise UnknownName(
            f"no table {', '.join(unknown)} in the backup or in live",
            hint="Look at the tables with `restorekit diff` of a restore of the whole database. Live is untouched.",
        )
    return set(plan.scope)


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


def _actions(
    tables: list[TableDifference], ours: Contents, theirs: Contents | None, scope: tuple[str, ...] | None
) -> list[TableAction]:
    """One action per table; the set of touched ones is closed over foreign keys of both sides."""
    chosen = {t.name: _method(t) for t in tables}
    touched = {name for name, (method, _) in chosen.items() if method != "same"}
    edges = _edges(ours) | (_edges(theirs) if theirs else set())
    absent = frozenset(t.name for t in ours.tables if theirs is None or theirs.table(t.name) is None)
    for name, because in _closure(touched, edges, absent).items():
        method, why = chosen.get(name, ("same", ""))
        if method != "same":
            continue
        if ours.table(name) is not None:
            outside = " (not asked for)" if scope is not None and name not in scope else ""
            why = f"linked by a foreign key with {because}{outside}"
            chosen[name] = ("create" if name in absent else "exchange", why)
    return [TableAction(name=n, method=m, why=w) for n, (m, w) in sorted(chosen.items())]


def _method(table: TableDifference) -> tuple[Method, str]:
    if table.same:
        return "same", "nothing to do"
    if not table.in_live:
        return "create", f"{table.staging_rows} rows, not in live"
    if not table.in_staging:
        return "remove", f"{table.live_rows} rows, not in the backup; kept in the undo copy"
    parts = [
        f"{n} {word}"
        for n, word in ((table.missing, "missing"), (table.changed, "changed"), (table.extra, "extra"))
        if n
    ]
    if table.schema_changed:
        parts.append("other definition")
    return "exchange", ", ".join(parts)


def _edges(contents: Contents) -> set[tuple[str, str]]:
    return {(t.name, parent) for t in contents.tables for parent in t.references}


def _closure(touched: set[str], edges: set[tuple[str, str]], absent: frozenset[str] = frozenset()) -> dict[str, str]:
    """Tables to add, each with the neighbour that pulls it in.

    A child that live lacks (`absent`) is not pulled in by its parent: nothing would be torn without it.
    """
    added: dict[str, str] = {}
    waiting = sorted(touched)
    seen = set(touched)
    while waiting:
        name = waiting.pop()
        for child, parent in edges:
            other = parent if child == name else child if parent == name and child not in absent else None
            if other is not None and other not in seen:
                seen.add(other)
                added[other] = name
                waiting.append(other)
    return added

"""How each table becomes the proven one: row by row, by exchange, or not at all; closed over foreign keys."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from restorekit.errors import PreflightRefused, UsageError
from restorekit.model.contents import Contents
from restorekit.model.difference import Method, TableAction, TableDifference, Wanted
from restorekit.model.pick import ChosenTable, Pick, Selection

_ONE_STEP_S = 1.0
"""So much more an exchange may take where tables change places anyway: then all of it happens in one step."""

_SHARE = 0.1
"""Without figures from the engine: rows are written one by one up to this share of the table (facts: delta)."""

Edges = frozenset[tuple[str, str]]
"""Foreign keys as (child, parent), those of both sides."""


@dataclass(frozen=True)
class Ground:
    """What a method is chosen on: the tables compared, both contents, the part that is wanted, a method insisted on.

    Writers are to be held back for `most_blocked_s` at most.
    """

    tables: Sequence[TableDifference]
    ours: Contents
    theirs: Contents | None
    pick: Pick | None = None
    method: Wanted | None = None
    most_blocked_s: float = math.inf
    by_name: Mapping[str, TableDifference] = field(init=False)
    edges: Edges = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {t.name: t for t in self.tables})
        sides = (self.ours, *([self.theirs] if self.theirs else []))
        edges = {(t.name, parent) for side in sides for t in side.tables for parent in t.references}
        object.__setattr__(self, "edges", frozenset(edges))

    def asked(self, name: str) -> bool:
        """True if somebody asked for this table, or for all."""
        return self.pick is None or self.pick.tables is None or name in self.pick.tables

    @property
    def absent(self) -> frozenset[str]:
        """Tables of the backup that live lacks."""
        return frozenset(t.name for t in self.ours.tables if self.theirs is None or self.theirs.table(t.name) is None)


def actions(ground: Ground) -> list[TableAction]:
    """One action per table compared, and per table that an exchange pulls in.

    Raises PreflightRefused where the part that is wanted, or the method insisted on, is not possible; UsageError where
    the two contradict each other.
    """
    pick = ground.pick
    if pick is not None and pick.partial:
        if ground.method == "exchange":
            raise UsageError("rows cannot be chosen where whole tables are exchanged; leave --method away")
        chosen = {t.name: _part(ground, t, pick) for t in ground.tables}
    else:
        chosen = _whole(ground)
    return [_action(ground, name, *chosen[name]) for name in sorted(chosen)]


def _action(ground: Ground, name: str, method: Method, why: str) -> TableAction:
    table = ground.by_name.get(name)
    costs = table.costs if table else None
    rows = 0
    if table is not None and method in ("exchange", "create"):
        rows = table.staging_rows
    elif table is not None and method == "delta":
        rows = table.missing + table.changed + table.extra
    if costs is None or method not in ("delta", "exchange"):
        return TableAction(name=name, method=method, why=why, rows=rows)
    delta = method == "delta"
    return TableAction(
        name=name,
        method=method,
        why=why,
        rows=rows,
        blocked_s=costs.delta_blocked_s if delta else costs.exchange_blocked_s,
        size_bytes=costs.delta_bytes if delta else costs.exchange_bytes,
    )


def _part(ground: Ground, table: TableDifference, pick: Pick) -> tuple[Method, str]:
    """A table of which some rows are wanted; whatever else differs stays."""
    if table.same:
        return "same", "nothing to do"
    if not ground.asked(table.name):
        return "same", "not asked for"
    if not table.in_staging:
        return "same", "only live has it; it stays"
    if not table.in_live:
        return _lost(ground, table, pick)
    if against := _against(ground, table):
        raise PreflightRefused(
            f"rows of {table.name} cannot be brought back one by one: {against}; live is untouched",
            hint="Leave this table out with --only, or restore the table as a whole.",
        )
    return "delta", said(table)


def _against(ground: Ground, table: TableDifference) -> str:
    """Why rows of this table cannot be written one by one, or ""."""
    if table.no_delta or table.schema_changed:
        return table.no_delta or "its definition differs"
    gone = sorted(p for c, p in ground.edges if c == table.name and p in ground.absent)
    return f"it depends on {', '.join(gone)}, which live lacks altogether" if gone else ""


def _lost(ground: Ground, table: TableDifference, pick: Pick) -> tuple[Method, str]:
    """A table that live has lost altogether."""
    if pick.rows == "changed":
        return "same", "live lacks it; only changed rows are wanted"
    parents = sorted(p for c, p in ground.edges if c == table.name)
    if pick.filtered or parents:
        why = f"it depends on {', '.join(parents)}" if parents else "a condition chooses among its rows"
        raise PreflightRefused(
            f"live lacks the table {table.name} altogether, and {why}; live is untouched",
            hint=f"Leave it out with --only, or restore it as a whole: restorekit swap ID --only {table.name}",
        )
    return "create", f"{table.staging_rows} rows, not in live"


def _whole(ground: Ground) -> dict[str, tuple[Method, str]]:
    """Tables that become the proven ones as wholes, by the cheaper way."""
    chosen = {t.name: _first(ground, t) for t in ground.tables}
    moving = {n for n, (m, _) in chosen.items() if m in ("exchange", "create", "remove")}
    _pull_in(ground, chosen, moving)
    for group in _groups(ground, {n for n, (m, _) in chosen.items() if m == "delta"}):
        why = _dearer(ground, group, _ONE_STEP_S if moving else 0.0)
        if why:
            for name in group:
                chosen[name] = ("exchange", f"{said(ground.by_name[name])}; {why}")
            _pull_in(ground, chosen, set(group))
    return chosen


def _first(ground: Ground, table: TableDifference) -> tuple[Method, str]:
    """The method of a table by itself."""
    if table.same:
        return "same", "nothing to do"
    if not ground.asked(table.name):
        return "same", "not asked for"
    if not table.in_live:
        return "create", f"{table.staging_rows} rows, not in live"
    if not table.in_staging:
        return "remove", f"{table.live_rows} rows, not in the backup; kept in the undo copy"
    against = _against(ground, table)
    if table.triggers and ground.method != "delta":  # insisted on, they are taken away and made again under the gate
        against = against or "it has triggers, which would change what is written"
    if against and ground.method == "delta":
        raise PreflightRefused(
            f"rows of {table.name} cannot be written one by one: {against}; live is untouched",
            hint="Leave --method away: the table is exchanged as a whole then.",
        )
    if against or ground.method == "exchange":
        return "exchange", f"{said(table)}; {against}" if against else said(table)
    return "delta", said(table)


def _pull_in(ground: Ground, chosen: dict[str, tuple[Method, str]], moving: set[str]) -> None:
    """An exchanged table takes all that foreign keys tie to it along."""
    for name, because in closure(moving, ground.edges, ground.absent).items():
        if ground.ours.table(name) is None or chosen.get(name, ("same", ""))[0] in ("exchange", "create"):
            continue
        table = ground.by_name.get(name)
        differs = f"{said(table)}; " if table is not None and not table.same else ""
        outside = "" if ground.asked(name) else " (not asked for)"
        if ground.method == "delta" and name in chosen and chosen[name][0] == "delta":
            raise PreflightRefused(
                f"rows of {name} cannot be written one by one: a foreign key ties it to {because}, which is exchanged; "
                "live is untouched",
                hint="Leave --method away.",
            )
        method: Method = "create" if name in ground.absent else "exchange"
        chosen[name] = (method, f"{differs}linked by a foreign key with {because}{outside}")


def closure(
    touched: set[str], edges: Iterable[tuple[str, str]], absent: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Tables to add, each with the neighbour that pulls it in.

    A child that live lacks (`absent`) is not pulled in by its parent: nothing would be torn without it.
    """
    added: dict[str, str] = {}
    waiting = sorted(touched)
    seen = set(touched)
    while waiting:
        name = waiting.pop()
        for child, parent in sorted(edges):
            other = parent if child == name else child if parent == name and child not in absent else None
            if other is not None and other not in seen:
                seen.add(other)
                added[other] = name
                waiting.append(other)
    return added


def _groups(ground: Ground, names: set[str]) -> list[list[str]]:
    """The tables of `names`, together with those that an exchange of theirs would take along."""
    groups, left = [], set(names)
    while left:
        first = min(left)
        group = {first, *closure({first}, ground.edges, ground.absent)} & names
        groups.append(sorted(group))
        left -= group
    return groups


def _dearer(ground: Ground, group: Sequence[str], spare_s: float) -> str:
    """Why these tables, and all that is tied to them, had better be exchanged; or "".

    `spare_s`: so much more may an exchange take.
    """
    if ground.method == "delta":
        return ""
    tables = [ground.by_name[name] for name in group]
    costs = [t.costs for t in tables if t.costs is not None]
    if len(costs) < len(tables):
        differing = sum(t.missing + t.changed + t.extra for t in tables)
        return "more than a tenth of it differs" if differing > _SHARE * sum(t.staging_rows for t in tables) else ""
    along = closure(set(group), ground.edges, ground.absent)
    rows = sum(ground.by_name[n].staging_rows for n in group)
    exchange = sum(c.exchange_s for c in costs)
    more = sum((t.rows or 0) for n in along if n not in group and (t := ground.ours.table(n)))
    exchange += exchange / max(1, rows) * more
    delta = sum(c.delta_s for c in costs)
    blocked, otherwise = sum(c.delta_blocked_s for c in costs), sum(c.exchange_blocked_s for c in costs)
    if blocked > ground.most_blocked_s and otherwise < blocked:
        return f"row by row writers would be held back for about {blocked:.1f} s"
    if delta > exchange:
        return f"exchanging is cheaper ({exchange:.1f} s against {delta:.1f} s row by row)"
    return "in one step with the tables that are exchanged" if exchange < delta + spare_s else ""


def said(table: TableDifference) -> str:
    """What differs, in words."""
    parts = [
        f"{n} {word}"
        for n, word in ((table.missing, "missing"), (table.changed, "changed"), (table.extra, "extra"))
        if n
    ]
    if table.schema_changed:
        parts.append("other definition")
    return ", ".join(parts)


def chosen(found: Sequence[TableAction], selection: Selection, ground: Ground) -> list[TableAction]:
    """The actions, once it is known which rows are chosen: untouched tables stay, needed ones come along."""
    known = {a.name: a for a in found}
    extra = [TableAction(name=t.name, method="same", why="") for t in selection.tables if t.name not in known]
    return sorted((_chosen(a, selection.table(a.name), ground) for a in (*found, *extra)), key=lambda a: a.name)


def _chosen(action: TableAction, rows: ChosenTable | None, ground: Ground) -> TableAction:
    if rows is None or (rows.writes == 0 and not rows.whole):
        stays = {
            "method": "same",
            "why": "none of its rows is chosen",
            "rows": 0,
            "blocked_s": None,
            "size_bytes": None,
        }
        return action.model_copy(update=stays) if action.method == "delta" else action
    table = ground.by_name.get(action.name)
    why = action.why
    if not ground.asked(action.name):
        why = f"{rows.pulled} rows that chosen ones need (not asked for)"
    share = rows.writes / max(1, table.missing + table.changed + table.extra) if table else 1.0
    size = table.costs.delta_bytes if table and table.costs else None
    return action.model_copy(
        update={
            "method": "delta",
            "why": why,
            "rows": rows.writes,
            "size_bytes": None if size is None else round(size * share),
        }
    )


def open_gate(pick: Pick | None, found: Sequence[TableAction], tables: Sequence[TableDifference]) -> bool:
    """True if writers need not be held back: rows are wanted, nothing else, and no trigger must be kept from them."""
    disturbed = {t.name for t in tables if t.triggers}
    return (
        pick is not None
        and pick.partial
        and all(a.method == "same" or (a.method == "delta" and a.name not in disturbed) for a in found)
    )

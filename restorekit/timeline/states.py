"""What can be concluded from states alone: which tables changed between two of them, and what was destroyed."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from restorekit.model.changes import Blow, BlowKind, Op, Stretch, Tally
from restorekit.model.contents import Contents, TableContents
from restorekit.timeline.ground import Span, covering

_MOSTLY_GONE = 0.5
_FEWEST = 10
"""Rows that must be missing before anybody calls it destroyed."""
_NAMED = 5

_Concluded = tuple[list[Tally], list[Blow]]


def between(states: Sequence[Contents], known: Iterable[Stretch] = ()) -> tuple[list[Tally], list[Blow], list[Stretch]]:
    """Changes from each state to the next; where logs (`known`) cover all of that time, nothing is added to them.

    A table has one tally per interval: the balance of its rows (inserted or deleted, which hides what was both), or
    `?` without a number where as many rows hold something else. Fingerprints of different algorithms say nothing:
    a stretch names the tables that could not be compared, and is a hole if none could.
    """
    tallies: list[Tally] = []
    blows: list[Blow] = []
    stretches: list[Stretch] = []
    logged = covering(tuple(known), "rows", "statements")
    for before, after in pairwise(sorted(states, key=lambda c: c.taken_at)):
        span = _span(before, after)
        if before.taken_at == after.taken_at or any(s <= span[0] and span[1] <= e for s, e in logged):
            continue
        stretches.append(_stretch(before, after))
        more, hits = _interval(span, before, after)
        tallies += more
        blows += hits
    return tallies, blows, stretches


def _span(before: Contents, after: Contents) -> Span:
    """In seconds, and never empty."""
    start = int(before.taken_at.timestamp())
    return start, max(start + 1, int(after.taken_at.timestamp()))


def _stretch(before: Contents, after: Contents) -> Stretch:
    stayed = [(t, now) for t in before.tables if (now := after.table(t.name)) is not None]
    silent = [t.name for t, now in stayed if not _comparable(t, now)]
    whole = Stretch(start=before.taken_at, end=after.taken_at, coverage="states")
    if not silent:
        return whole
    if len(silent) == len(stayed):
        why = "the two states do not compare: their tables were fingerprinted in different ways, or not at all"
        return whole.model_copy(update={"coverage": "none", "why": why})
    more = f" and {len(silent) - _NAMED} more" if len(silent) > _NAMED else ""
    return whole.model_copy(update={"why": f"not compared: {', '.join(silent[:_NAMED])}{more}"})


def _comparable(before: TableContents, after: TableContents) -> bool:
    ours, theirs = before.fingerprint, after.fingerprint
    if ours is None or theirs is None:
        return before.rows == after.rows == 0
    return ours.algorithm == theirs.algorithm


def _interval(span: Span, before: Contents, after: Contents) -> _Concluded:
    came = [t for t in after.tables if before.table(t.name) is None]
    went = [t for t in before.tables if after.table(t.name) is None]
    renamed = _renamed(went, came)
    tallies = [_tally(span, t.name, "I", t.rows) for t in came if t.rows and t.name not in renamed.values()]
    blows = [_blow(span, t.name, "create", None) for t in came if t.name not in renamed.values()]
    for table in went:
        kind: BlowKind = "rename" if table.name in renamed else "drop_table"
        blows.append(_blow(span, table.name, kind, table.rows if kind == "drop_table" else None))
    for table in before.tables:
        now = after.table(table.name)
        if now is not None:
            more, hits = _stayed(span, table, now)
            tallies += more
            blows += hits
    return tallies, blows


def _renamed(went: Iterable[TableContents], came: Sequence[TableContents]) -> dict[str, str]:
    """The names under which the rows of tables that are gone are still there; empty tables all look alike."""
    found: dict[str, str] = {}
    for table in went:
        for new in came:
            same = table.fingerprint is not None and table.fingerprint == new.fingerprint
            if table.rows and same and new.name not in found.values():
                found[table.name] = new.name
                break
    return found


def _stayed(span: Span, before: TableContents, after: TableContents) -> _Concluded:
    """The change of one table; nothing if both sides are known to be the same, or nobody can say."""
    blows = []
    if before.schema_hash != after.schema_hash:
        blows.append(_blow(span, after.name, "alter", None))
    balance = 0 if before.rows is None or after.rows is None else after.rows - before.rows
    if balance < 0 and _destroyed(before.rows or 0, -balance):
        blows.append(_blow(span, after.name, "mass_delete", -balance))
    if balance:
        return [_tally(span, after.name, "I" if balance > 0 else "D", abs(balance))], blows
    if _differ(before, after):
        return [_tally(span, after.name, "?", None)], blows
    return [], blows


def _differ(before: TableContents, after: TableContents) -> bool:
    ours, theirs = before.fingerprint, after.fingerprint
    return ours is not None and theirs is not None and ours.algorithm == theirs.algorithm and ours != theirs


def _destroyed(rows: int, gone: int) -> bool:
    return gone >= _FEWEST and gone >= _MOSTLY_GONE * rows


def _tally(span: Span, table: str, op: Op, rows: int | None) -> Tally:
    return Tally(*span, table, op, rows, 1, 0)


def _blow(span: Span, table: str, kind: BlowKind, rows: int | None) -> Blow:
    return Blow(*span, table, kind, rows, "", "", "")

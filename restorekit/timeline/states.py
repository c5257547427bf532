"""What can be concluded from states alone: which tables changed between two of them, and what was destroyed."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from restorekit.model.changes import Blow, BlowKind, Op, Stretch, Tally
from restorekit.model.contents import Contents, TableContents

_MOSTLY_GONE = 0.5
_FEWEST = 10
"""Rows that must be missing before anybody calls it destroyed."""

_Span = tuple[int, int]
_Concluded = tuple[list[Tally], list[Blow]]


def between(states: Sequence[Contents], known: Iterable[Stretch] = ()) -> tuple[list[Tally], list[Blow], list[Stretch]]:
    """Changes from each state to the next; where logs (`known`) cover all of that time, nothing is added to them.

    A table has one tally per interval: the balance of its rows (inserted or deleted, which hides what was both), or
    `?` without a number where as many rows hold something else. Fingerprints of different algorithms say nothing.
    """
    tallies: list[Tally] = []
    blows: list[Blow] = []
    stretches: list[Stretch] = []
    logged = [s for s in known if s.coverage in ("rows", "statements")]
    for before, after in pairwise(sorted(states, key=lambda c: c.taken_at)):
        if before.taken_at == after.taken_at or _covered(before, after, logged):
            continue
        stretches.append(_stretch(before, after))
        for one in {t.name: None for t in (*before.tables, *after.tables)}:
            more, hits = _table((_second(before), _second(after)), before.table(one), after.table(one))
            tallies += more
            blows += hits
    return tallies, blows, stretches


def _covered(before: Contents, after: Contents, logged: Iterable[Stretch]) -> bool:
    return any(s.start <= before.taken_at and after.taken_at <= s.end for s in logged)


def _second(state: Contents) -> int:
    return int(state.taken_at.timestamp())


def _stretch(before: Contents, after: Contents) -> Stretch:
    if _algorithms(before) and _algorithms(after) and not _algorithms(before) & _algorithms(after):
        why = "the two states were fingerprinted in different ways"
        return Stretch(start=before.taken_at, end=after.taken_at, coverage="none", why=why)
    return Stretch(start=before.taken_at, end=after.taken_at, coverage="states")


def _algorithms(state: Contents) -> set[str]:
    return {t.fingerprint.algorithm for t in state.tables if t.fingerprint is not None}


def _table(span: _Span, before: TableContents | None, after: TableContents | None) -> _Concluded:
    """The change of one table; nothing if both sides are known to be the same, or nobody can say."""
    if before is None or after is None:
        return _came_or_went(span, before, after)
    blows = []
    if before.schema_hash != after.schema_hash:
        blows.append(_blow(span, after.name, "alter", None))
    balance = None if before.rows is None or after.rows is None else after.rows - before.rows
    if balance is not None and balance < 0 and _destroyed(before.rows or 0, -balance):
        blows.append(_blow(span, after.name, "mass_delete", -balance))
    if balance:
        return [_tally(span, after.name, "I" if balance > 0 else "D", abs(balance))], blows
    if _differ(before, after):
        return [_tally(span, after.name, "?", None)], blows
    return [], blows


def _came_or_went(span: _Span, before: TableContents | None, after: TableContents | None) -> _Concluded:
    if before is not None:
        return [], [_blow(span, before.name, "drop_table", before.rows)]
    assert after is not None
    tallies = [_tally(span, after.name, "I", after.rows)] if after.rows else []
    return tallies, [_blow(span, after.name, "create", None)]


def _differ(before: TableContents, after: TableContents) -> bool:
    ours, theirs = before.fingerprint, after.fingerprint
    return ours is not None and theirs is not None and ours.algorithm == theirs.algorithm and ours != theirs


def _destroyed(rows: int, gone: int) -> bool:
    return gone >= _FEWEST and gone >= _MOSTLY_GONE * rows


def _tally(span: _Span, table: str, op: Op, rows: int | None) -> Tally:
    return Tally(*span, table, op, rows, 1, 0)


def _blow(span: _Span, table: str, kind: BlowKind, rows: int | None) -> Blow:
    return Blow(*span, table, kind, rows, "", "", "")

"""What a restore gives up: the changes between the moment of its data and the moment it should have reached."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from restorekit.model.changes import History, Loss, Stretch, Tally

_SLACK = timedelta(minutes=1)
"""Logs begin and end within a minute of what they cover."""


def lost(history: History, tallies: Iterable[Tally], since: datetime, until: datetime) -> Loss:
    """Changes in [since, until), routine and muted tables left out. `known` only if the history covers all of it.

    A coarse tally (the time between two states) counts if any of it may lie inside.
    """
    begin, end = since.timestamp(), until.timestamp()
    rows: Counter[str] = Counter()
    unknown = False
    for tally in tallies:
        if tally.end <= begin or tally.start >= end or tally.table in history.routine:
            continue
        if _destroyed(tally, history):
            unknown = True  # what else happened to that table in the meantime, nobody can tell from what it destroyed
            continue
        if tally.rows is None:
            unknown = True
        rows[tally.table] += tally.rows or 0
    serious = [e for e in history.episodes if e.kind == "serious" and e.end > since and e.start < until]
    return Loss(
        since=since,
        until=max(since, until),
        serious=len(serious),
        rows=dict(rows.most_common()),
        known=not unknown and covered(history.stretches, since, until),
    )


def _destroyed(tally: Tally, history: History) -> bool:
    """What the accident took is no loss of a restore: it comes back."""
    accident = history.accident
    if accident is None or tally.op != "D" or tally.table not in accident.tables:
        return False
    return tally.start < accident.end.timestamp() and tally.end > accident.start.timestamp()


def covered(stretches: Sequence[Stretch], since: datetime, until: datetime) -> bool:
    """Whether something is known of every moment in between; a hole inside means that nobody can say."""
    at = since
    holes = [s for s in stretches if s.coverage == "none"]
    if any(hole.start < until and hole.end > since for hole in holes):
        return False
    for one in sorted((s for s in stretches if s.coverage != "none"), key=lambda s: s.start):
        if one.start - _SLACK <= at < one.end:
            at = one.end
    return at + _SLACK >= until

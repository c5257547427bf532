"""A series of recovery points in time: how regular it is, and where something is missing."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from statistics import median

from restorekit.model.value import Moment, Value

_FEWEST = 3
_TOO_LONG = 1.8
"""Times the usual interval: nightly backups that drift are no gap, a missing night is."""


class Gap(Value):
    """No point between two moments although the series would have had one; `until` None: up to now."""

    since: Moment
    until: Moment | None


def gaps(moments: Sequence[datetime], now: datetime) -> tuple[Gap, ...]:
    """Where a series of at least three points leaves out what it usually has, oldest first."""
    ordered = sorted(set(moments))
    if len(ordered) < _FEWEST:
        return ()
    steps = [(b - a).total_seconds() for a, b in pairwise(ordered)]
    longest = _TOO_LONG * median(steps)
    found = [Gap(since=a, until=b) for a, b in pairwise(ordered) if (b - a).total_seconds() > longest]
    if (now - ordered[-1]).total_seconds() > longest:
        found.append(Gap(since=ordered[-1], until=None))
    return tuple(found)

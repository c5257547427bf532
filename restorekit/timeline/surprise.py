"""How surprising the changes of each slot are, and why."""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from restorekit.model.changes import Blow
from restorekit.timeline.destruction import BLOW_SCORE, DEFINITIONS
from restorekit.timeline.ground import SLOT_S, Ground
from restorekit.timeline.series import Amount, Habits, Key, Series


class Reason(NamedTuple):
    """One table and what happened to it: `what` is an operation or the kind of a blow. Times in seconds, both held."""

    score: float
    table: str
    what: str
    statements: int
    rows: int | None
    start: int
    end: int

    @property
    def definition(self) -> bool:
        """Whether it changed how a table is built, and no row."""
        return self.what in DEFINITIONS


Place = tuple[int, int]
"""Era and slot. Eras are cut by accidents, so what led up to one is never counted with it; odd eras are inside one."""


class Eras:
    """The time before, inside and after each accident."""

    def __init__(self, accidents: Iterable[tuple[int, int]]) -> None:
        self._bounds = [bound for start, end in accidents for bound in (start // 60 * 60, end // 60 * 60 + 60)]

    def at(self, second: int) -> int:
        """The number of the era; odd inside an accident."""
        return bisect_right(self._bounds, second)


def surprise(expected: float, seen: int) -> float:
    """-log10 of the probability that a Poisson variable with this mean is `seen` or more; 0 if that is no surprise."""
    if seen <= expected:
        return 0.0
    term = total = 1.0
    at = seen
    while term > 1e-6 * total:
        at += 1
        term *= expected / at
        total += term
    log = seen * math.log(expected) - expected - math.lgamma(seen + 1) + math.log(total)
    return max(0.0, -log / math.log(10))


def expectation(presence: float) -> float:
    """The Poisson mean that gives this chance of at least one."""
    return -math.log(1 - min(0.98, presence))


def reasons(
    all_series: Mapping[Key, Series], blows: Sequence[Blow], ground: Ground, eras: Eras
) -> dict[Place, list[Reason]]:
    """Everything that is not routine, by era and slot. `blows` are the unusual ones."""
    found: dict[Place, list[Reason]] = defaultdict(list)
    for series in all_series.values():
        if series.routine != "heartbeat":
            habits = Habits(series, ground)
            for slot in series.slots:
                for era, reason in _of_slot(series, slot, habits, eras):
                    found[era, slot].append(reason)
    for blow in blows:
        if blow.kind in DEFINITIONS:
            end = max(blow.began_at, blow.ended_at)
            reason = Reason(BLOW_SCORE, blow.table, blow.kind, 1, blow.rows, blow.began_at, end)
            found[eras.at(blow.began_at), blow.began_at // SLOT_S].append(reason)
    return found


def _of_slot(series: Series, slot: int, habits: Habits, eras: Eras) -> Iterable[tuple[int, Reason]]:
    parts: dict[int, Amount] = {}
    for amount in series.slots[slot].values():
        era = eras.at(amount.start)
        if era not in parts:
            parts[era] = Amount(amount.start)
        parts[era].start = min(parts[era].start, amount.start)
        parts[era].add(amount.statements, amount.changed, amount.end)
    for era, part in parts.items():
        if not habits.usual(slot, part.statements):
            score = surprise(expectation(habits.presence(slot)), part.statements)
            yield era, Reason(score, series.table, series.op, part.statements, part.changed, part.start, part.end)


def slot_score(held: Iterable[Reason]) -> float:
    """The most surprising table (not the sum: linked tables would count double), and every change of a definition."""
    held = list(held)
    rows = max((r.score for r in held if not r.definition), default=0.0)
    return rows + sum(r.score for r in held if r.definition)

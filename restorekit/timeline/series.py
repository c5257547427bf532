"""The changes of one kind to one table, and whether they are routine."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from statistics import median
from typing import Literal

from restorekit.model.changes import Op, Tally
from restorekit.timeline.ground import SLOT_S, SLOTS_A_DAY, Ground

HEARTBEAT_SHARE = 0.2
CLOCKWORK_SHARE = 0.8
CLOCKWORK_MOST = 400
"""A job of the clock has few minutes; with more it is traffic, and counting recurrences costs too much."""

_MINUTES_A_DAY = 1440
_LEAST_DAYS = 3

Key = tuple[str, Op]


class Amount:
    """What one minute (or one cell) saw: statements, rows as far as known, and its last second."""

    __slots__ = ("end", "known", "rows", "start", "statements")

    def __init__(self, start: int) -> None:
        self.start, self.end, self.statements, self.rows, self.known = start, start, 0, 0, True

    def add(self, statements: int, rows: int | None, end: int) -> None:
        """Count more; `rows` None makes the sum a lower bound."""
        self.statements += statements
        self.rows += rows or 0
        self.known = self.known and rows is not None
        self.end = max(self.end, end)

    @property
    def changed(self) -> int | None:
        """Rows, or None if somebody did not know."""
        return self.rows if self.known else None


class Series:
    """One table and one operation over all the known time."""

    def __init__(self, table: str, op: Op, tallies: Sequence[Tally]) -> None:
        self.table, self.op = table, op
        self.active = {tally.start // SLOT_S for tally in tallies}
        self.routine: Literal["heartbeat", "clockwork", ""] = ""
        self._tallies = tallies

    @cached_property
    def slots(self) -> dict[int, dict[int, Amount]]:
        """Per slot its minutes ; for a heartbeat nobody asks, so nobody counts."""
        slots: dict[int, dict[int, Amount]] = defaultdict(dict)
        for tally in self._tallies:
            minutes, minute = slots[tally.start // SLOT_S], tally.start // 60
            if minute not in minutes:
                minutes[minute] = Amount(tally.start)
            minutes[minute].add(max(1, tally.statements), tally.rows, tally.end - 1)
        return dict(slots)

    def statements(self, slot: int) -> int:
        """How many statements the slot saw."""
        return sum(amount.statements for amount in self.slots[slot].values())


def gathered(tallies: Iterable[Tally]) -> dict[Key, Series]:
    """All series."""
    by_key: dict[Key, list[Tally]] = defaultdict(list)
    for tally in tallies:
        by_key[tally.table, tally.op].append(tally)
    return {(table, op): Series(table, op, held) for (table, op), held in by_key.items()}


def mark_routine(all_series: Mapping[Key, Series], ground: Ground) -> None:
    """Say of each series whether it is heartbeat or clockwork."""
    for series in all_series.values():
        series.routine = "heartbeat" if heartbeat(series, ground) else "clockwork" if clockwork(series, ground) else ""
    for (table, op), series in all_series.items():
        # A REPLACE into an options table is an insert or an update by chance: both beat with the same heart.
        twin = all_series.get((table, "U"))
        if op == "I" and twin is not None and twin.routine == "heartbeat":
            series.routine = "heartbeat"


def heartbeat(series: Series, ground: Ground) -> bool:
    """Active in so many slots that one more says nothing. Less than three days known are no measure of "many"."""
    return len(series.active) >= HEARTBEAT_SHARE * max(ground.size, _LEAST_DAYS * SLOTS_A_DAY)


def clockwork(series: Series, ground: Ground) -> bool:
    """Its minutes come back at the same minute of other days."""
    if len(series.active) >= CLOCKWORK_MOST:
        return False
    minutes = [ground.minute(minute) for slot in series.slots.values() for minute in slot]
    return 2 <= len(minutes) < CLOCKWORK_MOST and recurring(minutes) >= CLOCKWORK_SHARE


def recurring(minutes: Iterable[int]) -> float:
    """The share of (local) minutes that another day has, too, give or take two."""
    minutes = list(minutes)
    days: dict[int, set[int]] = defaultdict(set)
    for minute in minutes:
        for by in range(-2, 3):
            days[(minute + by) % _MINUTES_A_DAY].add((minute + by) // _MINUTES_A_DAY)
    return sum(len(days[minute % _MINUTES_A_DAY]) >= 2 for minute in minutes) / len(minutes)


class Habits:
    """What one series does at each time of day."""

    def __init__(self, series: Series, ground: Ground) -> None:
        self._series, self._ground = series, ground
        self._hours = [0] * 24
        self._by_time: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for slot in series.slots:
            day, time = divmod(ground.local(slot), SLOTS_A_DAY)
            self._hours[ground.hour(slot)] += 1
            self._by_time[time].append((day, slot))

    def presence(self, slot: int) -> float:
        """How likely a slot at this hour of day (give or take one) is active at all, shrunk to the mean.

        Presence and not amount: so a burst does not raise the expectation it is measured against.
        """
        hour, ground = self._ground.hour(slot), self._ground
        active = sum(self._hours[(hour + by) % 24] for by in (-1, 0, 1))
        overall = min(1.0, len(self._series.active) / ground.size)
        return max((active + 4 * overall) / (ground.known_around(hour) + 4), 0.5 / ground.size)

    def usual(self, slot: int, statements: int) -> bool:
        """Whether this time of day is active on half of the days, with a third of this amount or more."""
        others = self._other_days(slot)
        if self._series.routine and others:  # a clock: only what it does at another time than ever is somebody's work
            return True
        if len({other for other, _ in others}) < max(_LEAST_DAYS, 0.5 * self._ground.days):
            return False
        return statements <= 3 * median(self._series.statements(where) for _, where in others)

    def _other_days(self, slot: int) -> list[tuple[int, int]]:
        """Day and slot of what it did at this time of day (give or take a slot) on other days."""
        day, time = divmod(self._ground.local(slot), SLOTS_A_DAY)
        near = (one for by in (-1, 0, 1) for one in self._by_time[(time + by) % SLOTS_A_DAY])
        return [(other, where) for other, where in near if other != day]

"""The time that is known, in slots of a quarter of an hour, read by the customer's wall clock."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo

from restorekit.model.changes import Coverage, Stretch

SLOT_S = 900
DAY_S = 86400
SLOTS_A_DAY = DAY_S // SLOT_S

Span = tuple[int, int]
"""Seconds since the epoch, half open."""


class Ground:
    """Which slots are known, and what time of day each is where the customer lives.

    A slot is its number since the epoch (UTC), so a DST night has its real 23 or 25 hours; only the questions "which
    hour" and "which day" go through the zone.
    """

    def __init__(self, spans: Iterable[Span], zone: tzinfo) -> None:
        self._zone = zone
        self._shifts: dict[int, int] = {}
        self.spans = joined(spans)
        slots = [slot for start, end in self.spans for slot in range(start // SLOT_S, -(-end // SLOT_S))]
        self.size = max(1, len(slots))
        self.days = max(1, round(self.size / SLOTS_A_DAY))
        self.start = self.spans[0][0] if self.spans else 0
        hours = Counter(self.hour(slot) for slot in slots)
        self._around = [sum(hours[(hour + by) % 24] for by in (-1, 0, 1)) for hour in range(24)]

    def local(self, slot: int) -> int:
        """The slot's number on the wall clock; `divmod(…, SLOTS_A_DAY)` gives the day and the slot of that day."""
        shift = self._shifts.get(slot)
        if shift is None:
            offset = datetime.fromtimestamp(slot * SLOT_S, self._zone).utcoffset()
            assert offset is not None
            shift = self._shifts[slot] = int(offset.total_seconds()) // SLOT_S
        return slot + shift

    def hour(self, slot: int) -> int:
        """The hour of day, 0 to 23."""
        return self.local(slot) % SLOTS_A_DAY * SLOT_S // 3600

    def minute(self, minute: int) -> int:
        """A minute since the epoch as the wall clock counts it."""
        slot = minute * 60 // SLOT_S
        return minute + (self.local(slot) - slot) * SLOT_S // 60

    def known_around(self, hour: int) -> int:
        """How many slots are known at this hour of day, the one before and the one after, on all days."""
        return self._around[hour]


def covering(stretches: Sequence[Stretch], *kinds: Coverage) -> list[Span]:
    """Where the coverage is one of `kinds` and no hole, in order and joined."""
    holes = _spans(stretches, "none")
    return [part for span in joined(_spans(stretches, *kinds)) for part in _without(span, holes)]


def joined(spans: Iterable[Span]) -> list[Span]:
    """The same time in as few spans as possible, in order."""
    found: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def overlap(span: Span, spans: Iterable[Span]) -> int:
    """How many seconds of `span` lie in `spans` (which do not overlap each other)."""
    return sum(max(0, min(span[1], end) - max(span[0], start)) for start, end in spans)


def inside(span: Span, spans: Iterable[Span]) -> bool:
    """Whether practically all of `span` lies in `spans`."""
    return overlap(span, spans) >= 0.99 * (span[1] - span[0])


def moment(seconds: int, zone: tzinfo) -> datetime:
    """Seconds since the epoch as a time in the zone."""
    return datetime.fromtimestamp(seconds, UTC).astimezone(zone)


def _spans(stretches: Sequence[Stretch], *kinds: Coverage) -> list[Span]:
    return [(int(s.start.timestamp()), int(s.end.timestamp())) for s in stretches if s.coverage in kinds]


def _without(span: Span, holes: Iterable[Span]) -> list[Span]:
    parts, at = [], span[0]
    for start, end in joined(holes):
        if end > at and start < span[1]:
            parts.append((at, min(start, span[1])))
            at = end
    return [part for part in [*parts, (at, span[1])] if part[0] < part[1]]

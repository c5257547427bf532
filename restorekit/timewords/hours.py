"""Times of day on given days: clocks, parts of days, and the hour that exists twice."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from restorekit.model.resolution import Code, Granularity
from restorekit.timewords.almanac import Impossible
from restorekit.timewords.said import Clock, Daypart
from restorekit.timewords.zones import Meant, in_force, instants

# From and to hour of the day; beyond 24 is the next day.
DAYPARTS: dict[str, tuple[int, int]] = {
    "de_morning": (5, 10),
    "de_forenoon": (9, 12),
    "de_noon": (11, 14),
    "de_afternoon": (13, 18),
    "de_evening": (18, 24),
    "de_night": (22, 29),
    "de_nights": (22, 29),
    "closing": (16, 24),
    "last_night_de": (22, 29),
    "en_morning": (5, 12),
    "en_noon": (11, 14),
    "en_afternoon": (12, 18),
    "en_evening": (18, 24),
    "en_tonight": (18, 29),
    "en_night": (18, 29),
    "last_night_en": (18, 29),
}
# Which hours somebody can mean who adds that part of the day to a clock.
_WIDE: dict[str, tuple[int, int]] = {
    "de_morning": (1, 12),
    "de_forenoon": (6, 13),
    "de_noon": (10, 16),
    "de_afternoon": (12, 20),
    "de_evening": (16, 24),
    "closing": (12, 24),
    "en_morning": (0, 12),
    "en_noon": (10, 16),
    "en_afternoon": (12, 20),
    "en_evening": (15, 24),
}
_NIGHTS = frozenset({"de_night", "de_nights", "en_night"})
_NIGHT_LIKE = _NIGHTS | {"last_night_de", "last_night_en", "en_tonight"}
_LATE, _EARLY = 18, 8


class Wall(NamedTuple):
    """[start, end) on a wall clock, or an instant with its precision. `day`: the day it was said of."""

    start: datetime
    end: datetime | None
    granularity: Granularity
    notes: tuple[Code, ...] = ()
    ask: tuple[Code, ...] = ()


class Span(NamedTuple):
    """[start, end) as real times."""

    start: datetime
    end: datetime
    granularity: Granularity
    notes: tuple[Code, ...] = ()
    ask: tuple[Code, ...] = ()
    named: bool = False


def _at(day: date, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime.combine(day, time()) + timedelta(hours=hour, minutes=minute, seconds=second)


def part_walls(day: date, part: Daypart, *, today: bool) -> Iterator[Wall]:
    """That part of that day; nights are asked, for a day has two."""
    for first, notes in _part_days(day, part, today=today):
        start, end = DAYPARTS[part.name]
        from_hour = 0 if part.name == "de_nights" and first == day - timedelta(1) else start
        shown = day if from_hour == 0 else first
        until = end - 24 if from_hour == 0 else end
        begin, stop = _at(shown, from_hour), _at(shown, until)
        if part.half:
            middle = begin + (stop - begin) / 2
            begin, stop = (begin, middle) if part.half == "early" else (middle, stop)
        # When a day of work ends is theirs to say.
        ask: tuple[Code, ...] = ("vague",) if part.name == "closing" else ()
        yield Wall(begin, stop, "daypart", (*notes, "policy"), ask)


def _part_days(day: date, part: Daypart, *, today: bool) -> list[tuple[date, tuple[Code, ...]]]:
    before = day - timedelta(1)
    if part.until:
        return [(before, ())]
    if part.name not in _NIGHTS:
        return [(day, ())]
    order = [before, day] if part.name == "de_nights" or today else [day, before]
    return [(d, ("night",)) for d in order]


def clock_walls(day: date, clock: Clock, part: Daypart | None, *, today: bool) -> Iterator[Wall]:
    """Every time that the words can mean on that day (or in that night); raises Impossible."""
    _check(clock)
    if part is not None and part.name in _NIGHT_LIKE:
        yield from _night_walls(day, clock, part, today=today)
        return
    if clock.named == "midnight":
        yield from (_wall(d, 0, clock, ("midnight",)) for d in (day, day + timedelta(1)))
        return
    allowed = _allowed(clock.hours, part)
    for hour in allowed:
        said: tuple[Code, ...] = ("ampm",) if len(allowed) > 1 else ()
        # "at 12" with noon still to come leaves midnight, which hardly anybody calls 12
        ask: tuple[Code, ...] = ("ampm",) if hour == 0 and 12 in clock.hours else ()
        yield _wall(day, hour, clock, said, ask)


def _allowed(hours: tuple[int, ...], part: Daypart | None) -> list[int]:
    """Hours that fit the part of the day; `8 Uhr abends` is 20."""
    if part is None:
        return list(hours)
    low, high = _WIDE[part.name]
    for said in (hours, tuple(h + 12 for h in hours if h <= 12)):
        fitting = [h for h in said if low <= h < high]
        if fitting:
            return fitting
    raise Impossible("contradiction")


def _night_walls(day: date, clock: Clock, part: Daypart, *, today: bool) -> Iterator[Wall]:
    nights = _part_days(day, part, today=today)
    found = False
    for first, notes in nights:
        for hour in dict.fromkeys(h % 24 for h in _nightly(clock.hours)):
            if hour >= _LATE and (first == day or today or part.until or len(nights) == 1):
                found = True
                yield _wall(first, hour, clock, notes if today else ())
            elif hour < _EARLY:
                found = True
                yield _wall(first + timedelta(1), hour, clock, notes)
    if not found:
        raise Impossible("contradiction")


def _nightly(hours: tuple[int, ...]) -> tuple[int, ...]:
    """`11 Uhr nachts` is 23."""
    hours = tuple(h % 24 for h in hours)
    if any(h >= _LATE or h < _EARLY for h in hours):
        return hours
    return tuple((h + 12) % 24 for h in hours)


def _check(clock: Clock) -> None:
    hour, minute, second = clock.hours[0], clock.minute or 0, clock.second or 0
    if hour > 24 or minute > 59 or second > 60 or (hour == 24 and (minute or second)):
        raise Impossible("no_such_time")


def _wall(day: date, hour: int, clock: Clock, notes: tuple[Code, ...] = (), ask: tuple[Code, ...] = ()) -> Wall:
    granularity: Granularity = "hour" if clock.minute is None else "minute" if clock.second is None else "second"
    if hour == 24:
        granularity = "minute"
    ask = (*ask, clock.doubt) if clock.doubt else ask
    second = min(clock.second or 0, 59)  # a leap second is shown as the one before it
    return Wall(_at(day, hour, clock.minute or 0, second), None, granularity, notes, ask)


_LENGTH = {"hour": timedelta(hours=1), "minute": timedelta(minutes=1), "second": timedelta(seconds=1)}


def spans_of(wall: Wall, meant: tuple[Meant, ...], zone: ZoneInfo) -> Iterator[Span]:
    """Real times of a wall clock in every zone that was meant; twice in the hour that exists twice."""
    for one in meant or (Meant(zone),):
        for place, note in _places(wall.start, one, zone):
            notes = (*wall.notes, *note, *(("tz",) if len(meant) > 1 else ()))
            if wall.end is not None:
                begin, stop = (instants(w, place)[1][0].astimezone(UTC) for w in (wall.start, wall.end))
                yield Span(begin, stop, wall.granularity, notes, wall.ask)
                continue
            existence, found = instants(wall.start, place)
            dst: tuple[Code, ...] = () if existence == "once" else ("dst",)
            for start in (m.astimezone(UTC) for m in found):
                end = start + _LENGTH[wall.granularity]
                gap: tuple[Code, ...] = ("dst",) if existence == "gap" else ()
                yield Span(start, end, wall.granularity, (*notes, *dst), (*wall.ask, *gap))


def _places(wall: datetime, meant: Meant, zone: ZoneInfo) -> list[tuple[tzinfo, tuple[Code, ...]]]:
    """The zone as said, and the one that its clocks showed, where both differ (MESZ in January)."""
    if in_force(meant, wall.replace(tzinfo=meant.zone)):
        return [(meant.zone, ())]
    return [(meant.zone, ("tz",)), (ZoneInfo(meant.region or str(zone)), ("tz",))]

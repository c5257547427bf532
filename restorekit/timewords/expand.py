"""A frame becomes readings: intervals in real time, each with what was assumed and what must be asked."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from typing import NamedTuple
from zoneinfo import ZoneInfo

from restorekit.model.resolution import Code, Granularity, Relation
from restorekit.timewords.almanac import Days, Group, Impossible
from restorekit.timewords.days import groups
from restorekit.timewords.hours import Span, clock_walls, part_walls, spans_of
from restorekit.timewords.said import Clock, ClockRange, Daypart, Elapsed, Frame, Recent, Related, Shift
from restorekit.timewords.zones import meanings

NEAR_HOUR = timedelta(minutes=15)
"""How long `kurz vor` reaches at an hour, noon or midnight."""
NEAR_MINUTE = timedelta(minutes=5)
AROUND_HOUR = timedelta(minutes=30)
AROUND_MINUTE = timedelta(minutes=15)
_SMALL_HOURS = 5
"""Who says `last night` before that may mean this one."""
VAGUE = {"hours": timedelta(hours=4), "minutes": timedelta(minutes=15)}
"""`vorhin` and `eben`."""


class Reading(NamedTuple):
    """One meaning. `future`: it has not begun. `width`: the policy that made it as wide as it is."""

    start: datetime | None
    end: datetime
    granularity: Granularity
    notes: tuple[Code, ...] = ()
    ask: tuple[Code, ...] = ()
    relation: Relation = "in"
    width: timedelta | None = None
    future: bool = False
    order: str = ""


class Context(NamedTuple):
    """The clock in UTC, and the zone that counts. Readings are in UTC: only there do times compare by what they are."""

    now: datetime
    zone: ZoneInfo

    @property
    def today(self) -> date:
        """The day in that zone."""
        return self.now.astimezone(self.zone).date()


def readings(frame: Frame, context: Context) -> list[Reading]:
    """All readings, those in the future marked; raises Impossible."""
    try:
        found = [_past(r, context) for r in _related(frame, context)]
    except (OverflowError, ValueError) as error:
        raise Impossible("absurd") from error
    return list(dict.fromkeys(found))


def _past(reading: Reading, context: Context) -> Reading:
    begins = reading.end if reading.start is None else reading.start
    if reading.future or begins > context.now or (reading.start is not None and begins >= context.now):
        return reading._replace(future=True)
    if reading.end > context.now:
        return reading._replace(end=context.now, notes=(*reading.notes, "clipped"))
    return reading


# --- intervals -----------------------------------------------------------------------------------------------------


def _spans(frame: Frame, context: Context) -> Iterator[tuple[Span, str]]:
    """Intervals without their relation, and the order of numbers they were read in."""
    if frame.has_day:
        for group in groups(frame.day, frame.weekday, context.today):
            yield from _first_past(group, frame, context)
    elif frame.has_time:
        yield from ((span, "") for span in _undated(frame, context))
    else:
        yield from ((span, "") for span in _timeless(frame, context))


def _timeless(frame: Frame, context: Context) -> Iterator[Span]:
    if frame.instant is not None:
        start = datetime.fromtimestamp(frame.instant.seconds, UTC)
        yield Span(start, start + timedelta(seconds=1), "second")
    elif frame.elapsed is not None:
        yield _elapsed(frame.elapsed, context)
    elif frame.recent is not None:
        yield _recent(frame.recent, context)
    elif frame.vague is not None:
        yield Span(context.now - VAGUE[frame.vague], context.now, "range", ("vague", "policy"), ("vague",))


def _elapsed(elapsed: Elapsed, context: Context) -> Span:
    if elapsed.few:
        unit = elapsed.seconds
        start, end = (5 * unit, 2 * unit) if elapsed.hourly else (15 * unit, 0)
        said = (context.now - timedelta(seconds=start), context.now - timedelta(seconds=end))
        return Span(*said, "range", ("vague", "policy"), ("vague",))
    centre, slack = _earlier(context, elapsed.seconds), timedelta(seconds=elapsed.slack_s)
    ask: tuple[Code, ...] = (elapsed.doubt,) if elapsed.doubt else ()
    return Span(centre - slack, centre + slack, "hour" if elapsed.hourly else "minute", ("policy",), ask)


def _earlier(context: Context, seconds: float) -> datetime:
    """Absolute arithmetic: three hours are three hours in the night in which clocks change, too."""
    moment = context.now - timedelta(seconds=seconds)
    if moment.year < 1970:
        raise Impossible("absurd")
    return moment


def _recent(recent: Recent, context: Context) -> Span:
    seconds = {"second": 1, "minute": 60, "hour": 3600}.get(recent.unit)
    if seconds is not None:
        return Span(_earlier(context, recent.amount * seconds), context.now, "range", ("policy",))
    days = {"day": 1, "week": 7, "weekend": 7, "month": 30, "year": 365}[recent.unit] * recent.amount
    start = _earlier(context, days * 86400).astimezone(context.zone).date()
    return Span(_midnight(start, context), context.now, "range", ("policy",))


def _midnight(day: date, context: Context) -> datetime:
    return datetime.combine(day, time(), context.zone).astimezone(UTC)


def _first_past(group: Group, frame: Frame, context: Context) -> Iterator[tuple[Span, str]]:
    """Of `17 January` in this year and the last, the most recent that has begun."""
    for number, days in enumerate(group):
        found = list(_on(days, frame, context))
        begun = [s for s in found if s.start < context.now]
        if begun or number == len(group) - 1:
            for span in begun or found:
                ask = _year_asked(days, span, context)
                yield span._replace(notes=(*days.notes, *span.notes), ask=(*days.ask, *ask, *span.ask)), days.order
            return


def _year_asked(days: Days, span: Span, context: Context) -> tuple[Code, ...]:
    """A time that pushed its date into an earlier year makes it old, too."""
    old = (context.now - span.end).days > 183
    return ("year",) if old and "year" in days.notes and "year" not in days.ask else ()


def _on(days: Days, frame: Frame, context: Context) -> Iterator[Span]:
    """That day, or the time on it."""
    if not frame.has_time:
        start, end = _midnight(days.first, context), _midnight(days.end, context)
        yield Span(start, end, days.granularity)
        return
    if (days.end - days.first).days != 1:
        raise Impossible("unclear")
    today = isinstance(frame.day, Shift) and frame.day.days == 0
    yield from _timed(days.first, frame, context, today=today)


def _timed(day: date, frame: Frame, context: Context, *, today: bool) -> Iterator[Span]:
    zones = meanings(frame.zone) if frame.zone else ()
    if isinstance(frame.clock, ClockRange):
        yield from _clock_range(day, frame, context, today=today)
        return
    if frame.clock is not None:
        clock = frame.clock._replace(doubt=None) if frame.has_day else frame.clock
        walls = list(clock_walls(day, clock, frame.daypart, today=today))
        if _shortly_before(frame) and frame.clock.named == "midnight" and frame.has_day:
            walls = walls[1:]  # what ends at the first midnight is the day before
    else:
        assert frame.daypart is not None
        walls = list(part_walls(day, frame.daypart, today=today))
        if frame.daypart.name.startswith("last_night") and context.now.astimezone(context.zone).hour < _SMALL_HOURS:
            before = part_walls(day - timedelta(1), frame.daypart, today=today)
            walls = [w._replace(notes=("night", *w.notes)) for w in (*walls, *before)]
    for wall in walls:
        for span in spans_of(wall, zones, context.zone):
            named = isinstance(frame.clock, Clock) and bool(frame.clock.named)
            yield span._replace(named=named)


def _shortly_before(frame: Frame) -> bool:
    return frame.related is not None and frame.related.shortly and frame.related.relation == "before"


def _clock_range(day: date, frame: Frame, context: Context, *, today: bool) -> Iterator[Span]:
    """From each first time to the nearest last one after it; past midnight if need be; the narrowest ones count."""
    clock = frame.clock
    assert isinstance(clock, ClockRange)
    only = frame._replace(related=None)
    last_part = None if len(clock.last.hours) == 1 else frame.daypart
    starts = list(_timed(day, only._replace(clock=clock.first), context, today=today))
    ends = list(_timed(day, only._replace(clock=clock.last, daypart=last_part), context, today=today))
    if any("dst" in span.notes for span in (*starts, *ends)):
        yield from _through_change(starts, ends)
        return
    pairs = []
    for first in starts:
        later = [e.start if e.start > first.start else _next_day(e.start, context) for e in ends]
        pairs.append((first, min(later)))
    narrow = min(stop - first.start for first, stop in pairs)
    kept = [(f, s) for f, s in pairs if s - f.start == narrow]
    many: tuple[Code, ...] = ("ampm",) if len(kept) > 1 else ()
    for first, stop in kept:
        yield Span(first.start, stop, "range", tuple(dict.fromkeys((*many, *_without_ampm(first.notes)))), first.ask)


def _through_change(starts: list[Span], ends: list[Span]) -> Iterator[Span]:
    """A range that begins or ends in the hour that exists twice: every way to read it, and always a question."""
    for first, last in product(starts, ends):
        if first.start < last.start:
            notes: tuple[Code, ...] = ("dst", *_without_ampm(first.notes))
            yield Span(first.start, last.start, "range", tuple(dict.fromkeys(notes)), (*first.ask, "dst"))


def _next_day(moment: datetime, context: Context) -> datetime:
    """The same time on the next day's clock."""
    return (moment.astimezone(context.zone) + timedelta(days=1)).astimezone(UTC)


def _without_ampm(notes: tuple[Code, ...]) -> tuple[Code, ...]:
    return tuple(n for n in notes if n != "ampm")


def _undated(frame: Frame, context: Context) -> Iterator[Span]:
    """A time without a day: each reading's most recent occurrence that has begun."""
    today = context.today
    alone = isinstance(frame.daypart, Daypart) and frame.clock is None
    midnight = isinstance(frame.clock, Clock) and frame.clock.named == "midnight"
    seen: dict[tuple[object, ...], Span] = {}
    for back in (0, 1, 2):
        for span in _timed(today - timedelta(back), frame, context, today=False):
            key = () if alone or midnight else _wall_key(span, context)
            begun = span.start - _lead(frame) < context.now
            if begun and (key not in seen or (alone and span.start > seen[key].start)):
                seen[key] = span
            if begun and key in seen and _twin(seen[key], span, context):
                seen[(*key, "twin")] = span
    # The latest wall clock first; of the same one twice the earlier first: it can only lose minutes.
    for span in sorted(seen.values(), key=lambda s: (-_wall(s, context).timestamp(), s.start)):
        notes = tuple(n for n in span.notes if n not in ("night", "midnight"))
        yield span._replace(notes=notes)


def _wall_key(span: Span, context: Context) -> tuple[object, ...]:
    wall = _wall(span, context)
    return (wall.hour, wall.minute, wall.second, span.start.timestamp() % 86400 if "tz" in span.notes else 0)


def _twin(first: Span, other: Span, context: Context) -> bool:
    """The same wall clock a second time, in the night in which clocks go back."""
    return _wall(first, context) == _wall(other, context) and first.start != other.start


def _wall(span: Span, context: Context) -> datetime:
    """What the clock on the wall showed."""
    return span.start.astimezone(context.zone).replace(tzinfo=UTC, fold=0)


def _lead(frame: Frame) -> timedelta:
    around = frame.related is not None and frame.related.relation == "around"
    return AROUND_MINUTE if around else timedelta(0)


# --- relations -----------------------------------------------------------------------------------------------------


def _related(frame: Frame, context: Context) -> Iterator[Reading]:
    if frame.last is not None:
        yield from _between(frame, frame.last, context)
        return
    for span, order in _spans(frame, context):
        related = frame.related
        if related is None and frame.elapsed is not None and not frame.elapsed.few:
            related = Related("around")
        base = Reading(span.start, span.end, span.granularity, span.notes, span.ask, order=order)
        yield base if related is None else _applied(base, related, frame, span)


def _applied(base: Reading, related: Related, frame: Frame, span: Span) -> Reading:
    timed = isinstance(frame.clock, Clock)
    if related.relation == "around":
        return _around(base, frame, span)
    if related.shortly:
        return _shortly(base, related, span, timed=timed)
    assert base.start is not None
    if related.relation == "before":
        end = base.end if related.inclusive and not timed else base.start
        return base._replace(start=None, end=end, granularity="range", relation="before")
    inclusive = related.inclusive or timed
    start = base.start if inclusive else base.end
    return base._replace(start=start, end=_FAR, granularity="range", relation="after")


_FAR = datetime(9990, 1, 1, tzinfo=UTC)
"""`after` is open; what lies beyond now is cut there."""


def _shortly(base: Reading, related: Related, span: Span, *, timed: bool) -> Reading:
    assert base.start is not None
    ask = base.ask
    if timed:
        width = NEAR_HOUR if span.named or base.granularity == "hour" else NEAR_MINUTE
    else:
        width, ask = timedelta(days=1), (*ask, "vague")
    after_day = base.end if not timed else base.start
    start, end = (base.start - width, base.start) if related.relation == "before" else (after_day, after_day + width)
    notes: tuple[Code, ...] = (*base.notes, "policy")
    return base._replace(start=start, end=end, notes=notes, ask=ask, relation=related.relation, width=width)


def _around(base: Reading, frame: Frame, span: Span) -> Reading:
    assert base.start is not None
    if frame.elapsed is not None or (frame.daypart is not None and frame.clock is None):
        return base._replace(relation="around", width=(base.end - base.start) / 2 if frame.elapsed else None)
    if isinstance(frame.clock, Clock):
        width = AROUND_HOUR if span.named or base.granularity == "hour" else AROUND_MINUTE
        start, end = base.start - width, base.start + width
        notes: tuple[Code, ...] = (*base.notes, "policy")
        return base._replace(start=start, end=end, notes=notes, relation="around", width=width)
    day = timedelta(days=1)
    return base._replace(
        start=base.start - day, end=base.end + day, ask=(*base.ask, "vague"), relation="around", width=day
    )


def _between(first: Frame, last: Frame, context: Context) -> Iterator[Reading]:
    if not last.has_day and first.has_day and first.has_time and last.has_time:
        last = last._replace(day=first.day, weekday=first.weekday)
    begins = [s for s, _ in _spans(first._replace(last=None), context)]
    ends = [s for s, _ in _spans(last, context)]
    found = False
    for a, b in product(begins, ends):
        stop = b.start if last.clock is not None or last.instant is not None else b.end
        if stop <= a.start and last.day == first.day and last.weekday == first.weekday and last.clock is not None:
            stop = _next_day(stop, context)
        if a.start < stop:
            found = True
            notes, ask = tuple(dict.fromkeys((*a.notes, *b.notes))), tuple(dict.fromkeys((*a.ask, *b.ask)))
            yield Reading(a.start, stop, "range", notes, ask)
    if not found:
        raise Impossible("reversed")

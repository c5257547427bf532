"""What was said about days becomes days of the calendar: all they can be, the past only, never a silent choice."""

import calendar
from collections.abc import Callable, Iterable
from datetime import date, timedelta

from restorekit.model.resolution import Code
from restorekit.timewords.almanac import (
    OLD_DAYS,
    OLDEST,
    Days,
    Group,
    Impossible,
    aged,
    day_or_none,
    existing,
    month_of,
    one,
    quarter_of,
    year_of,
)
from restorekit.timewords.dates import SHIFTS
from restorekit.timewords.feasts import spans
from restorekit.timewords.said import (
    Containing,
    Dated,
    DayRange,
    DaysAgo,
    DaySaid,
    Holiday,
    Month,
    Offset,
    PartOf,
    Period,
    Quarter,
    Shift,
    Week,
    Weekday,
    Year,
)

_LEAP_SEARCH = 9


def groups(day: DaySaid | None, weekday: Weekday | None, today: date) -> list[Group]:
    """All readings; raises Impossible."""
    try:
        found = _groups(day, weekday, today)
    except (OverflowError, ValueError) as error:
        raise Impossible("absurd") from error
    if any(d.first.year < OLDEST for group in found for d in group):
        raise Impossible("absurd")
    return found


def _groups(day: DaySaid | None, weekday: Weekday | None, today: date) -> list[Group]:
    if day is None:
        assert weekday is not None
        return _weekday(weekday, today)
    found = _RULES[type(day)](day, today)
    if weekday is None:
        return found
    if isinstance(day, DaysAgo) and day.unit == "week" and not day.few:
        return _weekday_weeks_ago(weekday.number, day.amount, today)
    if isinstance(day, Period | Week):
        return [tuple(_inside(d, weekday.number) for d in group) for group in found]
    if isinstance(day, Month | PartOf | Year | DayRange):
        raise Impossible("unclear")
    return _checked(found, weekday.number)


# --- dates ---------------------------------------------------------------------------------------------------------


def _dated(day: Dated, today: date) -> list[Group]:
    if not 1 <= day.day <= 31 or (day.month is not None and not 1 <= day.month <= 12):
        raise Impossible("no_such_date")
    ask: tuple[Code, ...] = (day.doubt,) if day.doubt else ()
    if day.month is None:
        return [(one(_recent_day_of_month(day.day, today), "month", ask=ask),)]
    if day.year is not None or day.year_shift is not None:
        year = day.year if day.year is not None else today.year + (day.year_shift or 0)
        notes: tuple[Code, ...] = ("century",) if day.short_year else ()
        return [(one(existing(year, day.month, day.day), *notes, ask=ask)._replace(order=day.order),)]
    found = _by_year(lambda y: day_or_none(y, day.month or 0, day.day), today, ask)
    if not found:
        raise Impossible("no_such_date")
    return [tuple(d._replace(order=day.order) for d in found)]


def _by_year(build: Callable[[int], date | None], today: date, ask: tuple[Code, ...] = ()) -> Group:
    """The most recent ones that have begun."""
    dates = (build(y) for y in range(today.year, today.year - _LEAP_SEARCH, -1))
    past = [d for d in dates if d is not None and d <= today]
    return tuple(aged(one(d, "year", ask=ask), today) for d in past)


def _recent_day_of_month(day: int, today: date) -> date:
    year, month = today.year, today.month
    for _ in range(4):
        found = day_or_none(year, month, day)
        if found is not None and found <= today:
            return found
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    raise Impossible("no_such_date")


def _holiday(day: Holiday, today: date) -> list[Group]:
    if day.year is not None or day.year_shift is not None:
        years = [day.year if day.year is not None else today.year + (day.year_shift or 0)]
    else:
        years = [today.year, today.year - 1]
    existing(years[0], 1, 1)
    said: tuple[Code, ...] = ("year",) if len(years) > 1 else ()
    per_year = [
        [Days(first, end, "day" if (end - first).days == 1 else "range", said) for first, end in spans(day.name, y)]
        for y in years
    ]
    found = [tuple(d for d in group if len(years) == 1 or d.first <= today) for group in zip(*per_year, strict=True)]
    noted = [tuple(aged(d, today) if said else d for d in group) for group in found]
    return noted if len(noted) == 1 else [tuple(d._replace(notes=(*d.notes, "vague")) for d in g) for g in noted]


def _shift(day: Shift, today: date) -> list[Group]:
    return [(one(today + timedelta(day.days)),)]


def _days_ago(day: DaysAgo, today: date) -> list[Group]:
    if day.few:
        unit = {"day": 1, "week": 7, "month": 30, "year": 365}.get(day.unit, 1)
        most, least = (day.amount, day.least - 1) if day.amount else (5 * unit, unit)
        return [(Days(today - timedelta(most), today - timedelta(least), "range", ("vague",), ("vague",)),)]
    if day.unit in ("day", "week"):
        length = 7 if day.unit == "week" else 1
        return [(one(today + timedelta(day.base - day.amount * length)),)]
    if day.unit == "weekend":
        raise Impossible("unclear")
    months = day.amount * (12 if day.unit == "year" else 1)
    if months > 12 * 100:
        raise Impossible("absurd")
    year, month = divmod(today.year * 12 + today.month - 1 - months, 12)
    exact = date(year, month + 1, min(today.day, calendar.monthrange(year, month + 1)[1]))
    whole = month_of(year, month + 1) if day.unit == "month" else year_of(year)
    return [(one(exact, "vague"),), (whole._replace(notes=("vague",)),)]


# --- weekdays ------------------------------------------------------------------------------------------------------


def _weekday(day: Weekday, today: date) -> list[Group]:
    back = (today.weekday() - day.number) % 7
    monday = today - timedelta(today.weekday())
    if day.which in ("this", "next"):
        return [(one(monday + timedelta(day.number + (7 if day.which == "next" else 0))),)]
    recent = today - timedelta(back or 7)
    if day.which == "before_last":
        recent -= timedelta(7)
    if back == 0:
        return [(one(recent, "weekday"),), (one(recent + timedelta(7), "weekday"),)]
    if day.which and day.number < today.weekday():
        return [(one(recent, "weekday"),), (one(recent - timedelta(7), "weekday"),)]
    return [(one(recent),)]


def _weekday_weeks_ago(number: int, weeks: int, today: date) -> list[Group]:
    by_week = today - timedelta(today.weekday() - number + 7 * weeks)
    by_day = today - timedelta((today.weekday() - number) % 7 + 7 * weeks)
    return [(one(d, *(("weekday",) if by_week != by_day else ())),) for d in dict.fromkeys((by_day, by_week))]


def _inside(days: Days, number: int) -> Days:
    """That weekday of a week."""
    for n in range((days.end - days.first).days):
        if (days.first + timedelta(n)).weekday() == number:
            return one(days.first + timedelta(n), *days.notes, ask=days.ask)
    raise Impossible("unclear")


def _checked(found: list[Group], number: int) -> list[Group]:
    """The weekday as a checksum: where it contradicts, every way out is a reading and none is chosen."""
    checked: list[Group] = []
    for group in found:
        first = group[0] if group else None
        if first is None or first.first.weekday() == number:
            checked.append(group)
            continue
        ways = [d for d in group[1:3] if d.first.weekday() == number]
        nearest = first.first + timedelta((number - first.first.weekday() + 3) % 7 - 3)
        ways += [first, Days(nearest, nearest + timedelta(1), "day")]
        checked += [(d._replace(notes=("weekday",), ask=("weekday",)),) for d in ways]
    return checked


# --- periods -------------------------------------------------------------------------------------------------------


def _month(day: Month, today: date) -> list[Group]:
    if not 1 <= day.month <= 12:
        raise Impossible("no_such_date")
    if day.year is not None or day.year_shift is not None:
        return [(month_of(day.year if day.year is not None else today.year + (day.year_shift or 0), day.month),)]
    months = (month_of(y, day.month) for y in (today.year, today.year - 1))
    return [tuple(aged(m._replace(notes=("year",)), today) for m in months if m.first <= today)]


def _year(day: Year, _today: date) -> list[Group]:
    return [(year_of(day.year)._replace(ask=(day.doubt,) if day.doubt else ()),)]


def _week(day: Week, today: date) -> list[Group]:
    def build(year: int) -> Days | None:
        try:
            monday = date.fromisocalendar(year, day.number, 1)
        except ValueError:
            return None
        return Days(monday, monday + timedelta(7), "week")

    if not 1 <= day.number <= 53:
        raise Impossible("no_such_date")
    if day.year is not None:
        existing(day.year, 1, 1)
        found = build(day.year)
        if found is None:
            raise Impossible("no_such_date")
        return [(found,)]
    weeks = (build(y) for y in range(today.year + 1, today.year - _LEAP_SEARCH, -1))
    past = [w for w in weeks if w is not None and w.first <= today]
    return [tuple(aged(w._replace(notes=("year",)), today) for w in past)]


def _period(day: Period, today: date) -> list[Group]:
    if day.unit == "weekend":
        return _weekend(day, today)
    shift = SHIFTS[day.which]
    if day.unit == "week":
        monday = today - timedelta(today.weekday() - 7 * shift)
        return [(Days(monday, monday + timedelta(7), "week"),)]
    if day.unit == "month":
        year, month = divmod(today.year * 12 + today.month - 1 + shift, 12)
        return [(month_of(year, month + 1),)]
    return [(year_of(today.year + shift),)]


def _weekend(day: Period, today: date) -> list[Group]:
    saturday = today - timedelta(today.weekday() - 5)
    now_weekend = today.weekday() >= 5
    if day.which in ("this", "next"):
        starts = [saturday + timedelta(7 * SHIFTS[day.which])]
    else:
        recent = saturday if now_weekend else saturday - timedelta(7)
        back = 7 if day.which == "before_last" else 0
        starts = [recent - timedelta(back)]
        if now_weekend and day.which:
            starts.insert(0, recent - timedelta(back + 7))
    notes: tuple[Code, ...] = ("weekday",) if len(starts) > 1 else ()
    return [(Days(s, s + timedelta(2), "weekend", notes),) for s in starts]


def _part(day: PartOf, today: date) -> list[Group]:
    found = []
    for group in _RULES[type(day.of)](day.of, today):
        parts = (_part_of(d, day.part) for d in group)
        found.append(tuple(p for p in parts if p.first <= today or "year" not in p.notes))
    return found


def _part_of(days: Days, part: str) -> Days:
    index = ("early", "mid", "late").index(part)
    first, ask = days.first, days.ask
    if days.granularity == "week":
        edges = [first + timedelta(n) for n in (0, 2, 4, 7)]
    elif days.granularity == "month":
        edges = [first, first + timedelta(10), first + timedelta(20), days.end]
    elif days.granularity == "year":
        # Three months at either end: nobody calls September the end of a year.
        edges = [first, date(first.year, 5, 1), date(first.year, 10, 1), days.end]
        ask = (*ask, "vague")
    else:
        raise Impossible("unclear")
    return Days(edges[index], edges[index + 1], "range", (*days.notes, "policy"), ask)


def _range(day: DayRange, today: date) -> list[Group]:
    """From the first, to the next such day after it: `28.12. bis 03.01.`."""
    found: list[Group] = []
    for group in _groups(*_slots(day.first), today):
        joined = [_joined(first, last, today) for first in group[:2] for last in _lasts(day.last, first, today)]
        found.append(tuple(j for j in joined if j.first <= today or day.first == day.last))
    if not any(found):
        raise Impossible("reversed")
    return [g for g in found if g]


def _slots(day: DaySaid) -> tuple[DaySaid | None, Weekday | None]:
    return (None, day) if isinstance(day, Weekday) else (day, None)


def _lasts(day: DaySaid, first: Days, today: date) -> Iterable[Days]:
    if isinstance(day, Weekday) and not day.which:
        nearest = first.first + timedelta((day.number - first.first.weekday()) % 7 or 7)
        return (one(nearest, *first.notes, ask=("weekday",) if nearest > today else ()),)
    if isinstance(day, Dated) and day.year is None and day.year_shift is None and day.month is not None:
        dates = (day_or_none(y, day.month, day.day) for y in (first.first.year, first.first.year + 1))
        return tuple(one(d, "year") for d in dates if d is not None and 0 < (d - first.first).days <= OLD_DAYS)[:1]
    if isinstance(day, Dated) and day.month is None:
        found = day_or_none(first.first.year, first.first.month, day.day)
        return (one(found, "month"),) if found is not None and found > first.first else ()
    return tuple(g[0] for g in _groups(*_slots(day), today) if g and g[0].end > first.first)


def _joined(first: Days, last: Days, today: date) -> Days:
    notes = tuple(dict.fromkeys((*first.notes, *last.notes)))
    ask = tuple(a for a in dict.fromkeys((*first.ask, *last.ask)) if a != "year")
    both = Days(first.first, last.end, "range", notes, ask)
    return aged(both, today) if "year" in notes else both


def _quarter(day: Quarter, today: date) -> list[Group]:
    if not day.number:
        year, index = divmod(today.year * 4 + (today.month - 1) // 3 + SHIFTS[day.which], 4)
        return [(quarter_of(year, index + 1),)]
    if day.year is not None or day.year_shift is not None:
        return [(quarter_of(day.year or today.year + (day.year_shift or 0), day.number),)]
    past = [q for q in (quarter_of(y, day.number) for y in (today.year, today.year - 1)) if q.first <= today]
    return [tuple(aged(q._replace(notes=("year",)), today) for q in past)]


def _containing(day: Containing, today: date) -> list[Group]:
    def around(d: Days) -> Days | None:
        monday = d.first - timedelta(d.first.weekday())
        if day.unit == "week":
            return d._replace(first=monday, end=monday + timedelta(7), granularity="week")
        saturday = monday + timedelta(5)
        if d.first < saturday or d.end > saturday + timedelta(2):
            return None
        return d._replace(first=saturday, end=saturday + timedelta(2), granularity="weekend")

    found = [tuple(w for w in map(around, group[:1]) if w) for group in _groups(*_slots(day.day), today)]
    if not any(found):
        raise Impossible("unclear")
    return found


def _offset(day: Offset, today: date) -> list[Group]:
    """So many days before its first or after its last day."""

    def moved(d: Days) -> Days:
        edge = d.first if day.days < 0 else d.end - timedelta(1)
        return one(edge + timedelta(day.days), *d.notes, ask=d.ask)

    return [tuple(moved(d) for d in group) for group in _groups(*_slots(day.base), today)]


_RULES: dict[type, Callable[..., list[Group]]] = {
    Dated: _dated,
    Shift: _shift,
    DaysAgo: _days_ago,
    Weekday: _weekday,
    Period: _period,
    Month: _month,
    Week: _week,
    Year: _year,
    PartOf: _part,
    Holiday: _holiday,
    DayRange: _range,
    Offset: _offset,
    Quarter: _quarter,
    Containing: _containing,
}

"""Days of the calendar as the rules of `days` build them: stretches with what was assumed and what must be asked."""

import calendar
from datetime import date, timedelta
from typing import NamedTuple

from restorekit.model.resolution import Code, Granularity

OLD_DAYS = 183
"""Without a year, anything longer ago is asked: it is more likely a slip."""
OLDEST = 1970
"""The first year that anybody can mean."""


class Impossible(Exception):
    """There is no such day or time; `key` names the sentence."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Days(NamedTuple):
    """[first, end). `notes`: what was assumed. `ask`: why not to go on without asking."""

    first: date
    end: date
    granularity: Granularity
    notes: tuple[Code, ...] = ()
    ask: tuple[Code, ...] = ()
    order: str = ""


Group = tuple[Days, ...]
"""Alternatives of one reading, the most recent first: the first one that has started counts."""


def one(first: date, *notes: Code, ask: tuple[Code, ...] = ()) -> Days:
    """One day."""
    return Days(first, first + timedelta(1), "day", notes, ask)


def existing(year: int, month: int, day: int) -> date:
    """That day; raises Impossible."""
    if not OLDEST <= year <= 9000:
        raise Impossible("absurd")
    found = day_or_none(year, month, day)
    if found is None:
        raise Impossible("no_such_date")
    return found


def day_or_none(year: int, month: int, day: int) -> date | None:
    """None for the 30th of February."""
    return date(year, month, day) if day <= calendar.monthrange(year, month)[1] else None


def aged(days: Days, today: date) -> Days:
    """Asked for its year if it is old."""
    old = (today - (days.end - timedelta(1))).days > OLD_DAYS
    return days._replace(ask=(*days.ask, "year")) if old else days


def month_of(year: int, month: int) -> Days:
    """That month."""
    after = date(year + month // 12, month % 12 + 1, 1)
    return Days(existing(year, month, 1), after, "month")


def year_of(year: int) -> Days:
    """That year."""
    return Days(existing(year, 1, 1), date(year + 1, 1, 1), "year")


def quarter_of(year: int, number: int) -> Days:
    """That quarter of a year."""
    return Days(existing(year, 3 * number - 2, 1), month_of(year, 3 * number).end, "range")

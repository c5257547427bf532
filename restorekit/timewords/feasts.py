"""Feasts by their keys: which days they are in a year."""

from collections.abc import Callable
from datetime import date, timedelta

_FIXED = {
    "christmas_eve": (12, 24),
    "christmas_day": (12, 25),
    "boxing_day": (12, 26),
    "new_years_eve": (12, 31),
    "new_year": (1, 1),
    "epiphany": (1, 6),
    "nicholas": (12, 6),
    "valentine": (2, 14),
    "labour_day": (5, 1),
    "german_unity": (10, 3),
    "reformation": (10, 31),
    "all_saints": (11, 1),
    "independence": (7, 4),
}
# Days from Easter Sunday.
_MOVABLE = {
    "rose_monday": -48,
    "ash_wednesday": -46,
    "maundy_thursday": -3,
    "good_friday": -2,
    "holy_saturday": -1,
    "easter_sunday": 0,
    "easter_monday": 1,
    "ascension": 39,
    "whit_sunday": 49,
    "whit_monday": 50,
    "corpus_christi": 60,
}
_AUTUMN = {"thanksgiving": 0, "black_friday": 1}
# What people mean by a feast of several days: all of it, or its first main day.
_LONG: dict[str, Callable[[int], tuple[tuple[date, date], ...]]] = {
    "christmas": lambda y: ((date(y, 12, 24), date(y, 12, 27)), (date(y, 12, 25), date(y, 12, 26))),
    "easter": lambda y: _around(easter(y), -2, 2),
    "pentecost": lambda y: _around(easter(y) + timedelta(49), 0, 2),
}


def easter(year: int) -> date:
    """Easter Sunday (Gregorian)."""
    a, b, c = year % 19, year // 100, year % 100
    d = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    e = (32 + 2 * (b % 4) + 2 * (c // 4) - d - c % 4) % 7
    f = d + e - 7 * ((a + 11 * d + 22 * e) // 451) + 114
    return date(year, f // 31, f % 31 + 1)


def _around(sunday: date, before: int, after: int) -> tuple[tuple[date, date], ...]:
    return ((sunday + timedelta(before), sunday + timedelta(after)), (sunday, sunday + timedelta(1)))


def spans(name: str, year: int) -> tuple[tuple[date, date], ...]:
    """All that the name can mean in that year, each as [first, end)."""
    if name in _LONG:
        return _LONG[name](year)
    if name in _FIXED:
        first = date(year, *_FIXED[name])
    elif name in _MOVABLE:
        first = easter(year) + timedelta(_MOVABLE[name])
    else:
        november = date(year, 11, 1)
        fourth_thursday = november + timedelta((3 - november.weekday()) % 7 + 21)
        first = fourth_thursday + timedelta(_AUTUMN[name])
    return ((first, first + timedelta(1)),)

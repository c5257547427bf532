"""The columns of a picture: equal steps of the wall clock, as long as they really were."""

from datetime import date, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import NamedTuple

from restorekit.timeline.ground import moment

_STEPS = (5, 10, 15, 30, 60, 120, 180, 240, 360, 480, 720)
_DAY = 1440
_DAY_STEPS = (1, 2, 3, 7, 14, 28, 91, 182, 364)


class Cell(NamedTuple):
    """One column, half open. In a DST night one is longer or shorter than its neighbours."""

    start: datetime
    end: datetime


class Label(NamedTuple):
    """Text over the column where it begins."""

    column: int
    text: str


def cells(since: datetime, until: datetime, most: int, zone: tzinfo) -> tuple[tuple[Cell, ...], str]:
    """At most `most` columns that hold [since, until), and how long one is (`6 h`)."""
    for step in _STEPS:
        if (until - since) / timedelta(minutes=step) <= most + 2:
            found = _between(_wall(since, until, step, zone), since, until)
            if len(found) <= most:
                return found, f"{step} min" if step < 60 else f"{step // 60} h"
    days, found = 0, ()
    for days in _DAY_STEPS:
        found = _between(_midnights(since, until, days, zone), since, until)
        if len(found) <= most:
            break
    return found[-most:], f"{days} d"


def labels(columns: tuple[Cell, ...]) -> tuple[list[Label], list[Label]]:
    """Two lines over the columns, always with the year: the coarser one above."""
    a_day = _a_day(columns)
    if a_day >= 15:
        return _placed(columns, "%Y-%m-%d", 1), _hours(columns)
    if a_day > 1 / 20:
        return _placed(columns, "%Y-%m", 1), _placed(columns, "%d", 1)
    return _placed(columns, "%Y", 1), _placed(columns, "%m", 1)


def _a_day(columns: tuple[Cell, ...]) -> float:
    length = sorted(cell.end - cell.start for cell in columns)[len(columns) // 2]
    return timedelta(days=1) / length


def _placed(columns: tuple[Cell, ...], form: str, gap: int) -> list[Label]:
    """A label where it changes and there is room; the first gives way, for it only says what was before."""
    found: list[Label] = []
    before = ""
    for column, cell in enumerate(columns):
        text = cell.start.strftime(form)
        if text == before:
            continue
        before = text
        if len(found) == 1 and found[0].column == 0 and column < len(found[0].text) + gap and len(text) > 2:
            found = []
        if not found or column >= found[-1].column + len(found[-1].text) + gap:
            found.append(Label(column, text))
    return found


def _hours(columns: tuple[Cell, ...]) -> list[Label]:
    found: list[Label] = []
    for column, cell in enumerate(columns):
        if cell.start.minute == 0 and (not found or column >= found[-1].column + 3):
            found.append(Label(column, f"{cell.start:%H}"))
    return found


def _between(bounds: list[datetime], since: datetime, until: datetime) -> tuple[Cell, ...]:
    pairs = (Cell(start, end) for start, end in pairwise(bounds))
    return tuple(cell for cell in pairs if cell.end > since and cell.start < until)


def _midnight(day: date, zone: tzinfo, minutes: int = 0) -> datetime:
    """A time on the wall; through UTC, so that one the clock skipped becomes the one it jumped to."""
    return moment(
        int((datetime(day.year, day.month, day.day, minutes // 60, minutes % 60, tzinfo=zone)).timestamp()), zone
    )


def _wall(since: datetime, until: datetime, step: int, zone: tzinfo) -> list[datetime]:
    bounds: set[int] = set()
    day, last = since.astimezone(zone).date(), until.astimezone(zone).date() + timedelta(days=1)
    while day <= last:
        start = int(_midnight(day, zone).timestamp())
        if step <= 60:  # small steps count real time: the long night has 25 hours
            end = int(_midnight(day + timedelta(days=1), zone).timestamp())
            bounds.update(range(start, end, step * 60))
        else:
            bounds.update(int(_midnight(day, zone, minute).timestamp()) for minute in range(0, _DAY, step))
        day += timedelta(days=1)
    return [moment(second, zone) for second in sorted(bounds)]


def _midnights(since: datetime, until: datetime, step: int, zone: tzinfo) -> list[datetime]:
    day, last = since.astimezone(zone).date(), until.astimezone(zone)
    bounds = [_midnight(day, zone)]
    while bounds[-1] < last:
        day += timedelta(days=step)
        bounds.append(_midnight(day, zone))
    return bounds

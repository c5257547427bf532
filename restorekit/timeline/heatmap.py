"""The picture of a past as a value: columns of time, a row per table, marks, points, and holes."""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

from restorekit.model.changes import Blow, Episode, History, Stretch, Tally
from restorekit.model.locale import Locale
from restorekit.model.value import Moment, Value
from restorekit.timeline import axis, words
from restorekit.timeline.axis import Cell
from restorekit.timeline.coarse import is_coarse, is_coarse_blow
from restorekit.timeline.ground import Span, covering, inside, joined, overlap

HOLE = -1
"""Nothing is known of this column (of a tenth of it or more) and no change was seen: not the same as no change."""
SOMEWHERE = -2
"""It changed some time in this and the neighbouring columns."""

LEVELS = 8
LABEL_WIDTH = 16
LEAST_WIDTH = 40
MOST_ROWS = 12

_KNOWN = 0.9


class Point(NamedTuple):
    """A recovery point as it is drawn: the letter of its kind, whether proven, and its state (`usable` or not)."""

    at: datetime
    letter: str
    proven: bool
    state: str
    id: str


class View(NamedTuple):
    """What to look at: [since, until), whose clock, how many characters wide (40 or more), which language."""

    since: datetime
    until: datetime
    zone: tzinfo
    width: int = 80
    locale: str = "en"


class Row(Value):
    """One table (or several: then `label` says so): a level 0 to 8 per column, or HOLE, or SOMEWHERE."""

    label: str
    levels: tuple[int, ...]


class Heat(Value):
    """A past, ready to be drawn.

    `rows`: the rarest on top. `routine`: all tables of `folded` in one. `marks`: per column `accident`, `serious`,
    `minor`, with `?` where only two states around it are known, or nothing. `points`: all in the window, in order.
    """

    since: Moment
    until: Moment
    zone: str
    locale: Locale
    width: int
    step: str
    cells: tuple[Cell, ...]
    rows: tuple[Row, ...]
    routine: Row | None
    folded: tuple[str, ...]
    marks: tuple[str, ...]
    points: tuple[Point, ...]
    holes: tuple[Cell, ...]
    history: History


def heat(
    history: History, tallies: Sequence[Tally], blows: Sequence[Blow], points: Sequence[Point], view: View
) -> Heat:
    """The picture of [since, until); levels are logarithms of rows (of statements where nobody counted rows)."""
    locale = words.locale_of(view.locale)
    view = view._replace(until=max(view.until, view.since + timedelta(hours=1)))
    columns, step = axis.cells(view.since, view.until, max(LEAST_WIDTH, view.width) - LABEL_WIDTH - 1, view.zone)
    grid = _Grid(columns, history.stretches, view)
    amounts = _amounts(grid, tallies, blows)
    routine = sorted(table for table in amounts if table in history.routine)
    rare = sorted((t for t in amounts if t not in history.routine), key=lambda t: (len(amounts[t]), t))
    rows = [Row(label=words.shown(table), levels=grid.levels(amounts[table])) for table in rare[:MOST_ROWS]]
    if rare[MOST_ROWS:]:
        label = words.text(locale, "others", n=len(rare) - MOST_ROWS)
        rows.append(Row(label=label, levels=grid.levels(_added(amounts[t] for t in rare[MOST_ROWS:]))))
    label = f"{words.text(locale, 'routine')} ({len(routine)})"
    return Heat(
        since=view.since.astimezone(view.zone),
        until=view.until.astimezone(view.zone),
        zone=str(view.zone),
        locale=locale,
        width=max(LEAST_WIDTH, view.width),
        step=step,
        cells=columns,
        rows=tuple(rows),
        routine=Row(label=label, levels=grid.levels(_added(amounts[t] for t in routine))) if routine else None,
        folded=tuple(words.shown(table) for table in routine),
        marks=grid.marks(history.episodes),
        points=tuple(sorted((p for p in points if view.since <= p.at < view.until), key=lambda p: (p.at, p.id))),
        holes=grid.holes(),
        history=history,
    )


def somewhere(episode: Episode, stretches: Sequence[Stretch]) -> bool:
    """Whether the episode is only known to lie between two states."""
    span = (int(episode.start.timestamp()), int(episode.end.timestamp()) + 1)
    logged = joined(covering(stretches, "rows", "statements"))
    return overlap(span, covering(stretches, "states")) > 0 and overlap(span, logged) < _KNOWN * (span[1] - span[0])


def sentence(episode: Episode, heat: Heat) -> str:
    """Kind, time and reason of an episode; one between two states says its time in its reason."""
    if somewhere(episode, heat.history.stretches):
        return words.text(heat.locale, f"{episode.kind}_said", why=episode.why)
    when = words.span(heat.locale, episode.start, episode.end)
    return words.text(heat.locale, f"{episode.kind}_at", when=when, why=episode.why)


Amounts = dict[int, float]
"""Per column; infinite for "somewhere in here"."""


class _Grid:
    """Columns that know which second falls where, and what is known of each."""

    def __init__(self, columns: Sequence[Cell], stretches: Sequence[Stretch], view: View) -> None:
        self._starts = [int(cell.start.timestamp()) for cell in columns]
        self._end = int(columns[-1].end.timestamp())
        self._window = (int(view.since.timestamp()), int(view.until.timestamp()))
        self._columns, self._stretches = columns, stretches
        self.logged = covering(stretches, "rows", "statements")
        known = joined(covering(stretches, "rows", "statements", "states"))
        self._hole = [self._is_hole(self._span(column), known) for column in range(len(columns))]

    def columns(self, start: int, end: int) -> range:
        """All that [start, end) touches; empty outside."""
        if end <= self._starts[0] or start >= self._end:
            return range(0)
        return range(max(0, bisect_right(self._starts, start) - 1), bisect_left(self._starts, end))

    def levels(self, amounts: Mapping[int, float]) -> tuple[int, ...]:
        """Logarithms against the largest of the row."""
        top = math.log1p(max((a for a in amounts.values() if a != math.inf), default=1.0))
        return tuple(self._level(column, amounts.get(column, 0.0), top) for column in range(len(self._starts)))

    def marks(self, episodes: Sequence[Episode]) -> tuple[str, ...]:
        """The worst of each column."""
        found = [""] * len(self._starts)
        for kind in ("minor", "serious", "accident"):
            for episode in (e for e in episodes if e.kind == kind):
                touched = self.columns(int(episode.start.timestamp()), int(episode.end.timestamp()) + 1)
                vague = len(touched) > 1 and somewhere(episode, self._stretches)
                for column in touched:
                    found[column] = f"{kind}?" if vague else kind
        return tuple(found)

    def holes(self) -> tuple[Cell, ...]:
        """Neighbouring unknown columns as one."""
        spans = joined(self._span(column) for column, hole in enumerate(self._hole) if hole)
        by_second = {int(t.timestamp()): t for cell in self._columns for t in cell}
        return tuple(Cell(by_second[start], by_second[end]) for start, end in spans)

    def _span(self, column: int) -> Span:
        return self._starts[column], int(self._columns[column].end.timestamp())

    def _is_hole(self, span: Span, known: list[Span]) -> bool:
        asked = (max(span[0], self._window[0]), min(span[1], self._window[1]))
        return overlap(asked, known) < _KNOWN * (asked[1] - asked[0])

    def _level(self, column: int, amount: float, top: float) -> int:
        if amount == math.inf:
            return SOMEWHERE
        if not amount:
            return HOLE if self._hole[column] else 0
        return min(LEVELS, max(1, math.ceil(LEVELS * math.log1p(amount) / top)))


def _amounts(grid: _Grid, tallies: Iterable[Tally], blows: Iterable[Blow]) -> dict[str, Amounts]:
    """Changed rows per table and column. A DROP or ALTER, which no tally counts, is there with at least one."""
    found: dict[str, Amounts] = defaultdict(lambda: defaultdict(float))
    for tally in tallies:
        span = (tally.start, tally.end)
        if not is_coarse(tally):
            _put(found[tally.table], grid.columns(*span)[:1], max(tally.rows or 0, tally.statements, 1))
        elif not inside(span, grid.logged):  # else the log says it better
            _put(found[tally.table], grid.columns(*span), tally.rows or 1)
    for blow in blows:
        if blow.kind not in ("mass_delete", "mass_update"):
            span = (blow.began_at, blow.ended_at if is_coarse_blow(blow) else blow.began_at + 1)
            _put(found[blow.table], grid.columns(*span), blow.rows or 1)
    return {table: amounts for table, amounts in found.items() if amounts}


def _put(amounts: Amounts, columns: range, amount: float) -> None:
    """All of it in one column; in several it is somewhere."""
    for column in columns:
        amounts[column] += math.inf if len(columns) > 1 else amount


def _added(several: Iterable[Mapping[int, float]]) -> Amounts:
    total: Amounts = defaultdict(float)
    for amounts in several:
        for column, amount in amounts.items():
            total[column] += amount
    return total

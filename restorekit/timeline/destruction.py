"""Which blows destroyed something, and which are a job of the clock or a scratch table."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from restorekit.model.changes import Blow
from restorekit.timeline.ground import DAY_S, Ground
from restorekit.timeline.series import Habits, Key, Series

CLUSTER_S = 2 * 3600
MASS_ROWS = 50
BLOW_SCORE = 8.0
DEFINITIONS = frozenset({"create", "alter", "rename", "other_ddl"})

_MASS = frozenset({"mass_delete", "mass_update"})
_DROPS_DATA = re.compile(
    r"\bDROP\s+(?!INDEX|KEY|CONSTRAINT|FOREIGN|PRIMARY|CHECK|DEFAULT)|\bCREATE\s+OR\s+REPLACE\s+TABLE", re.IGNORECASE
)
_PIECES_S, _PIECES_ROWS, _PIECES_STATEMENTS = 900, 30, 15
_MINUTES_A_DAY = 1440


class Hit(NamedTuple):
    """Something destroyed: from, to (seconds since the epoch, last second included), what, and how much."""

    start: int
    end: int
    table: str
    what: str
    rows: int | None
    position: str = ""

    @property
    def score(self) -> float:
        """Eight, and one more per power of ten of rows."""
        return BLOW_SCORE + math.log10(max(1, self.rows or 1))


def unusual(blows: Sequence[Blow], ground: Ground) -> list[Blow]:
    """The blows that are no routine, in the order of time."""
    alike: dict[tuple[str, ...], list[Blow]] = defaultdict(list)
    for blow in blows:
        if blow.kind not in _MASS or blow.rows is None or blow.rows >= MASS_ROWS:
            alike[_kin(blow)].append(blow)
    found = [blow for group in alike.values() for blow in _Kin(group, ground).unusual()]
    return sorted(found, key=lambda b: (b.began_at, placed(b.position), b.table))


def placed(position: str) -> tuple[str, int]:
    """File and offset, so that 999 comes before 1000."""
    file, _, offset = position.rpartition(":")
    return (file, int(offset)) if offset.isdecimal() else (position, 0)


def hits(found: Iterable[Blow], blows: Iterable[Blow]) -> list[Hit]:
    """Those of the unusual ones that destroyed data; `blows` are all there are."""
    lives: dict[str, list[Blow]] = defaultdict(list)
    for blow in blows:
        if blow.kind in ("create", "drop_table"):
            lives[blow.table].append(blow)
    return [
        Hit(b.began_at, max(b.began_at, b.ended_at), b.table, b.kind, b.rows, b.position)
        for b in found
        if _destroys(b) and not _scratch(b, lives[b.table])
    ]


def piecemeal(all_series: Mapping[Key, Series], ground: Ground) -> list[Hit]:
    """Rows deleted one by one, many within a quarter of an hour, from a table that hardly ever loses one."""
    rare = [s for s in all_series.values() if s.op == "D" and not s.routine]
    return [hit for series in rare for hit in _pieces(series, Habits(series, ground))]


def clusters(found: Iterable[Hit]) -> list[list[Hit]]:
    """Hits within two hours of each other are one accident."""
    groups: list[list[Hit]] = []
    for hit in sorted(found, key=lambda h: h.start):
        if groups and hit.start - max(h.end for h in groups[-1]) <= CLUSTER_S:
            groups[-1].append(hit)
        else:
            groups.append([hit])
    return groups


def _kin(blow: Blow) -> tuple[str, ...]:
    """Blows of one kind to one table are compared; definitions by their text, for each ALTER is another."""
    return (blow.table, blow.kind) if blow.kind in _MASS else (blow.table, blow.kind, blow.digest)


class _Kin:
    """Blows of one kin, by day and minute of day on the wall clock."""

    def __init__(self, blows: Sequence[Blow], ground: Ground) -> None:
        self._ground = ground
        self._all = [(blow, *divmod(ground.minute(blow.began_at // 60), _MINUTES_A_DAY)) for blow in blows]
        self._by_time: dict[int, list[tuple[int, Blow]]] = defaultdict(list)
        for blow, day, time in self._all:
            self._by_time[time].append((day, blow))

    def unusual(self) -> list[Blow]:
        return [
            blow
            for blow, day, time in self._all
            if not self._by_the_clock(blow, day, time) and not self._often(blow, day, time)
        ]

    def _by_the_clock(self, blow: Blow, day: int, time: int) -> bool:
        """Whether another day has one at the same minute, give or take two; its size may differ a lot."""
        near = (one for by in range(-2, 3) for one in self._by_time.get((time + by) % _MINUTES_A_DAY, ()))
        return any(other != day and _of_size(b, blow, 0.03) for other, b in near)

    def _often(self, blow: Blow, day: int, time: int) -> bool:
        """Whether days have it at about this time, hours have it all day long, or people do it on most days."""
        similar = [(d, t) for b, d, t in self._all if b is not blow and _of_size(b, blow, 0.3)]
        if len({d for d, t in similar if _apart(t, time) <= 25} - {day}) >= 3:
            return True
        if len({(d, t // 60) for d, t in similar}) >= 0.15 * max(self._ground.size / 4, 24):
            return True
        # A nightly job alone does not excuse one at noon: it must happen at all sorts of hours.
        days, hours = {d for d, _ in similar} - {day}, {t // 60 for _, t in similar}
        return len(days) >= max(3, 0.5 * self._ground.days) and len(hours) >= 4


def _of_size(other: Blow, blow: Blow, share: float) -> bool:
    return other.rows is None or blow.rows is None or other.rows >= share * blow.rows


def _apart(one: int, other: int) -> int:
    """Minutes between two times of day."""
    gap = (one - other) % _MINUTES_A_DAY
    return min(gap, _MINUTES_A_DAY - gap)


def _destroys(blow: Blow) -> bool:
    if blow.kind in ("alter", "create"):
        return _DROPS_DATA.search(blow.digest) is not None
    return blow.kind not in DEFINITIONS


def _scratch(blow: Blow, life: Iterable[Blow]) -> bool:
    """A table dropped that was made less than a day before: somebody's scratch table, or a copy of an ALTER."""
    if blow.kind != "drop_table":
        return False
    here = _when(blow)
    before = [b for b in life if _when(b) < here]
    last = max(before, key=_when, default=None)
    return last is not None and last.kind == "create" and blow.began_at - last.began_at < DAY_S


def _when(blow: Blow) -> tuple[int, tuple[str, int]]:
    """Its place in time; within one second the log's order counts: DROP, CREATE is an import and no scratch table."""
    return (blow.began_at, placed(blow.position))


def _pieces(series: Series, habits: Habits) -> list[Hit]:
    minutes = sorted((minute, a, slot) for slot, held in series.slots.items() for minute, a in held.items())
    found: list[Hit] = []
    first = 0
    for last, (minute, amount, slot) in enumerate(minutes):
        while minute - minutes[first][0] >= _PIECES_S // 60:
            first += 1
        window = [a for _, a, _ in minutes[first : last + 1]]
        rows, statements = sum(a.rows for a in window), sum(a.statements for a in window)
        if rows < _PIECES_ROWS or statements < _PIECES_STATEMENTS or habits.usual(slot, statements):
            continue
        if found and found[-1].end >= window[0].start:
            more = (found[-1].rows or 0) + amount.rows
            found[-1] = found[-1]._replace(end=amount.end, rows=more)
        else:
            found.append(Hit(window[0].start, amount.end, series.table, "piecemeal", rows))
    return found

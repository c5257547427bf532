"""Many files of one log in a row: what changed, which stretches of time are known, and where to go on.

What a log cannot say: rows deleted by a foreign key's ON DELETE CASCADE, and whatever a session did with
`sql_log_bin=0`, never reach it. So a stretch with coverage `rows` means "every row the log has", and proofs of
equality never rest on it.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Self

from restorekit.engines.mariadb.binlog import events
from restorekit.engines.mariadb.binlog.events import Cut, Unreadable
from restorekit.engines.mariadb.binlog.ledger import MINUTE_S, Ledger
from restorekit.engines.mariadb.binlog.reader import Reader
from restorekit.model.changes import Coverage, LogReading, Stretch

MOST_TALLIES = 200_000
"""With so many a pass ends at the next end of a file: about 150 MB."""
_DAY_MINUTES = 24 * 60
_SHARE = 100
"""A day with less than one of so many transactions of a file may be a session's own clock: it proves no coverage."""


class Place(NamedTuple):
    """Where a pass ended: everything before `position` of `file` is counted, time is known until `until`.

    `born` tells that file from another one of the same name (RESET MASTER begins again at 1). Both in seconds
    since the epoch.
    """

    file: str
    position: int
    born: int
    until: int

    @classmethod
    def parsed(cls, cursor: str) -> Self | None:
        """The place a cursor stands for; None for an empty one and for text that is none of ours."""
        name, *numbers = cursor.rsplit(":", 3)
        if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
            return None
        return cls(name, *map(int, numbers))

    def __str__(self) -> str:
        return f"{self.file}:{self.position}:{self.born}:{self.until}"


class _Pass:
    """One pass over the files."""

    def __init__(self, until: int | None) -> None:
        self.ledger = Ledger()
        self.problems: list[str] = []
        self._until = until
        self._stretches: list[tuple[int, int, Coverage, str]] = []

    @property
    def _end(self) -> int:
        """Up to when the files so far have been looked at."""
        return self._stretches[-1][1] if self._stretches else 0

    def hole(self, start: int, end: int, why: str) -> None:
        """Nothing is known of [start, end)."""
        self.problems.append(why)
        self._stretches.append((start, max(end, start + 1), "none", why))

    def file(self, path: Path, begin: Place | None, successor: int | None) -> Place:
        """Read one file from `begin` (None: all of it); `successor` is when the next one was begun."""
        reader = Reader(path, self.ledger)
        failure: Unreadable | None = None
        try:
            reader.read(begin.position if begin else 0)
        except Unreadable as error:
            failure = error
        except OSError as error:
            failure = Unreadable(f"cannot be read: {error.strerror}")
        start = begin.until if begin else _earliest(reader) or self._end or successor or self._until or 0
        # the second of the last event belongs to what is known; a session's own clock may lie in the future
        known = max(start, min(reader.last + 1, successor or self._until or _touched(path) + 1))
        end = max(known, successor or self._until or known)
        in_flight = isinstance(failure, Cut) and successor is None and self._until is not None
        whole = failure is None or in_flight
        if whole or reader.safe:
            self._known(reader, start, end if whole else known)
        if not whole:
            self.hole(known, end, f"{path.name} {failure}")
        return Place(path.name, reader.safe, reader.born, max(end, self._end))

    def _known(self, reader: Reader, start: int, end: int) -> None:
        coverage: Coverage = "statements" if reader.by_statement else "rows"
        for ts in reader.incidents:
            self._stretches.append((start, max(start, ts), coverage, ""))
            start = max(start, ts) + MINUTE_S
            self.hole(start - MINUTE_S, start, f"{reader.path.name}: the server says that it lost changes here")
        self._stretches.append((start, max(start, end), coverage, ""))
        for number in sorted(reader.uncounted):
            table = ".".join(self.ledger.names[number])
            self.problems.append(f"{reader.path.name}: rows of {table} changed, and cannot be counted")

    def reading(self, place: Place | None, *, more: bool = False) -> LogReading:
        """What the pass found."""
        return LogReading(
            changes=self.ledger.changes(),
            stretches=tuple(_joined(self._stretches)),
            problems=tuple(dict.fromkeys(self.problems)),
            cursor=str(place) if place else "",
            more=more,
        )


def scan_files(paths: Sequence[Path], start: Place | None = None, until: int | None = None) -> LogReading:
    """Read these files, in the order of the log, from `start` (None: from the first one on).

    `until` (seconds since the epoch) says that the last file is being written and that nothing else was committed
    before that moment; then a half event at its end is normal. Never raises for what stands in a file: what cannot
    be read is a hole and a sentence. Two passes, the second from the cursor of the first, find what one finds.
    A pass ends after the file with which it holds many tallies; then `more` is True.
    """
    reading = _Pass(until)
    place = start
    paths, begin = _remaining(paths, start, reading)
    for path, successor in pairwise([*paths, None]):
        assert path is not None
        born = events.born(successor) if successor else None
        place = reading.file(path, begin, born)
        begin = None
        if successor and reading.ledger.size >= MOST_TALLIES:
            return reading.reading(Place(successor.name, 0, born or 0, place.until), more=True)
    return reading.reading(place)


def nothing_known(start: Place | None, now: int, why: str) -> LogReading:
    """The logs could not be read at all: a hole since `start`, and the same place to go on from."""
    reading = _Pass(None)
    if start is None:
        reading.problems.append(why)
    else:
        reading.hole(start.until, now, why)
    return reading.reading(start)


def _remaining(paths: Sequence[Path], start: Place | None, reading: _Pass) -> tuple[Sequence[Path], Place | None]:
    """The files that have not been read to their end, and where in the first of them to go on."""
    if start is None or not paths:
        return paths, None
    for number, path in enumerate(paths):
        if path.name != start.file:
            continue
        born = events.born(path)
        if not born or not start.born or born == start.born:
            return paths[number:], start
        why = f"{path.name} is not the file that was read before: the log was begun anew"
        break
    else:
        why = f"{start.file} is gone, and it had not been read to its end"
    reading.hole(start.until, events.born(paths[0]) or start.until, why)
    return paths, None


def _earliest(reader: Reader) -> int:
    """When the knowledge of a file begins: its birth, or the first day of a replica's or importer's older clock.

    0 if the file could not be read.
    """
    if not reader.born:
        return 0
    days: Counter[int] = Counter()
    for minute, count in reader.minutes.items():
        days[minute // _DAY_MINUTES] += count
    lived = {day for day, count in days.items() if count * _SHARE >= days.total()}
    minutes = (minute * MINUTE_S for minute in reader.minutes if minute // _DAY_MINUTES in lived)
    return min([reader.born, *minutes])


def _touched(path: Path) -> int:
    """When the file was last written to, or later (a copy); 0 if it is gone."""
    try:
        return int(path.stat().st_mtime)
    except OSError:
        return 0


def _joined(found: Sequence[tuple[int, int, Coverage, str]]) -> list[Stretch]:
    """Neighbours of one kind become one."""
    rows: list[tuple[int, int, Coverage, str]] = []
    for start, end, coverage, why in found:
        if rows and rows[-1][2:] == (coverage, why) and start <= rows[-1][1]:
            rows[-1] = (rows[-1][0], max(rows[-1][1], end), coverage, why)
        else:
            rows.append((start, end, coverage, why))
    return [
        Stretch(start=_moment(start), end=_moment(end), coverage=coverage, why=why)
        for start, end, coverage, why in rows
        if end > start
    ]


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)

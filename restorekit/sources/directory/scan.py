"""From files to recovery points: only what is new or changed is opened, nothing is dropped without a word."""

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypedDict
from zoneinfo import ZoneInfo

from restorekit.errors import ProofFailed, SourceUnavailable
from restorekit.formats.compression import decompressed
from restorekit.formats.layout import bounds
from restorekit.formats.multidump import DumpIndex, Shelf, completed_at, index
from restorekit.formats.naming import UNKNOWN, Moments, Reading, Rules, claimed, point_id
from restorekit.model.database import DatabaseId
from restorekit.model.point import Format, PointState, Quality, RecoveryPoint, Scan
from restorekit.sources.directory.deliver import CHUNK, shelf_key
from restorekit.sources.directory.files import Found, found, walk

_TAIL = 4 << 10
_BIT = 64 << 10
_TICK = timedelta(seconds=1)
"""The clock of an end marker shows whole seconds: the end came up to one later."""
_MAGIC = b"SQLite format 3\0"


class _Look(TypedDict):
    """What a look into the file tells."""

    format: Format
    state: PointState
    why: str


class Scanner:
    """One scan of one folder."""

    def __init__(self, source: str, root: Path, rules: Rules, shelf: Shelf, quiet_s: float) -> None:
        self._source, self._root, self._rules, self._shelf = source, root, rules, shelf
        self._quiet_s = quiet_s
        self._points: list[RecoveryPoint] = []
        self._problems: list[str] = []
        self._kept: set[str] = set()
        self._closed: list[str] = []
        self._unparsed = 0

    def scan(self, known: Sequence[RecoveryPoint]) -> Scan:
        """See `ports.Source.scan`."""
        seen = walk(self._root)
        alive = [p for p in known if p.source == self._source and p.state != PointState.EXPIRED]
        if alive and not seen.files and not seen.closed:
            raise SourceUnavailable(
                f"{self._root} is empty, but {len(alive)} recovery points lay in it",
                hint="Is the medium mounted? Nothing was changed in the inventory.",
            )
        self._problems += seen.problems
        self._closed += seen.closed
        before: dict[str, list[RecoveryPoint]] = {}
        for point in alive:
            before.setdefault(point.locator["path"], []).append(point)
        for file in seen.files:
            self._file(file, before.get(file.key, []))
        gone = self._gone(alive)
        return Scan(
            source=self._source,
            scanned_at=datetime.now(UTC),
            points=(*self._points, *gone),
            gone=tuple(p.id for p in gone),
            problems=tuple(self._problems),
            unparsed=self._unparsed,
        )

    def _file(self, file: Found, before: list[RecoveryPoint]) -> None:
        reading = self._rules.read(file.key)
        if reading is None:
            self._unparsed += 1
            return
        locator = {"path": file.key, "rules": self._rules.digest, **file.pins}
        if before and all(p.locator.items() >= locator.items() for p in before):
            self._kept |= {p.id for p in before}
        elif abs(time.time() - file.mtime_ns / 1e9) < self._quiet_s:
            self._problems.append(f"{file.key}: changed less than {self._quiet_s:g} s ago, perhaps still being written")
        else:
            self._look(file, reading, locator)

    def _look(self, file: Found, reading: Reading, locator: dict[str, str]) -> None:
        path = self._root / file.key.lstrip("/")
        try:
            make = self._many if reading.match.many else self._one
            points = list(make(path, file, reading, locator))
            changed = found(path, file.key) != file
        except OSError as error:
            self._problems.append(f"{file.key}: cannot be read: {error.strerror}")
            self._closed.append(file.key)
            return
        if changed:
            self._problems.append(f"{file.key}: changed while it was looked at, so it is still being written")
            return
        self._points += points

    def _one(self, path: Path, file: Found, reading: Reading, locator: dict[str, str]) -> Iterator[RecoveryPoint]:
        database = DatabaseId(engine=reading.engine, name=reading.match.database or UNKNOWN)
        look = _looked(path, file, reading)
        if reading.why:
            look |= {"state": PointState.AMBIGUOUS, "why": reading.why}
        tail = _tail(path, file) if reading.compression == "none" and look["format"] == "sql" else b""
        yield RecoveryPoint(
            id=point_id(self._source, _native(file), file.key, str(database)),
            source=self._source,
            medium="directory",
            database=database,
            **self._moments(file, reading, completed_at(tail)),
            **look,
            compression=reading.compression,
            size_bytes=file.size,
            locator=locator,
        )

    def _many(self, path: Path, file: Found, reading: Reading, locator: dict[str, str]) -> Iterator[RecoveryPoint]:
        try:
            made = self._indexed(path, reading, locator)
        except ProofFailed as error:
            self._problems.append(f"{file.key}: {error.message}; none of its databases is offered")
            return
        if not made.names:
            self._problems.append(f"{file.key}: holds no database that is named by CREATE DATABASE or USE")
        for name in made.names:
            database = DatabaseId(engine=reading.engine, name=name)
            yield RecoveryPoint(
                id=point_id(self._source, _native(file), file.key, str(database)),
                source=self._source,
                medium="directory",
                database=database,
                **self._moments(file, reading, made.completed_at),
                format="sql",
                size_bytes=sum(end - start for start, end in made.ranges(name)),
                locator={**locator, "database": name},
                **_of_many(made, reading),
            )

    def _indexed(self, path: Path, reading: Reading, locator: dict[str, str]) -> DumpIndex:
        key = shelf_key(self._source, locator)
        made = self._shelf.get(key)
        if made is None:
            made = index(decompressed(_chunks(path), reading.compression))
            self._shelf.put(key, made)
        return made

    def _moments(self, file: Found, reading: Reading, completed: str) -> Moments:
        """The name's claim, or the end marker's clock as a bound from above, or only the time of the last change."""
        written = datetime.fromtimestamp(file.mtime_ns / 1e9, UTC)
        if claim := claimed(reading.match, written):
            return claim
        if completed:
            local = datetime.strptime(completed, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007  its zone is the source's
            latest = bounds(local, ZoneInfo(self._rules.zone))[1] + _TICK
            return Moments(consistent_at=latest, earliest=None, latest=latest, quality=Quality.BOUNDED)
        return Moments(consistent_at=None, earliest=None, latest=written, quality=Quality.NONE)

    def _gone(self, alive: Iterable[RecoveryPoint]) -> list[RecoveryPoint]:
        """Points whose file is gone or is another one now; not those that merely could not be looked at."""
        here = self._kept | {p.id for p in self._points}
        return [
            p.model_copy(update={"state": PointState.EXPIRED, "why": "the file is gone or was replaced"})
            for p in alive
            if p.id not in here and not self._is_closed(p.locator["path"])
        ]

    def _is_closed(self, key: str) -> bool:
        return any(key == closed or key.startswith(f"{closed}/") for closed in self._closed)


def _native(file: Found) -> str:
    return f"{file.size}:{file.mtime_ns}"


def _chunks(path: Path, most: int = CHUNK) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(most), b"")


def _tail(path: Path, file: Found) -> bytes:
    with path.open("rb") as opened:
        opened.seek(max(file.size - _TAIL, 0))
        return opened.read(_TAIL)


def _of_many(made: DumpIndex, reading: Reading) -> dict[str, PointState | str]:
    if reading.why:
        return {"state": PointState.AMBIGUOUS, "why": reading.why}
    if made.torn:
        return {"state": PointState.SUSPICIOUS, "why": "the dump of many databases ends inside a statement"}
    return {}


def _looked(path: Path, file: Found, reading: Reading) -> _Look:
    """Format by content, and whatever speaks against the file at first sight."""
    form: Format = reading.format or "sql"
    if file.size == 0:
        return _Look(format=form, state=PointState.SUSPICIOUS, why="the file is empty")
    try:
        head = next(decompressed(_chunks(path, _BIT), reading.compression), b"")
    except ProofFailed as error:
        return _Look(format=form, state=PointState.DAMAGED, why=error.message)
    if head.startswith(_MAGIC):
        return _sqlite(head, file, plain=reading.compression == "none")
    if reading.format == "sqlite":
        return _Look(format=form, state=PointState.DAMAGED, why="the file does not begin as a SQLite database does")
    return _Look(format="sql", state=PointState.USABLE, why="")


def _sqlite(head: bytes, file: Found, *, plain: bool) -> _Look:
    """Header against size, and side files: an incomplete copy passes every check of SQLite itself."""
    state, why = PointState.USABLE, ""
    page = int.from_bytes(head[16:18], "big")
    expected = int.from_bytes(head[28:32], "big") * (65536 if page == 1 else page)
    if file.side:
        state, why = PointState.SUSPICIOUS, f"{file.side} lies beside it: without it the file is no whole database"
    elif plain and head[24:28] == head[92:96] and expected != file.size:
        state, why = PointState.DAMAGED, f"its header says {expected} bytes, the file has {file.size}"
    elif head[18:20] == b"\2\2":
        why = "written in WAL mode: unless it was copied by .backup, rows committed last may be missing"
    return _Look(format="sqlite", state=state, why=why)

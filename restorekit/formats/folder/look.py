"""From one file to its recovery points: whose, from when, in which format, and what speaks against it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypedDict
from zoneinfo import ZoneInfo

from restorekit.errors import ProofFailed
from restorekit.formats.compression import decompressed
from restorekit.formats.folder.deliver import CHUNK, shelf_key
from restorekit.formats.folder.files import Found
from restorekit.formats.layout import bounds
from restorekit.formats.multidump import DumpIndex, Shelf, completed_at, index
from restorekit.formats.naming import UNKNOWN, Moments, Reading, Rules, claimed, point_id
from restorekit.model.database import DatabaseId
from restorekit.model.point import Format, PointState, Quality, RecoveryPoint

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


class Looker:
    """Looks into files of one source; `problems` are the sentences about what it could not offer."""

    def __init__(self, source: str, medium: str, rules: Rules, shelf: Shelf) -> None:
        """`medium` is the word for it in the points."""
        self._source, self._medium, self._rules, self._shelf = source, medium, rules, shelf
        self.problems: list[str] = []

    def locator(self, file: Found) -> dict[str, str]:
        """By what a point of this file is known again: nothing of it changed, and it is read by the same rules."""
        return {"path": file.key, "rules": self._rules.digest, **file.pins}

    def points(self, root: Path, file: Found, reading: Reading) -> list[RecoveryPoint]:
        """The points of that file below `root`; several where it holds many databases. Raises OSError."""
        make = self._many if reading.match.many else self._one
        return list(make(root / file.key.lstrip("/"), file, reading, self.locator(file)))

    def _one(self, path: Path, file: Found, reading: Reading, locator: dict[str, str]) -> Iterator[RecoveryPoint]:
        database = DatabaseId(engine=reading.engine, name=reading.match.database or UNKNOWN)
        look = _looked(path, file, reading)
        if reading.why:
            look |= {"state": PointState.AMBIGUOUS, "why": reading.why}
        tail = _tail(path, file) if reading.compression == "none" and look["format"] == "sql" else b""
        yield RecoveryPoint(
            id=point_id(self._source, _native(file), file.key, str(database)),
            source=self._source,
            medium=self._medium,
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
            self.problems.append(f"{file.key}: {error.message}; none of its databases is offered")
            return
        if not made.names:
            self.problems.append(f"{file.key}: holds no database that is named by CREATE DATABASE or USE")
        for name in made.names:
            database = DatabaseId(engine=reading.engine, name=name)
            yield RecoveryPoint(
                id=point_id(self._source, _native(file), file.key, str(database)),
                source=self._source,
                medium=self._medium,
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

"""One snapshot, looked into, becomes recovery points; files that fit no layout are counted."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from restorekit.errors import RestorekitError
from restorekit.formats.compression import decompressed
from restorekit.formats.multidump import DumpIndex, Shelf, index
from restorekit.formats.naming import UNKNOWN, Moments, Reading, Rules, claimed, point_id
from restorekit.model.database import DatabaseId
from restorekit.model.point import PointState, Quality, RecoveryPoint
from restorekit.sources.restic.medium import Medium, Node, Record
from restorekit.sources.restic.tool import Unwatched

MANIFEST = ".manifest.json"
_TORN = "the dump of many databases ends inside a statement"
_EMPTY = "the snapshot names this file and does not hold it: the dump was empty or could not be read"


@dataclass(frozen=True)
class Found:
    """What one snapshot gave: points, sentences about what cannot be used, and how many files fit no layout."""

    points: tuple[RecoveryPoint, ...]
    problems: tuple[str, ...] = ()
    strangers: int = 0


class Maker:
    """Makes points of one source."""

    def __init__(self, source: str, medium: Medium, rules: Rules, shelf: Shelf) -> None:
        self._source, self._medium, self._rules, self._shelf = source, medium, rules, shelf

    def of_snapshot(self, record: Record, nodes: list[Node]) -> Found:
        """Points of a snapshot that holds `nodes`."""
        manifests = {n.path for n in nodes if n.path.endswith(MANIFEST)}
        points: list[RecoveryPoint] = []
        problems: list[str] = []
        strangers = 0
        for node in nodes:
            reading = None if node.path in manifests else self._read(record, node.path)
            if reading is None:
                strangers += node.path not in manifests
            elif reading.match.many:
                points += self._of_many(record, node, reading, problems)
            else:
                points.append(self._of_one(record, node, reading, manifests))
        points += self._of_absent(record, nodes)
        return Found(tuple(points), tuple(problems), strangers if points else max(strangers, 1))

    def of_damaged(self, record: Record, why: str) -> Found:
        """A snapshot that cannot be read is a point nobody can use: shown, never dropped."""
        readings = [r for p in record.paths if (r := self._rules.read(p, record.hostname)) and not r.match.many]
        nowhere = Reading.unknown()
        points = [self._point(record, Node(path=r.path), r, r.match.database or UNKNOWN) for r in readings or [nowhere]]
        damaged = {"state": PointState.DAMAGED, "why": why, "size_bytes": None}
        return Found(tuple(p.model_copy(update=damaged) for p in points), (f"{record.id[:8]}: {why}",))

    def _read(self, record: Record, path: str) -> Reading | None:
        """The path in the snapshot, or, where the backup was started with a relative path, the whole one."""
        whole = [_joined(record.paths[0], path)] if len(record.paths) == 1 else []
        return next((r for p in (path, *whole) if (r := self._rules.read(p, record.hostname))), None)

    def _of_one(self, record: Record, node: Node, reading: Reading, manifests: set[str]) -> RecoveryPoint:
        point = self._point(record, node, reading, reading.match.database or UNKNOWN)
        if node.path + MANIFEST in manifests:
            point = _located(point, manifest=node.path + MANIFEST)
        return _suspicious(point, "the file is empty") if node.size == 0 else point

    def _of_many(self, record: Record, node: Node, reading: Reading, problems: list[str]) -> Iterator[RecoveryPoint]:
        where = f"{record.id[:8]}:{node.path}"
        try:
            made = self._indexed(record, node, reading)
        except RestorekitError as error:
            problems.append(f"{where}: {error.message}; none of its databases is offered")
            return
        if not made.names:
            problems.append(f"{where}: holds no database that is named by CREATE DATABASE or USE")
        for name in made.names:
            size = sum(end - start for start, end in made.ranges(name))
            point = _located(self._point(record, node, reading, name), database=name)
            point = point.model_copy(update={"size_bytes": size, "compression": "none"})
            yield _suspicious(point, _TORN) if made.torn else point

    def _indexed(self, record: Record, node: Node, reading: Reading) -> DumpIndex:
        key = shelf_key(record.id, node.path)
        made = self._shelf.get(key)
        if made is None:
            made = index(decompressed(self._medium.stream(record.id, node.path, Unwatched()), reading.compression))
            self._shelf.put(key, made)
        return made

    def _of_absent(self, record: Record, nodes: list[Node]) -> Iterator[RecoveryPoint]:
        """A dump that wrote nothing into `backup --stdin` leaves a snapshot that names a file it does not hold."""
        for path in record.paths:
            reading = self._rules.read(path, record.hostname)
            if reading is None or reading.match.many or not reading.is_file:
                continue
            if not any(path.endswith(n.path) for n in nodes):
                point = self._point(record, Node(path=path), reading, reading.match.database or UNKNOWN)
                yield _suspicious(point, _EMPTY)

    def _point(self, record: Record, node: Node, reading: Reading, name: str) -> RecoveryPoint:
        database = DatabaseId(engine=reading.engine, name=name)
        locator = {"snapshot": record.id, "path": node.path, "size": str(node.size), "rules": self._rules.digest}
        locator |= {"host": record.hostname, "time": record.time}
        if not self._rules.names_engine(reading, record.hostname):
            locator["engine"] = "default"
        return RecoveryPoint(
            id=point_id(self._source, record.native, node.path, str(database)),
            source=self._source,
            medium="restic",
            database=database,
            **_moments(record, node, reading),
            format=reading.format or "sql",
            compression=reading.compression,
            size_bytes=node.size,
            locator=locator,
            state=PointState.AMBIGUOUS if reading.why else PointState.USABLE,
            why=reading.why,
        )


def _joined(target: str, path: str) -> str:
    """Where a file lay: started with relative paths, restic records the whole target, but stores less of it."""
    parts = path.split("/")
    heads = ("/".join(parts[:n]) for n in range(len(parts), 0, -1))
    head = next(h for h in heads if target.endswith(h))  # the last one is empty
    return target + path.removeprefix(head)


def shelf_key(snapshot: str, path: str) -> str:
    """Under which the index of that file lies."""
    return f"{snapshot}\0{path}"


def _moments(record: Record, node: Node, reading: Reading) -> Moments:
    """The name's claim; else for a stream the snapshot's time, for a file its last change as a bound from above.

    A snapshot's time is when the backup began. A file that was streamed in (`--stdin`) carries exactly that time,
    and its dump began with it; any other file was finished earlier, perhaps much earlier.
    """
    if not record.time:
        return Moments(consistent_at=None, earliest=None, latest=None, quality=Quality.NONE)
    at = datetime.fromisoformat(record.time).astimezone(UTC)
    written = datetime.fromisoformat(node.mtime).astimezone(UTC) if node.mtime else at
    if claim := claimed(reading.match, min(written, at)):
        return claim
    if written == at:
        return Moments(consistent_at=at, earliest=None, latest=None, quality=Quality.CLAIMED)
    latest = min(written, at)
    return Moments(consistent_at=latest, earliest=None, latest=latest, quality=Quality.BOUNDED)


def _located(point: RecoveryPoint, **more: str) -> RecoveryPoint:
    return point.model_copy(update={"locator": point.locator | more})


def _suspicious(point: RecoveryPoint, why: str) -> RecoveryPoint:
    """Not knowing whose it is weighs more."""
    if point.state != PointState.USABLE:
        return point
    return point.model_copy(update={"state": PointState.SUSPICIOUS, "why": why})

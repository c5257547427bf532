"""Recovery points, what scans said, and what runs have proven."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, select, update

from restorekit.catalog.lineage import spans
from restorekit.catalog.part import Part, put
from restorekit.catalog.tables import points, proofs, scans
from restorekit.errors import ConfigError, NeedsChoice, RestorekitError, UnknownName
from restorekit.model.contents import Contents
from restorekit.model.database import DatabaseId
from restorekit.model.point import PointState, RecoveryPoint, Scan
from restorekit.model.verdict import Level

_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
_CHUNK = 500


class PointsPart(Part):
    """Everything about points."""

    def record_scan(self, scan: Scan) -> None:
        """Store what a scan found: new and changed points, gone ones as expired (kept). Idempotent.

        Raises ConfigError when a point's id already belongs to another source, RestorekitError when two points
        of the scan have one id; nothing of the scan is kept then.
        """
        with self._db.write() as connection:
            _upsert(connection, scan)
            for gone in scan.gone:
                _expire(connection, gone, scan)
            body = scan.model_copy(update={"points": ()}).model_dump_json()
            put(connection, scans, {"source": scan.source}, {"scanned_at": scan.scanned_at, "body": body})

    def scans(self) -> list[Scan]:
        """The last scan of each source, without its points: when, gone, problems, unparsed."""
        with self._db.read() as connection:
            bodies = connection.execute(select(scans.c.body).order_by(scans.c.source)).scalars()
            return [Scan.model_validate_json(body) for body in bodies]

    def points(self, database: DatabaseId | None = None, source: str | None = None) -> list[RecoveryPoint]:
        """Newest first, those without a moment last; with a database, only those its present owner may see."""
        if database is not None:
            found = self.points_for(database, None, self._clock.now())
            return [p for p in found if source in (None, p.source)]
        with self._db.read() as connection:
            return _newest_first(_select(connection, *([points.c.source == source] if source else [])))

    def points_for(self, database: DatabaseId, owner: str | None, at: datetime) -> list[RecoveryPoint]:
        """Points whose data surely is of the time in which `owner` had this name, or one it was moved from.

        `owner` None is the owner at `at`; while nothing is known of any owner, every point of the name is seen
        by None and none by a named owner. Newest first.
        """
        with self._db.read() as connection:
            held = spans(connection, database, owner, at)
            found = [p for span in held for p in _select(connection, *_of(span.database)) if span.holds(p)]
        return _newest_first({p.id: p for p in found}.values())

    def point(self, point_id: str) -> RecoveryPoint:
        """By id or unique beginning of one; raises UnknownName, NeedsChoice."""
        with self._db.read() as connection:
            found = _select(connection, func.substr(points.c.id, 1, len(point_id)) == point_id) if point_id else []
        found = [p for p in found if p.id == point_id] or found
        if not found:
            raise UnknownName(f"there is no recovery point {point_id!r}", hint="See `restorekit points DATABASE`.")
        if len(found) > 1:
            raise NeedsChoice(f"{point_id} begins more than one point", details=tuple(p.id for p in found[:10]))
        return found[0]

    def flag_point(self, point_id: str, state: PointState, why: str) -> None:
        """What a run found out about a point. Later scans do not undo it; a proof of level 2 or more does."""
        with self._db.write() as connection:
            values = {"finding": state.value, "finding_why": why}
            connection.execute(update(points).where(points.c.id == point_id).values(values))

    def record_proof(self, run_id: str, point_id: str, level: int, contents: Contents) -> None:
        """Remember what a proof saw. Idempotent per run."""
        with self._db.write() as connection:
            values = {"level": level, "contents": contents.model_dump_json(), "proven_at": self._clock.now()}
            put(connection, proofs, {"point_id": point_id, "run_id": run_id}, values)
            if level >= Level.COMPLETE:
                clean = {"finding": None, "finding_why": None}
                connection.execute(update(points).where(points.c.id == point_id).values(clean))

    def proofs(self, database: DatabaseId) -> dict[str, int]:
        """Point id to the highest level proven so far, of every point that was ever of this name or `points` shows."""
        best = select(proofs.c.point_id, func.max(proofs.c.level)).group_by(proofs.c.point_id)
        shown = [p.id for p in self.points(database)]
        with self._db.read() as connection:
            levels = {str(point): int(level) for point, level in connection.execute(best)}
        return {point: levels[point] for point in shown if point in levels}

    def last_proof(self, point_id: str) -> Contents | None:
        """What the last proof of this point saw."""
        newest = select(proofs.c.contents).where(proofs.c.point_id == point_id).order_by(proofs.c.proven_at.desc())
        with self._db.read() as connection:
            body = connection.execute(newest.limit(1)).scalar()
        return None if body is None else Contents.model_validate_json(body)


def _of(database: DatabaseId) -> tuple[ColumnElement[bool], ...]:
    return (points.c.engine == database.engine, points.c.name == database.name)


def _upsert(connection: Connection, scan: Scan) -> None:
    """In bulk: a first scan brings thousands of points, and everybody else waits for the write lock."""
    found = _unique(scan)
    known = _sources_of(connection, list(found))
    for point_id, source in known.items():
        if source != scan.source:
            raise ConfigError(
                f"sources.{scan.source}: recovery point {point_id} already belongs to source {source}; nothing is kept",
                hint="Two sources seem to show the same medium; configure it once.",
            )
    new = [_row(p) | {"id": p.id, "first_seen_at": scan.scanned_at} for p in found.values() if p.id not in known]
    changed = [_row(found[point_id]) | {"key": point_id} for point_id in known]
    if new:
        connection.execute(insert(points), new)
    if changed:
        connection.execute(update(points).where(points.c.id == bindparam("key")), changed)


def _unique(scan: Scan) -> dict[str, RecoveryPoint]:
    found: dict[str, RecoveryPoint] = {}
    for point in scan.points:
        if found.setdefault(point.id, point) != point:
            # One of the two would silently be lost, and perhaps it is the one that somebody needs.
            raise RestorekitError(f"source {scan.source} gives two recovery points the id {point.id}; nothing was kept")
    return found


def _sources_of(connection: Connection, ids: list[str]) -> dict[str, str]:
    """Of those that are known already."""
    known: dict[str, str] = {}
    for start in range(0, len(ids), _CHUNK):
        some = select(points.c.id, points.c.source).where(points.c.id.in_(ids[start : start + _CHUNK]))
        known |= {str(point_id): str(source) for point_id, source in connection.execute(some)}
    return known


def _row(point: RecoveryPoint) -> dict[str, Any]:
    return {
        "source": point.source,
        "engine": point.database.engine,
        "name": point.database.name,
        "consistent_at": point.consistent_at,
        "body": point.model_dump_json(),
        "state": point.state.value,
        "why": point.why,
        "expired_at": None,
    }


def _expire(connection: Connection, point_id: str, scan: Scan) -> None:
    why = f"no longer in {scan.source}, seen on {scan.scanned_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    here = (points.c.id == point_id) & (points.c.source == scan.source) & points.c.expired_at.is_(None)
    values = {"state": PointState.EXPIRED.value, "why": why, "expired_at": scan.scanned_at}
    connection.execute(update(points).where(here).values(values))


def _select(connection: Connection, *where: ColumnElement[bool]) -> list[RecoveryPoint]:
    """Points as last scanned; a run's finding stands where the scan saw nothing wrong."""
    columns = (points.c.body, points.c.state, points.c.why, points.c.finding, points.c.finding_why)
    found = []
    for row in connection.execute(select(*columns).where(*where)):
        point = RecoveryPoint.model_validate_json(row.body)
        flagged = row.finding is not None and row.state == PointState.USABLE
        state, why = (row.finding, row.finding_why) if flagged else (row.state, row.why)
        found.append(point.model_copy(update={"state": PointState(state), "why": why}))
    return found


def _newest_first(found: Iterable[RecoveryPoint]) -> list[RecoveryPoint]:
    return sorted(found, key=lambda p: (p.consistent_at or _LONG_AGO, p.id), reverse=True)

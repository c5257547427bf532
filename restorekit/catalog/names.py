"""Databases by name, customer and host, dated."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update

from restorekit.catalog.lineage import fact, facts
from restorekit.catalog.part import Part, put
from restorekit.catalog.tables import databases, lineage, points
from restorekit.model.database import DatabaseId, KnownDatabase, Lineage, LiveDatabase


class NamesPart(Part):
    """Everything about which database is meant."""

    def record_live(self, engine: str, host: str, found: Sequence[LiveDatabase]) -> None:
        """All that `engine` on `host` lists now; what it listed before and no longer does is kept as not live."""
        seen = {"host": host, "live": True, "seen_at": self._clock.now()}
        rows = {d.database.name: seen | {"size_bytes": d.size_bytes, "tables": d.tables} for d in found}
        here = databases.c.engine == engine
        with self._db.write() as connection:
            known = set(connection.execute(select(databases.c.name).where(here)).scalars())
            connection.execute(update(databases).where(here).values(live=False))
            again = [row | {"key": name} for name, row in rows.items() if name in known]
            if again:
                connection.execute(update(databases).where(here, databases.c.name == bindparam("key")), again)
            new = [row | {"engine": engine, "name": name} for name, row in rows.items() if name not in known]
            if new:
                connection.execute(insert(databases), new)

    def record_lineage(self, fact: Lineage) -> None:
        """A dated fact: owner, move or rename. Idempotent; one per name and `since`, the later told one stands.

        `since` is strict: what a name held before is not its owner's. 1970-01-01 or earlier means always.
        """
        database, moved = fact.database, fact.moved_from
        key = {"engine": database.engine, "name": database.name, "since": fact.since}
        values = {
            "owner": fact.owner,
            "from_engine": moved.engine if moved else None,
            "from_name": moved.name if moved else None,
        }
        with self._db.write() as connection:
            put(connection, lineage, key, values)

    def lineage(self, database: DatabaseId) -> list[Lineage]:
        """Facts about this name, oldest first."""
        with self._db.read() as connection:
            return facts(connection, database)

    def find(self, words: str) -> list[KnownDatabase]:
        """Databases in which every word occurs (engine, name, owner, host, the name before), ignoring case.

        Live ones first, then by name; also those that only have recovery points (orphan series).
        """
        wanted = words.casefold().split()
        found = [one for one in self._known() if all(word in _searched(one) for word in wanted)]
        return sorted(found, key=lambda one: (not one.live, one.database.name, one.database.engine))

    def _known(self) -> list[KnownDatabase]:
        with self._db.read() as connection:
            seen = {(r.engine, r.name): r for r in connection.execute(select(databases))}
            told = {(r.engine, r.name): fact(r) for r in connection.execute(select(lineage).order_by(lineage.c.since))}
            counted = select(points.c.engine, points.c.name, func.count().label("points"))
            series = connection.execute(counted.group_by(points.c.engine, points.c.name)).all()
        backed_up = {(r.engine, r.name): int(r.points) for r in series}
        return [
            _one(key, seen.get(key), told.get(key), backed_up.get(key, 0))
            for key in seen.keys() | told.keys() | backed_up.keys()
        ]


def _one(key: tuple[str, str], seen: Any, told: Lineage | None, series: int) -> KnownDatabase:
    return KnownDatabase(
        database=DatabaseId(engine=key[0], name=key[1]),
        owner=told.owner if told else "",
        moved_from=told.moved_from if told else None,
        moved_at=told.since if told and told.moved_from else None,
        host=seen.host if seen else "",
        live=bool(seen and seen.live),
        size_bytes=seen.size_bytes if seen else None,
        tables=seen.tables if seen else None,
        seen_at=seen.seen_at if seen else None,
        points=series,
    )


def _searched(one: KnownDatabase) -> str:
    return f"{one.database} {one.owner} {one.host} {one.moved_from or ''}".casefold()

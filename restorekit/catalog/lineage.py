"""Whose data a name held, and when: names are reused, and A's data must never be offered to B."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from restorekit.catalog.tables import lineage
from restorekit.model.database import DatabaseId, Lineage
from restorekit.model.point import RecoveryPoint

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
"""A fact dated so early, or earlier, holds for all time before, too."""


@dataclass(frozen=True)
class Span:
    """A time in which a name held what is looked for; None is without bound, `end` is not part of it."""

    database: DatabaseId
    start: datetime | None
    end: datetime | None

    def holds(self, point: RecoveryPoint) -> bool:
        """True if the point's data surely is of this time: bounds count at their worst end, no moment is no proof."""
        earliest, latest = point.earliest or point.consistent_at, point.latest or point.consistent_at
        after = self.start is None or (earliest is not None and earliest >= self.start)
        before = self.end is None or (latest is not None and latest < self.end)
        return after and before


def facts(connection: Connection, database: DatabaseId) -> list[Lineage]:
    """All that is known of this name, oldest first."""
    here = (lineage.c.engine == database.engine) & (lineage.c.name == database.name)
    found = connection.execute(select(lineage).where(here).order_by(lineage.c.since))
    return [fact(row) for row in found]


def fact(row: Any) -> Lineage:
    """A row as a value."""
    moved = DatabaseId(engine=row.from_engine, name=row.from_name) if row.from_engine else None
    database = DatabaseId(engine=row.engine, name=row.name)
    return Lineage(database=database, owner=row.owner, since=row.since, moved_from=moved)


def spans(connection: Connection, database: DatabaseId, owner: str | None, at: datetime) -> list[Span]:
    """Times and names in which `owner` (None: the owner at `at`) held what is `database` now."""
    known = [f for f in facts(connection, database) if f.since <= at]
    if not known:
        return [Span(database, None, None)] if owner is None else []
    return list(_held(connection, database, owner or known[-1].owner, None, frozenset()))


def _held(
    connection: Connection, database: DatabaseId, owner: str, until: datetime | None, seen: frozenset[str]
) -> Iterator[Span]:
    """Times of this name under that owner, up to `until`, and those of the names it was moved from before."""
    known = [f for f in facts(connection, database) if until is None or f.since < until]
    if not known and seen:
        # Nobody ever said otherwise: the name it was moved from was this database up to the move.
        yield Span(database, None, until)
    for position, one in enumerate(known):
        if one.owner != owner:
            continue
        lost = next((f.since for f in known[position + 1 :] if f.owner != owner), until)
        yield Span(database, None if one.since <= ALWAYS else one.since, lost)
        if one.moved_from is not None and str(one.moved_from) not in seen:
            yield from _held(connection, one.moved_from, owner, one.since, seen | {str(database)})

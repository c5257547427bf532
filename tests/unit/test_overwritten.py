"""The lower bound that a series of dumps under one name gives."""

from datetime import UTC, datetime, timedelta

from restorekit.formats.overwritten import bounded_below
from restorekit.model.database import DatabaseId
from restorekit.model.point import Quality, RecoveryPoint

NIGHT = datetime(2009, 1, 17, 2, 30, tzinfo=UTC)


def point(name: str, days: int, path: str = "/b/shop.sql", quality: Quality = Quality.BOUNDED) -> RecoveryPoint:
    at = NIGHT + timedelta(days=days)
    return RecoveryPoint(
        id=name,
        source="tape",
        medium="tape",
        database=DatabaseId(engine="db1", name="shop"),
        consistent_at=at,
        latest=at,
        quality=quality,
        format="sql",
        locator={"path": path},
    )


def bounds(*points: RecoveryPoint) -> dict[str, int | None]:
    found = bounded_below(points, lambda p: p.locator["path"])
    return {p.id: (p.earliest - NIGHT).days if p.earliest else None for p in found}


def test_each_begins_after_the_one_before():
    assert bounds(point("c", 5), point("a", 0), point("b", 3)) == {"b": 0, "c": 3}


def test_a_copy_of_an_unchanged_dump_is_as_old_as_the_first():
    assert bounds(point("a", 0), point("b", 3), point("again", 3)) == {"b": 0, "again": 0}


def test_other_names_and_claims_say_nothing():
    assert bounds(point("a", 0), point("b", 3, "/other.sql"), point("c", 4, quality=Quality.CLAIMED)) == {}


def test_what_has_its_bound_does_not_change_and_a_better_one_is_taken():
    first, last = point("a", 0), point("c", 5)
    (bounded,) = bounded_below([first, last], lambda p: p.locator["path"])
    assert bounds(first, bounded) == {}
    assert bounds(first, point("b", 3), bounded) == {"b": 0, "c": 3}

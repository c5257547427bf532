"""Choosing a point: bounds at their worst end, refusals with reasons, and never a guess."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorekit.choosing import Outlook
from restorekit.errors import NeedsChoice, NoPoint, PointExpired, PointUnusable, UnknownName
from restorekit.model.database import DatabaseId
from restorekit.model.point import PointState, Quality, RecoveryPoint
from restorekit.model.request import Request, Role, Wish
from restorekit.steps import pick as picking

SHOP = DatabaseId(engine="db1", name="acme_shop")
START = datetime(2009, 1, 10, 2, 0, tzinfo=UTC)


def point(day: int, **more: object) -> RecoveryPoint:
    at = START + timedelta(days=day)
    values = {
        "id": f"p{day:02}",
        "source": "nightly",
        "medium": "restic",
        "database": SHOP,
        "consistent_at": at,
        "quality": Quality.EXACT,
        "format": "sql",
        "locator": {},
        **more,
    }
    return RecoveryPoint.model_validate(values)


def pick(request, points, proofs):
    """As a plan does where nothing is known of what happened."""
    look = Outlook(wishes=request.wishes, now=START + timedelta(days=40), zone=UTC, proofs=proofs)
    return picking.pick(request, points, look)


def wanted(*wishes: tuple[Role, datetime], point_id: str | None = None) -> Request:
    return Request(
        database=SHOP,
        target=SHOP,
        wishes=tuple(Wish(at=at, role=role) for role, at in wishes),
        point_id=point_id,
        requested_by="admin",
    )


def test_the_latest_before_the_damage_that_contains_the_last_serious_change() -> None:
    points = [point(n) for n in range(14)]
    serious, accident = START + timedelta(days=7, hours=14), START + timedelta(days=12, hours=6)
    chosen, *rest = pick(wanted(("must_contain", serious), ("before_damage", accident)), points, {})
    assert chosen.point.id == "p12"
    assert [c.point.id for c in rest if c.accepted] == ["p11", "p10", "p09", "p08"]
    assert "after" in next(c for c in rest if c.point.id == "p13").reason
    assert "before" in next(c for c in rest if c.point.id == "p07").reason


def test_bounds_count_at_their_worst_end() -> None:
    at = START + timedelta(days=5)
    wide = point(4, quality=Quality.BOUNDED, earliest=START, latest=at + timedelta(seconds=1))
    with pytest.raises(NoPoint) as caught:
        pick(wanted(("as_of", at)), [wide], {})
    assert "p04" in caught.value.details[0]


def test_a_point_bounded_from_above_only_is_not_believed_to_contain_anything() -> None:
    upper = point(9, quality=Quality.BOUNDED, latest=START + timedelta(days=9))
    with pytest.raises(NoPoint):
        pick(wanted(("must_contain", START)), [upper], {})
    assert pick(wanted(("as_of", START + timedelta(days=10))), [upper], {})[0].accepted


def test_without_a_moment_nothing_is_guessed() -> None:
    with pytest.raises(NeedsChoice) as caught:
        pick(wanted(), [point(1), point(2)], {"p02": 5})
    assert caught.value.details[0].startswith("p02")
    assert "proven 5" in caught.value.details[0]


def test_of_equally_near_points_the_better_proven() -> None:
    twins = [point(1, id="a"), point(1, id="b")]
    assert pick(wanted(("as_of", START + timedelta(days=2))), twins, {"b": 5})[0].point.id == "b"


def test_unknown_moments_are_taken_only_by_name() -> None:
    unclear = point(1, quality=Quality.NONE)
    with pytest.raises(NoPoint):
        pick(wanted(("as_of", START + timedelta(days=2))), [unclear], {})
    assert pick(wanted(point_id="p01"), [unclear], {})[0].accepted


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (PointState.EXPIRED, PointExpired),
        (PointState.DAMAGED, PointUnusable),
        (PointState.AMBIGUOUS, PointUnusable),
    ],
)
def test_a_named_point_that_cannot_be_used_says_why(state: PointState, error: type[Exception]) -> None:
    with pytest.raises(error, match="pruned last week"):
        pick(wanted(point_id="p01"), [point(1, state=state, why="pruned last week")], {})


def test_names_of_points_are_not_guessed() -> None:
    with pytest.raises(UnknownName):
        pick(wanted(point_id="zz"), [point(1)], {})
    with pytest.raises(NeedsChoice):
        pick(wanted(point_id="p0"), [point(1), point(2)], {})


@given(days=st.sets(st.integers(0, 30), min_size=1), at=st.integers(0, 31 * 24))
def test_as_of_is_the_latest_not_after(days: set[int], at: int) -> None:
    moment = START + timedelta(hours=at)
    fitting = [d for d in days if START + timedelta(days=d) <= moment]
    request = wanted(("as_of", moment))
    if fitting:
        assert pick(request, [point(d) for d in days], {})[0].point.id == f"p{max(fitting):02}"
    else:
        with pytest.raises(NoPoint):
            pick(request, [point(d) for d in days], {})

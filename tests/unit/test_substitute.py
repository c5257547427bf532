"""The plan for the next best point says nothing of the one that gave way."""

from datetime import UTC, datetime, timedelta

from restorekit.model.database import DatabaseId
from restorekit.model.plan import Choice, Estimate, Plan, Policy
from restorekit.model.point import Quality, RecoveryPoint
from restorekit.model.request import Request
from restorekit.steps.plan import substitute

NIGHT = datetime(2026, 1, 17, 2, 30, tzinfo=UTC)
SHOP = DatabaseId(engine="db1", name="shop")


def point(name: str, days: int, size: int | None) -> RecoveryPoint:
    at = NIGHT + timedelta(days=days)
    return RecoveryPoint(
        id=name,
        source="tape",
        medium="tape",
        database=SHOP,
        consistent_at=at,
        earliest=at - timedelta(days=1),
        latest=at,
        quality=Quality.BOUNDED,
        consistency="snapshot",
        format="sql",
        size_bytes=size,
        locator={},
    )


def test_moment_estimate_and_reason_are_the_new_points():
    first, second = point("first", 3, 80_000_000), point("second", 0, None)
    spare = Choice(point=second, accepted=True, reason="the one before")
    plan = Plan(
        request=Request(database=SHOP, target=SHOP, point_id="first", requested_by="me"),
        point=first,
        target=SHOP,
        scope=None,
        policy=Policy(playbook="default", min_level=5, on_live_change="refuse"),
        reasons=("the accident was then", "the latest"),
        cautions=(
            "its moment lies between 2026-01-19T02:30:00+00:00 and 2026-01-20T02:30:00+00:00",
            "could not be read: other: away",
        ),
        estimate=Estimate(stage_bytes=80_000_000, low_s=5, high_s=16, basis="x"),
        planned_at=NIGHT + timedelta(days=4),
        spare=(spare,),
    )
    found = substitute(plan, "first from tape could not be read: torn")
    assert (found.point.id, found.request.point_id, found.spare) == ("second", "second", ())
    assert found.reasons == ("the accident was then", "the one before")
    assert found.fallen == ("first from tape could not be read: torn",)
    assert found.estimate.stage_bytes is None
    assert found.cautions[0] == "its moment lies between 2026-01-16T02:30:00+00:00 and 2026-01-17T02:30:00+00:00"
    assert "changes made since then (4 days)" in found.cautions[1]
    assert found.cautions[-1] == "could not be read: other: away"
    assert found.digest != plan.digest

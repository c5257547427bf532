"""Values to put into a catalog."""

from datetime import UTC, datetime, timedelta

from restorekit.model.contents import Contents, Fingerprint, TableContents
from restorekit.model.database import DatabaseId
from restorekit.model.plan import Approval, Estimate, Plan, Policy
from restorekit.model.point import Quality, RecoveryPoint, Scan
from restorekit.model.request import Act, Request

DB = DatabaseId(engine="db1", name="acme_shop")
OTHER = DatabaseId(engine="db9", name="other")
NOON = datetime(2026, 1, 20, 12, tzinfo=UTC)
EARLIER = NOON - timedelta(days=2)
PERSON = "admin@example"


class Bang(Exception):
    """What goes wrong outside the catalog, inside its transaction."""


class HandClock:
    """Stands still until told."""

    second = timedelta(seconds=1)

    def __init__(self) -> None:
        self._now = NOON

    def now(self) -> datetime:
        return self._now

    def tick(self) -> None:
        self._now += self.second


def nothing(*_: object):
    """Queue nothing."""


def explode(*_: object):
    """Fail to queue; also: must not be called."""
    raise Bang


def point(point_id, *, at=NOON, database=DB, source="nightly", quality=Quality.EXACT, **more):
    return RecoveryPoint(
        id=point_id,
        source=source,
        medium="disk",
        database=database,
        consistent_at=at,
        quality=quality,
        format="sql",
        **({"locator": {"path": point_id}} | more),
    )


def scan(*points: RecoveryPoint, source="nightly", **more):
    return Scan(source=source, scanned_at=NOON, points=points, **more)


def contents(rows=3):
    table = TableContents(
        name="t", rows=rows, fingerprint=Fingerprint(algorithm="x", rows=rows, value="1"), schema_hash="h"
    )
    return Contents(origin="measured", taken_at=NOON, tables=(table,))


def request(database=DB, target=None, by=PERSON):
    return Request(database=database, target=target or database, requested_by=by, reason="shredded")


def act(verb="do", caller=PERSON, **more):
    return Act(caller=caller, door="cli", verb=verb, **more)


def plan(**more):
    standard = {
        "request": request(),
        "point": point("a"),
        "target": DB,
        "scope": None,
        "policy": Policy(playbook="default", min_level=5, on_live_change="refuse"),
        "reasons": ("the newest",),
        "estimate": Estimate(stage_bytes=None, low_s=1, high_s=2, basis="none"),
        "planned_at": NOON,
    }
    return Plan(**(standard | more))


def approval(run_id, over="digest"):
    return Approval(restore_id=run_id, over=over, approved_by="customer@example", approved_at=NOON, text="yes")

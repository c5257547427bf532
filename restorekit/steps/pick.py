"""Request and recovery points become ranked choices, each with its reason; refusals are listed, too."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from restorekit.choosing import Outlook, judged, nearest, ranked
from restorekit.choosing.sentences import text
from restorekit.errors import NeedsChoice, NoPoint, PointExpired, PointUnusable, UnknownName
from restorekit.model.plan import Choice
from restorekit.model.point import PointState, RecoveryPoint
from restorekit.model.request import Request

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def pick(request: Request, points: Sequence[RecoveryPoint], look: Outlook) -> list[Choice]:
    """Accepted choices first, best first, then the refused ones, by the bounds and all else that `look` knows.

    Of the refused, those that come nearest go first.

    Raises NoPoint, PointExpired, PointUnusable, UnknownName; NeedsChoice if neither point nor moment is named, and
    what happened names none either.
    """
    proofs = look.proofs
    if request.point_id is not None:
        return [_named(request.point_id, points, look)]
    if not look.wishes:
        raise NeedsChoice(
            f"no moment was named for {request.database}",
            hint="Name one with --at, --before or --contains, or a point with --point.",
            details=tuple(_line(p, proofs) for p in newest_first(points)[:5]),
        )
    choices = [judged(p, look) for p in points]
    accepted = ranked([c for c in choices if c.accepted], look)
    refused = nearest([c for c in choices if not c.accepted], look)
    if not accepted:
        raise NoPoint(
            f"none of the {len(points)} recovery points of {request.database} fits",
            hint="`restorekit points` lists them all; --point takes one by name.",
            details=tuple(f"{c.point.id}: {c.reason}" for c in refused[:8]),
        )
    return accepted + refused


def newest_first(points: Sequence[RecoveryPoint]) -> list[RecoveryPoint]:
    """By the moment of their data, newest first; unknown moments last."""
    return sorted(points, key=lambda p: p.consistent_at or _LONG_AGO, reverse=True)


def _line(point: RecoveryPoint, proofs: Mapping[str, int]) -> str:
    when = point.consistent_at.isoformat() if point.consistent_at else "moment unknown"
    level = f"proven {proofs[point.id]}" if point.id in proofs else "not proven"
    return f"{point.id}  {when}  {point.source}  {level}"


def _named(point_id: str, points: Sequence[RecoveryPoint], look: Outlook) -> Choice:
    found = [p for p in points if p.id == point_id] or [p for p in points if p.id.startswith(point_id)]
    if not found:
        raise UnknownName(f"there is no recovery point {point_id} of this database", hint="See `restorekit points`.")
    if len(found) > 1:
        raise NeedsChoice(f"{point_id} begins more than one point", details=tuple(p.id for p in found))
    point = found[0]
    if point.state == PointState.EXPIRED:
        raise PointExpired(f"{point.id} is no longer in {point.source}: {point.why}", hint="Choose another point.")
    if point.state in (PointState.DAMAGED, PointState.AMBIGUOUS):
        raise PointUnusable(f"{point.id} is {point.state}: {point.why}", hint="Choose another point.")
    usable = point.state == PointState.USABLE
    reason = text(look.locale, "named") if usable else text(look.locale, "named_although", why=point.why)
    return judged(point, look).model_copy(update={"accepted": True, "reason": reason})

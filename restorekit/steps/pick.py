"""Request and recovery points become ranked choices, each with its reason; refusals are listed, too."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from restorekit.errors import NeedsChoice, NoPoint, PointExpired, PointUnusable, UnknownName
from restorekit.model.plan import Choice
from restorekit.model.point import PointState, Quality, RecoveryPoint
from restorekit.model.request import Request, Wish

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def pick(request: Request, points: Sequence[RecoveryPoint], proofs: Mapping[str, int]) -> list[Choice]:
    """Accepted choices first, best first, then the refused ones. `proofs` maps point ids to proven levels.

    Raises NoPoint, PointExpired, PointUnusable, UnknownName; NeedsChoice if neither point nor moment is named.
    """
    if request.point_id is not None:
        return [_named(request.point_id, points, proofs)]
    if not request.wishes:
        raise NeedsChoice(
            f"no moment was named for {request.database}",
            hint="Name one with --at, --before or --contains, or a point with --point.",
            details=tuple(_line(p, proofs) for p in newest_first(points)[:5]),
        )
    choices = [_judge(p, request.wishes, proofs) for p in points]
    accepted = sorted((c for c in choices if c.accepted), key=lambda c: _rank(c, request.wishes))
    refused = [c for c in choices if not c.accepted]
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


def _named(point_id: str, points: Sequence[RecoveryPoint], proofs: Mapping[str, int]) -> Choice:
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
    reason = "named by you" if point.state == PointState.USABLE else f"named by you, although {point.why}"
    return Choice(point=point, accepted=True, reason=reason, level=proofs.get(point.id))


def _judge(point: RecoveryPoint, wishes: Sequence[Wish], proofs: Mapping[str, int]) -> Choice:
    refusal = _unfit(point) or next((r for w in wishes if (r := _misses(point, w))), "")
    reason = refusal or _fits(wishes)
    return Choice(point=point, accepted=not refusal, reason=reason, level=proofs.get(point.id))


def _unfit(point: RecoveryPoint) -> str:
    if point.state != PointState.USABLE:
        return f"{point.state}: {point.why}"
    if point.consistent_at is None or point.quality == Quality.NONE:
        return "its moment is not known; it is used only when named with --point"
    return ""


def _misses(point: RecoveryPoint, wish: Wish) -> str:
    """Why the point does not fit, at the worst end of its bounds; empty if it does."""
    latest = point.latest or point.consistent_at
    earliest = point.earliest or (None if point.quality == Quality.BOUNDED else point.consistent_at)
    if wish.role == "must_contain" and earliest is None:
        return f"not known to hold what happened up to {_said(wish.at, wish)}: its moment is bounded from above only"
    if wish.role in ("as_of", "before_damage") and latest is not None and latest > wish.at:
        return f"holds changes up to {_said(latest, wish)}, which is after {_said(wish.at, wish)}"
    if wish.role == "must_contain" and earliest is not None and earliest < wish.at:
        return f"its data is of {_said(earliest, wish)}, which is before {_said(wish.at, wish)}"
    return ""


def _said(at: datetime, wish: Wish) -> str:
    """Weekday, date, time and offset, in the zone of the wish."""
    text = at.astimezone(wish.at.tzinfo).strftime("%a %Y-%m-%d %H:%M:%S %z")
    return f"{text[:-2]}:{text[-2:]}"


def _fits(wishes: Sequence[Wish]) -> str:
    roles = {w.role for w in wishes}
    if roles == {"must_contain"}:
        return "the earliest state that contains that moment"
    if "must_contain" in roles:
        return "the latest state between the two moments"
    return "the latest state not after that moment"


def _rank(choice: Choice, wishes: Sequence[Wish]) -> tuple[float, int]:
    """Nearest moment first; of equally near ones the better proven."""
    at = (choice.point.consistent_at or _LONG_AGO).timestamp()
    only_lower = {w.role for w in wishes} == {"must_contain"}
    return (at if only_lower else -at, -(choice.level or 0))

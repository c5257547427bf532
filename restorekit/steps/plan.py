"""Request and chosen point become the plan: the value that says exactly what will run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from restorekit.choosing import Outlook, options, standing
from restorekit.errors import UsageError
from restorekit.model.plan import Choice, Estimate, Plan, Policy
from restorekit.model.point import RecoveryPoint
from restorekit.model.readiness import Readiness, Way
from restorekit.model.request import Request
from restorekit.model.waiting import Warming
from restorekit.tapeplan import estimate, words

# Bytes per second of dump text from source to loaded staging, used until drills have measured this house.
_GUESSED_RATE = (8e6, 40e6)
_FIXED_S = 3.0
MOST_SPARE = 3


@dataclass(frozen=True)
class Live:
    """What planning needs to know of live."""

    exists: bool
    size_bytes: int | None
    settings: dict[str, str]


@dataclass(frozen=True)
class Reasoning:
    """What was worked out before choosing, and by what the choices were judged.

    `stands`: point id to what its medium says, for points that somebody asked about, at `asked_at` (`now` of the look
    may be the time of a mail).
    """

    look: Outlook
    reasons: tuple[str, ...] = ()
    stands: Mapping[str, Readiness] = field(default_factory=dict)
    asked_at: datetime | None = None


def plan(request: Request, choices: Sequence[Choice], policy: Policy, live: Live, why: Reasoning) -> Plan:
    """The plan for the first choice. `choices` come from pick: accepted ones first."""
    chosen, now = choices[0], why.look.now
    warming = warming_of(why.stands.get(chosen.point.id), request.way, why.asked_at or now)
    estimates = {
        c.point.id: _estimate(c.point, warming_of(why.stands.get(c.point.id), request.way, why.asked_at or now))
        for c in choices
    }
    named = request.point_id is not None
    return Plan(
        request=request.model_copy(update={"point_id": chosen.point.id}),
        point=chosen.point,
        target=request.target,
        scope=request.tables,
        policy=policy,
        reasons=(*why.reasons, chosen.reason),
        refused=tuple(c for c in choices[1:] if not c.accepted),
        options=options(choices, why.look, lambda choice: _usual(estimates[choice.point.id])),
        loss=chosen.loss,
        damage=chosen.damage,
        cautions=tuple(_cautions(request, chosen.point, live, now)),
        live_settings=live.settings,
        live_size_bytes=live.size_bytes,
        live_exists=live.exists,
        estimate=estimates[chosen.point.id],
        planned_at=now,
        warming=warming,
        spare=() if named else tuple(c for c in choices[1:] if c.accepted and not c.damage)[:MOST_SPARE],
    )


def substitute(before: Plan, lost: str) -> Plan:
    """The plan for the next of its spare points; `lost` says why its point gave way. What is said is of the new one."""
    chosen, rest = before.spare[0], before.spare[1:]
    live = Live(before.live_exists, before.live_size_bytes, before.live_settings)
    own = _cautions(before.request, before.point, live, before.planned_at)
    others = [said for said in before.cautions if said not in own]
    return before.model_copy(
        update={
            "request": before.request.model_copy(update={"point_id": chosen.point.id}),
            "point": chosen.point,
            "spare": rest,
            "fallen": (*before.fallen, lost),
            "reasons": (*before.reasons[:-1], chosen.reason),
            "options": (),
            "loss": chosen.loss,
            "damage": chosen.damage,
            "cautions": (*_cautions(before.request, chosen.point, live, before.planned_at), *others),
            "estimate": _loading(chosen.point),
            "warming": None,
        }
    )


def warming_of(stands: Readiness | None, way: str, now: datetime) -> Warming | None:
    """What has to happen before the bytes are here; None if they are. `way` is the name of the chosen one.

    Raises UsageError for a way that is not offered.
    """
    if stands is None or stands.state == "ready":
        return None
    offered = {w.name: w for w in stands.ways}
    if way and offered and way not in offered:
        raise UsageError(f"there is no way {way!r} to thaw it; offered: {', '.join(offered)}", hint="See --thaw.")
    low, high = _until_warm(stands, offered.get(way), now)
    return Warming(
        words=standing(stands),
        ways=stands.ways,
        way=way if offered else "",
        notice=stands.notice,
        low_s=low,
        high_s=high,
    )


def _until_warm(stands: Readiness, chosen: Way | None, now: datetime) -> tuple[float, float]:
    """Seconds, from and to; of several ways that nobody chose from, all."""
    if stands.pieces:
        soonest = (stands.ready_at - now).total_seconds() if stands.ready_at else estimate(stands.pieces)
        return soonest, soonest * words.LATE
    if stands.ready_at is not None:
        return 0, max(0.0, (stands.ready_at - now).total_seconds())
    ways = [chosen] if chosen else list(stands.ways)
    if not ways:
        return 0, 0
    return min(w.low_s for w in ways), max(w.high_s for w in ways)


def _cautions(request: Request, point: RecoveryPoint, live: Live, now: datetime) -> list[str]:
    said = []
    if point.consistency != "snapshot":
        said.append(f"consistency of this backup: {point.consistency} (its tables may be of different moments)")
    if point.quality == "bounded" and point.earliest and point.latest:
        said.append(f"its moment lies between {point.earliest.isoformat()} and {point.latest.isoformat()}")
    elif point.quality == "claimed":
        said.append(
            "its moment is what its name, snapshot or manifest claims; a captured manifest is checked at level 5"
        )
    elif point.quality == "none":
        said.append("its moment is not known: look at the difference with care")
    if point.consistent_at is not None and live.exists:
        hours = (now - point.consistent_at).total_seconds() / 3600
        since = f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"
        said.append(f"changes made since then ({since}) leave live with the swap; they stay in the undo copy")
    if request.target != request.database:
        said.append(f"restored under another name: {request.target}; {request.database} is not touched")
    if not live.exists:
        said.append(f"{request.target} does not exist now and will be created")
    return said


def _estimate(point: RecoveryPoint, warming: Warming | None) -> Estimate:
    """Until it is staged: bringing the bytes here, then loading them."""
    loading = _loading(point)
    if warming is None:
        return loading
    return loading.model_copy(
        update={
            "low_s": round(loading.low_s + warming.low_s, 1),
            "high_s": round(loading.high_s + warming.high_s, 1),
            "basis": f"{'once the tape is there: ' if warming.notice else ''}fetching it, then {loading.basis}",
        }
    )


def _loading(point: RecoveryPoint) -> Estimate:
    if point.size_bytes is None:
        return Estimate(stage_bytes=None, low_s=_FIXED_S, high_s=3600, basis="size of the backup unknown")
    slow, fast = _GUESSED_RATE
    size = point.size_bytes
    return Estimate(
        stage_bytes=size,
        low_s=round(_FIXED_S + size / fast, 1),
        high_s=round(2 * _FIXED_S + size / slow, 1),
        basis="size of the backup at 8 to 40 MB/s; no restore of this database has been measured yet",
    )


def _usual(estimate: Estimate) -> float:
    return (estimate.low_s + estimate.high_s) / 2

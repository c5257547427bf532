"""Request and chosen point become the plan: the value that says exactly what will run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from restorekit.choosing import Outlook, options
from restorekit.model.plan import Choice, Estimate, Plan, Policy
from restorekit.model.point import RecoveryPoint
from restorekit.model.request import Request

# Bytes per second of dump text from source to loaded staging, used until drills have measured this house.
_GUESSED_RATE = (8e6, 40e6)
_FIXED_S = 3.0


@dataclass(frozen=True)
class Live:
    """What planning needs to know of live."""

    exists: bool
    size_bytes: int | None
    settings: dict[str, str]


@dataclass(frozen=True)
class Reasoning:
    """What was worked out before choosing, and by what the choices were judged."""

    look: Outlook
    reasons: tuple[str, ...] = ()


def plan(request: Request, choices: Sequence[Choice], policy: Policy, live: Live, why: Reasoning) -> Plan:
    """The plan for the first choice. `choices` come from pick: accepted ones first."""
    chosen, now = choices[0], why.look.now
    return Plan(
        request=request.model_copy(update={"point_id": chosen.point.id}),
        point=chosen.point,
        target=request.target,
        scope=request.tables,
        policy=policy,
        reasons=(*why.reasons, chosen.reason),
        refused=tuple(c for c in choices[1:] if not c.accepted),
        options=options(choices, why.look, lambda choice: _usual(_estimate(choice.point))),
        loss=chosen.loss,
        damage=chosen.damage,
        cautions=tuple(_cautions(request, chosen.point, live, now)),
        live_settings=live.settings,
        live_size_bytes=live.size_bytes,
        live_exists=live.exists,
        estimate=_estimate(chosen.point),
        planned_at=now,
    )


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


def _estimate(point: RecoveryPoint) -> Estimate:
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

"""Before a point can be staged: what its medium says, waiting for it, warming it; and the next best point if it fails.

Each body may run again after a crash. No body waits for a drive, a thaw or a person: the run rests in state `waiting`,
and the waker (see `waker`) orders it again.
"""

import contextlib
from datetime import timedelta

from restorekit import crashpoint
from restorekit.choosing import standing
from restorekit.errors import NoPoint, RestorekitError, SourceDamaged
from restorekit.model.notice import Notice
from restorekit.model.plan import Plan
from restorekit.model.point import PointState
from restorekit.model.readiness import Readiness
from restorekit.model.run import State
from restorekit.model.waiting import Waiting
from restorekit.workflow.house import House

UNREADABLE = (SourceDamaged, NoPoint)
"""Errors of a backup, not of this attempt: another point may do."""


class Warmth:
    """Step bodies bound to a house."""

    def __init__(self, house: House) -> None:
        self._house = house

    def warm(self, run_id: str) -> str:
        """`ready`: the point can be delivered; `waiting`: the run rests until the waker orders it again."""
        house = self._house
        plan, waited = house.need(run_id, Plan), house.catalog.kept(run_id, Waiting)
        source = house.source(plan.point.source)
        its_turn = house.catalog.run(run_id).state == State.WARMING
        stands = None if its_turn else source.readiness([plan.point])[0]
        # What is readable only until some moment may need more time than is left of it: its source sees to that.
        if stands is None or stands.state in ("cold", "thawing") or stands.until is not None:
            house.catalog.advance(run_id, State.WARMING)
            along = waited.along if waited and its_turn else ()
            way = plan.warming.way if plan.warming else ""
            stands = source.warm([plan.point, *along], way, house.watch(run_id))[0]
            crashpoint.here("warm.done")
        if stands.state == "ready":
            return "ready"
        self._wait(run_id, plan, stands, at_once=stands.state == "on_tape" and not its_turn)
        crashpoint.here("warm.waiting")
        return "waiting"

    def _wait(self, run_id: str, plan: Plan, stands: Readiness, *, at_once: bool) -> None:
        house, now = self._house, self._house.clock.now()
        before = house.catalog.kept(run_id, Waiting)
        waiting = Waiting(
            readiness=stands,
            host=house.host,
            since=before.since if before else now,
            again_at=now if at_once else now + timedelta(seconds=stands.again_s),
            words=standing(stands),
            told=before.told if before else "",
        )
        house.catalog.keep(run_id, waiting)
        act = house.act("waits", run_id, str(plan.target), why=stands.notice or stands.why)
        house.catalog.advance(run_id, State.WAITING, act=act)
        if stands.notice and stands.notice != waiting.told:
            told = Notice(kind="operator", restore_id=run_id, database=plan.target, text=stands.notice, at=now)
            house.notify(told)
            house.catalog.keep(run_id, waiting.model_copy(update={"told": stands.notice}))

    def fall_back(self, run_id: str, fallen: int, error: RestorekitError) -> str:
        """`another`: the plan has its next best point now; "": there is none, or somebody wanted this one.

        `fallen`: how many had given way when this one failed.
        """
        house = self._house
        plan = house.need(run_id, Plan)
        if len(plan.fallen) > fallen:
            return "another"  # done before, and that was not recorded
        point_id = plan.point.id
        if isinstance(error, SourceDamaged):
            why = f"restore {run_id} could not read it on {house.clock.now():%Y-%m-%d}: {error.message}"
            house.catalog.flag_point(point_id, PointState.SUSPICIOUS, why)
        if not plan.spare:
            return ""
        self.cool(run_id)
        chosen, rest = plan.spare[0], plan.spare[1:]
        lost = f"{point_id} from {plan.point.source} could not be read: {error.message}"
        update = {
            "point": chosen.point,
            "request": plan.request.model_copy(update={"point_id": chosen.point.id}),
            "spare": rest,
            "fallen": (*plan.fallen, lost),
            "reasons": (*plan.reasons[:-1], chosen.reason),
            "loss": chosen.loss,
            "damage": chosen.damage,
            "options": (),
            "warming": None,
        }
        house.catalog.keep(run_id, plan.model_copy(update=update))
        act = house.act("fell back", run_id, str(plan.target), point=chosen.point.id, instead_of=point_id)
        house.catalog.advance(run_id, State.REQUESTED, act=act)
        return "another"

    def cool(self, run_id: str) -> None:
        """What was put aside for this run's point may go, unless another run needs it. What resists is left lying."""
        house = self._house
        plan = house.need(run_id, Plan)
        others = (r.id for r in house.catalog.runs(active=True, limit=1000) if r.id != run_id)
        plans = (house.catalog.kept(other, Plan) for other in others)
        if any(p is not None and p.point.id == plan.point.id for p in plans):
            return
        with contextlib.suppress(RestorekitError):
            house.source(plan.point.source).cool(plan.point)

"""Before a point can be staged: what its medium says, waiting for it, warming it; and the next best point if it fails.

Each body may run again after a crash. No body waits for a drive, a thaw or a person: the run rests in state `waiting`,
and the waker (see `waker`) orders it again.
"""

import contextlib
from collections.abc import Sequence
from datetime import timedelta

from restorekit import crashpoint
from restorekit.choosing import standing
from restorekit.errors import NeedsChoice, NoPoint, RestorekitError, SourceDamaged
from restorekit.model.notice import Notice
from restorekit.model.plan import Plan
from restorekit.model.point import PointState, RecoveryPoint
from restorekit.model.readiness import Readiness
from restorekit.model.run import Progress, State
from restorekit.model.waiting import Waiting
from restorekit.steps.plan import substitute
from restorekit.workflow.house import House

UNREADABLE = (SourceDamaged, NoPoint)
"""Errors of a backup, not of this attempt: another point may do."""
_NEEDS_ITS_BYTES = frozenset({State.REQUESTED, State.WAITING, State.WARMING, State.STAGING})
_MOST = 10_000


class Warmth:
    """Step bodies bound to a house."""

    def __init__(self, house: House) -> None:
        self._house = house

    def warm(self, run_id: str) -> str:
        """`ready`: the point can be delivered; `waiting`: the run rests until the waker orders it again."""
        house = self._house
        state = house.catalog.run(run_id).state
        if state not in (State.REQUESTED, State.WARMING):
            # It came to rest before, that was not recorded, and somebody may have decided by now.
            if state == State.WAITING:
                self._tell(run_id)
            return "waiting"
        plan, waited = house.need(run_id, Plan), house.catalog.kept(run_id, Waiting)
        source = house.source(plan.point.source)
        its_turn = state == State.WARMING
        stands = None if its_turn else source.readiness([plan.point])[0]
        # What is readable only until some moment may need more time than is left of it: its source sees to that.
        if stands is None or stands.state in ("cold", "thawing") or stands.until is not None:
            way = plan.warming.way if plan.warming else ""
            if stands is not None and stands.state == "cold":
                _demand_way(plan, stands, way)
            house.catalog.advance(run_id, State.WARMING)
            stands = self._warmed(run_id, waited.along if waited and its_turn else (), way)
            crashpoint.here("warm.done")
        if stands.state == "ready":
            return "ready"
        self._wait(run_id, plan, stands, at_once=stands.state == "on_tape" and not its_turn)
        crashpoint.here("warm.waiting")
        return "waiting"

    def _warmed(self, run_id: str, along: Sequence[RecoveryPoint], way: str) -> Readiness:
        house = self._house
        plan = house.need(run_id, Plan)
        source, watch = house.source(plan.point.source), house.watch(run_id)
        try:
            return source.warm([plan.point, *along], way, watch)[0]
        except UNREADABLE:
            if not along:
                raise
            # That may be said of somebody else's point, which is not this run's failure: what of this one alone?
            return source.warm([plan.point], way, watch)[0]

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
        said = stands.notice or waiting.words[plan.request.locale]
        house.catalog.note_progress(run_id, Progress(phase=said, done=0, total=None, unit="", at=house.clock.now()))
        self._tell(run_id)

    def _tell(self, run_id: str) -> None:
        """Tell somebody what is to be done, unless that was the last thing said of this run."""
        house = self._house
        waiting = house.need(run_id, Waiting)
        text = waiting.readiness.notice
        if not text or text == waiting.told:
            return
        target, now = house.need(run_id, Plan).target, house.clock.now()
        house.notify(Notice(kind="operator", restore_id=run_id, database=target, text=text, at=now))
        house.catalog.keep(run_id, waiting.model_copy(update={"told": text}))

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
        instead = substitute(plan, f"{point_id} from {plan.point.source} could not be read: {error.message}")
        act = house.act("fell back", run_id, str(plan.target), point=instead.point.id, instead_of=point_id)
        house.catalog.advance(run_id, State.REQUESTED, act=act)
        crashpoint.here("fallback.moved")
        house.catalog.keep(run_id, instead)  # last of all: it says that this was done
        return "another"

    def cool(self, run_id: str) -> None:
        """What was put aside for this run's point may go, unless another run needs it. What resists is left lying."""
        house = self._house
        plan = house.need(run_id, Plan)
        active = house.catalog.runs(active=True, limit=_MOST)
        others = (r.id for r in active if r.id != run_id and r.state in _NEEDS_ITS_BYTES)
        plans = (house.catalog.kept(other, Plan) for other in others)
        if any(p is not None and p.point.id == plan.point.id for p in plans):
            return
        with contextlib.suppress(RestorekitError):
            house.source(plan.point.source).cool(plan.point)


def _demand_way(plan: Plan, stands: Readiness, way: str) -> None:
    """What costs money is asked for only in a way that somebody chose of this point's own."""
    if way or not stands.ways:
        return
    point = plan.point
    raise NeedsChoice(
        f"{point.id} from {point.source}: {stands.why}; nobody chose how, and nothing was asked for",
        hint=f"Choose: restorekit restore {plan.request.database} --point {point.id} --thaw WAY",
        details=tuple(w.said for w in stands.ways),
    )

"""The step bodies of a restore. Each may run again after a crash; each stores its values before it returns."""

import contextlib
from collections.abc import Callable, Iterator

from restorekit import crashpoint
from restorekit.errors import (
    Cancelled,
    ConfigError,
    DiskFull,
    EngineUnavailable,
    LiveChanged,
    ProofFailed,
    RestorekitError,
    Temporary,
)
from restorekit.model.contents import Contents
from restorekit.model.difference import Difference
from restorekit.model.exchange import Exchanged, ExchangeOrder, Promoted
from restorekit.model.plan import Approval, Plan
from restorekit.model.receipt import Receipt
from restorekit.model.run import State
from restorekit.model.staged import Sandbox, Staged
from restorekit.model.undone import Undone
from restorekit.model.verdict import Level, Verdict
from restorekit.ports import Engine
from restorekit.steps import diff as diffing
from restorekit.steps import promote as promoting
from restorekit.steps import stage as staging
from restorekit.steps import swap as swapping
from restorekit.steps import undo as undoing
from restorekit.steps import verify as verifying
from restorekit.workflow.house import House, as_failure
from restorekit.workflow.work import Unsettled

_PREPARING = frozenset({State.REQUESTED, State.WARMING, State.STAGING, State.VERIFYING, State.COMPARING})


class Bodies:
    """Step bodies bound to a house."""

    def __init__(self, house: House, cool: Callable[[str], None]) -> None:
        """`cool(run_id)`: nobody needs the bytes of its backup any more."""
        self._house, self._cool = house, cool

    def begin(self, run_id: str) -> str:
        """Tell until where the request wants to go, and how many points have given way to the plan's."""
        plan = self._house.need(run_id, Plan)
        return f"{plan.request.until} {len(plan.fallen)}"

    def stage(self, run_id: str) -> None:
        """Plan → Staged."""
        house = self._house
        plan = house.need(run_id, Plan)
        house.catalog.advance(run_id, State.STAGING)
        source, watch = house.source(plan.point.source), house.watch(run_id)
        with self._opened(run_id, plan) as (engine, sandbox):
            house.catalog.keep(run_id, sandbox)
            staged = staging.stage(plan, sandbox, source, engine, house.clock, watch)
        house.catalog.keep(run_id, staged)
        crashpoint.here("stage.kept")

    def verify(self, run_id: str) -> None:
        """Staged → Verdict; raises ProofFailed below the level the playbook demands."""
        house = self._house
        plan, staged = house.need(run_id, Plan), house.need(run_id, Staged)
        house.catalog.advance(run_id, State.VERIFYING)
        known = verifying.Known(
            manifest=_parsed(house.source(plan.point.source).manifest(plan.point)),
            last_proof=house.catalog.last_proof(plan.point.id),
        )
        playbook = house.playbook(plan.policy.playbook)
        now, watch = house.clock.now(), house.watch(run_id)
        with self._opened(run_id, plan) as (engine, _):
            verdict = verifying.verify(staged, engine, playbook, known, now, watch)
        house.catalog.keep(run_id, verdict)
        crashpoint.here("verify.kept")
        level = int(verdict.level)
        act = house.act("verified", run_id, str(plan.target), level=str(level), equal_to=verdict.equal_to)
        house.catalog.record_proof(run_id, plan.point.id, level, verdict.contents)
        at = plan.point.consistent_at
        if at is not None and verdict.level >= Level.EQUAL:
            seen = verdict.contents.model_copy(update={"taken_at": at})
            house.catalog.record_state(plan.point.database, seen)
        house.catalog.advance(run_id, State.VERIFYING, level=level, act=act)
        _demand(plan, verdict)

    def diff(self, run_id: str) -> None:
        """Staged against live → Difference."""
        house = self._house
        plan, staged, verdict = house.need(run_id, Plan), house.need(run_id, Staged), house.need(run_id, Verdict)
        house.catalog.advance(run_id, State.COMPARING)
        now, watch = house.clock.now(), house.watch(run_id)
        with self._opened(run_id, plan) as (engine, _):
            proven = diffing.Proven(plan, staged, verdict)
            found = diffing.diff(proven, diffing.first(plan), engine, now, watch).difference
        house.catalog.keep(run_id, found)
        crashpoint.here("diff.kept")
        _demand_something(plan, verdict, found)

    def rest(self, run_id: str, state: State) -> None:
        """The sandbox's server stops while people think; the folder stays."""
        house = self._house
        if house.catalog.run(run_id).state not in _PREPARING:
            return  # it rested before, that was not recorded, and somebody may have decided by now
        plan, staged = house.need(run_id, Plan), house.need(run_id, Staged)
        house.engine(plan.target.engine).cool(staged.sandbox)
        self._cool(run_id)
        house.catalog.advance(run_id, state)

    def agreed(self, run_id: str) -> str:
        """Which approval this is about: a failure of it must not be taken for one of its successor."""
        return self._house.need(run_id, Approval).digest

    def clear(self, run_id: str) -> None:
        """Is this what was approved, and is live in a state for it? Raises ApprovalNeeded, Refused, Temporary."""
        house = self._house
        plan, order = house.need(run_id, Plan), self._order(run_id)
        with self._opened(run_id, plan) as (engine, _):
            swapping.clear_to_swap(engine.preflight(order))

    def promote(self, run_id: str) -> None:
        """Staged → Promoted, beside live and proven again there."""
        house = self._house
        plan, order = house.need(run_id, Plan), self._order(run_id)
        with self._opened(run_id, plan) as (engine, _):
            promoted = promoting.promote(order, engine, house.watch(run_id))
        house.catalog.keep(run_id, promoted)
        crashpoint.here("promote.kept")

    def swap(self, run_id: str) -> None:
        """Promoted → live. From here on a cancel is refused."""
        house = self._house
        plan = house.need(run_id, Plan)
        house.watch(run_id).check()
        house.catalog.advance(run_id, State.SWAPPING)
        order = self._order(run_id)
        with self._opened(run_id, plan) as (engine, _):
            exchanged = swapping.swap(order, house.need(run_id, Promoted), engine, house.watch(run_id))
        crashpoint.here("swap.done")
        house.catalog.keep(run_id, exchanged)
        crashpoint.here("swap.kept")

    def settle(self, run_id: str) -> str:
        """After a failed swap: `finished` if live is the new side all the same, `taken_back` if it is as before."""
        house = self._house
        if house.catalog.run(run_id).state != State.SWAPPING:
            return "taken_back"  # it never began
        exchanged = self._outcome(run_id, run_id)
        if exchanged is None:
            return "taken_back"
        house.catalog.keep(run_id, exchanged)
        return "finished"

    def _outcome(self, run_id: str, order_id: str) -> Exchanged | None:
        """What live says; raises Unsettled while nobody can say: neither side may be claimed then."""
        engine = self._house.engine(self._house.need(run_id, Plan).target.engine)
        try:
            return engine.outcome(order_id)
        except (Temporary, ConfigError) as error:
            hint = f"When it answers again, `restorekit watch {run_id}` finds out and goes on."
            message = f"whether live was exchanged cannot be said now: {error.message}"
            raise Unsettled(type(error)(message, hint=hint)) from error

    def tidy(self, run_id: str) -> None:
        """The sandbox has done its duty; what it held is live now, and proven. What resists must not hide that."""
        house = self._house
        plan, staged = house.need(run_id, Plan), house.need(run_id, Staged)
        engine = house.engine(plan.target.engine)
        with contextlib.suppress(RestorekitError):
            engine.drop_holding(run_id)
        with contextlib.suppress(RestorekitError):
            engine.discard(staged.sandbox)

    def receipt(self, run_id: str) -> None:
        """Exchanged → signed Receipt over the audit entry of the swap; then, as the last of all, the state swapped."""
        house = self._house
        if house.catalog.run(run_id).state != State.SWAPPING:
            return  # said before, and it may have been undone since
        plan, exchanged = house.need(run_id, Plan), house.need(run_id, Exchanged)
        proof = (house.need(run_id, Staged), house.need(run_id, Verdict))
        approval = house.need(run_id, Approval)
        act = house.act(
            "swapped",
            run_id,
            str(plan.target),
            undo=exchanged.undo.schema_name,
            slipped=str(len(exchanged.slipped)),
            blocked_s=f"{exchanged.blocked_s:.3f}",
        )
        house.catalog.advance(run_id, State.SWAPPING, act=act)  # a rerun does not write the entry again
        crashpoint.here("receipt.audited")
        head, count = house.catalog.audit_head()
        issued = swapping.receipt(run_id, plan, proof, approval, exchanged, house.clock.now())
        issued = issued.model_copy(
            update={"audit_head": head, "audit_count": count, "public_key": house.signer.public_key}
        )
        signature = house.signer.sign(issued.signed_text)
        house.catalog.keep(run_id, issued.model_copy(update={"signature": signature}))
        crashpoint.here("receipt.kept")
        house.catalog.advance(run_id, State.SWAPPED)

    def undo(self, run_id: str) -> None:
        """Receipt → live as before."""
        house = self._house
        if house.catalog.run(run_id).state == State.UNDONE:
            return
        receipt, plan = house.need(run_id, Receipt), house.need(run_id, Plan)
        house.catalog.advance(run_id, State.UNDOING)  # the unrecorded end of an earlier attempt may have been repeated
        now = house.clock.now()
        engine = house.engine(plan.target.engine)
        back = undoing.undo(receipt, plan.policy.dead_man_s, engine, now, house.watch(run_id))
        crashpoint.here("undo.done")
        self._undone(run_id, back)

    def stay_swapped(self, run_id: str, error: RestorekitError) -> None:
        """An undo that failed: if live is the earlier side all the same, it is undone; else still swapped."""
        house = self._house
        back = self._outcome(run_id, undoing.undo_id(run_id))
        if back is not None:
            self._undone(run_id, back)
            return
        failure = as_failure(error, "live is still as the restore left it")
        act = house.act("undo failed", run_id, str(house.need(run_id, Plan).target), code=error.code)
        house.catalog.advance(run_id, State.SWAPPED, failure=failure, act=act)

    def _undone(self, run_id: str, back: Exchanged) -> None:
        house = self._house
        target = house.need(run_id, Plan).target
        house.engine(target.engine).drop_holding(back.order_id)
        house.catalog.keep(run_id, Undone(exchanged=back, undone_at=back.exchanged_at))
        act = house.act("undone", run_id, str(target), kept=back.undo.schema_name)
        house.catalog.advance(run_id, State.UNDONE, act=act)

    def fail(self, run_id: str, error: RestorekitError) -> None:
        """End a preparation that failed: the sandbox is discarded, live was never touched."""
        if isinstance(error, Cancelled):
            self.discard(run_id, State.CANCELLED)
            return
        self._discard_sandbox(run_id)
        house = self._house
        database = str(house.need(run_id, Plan).target)
        act = house.act("failed", run_id, database, code=error.code)
        house.catalog.advance(run_id, State.FAILED, failure=as_failure(error), act=act)

    def step_back(self, run_id: str, error: RestorekitError, approval: str | None) -> None:
        """A swap that did not happen: temporary or changed live waits for a new approval, all else ends.

        When live has changed, the difference is measured again, so that the next approval is over what is there.
        """
        house = self._house
        same = house.need(run_id, Approval).digest == approval
        if not same or house.catalog.run(run_id).state not in (State.APPROVED, State.SWAPPING):
            return  # it stepped back before, that was not recorded, and somebody may have decided anew
        if not (error.temporary or isinstance(error, LiveChanged)):
            self.fail(run_id, error)
            return
        plan = house.need(run_id, Plan)
        engine = house.engine(plan.target.engine)
        with contextlib.suppress(Temporary):  # the next promote, or the end, replaces or removes it
            engine.drop_holding(run_id)
        if isinstance(error, LiveChanged):
            try:
                self._measure_again(run_id, plan)
            except RestorekitError as worse:
                if not worse.temporary:  # what was wanted is not possible any more
                    self.fail(run_id, worse)
                    return
        engine.cool(house.need(run_id, Staged).sandbox)
        act = house.act("not swapped", run_id, str(plan.target), code=error.code)
        house.catalog.advance(run_id, State.AWAITING_APPROVAL, failure=as_failure(error), act=act)

    def _measure_again(self, run_id: str, plan: Plan) -> None:
        """The difference as it is now, of the same part."""
        house = self._house
        accepted = house.need(run_id, Approval).accept_changes or plan.policy.on_live_change == "keep_and_report"
        part = diffing.again(plan, house.need(run_id, Difference), busy=accepted)
        proven = diffing.Proven(plan, house.need(run_id, Staged), house.need(run_id, Verdict))
        now, watch = house.clock.now(), house.watch(run_id)
        with self._opened(run_id, plan) as (engine, _):
            house.catalog.keep(run_id, diffing.diff(proven, part, engine, now, watch).difference)

    def discard(self, run_id: str, state: State) -> None:
        """Remove sandbox and holding copy; undo copies are never touched here."""
        self._discard_sandbox(run_id)
        house = self._house
        database = str(house.need(run_id, Plan).target)
        house.catalog.advance(run_id, state, act=house.act(str(state), run_id, database))

    @contextlib.contextmanager
    def _opened(self, run_id: str, plan: Plan) -> Iterator[tuple[Engine, Sandbox]]:
        """The engine with the run's sandbox open; a worker that was told to stop leaves no server behind."""
        house = self._house
        engine = house.engine(plan.target.engine)
        sandbox = engine.open_sandbox(staging.spec(run_id, plan))
        try:
            yield engine, sandbox
        finally:
            if house.stopping.is_set():
                engine.cool(sandbox)

    def _discard_sandbox(self, run_id: str) -> None:
        house = self._house
        plan = house.need(run_id, Plan)
        engine = house.engine(plan.target.engine)
        self._cool(run_id)
        # Without a recorded sandbox its creation may still have begun: find it again by its id, then discard it.
        # What cannot be created now, the disk being full, has left nothing.
        with contextlib.suppress(DiskFull, EngineUnavailable):
            engine.discard(house.catalog.kept(run_id, Sandbox) or engine.open_sandbox(staging.spec(run_id, plan)))
        if house.catalog.kept(run_id, Approval) is not None:  # nothing is carried beside live before
            engine.drop_holding(run_id)

    def _order(self, run_id: str) -> ExchangeOrder:
        """The order, built from stored values only; refused unless exactly this was approved."""
        house = self._house
        plan, difference = house.need(run_id, Plan), house.need(run_id, Difference)
        staged, verdict = house.need(run_id, Staged), house.need(run_id, Verdict)
        approval = house.catalog.kept(run_id, Approval)
        over = promoting.agreed(plan, verdict, difference)
        promoting.check_approval(approval, over, house.signer.public_key)
        assert approval is not None
        return promoting.order(run_id, plan, (staged, verdict), difference, approval)


def _demand(plan: Plan, verdict: Verdict) -> None:
    failed = verdict.failed
    lines = tuple(f"level {int(c.level)} {c.name}: {c.reason}" for c in verdict.checks if c.outcome != "passed")
    if failed:
        first = failed[0]
        raise ProofFailed(
            f"verification failed at level {int(first.level)} ({first.level.name.lower()}), "
            f"{first.name}: {first.reason}",
            hint="Choose another recovery point. Live is untouched.",
            details=tuple(e for c in failed for e in (f"{c.name}: {c.reason}", *c.evidence))[:20],
        )
    if plan.request.until == "swapped" and verdict.level < plan.policy.min_level:
        raise ProofFailed(
            f"level {int(verdict.level)} is proven, "
            f"the playbook {plan.policy.playbook} demands {plan.policy.min_level}",
            hint="Choose another point, or look at it with --until verified. Live is untouched.",
            details=lines,
        )


def _demand_something(plan: Plan, verdict: Verdict, found: Difference) -> None:
    """A backup without a row is whole and proven, and still most likely the backup of a failure."""
    if plan.request.until != "swapped" or plan.scope is not None or found.live is None:
        return
    here, there = (sum(t.rows or 0 for t in c.tables) for c in (found.live, verdict.contents))
    if here and not there:
        raise ProofFailed(
            f"the backup is proven, but it is empty: {len(verdict.contents.tables)} tables without a row, "
            f"while live has {here} rows in {len(found.live.tables)} tables",
            hint="Choose another recovery point; look at this one with --until diff. Live is untouched.",
        )


def _parsed(manifest: bytes | None) -> Contents | None:
    return None if manifest is None else Contents.model_validate_json(manifest)

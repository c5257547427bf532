"""The life of a restore, as doors may ask for it: request, approve, cancel, undo, retire."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from restorekit.errors import ApprovalNeeded, NeedsChoice, Refused, RestoreActive, UndoImpossible, UnknownName
from restorekit.model.database import DatabaseId
from restorekit.model.difference import Difference
from restorekit.model.exchange import Exchanged
from restorekit.model.plan import Approval, Plan
from restorekit.model.receipt import Receipt
from restorekit.model.request import Act
from restorekit.model.run import Run, State, StepRecord
from restorekit.model.staged import Staged
from restorekit.model.undone import Undone
from restorekit.model.verdict import Verdict
from restorekit.model.waiting import Waiting
from restorekit.settings import Settings
from restorekit.signing import holds
from restorekit.steps import promote as promoting
from restorekit.steps import retire as retiring
from restorekit.steps.diff import decided
from restorekit.workflow import durable
from restorekit.workflow.house import House

_MOST_RUNS = 100_000


@dataclass(frozen=True)
class Story:
    """Everything that is known of one restore."""

    run: Run
    plan: Plan | None
    staged: Staged | None
    verdict: Verdict | None
    difference: Difference | None
    receipt: Receipt | None
    waiting: Waiting | None
    steps: tuple[StepRecord, ...]


class Desk:
    """Requests in, runs out. Nothing here waits; work is queued in the transaction that records the wish."""

    def __init__(self, house: House, settings: Settings, ready: Callable[[], None]) -> None:
        self._house = house
        self._ready = ready
        self._settings = settings

    def order(self, connection: Any, run_id: str) -> None:
        """Queue the preparation of a run that has waited, inside the caller's transaction."""
        durable.enqueue(connection, "prepare", run_id, self._house.host, self._attempt())

    def request(self, plan: Plan, act: Act) -> str:
        """Start what was planned; returns the restore's id. Raises RestoreActive; NeedsChoice for an unpaid thaw."""
        if plan.warming is not None and plan.warming.ways and not plan.warming.way:
            raise NeedsChoice(
                f"{plan.warming.words['en']}; nothing was started and nothing was asked for",
                hint=f"Choose: restorekit restore {plan.request.database} --point {plan.point.id} --thaw WAY",
                details=tuple(way.said for way in plan.warming.ways),
            )

        def queue(connection: Any, run_id: str) -> None:
            durable.enqueue(connection, "prepare", run_id, self._house.host)

        self._ready()
        return self._house.catalog.request(plan.request, (plan,), act, queue)

    def story(self, run_id: str) -> Story:
        """Everything known; raises UnknownName."""
        run = self._house.catalog.run(run_id)
        kept = self._house.catalog.kept
        return Story(
            run=run,
            plan=kept(run.id, Plan),
            staged=kept(run.id, Staged),
            verdict=kept(run.id, Verdict),
            difference=kept(run.id, Difference),
            receipt=kept(run.id, Receipt),
            waiting=kept(run.id, Waiting) if run.state in (State.WAITING, State.WARMING) else None,
            steps=tuple(self._house.catalog.steps(run.id)),
        )

    def approve(self, run_id: str, act: Act, *, accept_changes: bool = False) -> str:
        """Agree to exactly what the difference shows; queues the swap.

        Raises ApprovalNeeded in any other state, NeedsChoice while rows wait for a decision.
        """
        story = self.story(run_id)
        if story.run.state != State.AWAITING_APPROVAL:
            raise ApprovalNeeded(
                f"restore {story.run.id} is {story.run.state}, not waiting for approval",
                hint=f"See `restorekit status {story.run.id}`.",
            )
        assert story.plan is not None
        assert story.verdict is not None
        assert story.difference is not None
        decided(story.difference)
        signer = self._house.signer
        approval = Approval(
            restore_id=story.run.id,
            over=promoting.agreed(story.plan, story.verdict, story.difference),
            approved_by=act.caller,
            approved_at=self._house.clock.now(),
            accept_changes=accept_changes,
            text=act.confirmed,
            public_key=signer.public_key,
        )
        signed = approval.model_copy(update={"signature": signer.sign(approval.signed_text)})

        def queue(connection: Any) -> None:
            durable.enqueue(connection, "apply", story.run.id, self._house.host, self._attempt())

        self._ready()
        self._house.catalog.approve(signed, act, queue)
        return story.run.id

    def cancel(self, run_id: str, act: Act) -> None:
        """Stop it if the swap has not begun; raises Refused after that."""
        run = self._house.catalog.run(run_id)

        def queue(connection: Any) -> None:
            durable.enqueue(connection, "cleanup", run.id, self._house.host)

        self._ready()
        self._house.catalog.ask_cancel(run.id, act, queue)

    def let_go(self, run: Run, act: Act) -> bool:
        """Cancel what nobody decided about; False if that has to wait for another restore of the database."""
        try:
            self.cancel(run.id, act)
        except RestoreActive:
            return False
        return True

    def undo(self, run_id: str, act: Act) -> None:
        """Take a swap back. Raises UndoImpossible if nothing was swapped or retention has ended."""
        run = self._house.catalog.run(run_id)
        receipt = self._house.catalog.kept(run.id, Receipt)
        if receipt is None or run.state != State.SWAPPED:
            raise UndoImpossible(
                f"restore {run.id} is {run.state}: there is nothing to undo; nothing was changed",
                hint=f"See `restorekit status {run.id}`.",
            )

        def queue(connection: Any) -> None:
            durable.enqueue(connection, "undo", run.id, self._house.host, self._attempt())

        self._ready()
        self._house.catalog.ask_undo(run.id, act, queue)

    def _attempt(self) -> int:
        """A number of its own for an order that may be given again (approved anew, undone anew)."""
        return int(self._house.clock.now().timestamp() * 1000)

    def receipt(self, run_id: str) -> Receipt:
        """The signed receipt; raises UnknownName if nothing was swapped."""
        run = self._house.catalog.run(run_id)
        receipt = self._house.catalog.kept(run.id, Receipt)
        if receipt is None:
            raise UnknownName(f"restore {run.id} has no receipt: it is {run.state}")
        return receipt

    def note(self, run_id: str, act: Act) -> None:
        """Write a remark into the audit log."""
        run = self._house.catalog.run(run_id)
        self._house.catalog.audit(act.model_copy(update={"restore_id": run.id, "database": str(run.request.target)}))

    def due_for_retirement(self, now: datetime, only: str | None = None) -> list[Receipt]:
        """Receipts whose retention has ended; `only` names one run, which must be due."""
        runs = self._house.catalog.runs(limit=_MOST_RUNS) if only is None else [self._house.catalog.run(only)]
        ended = (State.SWAPPED, State.UNDONE)
        receipts = [r for run in runs if run.state in ended and (r := self._house.catalog.kept(run.id, Receipt))]
        due = retiring.due(receipts, now)
        if only is not None and not due:
            until = receipts[0].undo_until.isoformat() if receipts else "never: nothing was swapped"
            raise Refused(f"the copy of {only} is kept until {until}", hint="Nothing was deleted.")
        return due

    def expiring(self, database: DatabaseId | None = None) -> list[Receipt]:
        """Swaps whose undo ends within a day."""
        runs = self._house.catalog.runs(database, limit=_MOST_RUNS)
        swapped = [run.id for run in runs if run.state == State.SWAPPED]
        receipts = [r for run_id in swapped if (r := self._house.catalog.kept(run_id, Receipt))]
        return retiring.expiring(receipts, self._house.clock.now())

    def undecided(self) -> list[Run]:
        """Restores that rest with something staged, and that nobody has decided about within the settings' time."""
        settings = self._settings
        patience = dict.fromkeys((State.STAGED, State.VERIFIED, State.COMPARED), float(settings.staging_ttl))
        patience[State.AWAITING_APPROVAL] = float(settings.approval_ttl)
        return retiring.undecided(self._house.catalog.runs(limit=_MOST_RUNS), self._house.clock.now(), patience)

    def retire(self, receipts: Sequence[Receipt], act: Act) -> None:
        """Delete the expired copies; the audit entry is written before each deletion."""
        for receipt in receipts:
            run_id = receipt.restore_id
            undone = self._house.catalog.kept(run_id, Undone)
            kept: list[Exchanged] = [receipt.exchanged, *([undone.exchanged] if undone else [])]
            names = ", ".join(e.undo.schema_name for e in kept)
            entry = act.model_copy(
                update={"restore_id": run_id, "database": str(receipt.database), "details": {"deleted": names}}
            )
            self._house.catalog.audit(entry)
            retiring.retire(kept, self._house.engine(receipt.database.engine))
            self._house.catalog.advance(run_id, State.RETIRED)


def receipt_holds(receipt: Receipt) -> bool:
    """True if the signature on the receipt is by the key it names and covers all of it."""
    return holds(receipt.public_key, receipt.signature, receipt.signed_text)

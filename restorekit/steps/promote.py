"""Plan, proven staging and difference become an order; the order's tables are carried beside live."""

from restorekit.errors import ApprovalNeeded
from restorekit.model.difference import Difference
from restorekit.model.exchange import ExchangeOrder, Promoted
from restorekit.model.plan import Approval, Plan
from restorekit.model.staged import Staged
from restorekit.model.verdict import Verdict
from restorekit.ports import Exchanging, Watch
from restorekit.signing import holds


def agreed(plan: Plan, verdict: Verdict, difference: Difference) -> str:
    """The digest that an approval is over: exactly this plan, this proof and this difference."""
    return f"{plan.digest}+{verdict.digest}+{difference.digest}"


def check_approval(approval: Approval | None, over: str, public_key: str) -> None:
    """Raises ApprovalNeeded unless the approval is signed by us and over exactly this."""
    if approval is None or approval.over != over:
        raise ApprovalNeeded(
            "what was approved is not what would run", hint="Look at the difference again and approve it."
        )
    if approval.public_key != public_key or not holds(public_key, approval.signature, approval.signed_text):
        raise ApprovalNeeded("the approval is not signed by this house", hint="Approve again. Live is untouched.")


def order(
    run_id: str, plan: Plan, proof: tuple[Staged, Verdict], difference: Difference, approval: Approval
) -> ExchangeOrder:
    """What the engine is told to do; `same` tables are listed and left alone."""
    staged, verdict = proof
    return ExchangeOrder(
        id=run_id,
        target=plan.target.name,
        staging=staged.where,
        actions=difference.actions,
        objects=plan.scope is None and difference.pick is None,
        proven=verdict.contents,
        live=difference.live,
        policy=plan.policy,
        accept_changes=approval.accept_changes,
        selection=difference.selection,
        gate=difference.gate,
    )


def promote(wanted: ExchangeOrder, engine: Exchanging, watch: Watch) -> Promoted:
    """Carry the tables beside live and prove them there again. Safe to repeat."""
    return engine.promote(wanted, watch)

"""Promoted data becomes live in one step, and a receipt."""

from datetime import datetime, timedelta

from restorekit.errors import BackupRunning, PreflightRefused, Temporary
from restorekit.model.exchange import Exchanged, ExchangeOrder, Finding, Promoted
from restorekit.model.plan import Approval, Plan
from restorekit.model.receipt import Receipt
from restorekit.model.staged import Staged
from restorekit.model.verdict import Verdict
from restorekit.ports import Exchanging, Watch


def clear_to_swap(findings: list[Finding]) -> None:
    """Raises PreflightRefused, or a Temporary (wait, try again), naming what is in the way."""
    refused = [f for f in findings if f.severity == "refuse"]
    waiting = [f for f in findings if f.severity == "wait"]
    if refused:
        raise PreflightRefused(
            f"{refused[0].text}; live is untouched",
            hint=refused[0].hint,
            details=tuple(f"{f.code}: {f.text}" for f in refused),
        )
    if waiting:
        kind = BackupRunning if waiting[0].code == "backup_running" else Temporary
        raise kind(
            f"{waiting[0].text}; live is untouched",
            hint=waiting[0].hint or "Try again when it has ended.",
            details=tuple(f"{f.code}: {f.text}" for f in waiting),
        )


def swap(wanted: ExchangeOrder, promoted: Promoted, engine: Exchanging, watch: Watch) -> Exchanged:
    """Look at live once more, then exchange. A rerun gets the same answer."""
    return engine.exchange(wanted, promoted, watch)


def receipt(
    run_id: str, plan: Plan, proof: tuple[Staged, Verdict], approval: Approval, exchanged: Exchanged, now: datetime
) -> Receipt:
    """The unsigned receipt; the audit's head and the signature are added where the catalog is known."""
    staged, verdict = proof
    return Receipt(
        restore_id=run_id,
        database=plan.target,
        point_id=plan.point.id,
        consistent_at=plan.point.consistent_at,
        source=plan.point.source,
        artifact_sha256=staged.artifact.sha256,
        level=int(verdict.level),
        equal_to=verdict.equal_to,
        plan=plan.digest,
        difference=approval.over,
        requested_by=plan.request.requested_by,
        approved_by=approval.approved_by,
        approved_text=approval.text,
        exchanged=exchanged,
        undo_until=exchanged.exchanged_at + timedelta(seconds=plan.policy.keep_undo_s),
        audit_head="",
        audit_count=0,
        issued_at=now,
    )

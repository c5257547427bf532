"""Expired copies are deleted, the only step that deletes something of value; what nobody decided about is let go."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from restorekit.model.exchange import Exchanged
from restorekit.model.receipt import Receipt
from restorekit.model.run import Run, State
from restorekit.ports import Exchanging

_SOON = timedelta(hours=24)


def due(receipts: Sequence[Receipt], now: datetime) -> list[Receipt]:
    """Those whose retention has ended."""
    return [r for r in receipts if now > r.undo_until]


def expiring(receipts: Sequence[Receipt], now: datetime) -> list[Receipt]:
    """Those whose undo ends within a day, the next one first."""
    soon = [r for r in receipts if now <= r.undo_until <= now + _SOON]
    return sorted(soon, key=lambda r: r.undo_until)


def undecided(runs: Sequence[Run], now: datetime, patience_s: Mapping[State, float]) -> list[Run]:
    """Those that have rested for longer than is waited for somebody to decide."""
    return [r for r in runs if r.state in patience_s and (now - r.changed_at).total_seconds() > patience_s[r.state]]


def retire(exchanges: Sequence[Exchanged], engine: Exchanging) -> None:
    """Delete the copies that these exchanges kept. Safe to repeat."""
    for exchanged in exchanges:
        # Cannot be taken back. Allowed: retention (shown before consent) has ended, and the audit entry that
        # names the copy is already written.
        engine.retire(exchanged)

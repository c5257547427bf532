"""Expired copies are deleted; the only step that deletes something of value."""

from collections.abc import Sequence
from datetime import datetime

from restorekit.model.exchange import Exchanged
from restorekit.model.receipt import Receipt
from restorekit.ports import Exchanging


def due(receipts: Sequence[Receipt], now: datetime) -> list[Receipt]:
    """Those whose retention has ended."""
    return [r for r in receipts if now > r.undo_until]


def retire(exchanges: Sequence[Exchanged], engine: Exchanging) -> None:
    """Delete the copies that these exchanges kept. Safe to repeat."""
    for exchanged in exchanges:
        # Cannot be taken back. Allowed: retention (shown before consent) has ended, and the audit entry that
        # names the copy is already written.
        engine.retire(exchanged)

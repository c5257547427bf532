"""A receipt becomes the way back."""

from datetime import datetime

from restorekit.errors import UndoImpossible
from restorekit.model.exchange import Exchanged
from restorekit.model.receipt import Receipt
from restorekit.ports import Exchanging, Watch


def undo_id(run_id: str) -> str:
    """The id of the exchange that takes a restore back."""
    return f"{run_id}u"


def undo(receipt: Receipt, dead_man_s: float, engine: Exchanging, now: datetime, watch: Watch) -> Exchanged:
    """Bring back exactly what was there; the other side is kept. Safe to repeat.

    Raises UndoImpossible after `undo_until`, when the earlier state may be gone.
    """
    if now > receipt.undo_until:
        raise UndoImpossible(
            f"the earlier state was kept until {receipt.undo_until.isoformat()}",
            hint="Restore a recovery point from before the swap instead.",
        )
    return engine.undo(receipt.exchanged, undo_id(receipt.restore_id), dead_man_s, watch)

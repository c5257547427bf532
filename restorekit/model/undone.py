"""What an undo did."""

from restorekit.model.exchange import Exchanged
from restorekit.model.value import Moment, Value


class Undone(Value):
    """The exchange back; its undo copy holds what the restore had made live."""

    exchanged: Exchanged
    undone_at: Moment

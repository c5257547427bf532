"""One entry of the audit log, as it is chained."""

from restorekit.model.request import Act
from restorekit.model.value import Moment, Value


class AuditEntry(Value):
    """Entry number `sequence` (from 1, no gaps); `hash` covers the previous hash and everything here."""

    sequence: int
    at: Moment
    act: Act
    previous: str
    hash: str

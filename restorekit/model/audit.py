"""One entry of the audit log, as it is chained."""

from restorekit.model.request import Act
from restorekit.model.value import Moment, Value


class AuditEntry(Value):
    """Entry number `sequence` (from 1, no gaps); `hash` covers the previous hash and everything here.

    In place of the caller's name it covers a reference, so that the name can be erased.
    """

    sequence: int
    at: Moment
    act: Act
    previous: str
    hash: str

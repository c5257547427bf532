"""The receipt: everything undo needs, plus who asked, what was shown and what was proven; signed."""

from restorekit.model.database import DatabaseId
from restorekit.model.exchange import Exchanged
from restorekit.model.value import Moment, Value


class Receipt(Value):
    """Proof for the customer, and the way back. `signature` is Ed25519 over the digest without it (hex)."""

    restore_id: str
    database: DatabaseId
    point_id: str
    consistent_at: Moment | None
    source: str
    artifact_sha256: str
    level: int
    equal_to: str
    plan: str
    difference: str
    requested_by: str
    approved_by: str
    approved_text: str
    exchanged: Exchanged
    undo_until: Moment
    audit_head: str
    audit_count: int
    issued_at: Moment
    public_key: str = ""
    signature: str = ""

    @property
    def signed_text(self) -> bytes:
        """The bytes that the signature covers."""
        return self.model_copy(update={"signature": ""}).digest.encode()

"""The plan: the immutable value that says exactly what will run."""

from typing import Literal

from restorekit.model.changes import Loss
from restorekit.model.database import DatabaseId
from restorekit.model.locale import Locale
from restorekit.model.point import RecoveryPoint
from restorekit.model.request import Request
from restorekit.model.value import Moment, Value
from restorekit.model.waiting import Warming


class Policy(Value):
    """The part of the playbook that decides what may run; copied into the plan so that it cannot move."""

    playbook: str
    min_level: int
    on_live_change: Literal["refuse", "keep_and_report"]
    volatile: tuple[str, ...] = ()
    gate_max_s: float = 5.0
    kill_wait_s: float = 10.0
    lock_wait_s: float = 3.0
    dead_man_s: float = 60.0
    privileged_definers: Literal["accept", "refuse"] = "accept"
    keep_undo_s: int = 7 * 86400
    auto_approve: bool = False


class Choice(Value):
    """A recovery point with the reason it stands where it stands, or why it is refused.

    `loss` is what lies between its data and the moment wanted. `damage` says which accident its data already hold.
    """

    point: RecoveryPoint
    accepted: bool
    reason: str
    level: int | None = None
    loss: Loss | None = None
    damage: str = ""


class Option(Value):
    """One of at most three ways to go, with its sentence in both languages."""

    kind: Literal["recommended", "least_loss", "fastest"]
    point_id: str
    sentences: dict[Locale, str]


class Estimate(Value):
    """Bytes and a range of seconds (p50 to p90), with the basis of the guess."""

    stage_bytes: int | None
    low_s: float
    high_s: float
    basis: str


class Plan(Value):
    """What will run. `scope` are the wanted tables (None: all); the closure over foreign keys comes with the diff.

    `spare` are the next best choices, taken in order if the point cannot be read; then `fallen` says why, one
    sentence for each, and nobody's earlier consent holds any more. A point named by somebody has no spare.
    """

    request: Request
    point: RecoveryPoint
    target: DatabaseId
    scope: tuple[str, ...] | None
    policy: Policy
    reasons: tuple[str, ...]
    refused: tuple[Choice, ...] = ()
    options: tuple[Option, ...] = ()
    loss: Loss | None = None
    damage: str = ""
    cautions: tuple[str, ...] = ()
    live_settings: dict[str, str] = {}
    live_size_bytes: int | None = None
    live_exists: bool = True
    estimate: Estimate
    planned_at: Moment
    warming: Warming | None = None
    spare: tuple[Choice, ...] = ()
    fallen: tuple[str, ...] = ()


class Approval(Value):
    """Somebody agreed to exactly this: `over` is the digest of plan, verdict and difference.

    `signature` (Ed25519, hex) is over the digest of the approval without it; the worker checks it before a swap.
    """

    restore_id: str
    over: str
    approved_by: str
    approved_at: Moment
    accept_changes: bool = False
    text: str = ""
    public_key: str = ""
    signature: str = ""

    @property
    def signed_text(self) -> bytes:
        """The bytes that the signature covers."""
        return self.model_copy(update={"signature": ""}).digest.encode()

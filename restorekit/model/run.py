"""The life of one restore, as the catalog keeps it."""

from enum import StrEnum

from restorekit.model.request import Request
from restorekit.model.value import Moment, Value


class State(StrEnum):
    """Product states. Those in ACTIVE hold the database: one active restore per database.

    `waiting`: for a drive, a thaw or a person; `warming`: a tape is being read for it, a thaw asked for.
    """

    REQUESTED = "requested"
    WAITING = "waiting"
    WARMING = "warming"
    STAGING = "staging"
    VERIFYING = "verifying"
    COMPARING = "comparing"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    SWAPPING = "swapping"
    UNDOING = "undoing"
    CANCELLING = "cancelling"
    STAGED = "staged"
    VERIFIED = "verified"
    COMPARED = "compared"
    SWAPPED = "swapped"
    UNDONE = "undone"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RETIRED = "retired"


ACTIVE = frozenset(
    {
        State.REQUESTED,
        State.WAITING,
        State.WARMING,
        State.STAGING,
        State.VERIFYING,
        State.COMPARING,
        State.AWAITING_APPROVAL,
        State.APPROVED,
        State.SWAPPING,
        State.UNDOING,
        State.CANCELLING,
    }
)
WORKING = ACTIVE - {State.AWAITING_APPROVAL}
"""States in which a worker has something to do."""


class Failure(Value):
    """Why a restore ended: the error's code, sentence, hint and details (no values)."""

    code: str
    exit_code: int
    message: str
    hint: str = ""
    details: tuple[str, ...] = ()
    live: str = "live untouched"


class Progress(Value):
    """How far the running phase is; `total` is None where nobody knows."""

    phase: str
    done: int
    total: int | None
    unit: str = "bytes"
    at: Moment


class StepRecord(Value):
    """One step of a run: when it began, when and how it ended."""

    step: str
    began_at: Moment
    ended_at: Moment | None = None
    outcome: str = ""


class Run(Value):
    """One restore. `level` is proven so far; `failure` is set in state failed."""

    id: str
    kind: str = "restore"
    request: Request
    state: State
    level: int | None = None
    point_id: str | None = None
    failure: Failure | None = None
    progress: Progress | None = None
    created_at: Moment
    changed_at: Moment

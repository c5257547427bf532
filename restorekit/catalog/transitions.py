"""Which state may follow which; the only place that says so."""

from restorekit.errors import Cancelled, Refused
from restorekit.model.run import State

_GIVES_UP = {State.FAILED, State.CANCELLED, State.CANCELLING}

NEXT: dict[State, set[State]] = {
    State.REQUESTED: {State.WAITING, State.WARMING, State.STAGING, *_GIVES_UP},
    State.WAITING: {State.REQUESTED, State.WARMING, *_GIVES_UP},
    State.WARMING: {State.WAITING, State.STAGING, State.REQUESTED, *_GIVES_UP},
    # Back to the beginning with another point, when the backup itself could not be read.
    State.STAGING: {State.VERIFYING, State.STAGED, State.REQUESTED, *_GIVES_UP},
    State.VERIFYING: {State.COMPARING, State.VERIFIED, *_GIVES_UP},
    State.COMPARING: {State.AWAITING_APPROVAL, State.COMPARED, *_GIVES_UP},
    State.AWAITING_APPROVAL: {State.APPROVED, State.COMPARING, *_GIVES_UP},
    State.APPROVED: {State.SWAPPING, State.AWAITING_APPROVAL, *_GIVES_UP},
    # The point of no return: no cancel from here on; live is as before (and asks again) or swapped.
    State.SWAPPING: {State.SWAPPED, State.AWAITING_APPROVAL, State.FAILED},
    State.SWAPPED: {State.UNDOING, State.RETIRED},
    State.UNDOING: {State.UNDONE, State.SWAPPED, State.FAILED},
    State.CANCELLING: {State.CANCELLED, State.FAILED},
    State.STAGED: {State.VERIFYING, State.CANCELLING, State.RETIRED},
    State.VERIFIED: {State.COMPARING, State.CANCELLING, State.RETIRED},
    State.COMPARED: {State.AWAITING_APPROVAL, State.COMPARING, State.CANCELLING, State.RETIRED},
    State.UNDONE: {State.RETIRED},
    State.FAILED: {State.RETIRED},
    State.CANCELLED: {State.RETIRED},
    State.RETIRED: set(),
}

RESTING = frozenset({State.WAITING, State.AWAITING_APPROVAL, State.STAGED, State.VERIFIED, State.COMPARED})
"""Nobody works on the run, and it still holds something: its place in a queue, or a sandbox."""

_HEEDS_A_WISH = RESTING | {State.SWAPPING}
"""Entering these with a cancel wish noted would lose the wish: nobody looks at it any more."""


def check(run_id: str, now: State, wanted: State, *, cancel_asked: bool) -> None:
    """Raises Refused for a step that is not legal, Cancelled where a cancel was asked for before it was too late."""
    if wanted == now:
        return
    if wanted not in NEXT[now]:
        raise Refused(
            f"restore {run_id} is {now}; it cannot become {wanted}; nothing was changed",
            hint=f"`restorekit status {run_id}` shows where it stands.",
        )
    # Back from a swap that did not happen is no loss of the wish: a resting run is cancelled by asking again.
    steps_back = now in (State.APPROVED, State.SWAPPING) and wanted == State.AWAITING_APPROVAL
    if cancel_asked and wanted in _HEEDS_A_WISH and not steps_back:
        raise Cancelled("cancelled on request", hint="Live is untouched.")

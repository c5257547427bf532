"""The table of legal states has no dead ends, and no way around approval or past the point of no return."""

import pytest

from restorekit.catalog.transitions import NEXT, RESTING, check
from restorekit.errors import Cancelled, Refused
from restorekit.model.run import ACTIVE, State


def reachable(start):
    found, left = set(), [start]
    while left:
        left += (new := NEXT[left.pop()] - found)
        found |= new
    return found


def test_every_state_is_in_the_table_and_can_be_reached():
    assert set(NEXT) == set(State)
    assert reachable(State.REQUESTED) == set(State)


@pytest.mark.parametrize("state", sorted(ACTIVE))
def test_every_active_restore_can_end(state):
    """Otherwise its database would be held for ever."""
    assert State.FAILED in NEXT[state]


def test_nothing_is_swapped_without_approval():
    assert [s for s in State if State.SWAPPING in NEXT[s]] == [State.APPROVED]
    assert [s for s in State if State.APPROVED in NEXT[s]] == [State.AWAITING_APPROVAL]


@pytest.mark.parametrize("state", [State.SWAPPING, State.UNDOING, State.SWAPPED, State.UNDONE])
def test_past_the_point_of_no_return_nothing_is_cancelled(state):
    assert not NEXT[state] & {State.CANCELLING, State.CANCELLED}


@pytest.mark.parametrize("now", list(State))
def test_only_what_the_table_says_is_let_through(now):
    for wanted in State:
        if wanted == now or wanted in NEXT[now]:
            check("r", now, wanted, cancel_asked=False)
        else:
            with pytest.raises(Refused, match=f"{now}; it cannot become {wanted}"):
                check("r", now, wanted, cancel_asked=False)


@pytest.mark.parametrize("wanted", sorted(RESTING | {State.SWAPPING}))
def test_a_cancel_wish_is_heeded_before_it_would_be_forgotten(wanted):
    heeded = set()
    for now in (s for s in State if wanted in NEXT[s]):
        try:
            check("r", now, wanted, cancel_asked=True)
        except Cancelled:
            heeded.add(now)
    assert heeded == {s for s in State if wanted in NEXT[s]} - (
        {State.APPROVED, State.SWAPPING} if wanted == State.AWAITING_APPROVAL else set()
    )

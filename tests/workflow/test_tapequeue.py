"""What a plan foretells of a tape: behind all that waits for the library already."""

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from contract.catalog_values import NOON, act, nothing, plan, request

from restorekit.catalog.store import Store, open_store
from restorekit.model.database import DatabaseId
from restorekit.model.readiness import READY, Library, Piece, Readiness
from restorekit.model.run import State
from restorekit.model.waiting import Waiting
from restorekit.tapeplan import estimate
from restorekit.workflow.house import House
from restorekit.workflow.tapequeue import foreseen


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house of which only the memory is asked."""
    with contextlib.closing(open_store(f"sqlite:///{tmp_path}/state.db")) as store:
        rest: Any = None
        yield House(store, rest, rest, rest, rest, rest, "here")


def on_tape(volume: str, drives: tuple[str, ...] = ("",)) -> Readiness:
    pieces = (Piece(volume=volume, start=0, end=1, size_bytes=30_000_000_000),)
    return Readiness(state="on_tape", library=Library(name="tape", drives=drives), pieces=pieces)


def waits(house: House, name: str, stands: Readiness, state: State = State.WAITING) -> None:
    store = cast(Store, house.catalog)
    database = DatabaseId(engine="db1", name=name)
    run_id = store.request(request(database), (plan(),), act(), nothing)
    store.keep(run_id, Waiting(readiness=stands, host="there", since=NOON, again_at=NOON))
    store.advance(run_id, state)


def in_s(found: Readiness, now: datetime) -> float:
    assert found.ready_at is not None
    return (found.ready_at - now).total_seconds()


def now(house: House) -> datetime:
    runs = house.catalog.runs(limit=1)
    return runs[0].changed_at if runs else NOON


def test_alone_it_takes_what_it_takes(house: House) -> None:
    stands = on_tape("T1")
    assert in_s(foreseen(house, stands, NOON), NOON) == pytest.approx(estimate(stands.pieces))


def test_behind_others_it_takes_longer_and_an_idle_drive_helps(house: House) -> None:
    for number in range(4):
        waits(house, f"shop{number}", on_tape(f"T{number}"))
    at = now(house)
    one, two = (in_s(foreseen(house, on_tape("T9", drives), at), at) for drives in (("",), ("", "")))
    alone = estimate(on_tape("T9").pieces)
    assert one > 4 * alone
    assert alone < two < one


def test_the_job_under_way_counts(house: House) -> None:
    waits(house, "shop", on_tape("T1"), State.WARMING)
    at = now(house)
    alone = estimate(on_tape("T9").pieces)
    assert in_s(foreseen(house, on_tape("T9"), at), at) > 1.5 * alone
    late = at + timedelta(hours=5)
    assert in_s(foreseen(house, on_tape("T9"), late), late) < 1.7 * alone


def test_what_does_not_wait_for_a_tape_is_left_as_it_is(house: House) -> None:
    assert foreseen(house, READY, NOON) == READY
    away = on_tape("T1").model_copy(update={"state": "operator"})
    assert foreseen(house, away, NOON) == away

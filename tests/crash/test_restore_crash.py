"""kill -9 between "done" and "recorded" of every step, through the command line; then `watch` carries on.

Whatever dies where: the restore ends swapped, its swap happened once, live holds what the backup held, undo gives
back the identical damaged state, and nothing is left over.
"""

import contextlib
import signal
import subprocess
from collections.abc import Sequence

import pytest
from crash.story import Story

from restorekit.engines.mariadb.exchange import CRASH_POINTS as MARIADB_POINTS
from restorekit.engines.sqlite import CRASH_POINTS as SQLITE_POINTS

STEPS = ("begin", "warm", "stage", "verify", "diff", "end", "agreed", "clear", "promote", "swap", "tidy", "receipt")
KEPT = (
    "stage.kept",
    "verify.kept",
    "diff.kept",
    "promote.kept",
    "swap.done",
    "swap.kept",
    "receipt.audited",
    "receipt.kept",
)
ORDER = [*(f"workflow.{step}.{when}" for step in STEPS for when in ("begun", "done")), *KEPT]
UNDO = ("workflow.undo.begun", "undo.done", "workflow.undo.done")
SQLITE_ELSEWHERE = {"sqlite.settle.discarded", "sqlite.retire.deleted"}


# ---- one process after the other dies, each a little later than the one before ----

SQLITE_WAY = (
    "sqlite.load.written",
    "stage.kept",
    "workflow.end.done",
    "promote.kept",
    "sqlite.exchange.gated",
    "sqlite.exchange.committed",
    "swap.done",
    "receipt.audited",
    "receipt.kept",
)
SQLITE_WAY_BACK = ("sqlite.exchange.gated", "sqlite.exchange.committed", "undo.done", "workflow.undo.done")
MARIADB_WAY = (
    "sandbox.started",
    "workflow.verify.done",
    "workflow.end.done",
    "mariadb.gated",
    "mariadb.renamed",
    "swap.done",
    "receipt.kept",
)
MARIADB_WAY_BACK = ("mariadb.gated", "mariadb.renamed", "undo.done")


def _all_die(story: Story, way: Sequence[str], way_back: Sequence[str]) -> None:
    for place in way:
        story.die_at(place)
        story.customer_writes()
    story.carry_through()
    story.swapped_once()
    story.stamps = story.stamps / "undo"
    story.stamps.mkdir()
    for place in way_back:
        story.die_at(place)
        story.customer_writes()
    story.undo_through()
    story.undone_once()


def test_sqlite_all_die(wal_story: Story) -> None:
    _all_die(wal_story, SQLITE_WAY, SQLITE_WAY_BACK)


def test_mariadb_all_die(mariadb_story: Story) -> None:
    _all_die(mariadb_story, MARIADB_WAY, MARIADB_WAY_BACK)


# ---- each place alone ----


def _dies_once(story: Story, place: str) -> None:
    env = story.at(place)
    story.ask(**env)
    story.carry_through(**env)
    assert story.died(place), f"nothing ever came to {place}"
    story.swapped_once()
    story.undo_through()
    story.undone_once()


def _dies_on_the_way_back(story: Story, place: str) -> None:
    story.ask()
    story.carry_through()
    story.die_at(place)
    story.customer_writes()
    story.undo_through()
    story.undone_once()


@pytest.mark.long
@pytest.mark.parametrize("place", [*ORDER, *(p for p in SQLITE_POINTS if p not in SQLITE_ELSEWHERE)])
def test_sqlite_dies_once(sqlite_story: Story, place: str) -> None:
    _dies_once(sqlite_story, place)


@pytest.mark.long
@pytest.mark.parametrize("place", [*UNDO, *(p for p in SQLITE_POINTS if p.startswith("sqlite.exchange."))])
def test_sqlite_dies_on_the_way_back(sqlite_story: Story, place: str) -> None:
    _dies_on_the_way_back(sqlite_story, place)


@pytest.mark.long
@pytest.mark.parametrize("place", [*ORDER, "sandbox.copying", "sandbox.started", *MARIADB_POINTS])
def test_mariadb_dies_once(mariadb_story: Story, place: str) -> None:
    _dies_once(mariadb_story, place)


@pytest.mark.long
@pytest.mark.parametrize("place", [*UNDO, *MARIADB_POINTS])
def test_mariadb_dies_on_the_way_back(mariadb_story: Story, place: str) -> None:
    _dies_on_the_way_back(mariadb_story, place)


REFUSAL = ("workflow.settle.begun", "workflow.settle.done", "workflow.fail.begun", "workflow.fail.done")


@pytest.mark.long
@pytest.mark.parametrize("place", [*REFUSAL, "sqlite.settle.discarded"])
def test_dies_while_it_steps_back(wal_story: Story, place: str) -> None:
    """Live has moved: whoever dies over that, the next one says so, and a new approval is over what is there now."""
    story = wal_story
    assert story.ask().code == 6
    story.shop.run("INSERT INTO visits VALUES ('late')")
    story.damaged = story.shop.everything()
    assert story.house.run("approve", story.id, env=story.at(place)).code == -signal.SIGKILL
    assert story.watched().code == 7
    assert story.shop.everything() == story.damaged
    answer = story.house.run("approve", story.id, "--json")
    assert (answer.code, answer.json["state"], answer.json["slipped"]) == (0, "swapped", []), answer
    story.swapped_once()
    story.undo_through()
    story.undone_once()


@pytest.mark.long
@pytest.mark.parametrize("place", ["workflow.discard.begun", "workflow.discard.done"])
def test_dies_while_it_cleans_up(wal_story: Story, place: str) -> None:
    story = wal_story
    assert story.ask().code == 6
    assert story.house.run("cancel", story.id, env=story.at(place)).code == -signal.SIGKILL
    assert story.watched().json["state"] == "cancelled"
    assert story.shop.everything() == story.damaged
    story.traces("cancelled", 0)


@pytest.mark.long
def test_dies_while_it_retires(wal_story: Story) -> None:
    story = wal_story
    story.house.playbooks["refusing"] += "undo: {keep: 0s}\n"
    story.house.write()
    story.ask()
    story.carry_through()
    assert story.house.run("retire", env=story.at("sqlite.retire.deleted")).code == -signal.SIGKILL
    story.house.ok("retire")
    assert story.state() == "retired"
    assert story.shop.everything() == story.whole
    assert story.shop.left_beside() == ([], [])
    story.house.ok("audit", "verify")


# ---- between two commands: the run rests, but its last step was never recorded ----


@pytest.fixture
def resting(wal_story: Story) -> Story:
    """Waits for approval; the worker died before it could record that."""
    assert wal_story.ask(**wal_story.at("workflow.end.done")).code == -signal.SIGKILL
    assert wal_story.watched().json["state"] == "awaiting_approval"
    return wal_story


def test_approved_although_the_end_was_not_recorded(resting: Story) -> None:
    answer = resting.house.run("approve", resting.id, "--json")
    assert (answer.code, answer.json["state"]) == (0, "swapped"), answer
    resting.swapped_once()


def test_cancelled_although_the_end_was_not_recorded(resting: Story) -> None:
    resting.house.ok("cancel", resting.id)
    assert resting.watched().json["state"] == "cancelled"
    resting.traces("cancelled", 0)
    assert resting.shop.everything() == resting.damaged


def test_approved_again_although_stepping_back_was_not_recorded(wal_story: Story) -> None:
    """The end of the first attempt must not be taken for one of the second."""
    story = wal_story
    assert story.ask().code == 6
    story.shop.run("INSERT INTO visits VALUES ('late')")
    story.damaged = story.shop.everything()
    assert story.house.run("approve", story.id, env=story.at("workflow.fail.done")).code == -signal.SIGKILL
    assert story.watched().code == 7
    answer = story.house.run("approve", story.id, "--json")
    assert (answer.code, answer.json["state"]) == (0, "swapped"), answer
    story.swapped_once()
    story.undo_through()
    story.undone_once()


def test_cancelled_although_stepping_back_was_not_recorded(wal_story: Story) -> None:
    story = wal_story
    assert story.ask().code == 6
    story.shop.run("INSERT INTO visits VALUES ('late')")
    story.damaged = story.shop.everything()
    assert story.house.run("approve", story.id, env=story.at("workflow.fail.done")).code == -signal.SIGKILL
    story.house.ok("cancel", story.id)
    assert story.state() == "cancelled"
    assert story.shop.everything() == story.damaged
    story.traces("cancelled", 0)


def test_undone_again_although_the_failure_was_not_recorded(wal_story: Story) -> None:
    story = wal_story
    story.ask()
    story.carry_through()
    ((copy,),) = [story.shop.left_beside()[1]]
    own = wal_story.shop.folder / "live" / ".restorekit"
    (own / f"{copy}.db").rename(own / "away")
    assert story.undo(**story.at("workflow.fail.done")).code == -signal.SIGKILL
    assert story.shop.everything() == story.whole
    (own / "away").rename(own / f"{copy}.db")
    answer = story.undo()
    assert (answer.code, answer.json["state"]) == (0, "undone"), answer
    story.undone_once()


def test_settling_takes_long(wal_story: Story) -> None:
    """Live is the new side already, a customer's transaction delays what is left to do: nobody may deny the swap."""
    story = wal_story
    story.ask()
    place = "sqlite.exchange.committed"
    assert story.house.run("approve", story.id, env=story.at(place)).code == -signal.SIGKILL
    customer = story.shop.connect()
    customer.execute("BEGIN IMMEDIATE")
    with story.house.start("watch", story.id, "--json") as watching:
        with contextlib.suppress(subprocess.TimeoutExpired):  # it waits for the customer, as it should
            watching.wait(2)
        customer.rollback()
        customer.close()
        assert watching.wait() == 0, watching.said
    story.swapped_once()


def test_undone_before_the_receipt_was_written(wal_story: Story) -> None:
    """Without a receipt nothing says `swapped`: whoever reads that can undo."""
    story = wal_story
    story.ask()
    assert story.house.run("approve", story.id, env=story.at("receipt.kept")).code == -signal.SIGKILL
    assert story.house.ok("status", story.id, "--json").json["state"] == "swapping"
    assert story.watched().json["state"] == "swapped"
    story.swapped_once()
    story.undo_through()
    story.undone_once()

"""kill -9 between "done" and "recorded" of every step, through the command line; then `watch` carries on.

Whatever dies where: the restore ends swapped, its swap happened once, live holds what the backup held, undo gives
back the identical damaged state, and nothing is left over.
"""

import contextlib
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pymysql
import pytest
from crash.nursery import Nursery
from crash.shops import DAMAGE, NAME, MariaDBShop, Shop, SQLiteShop
from scenarios.house import Answer
from servers.mariadb import LiveServer, server_folder

from restorekit.engines.mariadb.exchange import CRASH_POINTS as MARIADB_POINTS
from restorekit.engines.sqlite import CRASH_POINTS as SQLITE_POINTS

STEPS = ("begin", "stage", "verify", "diff", "end", "agreed", "clear", "promote", "swap", "tidy", "receipt")
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
SQLITE_NOT_IN_A_RESTORE = {"sqlite.settle.discarded", "sqlite.retire.deleted"}


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery.running(tmp_path_factory.mktemp("nursery")) as running:
        yield running


@pytest.fixture(params=["wal", "delete"])
def sqlite_shop(tmp_path: Path, nursery: Nursery, request: pytest.FixtureRequest) -> Iterator[SQLiteShop]:
    with SQLiteShop.open(tmp_path, nursery, request.param) as shop:
        yield shop


class Story:
    """A damaged shop and one restore of it; what must be true at its end."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        self.shop = shop
        self.house = shop.house
        self.stamps = folder / "stamps"
        self.stamps.mkdir(exist_ok=True)
        self.whole = shop.everything()
        self.point = shop.back_up()
        shop.run(*DAMAGE)
        self.damaged = shop.everything()
        self.id = ""

    def at(self, place: str) -> dict[str, str]:
        """The environment of a command that dies there, once."""
        return {"RESTOREKIT_CRASH_AT": place, "RESTOREKIT_CRASH_ONCE": str(self.stamps)}

    def died(self, place: str) -> bool:
        return (self.stamps / f"crashed.{place}").exists()

    def ask(self, **env: str) -> Answer:
        """Order the restore; its id is said before anything can go wrong."""
        answer = self.house.run("restore", NAME, "--point", self.point, env=env)
        said = re.search(r"^Restore ([a-z0-9]+)$", answer.out, re.MULTILINE)
        assert said, answer
        self.id = said[1]
        return answer

    def watched(self, **env: str) -> Answer:
        return self.house.run("watch", self.id, "--json", env=env)

    def die_at(self, place: str) -> None:
        """Give the next command, and the next, until one dies there."""
        env = self.at(place)
        for _ in range(3):
            word = {"swapped": "undo", "awaiting_approval": "approve"}.get(self.state(), "watch")
            answer = self.house.run(word, self.id, env=env) if self.id else self.ask(**env)
            if self.died(place):
                assert answer.code == -signal.SIGKILL, answer
                return
        raise AssertionError(f"nothing came to {place}: {answer}")

    def state(self) -> str:
        return "" if not self.id else str(self.house.ok("status", self.id, "--json").json["state"])

    def customer_writes(self) -> None:
        """Within a minute after any death the customer can write again, though no command of ours has run since."""
        end = time.monotonic() + 60
        while True:
            try:
                with contextlib.closing(self.shop.connect()) as session:
                    session.cursor().execute("UPDATE totals SET amount = amount + 1")
                    session.rollback()
            except (sqlite3.Error, pymysql.err.Error):
                assert time.monotonic() < end
                time.sleep(0.1)  # when the gate opens can only be tried
            else:
                return

    def carry_through(self, **env: str) -> None:
        """What somebody does who knows nothing but `watch` and `approve`, until it is swapped."""
        for _ in range(4):
            answer = self.watched(**env)
            if answer.code == 0:
                break
            assert answer.code in (6, -signal.SIGKILL), answer
            if answer.code == 6:
                answer = self.house.run("approve", self.id, "--json", env=env)
                if answer.code == 0:
                    break
                assert answer.code == -signal.SIGKILL, answer
        assert answer.json["state"] == "swapped", answer

    def swapped_once(self) -> None:
        """Live is what the backup was; one effect, one trace of it, nothing left over."""
        assert self.shop.everything() == self.whole
        self.traces("swapped", 1)
        self.house.ok("receipt", self.id, "--json")

    def undone_once(self) -> None:
        """Live is what it was before the restore; what the restore had made of it is kept."""
        assert self.shop.everything() == self.damaged
        self.traces("undone", self.shop.copies_after_undo)

    def traces(self, verb: str, undo_copies: int) -> None:
        entries = self.house.ok("audit", NAME, "--json").json
        assert [e["act"]["verb"] for e in entries if e["act"]["restore_id"] == self.id].count(verb) == 1
        holding, kept = self.shop.left_beside()
        assert (holding, len(kept)) == ([], undo_copies), (holding, kept)
        assert self.sandboxes() == []
        self.house.nothing_runs()
        self.house.ok("audit", "verify")

    def sandboxes(self) -> list[str]:
        return sorted(p.name for p in (self.house.folder / "staging").iterdir() if p.name != "locks")

    def undo(self, **env: str) -> Answer:
        return self.house.run("undo", self.id, "--json", env=env)

    def undo_through(self) -> None:
        """`undo`, or `watch` where it has been asked for already."""
        answer = self.watched()
        if answer.json["state"] == "swapped":
            answer = self.undo()
        assert (answer.code, answer.json["state"]) == (0, "undone"), answer


@pytest.fixture
def wal_story(tmp_path: Path, nursery: Nursery) -> Iterator[Story]:
    with SQLiteShop.open(tmp_path, nursery) as shop:
        yield Story(shop, tmp_path)


@pytest.fixture(scope="session")
def server() -> Iterator[LiveServer]:
    with LiveServer.running() as running:
        yield running


@pytest.fixture
def mariadb_story(nursery: Nursery, server: LiveServer) -> Iterator[Story]:
    folder = server_folder("rk-crash-")
    try:
        with MariaDBShop.open(folder, nursery, server) as shop:
            yield Story(shop, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def sqlite_story(sqlite_shop: SQLiteShop, tmp_path: Path) -> Story:
    return Story(sqlite_shop, tmp_path)


# ---- one process after the other dies, each a little later than the one before ----

SQLITE_WAY = (
    "sqlite.load.written",
    "stage.kept",
    "workflow.verify.done",
    "diff.kept",
    "workflow.end.done",
    "promote.kept",
    "sqlite.exchange.gated",
    "sqlite.exchange.committed",
    "swap.done",
    "workflow.tidy.done",
    "receipt.audited",
    "receipt.kept",
)
SQLITE_WAY_BACK = ("sqlite.exchange.gated", "sqlite.exchange.committed", "undo.done", "workflow.undo.done")
MARIADB_WAY = (
    "sandbox.started",
    "stage.kept",
    "workflow.verify.done",
    "workflow.end.done",
    "promote.kept",
    "mariadb.gated",
    "mariadb.objects_dropped",
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
@pytest.mark.parametrize("place", [*ORDER, *(p for p in SQLITE_POINTS if p not in SQLITE_NOT_IN_A_RESTORE)])
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
            watching.wait(4)
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

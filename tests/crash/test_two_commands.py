"""Two command lines at once, either of them killed; Ctrl-C; a cancel from elsewhere while work is under way."""

import contextlib
import re
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from crash.shops import NAME
from crash.story import Story
from scenarios.nursery import Command


def _until(command: Command, words: str, patience_s: float = 60) -> str:
    """Wait until it has said that; what another process writes can only be polled."""
    end = time.monotonic() + patience_s
    while not (found := re.search(words, "".join(command.said), re.MULTILINE)):
        assert command.poll() is None, command.said
        assert time.monotonic() < end, command.said
        time.sleep(0.005)
    return found[found.lastindex or 0]


@contextlib.contextmanager
def _held(story: Story) -> Iterator[Any]:
    """A customer's transaction that the swap has to wait for; calling what is yielded ends it."""
    with contextlib.closing(story.shop.connect()) as customer:
        customer.execute("BEGIN IMMEDIATE")
        yield customer.rollback
        customer.rollback()


@pytest.fixture
def approved(wal_story: Story) -> Story:
    assert wal_story.ask().code == 6
    return wal_story


@pytest.mark.parametrize("victim", ["the worker", "the onlooker"])
def test_either_of_two_dies(approved: Story, victim: str) -> None:
    story = approved
    with _held(story) as let_go, story.house.start("approve", story.id, "--json") as worker:
        _until(worker, "^swapping$")
        with story.house.start("watch", story.id, "--json") as onlooker:
            _until(onlooker, "^swapping$")
            dies, stays = (worker, onlooker) if victim == "the worker" else (onlooker, worker)
            assert dies.kill() == -signal.SIGKILL
            let_go()
            assert stays.wait() == 0, stays.said
    story.swapped_once()


@pytest.mark.long
def test_interrupted_in_the_swap(approved: Story) -> None:
    story = approved
    with _held(story), story.house.start("approve", story.id) as worker:
        _until(worker, "^swapping$")
        worker.send_signal(signal.SIGINT)
        assert worker.wait() == 130, worker.said
    story.house.nothing_runs()
    assert story.shop.everything() == story.damaged
    story.carry_through()
    story.swapped_once()


def test_interrupted_while_staging(mariadb_story: Story) -> None:
    """No child is left, no server either; the next command carries on."""
    story = mariadb_story
    with story.house.start("restore", NAME, "--point", story.point) as worker:
        _until(worker, "^staging$")
        story.id = _until(worker, "^Restore ([a-z0-9]+)$")
        worker.send_signal(signal.SIGINT)
        assert worker.wait() == 130, worker.said
    assert f"watch {story.id}" in worker.said[1]
    story.house.nothing_runs(patience_s=1)
    story.carry_through()
    story.swapped_once()


def test_cancelled_while_staging(mariadb_story: Story) -> None:
    story = mariadb_story
    with story.house.start("restore", NAME, "--point", story.point) as worker:
        _until(worker, "^staging$")
        story.id = _until(worker, "^Restore ([a-z0-9]+)$")
        story.house.ok("cancel", story.id)
        assert worker.wait() == 130, worker.said
    assert story.watched().json["state"] == "cancelled"
    assert story.shop.everything() == story.damaged
    story.traces("cancelled", 0)


def test_cancelled_after_the_worker_died(wal_story: Story) -> None:
    story = wal_story
    assert story.ask(**story.at("stage.kept")).code == -signal.SIGKILL
    story.house.ok("cancel", story.id)
    assert story.state() == "cancelled"
    assert story.shop.everything() == story.damaged
    story.traces("cancelled", 0)

"""kill -9 of a restore that asks for a thaw or waits for it: asked for once, prepared by one at a time, never lost."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from scenarios.ground import until
from scenarios.ice import Ice
from servers.s3 import Moto, moto_server

__all__ = ["moto_server"]
SHOP = "acme_shop"


def later(place: str) -> object:
    """One more of its kind, for the campaigns."""
    return pytest.param(place, marks=pytest.mark.long)


@pytest.fixture
def ice(tmp_path: Path, moto_server: Moto) -> Iterator[Ice]:
    with Ice.open(tmp_path, moto_server) as ice:
        yield ice


def crash(folder: Path, place: str) -> dict[str, str]:
    return {"RESTOREKIT_CRASH_AT": place, "RESTOREKIT_CRASH_ONCE": str(folder)}


def dies(ice: Ice, folder: Path, place: str) -> str:
    """A restore whose thaw was asked for and whose worker died there; its id."""
    point = ice.freeze(SHOP)
    ice.tap.held.add(SHOP)
    answer = ice.house.run(*ice.words(SHOP, point, "--json"), env=crash(folder, place))
    assert answer.code == -signal.SIGKILL, answer
    return ice.newest()


@pytest.mark.parametrize("place", ["warm.done", "warm.waiting", later("workflow.warm.done")])
def test_the_next_command_carries_on_and_asks_for_no_second_thaw(ice: Ice, tmp_path: Path, place: str) -> None:
    run_id = dies(ice, tmp_path, place)
    left = ice.house.run("watch", run_id, "--no-wait", "--json")
    assert (left.code, left.json["state"]) == (8, "waiting"), left
    done = ice.carried_through(run_id)
    assert (done.code, done.json["state"]) == (0, "staged"), done
    assert ice.thaws_asked(SHOP) == 1
    assert ice.orders(run_id) == ["SUCCESS"] * 2
    assert not ice.notes(), "nobody needs its thaw any more"


@pytest.mark.parametrize("place", [later("workflow.begin.begun"), "workflow.warm.begun"])
def test_dies_right_after_it_was_woken(ice: Ice, tmp_path: Path, place: str) -> None:
    run_id = ice.left_waiting(SHOP)
    ice.tap.held.clear()
    assert ice.house.run("watch", run_id, env=crash(tmp_path, place)).code == -signal.SIGKILL
    assert ice.state(run_id) == "requested"
    done = ice.carried_through(run_id)
    assert (done.code, done.json["state"]) == (0, "staged"), done
    assert (ice.thaws_asked(SHOP), ice.orders(run_id)) == (1, ["SUCCESS"] * 2)


@pytest.mark.parametrize("victim", ["the worker", later("the onlooker")])
def test_either_of_two_that_wait_dies(ice: Ice, victim: str) -> None:
    point = ice.freeze(SHOP)
    ice.tap.held.add(SHOP)
    with ice.house.start(*ice.words(SHOP, point, "--json")) as worker:
        until(lambda: ice.thaws_asked(SHOP), "a thaw is asked for")
        run_id = ice.newest()
        ice.waits(run_id)
        with ice.house.start("watch", run_id, "--json") as onlooker:
            until(lambda: "waiting" in onlooker.said[1], "it looks on")
            dies, stays = (worker, onlooker) if victim == "the worker" else (onlooker, worker)
            assert dies.kill() == -signal.SIGKILL
            ice.tap.held.clear()
            assert stays.wait() == 0, stays.said
    assert ice.state(run_id) == "staged"
    assert (ice.thaws_asked(SHOP), ice.orders(run_id)) == (1, ["SUCCESS"] * 2)


@pytest.mark.parametrize("place", ["warm.done", later("warm.waiting"), later("workflow.warm.done")])
def test_cancelled_after_the_worker_died(ice: Ice, tmp_path: Path, place: str) -> None:
    run_id = dies(ice, tmp_path, place)
    answer = ice.house.run("cancel", run_id, "--json")
    assert (answer.code, answer.json["state"], answer.json["error"]) == (0, "cancelled", None), answer
    assert ice.thaws_asked(SHOP) == 1
    assert not ice.notes(), "the source is cooled"
    assert "PENDING" not in ice.orders(run_id)
    acts = [e["act"]["verb"] for e in ice.house.ok("audit", f"files/{SHOP}", "--json").json]
    assert (acts.count("cancelled"), acts.count("failed")) == (1, 0)


def test_a_store_that_is_away_does_not_end_what_waits(ice: Ice, tmp_path: Path) -> None:
    """The worker died when the restore already waited; the next one finds nobody who could say how it stands."""
    run_id = dies(ice, tmp_path, "warm.waiting")
    ice.tap.dry = True
    left = ice.house.run("watch", run_id, "--no-wait", "--json")
    assert (left.code, left.json["state"]) == (8, "waiting"), left
    ice.tap.dry = False
    done = ice.carried_through(run_id)
    assert (done.code, done.json["state"]) == (0, "staged"), done
    assert ice.thaws_asked(SHOP) == 1

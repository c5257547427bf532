"""Several restores on one host, some of which wait: none holds up another, nor a command that need not wait."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from scenarios.ground import until
from scenarios.ice import Ice
from servers.s3 import Moto

SHOP, BLOG, LATE = "acme_shop", "beta_blog", "late_shop"


@pytest.fixture
def ice(tmp_path: Path, moto_server: Moto) -> Iterator[Ice]:
    with Ice.open(tmp_path, moto_server) as ice:
        yield ice


def plain(ice: Ice, folder: Path, name: str) -> str:
    """A database with a dump in a folder that is always at hand; its point."""
    dumps = folder / "dumps" / "files"
    dumps.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(ice.live / f"{name}.db")) as shop, shop:
        shop.execute("CREATE TABLE t (v INT)")
    (dumps / f"{name}.db").write_bytes((ice.live / f"{name}.db").read_bytes())
    layout = "{engine}/{database}.db"
    ice.house.sources["plain"] = {"kind": "directory", "path": folder / "dumps", "layout": layout, "quiet_s": 0}
    ice.house.write()
    return ice.house.point(f"files/{name}")


def test_each_goes_on_when_its_own_thaw_has_ended(ice: Ice, tmp_path: Path) -> None:
    """The one whose command is the worker waits longest; another database is restored meanwhile."""
    late = ice.left_waiting(LATE)
    shop = ice.left_waiting(SHOP)
    other = plain(ice, tmp_path, BLOG)
    with ice.house.start("watch", late, "--json") as longest, ice.house.start("watch", shop, "--json") as shorter:
        until(lambda: "waiting" in longest.said[1] and "waiting" in shorter.said[1], "both look on")
        done = ice.house.run("restore", f"files/{BLOG}", "--point", other, "--until", "staged", "--json")
        assert (done.code, done.json["state"]) == (0, "staged"), done
        assert (longest.poll(), shorter.poll()) == (None, None)
        ice.tap.held.remove(SHOP)
        assert shorter.wait() == 0, shorter.said
        assert (longest.poll(), ice.state(late)) == (None, "waiting")
        ice.tap.held.clear()
        assert longest.wait() == 0, longest.said
    assert [ice.state(run) for run in (late, shop)] == ["staged", "staged"]
    assert (ice.thaws_asked(LATE), ice.thaws_asked(SHOP)) == (1, 1)


def test_a_command_leaves_though_another_restore_waits(ice: Ice, tmp_path: Path) -> None:
    run_id = ice.left_waiting(SHOP)
    other = plain(ice, tmp_path, BLOG)
    done = ice.house.run("restore", f"files/{BLOG}", "--point", other, "--until", "staged", "--json", timeout=30)
    assert (done.code, ice.state(run_id)) == (0, "waiting"), done


def test_a_glance_now_and_then_is_enough(ice: Ice) -> None:
    """`watch --no-wait` out of cron: it goes on as soon as the thaw has ended, though nobody ever stays."""
    run_id = ice.left_waiting(SHOP)
    again = ice.house.run("watch", run_id, "--no-wait", "--json")
    assert (again.code, again.json["waiting"]["for"]) == (8, "thawing"), again
    ice.tap.held.clear()
    until(lambda: ice.house.run("watch", run_id, "--no-wait", "--json").code == 0, "it is staged")
    assert ice.state(run_id) == "staged"


def test_a_store_that_does_not_answer_holds_up_nobody(ice: Ice, tmp_path: Path, moto_server: Moto) -> None:
    """Its restores go on waiting, say why, and go on when it answers; those of another store do not notice."""
    away = ice.left_waiting(LATE)
    (tmp_path / "other").mkdir()
    with Ice.open(tmp_path / "other", moto_server) as second:
        ice.house.sources["second"] = second.house.sources["glacier"]
        ice.house.write()
        near = left_waiting_elsewhere(ice, second)
        ice.tap.dry = True
        with ice.house.start("watch", away, "--json") as waits:
            until(lambda: "cannot be said now" in waits.said[1], "the store is asked in vain", 30)
            second.tap.held.clear()
            until(lambda: ice.state(near) == "staged", "the other one is staged", 30)
            told = ice.house.ok("status", away, "--json").json
            assert (told["state"], told["waiting"]["for"], told["error"]) == ("waiting", "thawing", None)
            assert "asked in vain" in told["waiting"]["words"]["en"]
            ice.tap.held.clear()
            ice.tap.dry = False
            assert waits.wait() == 0, waits.said
    assert ice.state(away) == "staged"
    assert ice.thaws_asked(LATE) == 1


def left_waiting_elsewhere(ice: Ice, second: Ice) -> str:
    """A restore of the same host whose backup thaws in another store."""
    with contextlib.closing(sqlite3.connect(ice.live / f"{SHOP}.db")) as shop, shop:
        shop.execute("CREATE TABLE t (v INT)")
    second.put(SHOP, "2026-01-17", (ice.live / f"{SHOP}.db").read_bytes())
    second.tap.held.add(SHOP)
    answer = ice.house.run(*ice.words(SHOP, ice.house.point(f"files/{SHOP}"), "--no-wait", "--json"))
    assert (answer.code, answer.json["state"]) == (8, "waiting"), answer
    return str(answer.json["id"])


def test_what_another_host_has_put_to_wait_is_left_alone(ice: Ice, tmp_path: Path) -> None:
    run_id = ice.left_waiting(SHOP)
    other = plain(ice, tmp_path, BLOG)
    ice.tap.held.clear()
    elsewhere = tmp_path / "elsewhere.yaml"
    elsewhere.write_text(json.dumps({**json.loads(ice.house.config.read_text()), "host": "elsewhere"}))
    asked = ice.tap.count("HEAD", SHOP)
    words = ("restore", f"files/{BLOG}", "--point", other, "--until", "staged", "--json")
    done = ice.house.run(*words, env={"RESTOREKIT_CONFIG": str(elsewhere)})
    assert (done.code, done.json["state"]) == (0, "staged"), done
    assert ice.state(run_id) == "waiting"
    assert ice.tap.count("HEAD", SHOP) == asked, "nobody there asks about it"
    assert ice.carried_through(run_id).json["state"] == "staged"


def test_cancelled_while_somebody_waits_for_it(ice: Ice) -> None:
    run_id = ice.left_waiting(SHOP)
    assert ice.notes()
    with ice.house.start("watch", run_id, "--json") as waits:
        until(lambda: "waiting" in waits.said[1], "it waits")
        assert ice.house.ok("cancel", run_id, "--json").json["state"] == "cancelled"
        assert waits.wait() == 130, waits.said
    assert not ice.notes(), "the source is cooled"
    ice.tap.held.clear()
    again = ice.house.run(*ice.words(SHOP, ice.house.point(f"files/{SHOP}"), "--json"))
    assert (again.code, again.json["state"]) == (0, "staged"), again
    assert ice.thaws_asked(SHOP) == 1, "what was asked for before serves the next one"

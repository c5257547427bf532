"""A backup that cannot be read gives way to the next best: said in the open, agreed to anew, no point skipped."""

import contextlib
import hashlib
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scenarios.house import Answer, FastInstallation
from scenarios.ice import Ice
from servers.s3 import Moto

NIGHTS = ("2026-01-14", "2026-01-15", "2026-01-16", "2026-01-17", "2026-01-18")
AUTO = "name: auto\napproval: {auto: true}\nproof: {min_level: 3}\n"


class Shelf:
    """A live SQLite database and a folder with a dump of each night; live lost its rows since."""

    def __init__(self, folder: Path) -> None:
        self.live, self.dumps = folder / "live" / "shop.db", folder / "dumps" / "files" / "shop"
        for place in (self.live.parent, self.dumps):
            place.mkdir(parents=True)
        with contextlib.closing(sqlite3.connect(self.live)) as shop, shop:
            shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT)")
            for number, night in enumerate(NIGHTS, 1):
                shop.execute("INSERT INTO orders VALUES (?, ?)", (number, f"item {number}"))
                shop.commit()
                (self.dumps / f"{night}T0230.db").write_bytes(self.live.read_bytes())
            shop.execute("DELETE FROM orders")
        layout = "{engine}/{database}/{time:%Y-%m-%dT%H%M}.db"
        self.house = FastInstallation(
            folder=folder / "house",
            engines={"files": {"kind": "sqlite", "directory": self.live.parent}},
            sources={"plain": {"kind": "directory", "path": folder / "dumps", "layout": layout, "quiet_s": 0}},
            databases={"shop": {"customer": "acme", "engine": "files", "playbook": "low"}},
            playbooks={"auto": AUTO, "low": AUTO.replace("auto", "low", 1).replace("true", "false")},
        )

    def spoil(self, *nights: str) -> None:
        """What lies beside the dump says another digest than its own."""
        for night in nights:
            (self.dumps / f"{night}T0230.db.sha256").write_text(hashlib.sha256(b"another").hexdigest() + "\n")

    def use(self, playbook: str) -> None:
        self.house.databases["shop"]["playbook"] = playbook
        self.house.write()

    def restore(self, *more: str, before: str = "2026-01-19T00:00:00+01:00", **env: str) -> Answer:
        return self.house.run("restore", "files/shop", "--before", before, *more, "--json", env=env)

    def points(self) -> dict[str, dict[str, Any]]:
        """By the night they are of."""
        found = self.house.ok("points", "files/shop", "--scan", "--json").json
        return {p["consistent_at"][:10]: p for p in found}

    def rows(self) -> int:
        with contextlib.closing(sqlite3.connect(self.live)) as shop:
            return int(shop.execute("SELECT COUNT(*) FROM orders").fetchone()[0])

    def verbs(self, run_id: str) -> list[str]:
        entries = self.house.ok("audit", "files/shop", "--json").json
        return [e["act"]["verb"] for e in entries if e["act"]["restore_id"] == run_id]


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path)
    yield shelf
    shelf.house.end()


@pytest.mark.parametrize("consent", ["--yes", "auto"])
def test_an_earlier_consent_does_not_hold_for_another_point(shelf: Shelf, consent: str) -> None:
    shelf.use("auto" if consent == "auto" else "low")
    points = shelf.points()
    shelf.spoil(NIGHTS[-1])
    told = shelf.restore(*(["--yes"] if consent == "--yes" else []))
    assert (told.code, told.json["state"]) == (6, "awaiting_approval"), told
    assert told.json["point"] == points[NIGHTS[-2]]["id"]
    assert [points[NIGHTS[-1]]["id"] in line for line in told.json["fallen"]] == [True]
    assert shelf.rows() == 0
    flagged = shelf.points()[NIGHTS[-1]]
    assert (flagged["state"], told.json["id"] in flagged["why"]) == ("suspicious", True)
    refused = shelf.house.ok("plan", "files/shop", "--before", "2026-01-19T00:00:00+01:00", "--json").json
    assert refused["point"]["id"] == points[NIGHTS[-2]]["id"], "it is not proposed again"
    approved = shelf.house.ok("approve", told.json["id"], "--json").json
    assert (approved["state"], shelf.rows()) == ("swapped", len(NIGHTS) - 1)


def test_without_a_fall_the_consent_holds(shelf: Shelf) -> None:
    told = shelf.restore("--yes")
    assert (told.code, told.json["state"], shelf.rows()) == (0, "swapped", len(NIGHTS)), told


def test_a_named_point_has_no_substitute(shelf: Shelf) -> None:
    named = shelf.points()[NIGHTS[-1]]["id"]
    shelf.spoil(NIGHTS[-1])
    told = shelf.house.run("restore", "files/shop", "--point", named, "--yes", "--json")
    assert (told.code, told.json["state"], told.json["point"]) == (5, "failed", named), told
    assert (told.json["fallen"], told.json["error"]["code"]) == ([], "source_damaged")
    assert shelf.points()[NIGHTS[-1]]["state"] == "suspicious"
    assert shelf.rows() == 0


def test_when_no_point_can_be_read_all_sentences_are_there(shelf: Shelf) -> None:
    points = shelf.points()
    for night in NIGHTS[:2]:
        (shelf.dumps / f"{night}T0230.db").unlink()
    shelf.spoil(*NIGHTS[2:])
    told = shelf.restore()
    assert (told.code, told.json["state"]) == (5, "failed"), told
    tried = [points[night]["id"] for night in reversed(NIGHTS[2:])]
    assert [point in line for point, line in zip(tried, told.json["fallen"], strict=False)] == [True, True]
    assert told.json["point"] == tried[-1]
    shown = " ".join(shelf.house.ok("status", told.json["id"]).out.split())
    assert "live untouched" in shown
    assert all(point in shown for point in tried), shown
    assert shown.count("could not be read") == 2
    assert {shelf.points()[night]["state"] for night in NIGHTS[2:]} == {"suspicious"}
    assert shelf.restore().code == 4, "nothing is left to be proposed"


def test_not_more_than_three_give_way(shelf: Shelf) -> None:
    shelf.points()
    shelf.spoil(*NIGHTS)
    told = shelf.restore()
    assert (told.code, len(told.json["fallen"])) == (5, 3), told
    assert shelf.points()[NIGHTS[0]]["state"] == "usable", "nobody has tried it"


@pytest.mark.parametrize("place", ["workflow.fall back.begun", "fallback.moved", "workflow.fall back.done"])
def test_a_crash_skips_no_point(shelf: Shelf, tmp_path: Path, place: str) -> None:
    points = shelf.points()
    shelf.spoil(NIGHTS[-1])
    died = shelf.restore("--until", "verified", RESTOREKIT_CRASH_AT=place, RESTOREKIT_CRASH_ONCE=str(tmp_path))
    assert died.code == -signal.SIGKILL, died
    run_id = str(shelf.house.ok("status", "--json").json[0]["id"])
    told = shelf.house.ok("watch", run_id, "--json").json
    assert (told["state"], told["point"]) == ("verified", points[NIGHTS[-2]]["id"])
    assert len(told["fallen"]) == 1
    assert shelf.verbs(run_id).count("fell back") == 1
    ending = " ".join(shelf.house.ok("watch", run_id).out.split())
    assert f"{points[NIGHTS[-1]]['id']} from plain could not be read" in ending
    assert f"instead: {points[NIGHTS[-2]]['id']} from plain" in ending


# ---- in cold storage ----


@pytest.fixture
def ice(tmp_path: Path, moto_server: Moto) -> Iterator[Ice]:
    with Ice.open(tmp_path, moto_server) as ice:
        yield ice


@pytest.mark.parametrize("named", [False, True])
def test_a_backup_that_goes_while_it_thaws(ice: Ice, named: bool) -> None:
    """It is not waited for for ever: another one takes its place, or the restore ends."""
    newest = ice.freeze("shop", "2026-01-16", "2026-01-17")
    older = ice.house.point("files/shop", 1)
    ice.put("shop", "2026-01-16", (ice.live / "shop.db").read_bytes(), "STANDARD")
    ice.tap.held.add("shop/2026-01-17")
    how = ("--point", newest) if named else ("--before", "2026-01-18T00:00:00+01:00")
    words = ("restore", "files/shop", *how, "--thaw", "standard", "--until", "staged", "--json")
    left = ice.house.run(*words, "--no-wait")
    assert (left.code, left.json["state"]) == (8, "waiting"), left
    ice.delete("shop", "2026-01-17")
    told = ice.house.run("watch", left.json["id"], "--json", timeout=30)
    if named:
        assert (told.code, told.json["state"], told.json["error"]["code"]) == (4, "failed", "point_expired"), told
    else:
        assert (told.code, told.json["state"]) == (0, "staged"), told
        assert told.json["point"] != newest
        assert newest in told.json["fallen"][0]
        assert older


@pytest.mark.parametrize("crash", [False, True])
def test_another_thaw_is_not_paid_for_unasked(ice: Ice, tmp_path: Path, crash: bool) -> None:
    """The next best is frozen, too: what that costs was never shown to anybody."""
    ice.freeze("shop", "2026-01-16", "2026-01-17")
    ice.put("shop", "2026-01-17", (ice.live / "shop.db").read_bytes(), "STANDARD")
    ice.put("shop", "2026-01-17", hashlib.sha256(b"another").hexdigest().encode(), "STANDARD", ".sha256")
    newest, older = ice.house.point("files/shop"), ice.house.point("files/shop", 1)
    env = {"RESTOREKIT_CRASH_AT": "fallback.moved", "RESTOREKIT_CRASH_ONCE": str(tmp_path)} if crash else {}
    words = ("restore", "files/shop", "--before", "2026-01-18T00:00:00+01:00", "--until", "staged", "--json")
    told = ice.house.run(*words, env=env)
    if crash:
        assert told.code == -signal.SIGKILL
        told = ice.house.run("watch", ice.newest(), "--json")
    assert (told.code, told.json["error"]["code"]) == (3, "needs_choice"), told
    assert newest in told.json["fallen"][0]
    assert f"--point {older} --thaw" in told.json["error"]["hint"]
    assert ice.tap.count("POST", "restore") == 0

"""One tape library for a customer and the nightly proof; and an operator who is told once, whoever dies."""

import json
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from scenarios.ground import until
from scenarios.house import FastInstallation
from servers.bacula import Library
from servers.bacula_golden import bacula_golden, content

from restorekit.bootstrap import open_service
from restorekit.model.database import DatabaseId
from restorekit.model.request import Act, Request
from restorekit.workflow import durable

__all__ = ["bacula_golden"]


@pytest.fixture(scope="module")
def library(bacula_golden: Path) -> Iterator[Library]:
    with Library.running(bacula_golden) as library:
        yield library


@pytest.fixture
def house(tmp_path: Path, library: Library) -> Iterator[FastInstallation]:
    """Its engine is SQLite, which is cheap: it refuses the dumps, but only when they have come from tape."""
    live = tmp_path / "live"
    live.mkdir()
    house = FastInstallation(
        folder=tmp_path / "house",
        engines={"db1": {"kind": "sqlite", "directory": live}},
        sources={"tape": library.settings(update_slots="1s")},
    )
    yield house
    house.end()


def on_one_tape(house: FastInstallation, library: Library) -> dict[str, dict[str, Any]]:
    """Points of each database on the one tape that holds most of them, the newest of each."""
    found = [
        p
        for name in ("shop", "blog", "crm")
        for p in house.ok("points", f"db1/{name}", "--scan", "--json").json
        if p["state"] == "usable" and "+" not in p["medium"]
    ]
    by_tape = {p["medium"]: {q["database"]: q for q in found if q["medium"] == p["medium"]} for p in found}
    return max(by_tape.values(), key=len)


def ordered(house: FastInstallation, point: dict[str, Any], kind: str) -> str:
    """A run of that kind, asked for and queued; nobody works yet."""
    service = open_service(house.config)
    with closing(service.store):
        database = DatabaseId.parse(point["database"])
        request = Request(
            database=database, target=database, point_id=point["id"], until="verified", requested_by="the test"
        )
        plan = service.planner.plan(request)
        durable.ready(service.store.engine)
        return service.store.request(
            plan.request,
            (plan,),
            Act(caller="the test", door="cli", verb="request"),
            lambda connection, run_id: durable.enqueue(connection, "prepare", run_id, service.settings.host),
            kind=kind,
        )


def read_jobs(library: Library) -> list[int]:
    return [n for (n,) in library.sql("SELECT JobId FROM Job WHERE Type = 'R' ORDER BY JobId")]


def staged(house: FastInstallation, run_id: str) -> bool:
    return any(s["step"] == "stage" for s in house.ok("status", run_id, "--json").json["steps"])


def test_a_customer_goes_first_and_drills_share_a_job(house: FastInstallation, library: Library) -> None:
    blog, crm, shop = (on_one_tape(house, library)[f"db1/{name}"] for name in ("blog", "crm", "shop"))
    before = read_jobs(library)
    runs = [ordered(house, blog, "drill"), ordered(house, crm, "drill"), ordered(house, shop, "restore")]
    for run_id in runs:
        house.run("watch", run_id, "--json")
    assert [staged(house, run_id) for run_id in runs] == [True] * 3
    jobs = [n for n in read_jobs(library) if n not in before]
    files = [library.sql("SELECT JobFiles FROM Job WHERE JobId = ?", n)[0][0] for n in jobs]
    assert files == [1, 2], "the customer's alone, though it came last; then the drills in one"


def test_an_operator_is_told_once_though_the_worker_dies(
    house: FastInstallation, library: Library, tmp_path: Path
) -> None:
    notices, script = house.folder / "notices", house.folder / "notify"
    script.write_text(f"#!/bin/sh\n{{ cat; echo; }} >> {notices}\nexit 1\n")
    script.chmod(0o755)
    house.extra = {"notify": str(script)}
    house.write()
    point = next(iter(on_one_tape(house, library).values()))
    volume = point["medium"].removeprefix("tape ")
    library.remove_tape(volume)
    words = ("restore", point["database"], "--point", point["id"], "--until", "staged", "--no-wait", "--json")
    env = {"RESTOREKIT_CRASH_AT": "warm.waiting", "RESTOREKIT_CRASH_ONCE": str(tmp_path)}
    assert house.run(*words, env=env).code == -signal.SIGKILL
    run_id = house.ok("status", "--json").json[0]["id"]
    for _ in range(2):
        left = house.run("watch", run_id, "--no-wait", "--json")
        assert (left.code, left.json["waiting"]["for"], volume in left.json["waiting"]["notice"]) == (
            8,
            "operator",
            True,
        )
    assert [volume in json.loads(line)["text"] for line in notices.read_text().splitlines()] == [True]
    verbs = [e["act"]["details"].get("outcome") for e in house.ok("audit", "--json").json]
    assert "failed: exit code 1" in verbs
    library.put_back(volume)
    with house.start("watch", run_id, "--json") as watching:
        until(lambda: staged(house, run_id), "it is read")
        watching.wait()
    assert len(notices.read_text().splitlines()) == 1


def test_a_damaged_neighbour_fails_alone(house: FastInstallation, library: Library) -> None:
    """Two drills of one tape, and the point of one is damaged: only that one fails, in one job or in two."""
    found = on_one_tape(house, library)
    blog, crm = found["db1/blog"], found["db1/crm"]
    day = int(crm["consistent_at"][8:10])
    library.damage_text(crm["medium"].removeprefix("tape "), content("crm", day)[200_000:200_100])
    before = read_jobs(library)
    runs = [ordered(house, blog, "drill"), ordered(house, crm, "drill")]
    for run_id in runs:
        house.run("watch", run_id, "--json")
    assert len(read_jobs(library)) > len(before)
    whole, damaged = (house.ok("status", run_id, "--json").json for run_id in runs)
    assert (staged(house, whole["id"]), whole["error"]["code"] != "source_damaged") == (True, True), whole
    assert (damaged["state"], damaged["error"]["code"]) == ("failed", "source_damaged"), damaged
    states = {p["id"]: p["state"] for n in ("blog", "crm") for p in house.ok("points", f"db1/{n}", "--json").json}
    assert (states[blog["id"]], states[crm["id"]]) == ("usable", "suspicious")

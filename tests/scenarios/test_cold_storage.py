"""A backup that lies in cold storage: cost and time are shown first, then it is waited for, over restarts too."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from scenarios.house import FastInstallation, Installation
from servers.s3 import Moto

BUCKET = "ice"


@pytest.fixture
def house(tmp_path: Path, moto_server: Moto) -> Iterator[FastInstallation]:
    live = tmp_path / "live"
    live.mkdir()
    with closing(sqlite3.connect(live / "acme_shop.db")) as shop, shop:
        shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT)")
        shop.executemany("INSERT INTO orders (item) VALUES (?)", [(f"item {n}",) for n in range(200)])
    name = f"{BUCKET}-{tmp_path.name.replace('_', '-').lower()[-20:]}"
    moto_server.bucket(name)
    layout = "{engine}/{database}/{time:%Y-%m-%dT%H%M}.db"
    section = moto_server.section(name, layout=layout, thaw={"poll": "1s", "days": 7})
    yield FastInstallation(
        folder=tmp_path / "house",
        engines={"files": {"kind": "sqlite", "directory": live}},
        sources={"glacier": section},
        databases={"acme_shop": {"customer": "acme", "engine": "files"}},
    )
    moto_server.tell("/moto-api/state-manager/unset-transition", b'{"model_name": "s3::keyrestore"}')


def thaws(server: Moto, *, looks: int = 1) -> None:
    """moto's thaws get one step further after so many looks."""
    told = {"model_name": "s3::keyrestore", "transition": {"progression": "manual", "times": looks}}
    server.tell("/moto-api/state-manager/set-transition", json.dumps(told).encode())


def freeze(server: Moto, house: Installation) -> None:
    """A dump of live goes into GLACIER; then live is damaged."""
    live = Path(house.engines["files"]["directory"]) / "acme_shop.db"
    house.ok("capture", "acme_shop", "--to", str(house.folder / "dump.db"))
    bucket = house.sources["glacier"]["bucket"]
    server.client.put_object(
        Bucket=bucket,
        Key="files/acme_shop/2026-01-17T0230.db",
        Body=(house.folder / "dump.db").read_bytes(),
        StorageClass="GLACIER",
    )
    with closing(sqlite3.connect(live)) as shop, shop:
        shop.execute("DELETE FROM orders WHERE id % 2")


def orders(house: Installation) -> int:
    with closing(sqlite3.connect(Path(house.engines["files"]["directory"]) / "acme_shop.db")) as shop:
        return int(shop.execute("SELECT COUNT(*) FROM orders").fetchone()[0])


def test_cost_and_time_are_shown_before_anything_is_asked_for(house: FastInstallation, moto_server: Moto) -> None:
    freeze(moto_server, house)
    point = house.point("acme_shop")
    told = house.ok("plan", "acme_shop", "--point", point, "--json").json
    assert [w["name"] for w in told["warming"]["ways"]] == ["expedited", "standard", "bulk"]
    assert told["warming"]["way"] == ""
    assert told["estimate"]["high_s"] > 5 * 3600
    shown = house.ok("plan", "acme_shop", "--point", point).out
    assert "standard: 3 to 5 h, less than 0.01 USD" in shown
    assert "bulk: 5 to 12 h, at no cost" in shown
    assert "--thaw WAY" in shown
    refused = house.run("restore", "acme_shop", "--point", point, "--json")
    assert refused.code == 3
    assert "--thaw" in refused.json["error"]["hint"]
    assert house.ok("status", "--json").json == []
    wrong = house.run("restore", "acme_shop", "--point", point, "--thaw", "overnight", "--json")
    assert (wrong.code, wrong.json["error"]["code"]) == (2, "usage")
    bucket = house.sources["glacier"]["bucket"]
    assert "Restore" not in moto_server.client.head_object(Bucket=bucket, Key="files/acme_shop/2026-01-17T0230.db")


def test_a_thaw_is_waited_for_over_a_restart(house: FastInstallation, moto_server: Moto) -> None:
    thaws(moto_server)
    freeze(moto_server, house)
    point = house.point("acme_shop")
    words = ("restore", "acme_shop", "--point", point, "--thaw", "standard", "--no-wait", "--json")
    left = house.run(*words)
    assert left.code == 8, left
    told = left.json
    assert (told["state"], told["waiting"]["for"], told["error"]) == ("waiting", "thawing", None)
    assert told["waiting"]["ready_at"]
    thaws(moto_server, looks=10**6)
    shown = house.ok("status", told["id"]).out
    still = house.run("watch", told["id"], "--no-wait", "--json")
    assert (still.code, still.json["waiting"]["for"]) == (8, "thawing")
    assert "cold storage" in shown
    thaws(moto_server, looks=1)
    done = house.run("watch", told["id"], "--json")
    assert done.code == 6, done
    assert (done.json["state"], done.json["level"]) == ("awaiting_approval", 5)
    assert house.ok("approve", told["id"], "--json").json["state"] == "swapped"
    assert orders(house) == 200


def test_a_waiting_restore_can_be_cancelled(house: FastInstallation, moto_server: Moto) -> None:
    thaws(moto_server)
    freeze(moto_server, house)
    point = house.point("acme_shop")
    told = house.run("restore", "acme_shop", "--point", point, "--thaw", "bulk", "--no-wait", "--json").json
    assert told["state"] == "waiting"
    assert house.ok("cancel", told["id"], "--json").json["state"] == "cancelled"
    assert orders(house) == 100

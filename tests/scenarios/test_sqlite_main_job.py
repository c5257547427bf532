"""The main job on the embedded default: SQLite databases, SQLite state, a folder of captured backups."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from scenarios.house import FastInstallation, Installation
from servers.mariadb import shared_data


@pytest.fixture
def house(tmp_path: Path) -> Installation:
    live = tmp_path / "live"
    live.mkdir()
    (live / "acme_shop.sqlite").write_bytes(shared_data("Chinook_Sqlite.sqlite").read_bytes())
    (tmp_path / "dumps" / "files").mkdir(parents=True)
    return FastInstallation(
        folder=tmp_path / "house",
        engines={"files": {"kind": "sqlite", "directory": live}},
        sources={
            "plain": {
                "kind": "directory",
                "path": tmp_path / "dumps",
                "layout": "{engine}/{database}.db",
                "quiet_s": 0,
            }
        },
        databases={"acme_shop": {"customer": "acme", "engine": "files"}},
    )


def everything(house: Installation) -> str:
    """The live database as text."""
    path = Path(house.engines["files"]["directory"]) / "acme_shop.sqlite"
    with closing(sqlite3.connect(path)) as shop:
        return "\n".join(shop.iterdump())


def damage(house: Installation) -> None:
    path = Path(house.engines["files"]["directory"]) / "acme_shop.sqlite"
    with closing(sqlite3.connect(path)) as shop, shop:
        shop.execute("DELETE FROM InvoiceLine WHERE InvoiceId % 2 = 0")
        shop.execute("UPDATE Track SET UnitPrice = 0 WHERE TrackId IN (7, 8)")


def test_restore_swap_undo(house: Installation, tmp_path: Path) -> None:
    whole = everything(house)
    house.ok("capture", "acme_shop", "--to", str(tmp_path / "dumps/files/acme_shop.db"))
    damage(house)
    damaged = everything(house)
    point = house.point("acme_shop")

    waiting = house.run("restore", "acme_shop", "--point", point, "--json")
    assert waiting.code == 6, waiting
    told = waiting.json
    assert (told["state"], told["level"], told["equal_to"]) == ("awaiting_approval", 5, "manifest")
    assert everything(house) == damaged

    shown = house.ok("diff", told["id"], "--json").json
    tables = {t["name"]: t for t in shown["tables"]}
    assert tables["Track"]["changed"] == 2
    assert tables["InvoiceLine"]["missing"] > 1000
    assert tables["Artist"]["missing"] + tables["Artist"]["changed"] + tables["Artist"]["extra"] == 0

    swapped = house.ok("approve", told["id"], "--json").json
    assert swapped["state"] == "swapped"
    assert everything(house) == whole

    undone = house.ok("undo", told["id"], "--json").json
    assert undone["state"] == "undone"
    steps = [(s["step"], s["outcome"]) for s in undone["steps"]]
    assert steps[:4] == [(name, "done") for name in ("begin", "warm", "stage", "verify")]
    assert ("swap", "done") in steps
    assert everything(house) == damaged
    house.ok("audit", "verify")


def test_no_moment_is_no_guess(house: Installation, tmp_path: Path) -> None:
    house.ok("capture", "acme_shop", "--to", str(tmp_path / "dumps/files/acme_shop.db"))
    answer = house.run("restore", "acme_shop", "--json")
    assert answer.code == 3
    assert answer.json["error"]["code"] == "needs_choice"


def test_unknown_database(house: Installation) -> None:
    answer = house.run("restore", "nobody_knows", "--at", "2026-01-01", "--json")
    assert answer.code == 2
    assert answer.json["error"]["code"] == "unknown_name"


def test_rows_without_a_parent_in_the_backup_itself_come_back_as_they_were(house: Installation, tmp_path: Path) -> None:
    """SQLite does not enforce foreign keys by itself: orphans may be a customer's normal state."""
    house.engines["files"]["orphans"] = "report"
    house.write()
    path = Path(house.engines["files"]["directory"]) / "acme_shop.sqlite"
    with closing(sqlite3.connect(path)) as shop, shop:
        shop.execute("UPDATE InvoiceLine SET InvoiceId = 9999 WHERE InvoiceLineId < 5")
    whole = everything(house)
    house.ok("capture", "acme_shop", "--to", str(tmp_path / "dumps/files/acme_shop.db"))
    with closing(sqlite3.connect(path)) as shop, shop:
        shop.execute("DELETE FROM InvoiceLine WHERE InvoiceLineId < 50")
    house.ok("restore", "acme_shop", "--point", house.point("acme_shop"), "--yes")
    assert everything(house) == whole

"""Bad input for SQLite databases: cut and damaged files, a database that somebody holds, text that does more."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from crash.shops import DAMAGE, NAME, SQLiteShop
from scenarios.house import FastInstallation

UNTOUCHED = ("live untouched", "live is untouched", "live is as before")


@dataclass
class Bad:
    """A damaged shop with a backup."""

    shop: SQLiteShop
    point: str

    @property
    def house(self) -> FastInstallation:
        return self.shop.house

    @property
    def backup(self) -> Path:
        return self.shop.folder / "dumps" / "live1" / f"{NAME}.db"

    def refused(self, *words: str, code: str, exit_code: int) -> dict[str, Any]:
        before = self.shop.everything()
        answer = self.house.run(*words, "--json")
        error = answer.json["error"]
        assert (answer.code, error and error["code"]) == (exit_code, code), answer
        assert any(phrase in f"{error['message']} {error['live']}" for phrase in UNTOUCHED), error
        assert error["hint"], error
        assert self.shop.everything() == before
        assert self.shop.left_beside() == ([], [])
        return dict(answer.json)

    def sandboxes(self) -> list[str]:
        staging = self.house.folder / "staging"
        return [p.name for p in staging.iterdir() if p.name != "locks"] if staging.exists() else []


@pytest.fixture
def bad(tmp_path: Path) -> Iterator[Bad]:
    with SQLiteShop.open(tmp_path) as shop:
        point = shop.back_up()
        shop.run(*DAMAGE)
        yield Bad(shop, point)


def newest(bad: Bad) -> str:
    found = bad.house.ok("points", NAME, "--scan", "--json").json
    return str(next(p["id"] for p in found if p["state"] != "expired"))


def test_cut_file(bad: Bad) -> None:
    whole = bad.backup.read_bytes()
    bad.backup.write_bytes(whole[: len(whole) - 4096])
    bad.refused("restore", NAME, "--point", newest(bad), "--yes", code="point_unusable", exit_code=4)


def test_flipped_page(bad: Bad) -> None:
    """Header and size are right; what is inside is not."""
    data = bytearray(bad.backup.read_bytes())
    data[4096 + 8 : 4096 + 64] = bytes(b ^ 0xFF for b in data[4096 + 8 : 4096 + 64])
    bad.backup.write_bytes(data)
    answer = bad.house.run("restore", NAME, "--point", newest(bad), "--yes", "--json")
    assert answer.code == 5, answer
    assert answer.json["error"]["live"] == "live untouched"
    assert bad.sandboxes() == []


def test_somebody_holds_the_database(bad: Bad) -> None:
    bad.house.playbooks["refusing"] = "name: refusing\nswap: {on_live_change: refuse, gate_max: 1s, kill_wait: 1s}\n"
    bad.house.write()
    waiting = bad.house.run("restore", NAME, "--point", bad.point, "--json")
    assert waiting.code == 6, waiting
    with contextlib.closing(sqlite3.connect(bad.shop.path, isolation_level=None)) as customer:
        customer.execute("BEGIN IMMEDIATE")
        told = bad.refused("approve", waiting.json["id"], code="gate_timeout", exit_code=8)
        assert told["state"] == "awaiting_approval"
    bad.house.ok("cancel", waiting.json["id"])
    assert bad.sandboxes() == []

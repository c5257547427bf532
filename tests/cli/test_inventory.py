"""Inventory and find: gaps, owners, orphans, and totals that add up."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from restorekit.bootstrap.series import gaps

NIGHT = datetime(2026, 11, 1, 2, tzinfo=UTC)


def nights(*numbers: float) -> list[datetime]:
    return [NIGHT + timedelta(days=n) for n in numbers]


@pytest.mark.parametrize(
    ("days", "now", "found"),
    [
        ((0, 1, 2, 3, 4), 4.5, []),
        ((0, 1, 2.2, 2.9, 4), 5, []),
        ((0, 1, 3, 4, 5), 5.5, [(1, 3)]),
        ((0, 1, 2, 3), 6, [(3, None)]),
        ((0, 9), 99, []),
        ((), 1, []),
    ],
)
def test_gaps(days: tuple[float, ...], now: float, found: list[tuple[float, float | None]]) -> None:
    expected = [(nights(a)[0], nights(b)[0] if b is not None else None) for a, b in found]
    assert [(g.since, g.until) for g in gaps(nights(*days), nights(now)[0])] == expected


@pytest.fixture
def series(desk: Any) -> Any:
    """acme: four nights of five; a series of a database that is gone; a live one without any backup; a stray name."""
    desk.house.sources["plain"]["layout"] = ["{engine}/{database}@{time:%Y-%m-%dT%H%M}.db", "{engine}/{database}.db"]
    desk.house.databases["bolt_shop"] = {"engine": "files"}
    desk.house.write()
    data = (desk.live / "acme_shop.db").read_bytes()
    last = datetime.now(UTC) - timedelta(hours=3)
    for age in (0, 1, 2, 4):
        (desk.dumps / f"acme_shop@{last - timedelta(days=age):%Y-%m-%dT%H%M}.db").write_bytes(data)
    (desk.dumps / "old_shop.db").write_bytes(data)
    (desk.dumps / "README.txt").write_text("not a backup")
    (desk.live / "bolt_shop.db").write_bytes(data)
    return desk


def test_totals_add_up(series: Any) -> None:
    told = series.ok("inventory", "--json").json
    by_name = {d["database"]: d for d in told["databases"]}
    total = told["totals"]
    assert total["databases"] == len(by_name) == total["live"] + total["orphans"] == 3
    assert total["live"] == total["with_points"] + total["without_points"] == 2
    assert total["points"] == total["usable"] + total["unusable"] == 5
    assert sum(sum(d["sources"].values()) for d in by_name.values()) == total["points"]
    assert (by_name["files/old_shop"]["live"], by_name["files/bolt_shop"]["points"]) == (False, 0)
    assert len(by_name["files/acme_shop"]["gaps"]) == 1
    shown = series.type("inventory", terminal=True)
    assert "gap: files/acme_shop: nothing between" in shown.out
    assert "3 databases: 2 live, 1 of them with a usable point, 1 without; 1 only in backups" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80


def test_find_shows_owner_size_and_what_is_gone(series: Any) -> None:
    series.ok("inventory")
    assert series.ok("find", "ACME").out.startswith("files/acme_shop  customer acme, live ")
    assert series.ok("find", "old").out == "files/old_shop  only in backups, 1 point\n"
    (series.live / "bolt_shop.db").unlink()
    assert "gone, last seen" in series.ok("find", "bolt").out
    assert series.ok("find", "nobody").out == "nothing found\n"
    (one,) = series.ok("find", "acme", "shop", "--json").json
    assert (one["customer"], one["live"], one["points"], one["host"]) == ("acme", True, 4, "testhost")


def test_a_new_owner_does_not_see_what_was_before(series: Any) -> None:
    assert len(series.ok("points", "files/acme_shop", "--scan", "--json").json) == 4
    series.house.databases["acme_shop"]["customer"] = "bolt"
    series.house.write()
    assert not [p for p in series.ok("points", "files/acme_shop", "--json").json if p["state"] == "usable"]
    shown = series.ok("inventory", "--json").json
    acme = next(d for d in shown["databases"] if d["database"] == "files/acme_shop")
    assert (acme["customer"], acme["points"], acme["others"]) == ("bolt", 0, 4)
    assert shown["totals"]["points"] == 5


def test_what_moved_keeps_its_backups(series: Any) -> None:
    since = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    told = {"engine": "files", "customer": "bolt", "since": since, "moved_from": "files/acme_shop"}
    series.house.databases = {"bolt_shop": told}
    series.house.write()
    shown = series.ok("inventory", "--json").json
    bolt = next(d for d in shown["databases"] if d["database"] == "files/bolt_shop")
    assert (bolt["points"], bolt["inherited"]) == (4, 4)
    assert f"moved from files/acme_shop on {since[:10]}" in series.ok("find", "bolt").out
    assert Counter(p["database"] for p in series.ok("points", "files/bolt_shop", "--json").json) == {
        "files/acme_shop": 4
    }

"""One customer's table out of a snapshot of the whole server, through to the swap."""

import shutil
from collections.abc import Iterator

import pytest
from scenarios.house import FastInstallation
from servers.btrfs import Disk, btrfs_disk, on_subvolume, snapshot
from servers.mariadb import LiveServer, server_folder
from servers.mariadb_live import cache

__all__ = ["btrfs_disk"]


@pytest.fixture
def live(btrfs_disk: Disk) -> Iterator[LiveServer]:
    with on_subvolume(btrfs_disk) as server:
        yield server


@pytest.fixture
def house(live: LiveServer) -> Iterator[FastInstallation]:
    folder = server_folder("rk-snaps-")
    (folder / "house").mkdir()
    (folder / "house" / "cache").symlink_to(cache())
    room = live.folder.parent
    section = {"kind": "btrfs", "engine": "db1", "holds": "datadir", "layout": "data/{database:mysql}/db.opt"}
    try:
        yield FastInstallation(
            folder=folder / "house",
            engines={"db1": {"kind": "mariadb", "socket": str(live.socket), "user": "root"}},
            sources={"snaps": {**section, "path": str(live.folder), "snapshots": str(room / "snapshots")}},
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_a_dropped_table_comes_back_and_nobody_else_notices(house: FastInstallation, live: LiveServer) -> None:
    live.script(
        "CREATE DATABASE shop; CREATE DATABASE blog; CREATE TABLE blog.posts (a INT); INSERT INTO blog.posts VALUES (1)"
    )
    live.script(
        "CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, n INT);"
        "INSERT INTO orders (n) SELECT seq FROM seq_1_to_500",
        "shop",
    )
    snapshot(live.folder, live.folder.parent / "snapshots/1")
    live.script("INSERT INTO blog.posts VALUES (2)")
    live.script("DELETE FROM orders WHERE id > 20", "shop")
    told = house.ok("restore", "db1/shop", "--point", house.point("db1/shop"), "--yes", "--json").json
    assert (told["state"], told["level"], told["equal_to"]) == ("swapped", 5, "manifest")
    assert live.one("SELECT COUNT(*) FROM orders", "shop") == 500
    assert live.one("SELECT COUNT(*) FROM blog.posts") == 2
    assert list((live.folder.parent / "snapshots/.restorekit").iterdir()) == [], "the clone is gone"
    house.ok("undo", told["id"])
    assert live.one("SELECT COUNT(*) FROM orders", "shop") == 20

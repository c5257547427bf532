"""Shops and restores of them, in folders of their own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash.shops import MariaDBShop, SQLiteShop
from crash.story import Story
from servers.mariadb import LiveServer, server_folder


@pytest.fixture(params=["wal", "delete"])
def sqlite_shop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SQLiteShop]:
    with SQLiteShop.open(tmp_path, request.param) as shop:
        yield shop


@pytest.fixture
def wal_story(tmp_path: Path) -> Iterator[Story]:
    with SQLiteShop.open(tmp_path) as shop:
        yield Story(shop, tmp_path)


@pytest.fixture(scope="session")
def server() -> Iterator[LiveServer]:
    with LiveServer.running() as running:
        yield running


@pytest.fixture
def mariadb_story(server: LiveServer) -> Iterator[Story]:
    folder = server_folder("rk-crash-")
    try:
        with MariaDBShop.open(folder, server) as shop:
            yield Story(shop, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def sqlite_story(sqlite_shop: SQLiteShop, tmp_path: Path) -> Story:
    return Story(sqlite_shop, tmp_path)

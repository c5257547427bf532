"""Folders, live servers and installations for scenarios."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from scenarios.ground import Customer, Ground
from servers.mariadb import QUICK, LiveServer, server_folder
from servers.s3 import moto_server

__all__ = ["ground", "live", "moto_server", "room", "shop"]


@pytest.fixture
def room() -> Iterator[Path]:
    """A folder that unprivileged staging servers may enter; pytest's own are closed to them."""
    folder = server_folder("rk-room-")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def live() -> Iterator[LiveServer]:
    """One live MariaDB per module, with row binlogs as hosters have them; tests use databases of their own."""
    with LiveServer.running(log_bin=True, args=QUICK) as server:
        yield server


@pytest.fixture(scope="session")
def ground() -> Iterator[Ground]:
    """The ground for bad input: one server and one installation for all of it, a customer of its own for each test."""
    with LiveServer.running(log_bin=True, args=QUICK) as server, Ground.open(server) as ground:
        yield ground


@pytest.fixture
def shop(ground: Ground) -> Iterator[Customer]:
    """A fresh customer on that ground."""
    with ground.shop() as shop:
        yield shop

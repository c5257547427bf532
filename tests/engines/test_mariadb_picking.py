"""Rows of a backup brought back one by one, on MariaDB."""

from collections.abc import Iterator

import pytest
from contract.delta import SHOP, DeltaContract, Shop
from contract.engine import Stage, stage
from contract.picking import PickingContract
from servers.mariadb import QUICK, LiveServer
from servers.mariadb_lab import FAST, MariaDBLab, cleared

KEPT = "kept"


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer.running(args=(*FAST, *QUICK)) as running:
        yield running


@pytest.fixture(scope="module")
def staged(server: LiveServer) -> Stage:
    lab = MariaDBLab(server)
    lab.create("shop")
    lab.run("shop", *SHOP)
    found = stage(lab, lab.backup("shop"), KEPT)
    lab.clear(KEPT)
    return found


class TestDelta(DeltaContract):
    """All tests but those with a shop of their own use one staged backup, so that each also meets what others left."""

    @pytest.fixture
    def lab(self, server: LiveServer) -> Iterator[MariaDBLab]:
        yield from cleared(server, KEPT)

    @pytest.fixture
    def shop(self, lab: MariaDBLab, staged: Stage) -> Shop:
        return Shop(lab, staged=staged)


class TestPicking(PickingContract):
    seeds = PickingContract.seeds[:3]  # a server takes its time; the rest is tried by those who have it
    campaign = (*PickingContract.seeds[3:], *range(1000, 1150))

    @pytest.fixture
    def lab(self, server: LiveServer) -> Iterator[MariaDBLab]:
        yield from cleared(server, KEPT)

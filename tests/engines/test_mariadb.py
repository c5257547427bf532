"""The engine contract on MariaDB."""

from collections.abc import Iterator
from typing import Any

import pytest
from contract.engine import ChroniclingContract, ExchangingContract, LoadingContract, ReadingContract
from servers.mariadb import LiveServer
from servers.mariadb_lab import FAST, MariaDBLab, cleared


def labs(*args: str, **options: Any) -> Iterator[LiveServer]:
    with LiveServer.running(args=(*FAST, *args), **options) as running:
        yield running


@pytest.fixture(scope="module")
def plain() -> Iterator[LiveServer]:
    yield from labs()


@pytest.fixture(scope="module")
def logged() -> Iterator[LiveServer]:
    yield from labs(log_bin=True)


@pytest.fixture(scope="module")
def logged_by_row() -> Iterator[LiveServer]:
    yield from labs("--binlog-format=ROW", log_bin=True)


class TestLoading(LoadingContract):
    @pytest.fixture
    def lab(self, plain: LiveServer) -> Iterator[MariaDBLab]:
        yield from cleared(plain)


class TestReading(ReadingContract):
    @pytest.fixture
    def lab(self, logged: LiveServer) -> Iterator[MariaDBLab]:
        yield from cleared(logged)


class TestExchanging(ExchangingContract):
    @pytest.fixture
    def lab(self, plain: LiveServer) -> Iterator[MariaDBLab]:
        yield from cleared(plain)


class TestChronicling(ChroniclingContract):
    @pytest.fixture
    def lab(self, logged_by_row: LiveServer) -> Iterator[MariaDBLab]:
        yield from cleared(logged_by_row)


@pytest.mark.long
class TestExchangingWithBinaryLog(ExchangingContract):
    @pytest.fixture
    def lab(self, logged: LiveServer) -> Iterator[MariaDBLab]:
        yield from cleared(logged)

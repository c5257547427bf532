"""One server with a binary log for all of these tests; each begins a new file and uses a schema of its own."""

from collections.abc import Iterator

import pytest
from servers.mariadb import LiveServer

OPTIONS = ("--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0", "--log-bin-trust-function-creators=1")


@pytest.fixture(scope="package")
def server() -> Iterator[LiveServer]:
    with LiveServer.running(log_bin=True, args=("--binlog-format=ROW", *OPTIONS)) as running:
        yield running

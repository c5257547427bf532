"""State databases of both kinds, as the catalog opens them, and toy workers on them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.postgres import PostgresServer
from workflow.lab import Lab

from restorekit.catalog.database import open_database
from restorekit.workflow import durable


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for all tests of this room; its database `ready` has all tables and is copied per test."""
    with PostgresServer.running() as server:
        database = open_database(server.new_database())
        durable.ready(database.engine)
        database.engine.dispose()
        with server.connect() as connection:
            connection.execute("ALTER DATABASE state_0 RENAME TO ready")
        yield server


@pytest.fixture
def postgres_lab(postgres: PostgresServer, tmp_path: Path) -> Iterator[Lab]:
    with postgres.connect() as connection:
        name = f"lab_{tmp_path.name}".replace("-", "_").lower()
        connection.execute(f"CREATE DATABASE {name} TEMPLATE ready")
    yield from _lab(postgres.url(name), tmp_path)
    with postgres.connect() as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_lab(tmp_path: Path) -> Iterator[Lab]:
    yield from _lab(f"sqlite:///{tmp_path}/state.db", tmp_path)


@pytest.fixture(params=["sqlite", "postgres"])
def lab(request: pytest.FixtureRequest) -> Lab:
    found: Lab = request.getfixturevalue(f"{request.param}_lab")
    return found


def _lab(url: str, folder: Path) -> Iterator[Lab]:
    lab = Lab(url, folder)
    try:
        yield lab
    finally:
        lab.close()

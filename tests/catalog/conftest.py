"""Catalogs on both kinds of database, migrated once: the SQLite one is copied, the PostgreSQL one emptied per test."""

import shutil

import pytest
from contract.catalog_values import HandClock
from servers.postgres import PostgresServer

from restorekit.catalog import open_store
from restorekit.catalog.chain import GENESIS
from restorekit.catalog.tables import metadata

EMPTY = "; ".join(
    [
        *(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables) if table.name != "rk_audit_head"),
        f"UPDATE rk_audit_head SET count = 0, hash = '{GENESIS}'",
        "DROP TABLE IF EXISTS jobs",
    ]
)

pytest.register_assert_rewrite("contract.catalog_points", "contract.catalog_runs")


@pytest.fixture(scope="session")
def postgres():
    with PostgresServer.running() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_migrated(postgres):
    """The URL, and what empties it."""
    url = postgres.new_database()
    open_store(url).close()
    with postgres.connect(url.split("@/")[1].partition("?")[0]) as connection:
        yield url, lambda: connection.execute(EMPTY)


@pytest.fixture
def postgres_url(postgres_migrated):
    url, empty = postgres_migrated
    yield url
    empty()


@pytest.fixture(scope="session")
def sqlite_migrated(tmp_path_factory):
    path = tmp_path_factory.mktemp("migrated") / "state.db"
    open_store(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def sqlite_url(sqlite_migrated, tmp_path):
    shutil.copy(sqlite_migrated, tmp_path / "state.db")
    return f"sqlite:///{tmp_path}/state.db"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request):
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def store(url, clock):
    store = open_store(url, clock)
    yield store
    store.close()

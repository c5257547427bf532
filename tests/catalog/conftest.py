"""Catalogs on both kinds of database, migrated once: the SQLite one is copied, the PostgreSQL one emptied per test."""

import shutil

import pytest
from contract.catalog_values import HandClock
from servers.postgres import PostgresServer
from sqlalchemy import NullPool, create_engine, delete, update

from restorekit.catalog import open_store
from restorekit.catalog.chain import GENESIS
from restorekit.catalog.tables import audit_head, metadata

pytest.register_assert_rewrite("contract.catalog")


@pytest.fixture(scope="session")
def postgres():
    with PostgresServer.running() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_migrated(postgres):
    url = postgres.new_database()
    open_store(url).close()
    return url


@pytest.fixture
def postgres_url(postgres_migrated):
    yield postgres_migrated
    engine = create_engine(postgres_migrated, poolclass=NullPool)
    with engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            if table is not audit_head:
                connection.execute(delete(table))
        connection.execute(update(audit_head).values(count=0, hash=GENESIS))
        connection.exec_driver_sql("DROP TABLE IF EXISTS jobs")


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

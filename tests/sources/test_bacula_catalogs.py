"""The same January out of every catalog: Bacula 5 to 9, 11 and newer, Bareos; SQLite and PostgreSQL."""

import contextlib
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers.bacula_golden import bacula_golden
from servers.postgres import OS_USER, PostgresServer
from sources.bacula_lab import home
from sources.bacula_paper import copied, tables

from restorekit.discovery import provider
from restorekit.errors import ConfigError, SourceUnavailable
from restorekit.model.point import RecoveryPoint, Scan
from restorekit.sources.bacula.catalog import Catalog
from restorekit.sources.bacula.settings import BaculaSettings

__all__ = ["bacula_golden"]

PRODUCTS = ("Bacula 5 to 9", "Bacula 11 or newer", "Bareos")


@pytest.fixture(scope="module")
def january(bacula_golden: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalog of the golden library, as its director left it."""
    folder = tmp_path_factory.mktemp("january")
    subprocess.run(["tar", "-xf", str(bacula_golden), "-C", str(folder), "var/bacula.db"], check=True)
    return folder / "var/bacula.db"


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer.running() as server:
        yield server


def on_sqlite(january: Path, product: str, file: Path) -> str:
    with contextlib.closing(sqlite3.connect(january)) as source, contextlib.closing(sqlite3.connect(file)) as made:
        for statement in tables(product):
            made.execute(statement)
        for table, columns, rows in copied(source, product):
            made.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})", rows)
        made.commit()
    return f"sqlite:///{file}"


def on_postgres(january: Path, product: str, server: PostgresServer, encoding: str = "SQL_ASCII") -> str:
    """Bacula's and Bareos' own scripts make their database so: names of files are bytes, not text."""
    name = f"c{product.encode().hex()}{encoding.lower()}"
    with server.connect() as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        connection.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    with contextlib.closing(sqlite3.connect(january)) as source, server.connect(name) as made:
        for statement in tables(product):
            made.execute(statement)
        for table, columns, rows in copied(source, product):
            with made.cursor() as cursor:
                cursor.executemany(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(columns))})", rows)
    return server.url(name)


def database_of(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


def settings(url: str, **more: Any) -> dict[str, Any]:
    layouts = ["/backup/{engine}/{database}.sql", "{engine}/{database}.sql"]
    told = {"catalog": url, "layout": layouts, "timezone": "UTC", "console": "none", "storage": "Tape"}
    return told | {"restore_client": "staging-fd", "where": "restored"} | more


def scan(base: Path, url: str, known: tuple[RecoveryPoint, ...] = (), **more: Any) -> Scan:
    source = provider("restorekit.sources", "tape", {"kind": "bacula", **settings(url, **more)}, home(base))
    return source.scan(known)  # type: ignore[no-any-return]


def catalog(base: Path, url: str, **more: Any) -> Catalog:
    return Catalog("tape", BaculaSettings.model_validate(settings(url, **more)), home(base))


@pytest.fixture(scope="module")
def expected(january: Path, tmp_path_factory: pytest.TempPathFactory) -> Scan:
    return scan(tmp_path_factory.mktemp("expected"), f"sqlite:///{january}")


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_same_points_on_sqlite(january: Path, expected: Scan, tmp_path: Path, product: str):
    url = on_sqlite(january, product, tmp_path / "catalog.db")
    assert catalog(tmp_path, url).dialect.product == product
    found = scan(tmp_path, url)
    assert len(found.points) == 16
    assert (found.points, found.unparsed, found.problems) == (expected.points, expected.unparsed, expected.problems)


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_same_points_on_postgres(
    january: Path, expected: Scan, tmp_path: Path, product: str, postgres: PostgresServer
):
    url = on_postgres(january, product, postgres)
    assert catalog(tmp_path, url).dialect.product == product
    found = scan(tmp_path, url)
    assert (found.points, found.unparsed, found.problems) == (expected.points, expected.unparsed, expected.problems)
    assert scan(tmp_path, url, found.points).points == ()


@pytest.mark.parametrize(
    ("encoding", "name", "unparsed"),
    [("SQL_ASCII", r"caf\303\251", 0), ("UTF8", r"caf\303\251", 0), ("SQL_ASCII", r"caf\351", 1)],
)
def test_names_of_files_are_bytes(
    january: Path, tmp_path: Path, postgres: PostgresServer, encoding: str, name: str, unparsed: int
):
    url = on_postgres(january, "Bareos", postgres, encoding)
    with postgres.connect(database_of(url)) as connection:
        connection.execute(f"UPDATE File SET Name = E'{name}.sql' WHERE FileId = 1")
    found = scan(tmp_path, url)
    assert ("café" in {p.database.name for p in found.points}, found.unparsed) == (not unparsed, unparsed)


def test_it_cannot_write(january: Path, tmp_path: Path, postgres: PostgresServer):
    with postgres.connect() as connection:
        connection.execute("CREATE TABLE kept (i INTEGER)")
    with pytest.raises(ConfigError, match="read-only"):
        catalog(tmp_path, postgres.url()).ask("DELETE FROM kept")
    with pytest.raises((ConfigError, SourceUnavailable), match="readonly"):
        catalog(tmp_path, f"sqlite:///{january}").ask("DELETE FROM Job")


def test_who_may_not_read_the_tables(january: Path, tmp_path: Path, postgres: PostgresServer):
    url = on_postgres(january, "Bacula 11 or newer", postgres, "LATIN1")
    with postgres.connect() as connection:
        connection.execute("CREATE ROLE stranger LOGIN")
    with pytest.raises(ConfigError, match="permission denied"):
        scan(tmp_path, url.replace(f"{OS_USER}@", "stranger@"))


@pytest.mark.parametrize(("wrong", "right"), [("nobody@", f"{OS_USER}@"), ("/nothing?", "/postgres?")])
def test_a_wrong_address_does_not_go_away_by_waiting(tmp_path: Path, postgres: PostgresServer, wrong: str, right: str):
    with pytest.raises(ConfigError, match="does not exist"):
        scan(tmp_path, postgres.url().replace(right, wrong))


def test_a_server_that_is_down_expires_nothing(tmp_path: Path, expected: Scan):
    with pytest.raises(SourceUnavailable, match="does not answer"):
        scan(tmp_path, f"postgresql+psycopg://bacula@/bacula?host={tmp_path}", expected.points)


def test_a_password_file_that_is_missing(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"catalog\.pw cannot be read"):
        scan(tmp_path, f"postgresql+psycopg://bacula@/bacula?host={tmp_path}", catalog_password_file="catalog.pw")


def test_a_writer_is_not_held_up(january: Path, tmp_path: Path):
    """A reader that kept its transaction open would stall the whole director."""
    file = tmp_path / "catalog.db"
    file.write_bytes(january.read_bytes())
    asked = catalog(tmp_path, f"sqlite:///{file}")
    rows = asked.files({1: 6, 2: 4})
    next(rows)  # in the middle of reading
    with contextlib.closing(sqlite3.connect(file, timeout=0)) as director, director:
        director.execute("UPDATE Job SET Comment = 'written'")
    assert len(list(rows)) == 9


def test_it_waits_for_a_director_that_writes(january: Path, expected: Scan, tmp_path: Path):
    file = tmp_path / "catalog.db"
    file.write_bytes(january.read_bytes())
    director = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    director.execute("BEGIN EXCLUSIVE")
    done = threading.Timer(0.5, lambda: director.execute("COMMIT"))
    done.start()
    assert scan(tmp_path, f"sqlite:///{file}").points == expected.points
    done.join()
    director.close()

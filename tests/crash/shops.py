"""A customer's shop on each kind of engine, with a backup and a damage, for tests that kill the product.

The tables belong together: whoever asks AGREE at any one moment is answered 1, in every whole state.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from scenarios.house import FastInstallation
from servers.mariadb import LiveServer

from restorekit.engines.sqlite.delta.changeset import sets

NAME = "acme_shop"
TABLES = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(60) NOT NULL);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, amount INTEGER NOT NULL,
  FOREIGN KEY (customer) REFERENCES customers (id));
CREATE TABLE totals (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL);
CREATE TABLE visits (who VARCHAR(20));
"""
ROWS = (
    "INSERT INTO customers VALUES " + ", ".join(f"({n}, 'Jürgen Müller {n}')" for n in range(1, 41)),
    "INSERT INTO orders VALUES " + ", ".join(f"({n}, {n % 40 + 1}, {n})" for n in range(1, 401)),
    "INSERT INTO totals SELECT 1, SUM(amount) FROM orders",
    "INSERT INTO visits VALUES ('a'), ('a'), ('b')",
)
DAMAGE = (
    "DELETE FROM orders WHERE id BETWEEN 201 AND 400",
    "UPDATE totals SET id = 2, amount = (SELECT SUM(amount) FROM orders)",
    "UPDATE customers SET name = 'nobody' WHERE id IN (7, 8)",
    "INSERT INTO visits VALUES ('b')",
)
AGREE = (
    "SELECT (SELECT SUM(amount) FROM orders) = (SELECT amount FROM totals) AND "
    "(SELECT name FROM customers WHERE id = 7) = CASE (SELECT id FROM totals) WHEN 2 THEN 'nobody' "
    "ELSE 'Jürgen Müller 7' END"
)
REFUSING = "name: refusing\nswap: {on_live_change: refuse, gate_max: 30s, lock_wait: 60s}\n"
KEEPING = "name: keeping\nswap: {on_live_change: keep_and_report, gate_max: 30s, lock_wait: 60s}\n"


class Shop(Protocol):
    """A customer's database as its owner and the hoster see it."""

    house: FastInstallation
    copies_after_undo: int
    copy_prefix: str

    def run(self, *statements: str) -> None:
        """As the hoster, in one transaction where the engine has them."""
        ...

    def connect(self) -> Any:
        """A session of the customer, which commits when it is told to."""
        ...

    def everything(self) -> str:
        """The whole live database as text."""
        ...

    def left_beside(self) -> tuple[list[str], list[str]]:
        """Holding copies and undo copies of ours that lie beside live."""
        ...

    def read(self, undo_copy: str, sql: str) -> list[tuple[Any, ...]]:
        """Rows of live, or of an undo copy if one is named."""
        ...

    def kept_rows(self, table: str) -> set[int]:
        """Ids of this table in all change sets that `read` does not read."""
        ...

    def back_up(self) -> str:
        """Capture live; the id of the point."""
        ...


def _installation(folder: Path, engine: dict[str, Any], suffix: str) -> FastInstallation:
    (folder / "dumps" / "live1").mkdir(parents=True)
    return FastInstallation(
        folder=folder / "house",
        engines={"live1": engine},
        sources={
            "plain": {
                "kind": "directory",
                "path": folder / "dumps",
                "layout": f"{{engine}}/{{database}}{suffix}",
                "quiet_s": 0,
            }
        },
        databases={NAME: {"customer": "acme", "engine": "live1", "playbook": "refusing"}},
        playbooks={"refusing": REFUSING, "keeping": KEEPING},
    )


@dataclass
class SQLiteShop:
    """A file in a folder."""

    folder: Path
    house: FastInstallation
    suffix: ClassVar = ".db"
    copies_after_undo: ClassVar = 2
    copy_prefix: ClassVar = "undo"

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path, journal: str = "wal") -> Iterator["SQLiteShop"]:
        live = folder / "live"
        live.mkdir(parents=True)
        shop = cls(folder, _installation(folder, {"kind": "sqlite", "directory": live}, cls.suffix))
        try:
            with contextlib.closing(sqlite3.connect(shop.path)) as connection:
                connection.execute(f"PRAGMA journal_mode={journal}")
                connection.executescript(TABLES)
            shop.run(*ROWS)
            yield shop
        finally:
            shop.house.end()

    @property
    def path(self) -> Path:
        return self.folder / "live" / f"{NAME}.sqlite"

    def run(self, *statements: str) -> None:
        with contextlib.closing(self.connect()) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    def connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=30)

    def everything(self) -> str:
        with contextlib.closing(self.connect()) as connection:
            return "\n".join(connection.iterdump())

    def left_beside(self) -> tuple[list[str], list[str]]:
        own = self.folder / "live" / ".restorekit"
        return sorted(p.name for p in own.glob("hold_*")), sorted(p.stem for p in own.glob("undo_*.db"))

    def read(self, undo_copy: str, sql: str) -> list[tuple[Any, ...]]:
        path = self.folder / "live" / ".restorekit" / f"{undo_copy}.db" if undo_copy else self.path
        with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection:
            return list(connection.execute(sql))

    def kept_rows(self, table: str) -> set[int]:
        found: set[int] = set()
        for path in (self.folder / "live" / ".restorekit").glob("undo_*.rows"):
            with contextlib.closing(sqlite3.connect(path)) as connection:
                for one in [s for s in sets(connection) if s.name == table]:
                    found |= {row[0] for row in connection.execute(f"SELECT c0 FROM {one.rows}")}
        return found

    def back_up(self) -> str:
        self.house.ok("capture", NAME, "--to", str(self.folder / "dumps/live1" / f"{NAME}{self.suffix}"))
        return self.house.point(NAME)


@dataclass
class MariaDBShop:
    """A schema on a server that other customers use, too."""

    folder: Path
    house: FastInstallation
    server: LiveServer
    suffix: ClassVar = ".sql"
    copies_after_undo: ClassVar = 1  # tables are moved, not copied
    copy_prefix: ClassVar = "rk_undo"

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path, server: LiveServer) -> Iterator["MariaDBShop"]:
        engine = {"kind": "mariadb", "socket": server.socket}
        shop = cls(folder, _installation(folder, engine, cls.suffix), server)
        try:
            server.script(
                f"CREATE DATABASE {NAME}; CREATE USER acme@localhost; GRANT ALL ON `acme\\_shop`.* TO acme@localhost;"
            )
            server.script(TABLES, NAME)
            shop.run(*ROWS)
            server.script("CREATE DEFINER=acme@localhost VIEW big AS SELECT * FROM orders WHERE amount > 100", NAME)
            server.script(
                "CREATE DEFINER=acme@localhost TRIGGER seen AFTER UPDATE ON customers FOR EACH ROW "
                "INSERT INTO visits VALUES ('trigger')",
                NAME,
            )
            yield shop
        finally:
            shop.house.end()
            server.script(f"DROP DATABASE IF EXISTS {NAME}; DROP USER IF EXISTS acme@localhost")
            for schema in [name for kind in shop.left_beside() for name in kind]:
                server.script(f"DROP DATABASE `{schema}`")

    def run(self, *statements: str) -> None:
        self.server.script("BEGIN; " + "; ".join(statements) + "; COMMIT", NAME)

    def connect(self) -> Any:
        connection = self.server.connect(NAME, user="acme")
        connection.autocommit(False)
        return connection

    def everything(self) -> str:
        grants = self.server.rows("SHOW GRANTS FOR acme@localhost")
        return self.server.dump(NAME, "--skip-dump-date").decode() + "\n".join(str(g[0]) for g in grants)

    def left_beside(self) -> tuple[list[str], list[str]]:
        schemas = [row[0] for row in self.server.rows("SHOW DATABASES LIKE 'rk\\_%'")]
        return [s for s in schemas if s.startswith("rk_hold")], [s for s in schemas if s.startswith("rk_undo")]

    def read(self, undo_copy: str, sql: str) -> list[tuple[Any, ...]]:
        return self.server.rows(sql, undo_copy or NAME)

    def kept_rows(self, table: str) -> set[int]:
        return set()  # a change set bears the table's name, and is read as it is

    def back_up(self) -> str:
        self.house.ok("capture", NAME, "--to", str(self.folder / "dumps/live1" / f"{NAME}{self.suffix}"))
        return self.house.point(NAME)

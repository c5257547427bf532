"""MariaDB as the engine contract sees it."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from contract.picking_sql import Dialect
from servers.mariadb import LiveServer
from servers.mariadb_live import live_on

from restorekit.engines.mariadb import MariaDB
from restorekit.engines.mariadb.connect import quoted
from restorekit.model.point import Compression, Format
from restorekit.model.staged import Sandbox
from restorekit.ports import Engine

FAST = ("--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0", "--log-bin-trust-function-creators=1")


class MariaDBLab:
    """One engine on a live server that many tests share."""

    form: tuple[Format, Compression] = ("sql", "none")
    extras: Sequence[str] = (
        "CREATE VIEW open_orders AS SELECT * FROM orders WHERE status = 'open'",
        "CREATE VIEW a_view_on_it AS SELECT id FROM open_orders",
        "CREATE TRIGGER before_visit BEFORE INSERT ON visits FOR EACH ROW SET NEW.what = NEW.what",
        "CREATE FUNCTION greeting() RETURNS VARCHAR(20) RETURN 'Grüße'",
        "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 03:00:00' DISABLE DO SET @x = 1",
    )
    dialect = Dialect(
        types={
            "int": "INTEGER",
            "big": "BIGINT",
            "text": "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
            "folded": "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
            "long": "LONGTEXT",
            "binary": "VARBINARY(60)",
            "double": "DOUBLE",
            "decimal": "DECIMAL(12,3)",
            "stamp": "DATETIME DEFAULT CURRENT_TIMESTAMP",
        },
        quoted=quoted,
        backslashes=True,
        before=("SET foreign_key_checks = 0",),
    )

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        live = live_on(server)
        self.engine: Engine = MariaDB("db1", live.settings, live.home)

    def create(self, database: str) -> None:
        self._server.script(f"CREATE DATABASE {quoted(database)}")

    def run(self, database: str, *statements: str) -> None:
        with contextlib.closing(self._server.connect(database)) as session, session.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def rows(self, database: str, query: str) -> list[tuple[Any, ...]]:
        return self._server.rows(query, database)

    def quoted(self, name: str) -> str:
        return quoted(name)

    def backup(self, database: str) -> bytes:
        return self._server.dump(database, "--hex-blob")

    def clear(self, keep: str = "") -> None:
        """No database and no staging of an earlier test, but for the sandbox to `keep`."""
        staging = self.engine._home.staging  # type: ignore[attr-defined]
        for folder in (f for f in staging.glob("*") if f.name != keep):
            self.engine.discard(Sandbox(id=folder.name, engine="db1", folder=str(folder), schema_name=""))
        system = "'mysql','sys','information_schema','performance_schema'"
        for (name,) in self._server.rows(
            f"SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ({system})"
        ):
            self._server.rows(f"DROP DATABASE {quoted(name)}")


def cleared(server: LiveServer, keep: str = "") -> Iterator[MariaDBLab]:
    """A lab that leaves nothing behind, but for the sandbox to `keep`."""
    lab = MariaDBLab(server)
    try:
        yield lab
    finally:
        lab.clear(keep)

"""SQLite databases in a temporary folder: no server, but the same ways in as the others."""

import os
import shutil
import sqlite3
import subprocess
import tempfile
import weakref
from contextlib import closing
from pathlib import Path
from typing import Any

from contract.picking_sql import Dialect

from restorekit.engines.sqlite import SQLite
from restorekit.engines.sqlite.connect import quoted
from restorekit.model.home import Home
from restorekit.model.point import Compression, Format

EXTRAS = (
    "CREATE INDEX orders_by_status ON orders (status)",
    "CREATE VIEW open_orders AS SELECT * FROM orders WHERE status = 'open'",
    "CREATE VIEW names AS SELECT name FROM customers JOIN open_orders ON customer = customers.id",
    "CREATE TRIGGER one AFTER DELETE ON customers BEGIN DELETE FROM orders WHERE customer = OLD.id; END",
    "CREATE TRIGGER two AFTER DELETE ON customers BEGIN SELECT 1; END",
)


MEMORY = Path("/dev/shm")


def _in_memory(folder: Path) -> Path:
    """The same folder where flushing costs nothing: a killed process loses nothing there that it would keep on disk."""
    if not os.access(MEMORY, os.W_OK):
        return folder
    return Path(tempfile.mkdtemp(prefix="restorekit-", dir=MEMORY))


class SQLiteLab:
    """One SQLite engine in `folder`; backups are database files, or `.dump` text where `form` says sql."""

    extras = EXTRAS
    dialect = Dialect(
        types={
            "int": "INTEGER",
            "big": "BIGINT",
            "text": "TEXT",
            "folded": "TEXT COLLATE NOCASE",
            "long": "TEXT",
            "binary": "BLOB",
            "double": "REAL",
            "decimal": "NUMERIC(12,3)",
            "stamp": "TEXT DEFAULT CURRENT_TIMESTAMP",
        },
        quoted=quoted,
    )

    def __init__(
        self, folder: Path, *, journal: str = "delete", form: tuple[Format, Compression] = ("sqlite", "none")
    ) -> None:
        self.folder = _in_memory(folder)
        if self.folder != folder:
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self.live = self.folder / "live"
        self.live.mkdir(parents=True)
        self.journal = journal
        self.form = form
        self.engine = SQLite("files", SQLite.Settings(directory=self.live), self.home)

    @property
    def home(self) -> Home:
        return Home(
            staging=self.folder / "staging",
            cache=self.folder / "cache",
            base=self.folder,
            timezone="UTC",
            row_key=b"key",
        )

    def path(self, database: str) -> Path:
        return self.live / f"{database}.db"

    def connect(self, database: str, timeout: float = 5) -> sqlite3.Connection:
        return sqlite3.connect(self.path(database), isolation_level=None, timeout=timeout)

    def create(self, database: str) -> None:
        with closing(self.connect(database)) as connection:
            connection.execute(f"PRAGMA journal_mode={self.journal}")
            connection.execute("VACUUM")

    def run(self, database: str, *statements: str) -> None:
        with closing(self.connect(database)) as connection:
            connection.execute("BEGIN")
            for statement in statements:
                connection.execute(statement)
            connection.execute("COMMIT")

    def rows(self, database: str, query: str) -> list[tuple[Any, ...]]:
        with closing(self.connect(database)) as connection:
            return connection.execute(query).fetchall()

    def quoted(self, name: str) -> str:
        return quoted(name)

    def backup(self, database: str) -> bytes:
        """As `sqlite3 live "VACUUM INTO 'copy'"` or `sqlite3 live .dump` would."""
        if self.form[0] == "sql" and (tool := shutil.which("sqlite3")):
            return subprocess.run([tool, self.path(database), ".dump"], check=True, capture_output=True).stdout
        if self.form[0] == "sql":
            with closing(self.connect(database)) as connection:
                return ("PRAGMA foreign_keys=OFF;\n" + "\n".join(connection.iterdump()) + "\n").encode()
        copy = self.folder / "backup.db"
        copy.unlink(missing_ok=True)
        with closing(self.connect(database)) as connection:
            connection.execute("VACUUM INTO ?", (str(copy),))
        return copy.read_bytes()

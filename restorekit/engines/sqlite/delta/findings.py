"""Which rows differ, and which of them are chosen: a database file in the sandbox, never the staged one.

Per table an entry for each differing row: operation (`I` live lacks it, `U` it differs, `D` only live has it), the hash
of live's row and of the backup's, and its key in columns k0, k1, … with the affinity that it has in the table.
"""

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restorekit.engines.sqlite import connect, rows
from restorekit.engines.sqlite.delta.shape import Shape
from restorekit.engines.sqlite.places import remove_database
from restorekit.errors import PreflightRefused

FOUND = "found.db"
MOST = 100_000
"""Rows per table that are remembered; where more differ, the table is no case for single rows."""

Entry = tuple[str, int | None, int | None, tuple[Any, ...]]
"""Operation, hash of live's row, hash of the backup's row, key."""


@dataclass(frozen=True)
class Known:
    """A table compared: the number in the names of its entries, and why its rows cannot be written one by one."""

    name: str
    number: int
    why_not: str
    text: str

    @property
    def found(self) -> str:
        """The table with all its differing rows."""
        return f"found_{self.number}"

    @property
    def chosen(self) -> str:
        """The table with those of them that are chosen."""
        return f"chosen_{self.number}"


class Keyed:
    """One keyed hash over operation, key and both states of each row, in whatever order they are added."""

    def __init__(self, row_key: bytes) -> None:
        """`row_key` keeps values from being guessed."""
        self._row_key = row_key[:64]
        self._parts: list[bytes] = []

    def add(self, op: str, states: tuple[int | None, ...], key: Iterable[Any]) -> None:
        """One more row."""
        self._parts.append(rows.encoded((op.encode(), *states, *key)))

    def hexdigest(self) -> str:
        """The hash so far."""
        whole = hashlib.blake2b(key=self._row_key, digest_size=16)
        for part in sorted(self._parts):
            whole.update(b"%d:" % len(part) + part)
        return whole.hexdigest()


def create(folder: Path, encoding: str) -> None:
    """An empty file in place of what an earlier comparison found."""
    path = folder / FOUND
    remove_database(path)
    with connect.writer(path, create=True) as made:
        made.execute(f"PRAGMA encoding = {connect.literal(encoding)}")
        made.execute("CREATE TABLE known (number INTEGER PRIMARY KEY, name TEXT, why_not TEXT, text TEXT)")
        made.execute("CREATE TABLE said (conditions TEXT)")


def forget(folder: Path) -> None:
    """Nothing is known any more; idempotent."""
    remove_database(folder / FOUND)


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[sqlite3.Connection]:
    """The file of a sandbox. Raises PreflightRefused where nothing was compared yet."""
    path = folder / FOUND
    if not path.exists():
        raise PreflightRefused(
            "it is not known any more which rows differ; live is untouched", hint="Look at the difference again."
        )
    with connect.writer(path) as connection:
        connection.execute("PRAGMA synchronous=OFF")  # another comparison finds it again
        yield connection


def known(connection: sqlite3.Connection, side: str = "main") -> dict[str, Known]:
    """The tables compared; `side` is the schema name of the findings."""
    found = connection.execute(f"SELECT name, number, why_not, text FROM {side}.known ORDER BY name")
    return {row[0]: Known(*row) for row in found}


def note(connection: sqlite3.Connection, name: str, why_not: str) -> None:
    """Remember a table whose rows cannot be written one by one."""
    connection.execute("INSERT INTO known (name, why_not, text) VALUES (?, ?, '')", (name, why_not))


def remember(connection: sqlite3.Connection, shape: Shape, entries: Iterable[Entry]) -> Known:
    """Keep the differing rows of one table."""
    made = connection.execute("INSERT INTO known (name, why_not, text) VALUES (?, '', ?)", (shape.name, shape.text))
    table = Known(shape.name, int(made.lastrowid or 0), "", shape.text)
    create_entries(connection, table.found, shape)
    marks = ", ".join("?" for _ in shape.key)
    names = ", ".join(shape.parts)
    connection.executemany(
        f"INSERT INTO {table.found} (op, live, proven, {names}) VALUES (?, ?, ?, {marks})",
        ((op, live, proven, *key) for op, live, proven, key in entries),
    )
    return table


def create_entries(connection: sqlite3.Connection, table: str, shape: Shape) -> None:
    """An empty table for entries of one table. `pulled`: not asked for."""
    connection.execute(f"DROP TABLE IF EXISTS {table}")
    typed = ", ".join(f"{name} {kind}" for name, kind in zip(shape.parts, shape.key_types, strict=True))
    connection.execute(
        f"CREATE TABLE {table} (n INTEGER PRIMARY KEY, op TEXT, live INTEGER, proven INTEGER, "
        f"pulled INTEGER DEFAULT 0, {typed})"
    )
    connection.execute(f"CREATE INDEX {table}_key ON {table} ({shape.index()})")

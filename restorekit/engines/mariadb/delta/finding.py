"""The rows that differ, remembered on the sandbox's server until somebody chooses among them."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pymysql.connections import Connection

from restorekit.engines.mariadb.chunks import Cut
from restorekit.engines.mariadb.connect import one, quoted, rows
from restorekit.engines.mariadb.delta.names import CHOSEN, FOUND, NOTED, Own, number, own
from restorekit.engines.mariadb.tables import Table

_WRITING = "SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO', foreign_key_checks=0"
"""Keys as they are, also those that a strict server would not take today."""

_BATCH = 1 << 20


class Row(NamedTuple):
    """One row that differs: its identity in a `Cut`, and `row_value` on both sides."""

    identity: str
    live: str | None
    proven: str | None

    @property
    def op(self) -> str:
        """What would make live's row the backup's."""
        return "I" if self.live is None else "D" if self.proven is None else "U"


def named(row_key: bytes, table: str, literals: str) -> str:
    """A name for the row of that key (as SQL literals) that says nothing about it to those without `row_key`."""
    return hashlib.blake2b(f"{table}\0{literals}".encode(), key=row_key[:64], digest_size=16).hexdigest()


def forget(session: "Connection[Any]") -> None:
    """Begin anew: no findings, no choice."""
    rows(session, _WRITING)
    for schema in (FOUND, CHOSEN, NOTED):
        begin(session, schema)
    rows(session, f"USE {NOTED}")  # some statements with aliases want any schema chosen
    rows(
        session,
        f"CREATE TABLE {NOTED}.tables (name VARCHAR(64) PRIMARY KEY, carried BOOL NOT NULL, no_delta TEXT NOT NULL, "
        "recorded BOOL NOT NULL) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    )
    rows(session, f"CREATE TABLE {NOTED}.choice (name VARCHAR(64) PRIMARY KEY, asked LONGTEXT NOT NULL) ENGINE=InnoDB")


def note(session: "Connection[Any]", table: str, *, carried: bool, no_delta: str, recorded: bool) -> None:
    """Write down what was learned about the table."""
    rows(session, f"INSERT INTO {NOTED}.tables VALUES (%s,%s,%s,%s)", (table, carried, no_delta, recorded))


def place(schema: str, table: str) -> str:
    """The findings of that table in that schema of ours, quoted."""
    return f"{schema}.{quoted(table)}"


def begin(session: "Connection[Any]", schema: str) -> None:
    """An empty schema for findings."""
    rows(session, _WRITING)
    rows(session, f"DROP DATABASE IF EXISTS {schema}")
    rows(session, f"CREATE DATABASE {schema} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")


def keep(session: "Connection[Any]", table: Table, way: Cut, differing: Sequence[Row], schema: str = FOUND) -> int:
    """Write the findings of one table (of staging) down.

    Answers how many pairs of them were one row: where live's key and the backup's differ in bytes only, and the key's
    collation takes them for equal, a missing and an extra row are one that changed.
    """
    mine, no, full = own(table.columns), number(table.columns), place(schema, table.name)
    key = ",".join(quoted(name) for name in table.key)
    rows(
        session,
        f"CREATE TABLE {full} ({no} INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, {shape(mine)}, "
        f"KEY ({key})) ENGINE=InnoDB SELECT {key} FROM {table.full} LIMIT 0",
    )
    order = ",".join(quoted(c.name) for c in way.key)
    head = f"INSERT INTO {full} ({','.join(mine)},{order}) VALUES "
    for batch in _batches(session, way, differing):
        rows(session, head + ",".join(batch))
    return 0 if way.kind == "range" else _one_row(session, table, mine, full)


def shape(mine: Own) -> str:
    """The definitions of our three columns."""
    return (
        f"{mine.op} CHAR(1) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, {mine.live} BIGINT UNSIGNED NULL, "
        f"{mine.proven} BIGINT UNSIGNED NULL"
    )


def _batches(session: "Connection[Any]", way: Cut, differing: Sequence[Row]) -> Iterator[list[str]]:
    most = min(_BATCH, int(one(session, "SELECT @@max_allowed_packet")) // 4)
    batch: list[str] = []
    size = 0
    for row in differing:
        text = f"('{row.op}',{row.live or 'NULL'},{row.proven or 'NULL'},{way.literals(row.identity)})"
        batch.append(text)
        size += len(text)
        if size > most:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _one_row(session: "Connection[Any]", table: Table, mine: Own, full: str) -> int:
    same = " AND ".join(f"a.{quoted(n)}=b.{quoted(n)}" for n in table.key)
    two = f"{full} AS a JOIN {full} AS b ON {same} AND a.{mine.op}='I' AND b.{mine.op}='D'"
    pairs = int(one(session, f"SELECT COUNT(*) FROM {two}"))
    if pairs:
        rows(session, f"UPDATE {two} SET a.{mine.live}=b.{mine.live}")
        rows(session, f"DELETE b FROM {two}")
        rows(
            session,
            f"UPDATE {full} SET {mine.op}='U' WHERE {mine.op}='I' AND {mine.live} IS NOT NULL",
        )
    return pairs

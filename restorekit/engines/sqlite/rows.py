"""Rows as bytes: typed and length-prefixed, so that no two different rows read the same.

`1`, `'1'`, `1.0` and `x'31'` in a column without a type are four values; text is taken with its bytes behind a NUL;
`-0.0` is not `0.0`. The encoding is part of the algorithm's name: whoever changes it changes the name.
"""

import contextlib
import hashlib
import sqlite3
import struct
from collections.abc import Iterable, Iterator
from typing import Any

import xxhash

from restorekit.engines.sqlite.connect import quoted
from restorekit.engines.sqlite.schema import Table
from restorekit.model.contents import Fingerprint

ALGORITHM = "xxh3sum-sqlite-v1"
_DOUBLE = struct.Struct(">d").pack
_MODULUS = 1 << 64
_BITE = 2000


def typed(connection: sqlite3.Connection) -> sqlite3.Connection:
    """From now on text comes as bytearray and blobs as bytes: bytes as stored, and still told apart."""
    connection.text_factory = bytearray
    return connection


@contextlib.contextmanager
def as_stored(connection: sqlite3.Connection) -> Iterator[None]:
    """Inside, the connection is `typed`."""
    factory = connection.text_factory
    typed(connection)
    try:
        yield
    finally:
        connection.text_factory = factory


def encoded(row: Iterable[Any]) -> bytes:
    """One row; the inverse exists, therefore equal bytes mean equal rows."""
    parts: list[bytes] = []
    for value in row:
        kind = type(value)
        if kind is int:
            parts.append(b"I%d," % value)
        elif kind is bytearray:
            parts.append(b"T%d:%b" % (len(value), value))
        elif value is None:
            parts.append(b"N")
        elif kind is float:
            parts.append(b"R" + _DOUBLE(value))
        else:
            parts.append(b"B%d:%b" % (len(value), value))
    return b"".join(parts)


def hashed(row: Iterable[Any]) -> int:
    """64 bits over one row, as an integer that SQLite can keep; what a fingerprint sums."""
    value = xxhash.xxh3_64_intdigest(encoded(row))
    return value - _MODULUS if value >= _MODULUS // 2 else value


def named(key: Iterable[Any], row_key: bytes) -> str:
    """A keyed hash of a row's key, for showing and keeping."""
    return hashlib.blake2b(encoded(key), key=row_key[:64], digest_size=16).hexdigest()


def bindable(key: Iterable[Any]) -> tuple[Any, ...] | None:
    """A key, as stored, as SQLite takes it; None if a part of it is NULL, or bytes that are no text."""
    try:
        values = tuple(v.decode("utf-8") if isinstance(v, bytearray) else v for v in key)
    except UnicodeDecodeError:
        return None
    return None if None in values else values


def columns_of(table: Table) -> list[str]:
    """What identifies a row: its columns without generated ones; for a virtual table its rowid, too."""
    names = [c.name for c in table.columns]
    return [table.rowid, *names] if table.virtual and table.rowid else names


def select(table: Table, columns: list[str], order: str = "") -> str:
    """The SELECT over `columns` of a table."""
    names = ", ".join(quoted(c) for c in columns)
    return f"SELECT {names} FROM {quoted(table.name)}{order}"


def batches(cursor: sqlite3.Cursor) -> Iterator[list[Any]]:
    """Rows in bounded bites."""
    while rows := cursor.fetchmany(_BITE):
        yield rows


class Sum:
    """COUNT and SUM(xxh3_64) modulo 2^64: independent of order, duplicates count."""

    def __init__(self, algorithm: str = ALGORITHM) -> None:
        """An empty sum that will bear the name `algorithm`."""
        self.algorithm = algorithm
        self.rows = 0
        self._total = 0

    def add(self, row: Iterable[Any]) -> None:
        """One more row."""
        self.rows += 1
        self._total += hashed(row)

    def fingerprint(self) -> Fingerprint:
        """The sum so far."""
        return Fingerprint(algorithm=self.algorithm, rows=self.rows, value=f"{self._total % _MODULUS:016x}")


def fingerprint(connection: sqlite3.Connection, table: Table) -> Fingerprint:
    """Sum all rows of a table; the connection must be `typed` and inside one read."""
    result = Sum()
    for rows in batches(connection.execute(select(table, columns_of(table)))):
        for row in rows:
            result.add(row)
    return result.fingerprint()

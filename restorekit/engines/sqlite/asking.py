"""Reading on somebody's behalf: checks, a peek at rows, samples of text. Always without any power to change."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from restorekit.engines.sqlite import connect, rows, schema
from restorekit.engines.sqlite.connect import quoted
from restorekit.errors import ProofFailed, UnknownName, UsageError

_MOST_ANSWERS = 1000
_PEEK_S = 30.0
_LOOKED_AT = 20_000
_FRAGMENT = 24


def ask(connection: sqlite3.Connection, sql: str, timeout_s: float) -> list[tuple[Any, ...]]:
    """The first rows that `sql` gives; raises ProofFailed for an error, a write, or a query that takes too long."""
    schema.tables(connection)  # a virtual table connects on first use, by statements that only_reads would refuse
    _lenient(connection)
    connect.only_reads(connection, timeout_s)
    try:
        return connection.execute(sql).fetchmany(_MOST_ANSWERS)
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise ProofFailed(f"the check could not run: {_why(error, timeout_s)}", hint="Look at the check.") from None


def peek(
    connection: sqlite3.Connection, table: str, condition: str, most: int
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Names of columns and up to `most` rows of `table` for which `condition` (SQL, may be empty) holds.

    Raises UnknownName for another table, UsageError for a condition that cannot be used.
    """
    return _selected(connection, table, "*", (condition, most))


def count(connection: sqlite3.Connection, table: str, condition: str) -> int:
    """How many rows of `table` fulfil `condition`; raises as `peek`."""
    return int(_selected(connection, table, "COUNT(*)", (condition, 1))[1][0][0])


def _selected(
    connection: sqlite3.Connection, table: str, what: str, limits: tuple[str, int]
) -> tuple[list[str], list[tuple[Any, ...]]]:
    condition, most = limits
    if table not in {t.name for t in schema.tables(connection)}:
        raise UnknownName(f"there is no table {table}")
    _lenient(connection)
    connect.only_reads(connection, _PEEK_S)
    where = f" WHERE ({condition}\n)" if condition.strip() else ""
    try:
        cursor = connection.execute(f"SELECT {what} FROM {quoted(table)}{where} LIMIT ?", (most,))
        found = cursor.fetchall()
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise UsageError(f"the condition cannot be used: {_why(error, _PEEK_S)}") from None
    return [d[0] for d in cursor.description], found


def fulfilling(
    connection: sqlite3.Connection, table: str, columns: Sequence[str], condition: str
) -> Iterator[tuple[Any, ...]]:
    """Those `columns`, as stored, of every row that fulfils `condition`; raises as `peek`."""
    schema.tables(connection)  # as in `ask`
    connect.only_reads(connection, _PEEK_S)
    names = ", ".join(quoted(c) for c in columns)
    try:
        with rows.as_stored(connection):
            yield from connection.execute(f"SELECT {names} FROM {quoted(table)} WHERE ({condition}\n)")
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise UsageError(
            f"the condition on {table} cannot be used: {_why(error, _PEEK_S)}", hint="Live is untouched."
        ) from None


def samples(connection: sqlite3.Connection, most: int) -> list[str]:
    """Up to `most` fragments per table with text beyond ASCII; every ASCII letter and digit is masked."""
    found = []
    for table in schema.tables(connection):
        if not table.virtual:
            found += [f"{table.name}: {text}" for text in _fragments(connection, table, most)]
    return found


def _fragments(connection: sqlite3.Connection, table: schema.Table, most: int) -> list[str]:
    texts: list[str] = []
    _lenient(connection)
    for column in table.columns:
        name = quoted(column.name)
        some = f"SELECT {name} AS v FROM {quoted(table.name)} LIMIT {_LOOKED_AT}"
        left = most - len(texts)
        if left <= 0:
            break
        query = f"SELECT v FROM ({some}) WHERE typeof(v) = 'text' AND v GLOB '*[^' || char(1) || '-~]*' LIMIT ?"
        texts += [masked(str(row[0])) for row in connection.execute(query, (left,))]
    return texts


def masked(text: str) -> str:
    """The surroundings of the first character beyond ASCII; of ASCII only its shape is left."""
    first = next((i for i, c in enumerate(text) if not c.isascii()), 0)
    part = text[max(0, first - _FRAGMENT // 3) :][:_FRAGMENT]
    return re.sub(r"[0-9]", "9", re.sub(r"[A-Za-z]", "x", part))


def _lenient(connection: sqlite3.Connection) -> None:
    """Text for people: bytes that are not UTF-8 are shown as such, not refused."""
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")


def _why(error: Exception, timeout_s: float) -> str:
    if isinstance(error, sqlite3.Error):
        if connect.primary(error) == sqlite3.SQLITE_INTERRUPT:
            return f"it did not end within {timeout_s:g} s"
        if connect.primary(error) == sqlite3.SQLITE_AUTH or str(error).startswith("not authorized"):
            return "only reading is allowed"
        return connect.safe_text(error)
    return "it is more than one statement"

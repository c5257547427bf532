"""Errors and warnings of the staging server, told without any value of a row.

Server texts quote values ("Duplicate entry 'x'"): only the number, names of tables, columns and indexes, and our own
words leave this room.
"""

import re
from typing import Any

import pymysql
from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import rows, went_away
from restorekit.engines.mariadb.screen import Judged
from restorekit.errors import DiskFull, DumpRefused, EngineUnavailable, LoadFailed, RestorekitError

_FULL = frozenset({3, 28, 1021, 1114})
_DENIED = frozenset({1044, 1045, 1049, 1142, 1143, 1227, 1370, 1698})
_MEANING = {
    1005: "the table cannot be created",
    1022: "a duplicate key",
    1048: "NULL in a column that has none",
    1050: "the table exists already",
    1054: "an unknown column",
    1062: "a duplicate key",
    1064: "a syntax this server does not know",
    1071: "a key that is too long",
    1118: "a row that is too long",
    1136: "the number of values does not fit the columns",
    1146: "an unknown table",
    1153: "a packet that is too large",
    1180: "rows that cannot be kept together, as a rule a duplicate key",
    1193: "an unknown variable",
    1264: "a number out of range",
    1265: "data that were truncated",
    1273: "an unknown collation",
    1115: "an unknown character set",
    1286: "an unknown storage engine",
    1292: "a value that is no date or number",
    1364: "a column without default got no value",
    1366: "text that is not valid in its column",
    1406: "data that are too long",
    1449: "a definer that does not exist",
    4025: "a CHECK constraint that does not hold",
}
_HARMLESS_WARNINGS = frozenset({1051, 1287, 1305, 1618, 1681, 1831, 1906, 1050, 1007, 1008, 1360, 4145, 1539, 1280})
_ASLEEP = "Event scheduler is switched off"
_KEY = re.compile(r"for key '([\w.$ -]+)'$")
_COLUMN = re.compile(r"(?:column [`']?(?:`?[\w$ -]+`?\.)*`?([\w$ -]+)[`'] at row \d+)$")


def meaning(number: int) -> str:
    """Our words for an error number of the server."""
    return _MEANING.get(number, f"error {number}")


def refusal(error: pymysql.err.MySQLError, where: str) -> RestorekitError:
    """What the caller gets instead of the server's error; `where` says which statement."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    text = str(error.args[1]) if len(error.args) > 1 else ""
    if number in _FULL or "No space left" in text or "Errcode: 28" in text:
        return DiskFull(
            f"the staging server ran out of disk space at {where}; live is untouched",
            hint="Free space or move `staging`, then try again.",
        )
    if went_away(error):
        return EngineUnavailable(
            f"the staging server went away at {where} (error {number}); live is untouched", hint="Try again."
        )
    if number in _DENIED:
        return DumpRefused(
            f"the dump was refused: {where} reaches outside of the database that is being restored "
            f"(error {number}); it had no effect, live is untouched",
            hint="Find out who made this dump, or choose another recovery point.",
        )
    key = _KEY.search(text)
    named = f" {key.group(1)}" if key else ""
    return LoadFailed(
        f"the staging server refused {where}: {meaning(number)}{named} (error {number}); live is untouched",
        hint="Choose another recovery point, or load the dump by hand to look at the statement.",
    )


def place(judged: Judged) -> str:
    """Which statement, without its text."""
    what = " ".join(word for word in (judged.verb, judged.kind) if word) or "a statement"
    name = f" of {judged.name}" if judged.name else ""
    return f"statement {judged.statement.number} ({what}{name}) at byte {judged.statement.offset}"


def warnings_of(found: tuple[Any, ...]) -> dict[tuple[int, str], int]:
    """Counts per (number, column) of the warnings that matter, from SHOW WARNINGS."""
    counts: dict[tuple[int, str], int] = {}
    for level, number, text in found:
        if level == "Note" or number in _HARMLESS_WARNINGS or str(text).startswith(_ASLEEP):
            continue
        column = _COLUMN.search(str(text))
        key = (int(number), column.group(1) if column else "")
        counts[key] = counts.get(key, 0) + 1
    return counts


def enum_columns(session: "Connection[Any]", schema: str) -> frozenset[tuple[str, str]]:
    """(table, column) of every ENUM."""
    sql = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema=%s AND data_type='enum'"
    return frozenset((str(table), str(column)) for table, column in rows(session, sql, (schema,)))

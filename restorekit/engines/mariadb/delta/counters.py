"""AUTO_INCREMENT and sequences never stand at or below a value that is there: the next row would be refused."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import one, quoted, rows

_DRAWS = re.compile(r"nextval\(`((?:[^`]|``)+)`\.`((?:[^`]|``)+)`\)", re.IGNORECASE)


def lift_sequences(session: "Connection[Any]", schema: str, tables: Iterable[str]) -> None:
    """Sequences from which columns of these tables draw go beyond the highest value there; never back.

    A sequence is not part of any transaction, and one that stands too high harms nobody.
    """
    for table, column, full in _drawing(session, schema, frozenset(tables)):
        step, cycles = rows(session, f"SELECT increment, cycle_option FROM {full}")[0]
        far = "MIN" if step < 0 else "MAX"
        end = one(session, f"SELECT {far}({quoted(column)}) FROM {quoted(schema)}.{quoted(table)}")
        if end is not None and not cycles:
            rows(session, f"SELECT SETVAL({full},%s)", [int(end)])


def _drawing(session: "Connection[Any]", schema: str, tables: frozenset[str]) -> Iterator[tuple[str, str, str]]:
    """Table, column and (quoted) sequence of each default that draws from one and is nothing else."""
    found = rows(
        session,
        "SELECT table_name, column_name, column_default FROM information_schema.columns "
        "WHERE table_schema=%s AND column_default LIKE 'nextval(%%'",
        [schema],
    )
    for table, column, text in found:
        if table in tables and (match := _DRAWS.fullmatch(text)):
            yield table, column, f"`{match[1]}`.`{match[2]}`"


def lift_counters(session: "Connection[Any]", schema: str, tables: Iterable[str]) -> None:
    """AUTO_INCREMENT beyond the highest value. An INSERT moves it, an UPDATE does not. Commits implicitly."""
    names = sorted(tables)
    if not names:
        return
    found = rows(
        session,
        "SELECT c.table_name, c.column_name, t.auto_increment FROM information_schema.columns c "
        "JOIN information_schema.tables t USING (table_schema, table_name) "
        "WHERE c.table_schema=%s AND c.table_name IN %s AND c.extra LIKE '%%auto_increment%%'",
        [schema, names],
    )
    for table, column, stands in found:
        full = f"{quoted(schema)}.{quoted(table)}"
        end = one(session, f"SELECT MAX({quoted(column)}) FROM {full}")
        if end is not None and stands is not None and int(stands) <= int(end):
            rows(session, f"ALTER TABLE {full} AUTO_INCREMENT={int(end) + 1}")

"""The rows that differ as both sides have them, whole, in the sandbox: what a choice looks at.

    rk_back  the backup's rows that live lacks or has otherwise
    rk_live  live's rows that the backup lacks or has otherwise

Tables are named and made as the customer's, so that his conditions can be asked of them, with two columns more: the
number of the finding, and a hash of each column that is no part of the key.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from pymysql.connections import Connection

from restorekit.engines.mariadb.chunks import common
from restorekit.engines.mariadb.connect import quoted, rows
from restorekit.engines.mariadb.delta.names import found, free, number, own
from restorekit.engines.mariadb.fingerprint import Column, parts
from restorekit.engines.mariadb.literals import literal, printable, text
from restorekit.engines.mariadb.tables import Table
from restorekit.ports import Watch

BACK = "rk_back"
LIVE = "rk_live"
CELL = 8
"""Characters of a hash of one column."""

_WRITING = (
    "SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO', foreign_key_checks=0, check_constraint_checks=0, "
    "system_versioning_alter_history=KEEP"
)
_BATCH = 1 << 20
_KEYS = 200
"""Keys in one statement."""


def back(table: str) -> str:
    """The backup's rows of that table, quoted."""
    return f"{BACK}.{quoted(table)}"


def live(table: str) -> str:
    """Live's rows of that table, quoted."""
    return f"{LIVE}.{quoted(table)}"


def cells(table: Table) -> str:
    """The name of the column with the hashes, unquoted."""
    return free("rk_cells", [c.name for c in table.columns])


def others(table: Table, columns: Sequence[Column]) -> list[Column]:
    """Those of `columns` that are no part of the key, in the order of their hashes."""
    return [c for c in columns if c.name not in table.key]


def forget(session: "Connection[Any]") -> None:
    """No images."""
    rows(session, _WRITING)
    for schema in (BACK, LIVE):
        rows(session, f"DROP DATABASE IF EXISTS {schema}")
        rows(session, f"CREATE DATABASE {schema}")


def keep(
    session: "Connection[Any]", source: "Connection[Any]", sides: tuple[Table, Table], watch: Watch, *, carried: bool
) -> None:
    """Fill both images of one table: `sides` are live's table, read in `source`, and staging's."""
    here, there = sides
    columns = common(here, there)
    for image in (back(there.name), live(there.name)):
        no, hashes = number(there.columns), cells(there)
        rows(session, f"CREATE TABLE {image} LIKE {there.full}")
        rows(session, f"ALTER TABLE {image} ADD {no} INT UNSIGNED, ADD {hashes} MEDIUMTEXT, ADD INDEX ({no})")
    _back(session, there, columns)
    _live(session, source, sides, columns, watch, carried=carried)


def _hashes(table: Table, columns: Sequence[Column], *, carried: bool) -> str:
    hashed = [f"LEFT(MD5(CONCAT_WS('#',{parts(c, carried=carried)})),{CELL})" for c in others(table, columns)]
    return f"CONCAT({','.join(hashed)})" if hashed else "''"


def _back(session: "Connection[Any]", table: Table, columns: Sequence[Column]) -> None:
    mine, no = own(table.columns), number(table.columns)
    names = ",".join(quoted(c.name) for c in columns)
    whole = ",".join(f"s.{quoted(c.name)}" for c in columns)
    same = " AND ".join(f"s.{quoted(k)}=f.{quoted(k)}" for k in table.key)
    rows(
        session,
        f"INSERT INTO {back(table.name)} ({names},{no},{cells(table)}) "
        f"SELECT {names},{no},{_hashes(table, columns, carried=False)} FROM (SELECT {whole},f.{no} "
        f"FROM {found(table.name)} AS f STRAIGHT_JOIN {table.full} AS s ON {same} WHERE f.{mine.op}<>'D') AS rk_rows",
    )


def _live(
    session: "Connection[Any]",
    source: "Connection[Any]",
    sides: tuple[Table, Table],
    columns: Sequence[Column],
    watch: Watch,
    *,
    carried: bool,
) -> None:
    """Live's values travel as they do in an exchange: as SQL literals that nobody reads."""
    here, there = sides
    names = ",".join(quoted(c.name) for c in columns)
    head = f"INSERT INTO {live(there.name)} ({names},{cells(there)}) VALUES ".encode()
    tuple_of = ",".join([*(literal(c) for c in columns), f"QUOTE({_hashes(there, columns, carried=carried)})"])
    for condition in _keys(session, there):
        watch.check()
        sql = f"SELECT CAST(CONCAT('(',CONCAT_WS(',',{tuple_of}),')') AS BINARY) FROM {here.full} WHERE {condition}"
        for batch in _batches([row for (row,) in rows(source, sql) if row is not None]):
            session.query(head + b",".join(batch))
    same = " AND ".join(f"i.{quoted(k)}=f.{quoted(k)}" for k in there.key)
    # Named in SET, a column that notes the time of every change does not.
    still = "".join(
        f",i.{quoted(c.name)}=i.{quoted(c.name)}" for c in columns if c.data_type in ("timestamp", "datetime")
    )
    no = number(there.columns)
    rows(session, f"UPDATE {live(there.name)} AS i JOIN {found(there.name)} AS f ON {same} SET i.{no}=f.{no}{still}")


def _keys(session: "Connection[Any]", table: Table) -> Iterator[str]:
    """Conditions that together find all rows of live that differ, each by its key."""
    mine = own(table.columns)
    values = ",".join(printable(c) for c in table.key_columns)
    sql = f"SELECT {values} FROM {found(table.name)} WHERE {mine.op}<>'I' ORDER BY {number(table.columns)}"
    keys = rows(session, sql)
    names = [quoted(c.name) for c in table.key_columns]
    for start in range(0, len(keys), _KEYS):
        part = keys[start : start + _KEYS]
        yield " OR ".join(
            "(" + " AND ".join(f"{n}={text(v)}" for n, v in zip(names, key, strict=True)) + ")" for key in part
        )


def _batches(tuples: Sequence[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for each in tuples:
        batch.append(each)
        size += len(each)
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch

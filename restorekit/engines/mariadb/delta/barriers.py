"""Why rows of a table cannot be written one by one: said before anything happens."""

from typing import Any

from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import one, quoted
from restorekit.engines.mariadb.delta.ground import Ground
from restorekit.engines.mariadb.delta.names import MOST, found, own
from restorekit.engines.mariadb.tables import Table

_UNBOUNDED = frozenset({"tinytext", "text", "mediumtext", "longtext", "tinyblob", "blob", "mediumblob", "longblob"})
_SMALL = 65_536


def against(ground: Ground, here: Table, there: Table, differing: int) -> str:
    """A short reason, or "". `differing` rows were found."""
    reasons = (
        (here.versioned or there.versioned, "it keeps its history, which would get new rows"),
        (here.schema_hash != there.schema_hash, "its definition differs"),
        (not here.transactional, f"{here.engine} tables know no transactions"),
        (not identified(ground, here), "it has no key that tells its rows apart"),
        (here.name in ground.outsiders, "foreign keys of other databases point at it"),
        (differing > MOST, f"more than {MOST:,} rows differ"),
    )
    return next((sentence for holds, sentence in reasons if holds), "")


def identified(ground: Ground, table: Table) -> bool:
    """True if the table's key says which row is meant: whole columns that are stored, and no FLOAT."""
    columns = table.key_columns
    if not table.key or any(c.generated or c.data_type == "float" for c in columns):
        return False
    return any(
        i.unique and not i.partial and not i.nullable and set(i.columns) >= set(table.key)
        for i in ground.indexes_of(table.name)
    )


def too_large(session: "Connection[Any]", packet: int, table: Table) -> str:
    """A reason if a row that was found cannot travel to live in one statement of `packet` bytes; else ""."""
    mine = own(table.columns)
    unread = f"({mine.op}<>'I' AND {mine.live} IS NULL) OR ({mine.op}<>'D' AND {mine.proven} IS NULL)"
    if one(session, f"SELECT 1 FROM {found(table.name)} WHERE {unread} LIMIT 1"):
        return "a row of it is larger than max_allowed_packet"
    long = [f"IFNULL(LENGTH(t.{quoted(c.name)}),0)" for c in table.stored if c.data_type in _UNBOUNDED]
    if not long:
        return ""
    same = " AND ".join(f"t.{quoted(n)}=f.{quoted(n)}" for n in table.key)
    sql = f"SELECT MAX({'+'.join(long)}) FROM {found(table.name)} AS f JOIN {table.full} AS t ON {same}"
    # Escaped, every byte may become two.
    largest = 2 * int(one(session, sql) or 0) + _SMALL
    return "a row of it is larger than live's max_allowed_packet takes" if largest > packet else ""

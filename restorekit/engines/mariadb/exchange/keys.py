"""Foreign keys around the tables that change places: RENAME carries them along, wherever that leads."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any

from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import quoted, rows
from restorekit.errors import PreflightRefused
from restorekit.model.value import Value

_THERE = (
    "EXISTS (SELECT 1 FROM information_schema.tables t "
    "WHERE t.table_schema=r.unique_constraint_schema AND t.table_name=r.referenced_table_name)"
)


class ForeignKey(Value):
    """One foreign key, with its definition as the server says it."""

    table: str
    name: str
    text: str


def pointing_in(connection: "Connection[Any]", schema: str, parents: AbstractSet[str] | None = None) -> tuple[str, ...]:
    """Tables of other schemas with a foreign key into this one (or only to these tables of it), as `schema.table`."""
    found = rows(
        connection,
        "SELECT CONCAT(constraint_schema,'.',table_name), referenced_table_name "
        "FROM information_schema.referential_constraints "
        "WHERE unique_constraint_schema=%s AND constraint_schema<>%s ORDER BY 1",
        [schema, schema],
    )
    return tuple(dict.fromkeys(name for name, parent in found if parents is None or parent in parents))


def torn(connection: "Connection[Any]", schema: str, moving: AbstractSet[str]) -> tuple[str, ...]:
    """Foreign keys of the schema with only one end among `moving`, as `child → parent`.

    One whose parent is not there at all cannot be torn; see `dangling`.
    """
    found = [(child, parent) for child, parent, there in _keys(connection, schema) if there]
    return tuple(f"{child} → {parent}" for child, parent in found if (child in moving) != (parent in moving))


def dangling(connection: "Connection[Any]", schema: str, leaving: AbstractSet[str]) -> tuple[ForeignKey, ...]:
    """Foreign keys of `leaving` tables whose parent is not there: somebody dropped it with checks switched off.

    Such a key would bind to the parent that comes to live under this name: a deletion there would then go on into
    the undo copy, and undo would bring back a key that points elsewhere.
    """
    lost = sorted({child for child, _, there in _keys(connection, schema) if child in leaving and not there})
    return tuple(key for table in lost for key in _dangling_of(connection, schema, table))


def _dangling_of(connection: "Connection[Any]", schema: str, table: str) -> Iterator[ForeignKey]:
    absent = rows(
        connection,
        "SELECT constraint_name FROM information_schema.referential_constraints r WHERE constraint_schema=%s "
        f"AND table_name=%s AND unique_constraint_schema=%s AND NOT {_THERE}",
        [schema, table, schema],
    )
    text = rows(connection, f"SHOW CREATE TABLE {quoted(schema)}.{quoted(table)}")[0][1]
    for (name,) in absent:
        begin = f"CONSTRAINT {quoted(name)} FOREIGN KEY "
        (line,) = (line.strip().rstrip(",") for line in text.split("\n") if line.startswith(f"  {begin}"))
        yield ForeignKey(table=table, name=name, text=line)


def cut(connection: "Connection[Any]", schema: str, found: tuple[ForeignKey, ...]) -> None:
    """Drop these keys where they are; no row is read. `mend` makes them again, word for word."""
    for key in found:
        if _has(connection, schema, key):
            rows(connection, f"ALTER TABLE {quoted(schema)}.{quoted(key.table)} DROP FOREIGN KEY {quoted(key.name)}")


def mend(connection: "Connection[Any]", schema: str, found: tuple[ForeignKey, ...]) -> None:
    """Make the keys that were cut again, where they are missing; they may dangle as they did."""
    for key in found:
        if not _has(connection, schema, key):
            alter = f"ALTER TABLE {quoted(schema)}.{quoted(key.table)} ADD {key.text}"
            rows(connection, f"SET STATEMENT foreign_key_checks=0 FOR {alter}")


def _has(connection: "Connection[Any]", schema: str, key: ForeignKey) -> bool:
    found = rows(
        connection,
        "SELECT 1 FROM information_schema.table_constraints WHERE constraint_schema=%s AND table_name=%s "
        "AND constraint_name=%s AND constraint_type='FOREIGN KEY'",
        [schema, key.table, key.name],
    )
    return bool(found)


def orphaned(connection: "Connection[Any]", schema: str, coming: AbstractSet[str]) -> tuple[str, ...]:
    """Foreign keys of the schema whose child is `coming` without its parent, as `child → parent`.

    A child that stays where it was staged tears nothing.
    """
    found = _keys(connection, schema)
    return tuple(f"{child} → {parent}" for child, parent, _ in found if child in coming and parent not in coming)


def _keys(connection: "Connection[Any]", schema: str) -> list[tuple[Any, ...]]:
    """All (child, parent, whether the parent is there) within the schema."""
    return rows(
        connection,
        f"SELECT DISTINCT table_name, referenced_table_name, {_THERE} "
        "FROM information_schema.referential_constraints r "
        "WHERE constraint_schema=%s AND unique_constraint_schema=%s ORDER BY 1, 2",
        [schema, schema],
    )


def must_be_closed(
    connection: "Connection[Any]", leaving: tuple[str, AbstractSet[str]], coming: tuple[str, AbstractSet[str]]
) -> None:
    """Raises PreflightRefused if a foreign key of either (schema, tables that move) would be torn."""
    ends = (*torn(connection, *leaving), *orphaned(connection, *coming))
    if ends:
        raise PreflightRefused(
            "the tables to be exchanged are tied by foreign keys to tables that stay; live is as before",
            hint="Plan the restore again: the set must be closed over foreign keys.",
            details=ends,
        )

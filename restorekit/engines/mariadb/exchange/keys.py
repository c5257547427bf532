"""Foreign keys around the tables that change places: RENAME carries them along, wherever that leads."""

from collections.abc import Set as AbstractSet
from typing import Any

from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import rows
from restorekit.errors import PreflightRefused


def pointing_in(connection: "Connection[Any]", schema: str) -> tuple[str, ...]:
    """Tables of other schemas with a foreign key into this one, as `schema.table`."""
    found = rows(
        connection,
        "SELECT DISTINCT CONCAT(constraint_schema,'.',table_name) FROM information_schema.referential_constraints "
        "WHERE unique_constraint_schema=%s AND constraint_schema<>%s ORDER BY 1",
        [schema, schema],
    )
    return tuple(name for (name,) in found)


def torn(connection: "Connection[Any]", schema: str, moving: AbstractSet[str]) -> tuple[str, ...]:
    """Foreign keys of the schema with only one end among `moving`, as `child → parent`."""
    found = _keys(connection, schema)
    return tuple(f"{child} → {parent}" for child, parent in found if (child in moving) != (parent in moving))


def orphaned(connection: "Connection[Any]", schema: str, coming: AbstractSet[str]) -> tuple[str, ...]:
    """Foreign keys of the schema whose child is `coming` without its parent, as `child → parent`.

    A child that stays where it was staged tears nothing.
    """
    found = _keys(connection, schema)
    return tuple(f"{child} → {parent}" for child, parent in found if child in coming and parent not in coming)


def _keys(connection: "Connection[Any]", schema: str) -> list[tuple[Any, ...]]:
    """All (child, parent) within the schema."""
    return rows(
        connection,
        "SELECT DISTINCT table_name, referenced_table_name FROM information_schema.referential_constraints "
        "WHERE constraint_schema=%s AND unique_constraint_schema=%s ORDER BY 1, 2",
        [schema, schema],
    )


def must_be_closed(
    connection: "Connection[Any]", sides: tuple[tuple[str, AbstractSet[str]], tuple[str, AbstractSet[str]]]
) -> None:
    """Raises PreflightRefused if, on either side (schema, moving tables), a foreign key would be torn."""
    cut = [key for schema, moving in sides for key in torn(connection, schema, moving)]
    if cut:
        raise PreflightRefused(
            "the tables to be exchanged are tied by foreign keys to tables that stay; live is as before",
            hint="Plan the restore again: the set must be closed over foreign keys.",
            details=tuple(cut),
        )

"""Values as SQL literals, written by the server that has them: exact for every type, and never read by us."""

from restorekit.engines.mariadb.connect import quoted
from restorekit.engines.mariadb.fingerprint import Column


def literal(column: Column) -> str:
    """An SQL expression that writes the column's value as an SQL literal, exact for every type."""
    name = quoted(column.name)
    if column.data_type == "bit":
        return f"IFNULL({name}+0,'NULL')"
    if column.data_type in ("float", "double"):
        return f"IFNULL(CAST({name} AS DOUBLE),'NULL')"
    if column.charset is not None:
        return f"QUOTE(CONVERT({name} USING utf8mb4))"
    if column.data_type in _PLAIN:
        return f"QUOTE({name})"
    return f"IF({name} IS NULL,'NULL',CONCAT('_binary',QUOTE({name})))"


def printable(column: Column) -> str:
    """The same for a column that is not NULL, with bytes in hex: the literal is text, whatever the column holds.

    Numbers stand without quotes, for a comparison with a DECIMAL in quotes finds no index.
    """
    if column.data_type in _NUMBERS:
        return quoted(column.name)
    if column.charset is None and column.data_type not in _PLAIN | {"bit", "float", "double"}:
        return f"CONCAT('x\\'',HEX({quoted(column.name)}),'\\'')"
    return literal(column)


def text(value: object) -> str:
    """What the server answered for `printable`, as text."""
    return value.decode() if isinstance(value, bytes) else str(value)


_NUMBERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "decimal"})
_PLAIN = frozenset(
    {
        *("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year", "date", "time", "datetime"),
        *("timestamp", "uuid", "inet4", "inet6"),
    }
)

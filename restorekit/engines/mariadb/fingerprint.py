"""SQL expressions that sum up rows: independent of their order, of column order and of storage.

The text of a row is injective: values that may hold a `#` stand behind their length in bytes, all others end at the
next `#`, NULL is N. So no two different rows share a text. Generated columns stay out: they derive from the others,
and their expression is part of the schema hash. No alias is used anywhere: a customer's column may bear any name.
"""

from collections.abc import Sequence

from restorekit.engines.mariadb.connect import quoted
from restorekit.errors import RestorekitError
from restorekit.model.contents import Fingerprint
from restorekit.model.value import Value

ALGORITHM = "mariadb-md5crc64-v1"
"""COUNT(*), and the sum over rows of CRC32 << 32 | CRC32C, both of the MD5 (in hex) of the row's text."""

HISTORY_ALGORITHM = "mariadb-md5crc64-history-v1"
"""The same over all row versions, with the times of their validity."""

_LONG = frozenset({"mediumtext", "longtext", "mediumblob", "longblob"})
_SPATIAL = frozenset(
    {
        "geometry",
        "point",
        "linestring",
        "polygon",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geometrycollection",
    }
)
_PLAIN = frozenset(
    {
        *("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "bit"),
        *("date", "time", "datetime", "timestamp", "year", "uuid", "inet4", "inet6"),
    }
)
"""Types whose text holds neither `#` nor N."""

_OBJECTS = frozenset({"uuid", "inet4", "inet6"})

_UTF8_BYTES = frozenset({"utf8mb4", "utf8mb3", "utf8", "ascii", "binary"})
"""Character sets whose bytes are UTF-8 already (or must not be touched)."""


class Column(Value):
    """What decides how a column's values become text."""

    name: str
    data_type: str
    charset: str | None = None
    scaled: bool = False
    nullable: bool = True
    generated: bool = False
    row_time: bool = False


def _exact(column: Column, carried: bool) -> str:  # noqa: FBT001  # one private place
    """The value as bytes that say everything about it."""
    name = quoted(column.name)
    if column.data_type == "float":
        # A FLOAT prints 6 digits; as DOUBLE it prints all. A dump carries 6: that is what arrives at the other side.
        return f"CAST(CAST(CAST({name} AS CHAR) AS FLOAT) AS DOUBLE)" if carried else f"CAST({name} AS DOUBLE)"
    if column.data_type == "double" and column.scaled:
        return f"CAST({name} AS DOUBLE)"
    if column.data_type == "bit":
        return f"CAST({name} AS UNSIGNED)"
    if column.data_type in _OBJECTS:
        # Beside these an N would become one of them, that is NULL: and where a value is missing could not be told.
        return f"CAST({name} AS CHAR)"
    if column.charset is not None and column.charset not in _UTF8_BYTES:
        return f"CONVERT({name} USING utf8mb4)"
    return name


def parts(column: Column, *, carried: bool = False) -> str:
    """One column as arguments of CONCAT_WS, which drops the NULL after an N."""
    value = _exact(column, carried)
    if column.data_type in _PLAIN:
        return f"IFNULL({value},'N')" if column.nullable else value
    shown = value
    if column.data_type in _LONG or column.data_type in _SPATIAL:
        # A text longer than max_allowed_packet would become NULL, and its row invisible to the sum.
        shown = f"IF(LENGTH({value})>65536,MD5({value}),{value})"
    return f"IFNULL(LENGTH({value}),'N'),{shown}" if column.nullable else f"LENGTH({value}),{shown}"


def row_text(columns: Sequence[Column], *, carried: bool = False) -> str:
    """The injective text of a row; the order of `columns` does not matter (they are taken by name).

    `carried`: FLOAT values as a dump carries them (6 digits), not as the server keeps them.
    """
    if not columns:
        return "''"
    ordered = sorted(columns, key=lambda c: c.name)
    return f"CONCAT_WS('#',{','.join(parts(c, carried=carried) for c in ordered)})"


def row_hash(columns: Sequence[Column], *, carried: bool = False) -> str:
    """One 64-bit half of the MD5 of a row: enough to find differing rows, one computation per row."""
    return f"CAST(CONV(LEFT(MD5({row_text(columns, carried=carried)}),16),16,10) AS UNSIGNED)"


def quick_hash(columns: Sequence[Column], *, carried: bool = False) -> str:
    """64 bits at half the price of `row_hash`, for chunks of a comparison; proofs use MD5.

    A product, never a bare CRC: CRCs are affine, and the same change on an even number of rows would cancel.
    """
    return f"CRC32(@rk_row:={row_text(columns, carried=carried)})*CRC32C(@rk_row)"


def row_value(columns: Sequence[Column], *, carried: bool = False) -> str:
    """What `sums` adds up for one row: a fingerprint is the sum of these. NULL for a row that cannot be read whole."""
    return f"(CRC32(@rk_row:=MD5({row_text(columns, carried=carried)}))<<32|CRC32C(@rk_row))"


def sums(columns: Sequence[Column], *, carried: bool = False) -> str:
    """Select list of three: rows, the sum of `row_value`, and rows that have one.

    What is summed is 64 bits of the MD5, taken out of its hex text by two checksums because reading that text as a
    number costs the server twice as much. MD5 comes first: checksums of the rows themselves are affine, and
    the same change on an even number of rows would cancel. The variable keeps MD5 at once per row; it is set inside
    the sum, which the server never skips, as it does COUNT of what it believes to be never NULL.
    """
    return f"COUNT(*),SUM({row_value(columns, carried=carried)}),COUNT(@rk_row)"


def fingerprint(answer: Sequence[object], algorithm: str = ALGORITHM) -> Fingerprint:
    """What a select of `sums` answered; raises RestorekitError if a row could not be read whole."""
    rows, total, texts = answer
    assert isinstance(rows, int)
    if rows != texts:
        raise RestorekitError(
            "a row is larger than the server's max_allowed_packet and cannot be summed up; nothing was changed",
            hint="Raise max_allowed_packet (up to 1G) on the server and try again.",
        )
    return Fingerprint(algorithm=algorithm, rows=rows, value=str(total or 0))

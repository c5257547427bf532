"""Rows compared by meaning: each literal normalised by its column's type (`xxh3sum-typed-v1`).

For producers whose text differs from mariadb-dump's though the value is the same: `'2009/1/1'` and
`'2009-01-01 00:00:00'`, `N'x'` and `'x'`, `0x41` and `'A'`. Ten times slower than raw text, so only for tables that
need it. What cannot be told from text alone (a function call, a number in an ENUM) is `NotComparable`, never equal.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from restorekit.engines.mariadb.lexer import InsertHead

TYPED = "xxh3sum-typed-v1"
_TEXT = rb"(?:[^'\\]++|\\.|'')*+"
_LITERAL = re.compile(
    rb"\s*+(?:(?P<null>NULL)|(?P<hex>0x[0-9A-Fa-f]*+)|(?P<number>[-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?)(?![\w'])"
    rb"|_binary\s*+'(?P<binary>" + _TEXT + rb")'|(?:_\w+\s*+|[Nn](?='))?'(?P<text>" + _TEXT + rb")'"
    rb"|[xX]'(?P<quoted_hex>[0-9A-Fa-f]*+)'|[bB]'(?P<bits>[01]*+)'|(?P<word>TRUE|FALSE))\s*+(?:,|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_ESCAPE = re.compile(rb"\\(.)|''", re.DOTALL)
_ESCAPED = {b"0": b"\0", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"Z": b"\x1a", b"%": b"\\%", b"_": b"\\_"}
_NAME = re.compile(rb"`((?:[^`]|``)+)`|\"([^\"]+)\"|([\w$\x80-\xff]+)")
_DIGITS = re.compile(rb"\d+")

Cell = tuple[str, bytes]


class NotComparable(Exception):
    """Why these rows cannot be compared by text; names and kinds only."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the sandbox's table. `scale` is digits after the point, of seconds for times; `width` for BINARY.

    A `hidden` one is in an INSERT only where its column list names it.
    """

    name: str
    kind: str
    scale: int
    width: int
    hidden: bool = False


class TypedRows:
    """Normalises rows of one table. `columns` by lower-case name; text is in the character set `codec`."""

    def __init__(self, columns: Sequence[Column], codec: str, wanted: frozenset[str]) -> None:
        self._columns = {c.name.lower(): c for c in columns}
        self._in_order = [c.name.lower() for c in columns if not c.hidden]
        self._codec = codec
        self._wanted = wanted

    def names(self, head: InsertHead) -> list[str]:
        """Lower-case names of the values of an INSERT, in order."""
        return columns_of(head, self._codec) or self._in_order

    def texts(self, head: InsertHead, rows: Iterable[bytes]) -> Iterable[bytes]:
        """One unambiguous text per row: values of the wanted columns, by name, each with its length.

        Raises NotComparable.
        """
        names = self.names(head)
        if unknown := [name for name in names if name not in self._columns]:
            raise NotComparable(f"column {unknown[0]} is not known")
        order = sorted((name, at, self._columns[name]) for at, name in enumerate(names) if name in self._wanted)
        for row in rows:
            cells = literals(row)
            if len(cells) != len(names):
                raise NotComparable("a row has another number of values than the table has columns")
            yield b"".join(self._encoded(cells[at], column) for _, at, column in order)

    def _encoded(self, cell: Cell, column: Column) -> bytes:
        if cell[0] == "null":
            return b"N"
        value = self._normal(cell, column)
        return b"V%d:%b" % (len(value), value)

    def _normal(self, cell: Cell, column: Column) -> bytes:
        rule = _RULES.get(column.kind)
        try:
            if rule is not None:
                return rule(cell, column)
            return _characters(cell, column, self._codec)
        except (ValueError, InvalidOperation, OverflowError):
            raise NotComparable(f"column {column.name} ({column.kind}) holds text of another kind") from None


def columns_of(head: InsertHead, codec: str) -> list[str]:
    """Lower-case names in an INSERT's column list; empty without one."""
    found = (next(g for g in m.groups() if g) for m in _NAME.finditer(head.columns))
    return [name.replace(b"``", b"`").decode(codec, "replace").lower() for name in found]


def literals(row: bytes) -> list[Cell]:
    """The literals of a row as (kind, bytes); raises NotComparable for anything else."""
    at, cells = 0, []
    while at < len(row):
        found = _LITERAL.match(row, at)
        if found is None or found.lastgroup is None:
            raise NotComparable("a value is not a literal")
        kind = found.lastgroup
        value = found.group(kind)
        cells.append((kind, _unescaped(value) if kind in ("text", "binary") else value))
        at = found.end()
    return cells


def _unescaped(text: bytes) -> bytes:
    if b"\\" not in text and b"''" not in text:
        return text
    return _ESCAPE.sub(lambda m: b"'" if m.group(1) is None else _ESCAPED.get(m.group(1), m.group(1)), text)


def _bytes(cell: Cell) -> bytes:
    kind, value = cell
    if kind == "hex":
        digits = value[2:].decode()
        return bytes.fromhex(digits if len(digits) % 2 == 0 else "0" + digits)
    if kind == "quoted_hex":
        return bytes.fromhex(value.decode())
    if kind in ("text", "binary", "number"):
        return value
    raise ValueError(kind)


def _whole(cell: Cell, _: Column) -> bytes:
    kind, value = cell
    if kind in ("hex", "quoted_hex"):
        return b"%d" % int.from_bytes(_bytes(cell))
    if kind == "bits":
        return b"%d" % int(value or b"0", 2)
    if kind == "word":
        return b"1" if value.upper() == b"TRUE" else b"0"
    number = Decimal(value.decode("ascii").strip())
    if number != number.to_integral_value():
        raise ValueError(kind)
    return b"%d" % int(number)


def _bit(cell: Cell, column: Column) -> bytes:
    return b"%d" % int.from_bytes(cell[1]) if cell[0] in ("text", "binary") else _whole(cell, column)


def _decimal(cell: Cell, column: Column) -> bytes:
    if cell[0] not in ("number", "text"):
        return _whole(cell, column)
    number = Decimal(cell[1].decode("ascii").strip()).quantize(Decimal(1).scaleb(-column.scale))
    return format(abs(number) if number == 0 else number, "f").encode()


def _double(cell: Cell, _: Column) -> bytes:
    return repr(float(cell[1]) + 0.0).encode()


def _float(cell: Cell, _: Column) -> bytes:
    return f"{float(cell[1]) + 0.0:.6g}".encode()


def _parts(cell: Cell) -> list[bytes]:
    if cell[0] != "text":
        raise ValueError(cell[0])
    return _DIGITS.findall(cell[1])


def _date(cell: Cell, _: Column) -> bytes:
    year, month, day = _parts(cell)[:3]
    if len(year) != 4:
        raise ValueError(cell[0])
    return b"%b-%02d-%02d" % (year, int(month), int(day))


def _moment(cell: Cell, column: Column) -> bytes:
    parts = _parts(cell)
    clock = [int(part) for part in parts[3:6]] + [0, 0, 0]
    return _date(cell, column) + b" %02d:%02d:%02d" % tuple(clock[:3]) + _fraction(parts[6:7], column)


def _time(cell: Cell, column: Column) -> bytes:
    parts = _parts(cell)
    if len(parts) not in (3, 4):
        raise ValueError(cell[0])
    sign = b"-" if cell[1].lstrip().startswith(b"-") else b""
    return sign + b"%02d:%02d:%02d" % tuple(int(part) for part in parts[:3]) + _fraction(parts[3:4], column)


def _fraction(part: list[bytes], column: Column) -> bytes:
    digits = (part[0] if part else b"").ljust(column.scale, b"0")
    if digits[column.scale :].strip(b"0"):
        raise ValueError(column.kind)  # more digits than the column keeps: rounding is the server's
    return b"." + digits[: column.scale]


def _binary(cell: Cell, column: Column) -> bytes:
    return _bytes(cell).ljust(column.width, b"\0")


def _plain(cell: Cell, _: Column) -> bytes:
    return _bytes(cell)


def _characters(cell: Cell, column: Column, codec: str) -> bytes:
    if cell[0] == "number" and column.kind in ("enum", "set"):
        raise ValueError(cell[0])
    value = _bytes(cell)
    if cell[0] == "text" and codec != "utf-8":
        value = value.decode(codec).encode()
    return value.rstrip(b" ") if column.kind == "char" else value


_RULES: dict[str, Callable[[Cell, Column], bytes]] = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "year"), _whole),
    **dict.fromkeys(("tinyblob", "blob", "mediumblob", "longblob", "varbinary"), _plain),
    **dict.fromkeys(("geometry", "point", "linestring", "polygon"), _plain),
    **dict.fromkeys(("multipoint", "multilinestring", "multipolygon", "geometrycollection"), _plain),
    **dict.fromkeys(("datetime", "timestamp"), _moment),
    "bit": _bit,
    "decimal": _decimal,
    "double": _double,
    "float": _float,
    "date": _date,
    "time": _time,
    "binary": _binary,
}

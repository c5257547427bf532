"""The rows of an INSERT as the stream wrote them, read without SQLite: the witness must not be the loader."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

_NAME = rb"(?:\"(?:[^\"]|\"\")++\"|`(?:[^`]|``)++`|\[[^\]]++\]|'(?:[^']|'')++'|[A-Za-z_\x80-\xff][\w$\x80-\xff]*+)"
_INSERT = re.compile(
    rb"(INSERT|REPLACE)\s+(OR\s+\w+\s+)?INTO\s+(?:main\.)?(" + _NAME + rb")\s*(?:\(([^()]*)\))?\s*VALUES\s*",
    re.IGNORECASE,
)
_ONE_NAME = re.compile(rb"\s*(" + _NAME + rb")\s*(?:,|$)")
_STRING = rb"'((?:[^']++|'')*+)'"
_LITERAL = re.compile(
    rb"\s*+(?:(?P<text>"
    + _STRING
    + rb")|(?P<int>[-+]?\d++)(?![\w.])|(?P<real>[-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?)"
    rb"(?![\w.])|(?P<null>NULL)\b|(?P<blob>[xX]'(?P<hex>[0-9A-Fa-f]*+)')|(?P<call>replace|unistr)\(|(?P<true>TRUE)\b|(?P<false>FALSE)\b)",
    re.IGNORECASE,
)
_REST = re.compile(rb"\s*+,\s*+" + _STRING + rb"\s*+,\s*+char\((\d++)\)\s*+\)")
_CLOSE = re.compile(rb"\s*+\)")
_BETWEEN = re.compile(rb"\s*+([,)])")
_OPEN = re.compile(rb"\s*+\(")
_NEXT = re.compile(rb"\s*+(,|;|$)")
_UNICODE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|\+([0-9a-fA-F]{6})|([0-9a-fA-F]{4})|(\\))")
_NUMBER = re.compile(rb"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*")
_MOST_INTEGER = 1 << 63


class NotReadableError(ValueError):
    """The statement holds something that is no literal."""


class Insert:
    """An INSERT … VALUES. `columns` is None where it names none; `plain` is False for OR REPLACE and such."""

    def __init__(self, table: str, columns: tuple[str, ...] | None, values: tuple[bytes, int], *, plain: bool) -> None:
        self.table = table
        self.columns = columns
        self.plain = plain
        self._text, self._at = values

    @classmethod
    def parse(cls, statement: bytes) -> "Insert | None":
        """None for any other statement, INSERT … SELECT among them."""
        head = _INSERT.match(statement)
        if head is None:
            return None
        columns = None
        if head.group(4) is not None:
            columns = tuple(_name(m.group(1)) for m in _ONE_NAME.finditer(head.group(4)))
        plain = head.group(1).upper() == b"INSERT" and head.group(2) is None
        return cls(_name(head.group(3)), columns, (statement, head.end()), plain=plain)

    def rows(self, floats: "Floats") -> Iterator[list[Any]]:
        """Values typed as `rows.encoded` wants them; raises NotReadableError at what is no literal."""
        text, at = self._text, self._at
        while True:
            row: list[Any] = []
            at = _after(_OPEN, text, at)
            more = b","
            while more == b",":
                value, at = _value(text, at, floats)
                row.append(value)
                between = _BETWEEN.match(text, at)
                if between is None:
                    raise NotReadableError
                more, at = between.group(1), between.end()
            yield row
            after = _NEXT.match(text, at)
            if after is None:
                raise NotReadableError
            if after.group(1) != b",":
                return
            at = after.end()


class Floats:
    """Real literals as SQLite itself reads them: its last bit is not always the nearest one."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:")

    def read(self, text: bytes) -> float:
        """The double that SQLite makes of the text."""
        return float(self._connection.execute("SELECT CAST(? AS REAL)", (text.decode(),)).fetchone()[0])

    def close(self) -> None:
        """Release the connection."""
        self._connection.close()


def stored(value: Any, affinity: str) -> Any:
    """What a column of that affinity makes of a value; raises NotReadableError where only SQLite knows."""
    numeric = affinity in ("INTEGER", "NUMERIC", "REAL")
    if isinstance(value, bytearray):
        if numeric and _NUMBER.fullmatch(bytes(value)):
            raise NotReadableError
        return value
    if affinity == "TEXT" and isinstance(value, float):
        raise NotReadableError
    if affinity == "TEXT" and isinstance(value, int):
        return bytearray(b"%d" % value)
    if affinity == "REAL" and isinstance(value, (int, float)):
        return value + 0.0  # an integral real is stored as an integer there, and the sign of -0.0 is lost
    if (
        numeric
        and affinity != "REAL"
        and isinstance(value, float)
        and value.is_integer()
        and abs(value) < _MOST_INTEGER
    ):
        return int(value)
    return value


def statement_of(insert: Insert, row: Sequence[Any]) -> tuple[str, list[Any]]:
    """The same row with bound values, for text that is not UTF-8 and could not be sent as SQL."""
    marks = ", ".join("CAST(? AS TEXT)" if isinstance(v, bytearray) else "?" for v in row)
    columns = f" ({', '.join(_quoted(c) for c in insert.columns)})" if insert.columns else ""
    values = [bytes(v) if isinstance(v, bytearray) else v for v in row]
    return f"INSERT INTO {_quoted(insert.table)}{columns} VALUES ({marks})", values


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _name(raw: bytes) -> str:
    text = raw.decode("utf-8", "surrogateescape")
    quote = text[0]
    if quote == "[":
        return text[1:-1]
    if quote in "\"'`":
        return text[1:-1].replace(quote * 2, quote)
    return text


def _after(pattern: re.Pattern[bytes], text: bytes, at: int) -> int:
    found = pattern.match(text, at)
    if found is None:
        raise NotReadableError
    return found.end()


def _value(text: bytes, at: int, floats: Floats) -> tuple[Any, int]:
    found = _LITERAL.match(text, at)
    if found is None:
        raise NotReadableError
    kind = found.lastgroup
    if kind == "call":
        return _call(found.group("call").lower(), text, found.end(), floats)
    return _simple(kind, found, floats), found.end()


def _simple(kind: str | None, found: re.Match[bytes], floats: Floats) -> Any:
    if kind == "text":
        return bytearray(found.group("text")[1:-1].replace(b"''", b"'"))
    if kind == "int":
        number = int(found.group("int"))
        return number if -_MOST_INTEGER <= number < _MOST_INTEGER else floats.read(found.group("int"))
    if kind == "real":
        return floats.read(found.group("real"))
    if kind == "blob":
        return bytes.fromhex(found.group("hex").decode())
    return {"true": 1, "false": 0}.get(kind or "")


def _call(name: bytes, text: bytes, at: int, floats: Floats) -> tuple[bytearray, int]:
    r"""`replace('…','\n',char(10))`, nested, and `unistr('…')`: how `.dump` keeps control characters on one line."""
    inner, at = _value(text, at, floats)
    if not isinstance(inner, bytearray):
        raise NotReadableError
    if name == b"unistr":
        return bytearray(_UNICODE.sub(_character, inner)), _after(_CLOSE, text, at)
    rest = _REST.match(text, at)
    if rest is None:
        raise NotReadableError
    mark = rest.group(1).replace(b"''", b"'")
    return inner.replace(mark, chr(int(rest.group(2))).encode()), rest.end()


def _character(found: re.Match[bytes]) -> bytes:
    digits = next(g for g in found.groups() if g is not None)
    return b"\\" if digits == b"\\" else chr(int(digits, 16)).encode("utf-8", "surrogatepass")


def unistr(text: str) -> str:
    """SQLite's function of that name, which the library on this machine may be too old to know."""
    return _UNICODE.sub(_character, text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

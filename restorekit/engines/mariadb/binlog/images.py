"""How many row images lie in the body of a row event, found by stepping from length to length; no value is read."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple


class Uncountable(Exception):
    """These rows cannot be counted: an unknown column type, or bytes that are not rows of this table."""


_FIXED = {0: 0, 1: 1, 2: 2, 3: 4, 6: 0, 7: 4, 8: 8, 9: 3, 10: 3, 11: 3, 12: 8, 13: 1, 14: 3}
_FLOATING = frozenset({4, 5})
_VARCHARS = frozenset({15, 141})
"""VARCHAR, and VARCHAR COMPRESSED."""
_BIT = 16
_FRACTIONAL = {17: 4, 18: 5, 19: 3}
"""TIMESTAMP, DATETIME, TIME with their bytes before the fraction."""
_BLOBS = frozenset({140, 245, 249, 250, 251, 252, 255})
"""BLOB COMPRESSED, JSON, the four blobs, GEOMETRY."""
_DECIMAL = 246
_STRINGS = frozenset({253, 254})
_ENUM_SET = frozenset({247, 248})
_DIGIT_BYTES = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)
_MOST_PLANS = 4096


def packed_number(data: bytes, at: int) -> tuple[int, int]:
    """A length-encoded integer, and where it ends."""
    first = data[at]
    if first < 251:
        return first, at + 1
    size = {252: 2, 253: 3, 254: 8}.get(first)
    if size is None:
        raise Uncountable(f"{first} is not a number")
    return int.from_bytes(data[at + 1 : at + 1 + size], "little"), at + 1 + size


def column_sizes(types: bytes, meta: bytes) -> tuple[int, ...]:
    """Per column the bytes of its value, or, negative, the bytes of the length before it. Raises Uncountable."""
    sizes, at = [], 0
    for kind in types:
        if kind in _FIXED:
            sizes.append(_FIXED[kind])
            continue
        width = 2 if kind in _VARCHARS | _STRINGS or kind in {_BIT, _DECIMAL} else 1
        sizes.append(_described(kind, meta[at : at + width]))
        at += width
    return tuple(sizes)


def _described(kind: int, meta: bytes) -> int:
    if kind in _FRACTIONAL:
        return _FRACTIONAL[kind] + (meta[0] + 1) // 2
    if kind in _VARCHARS:
        return -1 if int.from_bytes(meta, "little") < 256 else -2
    if kind in _BLOBS:
        return -meta[0]
    size = _SIZES.get(kind)
    if size is None:
        raise Uncountable(f"column type {kind}")
    return size(*meta)


def _string(real: int, size: int) -> int:
    if real in _ENUM_SET:
        return size
    longest = size | (((real & 0x30) ^ 0x30) << 4)  # two bits of the length hide in the type
    return -1 if longest < 256 else -2


def _decimal(digits: int) -> int:
    return digits // 9 * 4 + _DIGIT_BYTES[digits % 9]


_SIZES: dict[int, Callable[..., int]] = {
    **dict.fromkeys(_FLOATING, int),
    **dict.fromkeys(_STRINGS, _string),
    _BIT: lambda bits, whole: whole + (1 if bits else 0),
    _DECIMAL: lambda digits, scale: _decimal(digits - scale) + _decimal(scale),
}

Plan = tuple[tuple[tuple[int, int], ...], int]
"""(bytes to skip, bytes of the length that follows) up to the last length, then the bytes to the image's end."""


class Image(dict[bytes, Plan]):
    """The row images of one table with one set of columns: by its NULL bitmap, how to step over one."""

    def __init__(self, columns: Sequence[int]) -> None:
        super().__init__()
        self._columns = columns
        self.width = (len(columns) + 7) // 8

    def __missing__(self, nulls: bytes) -> Plan:
        if len(self) >= _MOST_PLANS:
            self.clear()
        absent = int.from_bytes(nulls, "little")
        unused = self.width * 8 - len(self._columns)
        if absent >> len(self._columns) != (1 << unused) - 1:  # the server sets them all
            raise Uncountable("no NULL bitmap stands where a row should begin")
        steps, skip = [], self.width
        for number, size in enumerate(self._columns):
            if absent >> number & 1:
                continue
            if size >= 0:
                skip += size
            else:
                steps.append((skip, -size))
                skip = -size
        plan = self[nulls] = (tuple(steps), skip)
        return plan


def counted(data: bytes, at: int, end: int, images: Sequence[Image]) -> int:
    """The rows in data[at:end], each one image (insert, delete) or two (update). Raises Uncountable."""
    rows = 0
    while at < end:
        for image in images:
            steps, rest = image[data[at : at + image.width]]
            for skip, size in steps:
                at += skip
                if size == 1:
                    at += data[at]
                elif size == 2:
                    at += data[at] | data[at + 1] << 8
                else:
                    at += int.from_bytes(data[at : at + size], "little")
            at += rest
        rows += 1
    if at != end or not rows:
        raise Uncountable("the bytes do not end where the last row ends")
    return rows


class Rows(NamedTuple):
    """How row events of one table begin that carry the same columns, and the images that follow."""

    head: bytes
    images: tuple[Image, ...]


class Table:
    """A table as one TABLE_MAP event describes it. `number` is its place in the ledger, -1 if nobody asks for it."""

    __slots__ = ("_rows", "_sizes", "last", "number")

    def __init__(self, number: int, sizes: tuple[int, ...] | None) -> None:
        self.number = number
        self.last: dict[str, Rows] = {}
        """What the latest event of each operation looked like: the next one most often looks the same."""
        self._sizes = sizes
        self._rows: dict[bytes, Rows] = {}

    def rows(self, data: bytes, at: int, op: str) -> Rows:
        """What the event whose columns stand at `at` looks like. Raises Uncountable."""
        width, start = packed_number(data, at)
        step = (width + 7) // 8
        head = data[at : start + step * (2 if op == "U" else 1)]
        found = self._rows.get(head)
        if found is None:
            images = tuple(self._images(width, head[start - at :]))
            if not any(image.width for image in images):
                raise Uncountable("rows without a column")
            found = self._rows[head] = Rows(head, images)
        self.last[op] = found
        return found

    def _images(self, width: int, present: bytes) -> Iterator[Image]:
        if self._sizes is None or width != len(self._sizes):
            raise Uncountable("an unknown column type, or not this table's columns")
        step = (width + 7) // 8
        for start in range(0, len(present), step):
            bits = int.from_bytes(present[start : start + step], "little")
            yield Image([size for number, size in enumerate(self._sizes) if bits >> number & 1])


def described(body: bytes) -> tuple[str, str, tuple[int, ...] | None]:
    """Schema, name and column sizes (None: a type is unknown) out of the body of a TABLE_MAP event."""
    at = 9 + body[8]
    schema = body[9:at].decode("utf-8", "replace")
    name = body[at + 2 : at + 2 + body[at + 1]].decode("utf-8", "replace")
    at += 3 + body[at + 1]
    try:
        width, at = packed_number(body, at)
        types = body[at : at + width]
        size, at = packed_number(body, at + width)
        return schema, name, column_sizes(types, body[at : at + size])
    except (Uncountable, IndexError, TypeError):
        return schema, name, None


def inflated(data: bytes) -> bytes:
    """What a compressed event holds: one byte of kind and width, the length, then a zlib stream. Raises Uncountable."""
    width = data[0] & 7
    length = int.from_bytes(data[1 : 1 + width], "big")
    try:
        plain = zlib.decompress(data[1 + width :])
    except zlib.error as error:
        raise Uncountable(f"compressed rows: {error}") from error
    if len(plain) != length:
        raise Uncountable("compressed rows are not as long as they say")
    return plain

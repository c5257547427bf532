"""Rows of INSERT statements, as text, and the sum over them.

`xxh3sum-raw-v1` is COUNT and SUM(xxh3_64(text between the row's parentheses)) modulo 2^64: a sum, never an XOR,
so that the same change on two rows and duplicates count. It is evidence against accident, not against a forger.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from xxhash import xxh3_64_intdigest

from restorekit.engines.mariadb.lexer import balanced, string
from restorekit.engines.mariadb.split import Statement
from restorekit.model.contents import Fingerprint

RAW = "xxh3sum-raw-v1"
_MASK = (1 << 64) - 1
_STRING = string(escapes=True) + rb"|" + string(escapes=True, quote=b'"')
_INNER = rb"\((?:[^'\"()]++|" + _STRING + rb"|\((?:[^'\"()]++|" + _STRING + rb")*+\))*+\)"
_ROW = re.compile(rb"\s*+(\((?:[^'\"()]++|" + _STRING + rb"|" + _INNER + rb")*+\))\s*+(,|\Z)", re.DOTALL)


@dataclass(slots=True)
class RowSum:
    """A running sum; order of rows does not matter."""

    rows: int = 0
    total: int = 0

    def add(self, texts: Iterable[bytes]) -> None:
        """Count and add rows."""
        digests = [xxh3_64_intdigest(text) for text in texts]
        self.rows += len(digests)
        self.total = (self.total + sum(digests)) & _MASK

    def fingerprint(self, algorithm: str) -> Fingerprint:
        """The value so far, under its algorithm's name."""
        return Fingerprint(algorithm=algorithm, rows=self.rows, value=f"{self.total:016x}")


def row_texts(statement: Statement, *, escapes: bool = True) -> list[bytes] | None:
    """The text between the parentheses of each row; None where the statement is not rows only."""
    head = statement.insert
    if head is None:
        return None
    if statement.regular:
        return _regular(statement.text[len(head.text) + 1 : -1], escapes=escapes)
    return _irregular(statement.text, len(head.text)) if escapes else None


def _regular(text: bytes, *, escapes: bool) -> list[bytes]:
    """Split at what stands between rows; a piece with an unfinished string was cut inside of it and is joined."""
    lines = text.split(b"),\n(")
    if b"),(" not in text:
        return lines
    return [row for line in lines for row in _joined(line.split(b"),("), escapes=escapes)]


def _joined(pieces: Iterable[bytes], *, escapes: bool) -> Iterator[bytes]:
    held: bytes | None = None
    for piece in pieces:
        whole = piece if held is None else held + b"),(" + piece
        if balanced(whole, 0, len(whole), escapes=escapes):
            yield whole
            held = None
        else:
            held = whole
    if held is not None:
        yield held


def _irregular(text: bytes, at: int) -> list[bytes] | None:
    found = []
    while row := _ROW.match(text, at):
        found.append(row.group(1)[1:-1])
        at = row.end()
        if not row.group(2):
            return found
    return None

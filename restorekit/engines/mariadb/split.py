r"""A dump becomes statements: state-aware, streaming, without a client program.

Client commands have no meaning here: `DELIMITER` is understood, `\!` is refused, `source` is just a bad statement.

Two ways, the same result. INSERTs take the fast way: the next `;` before a line's end is found at the speed of
memchr, then proven to stand outside of every string by counting quotes. Whatever that proof does not cover (raw
line breaks in strings, other quotes, comments between rows) goes through the lexer.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from restorekit.engines.mariadb import lexer
from restorekit.engines.mariadb.lexer import InsertHead
from restorekit.errors import DumpIncomplete, DumpRefused

_READ = 1 << 20
_MERGED = 1 << 20
_SMALL = 64 << 10
_FAST_REACH = 64 << 20
_LONGEST = 1 << 30
_DOUBTS = (b'"', b"#", b"--", b"/*", b";", b"`", b"\r")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement without its delimiter; `number` counts from 1, `offset` in bytes of the decoded stream.

    `merged` single statements of the same INSERT are handed out as one. `regular`: the producer is trusted to
    separate rows by `),(` or `),` + line break + `(` and nothing else, and the statement's end was proven.
    """

    text: bytes
    number: int
    offset: int
    merged: int = 1
    insert: InsertHead | None = None
    regular: bool = False


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment line between statements, without its line break."""

    text: bytes


@dataclass(slots=True)
class Syntax:
    """How the following bytes are to be read. Whoever consumes the pieces keeps it up to date."""

    escapes: bool = True
    trusted: bool = False
    """The producer writes strings in single quotes, on one line, and nothing between rows."""


Piece = Statement | Comment


class Splitter:
    """Iterate once.

    Raises DumpIncomplete when the stream ends inside a statement, DumpRefused for commands of the client program
    and for statements that no server would take (longer than 1 GiB).
    """

    def __init__(self, chunks: Iterable[bytes], syntax: Syntax) -> None:
        self._chunks = iter(chunks)
        self._syntax = syntax
        self._data = b""
        self._at = 0
        self._base = 0
        self._ended = False
        self._delimiter = b";"
        self._number = 0
        self._crlf = False

    def __iter__(self) -> Iterator[Piece]:
        while True:
            yield from self._between()
            if self._at >= len(self._data) and not self._more():
                return
            found = self._insert() or self._any()
            if found.text:
                yield found

    def _more(self) -> bool:
        """Read on; at least as much as is held already, so that a long statement is scanned only a few times."""
        if self._ended:
            return False
        held = [self._data[self._at :]]
        if len(held[0]) > _LONGEST:
            raise DumpRefused(
                f"the statement at byte {self._base + self._at} is longer than 1 GiB (or a quote never ends); "
                "it was not run, live is untouched",
                hint="Choose another recovery point.",
            )
        self._base += self._at
        size, wanted = 0, max(_READ, len(held[0]))
        while size < wanted:
            chunk = next(self._chunks, None)
            if chunk is None:
                self._ended = True
                break
            held.append(chunk)
            size += len(chunk)
        self._data, self._at = b"".join(held), 0
        return size > 0

    def _between(self) -> Iterator[Comment]:
        """Skip what stands between statements; hand out comment lines, follow DELIMITER."""
        while True:
            if len(self._data) - self._at < _SMALL:
                self._more()
            if skipped := lexer.TRIVIA.match(self._data, self._at):
                self._at = skipped.end()
            elif line := lexer.COMMENT_LINE.match(self._data, self._at):
                self._at = line.end()
                self._crlf = self._crlf or line.group().endswith(b"\r\n")
                yield Comment(line.group().rstrip())
            elif change := lexer.DELIMITER.match(self._data, self._at):
                self._at = change.end()
                self._delimiter = change.group(1)
            elif self._data.startswith((b"--", b"#", b"/*"), self._at) and self._rest_is_comment():
                if not self._more():
                    yield Comment(self._data[self._at :].rstrip())
                    self._at = len(self._data)
            else:
                return

    def _rest_is_comment(self) -> bool:
        """A comment that does not end within the buffer (or, at the end of the stream, at all)."""
        rest = self._data[self._at : self._at + 4]
        if rest.startswith(b"/*"):
            return not rest.startswith((b"/*!", b"/*M!")) and not self._ended
        return rest.startswith(b"#") or rest[2:3] in (b"", b" ", b"\t", b"\r", b"\n")

    def _insert(self) -> Statement | None:
        """The INSERT at hand (and, from a trusted producer, small ones like it that follow), if it is provable."""
        if self._delimiter != b";" or self._crlf:
            return None
        head = lexer.insert_head(self._data, self._at)
        if head is None:
            return None
        end = self._line_end()
        if end < 0 or not self._provable(self._at + len(head.text), end):
            return None
        parts, start = [self._data[self._at : end]], self._base + self._at
        self._at = end + 1
        self._number += 1
        statement = Statement(parts[0], self._number, start, insert=head, regular=self._syntax.trusted)
        if not self._syntax.trusted or not head.plain or len(parts[0]) > _SMALL:
            return statement
        self._take_alike(head.text, parts)
        return replace(statement, text=b",".join(parts), merged=len(parts)) if len(parts) > 1 else statement

    def _line_end(self) -> int:
        end = self._data.find(b";\n", self._at)
        while end < 0 and len(self._data) - self._at < _FAST_REACH and self._more():
            end = self._data.find(b";\n", self._at)
        return end

    def _provable(self, start: int, end: int) -> bool:
        """True if `;` at `end` is certain to end the statement whose rows begin at `start`."""
        data = self._data
        if data[end - 1 : end] != b")" or data.find(b");", start, end) >= 0:
            return False
        if not self._syntax.trusted and any(data.find(mark, start, end) >= 0 for mark in _DOUBTS):
            return False
        return lexer.balanced(data, start, end, escapes=self._syntax.escapes)

    def _take_alike(self, head: bytes, parts: list[bytes]) -> None:
        """Join following INSERTs with the same head: one statement per row would cost a round trip per row."""
        data, size = self._data, len(parts[0])
        at = self._at + 1
        while size < _MERGED and data.startswith(head, at):
            end = data.find(b";\n", at)
            if end < 0 or not self._provable(at + len(head), end):
                return
            parts.append(data[at + len(head) : end])
            size += end - at
            self._number += 1
            self._at = end + 1
            at = end + 2

    def _any(self) -> Statement:
        """The next statement by the lexer."""
        if self._data.startswith(b"\\", self._at):
            raise DumpRefused(
                f"the dump holds a command of the client program at byte {self._base + self._at}; "
                "it was not run, live is untouched",
                hint="No backup program writes that: find out who made this dump.",
            )
        pattern = lexer.statement(self._delimiter, self._syntax.escapes)
        while not (found := pattern.match(self._data, self._at)):
            if not self._more():
                raise self._cut()
        text = found.group()[: -len(self._delimiter)].rstrip()
        start = self._base + self._at
        self._at = found.end()
        self._number += 1
        return Statement(text, self._number, start, insert=lexer.insert_head(text))

    def _cut(self) -> DumpIncomplete:
        """Say where the stream ended. The unfinished statement has not been sent."""
        found = lexer.unfinished(self._delimiter, self._syntax.escapes).match(self._data, self._at)
        rest = self._data[found.end() if found else self._at :][:2]
        inside = {b"'": "a string", b'"': "a string", b"`": "a quoted name"}.get(rest[:1])
        where = f"inside {inside}" if inside else "inside a comment" if rest == b"/*" else "in the middle"
        head = lexer.insert_head(self._data, self._at)
        what = f"an INSERT into {head.table.decode('utf-8', 'replace')}" if head else "a statement"
        return DumpIncomplete(
            f"the dump ends at byte {self._base + len(self._data)} {where} of {what} "
            f"(statement {self._number + 1}); that statement was not run, live is untouched",
            hint="Choose another recovery point.",
        )

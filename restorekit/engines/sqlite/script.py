"""A stream of SQL text becomes statements, in time linear in its length however long one of them is."""

import re
import sqlite3
from collections.abc import Generator, Iterable, Iterator

from restorekit.errors import DumpIncomplete

_SPACE = rb"(?:\s++|--[^\n]*+\n|/\*(?:[^*]++|\*(?!/))*+\*/)*+"
_END = re.compile(
    rb"(?:[^;'\"`\[/-]++|'[^']*+'|\"[^\"]*+\"|`[^`]*+`|\[[^\]]*+\]"
    rb"|--[^\n]*+\n|/\*(?:[^*]++|\*(?!/))*+\*/|-(?!-)|/(?!\*))*+;"
)
_TRIGGER = re.compile(_SPACE + rb"CREATE\s+(?:TEMP\s+|TEMPORARY\s+)?TRIGGER\b", re.IGNORECASE)
_LEADING = re.compile(_SPACE)
_INSIDE = ((b"'", "a string"), (b'"', "a quoted name"), (b"`", "a quoted name"), (b"/*", "a comment"))


def statements(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Statements with their semicolon, without what stands before them.

    Raises DumpIncomplete where the stream ends inside a statement (which is not handed out), and what `chunks` raises.
    """
    rest, waiting, size, wanted = b"", [], 0, 0
    for chunk in chunks:
        waiting.append(chunk)
        size += len(chunk)
        # An unfinished statement is looked at again only when twice as much of it is there: no quadratic work.
        if size >= wanted:
            rest = yield from _whole(rest + b"".join(waiting))
            waiting, size, wanted = [], 0, len(rest)
    rest = yield from _whole(rest + b"".join(waiting) + b"\n")
    left = rest[_spaces(rest) :]
    if left:
        raise DumpIncomplete(
            f"the dump ends inside {_where(left)}", hint="Choose another recovery point; live is untouched."
        )


def _whole(text: bytes) -> Generator[bytes, None, bytes]:
    """Hand out every finished statement of `text`; the return value is what follows them."""
    start = scan = 0
    while found := _END.match(text, scan):
        scan = found.end()
        # Only a trigger has semicolons inside; they are few, so that asking SQLite after each is cheap.
        if _TRIGGER.match(text, start) and not sqlite3.complete_statement(text[start:scan].decode("utf-8", "replace")):
            continue
        statement = text[start + _spaces(text, start) : scan]
        start = scan
        if statement != b";":
            yield statement
    return text[start:]


def _spaces(text: bytes, start: int = 0) -> int:
    found = _LEADING.match(text, start)
    return found.end() - start if found else 0


def _where(left: bytes) -> str:
    """What the end of the stream cut: found by walking the last statement once more."""
    inside = _END.pattern.removesuffix(b";")
    walked = re.compile(inside).match(left)
    at = left[walked.end() :] if walked else left
    return next((what for mark, what in _INSIDE if at.startswith(mark)), "a statement")

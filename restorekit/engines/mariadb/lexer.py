"""The lexical rules of MariaDB and its client, as regular expressions that never backtrack.

Possessive quantifiers make them linear; a pattern that meets the end of its buffer simply does not match, so a
caller that reads on never takes half a string for a whole one.
"""

import functools
import re
from dataclasses import dataclass

SERVER = 101100
"""What this engine's server reads `/*!NNNNNN` against."""

_BACKTICK = rb"`(?:[^`]++|``)*+`"
_LINE_COMMENT = rb"--(?=[\x00-\x20])[^\n]*+|#[^\n]*+"
_BLOCK_COMMENT = rb"/\*(?!M?!).*?\*/"
_CODE_COMMENT = rb"/\*M?!"
SANDBOX_LINE = rb"/\*M!999999\\-.*?\*/"


def string(escapes: bool, quote: bytes = b"'") -> bytes:  # noqa: FBT001 - a property of the session
    """A string literal; without `escapes` (NO_BACKSLASH_ESCAPES) a backslash is a letter."""
    if escapes:
        return quote + rb"(?:[^" + quote + rb"\\]++|\\.|" + quote * 2 + rb")*+" + quote
    return quote + rb"(?:[^" + quote + rb"]++|" + quote * 2 + rb")*+" + quote


def _body(delimiter: bytes, escapes: bool) -> bytes:  # noqa: FBT001 - a property of the session
    first, whole = re.escape(delimiter[:1]), re.escape(delimiter)
    quoted = b"|".join((string(escapes), string(escapes, b'"'), _BACKTICK))
    special = b"|".join((quoted, _LINE_COMMENT, _BLOCK_COMMENT, _CODE_COMMENT, rb"/(?!\*)|-", first))
    return rb"(?:[^'\"`#/\-" + first + rb"]++|(?!" + whole + rb")(?:" + special + rb"))*+"


@functools.cache
def statement(delimiter: bytes, escapes: bool) -> "re.Pattern[bytes]":  # noqa: FBT001
    """Everything up to and including the next delimiter outside of strings, names and comments."""
    return re.compile(_body(delimiter, escapes) + re.escape(delimiter), re.DOTALL)


@functools.cache
def unfinished(delimiter: bytes, escapes: bool) -> "re.Pattern[bytes]":  # noqa: FBT001
    """As far as complete tokens reach."""
    return re.compile(_body(delimiter, escapes), re.DOTALL)


TRIVIA = re.compile(rb"\s++|" + SANDBOX_LINE + rb"|" + _BLOCK_COMMENT, re.DOTALL)
COMMENT_LINE = re.compile(rb"(?:--(?=[\x00-\x20])|#)[^\n]*+\n")
DELIMITER = re.compile(rb"delimiter[ \t]++(\S++)[^\n]*+(?:\n|\Z)", re.IGNORECASE)

_NAME = rb"(?:`((?:[^`]++|``)++)`|\"([^\"]++)\"|([\w$\x80-\xff]++))"
_HEAD = re.compile(
    rb"(INSERT|REPLACE)((?:\s+(?:LOW_PRIORITY|DELAYED|HIGH_PRIORITY|IGNORE))*+)(?:\s+INTO)?\s*+"
    + _NAME
    + rb"(?:\s*+\.\s*+"
    + _NAME
    + rb")?\s*+(\((?:[^()'\"`\\]++|`(?:[^`]++|``)++`)*+\))?\s*+VALUES?\s*+(?=\()",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class InsertHead:
    """`INSERT INTO [schema.]table [(columns)] VALUES`: the part before the first row."""

    text: bytes
    table: bytes
    schema: bytes
    columns: bytes
    plain: bool
    """True for an INSERT that neither replaces nor ignores rows."""


def insert_head(text: bytes, at: int = 0) -> InsertHead | None:
    """The head of an INSERT or REPLACE with VALUES that starts at `at`, or None for anything else."""
    found = _HEAD.match(text, at)
    return None if found is None else _head(found.group())


@functools.lru_cache(maxsize=256)
def _head(text: bytes) -> InsertHead:
    found = _HEAD.match(text + b"(")
    assert found is not None
    verb, options, *names, columns = found.groups()
    one, two = (_unquoted(*names[i : i + 3]) for i in (0, 3))
    table, schema = (two, one) if two else (one, b"")
    plain = verb.upper() == b"INSERT" and b"IGNORE" not in options.upper()
    return InsertHead(text, table, schema, columns or b"", plain)


def _unquoted(backtick: bytes | None, double: bytes | None, bare: bytes | None) -> bytes:
    return backtick.replace(b"``", b"`") if backtick else double or bare or b""


def balanced(text: bytes, start: int, end: int, *, escapes: bool) -> bool:
    """True if `text[start:end]` ends outside of every `'` string, given that it begins outside of one.

    Exact as long as `'` is used for strings only: backslashes are consumed pair by pair, one that is left escapes
    the quote after it. At the speed of memchr.
    """
    quotes = text.count(b"'", start, end)
    if not escapes or text.find(b"\\'", start, end) < 0:
        return quotes % 2 == 0
    if text.find(b"\\\\", start, end) < 0:
        return (quotes - text.count(b"\\'", start, end)) % 2 == 0
    return text[start:end].replace(b"\\\\", b"").replace(b"\\'", b"").count(b"'") % 2 == 0


_TOKENS = re.compile(
    rb"(" + string(escapes=True) + rb"|" + string(escapes=True, quote=b'"') + rb")|(" + _BACKTICK + rb")"
    rb"|(" + _LINE_COMMENT + rb"|" + _BLOCK_COMMENT + rb")|/\*(M?)!(\d{5,6})?|(\*/)",
    re.DOTALL,
)


def code(text: bytes, *, keep_strings: bool = False, ansi: bool = False) -> bytes:
    """What the server would execute: comments gone, conditional comments unwrapped or gone, strings emptied.

    With `ansi` (ANSI_QUOTES) text in double quotes is a name.
    """
    out: list[bytes] = []
    at = 0
    while found := _TOKENS.search(text, at):
        out.append(text[at : found.start()])
        at = found.end()
        literal, name, comment, mariadb, version, close = found.groups()
        if literal is not None:
            out.append(literal if keep_strings or (ansi and literal[:1] == b'"') else b"''")
        elif name is not None:
            out.append(name)
        elif comment is not None or close is not None or _executed(mariadb, version):
            out.append(b" ")
        else:
            end = text.find(b"*/", at)
            at = len(text) if end < 0 else end + 2
    out.append(text[at:])
    return b"".join(out).strip()


def _executed(mariadb: bytes | None, version: bytes | None) -> bool:
    """MariaDB runs `/*!` up to its own version, except the numbers that only MySQL has (50700 to 99999)."""
    if not version:
        return True
    number = int(version)
    return number <= SERVER and not (not mariadb and 50700 <= number <= 99999)

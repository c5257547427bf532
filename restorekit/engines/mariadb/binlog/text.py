"""Words of SQL as a log holds it: for naming what a statement did, and for showing it without any literal.

A log keeps `/*! ... */` only where the server ran what stands inside; what it did not run is a plain comment there.
"""

import functools
import re
from collections.abc import Iterator
from typing import NamedTuple

_LONGEST = 500
_MOST_PIECES = 4000
"""Enough for that length even where a long list of values becomes `?, …`."""
_NAME = rb"`(?:[^`]++|``)*+`"
_COMMENT = rb"--(?=[\x00-\x20]|\Z)[^\n]*+|#[^\n]*+|/\*(?!M?!).*?\*/"
_NUMBER = rb"(?:0[xX][0-9a-fA-F]++|[0-9][\w$\x80-\xff]*+(?:\.[0-9]\w*+)?+)"
_WORD = rb"@*+[A-Za-z_$\x80-\xff][\w$\x80-\xff]*+"


_SILENT = frozenset({"skip", "open", "close"})
_LIST = re.compile(r"\?(?: ?, ?\?)+")


class Mode(NamedTuple):
    """What the session's sql_mode makes of quotes. `escapes` None: not known."""

    escapes: bool | None = None
    ansi: bool = False


class Token(NamedTuple):
    """`kind`: word, name (quoted), literal, sign; `end` means that what follows cannot be read for sure."""

    kind: str
    text: str


_SPACE = Token("space", " ")
_UNKNOWN = Mode()


def _quoted(quote: bytes, escapes: bool | None) -> bytes:  # noqa: FBT001 - a property of the session
    """A string. With `escapes` unknown, only one that ends at the same place either way."""
    if escapes:
        return quote + rb"(?:[^" + quote + rb"\\]++|\\.|" + quote * 2 + rb")*+" + quote
    if escapes is None:
        return quote + rb"(?:[^" + quote + rb"\\]++|\\[^" + quote + rb"\\]|\\\\|" + quote * 2 + rb")*+" + quote
    return quote + rb"(?:[^" + quote + rb"]++|" + quote * 2 + rb")*+" + quote


@functools.cache
def _tokens(mode: Mode) -> "re.Pattern[bytes]":
    double = _quoted(b'"', escapes=False if mode.ansi else mode.escapes)
    kinds = {
        "skip": rb"\s++|" + _COMMENT,
        "open": rb"/\*M?!\d*+",
        "close": rb"\*/",
        "literal": _quoted(b"'", mode.escapes) + rb"|" + _NUMBER,
        "double": double,
        "name": _NAME,
        "word": _WORD,
        "sign": rb"[^'\"`]",
    }
    pattern = b"|".join(b"(?P<%s>%s)" % (kind.encode(), found) for kind, found in kinds.items())
    return re.compile(pattern, re.DOTALL)


def tokens(text: bytes, mode: Mode = _UNKNOWN) -> Iterator[Token]:
    """The tokens of a statement, without spaces and comments. An open quote or comment ends them with an `end`."""
    return (token for token in _read(text, mode) if token.kind != "space")


def _read(text: bytes, mode: Mode) -> Iterator[Token]:
    pattern, at, inside = _tokens(mode), 0, False
    while at < len(text):
        found = pattern.match(text, at)
        if found is None or (found.lastgroup == "sign" and text.startswith(b"/*", at)):
            yield Token("end", "")
            return
        kind, at = str(found.lastgroup), found.end()
        if kind == "double":
            kind = "name" if mode.ansi else "literal"
        if kind == "close" and not inside:  # a product before a comment: 2*/* ... */3
            kind, at = "sign", at - 1
        if kind in _SILENT:
            inside = kind == "open" or (inside and kind == "skip")
            yield _SPACE
        else:
            yield Token(kind, _shown(kind, found.group()))


def _shown(kind: str, raw: bytes) -> str:
    if kind == "literal":
        return "?"
    if kind == "name":
        quote = raw[:1]
        raw = raw[1:-1].replace(quote * 2, quote)
    return raw[:1].decode() if kind == "sign" else raw.decode("utf-8", "replace")


def digest(text: bytes, mode: Mode = _UNKNOWN) -> str:
    """The statement with `?` for every literal, no comments, at most 500 characters.

    It ends early, with an ellipsis, where the end of a literal depends on an sql_mode that is not known.
    """
    out = []
    for token in _read(text, mode):
        if token.kind == "end":
            out.append("…")
        elif token is not _SPACE:
            out.append(f"`{token.text}`" if token.kind == "name" else token.text)
        elif out and out[-1] != " ":
            out.append(" ")
        if len(out) > _MOST_PIECES:
            break
    return _LIST.sub("?, …", "".join(out).strip())[:_LONGEST]

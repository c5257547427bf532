"""Bacula's own numbers: the attributes of a file in File.LStat, and digests."""

import base64
import binascii
from typing import NamedTuple

_DIGITS = {c: n for n, c in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")}
_SIZE, _MTIME = 7, 11
_ALGORITHMS = {16: "md5", 20: "sha1", 32: "sha256", 64: "sha512"}


class Attributes(NamedTuple):
    """Of a file when it was backed up. `size` None: not known, as of a plugin's stream. `mtime` in epoch seconds."""

    size: int | None
    mtime: int


def number(text: str) -> int:
    """A number in base 64 as Bacula writes it: digits of 6 bits, a leading minus; not RFC 4648. Raises ValueError."""
    value = 0
    for digit in text.removeprefix("-"):
        if digit not in _DIGITS:
            msg = f"{text!r} is no number of Bacula's"
            raise ValueError(msg)
        value = (value << 6) + _DIGITS[digit]
    return -value if text.startswith("-") else value


def attributes(lstat: str) -> Attributes:
    """Size and time of last change out of File.LStat. Raises ValueError for one that is cut."""
    words = lstat.split()
    if len(words) <= _MTIME:
        msg = "the attributes of the file are cut"
        raise ValueError(msg)
    size = number(words[_SIZE])
    return Attributes(size if size >= 0 else None, number(words[_MTIME]))


def digest(text: str) -> str:
    """File.MD5 as `sha256:<hex>`, whatever `signature=` was set; "" where the catalog has none or it is cut."""
    bare = text.strip().rstrip("=")
    try:
        raw = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except binascii.Error:
        return ""
    algorithm = _ALGORITHMS.get(len(raw))
    return f"{algorithm}:{raw.hex()}" if algorithm else ""

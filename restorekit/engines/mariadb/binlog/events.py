"""The frame of a binary log: types, headers, and the event that describes a file."""

import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

MAGIC = b"\xfebin"
HEADER_BYTES = 19
HEADER = struct.Struct("<IB4xII2x").unpack_from
"""Seconds since the epoch, kind, size, position of the next event (mod 2^32)."""

QUERY, STOP, ROTATE, EXECUTE_LOAD, FORMAT, XID, TABLE_MAP = 2, 3, 4, 18, 15, 16, 19
INCIDENT, MYSQL_ANONYMOUS, MYSQL_GTID, XA_PREPARE, MYSQL_PAYLOAD = 26, 34, 33, 38, 40
ANNOTATE, GTID, START_ENCRYPTION, QUERY_COMPRESSED = 160, 162, 164, 165
INSERTS, UPDATES, DELETES = frozenset({23, 30, 166, 169}), frozenset({24, 31, 167, 170}), frozenset({25, 32, 168, 171})
COMPRESSED_ROWS = frozenset(range(166, 172))
SECOND_VERSION = frozenset({30, 31, 32, 169, 170, 171})
"""Row events that carry further data before their columns."""
WITHOUT_CHANGES = frozenset({5, 9, 11, 13, 14, 17, 27, 28, 29, 35, 36, 37, 161, 163})
"""Parts of statements (variables, blocks of a loaded file), heartbeats, GTID lists, checkpoints."""
IGNORABLE = 0x80


class Unreadable(Exception):
    """From here on this file says nothing; the text completes "NAME ...", and becomes a hole with that sentence."""


class Cut(Unreadable):
    """Only the file's end is missing, or not written yet."""


class Format(NamedTuple):
    """What the first event of a file says: when it was begun (seconds) and how many bytes end each event."""

    born: int
    checksum: int
    end: int
    """Where the next event begins."""


def format_of(file: BinaryIO) -> Format:
    """Read the first event; the file stands behind it. Raises Unreadable."""
    if file.read(4) != MAGIC:
        raise Unreadable("does not begin like a binary log")
    header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        raise Unreadable("ends before it has begun")
    born, kind, size, _ = HEADER(header)
    if kind != FORMAT or not 80 <= size <= 4096:
        raise Unreadable("does not begin with a description of its format")
    body = file.read(size - HEADER_BYTES)
    if len(body) < size - HEADER_BYTES:
        raise Unreadable("ends before it has begun")
    if body[:2] != b"\x04\x00":
        raise Unreadable(f"has format {body[0]}, and only format 4 can be read")
    return Format(born, {0: 0, 1: 4}.get(body[-5], 0), 4 + size)


def born(path: Path) -> int | None:
    """When that log was begun (seconds since the epoch); None if it does not say."""
    try:
        with path.open("rb") as file:
            return format_of(file).born
    except (OSError, Unreadable):
        return None

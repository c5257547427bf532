"""The binary log of a test server: its files, and what the server's own tool counts in them."""

import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from servers.mariadb import LiveServer

from restorekit.model.changes import LogReading

_ROW = re.compile(rb"^### (INSERT INTO|UPDATE|DELETE FROM) `(.*?)`\.`(.*?)`$")
_OPS = {b"INSERT INTO": "I", b"UPDATE": "U", b"DELETE FROM": "D"}

Counts = dict[tuple[str, str, str], int]
"""Rows by (database, table, op)."""


def files(server: LiveServer) -> list[Path]:
    """All that the server has, the oldest first."""
    return [server.data / name for name, *_ in server.rows("SHOW BINARY LOGS")]


def newest(server: LiveServer) -> Path:
    return files(server)[-1]


def rotated(server: LiveServer) -> Path:
    """Begin a new file and return it."""
    server.rows("FLUSH BINARY LOGS")
    return newest(server)


def tool_counts(paths: Iterable[Path]) -> Counts:
    """What `mariadb-binlog -v` prints, counted."""
    argv = ["mariadb-binlog", "--no-defaults", "-v", "--base64-output=decode-rows", *map(str, paths)]
    done = subprocess.run(argv, capture_output=True, env={**os.environ, "TZ": "UTC"}, timeout=120, check=True)
    found: Counter[tuple[str, str, str]] = Counter()
    for line in done.stdout.splitlines():
        if row := _ROW.match(line):
            found[row[2].decode(), row[3].decode(), _OPS[row[1]]] += 1
    return dict(found)


def counts(*readings: LogReading) -> Counts:
    """The rows of all tallies."""
    found: Counter[tuple[str, str, str]] = Counter()
    for reading in readings:
        for changes in reading.changes:
            for tally in changes.tallies:
                found[changes.database, tally.table, tally.op] += tally.rows or 0
    return {key: rows for key, rows in found.items() if rows}


def blows(reading: LogReading, database: str) -> list[tuple[str, str, int | None]]:
    """(kind, table, rows) of each blow, in the order of the log."""
    return [(b.kind, b.table, b.rows) for c in reading.changes if c.database == database for b in c.blows]

"""Rows that differ, with their values: read anew for somebody who looks, and for nobody else."""

import contextlib
import sqlite3
from typing import Any

from restorekit.engines.sqlite.comparing import Keyed, Kind, Walk, both
from restorekit.errors import UnknownName
from restorekit.model.shown import ShownRow


class _EnoughError(Exception):
    """As many rows as were wanted are found."""


def shown(staging: sqlite3.Connection, live: sqlite3.Connection, table: str, most: int) -> list[ShownRow]:
    """The first `most` rows of `table` that differ; raises UnknownName if neither side has it."""
    with both(staging, live) as (sides, codec):
        pair = sides[0].get(table), sides[1].get(table)
        if pair == (None, None):
            raise UnknownName(f"there is no table {table} in the backup or in live")
        walk = _Showing(staging, live, (most, b""), codec)
        with contextlib.suppress(_EnoughError):
            walk.table(table, pair)
        return walk.found


class _Showing(Walk):
    """Keeps values instead of hashes, and stops when it has enough."""

    def __init__(
        self, staging: sqlite3.Connection, live: sqlite3.Connection, limits: tuple[int, bytes], codec: str | None
    ) -> None:
        super().__init__(staging, live, limits, codec)
        self._wanted = limits[0]
        self.found: list[ShownRow] = []

    def note(self, kind: Kind, row: Keyed, live: Keyed | None = None, columns: tuple[str, ...] = ()) -> None:
        """One difference, with its values."""
        if len(self.found) >= self._wanted:
            raise _EnoughError
        key, rest = self.names
        mine = dict(zip(rest, map(_plain, row[1]), strict=True))
        other = dict(zip(rest, map(_plain, live[1]), strict=True)) if live is not None else {}
        if kind == "changed":
            cells = {name: (other[name], mine[name]) for name in columns}
        else:
            cells = {name: (None, value) if kind == "missing" else (value, None) for name, value in mine.items()}
        self.found.append(ShownRow(kind, dict(zip(key, map(_plain, row[0]), strict=True)), cells))


def _plain(value: Any) -> Any:
    """Text for people; bytes that are not UTF-8 are shown as such."""
    return value.decode("utf-8", "replace") if isinstance(value, bytearray) else value

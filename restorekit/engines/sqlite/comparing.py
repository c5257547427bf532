"""Two states of a table, row by row: both are read in key order and walked side by side, in constant memory."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any, Literal

from restorekit.engines.sqlite import rows, schema
from restorekit.engines.sqlite.connect import pragma, primary, quoted
from restorekit.engines.sqlite.schema import Table
from restorekit.errors import PreflightRefused
from restorekit.model.difference import RowDifference, TableDifference

Kind = Literal["missing", "changed", "extra"]
Keyed = tuple[tuple[Any, ...], tuple[Any, ...]]
_CODECS = {"UTF-16le": "utf-16-le", "UTF-16be": "utf-16-be"}


@contextmanager
def both(
    staging: sqlite3.Connection, live: sqlite3.Connection
) -> Iterator[tuple[tuple[dict[str, Table], dict[str, Table]], str | None]]:
    """Tables of both sides, each in one read, and the codec that gives the order of their texts.

    Raises PreflightRefused where the two files do not share a text encoding (their order of rows differs).
    """
    encodings = {str(pragma(c, "encoding")) for c in (staging, live)}
    if len(encodings) > 1:
        raise PreflightRefused(
            "the backup's text encoding is not live's, so that the two cannot be exchanged; live is untouched",
            hint="Restore under another name and carry the rows over.",
        )
    for connection in (staging, live):
        connection.execute("BEGIN")
    try:
        ours, theirs = ({t.name: t for t in schema.tables(c)} for c in (staging, live))
        for connection in (staging, live):
            rows.typed(connection)
        yield (ours, theirs), _CODECS.get(encodings.pop())
    finally:
        for connection in (staging, live):
            connection.execute("ROLLBACK")


class Walk:
    """Counts and keeps the differences of one table."""

    def __init__(
        self,
        staging: sqlite3.Connection,
        live: sqlite3.Connection,
        limits: tuple[int, bytes],
        codec: str | None,
    ) -> None:
        self._staging = staging
        self._live = live
        self._most, self._row_key = limits
        self._order = _order(codec)
        self._totals: Counter[str] = Counter()
        self._kept: list[RowDifference] = []
        self._read = Counter(staging=0, live=0)
        self.names: tuple[list[str], list[str]] = ([], [])

    def table(self, name: str, pair: tuple[Table | None, Table | None]) -> TableDifference:
        """Compare one table that is on one or both sides."""
        ours, theirs = pair
        try:
            self._pair(ours, theirs)
        except sqlite3.DatabaseError as error:
            if primary(error) != sqlite3.SQLITE_CORRUPT or theirs is None:
                raise
            return self._unreadable(name, ours)
        return TableDifference(
            name=name,
            in_live=theirs is not None,
            in_staging=ours is not None,
            live_rows=self._read["live"],
            staging_rows=self._read["staging"],
            missing=self._totals["missing"],
            changed=self._totals["changed"],
            extra=self._totals["extra"],
            schema_changed=ours is not None and theirs is not None and ours.hash != theirs.hash,
            rows=tuple(self._kept),
        )

    def _unreadable(self, name: str, ours: Table | None) -> TableDifference:
        """A damaged table of live: nothing in it counts as there. A damaged staging raises here again."""
        count = self._staging.execute(f"SELECT COUNT(*) FROM {quoted(name)}").fetchone()[0] if ours else 0
        return TableDifference(
            name=name,
            in_live=True,
            in_staging=ours is not None,
            live_rows=0,
            staging_rows=count,
            missing=count,
            schema_changed=True,
        )

    def _pair(self, ours: Table | None, theirs: Table | None) -> None:
        either = ours or theirs
        columns = _shared(ours, theirs) if either is not None else []
        if not columns and ours is not None and theirs is not None:  # two tables that have only their name in common
            self._pair(ours, None)
            self._pair(None, theirs)
        elif either is not None:
            key = [k for k in either.identity if k in columns] if _same_key(ours, theirs) else []
            self.names = key or columns, [c for c in columns if c not in key] if key else []
            if key and all(t.rowid_alias for t in (ours, theirs) if t is not None):
                self._order = _plain
            self._walk(
                self._side("staging", self._staging, ours, (columns, key)),
                self._side("live", self._live, theirs, (columns, key)),
                [c for c in columns if c not in key],
            )

    def _side(
        self, side: str, connection: sqlite3.Connection, table: Table | None, shape: tuple[list[str], list[str]]
    ) -> Iterator[Keyed]:
        """Rows as (key, rest), in the order of their keys; the whole row is the key where there is none."""
        if table is None:
            return
        columns, key = shape
        ordered = key or columns
        names = [*ordered, *(c for c in columns if c not in ordered)]
        # BINARY whatever the column's own collation says: both sides, and the walk, need one order.
        order = " ORDER BY " + ", ".join(f"{quoted(c)} COLLATE BINARY" for c in ordered)
        cut = len(ordered)
        for batch in rows.batches(connection.execute(rows.select(table, names, order))):
            self._read[side] += len(batch)
            for row in batch:
                yield row[:cut], row[cut:]

    def _walk(self, ours: Iterator[Keyed], theirs: Iterator[Keyed], columns: list[str]) -> None:
        """Merge two ordered streams. Rows of one key are a group: keys of SQLite may repeat (NULLs) or be no key."""
        left, right = (groupby(side, key=lambda r: self._order(r[0])) for side in (ours, theirs))
        a, b = next(left, None), next(right, None)
        while a is not None or b is not None:
            if b is None or (a is not None and a[0] < b[0]):
                assert a is not None
                self._only("missing", a[1])
                a = next(left, None)
            elif a is None or b[0] < a[0]:
                self._only("extra", b[1])
                b = next(right, None)
            else:
                self._group(list(a[1]), list(b[1]), columns)
                a, b = next(left, None), next(right, None)

    def _only(self, kind: Kind, group: Iterator[Keyed]) -> None:
        for row in group:
            self.note(kind, row)

    def _group(self, ours: list[Keyed], theirs: list[Keyed], columns: list[str]) -> None:
        if len(ours) == len(theirs) == 1:
            (key, mine), (other_key, other) = ours[0], theirs[0]
            # Equal for SQLite's order is not equal: 1 and 1.0 are one key and two values. repr tells them apart, fast.
            if repr(mine) != repr(other) or repr(key) != repr(other_key):
                pairs = zip(columns, mine, other, strict=True)
                different = tuple(name for name, x, y in pairs if repr(x) != repr(y))
                self.note("changed", ours[0], theirs[0], different)
            return
        known = {rows.encoded((*k, *rest)): (k, rest) for k, rest in (*ours, *theirs)}
        left, right = (Counter(rows.encoded((*k, *rest)) for k, rest in side) for side in (ours, theirs))
        for row in (left - right).elements():
            self.note("missing", known[row])
        for row in (right - left).elements():
            self.note("extra", known[row])

    def note(self, kind: Kind, row: Keyed, _live: Keyed | None = None, columns: tuple[str, ...] = ()) -> None:
        """One difference; of a changed row `row` is the backup's side. Only a keyed hash of its key is kept."""
        self._totals[kind] += 1
        if len(self._kept) < self._most:
            self._kept.append(RowDifference(kind=kind, key=rows.named(row[0], self._row_key), columns=columns))


def _shared(ours: Table | None, theirs: Table | None) -> list[str]:
    """Columns that both sides have, in the order of the one that is there first."""
    either = ours or theirs
    assert either is not None
    names = rows.columns_of(either)
    if ours is None or theirs is None:
        return names
    other = set(rows.columns_of(theirs))
    return [n for n in names if n in other]


def _same_key(ours: Table | None, theirs: Table | None) -> bool:
    return ours is None or theirs is None or ours.identity == theirs.identity


def _plain(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """The order of integers is Python's."""
    return key


def _order(codec: str | None) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """SQLite's order of values (NULL, numbers, text, blobs) for Python; text by its bytes in the file's encoding."""

    def one(value: Any) -> tuple[int, Any]:
        if value is None:
            return 0, 0
        if isinstance(value, (int, float)):
            return 1, value
        if isinstance(value, bytearray):
            return 2, bytes(value) if codec is None else value.decode("utf-8", "surrogatepass").encode(
                codec, "surrogatepass"
            )
        return 3, value

    return lambda key: tuple(one(v) for v in key)

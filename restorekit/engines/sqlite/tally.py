"""The witness of a dump: rows and typed sums per table, read from the stream itself."""

import sqlite3
from dataclasses import dataclass, field

from restorekit.engines.sqlite import schema
from restorekit.engines.sqlite.guard import Guard
from restorekit.engines.sqlite.literals import Floats, Insert, NotReadableError, stored
from restorekit.engines.sqlite.rows import Sum
from restorekit.model.contents import Fingerprint

ALGORITHM = "xxh3sum-sqlite-dump-v1"
"""Over the columns that the stream fills: not the same thing as the sum of a table's contents."""


@dataclass
class _Entry:
    columns: list[tuple[str, str]]
    total: Sum = field(default_factory=lambda: Sum(ALGORITHM))
    why_not: str = ""


class Tally:
    """Sums INSERTs as they pass. A table it cannot follow gets a reason instead of a sum."""

    def __init__(self, connection: sqlite3.Connection, floats: Floats, guard: Guard) -> None:
        """`connection` knows the tables made so far; `guard` knows which were changed in other ways."""
        self._connection = connection
        self._floats = floats
        self._guard = guard
        self._entries: dict[str, _Entry] = {}

    def add(self, insert: Insert) -> None:
        """Sum the rows of one INSERT that has been executed."""
        if schema.is_ours_or_sqlites(insert.table):
            return
        entry = self._entries.get(insert.table)
        if entry is None:
            entry = self._entries[insert.table] = self._entry(insert)
        if entry.why_not:
            return
        try:
            self._sum(entry, insert)
        except NotReadableError:
            entry.why_not = "holds values that only SQLite can compute"

    def tables(self) -> dict[str, tuple[Fingerprint | None, str]]:
        """Every table that the dump made: its sum, or why there is none."""
        found: dict[str, tuple[Fingerprint | None, str]] = {}
        for name in row_tables(self._connection):
            entry = self._entries.get(name) or _Entry(columns=[])
            if name in self._guard.disturbed and not entry.why_not:
                entry.why_not = "was changed by UPDATE, DELETE or a trigger"
            found[name] = (None, entry.why_not) if entry.why_not else (entry.total.fingerprint(), "")
        return found

    def columns(self) -> dict[str, list[str]]:
        """The columns that each sum covers, by table."""
        return {name: [c for c, _ in entry.columns] for name, entry in self._entries.items()}

    def _entry(self, insert: Insert) -> _Entry:
        self._guard.off(self._connection)
        try:
            known = {c.name: c.affinity for c in schema.table(self._connection, insert.table).columns}
        finally:
            self._guard.on(self._connection)
        names = insert.columns or tuple(known)
        # `.dump --preserve-rowids` names the rowid, which is no column.
        return _Entry(columns=[(n, known.get(n, "INTEGER")) for n in names])

    def _sum(self, entry: _Entry, insert: Insert) -> None:
        if not insert.plain:
            raise NotReadableError
        names = [n for n, _ in entry.columns]
        order = list(range(len(names)))
        if insert.columns is not None and list(insert.columns) != names:
            if sorted(insert.columns) != sorted(names):
                entry.why_not = "is filled with changing lists of columns"
                return
            order = [insert.columns.index(n) for n in names]
        for row in insert.rows(self._floats):
            if len(row) != len(order):
                raise NotReadableError
            entry.total.add(stored(row[i], affinity) for i, (_, affinity) in zip(order, entry.columns, strict=True))


def row_tables(connection: sqlite3.Connection) -> list[str]:
    """Tables with rows of their own, the shadows of virtual tables among them."""
    found = schema.tables(connection)
    own = [t.name for t in found if not t.virtual]
    return own + [s for t in found if t.virtual for s in schema.shadows(connection, "main", t.name)]

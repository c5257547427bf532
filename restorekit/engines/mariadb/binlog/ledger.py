"""What whole transactions add up to, per database. Grows with minutes and tables, not with rows."""

from collections import defaultdict

from restorekit.engines.mariadb.connect import SYSTEM_SCHEMAS, is_own
from restorekit.model.changes import Blow, DatabaseChanges, Op, Tally

MINUTE_S = 60
Key = tuple[int, int, Op]
"""Minute since the epoch, number of the table, operation."""


class Change:
    """Rows of one table in one minute. `unknown`: it is certain that it changed, not by how many rows."""

    __slots__ = ("began", "bytes", "culprit", "most", "rows", "rows_now", "statement", "statements", "unknown")

    def __init__(self, began: int) -> None:
        self.began = began
        self.rows = self.bytes = self.statements = 0
        self.unknown = False
        self.statement = -1  # the statement that `rows_now` belong to
        self.rows_now = 0
        self.most = 0  # rows of the largest statement, and where its text stands in the file
        self.culprit = -1

    def add(self, other: "Change") -> None:
        """Later transactions of the same minute."""
        self.rows += other.rows
        self.bytes += other.bytes
        self.statements += other.statements
        self.unknown = self.unknown or other.unknown


class Ledger:
    """Totals of everything booked. Databases of the server and of restorekit have no place in it."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self.names: list[tuple[str, str]] = []
        self._totals: dict[Key, Change] = {}
        self._blows: defaultdict[str, list[Blow]] = defaultdict(list)

    def number(self, database: str, table: str) -> int:
        """The place of that table; -1 for one that is nobody's."""
        known = self._numbers.get((database, table))
        if known is None:
            left_out = not database or database.lower() in SYSTEM_SCHEMAS or is_own(database)
            known = -1 if left_out else len(self.names)
            self._numbers[database, table] = known
            if not left_out:
                self.names.append((database, table))
        return known

    @property
    def size(self) -> int:
        """How many tallies there are."""
        return len(self._totals)

    def book(self, changes: dict[Key, Change]) -> None:
        """Add a transaction; its changes belong to the ledger from now on."""
        totals = self._totals
        for key, change in changes.items():
            total = totals.get(key)
            if total is None:
                totals[key] = change
            else:
                total.add(change)

    def blow(self, database: str, blow: Blow) -> None:
        """Add one, unless the database is nobody's."""
        if self.number(database, blow.table) >= 0:
            self._blows[database].append(blow)

    def changes(self) -> tuple[DatabaseChanges, ...]:
        """Everything booked, by database: tallies by time, blows in the order of the log."""
        tallies: defaultdict[str, list[Tally]] = defaultdict(list)
        for (minute, number, op), change in self._totals.items():
            database, table = self.names[number]
            start, rows = minute * MINUTE_S, None if change.unknown else change.rows
            tallies[database].append(Tally(start, start + MINUTE_S, table, op, rows, change.statements, change.bytes))
        return tuple(
            DatabaseChanges(
                database=name,
                tallies=tuple(sorted(tallies[name], key=lambda tally: tally[:4])),
                blows=tuple(self._blows.get(name, ())),
            )
            for name in sorted({*tallies, *self._blows})
        )

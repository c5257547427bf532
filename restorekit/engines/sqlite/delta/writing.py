"""A change set into live, inside a transaction that somebody else began and will commit; proven before that."""

import sqlite3
from collections import Counter
from collections.abc import Mapping

from restorekit import crashpoint
from restorekit.engines.sqlite import connect, rows, schema
from restorekit.engines.sqlite.connect import literal, quoted
from restorekit.engines.sqlite.delta import changeset
from restorekit.engines.sqlite.delta.changeset import Set
from restorekit.engines.sqlite.delta.orphans import orphans
from restorekit.engines.sqlite.delta.setting import ROWS, Change
from restorekit.engines.sqlite.delta.shape import Shape, shapes
from restorekit.errors import LiveChanged, ProofFailed
from restorekit.model.contents import Fingerprint

BACK = "rk_back"
"""The schema name of the file that keeps the way back."""


def write(live: sqlite3.Connection, change: Change) -> None:
    """Remove, change and insert what `set_down` has decided, and prove it; triggers of the tables must be gone.

    Raises LiveChanged, UndoImpossible, ProofFailed: whoever holds the transaction rolls back.
    """
    for path, name in ((change.source, ROWS), (change.back, BACK)):
        live.execute(f"ATTACH {literal(connect.uri(path, 'mode=ro&immutable=1'))} AS {name}")
    sets = changeset.sets(live, BACK)
    wanted = {s.name: s for s in changeset.sets(live, ROWS)}
    by_name = shapes(live, list(wanted))
    for one in sets:
        _Writing(live, one, by_name[one.name], change).run()
    for one in sets:
        _prove(live, one, by_name[one.name])
        if wanted[one.name].whole and one.name in change.proven:
            _prove_whole(live, one.name, change.proven[one.name])
    _no_new_orphans(live, {s.name: (by_name[s.name], s.rows) for s in sets}, change)
    crashpoint.here("sqlite.delta.written")


class _Writing:
    """The statements of one table. Each must write exactly the rows that it is meant for."""

    def __init__(self, live: sqlite3.Connection, one: Set, shape: Shape, change: Change) -> None:
        self._live, self._shape, self._change = live, shape, change
        self._table = quoted(shape.name)
        self._back = f"{BACK}.{one.rows} b"
        self._entries = f"{self._back} CROSS JOIN {ROWS}.{one.rows} e ON e.n = b.n"
        counted = live.execute(f"SELECT op, COUNT(*) FROM {BACK}.{one.rows} GROUP BY op")
        self._counts: Counter[str] = Counter(dict(counted.fetchall()))
        self._columns = ", ".join(quoted(c) for c in shape.columns)
        self._values = ", ".join(f"e.{c}" for c in changeset.stored(shape))

    def run(self) -> None:
        """Remove, change, insert."""
        try:
            # Cannot be taken back after the commit; what goes is kept, forced to the medium and recorded.
            self._delete("I")
            self._change_rows()
            self._insert("D")
        except sqlite3.IntegrityError:
            raise self._change.refusal(
                f"rows of {self._shape.name} cannot be written any more: what they hold is taken, or not allowed"
            ) from None

    def _change_rows(self) -> None:
        """In place, so that rows keep their place; values that change hands between rows cannot be written that way."""
        self._live.execute("SAVEPOINT rk_changed")
        pairs = zip(self._shape.columns, changeset.stored(self._shape), strict=True)
        values = ", ".join(f"{quoted(column)} = e.{value}" for column, value in pairs)
        try:
            # OR ABORT: a table may say of itself that a conflict silently removes the other row.
            done = self._live.execute(
                f"UPDATE OR ABORT main.{self._table} AS t SET {values} FROM {self._entries} "
                f"WHERE b.op = 'U' AND {self._shape.at('t', 'b')}"
            ).rowcount
            self._exactly(done, "U")
        except sqlite3.IntegrityError:
            self._live.execute("ROLLBACK TO rk_changed")
            self._delete("U")
            self._insert("U")
        self._live.execute("RELEASE rk_changed")

    def _delete(self, op: str) -> None:
        shape = self._shape
        own = ", ".join(f"{quoted(k)} COLLATE {x}" for k, x in zip(shape.key, shape.collations, strict=True))
        keys = ", ".join(f"o.{quoted(k)}" for k in shape.key)
        found = f"SELECT {keys} FROM {self._back} CROSS JOIN main.{self._table} o ON {shape.at('o', 'b')}"
        found += f" WHERE b.op = '{op}'"
        self._exactly(self._live.execute(f"DELETE FROM main.{self._table} WHERE ({own}) IN ({found})").rowcount, op)

    def _insert(self, op: str) -> None:
        into = f"INSERT OR ABORT INTO main.{self._table} ({self._columns})"
        found = f"SELECT {self._values} FROM {self._entries} WHERE b.op = '{op}'"
        self._exactly(self._live.execute(f"{into} {found}").rowcount, op)

    def _exactly(self, done: int, op: str) -> None:
        if done != self._counts[op]:
            raise ProofFailed(
                f"{done} instead of {self._counts[op]} rows of {self._shape.name} were written; live is as before"
            )


def _prove(live: sqlite3.Connection, one: Set, shape: Shape) -> None:
    """Every row written is read again and is what was proven; every row removed is not there."""
    columns = ", ".join(f"o.{quoted(c)}" for c in shape.columns)
    wrong = 0
    for op, entry in (("<> 'I'", "e"), ("= 'I'", "b")):
        at = shape.at("o", entry)
        sql = (
            f"SELECT b.op, e.proven, o.{quoted(shape.key[0])} IS NOT NULL, {columns} FROM {BACK}.{one.rows} b "
            f"CROSS JOIN {ROWS}.{one.rows} e ON e.n = b.n LEFT JOIN main.{quoted(shape.name)} o ON {at} WHERE b.op {op}"
        )
        with rows.as_stored(live):
            for back, proven, there, *values in live.execute(sql):
                wrong += bool(there) if bytes(back) == b"I" else not there or rows.hashed(values) != proven
    if wrong:
        raise ProofFailed(f"{wrong} rows of {shape.name} are not what was proven; live is as before")


def _prove_whole(live: sqlite3.Connection, name: str, proven: Fingerprint | None) -> None:
    table = next(t for t in schema.tables(live) if t.name == name)
    with rows.as_stored(live):
        found = rows.fingerprint(live, table)
    if found != proven:
        raise LiveChanged(
            f"table {name} would not be what was proven: somebody wrote to it after the difference was shown; "
            "live is as before",
            hint="Look at the difference again.",
        )


def _no_new_orphans(live: sqlite3.Connection, touched: Mapping[str, tuple[Shape, str]], change: Change) -> None:
    """Nobody may have lost its parent who had one, or who had none before the change that is taken back."""
    allowed = {
        (child, link, row)
        for side in (BACK, ROWS)
        for child, link, row in live.execute(f"SELECT child, link, row FROM {side}.orphans")
    }
    lost = Counter(child for child, link, row in orphans(live, touched, "main", (BACK, ROWS)) - allowed)
    if lost:
        named = ", ".join(f"{count} rows of {child}" for child, count in sorted(lost.items()))
        raise change.refusal(f"{named} would point at rows that are gone")

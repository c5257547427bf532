"""Before anything is written: what may be written as live is now, and what it would replace, kept for the way back."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from restorekit.engines.sqlite import connect, rows
from restorekit.engines.sqlite.connect import literal, quoted
from restorekit.engines.sqlite.delta import changeset
from restorekit.engines.sqlite.delta.changeset import Set
from restorekit.engines.sqlite.delta.orphans import orphans
from restorekit.engines.sqlite.delta.relations import OLD
from restorekit.engines.sqlite.delta.shape import Shape, shapes
from restorekit.engines.sqlite.delta.widening import widen
from restorekit.engines.sqlite.schema import Unique
from restorekit.errors import LiveChanged, RestorekitError, UndoImpossible
from restorekit.model.contents import Fingerprint

ROWS = "rk_rows"
"""The schema name of the change set that is written."""
_BACK = {"I": "D", "U": "U", "D": "I"}
_BITE = 2000

Mode = Literal["refuse", "leave", "overwrite", "undo"]
"""What becomes of a row that is not as it was shown any more.

refuse     nothing is written at all
leave      it stays as it is, and is counted
overwrite  it becomes what was proven; its present state is kept
undo       the same; and what stands in the way makes the undo impossible
"""


@dataclass(frozen=True)
class Change:
    """A change set (`source`) for `live`, and the file that keeps the way `back`.

    `proven` are the fingerprints of tables that may become the proven ones as wholes, where nobody else writes; of
    these rows may also have been written beside the change, and are then taken from the `staged` database.
    """

    source: Path
    back: Path
    live: Path
    mode: Mode
    row_key: bytes
    proven: Mapping[str, Fingerprint | None] = field(default_factory=dict)
    staged: Path | None = None

    def refusal(self, text: str) -> RestorekitError:
        """The error for live not being as it was shown."""
        if self.mode == "undo":
            return UndoImpossible(f"{text}; live is untouched", hint="Move these rows out of the way, then undo again.")
        return LiveChanged(f"{text}; live is untouched", hint="Look at the difference again.")


def set_down(change: Change, check: Callable[[], None]) -> None:
    """Decide row by row, and force the way back to the medium. Writers are held: what is read here stays true.

    Reads live on a connection of its own, which sees it as it is before anything is written. `check` is asked often,
    and may raise. Raises LiveChanged, UndoImpossible, ProofFailed.
    """
    if change.mode == "leave" and change.proven and change.staged is not None:
        widen(change.source, change.staged, change.live, check)
    with connect.frozen(change.source) as source:
        encoding = str(connect.pragma(source, "encoding"))
    with changeset.created(change.back, encoding) as back:
        back.execute(f"ATTACH {literal(connect.uri(change.source, 'mode=ro&immutable=1'))} AS {ROWS}")
        connect.attach_live(back, change.live, OLD)
        back.execute("BEGIN")
        wanted = changeset.sets(back, ROWS)
        by_name = shapes(back, [s.name for s in wanted], OLD)
        for one in wanted:
            shape = by_name.get(one.name)
            if shape is None or shape.text != one.text:
                raise change.refusal(f"table {one.name} has another definition than when it was looked at")
            changeset.check(back, f"{ROWS}.{one.rows}", shape)
            _Table(back, change, one, shape).set_down(check)
        touched = {s.name: (by_name[s.name], s.rows) for s in changeset.sets(back)}
        lost = orphans(back, touched, OLD, ("main", ROWS))
        back.executemany("INSERT INTO main.orphans VALUES (?, ?, ?)", sorted(lost))
        back.execute("COMMIT")


class _Table:
    """One table of a change."""

    def __init__(self, back: sqlite3.Connection, change: Change, wanted: Set, shape: Shape) -> None:
        self._back = back
        self._change = change
        self._wanted = wanted
        self._shape = shape
        self._made = changeset.add(back, shape, whole=False)
        as_whole = wanted.whole and wanted.name in change.proven  # then no row of it can be left out
        self._mode: Mode = "overwrite" if as_whole and change.mode == "leave" else change.mode

    def set_down(self, check: Callable[[], None]) -> None:
        """Decide and keep."""
        moved, replaced = 0, 0
        self._back.execute("CREATE TEMP TABLE todo (n INTEGER PRIMARY KEY, op TEXT, live INTEGER)")
        bite: list[tuple[int, str, int | None]] = []
        for n, op, now, other in self._as_live_is():
            left = other and self._mode in ("refuse", "leave")
            moved, replaced = moved + left, replaced + (other and not left)
            if op and not left:
                bite.append((n, op, now))
            if len(bite) >= _BITE:
                check()
                self._note(bite)
        self._note(bite)
        if moved and self._mode == "refuse":
            raise self._change.refusal(f"{moved} rows of {self._shape.name} have changed since they were shown")
        self._keep()
        self._back.execute("DROP TABLE temp.todo")
        moved += self._without_taken()
        keyed = changeset.hash_of(self._back, f"main.{self._made.rows}", self._shape, self._change.row_key)
        sql = "UPDATE main.sets SET moved = ?, replaced = ?, keyed = ? WHERE number = ?"
        self._back.execute(sql, (moved, replaced, keyed, self._made.number))

    def _note(self, bite: list[tuple[int, str, int | None]]) -> None:
        self._back.executemany("INSERT INTO temp.todo VALUES (?, ?, ?)", bite)
        bite.clear()

    def _as_live_is(self) -> Iterator[tuple[int, str, int | None, bool]]:
        """Each entry with what is to be done now (nothing: ""), live's row, and whether that is another one."""
        shape = self._shape
        columns = ", ".join(f"o.{quoted(c)}" for c in shape.columns)
        sql = (
            f"SELECT e.n, e.op, e.live, o.{quoted(shape.key[0])} IS NOT NULL, {columns} "
            f"FROM {ROWS}.{self._wanted.rows} e LEFT JOIN {OLD}.{quoted(shape.name)} o ON {shape.at('o', 'e')}"
        )
        with rows.as_stored(self._back):
            for n, op, expected, there, *values in self._back.execute(sql).fetchall():
                now = rows.hashed(values) if there else None
                goes = bytes(op) == b"D"
                todo = ("D" if there else "") if goes else ("U" if there else "I")
                yield n, todo, now, now != expected

    def _keep(self) -> None:
        """The way back: what is replaced or removed with its values, what comes in with those it comes with."""
        shape = self._shape
        ours, theirs = (", ".join(x) for x in ([f"e.{k}" for k in shape.parts], [f"o.{quoted(k)}" for k in shape.key]))
        values = ", ".join(f"e.{c}" for c in changeset.stored(shape))
        images = ", ".join(f"o.{quoted(c)}" for c in shape.columns)
        entries = f"temp.todo t CROSS JOIN {ROWS}.{self._wanted.rows} e ON e.n = t.n"
        into = f"INSERT INTO main.{self._made.rows} SELECT t.n"
        self._back.execute(f"{into}, 'D', e.proven, NULL, {ours}, {values} FROM {entries} WHERE t.op = 'I'")
        self._back.execute(
            f"{into}, CASE t.op WHEN 'U' THEN 'U' ELSE 'I' END, CASE t.op WHEN 'U' THEN e.proven END, t.live, "
            f"{theirs}, {images} FROM {entries} CROSS JOIN {OLD}.{quoted(shape.name)} o ON {shape.at('o', 'e')} "
            "WHERE t.op <> 'I'"
        )

    def _without_taken(self) -> int:
        """Leave out rows whose unique values are held by rows that stay; how many.

        A row left out keeps its own values, so that it may be in the way of others then.
        """
        left = 0
        while found := next(((u, t) for u in self._shape.uniques if (t := self._taken(u))), None):
            unique, taken = found
            if self._mode != "leave":
                by = ", ".join(unique.columns)
                raise self._change.refusal(
                    f"other rows of {self._shape.name} have {len(taken)} values of the unique key {by} now"
                )
            self._back.executemany(f"DELETE FROM main.{self._made.rows} WHERE n = ?", taken)
            left += len(taken)
        return left

    def _taken(self, unique: Unique) -> list[tuple[int]]:
        shape = self._shape
        stored = [f"e.c{shape.columns.index(c)}" for c in unique.columns]
        pairs = zip(unique.columns, stored, unique.collations, strict=True)
        equal = " AND ".join(f"o.{quoted(c)} = {value} COLLATE {x}" for c, value, x in pairs)
        sql = (
            f"SELECT b.n FROM main.{self._made.rows} b CROSS JOIN {ROWS}.{self._wanted.rows} e ON e.n = b.n "
            f"CROSS JOIN {OLD}.{quoted(shape.name)} o ON {equal} WHERE b.op <> 'I' AND NOT EXISTS "
            f"(SELECT 1 FROM main.{self._made.rows} z WHERE z.op <> 'D' AND {shape.at('o', 'z')})"
        )
        return [(n,) for n in sorted({row[0] for row in self._back.execute(sql)})]

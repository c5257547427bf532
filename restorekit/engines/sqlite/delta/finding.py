"""Compare two states of some tables, and remember which rows differ."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from restorekit.engines.sqlite import comparing, rows, schema
from restorekit.engines.sqlite.connect import attach_live, pragma, quoted
from restorekit.engines.sqlite.delta import findings
from restorekit.engines.sqlite.delta.costs import with_costs
from restorekit.engines.sqlite.delta.findings import Entry
from restorekit.engines.sqlite.delta.relations import OLD
from restorekit.engines.sqlite.delta.shape import Shape, shape, why_not
from restorekit.model.difference import TableDifference
from restorekit.ports import Watch

_OPS: dict[comparing.Kind, str] = {"missing": "I", "changed": "U", "extra": "D"}
_TOO_MANY = f"more than {findings.MOST:,} rows differ"
_NO_KEY = "rows differ that have no key (NULL, or bytes that are no text)"


def compare(
    sides: tuple[sqlite3.Connection, sqlite3.Connection],
    tables: Sequence[str],
    limits: tuple[int, bytes],
    paths: tuple[Path, Path],
    watch: Watch,
) -> list[TableDifference]:
    """Differences of `tables`; which rows differ is left in the sandbox's folder.

    `sides` are the staged database and live, open for reading, and `paths` their files. `limits`: rows kept per table
    in the answer, and the key of their hashes. Raises PreflightRefused where the two do not share a text encoding.
    """
    staging, live = sides
    encoding, folder = str(pragma(staging, "encoding")), paths[0].parent
    shapes = _shapes(staging, live, tables)
    read = []
    with comparing.both(staging, live) as (known, codec):
        attach_live(staging, paths[1], OLD)
        findings.create(folder, encoding)
        with findings.opened(folder) as kept:
            kept.execute("BEGIN")
            for done, name in enumerate(tables):
                watch.check()
                watch.progress("compare", done, len(tables), "tables")
                walk = _Remembering((staging, live, limits, codec), shapes.get(name, ""))
                difference = walk.table(name, (known[0].get(name), known[1].get(name)))
                read.append((walk.remember(kept, difference, limits[1]), known[0].get(name)))
            kept.execute("COMMIT")
        return with_costs(staging, read, everything=set(known[1]) <= set(tables))


def _shapes(staging: sqlite3.Connection, live: sqlite3.Connection, names: Sequence[str]) -> dict[str, str | Shape]:
    """For each table on both sides: its shape, or why its rows cannot be written one by one."""
    theirs = {t.name: t for t in schema.tables(live)}
    found: dict[str, str | Shape] = {}
    for table in schema.tables(staging):
        other = theirs.get(table.name)
        if table.name in names and other is not None:
            reason = why_not(table, staging) if table.hash == other.hash else "its definition differs"
            found[table.name] = reason or shape(staging, table)
    return found


class _Remembering(comparing.Walk):
    """Keeps key and both states of each row that differs, up to the cap."""

    def __init__(self, how: tuple[Any, ...], shape: str | Shape) -> None:
        super().__init__(*how)
        self._shape = shape if isinstance(shape, Shape) else None
        self._why_not = shape if isinstance(shape, str) else ""
        self._entries: list[Entry] = []

    def _pair(self, ours: schema.Table | None, theirs: schema.Table | None) -> None:
        """Rows with a key are joined by SQLite, and only those that may differ are looked at; others are walked."""
        if self._shape is None or self._why_not or any(self._count(side, "IS NULL") for side in ("main", OLD)):
            super()._pair(ours, theirs)
            return
        shape = self._shape
        rest = [c for c in shape.columns if c not in shape.key]
        self.names = list(shape.key), rest
        self._read.update(staging=self._count("main", "IS NOT NULL"), live=self._count(OLD, "IS NOT NULL"))
        cut, names = len(shape.key), [*shape.key, *rest]
        new, old = (f"{side}.{quoted(shape.name)} {a}" for side, a in (("main", "n"), (OLD, "o")))
        ours_, theirs_ = (", ".join(f"{side}.{quoted(c)}" for c in names) for side in "no")
        same = shape.same("n", "o")
        differ = f"SELECT {ours_}, {theirs_} FROM {new} CROSS JOIN {old} ON {same} WHERE {shape.may_differ('n', 'o')}"
        for values in self._staging.execute(differ):
            mine, other = values[: len(names)], values[len(names) :]
            pairs = zip(names, mine, other, strict=True)
            if different := tuple(c for c, x, y in pairs if repr(x) != repr(y)):
                self.note("changed", (mine[:cut], mine[cut:]), (other[:cut], other[cut:]), different)
        sides: tuple[tuple[comparing.Kind, str, str, str], ...] = (
            ("missing", ours_, new, old),
            ("extra", theirs_, old, new),
        )
        for kind, columns, here, there in sides:
            alone = f"SELECT {columns} FROM {here} WHERE NOT EXISTS (SELECT 1 FROM {there} WHERE {same})"
            for row in self._staging.execute(alone):
                self.note(kind, (row[:cut], row[cut:]))

    def _count(self, side: str, what: str) -> int:
        """Rows of one side with or without a NULL in their key."""
        assert self._shape is not None
        word = " AND " if what == "IS NOT NULL" else " OR "
        where = word.join(f"{quoted(k)} {what}" for k in self._shape.key)
        return int(
            self._staging.execute(f"SELECT COUNT(*) FROM {side}.{quoted(self._shape.name)} WHERE {where}").fetchone()[0]
        )

    def note(
        self,
        kind: comparing.Kind,
        row: comparing.Keyed,
        live: comparing.Keyed | None = None,
        columns: tuple[str, ...] = (),
    ) -> None:
        """One difference."""
        super().note(kind, row, live, columns)
        if self._shape is None or self._why_not:
            return
        key = rows.bindable(row[0])
        if key is None or len(self._entries) >= findings.MOST:
            self._why_not = _NO_KEY if key is None else _TOO_MANY
            self._entries.clear()
            return
        theirs = row if kind == "extra" else live
        proven = None if kind == "extra" else self._state(row)
        self._entries.append((_OPS[kind], None if theirs is None else self._state(theirs), proven, key))

    def _state(self, row: comparing.Keyed) -> int:
        """Hash of a row, its values in the order in which the fingerprint takes them."""
        assert self._shape is not None
        by_name = dict(zip((*self.names[0], *self.names[1]), (*row[0], *row[1]), strict=True))
        return rows.hashed(by_name[c] for c in self._shape.columns)

    def remember(self, kept: sqlite3.Connection, table: TableDifference, row_key: bytes) -> TableDifference:
        """Leave the rows with the findings; the answer says why, where single rows of the table cannot be written."""
        if not (table.in_live and table.in_staging):
            findings.note(kept, table.name, "only one side has it")
            return table
        why = "its definition differs" if table.schema_changed else self._why_not
        if why or self._shape is None:
            findings.note(kept, table.name, why)
            return table.model_copy(update={"no_delta": why})
        remembered = findings.remember(kept, self._shape, self._entries)
        return _joined(kept, remembered.found, self._shape, table, row_key)


def _joined(
    kept: sqlite3.Connection, found: str, shape: Shape, table: TableDifference, row_key: bytes
) -> TableDifference:
    """A missing row and an extra one whose keys are equal for the key's collation (`a`, `A`) are one changed row."""
    if set(shape.collations) <= {"BINARY"}:
        return table
    same = " AND ".join(f"d.k{n} = i.k{n} COLLATE {c}" for n, c in enumerate(shape.collations))
    keys = ", ".join((*(f"i.{k}" for k in shape.parts), *(f"d.{k}" for k in shape.parts)))
    pairs = kept.execute(
        f"SELECT i.n, d.n, d.live, {keys} FROM {found} i CROSS JOIN {found} d ON {same} WHERE i.op = 'I' AND d.op = 'D'"
    ).fetchall()
    names: dict[str, bool] = {}
    for ours, theirs, live, *key in pairs:
        kept.execute(f"UPDATE {found} SET op = 'U', live = ? WHERE n = ?", (live, ours))
        kept.execute(f"DELETE FROM {found} WHERE n = ?", (theirs,))
        as_read = [bytearray(v.encode()) if isinstance(v, str) else v for v in key]
        names[rows.named(as_read[: len(shape.key)], row_key)] = True
        names[rows.named(as_read[len(shape.key) :], row_key)] = False
    shown = [
        r.model_copy(update={"kind": "changed"}) if r.key in names else r for r in table.rows if names.get(r.key, True)
    ]
    update = {
        "missing": table.missing - len(pairs),
        "extra": table.extra - len(pairs),
        "changed": table.changed + len(pairs),
        "rows": tuple(shown),
    }
    return table.model_copy(update=update)

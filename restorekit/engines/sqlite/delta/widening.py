"""Rows that somebody wrote beside a change after it was shown, where the whole table shall become the proven one."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from restorekit.engines.sqlite import connect, rows
from restorekit.engines.sqlite.connect import literal, quoted
from restorekit.engines.sqlite.delta import changeset
from restorekit.engines.sqlite.delta.changeset import Set
from restorekit.engines.sqlite.delta.relations import NEW, OLD
from restorekit.engines.sqlite.delta.shape import Shape, shapes
from restorekit.engines.sqlite.places import flush


def widen(source: Path, staged: Path, live: Path, check: Callable[[], None]) -> None:
    """Add such rows to the sets of whole tables in `source`, as if they had been the same when they were shown.

    Reads both sides of these tables once, while writers are held; `check` is asked often and may raise. Safe to repeat.
    """
    with connect.writer(source) as connection:
        connection.execute(f"ATTACH {literal(connect.uri(staged, 'mode=ro&immutable=1'))} AS {NEW}")
        connect.attach_live(connection, live, OLD)
        whole = [s for s in changeset.sets(connection) if s.whole]
        by_name = shapes(connection, [s.name for s in whole], NEW)
        now = shapes(connection, [s.name for s in whole], OLD)
        connection.execute("BEGIN")
        for one in whole:
            shape = by_name.get(one.name)
            if shape is not None and one.name in now and now[one.name].text == shape.text:
                _widen(connection, one, shape, check)
        connection.execute("COMMIT")
    flush(source)


def _widen(connection: sqlite3.Connection, one: Set, shape: Shape, check: Callable[[], None]) -> None:
    table, columns = quoted(shape.name), list(shape.columns)
    parts, values = ", ".join(shape.parts), ", ".join(changeset.stored(shape))
    keys, mine = (", ".join(f"{side}.{quoted(c)}" for c in names) for side, names in (("o", shape.key), ("n", columns)))
    same = shape.same("n", "o")
    unknown = f"NOT EXISTS (SELECT 1 FROM main.{one.rows} e WHERE {{}})"
    connection.execute(
        f"INSERT INTO main.{one.rows} (op, {parts}) SELECT 'D', {keys} FROM {OLD}.{table} o "
        f"WHERE NOT EXISTS (SELECT 1 FROM {NEW}.{table} n WHERE {same}) AND {unknown.format(shape.at('o', 'e'))}"
    )
    own = ", ".join(f"n.{quoted(k)}" for k in shape.key)
    theirs = ", ".join(f"o.{quoted(c)}" for c in columns)
    with rows.as_stored(connection):
        both = connection.execute(
            f"SELECT o.{quoted(shape.key[0])} IS NOT NULL, {mine}, {theirs} FROM {NEW}.{table} n "
            f"LEFT JOIN {OLD}.{table} o ON {same} "
            f"WHERE {unknown.format(shape.at('n', 'e'))} AND ({shape.may_differ('n', 'o')})"
        )
        found = list(_differing(both, shape, check))
    connection.execute(f"CREATE TEMP TABLE beside (op, proven, {parts})")
    marks = ", ".join("?" for _ in shape.key)
    connection.executemany(f"INSERT INTO temp.beside (op, proven, {parts}) VALUES (?, ?, {marks})", found)
    connection.execute(
        f"INSERT INTO main.{one.rows} (op, live, proven, {parts}, {values}) "
        f"SELECT b.op, b.proven, b.proven, {own}, {mine} "
        f"FROM temp.beside b CROSS JOIN {NEW}.{table} n ON {shape.at('n', 'b')}"
    )
    connection.execute("DROP TABLE temp.beside")


def _differing(both: sqlite3.Cursor, shape: Shape, check: Callable[[], None]) -> Iterator[tuple[Any, ...]]:
    """Operation, hash of the backup's row, and its key, of rows that live lacks or has otherwise."""
    half, at = len(shape.columns), [shape.columns.index(k) for k in shape.key]
    for batch in rows.batches(both):
        check()
        for there, *values in batch:
            row = values[:half]
            if there and repr(row) == repr(values[half:]):
                continue
            key = rows.bindable([row[n] for n in at])
            if key is not None:  # without it the proof of the table will fail
                yield ("U" if there else "I", rows.hashed(row), *key)

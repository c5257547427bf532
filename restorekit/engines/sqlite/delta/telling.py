"""Conflicts with their values, for somebody who has to decide; read now and kept nowhere."""

import sqlite3
from collections.abc import Mapping
from typing import Any

from restorekit.engines.sqlite import rows
from restorekit.engines.sqlite.connect import quoted
from restorekit.engines.sqlite.delta.picking import Trouble
from restorekit.engines.sqlite.delta.relations import NEW, OLD, Name, Reader
from restorekit.engines.sqlite.delta.shape import Shape
from restorekit.model.shown import ShownConflict


def told(
    connection: sqlite3.Connection, reader: Reader, troubles: Mapping[Name, Trouble], most: int
) -> list[tuple[ShownConflict, tuple[Any, ...]]]:
    """The first `most` conflicts, each with its row's key as it is stored."""
    found = []
    for name in sorted(troubles)[:most]:
        kind, by = troubles[name]
        shape, entries = reader.shapes[name[0]], reader.known[name[0]].found
        with rows.as_stored(connection):
            key = connection.execute(f"SELECT {', '.join(shape.parts)} FROM {entries} WHERE n = ?", name[1:]).fetchone()
            other = _other(connection, reader, name, (kind, by))
        shown = ShownConflict(name[0], kind, by, _plain(shape.key, key), other)
        found.append((shown, key))
    return found


def _other(connection: sqlite3.Connection, reader: Reader, name: Name, trouble: Trouble) -> dict[str, Any]:
    """What identifies the row in the way; nothing where there is none."""
    kind, by = trouble
    shape = reader.shapes[name[0]]
    entry = f"main.{reader.known[name[0]].found} f"
    table = quoted(shape.name)
    if kind == "id_reused":
        columns: tuple[str, ...] = shape.columns
        source = f"{entry} CROSS JOIN {OLD}.{table} o ON {shape.at('o', 'f')}"
    elif kind == "unique_taken":
        unique = next(u for u in shape.uniques if ", ".join(u.columns) == by)
        columns = (*shape.key, *unique.columns)
        equal = _equal(unique.columns, unique.collations)
        source = f"{entry} CROSS JOIN {NEW}.{table} t ON {shape.at('t', 'f')} CROSS JOIN {OLD}.{table} o ON {equal}"
    else:
        return _linked(connection, reader, name, trouble)
    names = ", ".join(f"o.{quoted(c)}" for c in columns)
    found = connection.execute(f"SELECT {names} FROM {source} WHERE f.n = ?", name[1:]).fetchone()
    return _plain(columns, found) if found else {}


def _linked(connection: sqlite3.Connection, reader: Reader, name: Name, trouble: Trouble) -> dict[str, Any]:
    """Of a parent that is missing what it would be known by; of children the first one's values that point here."""
    kind, by = trouble
    shape: Shape = reader.shapes[name[0]]
    entry, table = f"main.{reader.known[name[0]].found} f", quoted(shape.name)
    child = by if kind == "has_children" else shape.name
    for link in reader.links_of(child, shape.name if kind == "has_children" else by):
        names = ", ".join(f"c.{quoted(c)}" for c in link.columns)
        if kind == "has_children":
            points = " AND ".join(f"p.{quoted(t)} = c.{quoted(c)}" for t, c in zip(link.to, link.columns, strict=True))
            source = f"{entry} CROSS JOIN {OLD}.{table} p ON {shape.at('p', 'f')}"
            source += f" CROSS JOIN {OLD}.{quoted(by)} c ON {points}"
        else:
            source = f"{entry} CROSS JOIN {NEW}.{table} c ON {shape.at('c', 'f')}"
        found = connection.execute(f"SELECT {names} FROM {source} WHERE f.n = ?", name[1:]).fetchone()
        if found:
            return _plain(link.columns if kind == "has_children" else link.to, found)
    return {}


def _equal(columns: tuple[str, ...], collations: tuple[str, ...]) -> str:
    pairs = zip(columns, collations, strict=True)
    return " AND ".join(f"o.{quoted(c)} = t.{quoted(c)} COLLATE {x}" for c, x in pairs)


def _plain(names: tuple[str, ...], values: tuple[Any, ...]) -> dict[str, Any]:
    """Values for people."""
    shown = (v.decode("utf-8", "replace") if isinstance(v, bytearray) else v for v in values)
    return dict(zip(names, shown, strict=True))

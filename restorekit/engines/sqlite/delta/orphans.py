"""Rows without their parent among those that a change touches, before and after: nobody checks foreign keys for us."""

import sqlite3
from collections.abc import Iterator, Mapping

from restorekit.engines.sqlite import rows, schema
from restorekit.engines.sqlite.connect import quoted
from restorekit.engines.sqlite.delta import changeset
from restorekit.engines.sqlite.delta.shape import Link, Shape, all_links

Orphan = tuple[str, int, int]
"""Table, number of its foreign key, hash of what identifies the row."""


def orphans(
    connection: sqlite3.Connection, touched: Mapping[str, tuple[Shape, str]], side: str, files: tuple[str, str]
) -> set[Orphan]:
    """Orphans of `side` among the rows written and the rows that point at these, or at what they were.

    `touched`: each table's shape and the name of its entries, the same in both `files`: the way back, the change set.
    """
    known = {t.name: t for t in schema.tables(connection, side)}
    found: set[Orphan] = set()
    for child, links in all_links(connection, side).items():
        columns = known[child].identity or tuple(rows.columns_of(known[child]))
        for number, link in enumerate(links):
            for source in _sources(child, link, touched, (side, *files)):
                lacking = _lacking(link, side)
                names = ", ".join(f"c.{quoted(c)}" for c in columns)
                with rows.as_stored(connection):
                    asked = connection.execute(f"SELECT {names} FROM {source} {lacking}")
                    found |= {(child, number, rows.hashed(row)) for row in asked}
    return found


def _sources(
    child: str, link: Link, touched: Mapping[str, tuple[Shape, str]], sides: tuple[str, str, str]
) -> Iterator[str]:
    """Where rows `c` of the child may have lost their parent."""
    side, back, wanted = sides
    if child in touched:
        shape, entries = touched[child]
        at = shape.at("c", "b")
        yield f"{back}.{entries} b CROSS JOIN {side}.{quoted(child)} c ON {at} WHERE"
    if link.parent in touched:
        shape, entries = touched[link.parent]
        values = ", ".join(changeset.stored(shape)[shape.columns.index(to)] for to in link.to)
        own = ", ".join(f"c.{quoted(c)} COLLATE {x}" for c, x in zip(link.columns, _told_by(shape, link), strict=True))
        both = " UNION ALL ".join(f"SELECT {values} FROM {f}.{entries}" for f in (back, wanted))
        yield f"{side}.{quoted(child)} c WHERE ({own}) IN ({both}) AND"


def _told_by(parent: Shape, link: Link) -> list[str]:
    """The collations that tell the parent's rows apart."""
    unique = [(parent.key, parent.collations), *((u.columns, u.collations) for u in parent.uniques)]
    by = next((dict(zip(*u, strict=True)) for u in unique if set(u[0]) == set(link.to)), {})
    return [by.get(to, "BINARY") for to in link.to]


def _lacking(link: Link, side: str) -> str:
    pairs = zip(link.to, link.columns, strict=True)
    points = " AND ".join(f"p.{quoted(to)} = c.{quoted(own)}" for to, own in pairs)
    filled = " AND ".join(f"c.{quoted(c)} IS NOT NULL" for c in link.columns)
    return f"{filled} AND NOT EXISTS (SELECT 1 FROM {side}.{quoted(link.parent)} p WHERE {points})"

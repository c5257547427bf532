"""How rows of a table are told apart, and which rows of other tables they point at."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from restorekit.engines.sqlite import rows, schema
from restorekit.engines.sqlite.connect import quoted

_COLLATIONS = frozenset({"BINARY", "NOCASE", "RTRIM"})


@dataclass(frozen=True)
class Link:
    """A foreign key: `columns` of its table point at the columns `to` of the table `parent`."""

    parent: str
    columns: tuple[str, ...]
    to: tuple[str, ...]


@dataclass(frozen=True)
class Shape:
    """One table that is the same on both sides. `affinities` are those of `columns`, `collations` those of `key`.

    `uniques` are further unique keys, `required` columns without NULL, `born` those that say when a row was made.
    """

    name: str
    columns: tuple[str, ...]
    affinities: tuple[str, ...]
    key: tuple[str, ...]
    collations: tuple[str, ...]
    uniques: tuple[schema.Unique, ...]
    required: frozenset[str]
    born: tuple[str, ...]
    text: str

    @property
    def key_types(self) -> tuple[str, ...]:
        """Affinities of the key's columns."""
        return tuple(self.affinities[self.columns.index(k)] for k in self.key)

    def at(self, table: str, entry: str) -> str:
        """The condition that a row of `table` has the key `k0`, `k1`, … of `entry` (both are aliases)."""
        return " AND ".join(
            f"{table}.{quoted(column)} = {entry}.k{number} COLLATE {collation}"
            for number, (column, collation) in enumerate(zip(self.key, self.collations, strict=True))
        )

    def same(self, one: str, other: str) -> str:
        """The condition that two rows (aliases) have the same key."""
        pairs = zip(self.key, self.collations, strict=True)
        return " AND ".join(f"{one}.{quoted(k)} = {other}.{quoted(k)} COLLATE {x}" for k, x in pairs)

    def may_differ(self, one: str, other: str) -> str:
        """True for every two rows that differ, and for few others: SQLite does not tell -0.0 from 0.0."""
        parts = []
        for name, affinity in zip(self.columns, self.affinities, strict=True):
            a, b = f"{one}.{quoted(name)}", f"{other}.{quoted(name)}"
            parts.append(f"{a} IS NOT {b} COLLATE BINARY OR typeof({a}) <> typeof({b})")
            if affinity in ("REAL", "BLOB"):
                parts.append(f"(typeof({a}) = 'real' AND {a} = 0.0)")
        return " OR ".join(parts)

    def index(self) -> str:
        """The indexed columns of entries, so that they are found by a row's key."""
        return ", ".join(f"k{number} COLLATE {collation}" for number, collation in enumerate(self.collations))

    @property
    def parts(self) -> list[str]:
        """Names of the key's columns in an entry."""
        return [f"k{number}" for number in range(len(self.key))]


def why_not(table: schema.Table, connection: sqlite3.Connection) -> str:
    """Why rows of this table cannot be written one by one, whatever differs; empty if they can."""
    if table.virtual:
        return "it is a virtual table, which keeps its rows in other tables"
    if not table.identity:
        return "it has no key that tells its rows apart"
    known = {c.upper() for u in schema.uniques(connection, table.name) for c in u.collations}
    strange = sorted(known - _COLLATIONS)
    return f"it needs the collation {strange[0]}, which only its application has" if strange else ""


def shape(connection: sqlite3.Connection, table: schema.Table, side: str = "main") -> Shape:
    """The shape of a table that `why_not` says nothing against. `side` is the schema it lies in."""
    unique = schema.uniques(connection, table.name, side)
    own = next((u for u in unique if u.columns == table.identity), None)
    columns = rows.columns_of(table)
    return Shape(
        name=table.name,
        columns=tuple(columns),
        affinities=_affinities(connection, table, side),
        key=table.identity,
        collations=own.collations if own else ("BINARY",) * len(table.identity),
        uniques=tuple(u for u in unique if u is not own),
        required=frozenset(c.name for c in table.columns if c.not_null),
        born=_born(connection, table, side),
        text=table.hash,
    )


def shapes(connection: sqlite3.Connection, names: Sequence[str], side: str = "main") -> dict[str, Shape]:
    """Shapes of several tables by name; those that are not there are left out."""
    return {t.name: shape(connection, t, side) for t in schema.tables(connection, side) if t.name in names}


def links(connection: sqlite3.Connection, table: str, side: str = "main") -> list[Link]:
    """Foreign keys of a table whose parents exist; SQLite takes their names in any case."""
    known = {t.name.lower(): t for t in schema.tables(connection, side)}
    found: dict[int, list[tuple[str, str, str | None]]] = {}
    for row in connection.execute(f"PRAGMA {side}.foreign_key_list({quoted(table)})"):
        found.setdefault(row[0], []).append((row[2], row[3], row[4]))
    made = []
    for _, parts in sorted(found.items(), reverse=True):  # SQLite names the last one first
        parent = known.get(parts[0][0].lower())
        if parent is not None:
            to = tuple(c or k for (_, _, c), k in zip(parts, (*parent.key, *parts), strict=False))
            made.append(Link(parent.name, tuple(p[1] for p in parts), tuple(str(c) for c in to)))
    return made


def all_links(connection: sqlite3.Connection, side: str = "main") -> Mapping[str, list[Link]]:
    """Foreign keys of every table, by the table that has them."""
    return {t.name: links(connection, t.name, side) for t in schema.tables(connection, side) if not t.virtual}


def _affinities(connection: sqlite3.Connection, table: schema.Table, side: str) -> tuple[str, ...]:
    """As SQLite has them: in a STRICT table a column of type ANY leaves every value as it is."""
    listed = connection.execute(f"PRAGMA {side}.table_list({quoted(table.name)})").fetchall()
    strict = any(r[0] == side and r[5] for r in listed)
    info = connection.execute(f"PRAGMA {side}.table_xinfo({quoted(table.name)})").fetchall()
    anything = {r[1] for r in info if strict and r[2].upper() == "ANY"}
    return tuple("BLOB" if c.name in anything else c.affinity for c in table.columns)


def _born(connection: sqlite3.Connection, table: schema.Table, side: str) -> tuple[str, ...]:
    """Columns that say when a row was made: filled with the present time, and not named after later changes."""
    info = connection.execute(f"PRAGMA {side}.table_xinfo({quoted(table.name)})").fetchall()
    now = {r[1] for r in info if r[4] and ("CURRENT_" in r[4].upper() or "'NOW'" in r[4].upper())}
    moving = ("upd", "mod", "chang", "last", "seen", "touch")
    return tuple(c.name for c in table.columns if c.name in now and not any(w in c.name.lower() for w in moving))

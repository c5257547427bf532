"""What the schema says: tables, their columns, keys and text, and the objects around them."""

import hashlib
import sqlite3
from dataclasses import dataclass
from typing import Literal

from restorekit.engines.sqlite.connect import quoted

MARKER = "_restorekit"
"""Our marker table in live. It is there between a commit and its record, and in no contents."""
_GENERATED = (2, 3)
_HIDDEN = 1
_ROWID_NAMES = ("rowid", "_rowid_", "oid")


@dataclass(frozen=True)
class Column:
    """A column that an INSERT fills. `affinity` is what SQLite makes of values in it."""

    name: str
    affinity: Literal["TEXT", "NUMERIC", "INTEGER", "REAL", "BLOB"]
    not_null: bool


@dataclass(frozen=True)
class Unique:
    """A unique index over columns, no expressions, of all rows; with the collation that it tells each column by."""

    primary: bool
    columns: tuple[str, ...]
    collations: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table of the customer: real or virtual, never a shadow of a virtual one, never SQLite's or ours.

    `identity` tells its rows apart: the primary key, or else a unique key without NULLs; empty where there is none.
    """

    name: str
    virtual: bool
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    identity: tuple[str, ...]
    rowid_alias: bool
    without_rowid: bool
    sql: str
    indexes: tuple[str, ...]
    references: tuple[str, ...]

    @property
    def hash(self) -> str:
        """SHA-256 of the table's and its indexes' text."""
        text = "\0".join([self.sql, *sorted(self.indexes)])
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    @property
    def rowid(self) -> str | None:
        """The name under which a rowid that no column shows can be reached; None where there is none."""
        taken = {c.name.lower() for c in self.columns}
        if self.without_rowid or (self.rowid_alias and not self.virtual):
            return None
        return next((name for name in _ROWID_NAMES if name not in taken), None)


@dataclass(frozen=True)
class Thing:
    """A view or trigger as sqlite_schema has it; `on` is the table or view a trigger belongs to."""

    kind: Literal["view", "trigger"]
    name: str
    on: str
    sql: str

    @property
    def hash(self) -> str:
        """SHA-256 of its text."""
        return hashlib.sha256(self.sql.encode("utf-8", "surrogateescape")).hexdigest()


def tables(connection: sqlite3.Connection, schema: str = "main") -> list[Table]:
    """The customer's tables by name. Raises sqlite3.DatabaseError for a schema that cannot be read."""
    found = []
    rows = connection.execute(f"PRAGMA {schema}.table_list").fetchall()
    own = [r for r in rows if r[0] == schema and r[2] in ("table", "virtual") and not is_ours_or_sqlites(r[1])]
    for _, name, kind, _, without_rowid, _ in sorted(own, key=lambda r: r[1]):
        found.append(_table(connection, schema, name, (kind == "virtual", bool(without_rowid))))
    return found


def table(connection: sqlite3.Connection, name: str) -> Table:
    """One table by name, a shadow table among them."""
    found = connection.execute(f"PRAGMA main.table_list({quoted(name)})").fetchone()
    return _table(connection, "main", found[1] if found else name, (False, bool(found and found[4])))


def shadows(connection: sqlite3.Connection, schema: str, virtual: str) -> list[str]:
    """The tables in which a virtual table keeps its data."""
    rows = connection.execute(f"PRAGMA {schema}.table_list").fetchall()
    return sorted(r[1] for r in rows if r[0] == schema and r[2] == "shadow" and r[1].startswith(f"{virtual}_"))


def uniques(connection: sqlite3.Connection, table: str, schema: str = "main") -> list[Unique]:
    """Unique indexes of a table, the primary key's among them unless it is the rowid itself."""
    found = []
    for _, index, unique, origin, partial in connection.execute(f"PRAGMA {schema}.index_list({quoted(table)})"):
        parts = connection.execute(f"PRAGMA {schema}.index_xinfo({quoted(index)})").fetchall()
        keyed = [(p[2], p[4]) for p in parts if p[5]]
        if unique and not partial and all(name is not None for name, _ in keyed):
            names, collations = zip(*keyed, strict=True)
            found.append(Unique(origin == "pk", names, collations))
    return sorted(found, key=lambda u: (not u.primary, u.columns))


def things(connection: sqlite3.Connection, schema: str = "main") -> list[Thing]:
    """Views and triggers in the order they were made."""
    sql = (
        f"SELECT type, name, tbl_name, sql FROM {schema}.sqlite_schema WHERE type IN ('view', 'trigger') ORDER BY rowid"
    )
    return [Thing(*row) for row in connection.execute(sql)]


def is_ours_or_sqlites(name: str) -> bool:
    """True for names that no customer's table has."""
    return name.lower().startswith("sqlite_") or name == MARKER


def _table(connection: sqlite3.Connection, schema: str, name: str, kind: tuple[bool, bool]) -> Table:
    virtual, without_rowid = kind
    info = connection.execute(f"PRAGMA {schema}.table_xinfo({quoted(name)})").fetchall()
    columns = tuple(Column(r[1], _affinity(r[2]), bool(r[3])) for r in info if r[6] not in (_HIDDEN, *_GENERATED))
    key = tuple(r[1] for r in sorted((r for r in info if r[5]), key=lambda r: r[5]))
    never_null = {c.name for c in columns if c.not_null}
    others = (u.columns for u in uniques(connection, name, schema) if never_null.issuperset(u.columns))
    types = {r[1]: r[2].upper() for r in info}
    query = f"SELECT type, sql FROM {schema}.sqlite_schema WHERE tbl_name = ? AND type IN ('table', 'index')"
    lines = [(kind_, sql) for kind_, sql in connection.execute(query, (name,)) if sql is not None]
    parents = connection.execute(f"PRAGMA {schema}.foreign_key_list({quoted(name)})").fetchall()
    return Table(
        name=name,
        virtual=virtual,
        columns=columns,
        key=key,
        identity=key or next(others, ()),
        rowid_alias=not without_rowid and len(key) == 1 and types[key[0]] == "INTEGER",
        without_rowid=without_rowid,
        sql=next((sql for kind_, sql in lines if kind_ == "table"), ""),
        indexes=tuple(sql for kind_, sql in lines if kind_ == "index"),
        references=tuple(sorted({r[2] for r in parents} - {name})),
    )


def _affinity(declared: str) -> Literal["TEXT", "NUMERIC", "INTEGER", "REAL", "BLOB"]:
    """SQLite's own rules for a declared type, in their order."""
    text = declared.upper()
    if "INT" in text:
        return "INTEGER"
    if any(word in text for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if "BLOB" in text or not text:
        return "BLOB"
    if any(word in text for word in ("REAL", "FLOA", "DOUB")):
        return "REAL"
    return "NUMERIC"

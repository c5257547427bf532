"""What a schema's tables look like: columns, key, parents and a hash of the definition."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import quoted, rows
from restorekit.engines.mariadb.fingerprint import Column
from restorekit.model.value import Value

_TRANSACTIONAL = frozenset({"InnoDB", "ROCKSDB", "TokuDB"})
_KEY_LINE = re.compile(r"  (?:PRIMARY |UNIQUE |FULLTEXT |SPATIAL )?KEY |  (?:CONSTRAINT|PERIOD) ")
_COUNTER = re.compile(r"^(\) ENGINE=\w+) AUTO_INCREMENT=\d+")


class Table(Value):
    """One table of a schema. `columns` are all of them; `key` identifies a row (empty: nothing does)."""

    schema_name: str
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    references: tuple[str, ...]
    schema_hash: str
    engine: str
    versioned: bool
    size_bytes: int
    next_id: int | None

    @property
    def full(self) -> str:
        """Quoted, with its schema."""
        return f"{quoted(self.schema_name)}.{quoted(self.name)}"

    @property
    def stored(self) -> tuple[Column, ...]:
        """The columns that hold data of their own."""
        return tuple(c for c in self.columns if not c.generated)

    @property
    def key_columns(self) -> tuple[Column, ...]:
        """The columns of the key."""
        return tuple(c for c in self.columns if c.name in self.key)

    @property
    def transactional(self) -> bool:
        """False if a consistent snapshot does not hold the table still."""
        return self.engine in _TRANSACTIONAL

    @property
    def history_columns(self) -> tuple[Column, ...]:
        """All stored columns and the times of validity, for a system-versioned table."""
        times = tuple(c for c in self.columns if c.row_time)
        implicit = (Column(name="row_start", data_type="timestamp"), Column(name="row_end", data_type="timestamp"))
        return self.stored + (times or implicit)


def tables(connection: "Connection[Any]", schema: str, only: frozenset[str] | None = None) -> list[Table]:
    """The tables of `schema` (or those of `only` that exist) by name; views and sequences are none."""
    columns = _columns(connection, schema)
    keys = _keys(connection, schema, columns)
    parents = _parents(connection, schema)
    found = rows(
        connection,
        "SELECT table_name, engine, table_type, COALESCE(data_length,0)+COALESCE(index_length,0), auto_increment "
        "FROM information_schema.tables WHERE table_schema=%s "
        "AND table_type IN ('BASE TABLE','SYSTEM VERSIONED') ORDER BY table_name",
        (schema,),
    )
    return [
        Table(
            schema_name=schema,
            name=name,
            columns=tuple(columns[name]),
            key=keys.get(name, ()),
            references=parents.get(name, ()),
            schema_hash=schema_hash(_definition(connection, schema, name), schema),
            engine=engine or "",
            versioned=kind == "SYSTEM VERSIONED",
            size_bytes=int(size),
            next_id=counter,
        )
        for name, engine, kind, size, counter in found
        if only is None or name in only
    ]


def _definition(connection: "Connection[Any]", schema: str, name: str) -> str:
    return str(rows(connection, f"SHOW CREATE TABLE {quoted(schema)}.{quoted(name)}")[0][1])


def schema_hash(definition: str, schema: str) -> str:
    """SHA-256 of SHOW CREATE TABLE without counter, schema name and order of keys.

    Keys that were added after the load stand in another order than in the original; that changes nothing.
    """
    head, *lines = without_schema(definition, schema).split("\n")
    columns: list[str] = []
    keys: list[str] = []
    while lines and not lines[0].startswith(")"):
        line = lines.pop(0)
        if _KEY_LINE.match(line):
            keys.append(line.rstrip(","))
        else:
            columns.append(line.rstrip(","))
    tail = [_COUNTER.sub(r"\1", line) for line in lines]
    return text_hash("\n".join([head, *columns, *sorted(keys), *tail]))


def without_schema(definition: str, schema: str) -> str:
    """The text with names of the schema itself unqualified, as they mean the same under another name."""
    return definition.replace(f"{quoted(schema)}.", "")


def text_hash(text: str) -> str:
    """SHA-256 (hex)."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _columns(connection: "Connection[Any]", schema: str) -> Mapping[str, list[Column]]:
    found = rows(
        connection,
        "SELECT table_name, column_name, data_type, character_set_name, numeric_scale IS NOT NULL, is_generated, "
        "is_nullable='YES', "
        "COALESCE(generation_expression,'') IN ('ROW START','ROW END') "
        "FROM information_schema.columns WHERE table_schema=%s ORDER BY table_name, ordinal_position",
        (schema,),
    )
    columns = defaultdict(list)
    for table, name, data_type, charset, scaled, generated, nullable, row_time in found:
        column = Column(
            name=name,
            data_type=data_type.lower(),
            charset=charset,
            scaled=bool(scaled),
            nullable=bool(nullable),
            generated=generated == "ALWAYS",
            row_time=bool(row_time),
        )
        columns[table].append(column)
    return columns


def _keys(
    connection: "Connection[Any]", schema: str, columns: Mapping[str, Sequence[Column]]
) -> dict[str, tuple[str, ...]]:
    """The primary key of each table, else its first unique key without NULL; row times are no part of it."""
    found = rows(
        connection,
        "SELECT table_name, index_name, column_name, nullable FROM information_schema.statistics "
        "WHERE table_schema=%s AND non_unique=0 ORDER BY table_name, index_name<>'PRIMARY', index_name, seq_in_index",
        (schema,),
    )
    indexes: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for table, index, column, nullable in found:
        indexes[table, index].append((column, nullable))
    keys: dict[str, tuple[str, ...]] = {}
    for (table, _), parts in indexes.items():
        if table not in keys and all(nullable != "YES" for _, nullable in parts):
            times = {c.name for c in columns[table] if c.row_time}
            keys[table] = tuple(name for name, _ in parts if name not in times)
    return keys


def _parents(connection: "Connection[Any]", schema: str) -> dict[str, tuple[str, ...]]:
    found = rows(
        connection,
        "SELECT DISTINCT table_name, referenced_table_name FROM information_schema.referential_constraints "
        "WHERE constraint_schema=%s AND unique_constraint_schema=%s ORDER BY 1, 2",
        (schema, schema),
    )
    parents: dict[str, list[str]] = defaultdict(list)
    for child, parent in found:
        if child != parent:
            parents[child].append(parent)
    return {child: tuple(names) for child, names in parents.items()}

"""What live's definitions say about its rows: which belong together, which values are free once only."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import rows
from restorekit.model.value import Value


class Foreign(Value):
    """A foreign key within the schema: `columns` of `child` hold `needed` of `parent`."""

    child: str
    columns: tuple[str, ...]
    parent: str
    needed: tuple[str, ...]


class Index(Value):
    """One index of a table. `partial`: it covers only the beginning of some column."""

    table: str
    name: str
    columns: tuple[str, ...]
    unique: bool
    nullable: bool
    partial: bool


class Ground(Value):
    """One schema of live.

    `outsiders`: tables that foreign keys of other schemas point at; `born`: table and column that says when a row of it
    was made.
    """

    foreign: tuple[Foreign, ...]
    indexes: tuple[Index, ...]
    triggers: frozenset[str]
    outsiders: frozenset[str]
    born: tuple[tuple[str, str], ...]

    def indexes_of(self, table: str) -> tuple[Index, ...]:
        """All indexes of the table, the primary key among them."""
        return tuple(i for i in self.indexes if i.table == table)

    def uniques_of(self, table: str, key: Iterable[str]) -> tuple[Index, ...]:
        """Unique indexes of the table on other columns than those of its key."""
        return tuple(i for i in self.indexes_of(table) if i.unique and set(i.columns) != set(key))

    def born_of(self, table: str) -> tuple[str, ...]:
        """Columns of the table that say when a row was made."""
        return tuple(column for name, column in self.born if name == table)


def ground(session: "Connection[Any]", schema: str) -> Ground:
    """The definitions of this schema as they are now."""
    return Ground(
        foreign=_foreign(session, schema),
        indexes=_indexes(session, schema),
        triggers=_names(
            session,
            "SELECT DISTINCT event_object_table FROM information_schema.triggers WHERE event_object_schema=%s",
            schema,
        ),
        outsiders=_names(
            session,
            "SELECT DISTINCT referenced_table_name FROM information_schema.referential_constraints "
            "WHERE unique_constraint_schema=%s AND constraint_schema<>unique_constraint_schema",
            schema,
        ),
        born=_born(session, schema),
    )


def _names(session: "Connection[Any]", sql: str, schema: str) -> frozenset[str]:
    return frozenset(name for (name,) in rows(session, sql, (schema,)))


def _foreign(session: "Connection[Any]", schema: str) -> tuple[Foreign, ...]:
    found = rows(
        session,
        "SELECT table_name, constraint_name, column_name, referenced_table_name, referenced_column_name "
        "FROM information_schema.key_column_usage WHERE constraint_schema=%s AND referenced_table_schema=%s "
        "ORDER BY table_name, constraint_name, ordinal_position",
        (schema, schema),
    )
    keys: dict[tuple[str, str, str], list[tuple[str, str]]] = defaultdict(list)
    for child, name, column, parent, needed in found:
        keys[child, name, parent].append((column, needed))
    return tuple(
        Foreign(child=child, columns=tuple(c for c, _ in pairs), parent=parent, needed=tuple(n for _, n in pairs))
        for (child, _, parent), pairs in keys.items()
    )


def _indexes(session: "Connection[Any]", schema: str) -> tuple[Index, ...]:
    found = rows(
        session,
        "SELECT table_name, index_name, column_name, non_unique, nullable, sub_part FROM information_schema.statistics "
        "WHERE table_schema=%s ORDER BY table_name, index_name, seq_in_index",
        (schema,),
    )
    parts: dict[tuple[str, str], list[tuple[Any, ...]]] = defaultdict(list)
    for table, index, *part in found:
        parts[table, index].append(tuple(part))
    return tuple(
        Index(
            table=table,
            name=name,
            columns=tuple(column for column, *_ in each),
            unique=not each[0][1],
            nullable=any(nullable == "YES" for _, _, nullable, _ in each),
            partial=any(length is not None for *_, length in each),
        )
        for (table, name), each in parts.items()
    )


def _born(session: "Connection[Any]", schema: str) -> tuple[tuple[str, str], ...]:
    found = rows(
        session,
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema=%s "
        "AND data_type IN ('timestamp','datetime') AND column_default LIKE 'current_timestamp%%' "
        "AND extra NOT LIKE '%%on update%%'",
        (schema,),
    )
    return tuple((table, column) for table, column in found)

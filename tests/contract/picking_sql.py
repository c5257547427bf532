"""A model's tables and rows as SQL of one engine, and rows of an engine as the model has them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from contract.picking_model import Column, Kind, Row, State, Table


@dataclass(frozen=True)
class Dialect:
    """How an engine spells it. `before`: said first where rows come in an order that is not their parents'."""

    types: Mapping[Kind, str]
    quoted: Callable[[str], str]
    backslashes: bool = False
    before: tuple[str, ...] = ()

    def list(self, names: tuple[str, ...]) -> str:
        return ", ".join(self.quoted(n) for n in names)

    def create(self, table: Table, keys: Mapping[str, tuple[str, ...]]) -> str:
        """The table with all its keys; `keys` are those of all tables."""
        lines = [self._column(table, c) for c in table.columns]
        if len(table.key) > 1 or not table.primary:
            lines.append(f"{'PRIMARY KEY' if table.primary else 'UNIQUE'} ({self.list(table.key)})")
        lines += [f"UNIQUE ({self.list(u)})" for u in table.unique]
        for foreign in table.foreign:
            action = " ON DELETE CASCADE" if foreign.cascade else ""
            own, parent = self.list(foreign.columns), self.quoted(foreign.parent)
            lines.append(f"FOREIGN KEY ({own}) REFERENCES {parent} ({self.list(keys[foreign.parent])}){action}")
        return f"CREATE TABLE {self.quoted(table.name)} ({', '.join(lines)})"

    def _column(self, table: Table, column: Column) -> str:
        # INTEGER PRIMARY KEY, said of the column itself, is a thing of its own in SQLite
        key = " PRIMARY KEY" if table.primary and table.key == (column.name,) else ""
        return f"{self.quoted(column.name)} {self.types[column.kind]}{'' if column.nullable else ' NOT NULL'}{key}"

    def literal(self, value: Any) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, bytes):
            return f"x'{value.hex()}'"
        if isinstance(value, str):
            text = value.replace("\\", "\\\\") if self.backslashes else value
            return "'" + text.replace("'", "''") + "'"
        return repr(value)

    def insert(self, table: Table, rows: tuple[Row, ...]) -> Iterator[str]:
        """One statement, or none for no rows."""
        if rows:
            values = ", ".join(f"({', '.join(map(self.literal, row))})" for row in rows)
            columns = self.list(tuple(c.name for c in table.columns))
            yield f"INSERT INTO {self.quoted(table.name)} ({columns}) VALUES {values}"

    def make(self, tables: tuple[Table, ...], state: State) -> Iterator[str]:
        """Statements that make an empty database hold that state."""
        yield from self.before
        keys = {t.name: t.key for t in tables}
        yield from (self.create(t, keys) for t in tables)
        for table in tables:
            yield from self.insert(table, state[table.name])

    def become(self, tables: tuple[Table, ...], before: State, after: State) -> Iterator[str]:
        """Statements that turn one state into the other."""
        yield from self.before
        for table in tables:
            if before[table.name] != after[table.name]:
                yield f"DELETE FROM {self.quoted(table.name)}"
                yield from self.insert(table, after[table.name])

    def select(self, table: Table) -> str:
        return f"SELECT {self.list(tuple(c.name for c in table.columns))} FROM {self.quoted(table.name)}"


def plain(row: tuple[Any, ...]) -> Row:
    """A row as a driver gives it, as the model has it."""
    return tuple(_plain(v) for v in row)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return bytes(value) if isinstance(value, bytearray) else value

"""Change sets: the rows of one table that are written one by one, lying in a schema of ours on live.

A change set bears the name of the customer's table. It has our three columns (`names.own`) and all stored columns:

    op   live (expected before)   proven (what it is afterwards)   the other columns
    I    NULL                     of the row to be inserted        that row
    U    of the row as shown      of the row as it is to be        the row as it is to be
    D    of the row as shown      NULL                             at least the key

`rk_hold_<id>` holds those to be applied, `rk_undo_<id>` those that lead back: I brings back a row that was removed,
U one that was changed, D removes one that was inserted. So the way back is the same application again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import quoted, rows
from restorekit.engines.mariadb.delta.names import Own, free, own
from restorekit.engines.mariadb.tables import Table, tables
from restorekit.errors import PreflightRefused
from restorekit.model.contents import Fingerprint
from restorekit.model.value import Value

INDEX = "rk_key"
"""The index over the key. It is insisted on: the server does not know how large a table is that was just filled."""

Stray = Literal["refuse", "leave", "overwrite"]
"""What becomes of rows that are not as they were shown any more."""


class Delta(Value):
    """One table whose rows are written one by one.

    `definition`: hash of the definition that the set was made for. `carried`: expected states, and the proof, take
    FLOAT with 6 digits. `goal`: what the whole table must be afterwards; None: every written row is proven by itself.
    `source`: the schema of its set, if not that of all.
    """

    table: str
    definition: str
    carried: bool = False
    stray: Stray = "refuse"
    goal: Fingerprint | None = None
    source: str = ""

    def back(self, stray: Stray) -> "Delta":
        """The table on the way back: every row is proven by itself, and its states are exact."""
        return self.model_copy(update={"stray": stray, "carried": False, "goal": None, "source": ""})


@dataclass(frozen=True)
class Shape:
    """A table of live and the names of our columns beside its own. `keys`: the key's columns in a working copy."""

    table: Table
    own: Own
    keys: tuple[str, ...]

    @property
    def op(self) -> str:
        """The column of the operation, quoted."""
        return quoted(self.own.op)

    @property
    def live(self) -> str:
        """The column of the expected state, quoted."""
        return quoted(self.own.live)

    @property
    def proven(self) -> str:
        """The column of the proven state, quoted."""
        return quoted(self.own.proven)

    @property
    def ours(self) -> str:
        """Our three columns, as a list."""
        return f"{self.op},{self.live},{self.proven}"

    def stored(self, alias: str = "") -> str:
        """All columns that hold data of their own, as a list."""
        return ",".join(f"{alias}{quoted(c.name)}" for c in self.table.stored)

    def key(self, alias: str = "") -> str:
        """The key's columns under the customer's names, as a list."""
        return ",".join(f"{alias}{quoted(name)}" for name in self.table.key)

    def set_in(self, schema: str) -> str:
        """The change set of the table in that schema, quoted."""
        return f"{quoted(schema)}.{quoted(self.table.name)}"


def shape_of(table: Table) -> Shape:
    """The shape of change sets for this table. Raises PreflightRefused for a table without a key."""
    if not table.key:
        raise PreflightRefused(f"{table.name} has no key, its rows cannot be written one by one; live is as before")
    taken = [c.name for c in table.columns]
    keys = tuple(free(f"rk_key_{number}", taken) for number in range(len(table.key)))
    return Shape(table, own(table.columns), keys)


def shapes(session: "Connection[Any]", schema: str, names: Iterable[str]) -> dict[str, Shape]:
    """Shapes of these tables of live, as far as they are there."""
    wanted = frozenset(names)
    return {t.name: shape_of(t) for t in tables(session, schema, wanted)} if wanted else {}


def make(session: "Connection[Any]", schema: str, shape: Shape) -> None:
    """An empty change set. Through the outer join every column may be NULL: of a row to be removed the key is enough.

    Types and collations stay, keys, foreign keys, checks and generation do not.
    """
    rows(
        session,
        f"CREATE TABLE {shape.set_in(schema)} ({shape.op} CHAR(1) CHARACTER SET ascii NOT NULL DEFAULT '',"
        f"{shape.live} BIGINT UNSIGNED NULL,{shape.proven} BIGINT UNSIGNED NULL,KEY {INDEX} ({shape.key()})) "
        f"ENGINE=InnoDB AS SELECT {shape.stored('l.')} FROM (SELECT 1) AS rk_one "
        f"LEFT JOIN {shape.table.full} AS l ON FALSE WHERE 0",
    )


def drop_empty(session: "Connection[Any]", schema: str, deltas: Iterable[Delta]) -> None:
    """Drop change sets that hold no row; one that does is somebody's way back and stays."""
    _ours(schema)
    for name in _there(session, schema, deltas):
        if not rows(session, f"SELECT 1 FROM {quoted(schema)}.{quoted(name)} LIMIT 1"):
            rows(session, f"DROP TABLE {quoted(schema)}.{quoted(name)}")


def drop_used(session: "Connection[Any]", schema: str, deltas: Iterable[Delta]) -> None:
    """Drop change sets that were applied: all they held is live now, and the way back lies in another schema."""
    _ours(schema)
    for name in _there(session, schema, deltas):
        rows(session, f"DROP TABLE {quoted(schema)}.{quoted(name)}")


def _ours(schema: str) -> None:
    assert schema.startswith(("rk_hold_", "rk_undo_")), schema


def _there(session: "Connection[Any]", schema: str, deltas: Iterable[Delta]) -> list[str]:
    names = [d.table for d in deltas]
    if not names:
        return []
    listing = "SELECT table_name FROM information_schema.tables WHERE table_schema=%s AND table_name IN %s"
    return [name for (name,) in rows(session, listing, [schema, names])]


def counts(session: "Connection[Any]", schema: str, shape: Shape) -> dict[str, int]:
    """Rows by operation."""
    found = rows(session, f"SELECT {shape.op},COUNT(*) FROM {shape.set_in(schema)} GROUP BY {shape.op} ORDER BY NULL")
    return {op: int(count) for op, count in found}

"""Foreign keys around rows that are written one by one: checks are switched off meanwhile, so we ask ourselves.

With checks a DELETE would go on into children without a word, and rows that need each other could not be written in
any order. So every tie of a written table is looked at in both directions before the end of the transaction.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import one, quoted, rows
from restorekit.engines.mariadb.delta.working import Working
from restorekit.model.value import Value


class Tie(Value):
    """A foreign key of the schema."""

    name: str
    child: str
    columns: tuple[str, ...]
    parent: str
    referenced: tuple[str, ...]

    def same(self, child: str, parent: str) -> str:
        """Condition that this row of the child points at that row of the parent; never with a NULL."""
        pairs = zip(self.columns, self.referenced, strict=True)
        return " AND ".join(f"{parent}.{quoted(b)}={child}.{quoted(a)}" for a, b in pairs)

    def lost(self, parent: str) -> str:
        """Condition that an outer join found no parent."""
        return f"{parent}.{quoted(self.referenced[0])} IS NULL"

    def pointing(self, child: str) -> str:
        """Condition that the child points anywhere."""
        return " AND ".join(f"{child}.{quoted(a)} IS NOT NULL" for a in self.columns)


class Loose(Value):
    """Rows of `child` without a parent by the foreign key `name`: `written` by us, or pointing `at` rows of ours."""

    child: str
    parent: str
    name: str
    side: str
    count: int


def ties(session: "Connection[Any]", schema: str, names: frozenset[str]) -> list[Tie]:
    """The foreign keys within the schema that have one of these tables at either end."""
    found = rows(
        session,
        "SELECT constraint_name, table_name, column_name, referenced_table_name, referenced_column_name "
        "FROM information_schema.key_column_usage WHERE table_schema=%s AND referenced_table_schema=%s "
        "ORDER BY table_name, constraint_name, ordinal_position",
        [schema, schema],
    )
    made: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    for name, child, column, parent, referenced in found:
        if {child, parent} & names:
            made.setdefault((child, name), []).append((column, parent, referenced))
    return [
        Tie(
            name=name,
            child=child,
            columns=tuple(c for c, _, _ in parts),
            parent=parts[0][1],
            referenced=tuple(r for _, _, r in parts),
        )
        for (child, name), parts in made.items()
    ]


def loose_before(
    session: "Connection[Any]", schema: str, found: list[Tie], working: Mapping[str, Working]
) -> Iterator[Loose]:
    """Before anything is written: rows without a parent that will be replaced, or will get one from us.

    On the way back exactly these may be without one again.
    """
    for tie in found:
        if (child := working.get(tie.child)) is not None:
            yield from _some(session, tie, "written", _written(schema, tie, child, "'U','D'"))
        if (parent := working.get(tie.parent)) is not None:
            get_one = (
                f"SELECT COUNT(*) FROM {parent.rows} AS w STRAIGHT_JOIN {parent.wanted} ON {parent.at('w', 's')} "
                f"STRAIGHT_JOIN {_full(schema, tie.child)} AS c ON {tie.same('c', 's')} "
                f"LEFT JOIN {_full(schema, tie.parent)} AS p ON {tie.same('c', 'p')} "
                f"WHERE w.{parent.act} IN ('I','U') AND {tie.lost('p')}"
            )
            yield from _some(session, tie, "at", get_one)


def loose_after(
    session: "Connection[Any]", schema: str, keep: str, found: list[Tie], working: Mapping[str, Working]
) -> Iterator[Loose]:
    """After everything is written: rows of ours without a parent, and rows whose parent we took away."""
    for tie in found:
        if (child := working.get(tie.child)) is not None:
            yield from _some(session, tie, "written", f"{_written(schema, tie, child, _COMING)} LOCK IN SHARE MODE")
        if (parent := working.get(tie.parent)) is not None:
            bereft = (
                f"SELECT COUNT(*) FROM {parent.shape.set_in(keep)} AS b "
                f"STRAIGHT_JOIN {_full(schema, tie.child)} AS c ON {tie.same('c', 'b')} "
                f"LEFT JOIN {_full(schema, tie.parent)} AS p ON {tie.same('c', 'p')} "
                f"WHERE b.{parent.shape.op} IN ('I','U') AND {tie.lost('p')} LOCK IN SHARE MODE"
            )
            yield from _some(session, tie, "at", bereft)


_COMING = "'I','U'"


def _written(schema: str, tie: Tie, child: Working, acts: str) -> str:
    return (
        f"SELECT COUNT(*) FROM {child.rows} AS w STRAIGHT_JOIN {child.live} AS c ON {child.at('w', 'c')} "
        f"LEFT JOIN {_full(schema, tie.parent)} AS p ON {tie.same('c', 'p')} "
        f"WHERE w.{child.act} IN ({acts}) AND {tie.pointing('c')} AND {tie.lost('p')}"
    )


def _some(session: "Connection[Any]", tie: Tie, side: str, sql: str) -> Iterator[Loose]:
    if count := int(one(session, sql)):
        yield Loose(child=tie.child, parent=tie.parent, name=tie.name, side=side, count=count)


def loose_in(session: "Connection[Any]", schema: str, loose: Loose) -> int:
    """How many rows there are without a parent by this foreign key in all the table: so it was in the backup, too."""
    tie = next((t for t in ties(session, schema, frozenset({loose.child})) if t.name == loose.name), None)
    if tie is None:
        return 0
    return int(
        one(
            session,
            f"SELECT COUNT(*) FROM {_full(schema, tie.child)} AS c LEFT JOIN {_full(schema, tie.parent)} AS p "
            f"ON {tie.same('c', 'p')} WHERE {tie.pointing('c')} AND {tie.lost('p')}",
        )
    )


def _full(schema: str, table: str) -> str:
    return f"{quoted(schema)}.{quoted(table)}"

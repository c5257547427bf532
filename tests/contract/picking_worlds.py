"""Random small databases with damage on both sides, and picks of them, for `picking_model`; each from one seed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from contract.picking_model import Column, ForeignKey, Kind, Pair, Row, State, Table

from restorekit.model.pick import Pick

Test = tuple[str, Callable[[Any], bool]]
"""A condition about one column, as SQL and as the model asks it."""

TABLE_NAMES = ("customers", "order", "rk_found", "Größe", "od'd `ta\"ble", "log entries")
COLUMN_NAMES = (
    "k",
    "rk_op",
    "op",
    "live",
    "proven",
    "RK_Live",
    "rk_chunk",
    "select",
    "ü b",
    "rk_proven",
    "s",
    "l",
    "id",
)
KEYS: tuple[tuple[Kind, ...], ...] = (
    *[("int",)] * 4,
    *[("big",), ("text",), ("folded",), ("binary",)],
    *[("int", "text"), ("folded", "int"), ("text", "binary")],
)
OTHERS: tuple[Kind, ...] = (
    *("int", "big", "text", "text", "folded", "long", "binary", "double", "decimal"),
    "stamp",
)
POOLS: dict[Kind, tuple[Any, ...]] = {
    "int": (0, 1, -1, 7, 100, 2147483647, *range(20, 40)),
    "big": (0, -9223372036854775808, 9223372036854775807, 10**15, *range(-20, 0)),
    "text": (
        "",
        "0",
        "a",
        "A",
        "ß",
        "Grüße",
        "it's",
        "back\\slash\\",
        'qu"ote',
        "`tick`",
        "a,b:c",
        "%s %d",
        "\n\t;--",
        *(f"t{n}" for n in range(20)),
    ),
    "folded": ("", "a", "A", "b", "B", "ab", "AB", "Ab", "x1", "X1", *(f"f{n}" for n in range(15))),
    "long": ("", "NULL", "lang " * 700, "Ümläut 😀", "'; DROP TABLE x; --", "\\'", "\\"),
    "binary": (b"", b"\x00", b"\x00\x01", b"\xff\xfe\\'\"", b"a", b"A", *(bytes([n, 255 - n]) for n in range(20))),
    "double": (0.0, 1.5, -2.25, 0.1, 1e-7, 1.7976931348623157e308, 123456789.125),
    "decimal": (0.0, 1.5, -2.25, 19.99, 100000.125, -0.001),
    "stamp": tuple(f"2026-01-{n:02} 03:04:05" for n in range(1, 25)),
}


@dataclass(frozen=True)
class Asked:
    """A pick with its conditions by table: how the model asks them, and what SQL says of which column."""

    pick: Pick
    tests: Mapping[str, tuple[str, Test]] = field(default_factory=dict)

    def fulfils(self, table: str, row: dict[str, Any]) -> bool:
        if table not in self.tests:
            return True
        column, (_, fulfils) = self.tests[table]
        return fulfils(row[column])


class World:
    """One random pair, and picks of it. Equal seeds give equal worlds."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.tables = tuple(self._tables())
        backup = self._rows()
        live = self._damaged(backup)
        self.pair = Pair(self.tables, backup, live)

    # the schema

    def _tables(self) -> Iterator[Table]:
        draw = self.random
        count = draw.randint(2, 4)
        names = draw.sample(TABLE_NAMES, count)
        shapes = [draw.choice(KEYS) for _ in names]
        if draw.random() < 0.25:
            shapes[-1] = ()
        # some are like the lines of an order: their key starts with the parent's
        lines = {n for n in range(1, count) if shapes[n] and len(shapes[0]) == 1 and draw.random() < 0.25}
        for n in lines:
            shapes[n] = (*shapes[0], "int")
        for at, name in enumerate(names):
            columns = self._columns()
            key = [Column(next(columns), kind, nullable=False) for kind in shapes[at]]
            others = [self._column(next(columns), draw.choice(OTHERS)) for _ in range(draw.randint(1, 4))]
            foreign, links = self._foreign(columns, names, shapes, at)
            if at in lines:
                foreign.append(ForeignKey((key[0].name,), names[0], cascade=True))
            unique: list[tuple[str, ...]] = []
            if draw.random() < 0.5:
                more = Column(next(columns), draw.choice(("int", "text", "folded")), nullable=draw.random() < 0.5)
                others.append(more)
                unique.append((more.name,))
                if draw.random() < 0.2:
                    pair = [Column(next(columns), "int"), Column(next(columns), "text")]
                    others += pair
                    unique.append(tuple(c.name for c in pair))
            placed = [*key, *others, *links] if draw.random() < 0.7 else [*others, *key, *links]
            found = Table(name, tuple(placed), tuple(c.name for c in key), tuple(unique), tuple(foreign))
            only = next((u for u in unique if not any(found.column(c).nullable for c in u)), None)
            if not key and only:
                rest = tuple(u for u in unique if u != only)
                found = replace(found, key=only, unique=rest, primary=False)
            yield found

    def _columns(self) -> Iterator[str]:
        """Names of columns, none twice in a table whatever their case."""
        yield from self.random.sample(COLUMN_NAMES, len(COLUMN_NAMES))
        yield from (f"more{n}" for n in range(99))

    def _column(self, name: str, kind: Kind) -> Column:
        return Column(name, kind, nullable=self.random.random() < 0.6)

    def _foreign(
        self, columns: Iterator[str], names: list[str], shapes: list[tuple[Kind, ...]], at: int
    ) -> tuple[list[ForeignKey], list[Column]]:
        """Up to two: mostly to a table before, sometimes to itself or to a later one."""
        draw = self.random
        foreign: list[ForeignKey] = []
        links: list[Column] = []
        chances = [(n, 0.6 if n < at else 0.3 if n == at else 0.1) for n in range(len(names)) if shapes[n]]
        for other, chance in chances:
            if draw.random() < chance and len(foreign) < 2:
                nullable = other >= at or draw.random() < 0.4
                own = [Column(next(columns), kind, nullable) for kind in shapes[other]]
                links += own
                foreign.append(ForeignKey(tuple(c.name for c in own), names[other], draw.random() < 0.4))
        return foreign, links

    # its rows

    def value(self, column: Column) -> Any:
        if column.nullable and self.random.random() < 0.25:
            return None
        return self.random.choice(POOLS[column.kind])

    def _rows(self) -> State:
        """A state without orphans, mostly."""
        draw = self.random
        state: dict[str, tuple[Row, ...]] = {}
        for table in self.tables:
            wanted = draw.choice((0, 3, 8, 14, 20)) if table.name != self.tables[0].name else 14
            state[table.name] = self._kept(table, [self.fresh(table) for _ in range(wanted)])
        return self._linked(state) if draw.random() < 0.9 else state

    def fresh(self, table: Table) -> Row:
        """Any row; its parents are found later."""
        return tuple(self.value(c) for c in table.columns)

    def _kept(self, table: Table, rows: list[Row]) -> tuple[Row, ...]:
        """The first ones of those that share a key or a unique value."""
        seen: set[Any] = set()
        kept = []
        for row in rows:
            marks = [(table.key, table.of(row, table.key))] if table.key else []
            marks += [(u, table.of(row, u)) for u in table.unique if None not in table.of(row, u)]
            if not seen.intersection(marks):
                seen.update(marks)
                kept.append(row)
        return tuple(kept)

    def _linked(self, state: dict[str, tuple[Row, ...]]) -> State:
        """Every row gets parents that are there, none if it may, or goes; until all is well."""
        while True:
            torn = False
            for table in self.tables:
                rows = [self._with_parents(state, table, row) for row in state[table.name]]
                kept = self._kept(table, [r for r in rows if r is not None])
                torn |= kept != state[table.name]
                state[table.name] = kept
            if not torn:
                return state

    def _with_parents(self, state: State, table: Table, row: Row) -> Row | None:
        cells = table.cells(row)
        for foreign in table.foreign:
            parent = next(t for t in self.tables if t.name == foreign.parent)
            keys = {parent.of(r, parent.key): [parent.cells(r)[k] for k in parent.key] for r in state[parent.name]}
            need = table.of(tuple(cells.values()), foreign.columns)
            if None in need or need in keys:
                continue
            nullable = [c for c in foreign.columns if table.column(c).nullable]
            if keys and (not nullable or self.random.random() < 0.8):
                cells |= dict(zip(foreign.columns, self.random.choice(list(keys.values())), strict=True))
            elif nullable:
                cells |= dict.fromkeys(nullable)
            else:
                return None
        return tuple(cells.values())

    # both sides go on

    def moved_on(self) -> State:
        """Live a little later: customers never rest."""
        return self._damaged(self.pair.live, most=2)

    def _damaged(self, backup: State, most: int = 4) -> State:
        state = dict(backup)
        for table in self.tables:
            for _ in range(self.random.randint(0, most)):
                blow = self.random.choice(BLOWS)
                state[table.name] = self._kept(table, blow(self, table, list(state[table.name])))
        for table in self.tables:
            if table.foreign and self.random.random() < 0.7:
                state[table.name] = self._kept(table, [self._adopted(state, table, r) for r in state[table.name]])
        return self._linked(state) if self.random.random() < 0.85 else state

    def _adopted(self, state: State, table: Table, row: Row) -> Row:
        """Some rows find another parent, often one that only live has."""
        foreign = self.random.choice(table.foreign)
        parent = next(t for t in self.tables if t.name == foreign.parent)
        if not state[parent.name] or self.random.random() < 0.8:
            return row
        adopter = parent.cells(self.random.choice(state[parent.name][-5:]))
        given = dict(zip(foreign.columns, (adopter[k] for k in parent.key), strict=True))
        return tuple((table.cells(row) | given).values())

    # what is asked for

    def picks(self, count: int) -> Iterator[Asked]:
        """Random picks; at least the first is one of everything in some tables."""
        names = [t.name for t in self.tables if t.key]
        for turn in range(count):
            tables = tuple(sorted(self.random.sample(names, self.random.randint(1, len(names)))))
            yield self._asked(tables, whole=turn == 0)

    def _asked(self, tables: tuple[str, ...], *, whole: bool) -> Asked:
        draw = self.random
        resolution = draw.choice(("ours", "theirs", "skip", None))
        if whole:
            return Asked(Pick(tables=tables, conflicts=resolution))
        rows = draw.choice(("missing", "changed", "all"))
        pick = Pick(tables=tables, rows=rows, keep_new=draw.random() < 0.5, conflicts=resolution)
        tests = {name: self._test(name) for name in tables if draw.random() < 0.3}
        return Asked(pick.model_copy(update={"filtered": bool(tests)}), tests)

    def _test(self, table: str) -> tuple[str, Test]:
        column = self.random.choice(next(t for t in self.tables if t.name == table).columns)
        return column.name, CONDITIONS.get(column.kind, CONDITIONS[None])


CONDITIONS: dict[Kind | None, Test] = {
    None: ("{} IS NOT NULL", lambda v: v is not None),
    "int": ("{} % 2 = 0", lambda v: v is not None and v % 2 == 0),
    "big": ("{} < -9", lambda v: v is not None and v < -9),
    "binary": ("LENGTH({}) > 1", lambda v: v is not None and len(v) > 1),
    "stamp": ("{} < '2026-01-12'", lambda v: v is not None and v < "2026-01-12"),
    "folded": ("{} = 'AB'", lambda v: v is not None and v.lower() == "ab"),
}


def _delete(world: World, _table: Table, rows: list[Row]) -> list[Row]:
    return [r for r in rows if world.random.random() > 0.3]


def _delete_all(world: World, _table: Table, rows: list[Row]) -> list[Row]:
    return rows if world.random.random() < 0.6 else []


def _change(world: World, table: Table, rows: list[Row]) -> list[Row]:
    """The same change on several rows."""
    column = world.random.choice(table.columns)
    if column.name in table.key or any(column.name in u for u in table.unique):
        return rows
    value = world.value(column)
    chosen = set(world.random.sample(range(len(rows)), min(len(rows), world.random.choice((1, 2, 4)))))
    at = table.columns.index(column)
    return [(*r[:at], value, *r[at + 1 :]) if n in chosen else r for n, r in enumerate(rows)]


def _add(world: World, table: Table, rows: list[Row]) -> list[Row]:
    return [*rows, *(world.fresh(table) for _ in range(world.random.randint(1, 4)))]


def _reuse(world: World, table: Table, rows: list[Row]) -> list[Row]:
    """Ids go to other rows, as after TRUNCATE."""
    spots = [table.columns.index(table.column(k)) for k in table.key]
    made = []
    for row in rows:
        if world.random.random() < 0.25:
            other = world.fresh(table)
            row = tuple(row[n] if n in spots else other[n] for n in range(len(row)))  # noqa: PLW2901
        made.append(row)
    return made


def _rotate(world: World, table: Table, rows: list[Row]) -> list[Row]:
    """Values of a unique key move on by one row."""
    if not table.unique or len(rows) < 2:
        return rows
    unique = world.random.choice(table.unique)
    spots = {n for n, c in enumerate(table.columns) if c.name in unique}
    turned = [*rows[1:], rows[0]] if world.random.random() < 0.5 else [rows[1], rows[0], *rows[2:]]
    return [
        tuple(other[n] if n in spots else row[n] for n in range(len(row)))
        for row, other in zip(rows, turned, strict=True)
    ]


def _rewrite(world: World, table: Table, rows: list[Row]) -> list[Row]:
    """The case of folded text changes, that of keys too: the same row for the table, other bytes."""
    spots = {n for n, c in enumerate(table.columns) if c.kind == "folded"}
    return [
        tuple(v.swapcase() if n in spots and v is not None else v for n, v in enumerate(row))
        if world.random.random() < 0.3
        else row
        for row in rows
    ]


def _move(world: World, table: Table, rows: list[Row]) -> list[Row]:
    """New rows take the unique values of rows that go."""
    if not table.unique or not rows:
        return rows
    gone = world.random.choice(rows)
    spots = {n for n, c in enumerate(table.columns) if any(c.name in u for u in table.unique)}
    fresh = world.fresh(table)
    made = tuple(gone[n] if n in spots else fresh[n] for n in range(len(gone)))
    return [*(r for r in rows if r != gone), made]


BLOWS = (_delete, _delete, _delete_all, _change, _change, _add, _add, _reuse, _rotate, _rewrite, _move)

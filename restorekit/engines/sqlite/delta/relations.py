"""What rows that differ have to do with each other and with live: parents, children, unique values, ids used again.

Asked once, by statements over the findings (`main`), the staged database and live, all in one read.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from restorekit.engines.sqlite import connect, rows
from restorekit.engines.sqlite.connect import literal, quoted
from restorekit.engines.sqlite.delta import findings
from restorekit.engines.sqlite.delta.findings import Known
from restorekit.engines.sqlite.delta.shape import Link, Shape, all_links, shapes
from restorekit.engines.sqlite.schema import Unique
from restorekit.errors import PreflightRefused

NEW, OLD = "rk_new", "rk_old"
"""The schema names of the staged database and of live."""

T = TypeVar("T")
Name = tuple[str, int]
"""A row that differs: its table, and the number of its entry."""


@dataclass(frozen=True)
class Need:
    """A row of `table` that another one points at: the backup's and live's, where these differ; and who has it."""

    table: str
    ours: Name | None
    theirs: Name | None
    staged: bool
    live: bool

    @property
    def entries(self) -> tuple[Name, ...]:
        """The rows that differ among them."""
        return tuple(n for n in {self.ours, self.theirs} if n is not None)


@dataclass(frozen=True)
class Hang:
    """A row of live that points at one that goes: its entry if it differs; `stays`: and would point there changed."""

    table: str
    child: Name | None
    stays: bool


@dataclass(frozen=True)
class Taken:
    """A row of live that has a unique value (of the columns `by`) that a row of the backup brings."""

    holder: Name | None
    by: tuple[str, ...]


@dataclass
class Relations:
    """All of it, by row."""

    ops: dict[Name, str] = field(default_factory=dict)
    needs: dict[Name, list[Need]] = field(default_factory=dict)
    hangs: dict[Name, list[Hang]] = field(default_factory=dict)
    taken: dict[Name, list[Taken]] = field(default_factory=dict)
    reused: set[Name] = field(default_factory=set)


@contextlib.contextmanager
def opened(folder: Path, staged: Path, live: Path) -> Iterator[sqlite3.Connection]:
    """The findings, with the staged database and live beside them, in one transaction that is kept at the end."""
    with findings.opened(folder) as connection:
        connection.execute(f"ATTACH {literal(connect.uri(staged, 'mode=ro&immutable=1'))} AS {NEW}")
        connect.attach_live(connection, live, OLD)
        connection.execute("BEGIN")
        yield connection
        connection.execute("COMMIT")


class Reader:
    """Asks for relations."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Raises PreflightRefused where live's tables are not what they were when they were compared."""
        self._connection = connection
        self.known: dict[str, Known] = {n: k for n, k in findings.known(connection).items() if not k.why_not}
        self.shapes: dict[str, Shape] = shapes(connection, list(self.known), NEW)
        now = shapes(connection, list(self.known), OLD)
        moved = [n for n, k in self.known.items() if n not in now or now[n].text != k.text]
        if moved:
            raise PreflightRefused(
                f"{', '.join(moved)} has another definition than when it was compared; live is untouched",
                hint="Look at the difference again.",
            )
        self._links = all_links(connection, NEW)
        self._live_links = all_links(connection, OLD)

    def read(self, *, removing: bool) -> Relations:
        """All relations; who hangs on rows that only live has only where such rows may be removed."""
        found = Relations()
        for name, shape in self.shapes.items():
            ops = self._connection.execute(f"SELECT n, op FROM {self.known[name].found}")
            found.ops |= {(name, n): op for n, op in ops}
            found.reused |= set(self._reused(shape))
            for link in self._links[name]:
                _gather(found.needs, name, self._needs(shape, link))
            for unique in shape.uniques:
                _gather(found.taken, name, self._taken(shape, unique))
            for child in self._live_links:
                for link in self.links_of(child, name):
                    _gather(found.hangs, name, self._hangs(shape, child, link, removing=removing))
        return found

    def links_of(self, child: str, parent: str) -> list[Link]:
        """Foreign keys of `child` in live that point at `parent`."""
        return [link for link in self._live_links.get(child, ()) if link.parent == parent]

    def _entry(self, table: str, row: str) -> str:
        """The entry of a row (an alias) if it differs, else NULL."""
        if table not in self.known:
            return "NULL"
        at = self.shapes[table].at(row, "x")
        return f"(SELECT x.n FROM main.{self.known[table].found} x WHERE {at})"

    def _needs(self, shape: Shape, link: Link) -> Iterator[tuple[int, Need]]:
        """Parents of the backup's rows that differ. No value in a column of the key means no parent."""
        points = _points(link, "p", "t")
        parent = quoted(link.parent)
        new, old = f"{NEW}.{parent} p WHERE {points}", f"{OLD}.{parent} p WHERE {points}"
        theirs_too = f"(SELECT {self._entry(link.parent, 'p')} FROM {old}), EXISTS (SELECT 1 FROM {old})"
        sql = (
            f"SELECT f.n, (SELECT {self._entry(link.parent, 'p')} FROM {new}), EXISTS (SELECT 1 FROM {new}), "
            f"{theirs_too if link.parent in self._live_links else 'NULL, 0'} "
            f"FROM {self.known[shape.name].found} f CROSS JOIN {NEW}.{quoted(shape.name)} t ON {shape.at('t', 'f')} "
            f"WHERE f.op <> 'D' AND {_filled(link.columns, 't')}"
        )
        for n, ours, staged, theirs, live in self._connection.execute(sql):
            entries = _name(link.parent, ours), _name(link.parent, theirs)
            yield n, Need(link.parent, *entries, bool(staged), bool(live))

    def _hangs(self, shape: Shape, child: str, link: Link, *, removing: bool) -> Iterator[tuple[int, Hang]]:
        """Rows of live that point at rows that only live has, or whose columns pointed at are others in the backup."""
        by_key = set(link.to) == set(shape.key)
        if by_key and not removing:
            return
        same = " AND ".join(f"b.{quoted(c)} = p.{quoted(c)}" for c in link.to)
        kept = f"EXISTS (SELECT 1 FROM {NEW}.{quoted(shape.name)} b WHERE {shape.at('b', 'f')} AND {same})"
        stays = "0"
        if child in self.known:
            own = self.shapes[child].at("y", "x")
            stays = (
                f"EXISTS (SELECT 1 FROM {NEW}.{quoted(child)} y CROSS JOIN main.{self.known[child].found} x "
                f"ON {self.shapes[child].at('c', 'x')} WHERE {own} AND {_points(link, 'p', 'y')})"
            )
        sql = (
            f"SELECT f.n, {self._entry(child, 'c')}, {stays} FROM {self.known[shape.name].found} f "
            f"CROSS JOIN {OLD}.{quoted(shape.name)} p ON {shape.at('p', 'f')} "
            f"CROSS JOIN {OLD}.{quoted(child)} c ON {_points(link, 'p', 'c')} "
            f"WHERE f.op = 'D' OR (f.op = 'U' AND NOT {kept})"
        )
        for n, entry, still in self._connection.execute(sql):
            yield n, Hang(child, _name(child, entry), bool(still))

    def _taken(self, shape: Shape, unique: Unique) -> Iterator[tuple[int, Taken]]:
        """Rows of live, not the same ones, that have a value which a row of the backup brings."""
        table = quoted(shape.name)
        equal = " AND ".join(
            f"o.{quoted(c)} = t.{quoted(c)} COLLATE {x}" for c, x in zip(unique.columns, unique.collations, strict=True)
        )
        sql = (
            f"SELECT f.n, {self._entry(shape.name, 'o')} FROM {self.known[shape.name].found} f "
            f"CROSS JOIN {NEW}.{table} t ON {shape.at('t', 'f')} CROSS JOIN {OLD}.{table} o ON {equal} "
            f"WHERE f.op <> 'D' AND {_filled(unique.columns, 't')} AND NOT ({shape.at('o', 'f')})"
        )
        for n, entry in self._connection.execute(sql):
            yield n, Taken(_name(shape.name, entry), unique.columns)

    def _reused(self, shape: Shape) -> Iterator[Name]:
        """Rows whose key another row of live bears now.

        Of the other columns with a value on either side more than three in four differ, and at least two; or a further
        unique key that is never NULL does, or when it was made.
        """
        others = [c for c in shape.columns if c not in shape.key]
        signs = [u for u in shape.uniques if shape.required.issuperset(u.columns)]
        apart = [
            f"o.{quoted(c)} <> t.{quoted(c)} COLLATE {x}"
            for u in signs
            for c, x in zip(u.columns, u.collations, strict=True)
        ] + [f"o.{quoted(c)} IS NOT t.{quoted(c)}" for c in shape.born if c in others]
        columns = [f"{side}.{quoted(c)}" for side in "to" for c in others]
        sql = (
            f"SELECT f.n, {' OR '.join(apart) or '0'}, {', '.join(columns) or 'NULL'} "
            f"FROM {self.known[shape.name].found} f CROSS JOIN {NEW}.{quoted(shape.name)} t ON {shape.at('t', 'f')} "
            f"CROSS JOIN {OLD}.{quoted(shape.name)} o ON {shape.at('o', 'f')} WHERE f.op = 'U'"
        )
        with rows.as_stored(self._connection):
            for n, another, *values in self._connection.execute(sql):
                both = zip(values[: len(others)], values[len(others) : 2 * len(others)], strict=True)
                told = [repr(a) != repr(b) for a, b in both if a is not None or b is not None]
                if another or (sum(told) > 1 and 4 * sum(told) > 3 * len(told)):
                    yield shape.name, n


def _gather(by_row: dict[Name, list[T]], table: str, found: Iterable[tuple[int, T]]) -> None:
    for n, one in found:
        by_row.setdefault((table, n), []).append(one)


def _points(link: Link, parent: str, child: str) -> str:
    """A row of the child points at one of the parent; the parent's columns say how values compare."""
    pairs = zip(link.to, link.columns, strict=True)
    return " AND ".join(f"{parent}.{quoted(to)} = {child}.{quoted(own)}" for to, own in pairs)


def _filled(columns: tuple[str, ...], row: str) -> str:
    return " AND ".join(f"{row}.{quoted(c)} IS NOT NULL" for c in columns)


def _name(table: str, entry: int | None) -> Name | None:
    return None if entry is None else (table, entry)

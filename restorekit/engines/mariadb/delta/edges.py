"""How findings are tied to each other: asked of the images in the sandbox, answered in numbers of findings."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pymysql.connections import Connection

from restorekit.engines.mariadb.chunks import common
from restorekit.engines.mariadb.connect import quoted, rows
from restorekit.engines.mariadb.delta import images
from restorekit.engines.mariadb.delta.ground import Foreign, Ground, Index
from restorekit.engines.mariadb.delta.names import found, number, own
from restorekit.engines.mariadb.delta.resolving import Child, Name, Parent, Relations
from restorekit.engines.mariadb.literals import printable, text
from restorekit.engines.mariadb.tables import Table
from restorekit.model.database import Where

_ASKED = 200
"""Values that live is asked for in one statement."""


_OTHER = 2
"""Columns that differ at least in what is evidently another row; and more than three in four of those with a value."""


class Known:
    """What is known of both sides: the tables of the backup by name, and those whose findings have images.

    `dark` tables differ, and which of their rows do is not known: of these live is asked.
    """

    def __init__(
        self,
        session: "Connection[Any]",
        source: "Connection[Any]",
        live: Where,
        ground: Ground,
        staged: Mapping[str, Table],
    ) -> None:
        self.session, self.source, self.live = session, source, live
        self.ground = ground
        self.staged = staged
        self.imaged: set[str] = set()
        self.dark: set[str] = set()
        self.sides: dict[str, tuple[Table, Table]] = {}

    def foreign(self) -> Iterator[Foreign]:
        """Foreign keys between tables of the backup, of columns that it has."""
        for key in self.ground.foreign:
            child, parent = self.staged.get(key.child), self.staged.get(key.parent)
            if child is None or parent is None:
                continue
            if _has(child, key.columns) and _has(parent, key.needed):
                yield key

    def no(self, table: str) -> str:
        """The column with the number of the finding, in findings and images."""
        return number(self.staged[table].columns)


def _has(table: Table, names: Sequence[str]) -> bool:
    return {c.name for c in table.columns} >= set(names)


def ops(session: "Connection[Any]", table: Table) -> dict[Name, str]:
    """All findings of one table."""
    sql = f"SELECT {number(table.columns)},{own(table.columns).op} FROM {found(table.name)}"
    return {Name(table.name, int(no)): str(op) for no, op in rows(session, sql)}


def relations(known: Known) -> Relations:
    """All ties between findings that have images."""
    made = Relations()
    for name in sorted(known.imaged):
        made.ops |= ops(known.session, known.staged[name])
        made.holders |= _holders(known, name)
        made.reused |= _reused(known, name)
    parents, children = defaultdict(list), defaultdict(list)
    for key in known.foreign():
        if key.parent in known.dark:
            made.unreachable |= dict.fromkeys(_without_parent(known, key), key.parent)
        else:
            for one, parent in _parents(known, key):
                parents[one].append(parent)
        for gone, child in _children(known, key):
            children[gone].append(child)
    made.parents, made.children = dict(parents), dict(children)
    return made


def _on(left: str, ours: Sequence[str], right: str, theirs: Sequence[str]) -> str:
    pairs = zip(ours, theirs, strict=True)
    return " AND ".join(f"{left}.{quoted(a)}={right}.{quoted(b)}" for a, b in pairs)


def _name(table: str, no: Any) -> Name | None:
    return None if no is None else Name(table, int(no))


def _parents(known: Known, key: Foreign) -> Iterator[tuple[Name, Parent]]:
    """Rows of the backup that need a row which is not the same on both sides: a finding, or nowhere."""
    if key.child not in known.imaged:
        return
    parent = known.staged[key.parent]
    there = " AND ".join(f"c.{quoted(c)} IS NOT NULL" for c in key.columns)
    # Both are not NULL where they are equal: without a row there, what it should have is NULL.
    nowhere = f"s.{quoted(key.needed[0])} IS NULL"
    give, hold, differs, same = "NULL", "NULL", "", nowhere
    staged = f"LEFT JOIN {parent.full} AS s ON {_on('c', key.columns, 's', key.needed)}"
    if key.parent in known.imaged:
        no = known.no(key.parent)
        differs = (
            f" LEFT JOIN {found(key.parent)} AS f ON {_on('s', parent.key, 'f', parent.key)}"
            f" LEFT JOIN {images.live(key.parent)} AS l ON {_on('c', key.columns, 'l', key.needed)}"
        )
        give, hold, same = f"f.{no}", f"l.{no}", f"({nowhere} OR f.{no} IS NOT NULL)"
    sql = (
        f"SELECT c.{known.no(key.child)},{give},{hold} FROM {images.back(key.child)} AS c {staged}{differs} "
        f"WHERE {there} AND {same}"
    )
    for no, giver, holder in rows(known.session, sql):
        row = Name(key.child, int(no))
        yield row, Parent(key.parent, _name(key.parent, giver), _name(key.parent, holder))


def _children(known: Known, key: Foreign) -> Iterator[tuple[Name, Child]]:
    """Rows of live that point at a row of live which the backup lacks, or has with another value there."""
    if key.parent not in known.imaged:
        return
    if key.child in known.dark:
        for one in _with_children(known, key):
            yield one, Child(key.child, None, still=True)
        return
    no = known.no(key.parent)
    gone = f"(b.{no} IS NULL OR NOT ({_on('b', key.needed, 'p', key.needed)}))"
    parent = f"{images.live(key.parent)} AS p LEFT JOIN {images.back(key.parent)} AS b ON b.{no}=p.{no}"
    points = _on("c", key.columns, "p", key.needed)
    if key.child in known.imaged:
        yield from _differing_children(known, key, f"{parent} JOIN {images.live(key.child)} AS c ON {points}", gone)
    child = known.staged[key.child]
    both = f"{parent} JOIN {child.full} AS c ON {points}"
    if key.child in known.imaged:
        both += f" LEFT JOIN {found(key.child)} AS f ON {_on('c', child.key, 'f', child.key)}"
        gone += f" AND f.{known.no(key.child)} IS NULL"
    for (one,) in rows(known.session, f"SELECT DISTINCT p.{no} FROM {both} WHERE {gone}"):
        yield Name(key.parent, int(one)), Child(key.child, None, still=True)


def _differing_children(known: Known, key: Foreign, both: str, gone: str) -> Iterator[tuple[Name, Child]]:
    """`both`: FROM clause of parents `p` and their children `c` in live."""
    no = known.no(key.child)
    also = _on("d", key.columns, "p", key.needed)
    sql = (
        f"SELECT p.{known.no(key.parent)},c.{no},IFNULL({also},0) FROM {both} "
        f"LEFT JOIN {images.back(key.child)} AS d ON d.{no}=c.{no} WHERE {gone}"
    )
    for parent, one, still in rows(known.session, sql):
        if one is not None:
            yield Name(key.parent, int(parent)), Child(key.child, Name(key.child, int(one)), bool(still))


def _without_parent(known: Known, key: Foreign) -> Iterator[Name]:
    """Rows of the backup whose parent live lacks."""
    if key.child in known.imaged:
        image = images.back(key.child)
        yield from _found(known, (key.child, image, key.columns), (key.parent, key.needed), there=False)


def _with_children(known: Known, key: Foreign) -> Iterator[Name]:
    """Rows of live that would go, and that rows of live point at."""
    no = known.no(key.parent)
    same = _on("b", key.needed, "p", key.needed)
    gone = (
        f"(SELECT p.* FROM {images.live(key.parent)} AS p LEFT JOIN {images.back(key.parent)} AS b "
        f"ON b.{no}=p.{no} AND {same} WHERE b.{no} IS NULL) AS rk_gone"
    )
    yield from _found(known, (key.parent, gone, key.needed), (key.child, key.columns), there=True)


def _found(
    known: Known, ours: tuple[str, str, Sequence[str]], theirs: tuple[str, Sequence[str]], *, there: bool
) -> Iterator[Name]:
    """Findings (table, where they lie, columns) whose values a table of live (name, columns) has, or has not."""
    table, source, columns = ours
    at = {c.name: c for c in known.staged[table].columns}
    values = ",".join(printable(at[c]) for c in columns)
    set_ = " AND ".join(f"{quoted(c)} IS NOT NULL" for c in columns)
    asked = rows(known.session, f"SELECT {known.no(table)},{values} FROM {source} WHERE {set_}")
    other = f"{quoted(known.live.schema_name)}.{quoted(theirs[0])}"
    for start in range(0, len(asked), _ASKED):
        parts = [
            f"SELECT {no} FROM DUAL WHERE {'' if there else 'NOT '}EXISTS (SELECT 1 FROM {other} WHERE "
            + " AND ".join(f"{quoted(c)}={text(v)}" for c, v in zip(theirs[1], values, strict=True))
            + ")"
            for no, *values in asked[start : start + _ASKED]
        ]
        for (no,) in rows(known.source, " UNION ALL ".join(parts)):
            yield Name(table, int(no))


def _uniques(known: Known, table: str) -> tuple[Index, ...]:
    there = known.staged[table]
    return tuple(i for i in known.ground.uniques_of(table, there.key) if not i.partial and _has(there, i.columns))


def _holders(known: Known, table: str) -> dict[Name, list[tuple[Name, str]]]:
    """Other rows of live with a unique value of a row of the backup. NULL is equal to nothing."""
    no = known.no(table)
    holders: dict[Name, list[tuple[Name, str]]] = defaultdict(list)
    for index in _uniques(known, table):
        sql = (
            f"SELECT b.{no},l.{no} FROM {images.back(table)} AS b JOIN {images.live(table)} AS l "
            f"ON {_on('b', index.columns, 'l', index.columns)} AND b.{no}<>l.{no}"
        )
        for row, other in rows(known.session, sql):
            holders[Name(table, int(row))].append((Name(table, int(other)), index.name))
    return dict(holders)


def _reused(known: Known, table: str) -> set[Name]:
    """Rows on both sides that are evidently two: little of them is the same, or what no row ever changes is not."""
    no, hashes = known.no(table), images.cells(known.staged[table])
    here, there = known.sides[table]
    columns = images.others(there, common(here, there))
    at = {c.name: f"SUBSTRING({{}}.{hashes},{1 + n * images.CELL},{images.CELL})" for n, c in enumerate(columns)}
    other = {name: f"({text.format('b')}<>{text.format('l')})" for name, text in at.items()}
    signs = [other[name] for name in known.ground.born_of(table) if name in other]
    signs += [f"NOT ({_on('b', i.columns, 'l', i.columns)})" for i in _uniques(known, table) if not i.nullable]
    if len(other) >= _OTHER:
        differ = "+".join(other.values())
        # Two rows have much in common in columns that nobody ever fills.
        filled = "+".join(f"(b.{quoted(n)} IS NOT NULL OR l.{quoted(n)} IS NOT NULL)" for n in other)
        signs.append(f"({differ}>={_OTHER} AND 4*({differ})>3*({filled}))")
    if not signs:
        return set()
    sql = (
        f"SELECT b.{no} FROM {images.back(table)} AS b JOIN {images.live(table)} AS l ON b.{no}=l.{no} "
        f"WHERE {' OR '.join(signs)}"
    )
    return {Name(table, int(one)) for (one,) in rows(known.session, sql)}

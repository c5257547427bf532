"""What a pick means, computed in memory: the other opinion about every engine's `choose`, `exchange` and `undo`.

A `Pair` is one schema with two states, the backup's and live's. `choose` says which of the rows that differ are
written, which conflicts there are, and `Picked.result` what live holds afterwards. Plain sets and loops, slow on
purpose: no statement of any engine is here.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from restorekit.model.pick import Pick

Kind = Literal["int", "big", "text", "folded", "long", "binary", "double", "decimal", "stamp"]
"""`folded` text has a collation that does not tell 'a' from 'A'; `stamp` is when a row was made, by default now."""
Row = tuple[Any, ...]
Key = tuple[Any, ...]
Name = tuple[str, Key]
"""A row: its table, and its key as the table's own order of things sees it."""
State = Mapping[str, tuple[Row, ...]]
Fulfils = Callable[[str, dict[str, Any]], bool]
"""A condition, asked of a table's name and one of its rows as column to value."""
Trouble = tuple[str, str]
"""The kind of a conflict, and by which table it came, where one is named."""


@dataclass(frozen=True)
class Column:
    name: str
    kind: Kind
    nullable: bool = True


@dataclass(frozen=True)
class ForeignKey:
    """References the key of `parent`."""

    columns: tuple[str, ...]
    parent: str
    cascade: bool = False


@dataclass(frozen=True)
class Table:
    """`key` is empty where rows have none, and not `primary` where it is only unique; `unique` are further keys."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    unique: tuple[tuple[str, ...], ...] = ()
    foreign: tuple[ForeignKey, ...] = ()
    primary: bool = True

    def column(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)

    def of(self, row: Row, names: tuple[str, ...]) -> Key:
        """Values of these columns, equal where the columns' collations call them equal."""
        at = {c.name: (c.kind, value) for c, value in zip(self.columns, row, strict=True)}
        return tuple(_folded(*at[name]) for name in names)

    def cells(self, row: Row) -> dict[str, Any]:
        return {c.name: value for c, value in zip(self.columns, row, strict=True)}


def _folded(kind: Kind, value: Any) -> Any:
    return value.lower() if kind == "folded" and value is not None else value


@dataclass(frozen=True)
class Difference:
    """One row that differs: 'I' only in the backup, 'U' on both sides, 'D' only in live."""

    op: Literal["I", "U", "D"]
    live: Row | None
    backup: Row | None


@dataclass
class Picked:
    """What is written, and what is not and why."""

    pair: "Pair"
    pick: Pick
    written: set[Name]
    pulled: set[Name]
    troubles: dict[Name, Trouble] = field(default_factory=dict)
    left_out: set[Name] = field(default_factory=set)

    def count(self, table: str, op: str) -> int:
        """Rows of `table` that are inserted ('I'), changed, removed."""
        return sum(n[0] == table and self.pair.found[n].op == op for n in self.written)

    def staying(self, table: str, ops: str) -> int:
        """Rows of `table` that differ and stay."""
        found = self.pair.found
        return sum(n[0] == table and n not in self.written and d.op in ops for n, d in found.items())

    @property
    def kinds(self) -> Counter[tuple[str, str]]:
        """Conflicts by table and kind."""
        return Counter((name[0], kind) for name, (kind, _) in self.troubles.items())

    @property
    def traits(self) -> set[str]:
        """What is worth trying about this pick: rare ways in which it ends."""
        by, found = self.pick.conflicts, self.pair.found
        met = {f"{'stranger' if kind == 'id_reused' and via else kind} {by}" for kind, via in self.troubles.values()}
        met |= {f"{trouble} keep_new" for trouble in met if self.pick.keep_new}
        met |= {f"{trouble} whole" for trouble in met if not self.pick.partial}
        met |= {f"needs what is left out {by}"} if self.left_out - self.troubles.keys() else set()
        met |= {f"pulled partial={self.pick.partial}"} if self.pulled else set()
        if any(found[n].op != "I" and n[0] not in (self.pick.tables or ()) for n in self.written):
            met.add("taken along")
        if self.written:
            met.add(f"{self.pick.rows} keep_new={self.pick.keep_new} filtered={self.pick.filtered}")
        return met.union(*(self._traits_of(n) for n in self.written))

    def _traits_of(self, name: Name) -> set[str]:
        difference, table = self.pair.found[name], self.pair.table(name[0])
        met = {f"key of {' '.join(table.column(k).kind for k in table.key)}"}
        met |= {"only unique"} if not table.primary else set()
        met |= {"points at itself"} if any(f.parent == table.name for f in table.foreign) else set()
        if difference.live is not None and difference.backup is not None:
            live, backup = table.cells(difference.live), table.cells(difference.backup)
            met |= {"key rewritten"} if any(live[k] != backup[k] for k in table.key) else set()
            met |= {"unique moves" for u in table.unique if any(live[k] != backup[k] for k in u)}
        return met

    @property
    def result(self) -> dict[str, tuple[Row, ...]]:
        """Live afterwards."""
        after = {}
        for table in self.pair.tables:
            if not table.key:
                after[table.name] = self.pair.live[table.name]
                continue
            rows = dict(self.pair.by_key(self.pair.live, table))
            for name in self.written:
                if name[0] == table.name:
                    wanted = self.pair.found[name].backup
                    if wanted is None:
                        del rows[name[1]]
                    else:
                        rows[name[1]] = wanted
            after[table.name] = tuple(rows.values())
        return after


class Pair:
    """A schema, the backup's state and live's."""

    def __init__(self, tables: tuple[Table, ...], backup: State, live: State) -> None:
        self.tables = tables
        self.backup = backup
        self.live = live
        self.found = {name: d for t in tables if t.key for name, d in self._differences(t)}

    def table(self, name: str) -> Table:
        return next(t for t in self.tables if t.name == name)

    def by_key(self, state: State, table: Table) -> dict[Key, Row]:
        return {table.of(row, table.key): row for row in state[table.name]}

    def _differences(self, table: Table) -> Iterator[tuple[Name, Difference]]:
        ours, theirs = self.by_key(self.backup, table), self.by_key(self.live, table)
        for key in [*ours, *(k for k in theirs if k not in ours)]:
            mine, other = ours.get(key), theirs.get(key)
            if mine != other:
                op: Literal["I", "U", "D"] = "I" if other is None else "D" if mine is None else "U"
                yield (table.name, key), Difference(op, other, mine)

    def reused(self, name: Name) -> bool:
        """True if live's row under this key is evidently another row than the backup's."""
        found, table = self.found[name], self.table(name[0])
        if found.op != "U" or found.live is None or found.backup is None:
            return False
        live, backup = table.cells(found.live), table.cells(found.backup)
        others = [c for c in table.columns if c.name not in table.key]
        told = [c for c in others if (live[c.name], backup[c.name]) != (None, None)]
        differing = sum(live[c.name] != backup[c.name] for c in told)
        if differing > 1 and 4 * differing > 3 * len(told):
            return True
        if any(c.kind == "stamp" and live[c.name] != backup[c.name] for c in others):
            return True
        return any(
            table.of(found.live, unique) != table.of(found.backup, unique)
            for unique in table.unique
            if not any(table.column(c).nullable for c in unique)
        )

    def orphans(self, state: State) -> Counter[tuple[str, str]]:
        """Rows without the parent they need, by table and parent."""
        lost: Counter[tuple[str, str]] = Counter()
        for table in self.tables:
            for foreign in table.foreign:
                there = self.by_key(state, self.table(foreign.parent)).keys()
                for row in state[table.name]:
                    need = table.of(row, foreign.columns)
                    lost[table.name, foreign.parent] += None not in need and need not in there
        return +lost


class _Choosing:
    """One pick of one pair. Rows in conflict are left out until none is; the rest is closed over parents."""

    def __init__(self, pair: Pair, pick: Pick, fulfils: Fulfils) -> None:
        self.pair, self.pick, self.fulfils = pair, pick, fulfils
        self.troubles: dict[Name, Trouble] = {}
        self.out: set[Name] = set()
        self.scope = [t.name for t in pair.tables if t.key and (pick.tables is None or t.name in pick.tables)]
        self.live = {t.name: pair.by_key(pair.live, t) for t in pair.tables if t.key}

    def run(self) -> Picked:
        asked = {name for name in self.pair.found if self._asked(name)}
        if self.pick.partial:
            for name in filter(self.pair.reused, asked):
                self.troubles[name] = ("id_reused", "")
            self.out |= {n for n in self.troubles if self.pick.conflicts != "ours" or self._may_not_go(n)}
        while True:
            chosen = self._with_parents(self._with_what_is_in_the_way(asked - self.out))
            bad = self._troubles(chosen)
            self.troubles |= {name: trouble for name, trouble in bad.items() if trouble[0]}
            if not bad:
                break
            self.out |= bad.keys()
        return Picked(self.pair, self.pick, chosen, self._pulled(chosen, asked), self.troubles, self.out)

    def _pulled(self, chosen: set[Name], asked: set[Name]) -> set[Name]:
        return {n for n in chosen - asked if self.pair.found[n].op == "I"}

    def _asked(self, name: Name) -> bool:
        table, _ = name
        found, pick = self.pair.found[name], self.pick
        if table not in self.scope:
            return False
        kinds = {"missing": "I", "changed": "U", "all": "IUD"}[pick.rows]
        another = pick.rows == "missing" and self.pair.reused(name)  # the row is gone; its id is not
        if not (found.op in kinds or another) or (found.op == "D" and pick.keep_new):
            return False
        row = found.live if found.backup is None else found.backup
        assert row is not None
        return self.fulfils(table, self.pair.table(table).cells(row))

    # what comes along

    def _with_parents(self, chosen: set[Name]) -> set[Name]:
        """Rows that only the backup has and that chosen ones need, and those that these need."""
        chosen, waiting = set(chosen), list(chosen)
        while waiting:
            for parent in self._parents(waiting.pop()):
                found = self.pair.found.get(parent)
                if found and found.op == "I" and parent not in chosen and parent not in self.out:
                    chosen.add(parent)
                    waiting.append(parent)
        return chosen

    def _parents(self, name: Name) -> Iterator[Name]:
        row, table = self.pair.found[name].backup, self.pair.table(name[0])
        if row is None:
            return
        for foreign in table.foreign:
            need = table.of(row, foreign.columns)
            if None not in need:
                yield foreign.parent, need

    def _with_what_is_in_the_way(self, chosen: set[Name]) -> set[Name]:
        """Where the backup's rows take precedence: rows of live that hold their values, or point at what goes."""
        if self.pick.conflicts != "ours":
            return chosen
        chosen = set(chosen)
        while True:
            whole = self._with_parents(chosen)
            ways = [*(h for n in whole for h, _ in self._holders(n, whole))]
            ways += [c for n in whole for c, _ in self._children(n, whole)]
            ways += [p for n in whole for p in self._parents(n) if self._stranger(p, whole)]
            more = {w for w in ways if w in self.pair.found and not self._may_not_go(w)} - self.out - whole
            if not more:
                return chosen
            for name in filter(self.pair.reused, more if self.pick.partial else ()):
                self.troubles.setdefault(name, ("id_reused", ""))
            chosen |= more

    def _may_not_go(self, name: Name) -> bool:
        """Rows that only live has, under a key of their own or under one that the backup knows."""
        return self.pick.keep_new and (self.pair.found[name].op == "D" or self.pair.reused(name))

    def _stranger(self, parent: Name, chosen: set[Name]) -> bool:
        """True if live's row under that key is another one, and stays."""
        return self.pick.partial and parent in self.pair.found and parent not in chosen and self.pair.reused(parent)

    # what stands in the way

    def _holders(self, name: Name, chosen: set[Name]) -> Iterator[tuple[Name, tuple[str, ...]]]:
        """Other rows of live that hold, and keep, a value of a unique key that this row brings."""
        row, table = self.pair.found[name].backup, self.pair.table(name[0])
        if row is None:
            return
        for unique in table.unique:
            value = table.of(row, unique)
            if None in value:
                continue
            for key, other in self.live[table.name].items():
                holder = (table.name, key)
                if holder == name or table.of(other, unique) != value:
                    continue
                after = self.pair.found[holder].backup if holder in chosen else other
                if after is not None and table.of(after, unique) == value:
                    yield holder, unique

    def _children(self, name: Name, chosen: set[Name]) -> Iterator[tuple[Name, str]]:
        """Rows of live that point at this row, which goes, and would go on to do so."""
        if self.pair.found[name].op != "D":
            return
        for table in self.pair.tables:
            for foreign in table.foreign:
                if foreign.parent != name[0]:
                    continue
                for row in self.pair.live[table.name]:
                    child = (table.name, table.of(row, table.key))
                    after = self.pair.found[child].backup if child in chosen and table.key else row
                    if after is not None and table.of(after, foreign.columns) == name[1]:
                        yield child, table.name

    def _troubles(self, chosen: set[Name]) -> dict[Name, Trouble]:
        """Chosen rows that cannot be written, with their conflict; without one for those that need such a row."""
        bad: dict[Name, Trouble] = {}
        for name in chosen:
            for parent in self._parents(name):
                if not self._stands(parent, chosen):
                    known = parent in self.pair.found
                    bad[name] = ("", "") if known and parent in self.out else ("parent_missing", parent[0])
                elif self.pick.conflicts != "theirs" and self._stranger(parent, chosen):
                    bad[name] = ("id_reused", parent[0])
                elif self.pick.conflicts != "theirs" and parent in self.out:
                    bad[name] = ("", "")
            for _, by in self._children(name, chosen):
                bad[name] = ("has_children", by)
            if any(True for _ in self._holders(name, chosen)):
                bad[name] = ("unique_taken", "")
        return bad

    def _stands(self, parent: Name, chosen: set[Name]) -> bool:
        """True if the row is there afterwards."""
        if parent in chosen:
            return self.pair.found[parent].op != "D"
        return parent[1] in self.live[parent[0]]


def everything(_table: str, _row: dict[str, Any]) -> bool:
    """No condition."""
    return True


def choose(pair: Pair, pick: Pick, fulfils: Fulfils = everything) -> Picked:
    """What `pick` comes to; `fulfils` are its conditions."""
    return _Choosing(pair, pick, fulfils).run()

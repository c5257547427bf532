"""Which rows are written in the end: what was asked for, closed over parents, without what cannot be.

Rows are numbers of findings here; no statement and no value is. What is left out never comes back, and every round
begins anew with all that was asked for: so the rounds end, and no row stays that only a row left out had needed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from restorekit.model.pick import ConflictKind, Pick


class Name(NamedTuple):
    """One finding: its table and its number there."""

    table: str
    no: int


class Parent(NamedTuple):
    """What a row of the backup needs: the finding that has it in the backup, and the one that has it in live."""

    table: str
    giver: Name | None
    holder: Name | None


class Child(NamedTuple):
    """A row of live that points at one that may go.

    `name`: None if it is the same on both sides; `still`: the backup's row of that name does so, too.
    """

    table: str
    name: Name | None
    still: bool


@dataclass
class Relations:
    """Everything that ties findings to each other. Rows whose parent is the same on both sides have none here.

    `holders`: other rows of live that have a unique value of a row of the backup, with the name of the index. `reused`:
    live's row under that key is evidently another one. `unreachable`: rows that need one which live lacks, of a table
    whose rows cannot come along.
    """

    ops: dict[Name, str] = field(default_factory=dict)
    parents: dict[Name, list[Parent]] = field(default_factory=dict)
    holders: dict[Name, list[tuple[Name, str]]] = field(default_factory=dict)
    children: dict[Name, list[Child]] = field(default_factory=dict)
    reused: set[Name] = field(default_factory=set)
    unreachable: dict[Name, str] = field(default_factory=dict)


class Trouble(NamedTuple):
    """Why a row cannot be written as asked; `other` is the finding in its way, if it is one."""

    kind: ConflictKind
    by: str
    other: Name | None


@dataclass
class Resolved:
    """The rows to write, those of them that nobody asked for, and those left out."""

    chosen: set[Name]
    pulled: set[Name]
    out: set[Name]
    troubles: dict[Name, Trouble]


def wanted(pick: Pick, relations: Relations, rows: Iterable[Name]) -> set[Name]:
    """The findings of `rows` that the pick is about.

    Where an id was given to another row, the backup's row is missing although its key is not: a conflict, told later.
    """
    ops = {"missing": "I", "changed": "U", "all": "IUD"}[pick.rows]
    found = set()
    for name in rows:
        op = relations.ops[name]
        another = pick.rows == "missing" and name in relations.reused
        if (op in ops or another) and not (op == "D" and pick.keep_new):
            found.add(name)
    return found


def resolve(pick: Pick, relations: Relations, asked: set[Name]) -> Resolved:
    """What the pick comes to."""
    return _Resolving(pick, relations, asked).run()


class _Resolving:
    def __init__(self, pick: Pick, relations: Relations, asked: set[Name]) -> None:
        self.pick, self.relations, self.asked = pick, relations, asked
        self.out: set[Name] = set()
        self.troubles: dict[Name, Trouble] = {}

    def run(self) -> Resolved:
        if self.pick.partial:
            for name in self.asked & self.relations.reused:
                self._reused(name)
                if self.pick.conflicts != "ours" or self._protected(name):
                    self.out.add(name)
        while True:
            chosen = self._with_parents(self._with_what_is_in_the_way(self.asked - self.out))
            bad = self._bad(chosen)
            if not bad:
                break
            self.troubles |= {name: trouble for name, trouble in bad.items() if trouble is not None}
            self.out |= bad.keys()
        pulled = {n for n in chosen - self.asked if self.relations.ops[n] == "I"}
        return Resolved(chosen, pulled, self.out, self.troubles)

    def _reused(self, name: Name) -> None:
        self.troubles.setdefault(name, Trouble("id_reused", "", name))

    def _protected(self, name: Name) -> bool:
        """Rows that only live has, under a key of their own or under one that the backup knows."""
        return self.pick.keep_new and (self.relations.ops[name] == "D" or name in self.relations.reused)

    # what comes along

    def _with_parents(self, chosen: set[Name]) -> set[Name]:
        whole, waiting = set(chosen), list(chosen)
        while waiting:
            for parent in self.relations.parents.get(waiting.pop(), ()):
                giver = parent.giver
                if giver is None or self.relations.ops[giver] != "I" or giver in whole or giver in self.out:
                    continue
                whole.add(giver)
                waiting.append(giver)
        return whole

    def _with_what_is_in_the_way(self, chosen: set[Name]) -> set[Name]:
        """`ours`: rows of live that hold values of the backup's rows, or point at rows that go, give way with them."""
        if self.pick.conflicts != "ours":
            return chosen
        while True:
            whole = self._with_parents(chosen)
            ways = {way for name in whole for way in self._in_the_way(name, whole)}
            more = {w for w in ways if not self._protected(w)} - self.out - whole
            if not more:
                return chosen
            for name in more & self.relations.reused if self.pick.partial else ():
                self._reused(name)
            chosen = chosen | more

    def _in_the_way(self, name: Name, chosen: set[Name]) -> Iterator[Name]:
        yield from (holder for holder, _ in self._holding(name, chosen))
        yield from (child.name for child in self._pointing(name, chosen) if child.name is not None)
        for parent in self.relations.parents.get(name, ()):
            if parent.giver is not None and self._stranger(parent, chosen):
                yield parent.giver

    # what stands in the way

    def _holding(self, name: Name, chosen: set[Name]) -> Iterator[tuple[Name, str]]:
        """Whoever is chosen gives the value up: no two rows of the backup have it."""
        return (each for each in self.relations.holders.get(name, ()) if each[0] not in chosen)

    def _pointing(self, name: Name, chosen: set[Name]) -> Iterator[Child]:
        for child in self.relations.children.get(name, ()):
            if child.name is None or child.name not in chosen or child.still:
                yield child

    def _stranger(self, parent: Parent, chosen: set[Name]) -> bool:
        """Live's row under the parent's key is another one, and stays."""
        giver = parent.giver
        return (
            self.pick.partial
            and giver is not None
            and giver == parent.holder
            and giver not in chosen
            and giver in self.relations.reused
        )

    def _stands(self, parent: Parent, chosen: set[Name]) -> bool:
        """True if the row is there afterwards."""
        return parent.giver in chosen or (parent.holder is not None and parent.holder not in chosen)

    def _bad(self, chosen: set[Name]) -> Mapping[Name, Trouble | None]:
        """Chosen rows that cannot be written, with their conflict; without one for those that need such a row."""
        bad: dict[Name, Trouble | None] = {}
        for name in chosen:
            for parent in self.relations.parents.get(name, ()):
                self._judge(name, parent, chosen, bad)
            for child in self._pointing(name, chosen):
                bad[name] = Trouble("has_children", child.table, child.name)
            for holder, index in self._holding(name, chosen):
                bad[name] = Trouble("unique_taken", index, holder)
        return bad

    def _judge(self, name: Name, parent: Parent, chosen: set[Name], bad: dict[Name, Trouble | None]) -> None:
        left_out = parent.giver in self.out or parent.holder in self.out
        if not self._stands(parent, chosen):
            bad[name] = None if left_out else Trouble("parent_missing", parent.table, None)
        elif self.pick.conflicts == "theirs":
            return  # live's row stands for the one that was left out
        elif self._stranger(parent, chosen):
            bad[name] = Trouble("id_reused", parent.table, parent.giver)
        elif left_out:
            bad[name] = None

"""From a pick to rows: what comes along, what stands in the way, what is left out for it. Decided in memory."""

from collections.abc import Iterable, Iterator

from restorekit.engines.sqlite.delta.relations import Hang, Name, Need, Relations
from restorekit.errors import PreflightRefused
from restorekit.model.pick import ConflictKind, Pick

Trouble = tuple[ConflictKind, str]
"""The kind of a conflict, and by which table or columns it came."""


class Picking:
    """One pick among the rows that differ.

    Afterwards `chosen` is what would be written, `pulled` those of it that nobody asked for, `troubles` are conflicts,
    decided or not, and `out` the rows left out for one.
    """

    def __init__(self, relations: Relations, pick: Pick) -> None:
        self._found = relations
        self._pick = pick
        self.troubles: dict[Name, Trouble] = {}
        self.out: set[Name] = set()
        self.chosen: set[Name] = set()
        self.pulled: set[Name] = set()

    def asked(self, name: Name) -> bool:
        """True if the pick is about rows like this one, conditions aside."""
        op = self._found.ops[name]
        kinds = {"missing": "I", "changed": "U", "all": "IUD"}[self._pick.rows]
        # After TRUNCATE new rows get the old ids: then a row is missing although its id is there.
        another = self._pick.rows == "missing" and name in self._found.reused
        return (op in kinds or another) and not (op == "D" and self._pick.keep_new)

    def run(self, asked: set[Name]) -> None:
        """Close the set over what it needs. Rows in conflict are left out until none is.

        Raises PreflightRefused where a row needs one of a table that cannot get it by itself.
        """
        if self._pick.partial:
            self.troubles = dict.fromkeys(asked & self._found.reused, ("id_reused", ""))
            ours = self._pick.conflicts == "ours"
            self.out |= {n for n in self.troubles if not ours or self._may_not_go(n)}
        while True:
            self.chosen = self._with_parents(self._with_what_is_in_the_way(asked - self.out))
            bad = dict(self._bad())
            self.troubles |= {name: trouble for name, trouble in bad.items() if trouble is not None}
            if not bad:
                break
            self.out |= bad.keys()
        self.pulled = {n for n in self.chosen - asked if self._found.ops[n] == "I"}

    # what comes along

    def _with_parents(self, chosen: Iterable[Name]) -> set[Name]:
        """Rows that only the backup has and that chosen ones need, and those that these need."""
        whole = set(chosen)
        waiting = list(whole)
        while waiting:
            for need in self._needs(waiting.pop()):
                parent = need.ours
                if parent and self._found.ops[parent] == "I" and parent not in whole and parent not in self.out:
                    whole.add(parent)
                    waiting.append(parent)
        return whole

    def _with_what_is_in_the_way(self, chosen: set[Name]) -> set[Name]:
        """Where the backup's rows take precedence: rows of live that hold their values, or point at what goes."""
        if self._pick.conflicts != "ours":
            return chosen
        while True:
            whole = self._with_parents(chosen)
            more = {w for n in whole for w in self._in_the_way(n, whole) if not self._may_not_go(w)}
            more -= self.out | whole
            if not more:
                return chosen
            if self._pick.partial:
                for name in more & self._found.reused:
                    self.troubles.setdefault(name, ("id_reused", ""))
            chosen = chosen | more

    def _in_the_way(self, name: Name, chosen: set[Name]) -> Iterator[Name]:
        yield from (t.holder for t in self._found.taken.get(name, ()) if t.holder)
        yield from (h.child for h in self._found.hangs.get(name, ()) if h.child)
        for need in self._needs(name):
            if need.theirs and self._stranger(need, chosen):
                yield need.theirs

    def _may_not_go(self, name: Name) -> bool:
        """With `keep_new`: rows that only live has, under a key of their own or under one that the backup knows."""
        return self._pick.keep_new and (self._found.ops[name] == "D" or name in self._found.reused)

    # what stands in the way

    def _bad(self) -> Iterator[tuple[Name, Trouble | None]]:
        """Chosen rows that cannot be written, with their conflict; None for those that need such a row."""
        for name in self.chosen:
            wrong = [w for need in self._needs(name) for w in self._lacking(need)]
            wrong += [("has_children", h.table) for h in self._found.hangs.get(name, ()) if self._left_hanging(h)]
            wrong += [
                ("unique_taken", ", ".join(t.by))
                for t in self._found.taken.get(name, ())
                if t.holder is None or t.holder not in self.chosen
            ]
            if wrong:
                yield name, wrong[-1]

    def _lacking(self, need: Need) -> Iterator[Trouble | None]:
        """What is wrong with a parent."""
        out = any(e in self.out for e in need.entries)
        if not self._stands(need):
            if not need.entries and need.staged:
                raise PreflightRefused(
                    f"rows of {need.table} are needed, and they cannot be brought back one by one; live is untouched",
                    hint="Restore that table as a whole first, or leave out what needs it.",
                )
            yield None if out else ("parent_missing", need.table)
        elif self._pick.conflicts != "theirs":
            if self._stranger(need, self.chosen):
                yield "id_reused", need.table
            elif out:
                yield None

    def _stands(self, need: Need) -> bool:
        """True if the row is there afterwards."""
        if need.ours in self.chosen:
            return True
        return need.live and need.theirs not in self.chosen

    def _stranger(self, need: Need, chosen: set[Name]) -> bool:
        """True if live's row under that key is another one, and stays."""
        return self._pick.partial and need.theirs in self._found.reused and need.theirs not in chosen

    def _left_hanging(self, hang: Hang) -> bool:
        return hang.stays or hang.child is None or hang.child not in self.chosen

    def _needs(self, name: Name) -> Iterable[Need]:
        return self._found.needs.get(name, ())

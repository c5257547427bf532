"""One transaction while it is read: its changes are nobody's until its end has been seen."""

import struct
from collections.abc import Iterator

from restorekit.engines.mariadb.binlog.deeds import Deed
from restorekit.engines.mariadb.binlog.ledger import MINUTE_S, Change, Key
from restorekit.model.changes import BlowKind, Op

MASS_ROWS = 50
"""Deleted or updated in one table by one transaction, they are a blow."""
_NAME = struct.Struct("<IBIIIHQIB").unpack_from
_STANDALONE, _GROUP_COMMIT, _DEFINES, _XA = 1, 2, 32, 64 | 128
_STARTED, _TAKEN_BACK = 2, 8


class Transaction:
    """`head` is the event that names it (none in a log without such names), `at` where it stands; -1: none is open."""

    __slots__ = ("annotated", "at", "blows", "changes", "doubtful", "flags", "head", "mass", "single", "statement")

    def __init__(self, at: int = -1, head: bytes = b"") -> None:
        self.at = at
        self.head = head
        self.flags = head[31] if head else 0
        self.single = bool(self.flags & _STANDALONE) if head else at >= 0
        """It ends with its first statement."""
        self.doubtful = bool(self.flags & _XA)
        """Part of it may be taken back: a prepared one by a later event, another by its own end."""
        self.changes: dict[Key, Change] = {}
        self.blows: list[tuple[Deed, int, str]] = []
        self.mass = 0
        self.statement = 0
        self.annotated = -1

    @property
    def gtid(self) -> str:
        """Its name, `domain-server-sequence`."""
        if not self.head:
            return ""
        _, _, server, _, _, _, sequence, domain, _ = _NAME(self.head)
        return f"{domain}-{server}-{sequence}"

    @property
    def defines(self) -> bool:
        """True if the server itself says that a definition changes."""
        return bool(self.flags & _DEFINES)

    @property
    def in_between(self) -> bool:
        """A phase of a two-phase ALTER that is not its success: it begins, or it was taken back."""
        if not self.defines or self.flags & _XA:
            return False
        at = 32 + (8 if self.flags & _GROUP_COMMIT else 0)
        return len(self.head) > at and bool(self.head[at] & (_STARTED | _TAKEN_BACK))

    @property
    def remarkable(self) -> bool:
        """True if there is more to it than rows to add up."""
        return self.doubtful or self.mass >= MASS_ROWS or bool(self.blows)

    def change(self, ts: int, number: int, op: Op) -> Change:
        """The change that the current statement adds to."""
        key = (ts // MINUTE_S, number, op)
        change = self.changes.get(key)
        if change is None:
            change = self.changes[key] = Change(ts)
        if change.statement != self.statement:
            change.statement = self.statement
            change.statements += 1
            change.rows_now = 0
        return change

    def doubt(self) -> None:
        """Nobody knows how many rows were changed in the end."""
        for change in self.changes.values():
            change.unknown = True

    def masses(self) -> Iterator[tuple[int, BlowKind, Change]]:
        """The tables of which many rows were deleted or updated, with their sum over all minutes."""
        if self.mass < MASS_ROWS:
            return
        sums: dict[tuple[int, Op], Change] = {}
        for (_, number, op), change in self.changes.items():
            total = sums.setdefault((number, op), Change(change.began))
            total.add(change)
            if change.most > total.most:
                total.most, total.culprit = change.most, change.culprit
        for (number, op), total in sums.items():
            if op in {"U", "D"} and total.rows >= MASS_ROWS:
                yield number, "mass_delete" if op == "D" else "mass_update", total

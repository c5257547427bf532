"""Which of the differing rows are wanted back, and what that comes to."""

from typing import Literal

from restorekit.model.value import Value

Rows = Literal["missing", "changed", "all"]
Resolution = Literal["ours", "theirs", "skip"]
ConflictKind = Literal["id_reused", "unique_taken", "parent_missing", "has_children"]


class Pick(Value):
    """A part of a difference: of which `tables` (None: all), which `rows`.

    `missing` rows are those that only the backup has, `changed` ones are on both sides and differ, `all` adds those
    that only live has: they are removed, unless `keep_new`. `filtered`: a condition chose among the rows; its text
    may hold values and lies in the sandbox, nowhere else.

    `conflicts` decides about rows that cannot be brought back without deciding: `ours`, the backup's row takes its
    place; `theirs`, live's row stays and stands for it; `skip`, live's row stays, and rows of the backup that need the
    other one stay away, too. None: whoever asked is told and must choose.
    """

    tables: tuple[str, ...] | None = None
    rows: Rows = "all"
    keep_new: bool = False
    filtered: bool = False
    conflicts: Resolution | None = None

    @property
    def partial(self) -> bool:
        """True if differing rows of a wanted table may stay as they are: then the proof is by row."""
        return self.rows != "all" or self.keep_new or self.filtered


class Conflict(Value):
    """One row of the backup that live has no free place for. `key` is a keyed hash, never a value.

    `id_reused`: another row bears its key; `unique_taken`: another row has its value of the unique key `by`;
    `parent_missing`: neither side has the row of table `by` that it needs; `has_children`: a row that would be removed
    and that rows of table `by` in live point at.
    """

    table: str
    key: str
    kind: ConflictKind
    by: str = ""


class ChosenTable(Value):
    """Rows of one table that would be written, and those that stay.

    `pulled` of `insert` were not asked for: chosen rows need them. `keep`: only live has them, and they stay. `left`:
    they differ otherwise and stay as live has them; `skipped` of these for a conflict. `whole`: nothing that differs
    stays, the table becomes what was proven. `keyed`: keyed hash over operation, key and both states of each row.
    """

    name: str
    insert: int = 0
    change: int = 0
    remove: int = 0
    pulled: int = 0
    keep: int = 0
    left: int = 0
    skipped: int = 0
    whole: bool = False
    keyed: str = ""

    @property
    def writes(self) -> int:
        """Rows that would be written."""
        return self.insert + self.change + self.remove


class Selection(Value):
    """The rows chosen, closed over foreign keys. `conflicts` are the first of `conflict_count`."""

    tables: tuple[ChosenTable, ...]
    conflicts: tuple[Conflict, ...] = ()
    conflict_count: int = 0

    def table(self, name: str) -> ChosenTable | None:
        """The table of that name, or None."""
        return next((t for t in self.tables if t.name == name), None)

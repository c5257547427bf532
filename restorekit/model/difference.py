"""Staging against live: per table, then rows by keyed hash; values are never stored."""

from typing import Literal

from restorekit.model.contents import Contents
from restorekit.model.pick import Pick, Selection
from restorekit.model.value import Moment, Value

Method = Literal["same", "delta", "exchange", "create", "remove"]
Wanted = Literal["delta", "exchange"]
"""A method that somebody may insist on."""


class RowDifference(Value):
    """One row: `missing` in live, `changed`, or `extra` (only in live). `key` is a keyed hash, never a value."""

    kind: Literal["missing", "changed", "extra"]
    key: str
    columns: tuple[str, ...] = ()


class Costs(Value):
    """What an engine expects of both ways to make a table of live the proven one.

    Seconds from the consent to the end, seconds of them in which writers wait, and bytes written beside and into live.
    """

    delta_s: float
    exchange_s: float
    delta_blocked_s: float
    exchange_blocked_s: float
    delta_bytes: int
    exchange_bytes: int


class TableDifference(Value):
    """One table. Totals are exact; `rows` holds the first N only. `no_delta`: why rows cannot be written one by one.

    `triggers`: live's table has some, which must not see rows of ours: writers have to be held back meanwhile.
    `costs` is None where there is nothing to choose: the table is the same, or on one side only.
    """

    name: str
    in_live: bool
    in_staging: bool
    live_rows: int
    staging_rows: int
    missing: int = 0
    changed: int = 0
    extra: int = 0
    schema_changed: bool = False
    chunks: int = 0
    chunks_changed: int = 0
    rows: tuple[RowDifference, ...] = ()
    no_delta: str = ""
    triggers: bool = False
    costs: Costs | None = None

    @property
    def same(self) -> bool:
        """True if schema and rows are equal on both sides."""
        return (
            self.in_live and self.in_staging and not (self.missing or self.changed or self.extra or self.schema_changed)
        )


class ObjectDifference(Value):
    """A view, trigger, routine, event or sequence that is not the same on both sides."""

    kind: str
    name: str
    change: Literal["missing", "changed", "extra"]


class TableAction(Value):
    """What the swap will do to one table, and why. `extra` tables of live are `remove`d into the undo copy.

    `rows` are written, writers wait for about `blocked_s`, `size_bytes` go beside and into live (None: not known).
    """

    name: str
    method: Method
    why: str
    rows: int = 0
    blocked_s: float | None = None
    size_bytes: int | None = None


class Difference(Value):
    """All that differs, what would be done about it, and live as it was when this was measured.

    `pick`: only a part of it is wanted. `selection`: the rows that tables of method `delta` get. `method`: somebody
    insisted on it. `gate` open: writers are not held back.
    """

    tables: tuple[TableDifference, ...]
    objects: tuple[ObjectDifference, ...] = ()
    actions: tuple[TableAction, ...] = ()
    pick: Pick | None = None
    selection: Selection | None = None
    method: Wanted | None = None
    gate: Literal["closed", "open"] = "closed"
    live: Contents | None
    compared_at: Moment
    duration_s: float

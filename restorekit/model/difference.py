"""Staging against live: per table, then rows by keyed hash; values are never stored."""

from typing import Literal

from restorekit.model.contents import Contents
from restorekit.model.value import Moment, Value

Method = Literal["same", "delta", "exchange", "create", "remove"]


class RowDifference(Value):
    """One row: `missing` in live, `changed`, or `extra` (only in live). `key` is a keyed hash, never a value."""

    kind: Literal["missing", "changed", "extra"]
    key: str
    columns: tuple[str, ...] = ()


class TableDifference(Value):
    """One table. Totals are exact; `rows` holds the first N only."""

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
    """What the swap will do to one table, and why. `extra` tables of live are `remove`d into the undo copy."""

    name: str
    method: Method
    why: str


class Difference(Value):
    """All that differs, what would be done about it, and live as it was when this was measured."""

    tables: tuple[TableDifference, ...]
    objects: tuple[ObjectDifference, ...] = ()
    actions: tuple[TableAction, ...] = ()
    live: Contents | None
    compared_at: Moment
    duration_s: float

"""Rows with their values, for showing at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from restorekit.model.pick import ConflictKind, Selection

Conditions = Mapping[str, str]
"""SQL about one row, by table; under "" for every table that has none of its own. May hold values: never kept by us."""


@dataclass(frozen=True)
class ShownRow:
    """One row that differs: what identifies it, and each other column as (live, backup).

    A `missing` row has None for live everywhere, an `extra` one for the backup; of a `changed` one only the columns
    that differ are here. No `Value` on purpose: the catalog keeps Values, and this must not be kept.
    """

    kind: Literal["missing", "changed", "extra"]
    key: dict[str, Any]
    cells: dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class ShownConflict:
    """One conflict with what identifies its row (`key`) and the row in its way (`other`). Never kept."""

    table: str
    kind: ConflictKind
    by: str
    key: dict[str, Any]
    other: dict[str, Any]


@dataclass(frozen=True)
class Choice:
    """What was chosen, for keeping; and the first conflicts, for showing at once."""

    selection: Selection
    conflicts: tuple[ShownConflict, ...] = ()

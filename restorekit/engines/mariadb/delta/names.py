"""Where findings and choices lie on the sandbox's server, and what their columns are called.

    rk_found   one table per table compared, of the same name: the rows that differ
    rk_chosen  one table per table chosen from, of the same name: the rows that would be written
    rk_wider   as rk_found: what a second look found, made while writers were held back
    rk_noted   two tables of ours: `tables` (one row per table compared), `choice` (one row: the last choice)

A table in `rk_found` and in `rk_chosen` has three columns of ours and then the customer's key columns with their own
names, types and collations, and an index over these in the order of the key. The index is not unique. (In `rk_found`
the number of the finding, `rk_no`, stands in front.)

    op      CHAR(1): I, only the backup has the row; U, both have it and it differs; D, only live has it
    live    BIGINT UNSIGNED: `fingerprint.row_value` of live's row, NULL for I
    proven  BIGINT UNSIGNED: that of the backup's row, NULL for D

`live` was taken with `carried` as `rk_noted.tables` says, `proven` never is. The columns are called `rk_op`, `rk_live`
and `rk_proven`; where the customer has a column of that name, underscores are added until nobody has.

    rk_noted.tables  name, carried (0 or 1), no_delta (why rows of it cannot be written one by one; else empty),
                     recorded (0 or 1: the differing rows are in rk_found, whether they can be written or not)
    rk_noted.choice  name (of a table; empty: of every other), asked (text of its condition)
"""

from collections.abc import Iterable
from typing import NamedTuple

from restorekit.engines.mariadb.connect import quoted
from restorekit.engines.mariadb.fingerprint import Column

FOUND = "rk_found"
CHOSEN = "rk_chosen"
NOTED = "rk_noted"
WIDER = "rk_wider"
"""Findings of a second look at live, while its writers were held back."""

MOST = 100_000
"""Rows of one table that are written one by one; also how many findings are kept."""


class Own(NamedTuple):
    """The names of our three columns in one table, unquoted."""

    op: str
    live: str
    proven: str


def own(columns: Iterable[Column]) -> Own:
    """Our names beside these columns (all columns of the customer's table)."""
    taken = [c.name for c in columns]
    return Own(free("rk_op", taken), free("rk_live", taken), free("rk_proven", taken))


def number(columns: Iterable[Column]) -> str:
    """The name of the column that numbers findings (in `rk_found` only, and in front), unquoted."""
    return free("rk_no", [c.name for c in columns])


def free(name: str, taken: Iterable[str]) -> str:
    """`name`, with underscores added until no one of `taken` is called so in any case."""
    there = {t.casefold() for t in taken}
    while name.casefold() in there:
        name += "_"
    return name


def found(table: str) -> str:
    """The findings of that table, quoted."""
    return f"{FOUND}.{quoted(table)}"


def chosen(table: str) -> str:
    """The choice in that table, quoted."""
    return f"{CHOSEN}.{quoted(table)}"

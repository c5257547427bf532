"""What both ways to make a table the proven one cost; all constants are measured, and stand here only."""

import sqlite3
from dataclasses import dataclass

from restorekit.engines.sqlite.connect import pragma
from restorekit.model.difference import Costs, TableDifference

_COPY_BYTES_S = 120e6
"""Copying a whole file and forcing it to the medium (facts: sqlite §3, 100 MB in 0.4-0.75 s)."""
_ROW_S = 1.2e-6
"""One row by INSERT … SELECT between attached files, once for the table and once for each index of it."""
_CHANGED_ROW_S = 25e-6
"""One row found by key, its hash taken twice, kept for undo, written (facts: delta §8, 3,000 rows in 0.11 s)."""
_CHANGED_PAGES = 3
"""Pages that a scattered row dirties: its own and those of its indexes (facts: delta §8, 29 MB for 3,000 rows)."""


@dataclass(frozen=True)
class Read:
    """One table compared: how many indexes it has, and how many seconds it took to read both sides of it."""

    table: TableDifference
    indexes: int
    seconds: float


def with_costs(staging: sqlite3.Connection, read: list[Read], *, everything: bool) -> list[TableDifference]:
    """The differences with their costs.

    `everything`: all tables of live were compared, so that an exchange would copy pages, once for all tables together.
    Else it copies the whole file beside live and for undo, however small the table is, and then its rows.
    """
    page = int(pragma(staging, "page_size"))
    size = int(pragma(staging, "page_count")) * page
    everything = everything and not any(r.table.same for r in read)
    total = sum(r.table.staging_rows for r in read) or 1
    return [_with_costs(r, (size, page), r.table.staging_rows / total if everything else None) for r in read]


def _with_costs(read: Read, sizes: tuple[int, int], share: float | None) -> TableDifference:
    table, (size, page) = read.table, sizes
    if table.same or not (table.in_live and table.in_staging):
        return table
    differing = table.missing + table.changed + table.extra
    scan = read.seconds * table.staging_rows / max(1, table.staging_rows + table.live_rows)
    copied = size / _COPY_BYTES_S * (1.0 if share is None else share)
    # Carried, kept and written; of a part of the file nobody knows what its rows weigh.
    weight = 0.0 if share is None else 3 * copied * differing / max(1, table.staging_rows)
    blocked = differing * _CHANGED_ROW_S + scan + weight
    loaded = table.staging_rows * _ROW_S * (1 + read.indexes) if share is None else 0.0
    copies = round(3 * size * (1.0 if share is None else share))
    costs = Costs(
        delta_s=round(blocked, 6),
        exchange_s=round(2 * copied + loaded, 6),
        delta_blocked_s=round(blocked, 6),
        exchange_blocked_s=round(copied + loaded, 6),
        delta_bytes=min(page * _CHANGED_PAGES * differing, 3 * size),
        exchange_bytes=copies,
    )
    return table.model_copy(update={"costs": costs})

"""What both ways to make a table the proven one cost; all constants are measured, and stand here only."""

import sqlite3
import time

from restorekit.engines.sqlite import rows
from restorekit.engines.sqlite.connect import pragma
from restorekit.engines.sqlite.schema import Table
from restorekit.model.difference import Costs, TableDifference

_COPY_BYTES_S = 120e6
"""Copying a whole file and forcing it to the medium (facts: sqlite §3, 100 MB in 0.4-0.75 s)."""
_ROW_S = 1.2e-6
"""One row by INSERT … SELECT between attached files, once for the table and once for each index of it."""
_CHANGED_ROW_S = 25e-6
"""One row found by key, its hash taken twice, kept for undo, written (facts: delta §8, 3,000 rows in 0.11 s)."""
_SAMPLE = 1000
_CHANGED_PAGES = 3
"""Pages that a scattered row dirties: its own and those of its indexes (facts: delta §8, 29 MB for 3,000 rows)."""


def with_costs(
    staging: sqlite3.Connection, read: list[tuple[TableDifference, Table | None]], *, everything: bool
) -> list[TableDifference]:
    """The differences with their costs; with each the staged table, if there is one.

    `everything`: all tables of live were compared, so that an exchange would copy pages, once for all tables together.
    Else it copies the whole file beside live and for undo, however small the table is, and then its rows.
    """
    page = int(pragma(staging, "page_size"))
    size = int(pragma(staging, "page_count")) * page
    everything = everything and not any(t.same for t, _ in read)
    total = sum(t.staging_rows for t, _ in read) or 1
    found = []
    for table, staged in read:
        if table.same or not table.in_live or staged is None:
            found.append(table)
            continue
        share = table.staging_rows / total if everything else None
        scan = _fingerprint_s(staging, staged) * table.staging_rows
        found.append(_with_costs(table, (size, page), (scan, len(staged.indexes)), share))
    return found


def _fingerprint_s(staging: sqlite3.Connection, table: Table) -> float:
    """Seconds per row for the proof under the gate, as long as some rows of this table take now."""
    some = staging.execute(rows.select(table, rows.columns_of(table), f" LIMIT {_SAMPLE}"))
    began = time.perf_counter()
    taken = sum(1 for row in some if rows.hashed(row) is not None)
    return (time.perf_counter() - began) / max(1, taken)


def _with_costs(
    table: TableDifference, sizes: tuple[int, int], proof: tuple[float, int], share: float | None
) -> TableDifference:
    (size, page), (scan, indexes) = sizes, proof
    differing = table.missing + table.changed + table.extra
    copied = size / _COPY_BYTES_S * (1.0 if share is None else share)
    # Carried, kept and written; of a part of the file nobody knows what its rows weigh.
    weight = 0.0 if share is None else 3 * copied * differing / max(1, table.staging_rows)
    blocked = differing * _CHANGED_ROW_S + scan + weight
    loaded = table.staging_rows * _ROW_S * (1 + indexes) if share is None else 0.0
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

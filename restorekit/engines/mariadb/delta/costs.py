"""What both ways cost: rows one by one, or the whole table exchanged.

The figures are measured (MariaDB 10.11, 1.2 M rows with three secondary indexes) and stand here and nowhere else. What
reading a row costs is taken from the comparison itself, on the servers that will do the work.
"""

from restorekit.model.difference import Costs

_SUMMED = 1.0
"""A fingerprint against the first reading of a comparison: its hash is dearer, but several sessions share it."""

_FETCH_S = 35e-6
"""Per differing row: out of the sandbox, and beside live."""

_WRITE_S = (40e-6, 15e-6)
"""Per differing row: kept, written, proven by itself; and for each secondary index."""

_LOAD_S = (14e-6, 7e-6)
"""Per row of an exchange: carried beside live; and for each secondary index."""

_DELTA_BYTES = (1000, 250)
"""Redo and binary log per differing row, before-image included; and for each secondary index."""

_LOAD_BYTES = (240, 50)
"""Redo and binary log per loaded row; and for each secondary index."""

_STEP_S = 0.05
"""Triggers and foreign keys made again, RENAME, COMMIT."""


def costs(rows: int, differing: int, indexes: int, size_bytes: int, scan_s: float) -> Costs:
    """Of a table of live with `rows` rows and `indexes` secondary indexes.

    `scan_s`: what one reading of both sides took when they were compared; `size_bytes`: the table on disk.
    """
    proof_s = scan_s * _SUMMED
    write_s = differing * (_WRITE_S[0] + _WRITE_S[1] * indexes)
    load_s = rows * (_LOAD_S[0] + _LOAD_S[1] * indexes)
    return Costs(
        delta_s=round(differing * _FETCH_S + write_s + proof_s + _STEP_S, 4),
        exchange_s=round(load_s + 3 * proof_s + 2 * _STEP_S, 4),
        delta_blocked_s=round(write_s + proof_s + _STEP_S, 4),
        exchange_blocked_s=round(proof_s + 2 * _STEP_S, 4),
        delta_bytes=differing * (_DELTA_BYTES[0] + _DELTA_BYTES[1] * indexes),
        exchange_bytes=rows * (_LOAD_BYTES[0] + _LOAD_BYTES[1] * indexes) + size_bytes,
    )

"""A large table cut along its primary key, so that several sessions can sum it up together.

The parts cover every key there can be, whatever happens to the table meanwhile, and none twice.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import one, quoted, rows
from restorekit.engines.mariadb.fingerprint import sums
from restorekit.engines.mariadb.tables import Table

PARTS = 8
"""Parts per session: keys are cut evenly, rows seldom lie so, and who is done early takes the next part."""

Sums = tuple[int, int, int]
"""What `fingerprint.sums` answers; all three add up over parts of a table."""

_INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_SMALL = 20_000
"""Keys in a part at least: below, a statement costs more than its rows."""


def asking(
    session: "Connection[Any]", table: Table, sessions: int, *, carried: bool
) -> list[Callable[["Connection[Any]"], Sums]]:
    """What so many sessions have to ask for the sums of the table; `added` makes one answer of theirs."""
    what = sums(table.stored, carried=carried)
    wanted = PARTS * sessions if sessions > 1 else 1
    return [_job(f"SELECT {what} FROM {part}") for part in parts(session, table, wanted)]


def added(answers: list[Sums]) -> Sums:
    """The sums of the whole."""
    counts, totals, texts = zip(*answers, strict=True)
    return sum(counts), sum(totals), sum(texts)


def parts(session: "Connection[Any]", table: Table, wanted: int) -> list[str]:
    """FROM clauses that together are the whole table, each row once: up to `wanted`, one where it cannot be cut.

    Cut are tables with transactions whose primary key begins with an integer: the parts are read by separate
    statements, and only a snapshot (or a closed gate) makes them parts of one state.
    """
    cuts = _cuts(session, table, wanted) if wanted > 1 and table.transactional else []
    if not cuts:
        return [table.full]
    key = quoted(table.key[0])
    among = f"{table.full} FORCE INDEX (PRIMARY) WHERE {key}"
    inner = [f"{among}>={a} AND {key}<{b}" for a, b in pairwise(cuts)]
    return [f"{among}<{cuts[0]}", *inner, f"{among}>={cuts[-1]}"]


def _job(sql: str) -> Callable[["Connection[Any]"], Sums]:
    def job(session: "Connection[Any]") -> Sums:
        count, total, texts = rows(session, sql)[0]
        return int(count), int(total or 0), int(texts)

    return job


def _cuts(session: "Connection[Any]", table: Table, wanted: int) -> list[int]:
    """Keys at which a part begins, rising; none where the table is small or its rows do not lie by an integer."""
    first = next((c for c in table.columns if c.name in table.key[:1]), None)
    if first is None or first.data_type not in _INTEGERS:
        return []
    low, high = rows(session, f"SELECT MIN({quoted(first.name)}),MAX({quoted(first.name)}) FROM {table.full}")[0]
    reach = 0 if low is None else int(high) - int(low) + 1
    many = min(wanted, reach // _SMALL)
    if many < 2 or not _primary(session, table):
        return []
    return [int(low) + reach * n // many for n in range(1, many)]


def _primary(session: "Connection[Any]", table: Table) -> bool:
    """True if the key is the primary one, by which InnoDB keeps its rows; by any other a part costs random reads."""
    sql = (
        "SELECT 1 FROM information_schema.statistics "
        "WHERE table_schema=%s AND table_name=%s AND index_name='PRIMARY' LIMIT 1"
    )
    return one(session, sql, (table.schema_name, table.name)) is not None

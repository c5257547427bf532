"""The rows chosen in a sandbox become change sets beside live, and are proven there, row by row."""

from collections.abc import Iterator, Mapping
from typing import Any

from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import one, quoted
from restorekit.engines.mariadb.delta.changeset import Shape, counts
from restorekit.engines.mariadb.delta.keyed import keyed
from restorekit.engines.mariadb.delta.names import CHOSEN, NOTED
from restorekit.engines.mariadb.fingerprint import Column, row_value
from restorekit.engines.mariadb.tables import Table
from restorekit.errors import ProofFailed
from restorekit.model.pick import ChosenTable


def carried(staging: "Connection[Any]", table: str) -> bool:
    """True if live's FLOAT values were compared with the 6 digits of a dump."""
    return bool(one(staging, f"SELECT carried FROM {NOTED}.tables WHERE name=%s", [table]))


def is_chosen(staging: "Connection[Any]", table: str) -> bool:
    """True if the last choice chose among the rows of this table."""
    listing = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema=%s AND table_name=%s"
    return bool(one(staging, listing, [CHOSEN, table]))


def origins(shape: Shape, staged: Table, found: str) -> Iterator[tuple[tuple[Column, ...], str]]:
    """What to carry of the rows in `found` (quoted): columns, and the FROM clause in the sandbox that yields them.

    Rows to be written come whole, out of the staged table; of rows to be removed only the key is there, and enough.
    """
    mine = (
        Column(name=shape.own.op, data_type="char", charset="ascii"),
        Column(name=shape.own.live, data_type="bigint"),
        Column(name=shape.own.proven, data_type="bigint"),
    )
    ours = ",".join(f"c.{quoted(c.name)}" for c in mine)
    same = " AND ".join(f"s.{quoted(k)}=c.{quoted(k)}" for k in shape.table.key)
    whole = (
        f"(SELECT {ours},{shape.stored('s.')} FROM {found} AS c STRAIGHT_JOIN {staged.full} AS s "
        f"ON {same} WHERE c.{shape.op} IN ('I','U')) AS rk_set"
    )
    yield (*mine, *shape.table.stored), whole
    yield (*mine, *shape.table.key_columns), f"{found} WHERE {shape.op}='D'"


def prove(session: "Connection[Any]", hold: str, shape: Shape, wanted: ChosenTable, row_key: bytes) -> None:
    """What arrived must be what was chosen and what was proven: by count, by keyed hash, and row by row.

    Raises ProofFailed.
    """
    name = shape.table.name
    arrived = counts(session, hold, shape)
    if _numbers(arrived) != (wanted.insert, wanted.change, wanted.remove):
        raise ProofFailed(
            f"{sum(arrived.values())} rows of {name} arrived beside live, not the {wanted.writes} that were chosen; "
            "live is untouched",
            hint="Look at the difference again: it was chosen anew, or the sandbox was changed since.",
        )
    now = keyed(session, shape.set_in(hold), shape.own, shape.table.key_columns, row_key)
    if now and wanted.keyed and now != wanted.keyed:
        raise ProofFailed(
            f"the rows of {name} beside live are others than those chosen; live is untouched",
            hint="Look at the difference again: it was chosen anew since.",
        )
    # A row larger than max_allowed_packet has no value: that is no proof either.
    lies = (
        f"SELECT COUNT(*) FROM {shape.set_in(hold)} "
        f"WHERE {shape.op}<>'D' AND NOT {row_value(shape.table.stored)}<=>{shape.proven}"
    )
    if wrong := one(session, lies):
        raise ProofFailed(
            f"{wrong} rows of {name} beside live are not what was proven; live is untouched",
            hint="Stage and verify again; if it happens again, report it with the definition of the table.",
        )


def _numbers(found: Mapping[str, int]) -> tuple[int, int, int]:
    return found.get("I", 0), found.get("U", 0), found.get("D", 0)

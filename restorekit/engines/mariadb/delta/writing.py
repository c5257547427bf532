"""Before-images, the three statements that write, and the proof of every row written; all inside one transaction."""

from typing import Any

import pymysql
from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import one, quoted, rows
from restorekit.engines.mariadb.delta.working import Working
from restorekit.errors import ProofFailed
from restorekit.model.exchange import Applied

_DUPLICATE = 1062


def applied(session: "Connection[Any]", working: Working, moved: int) -> Applied:
    """What is going to be done to the rows of this table."""
    found = dict(rows(session, f"SELECT {working.act},COUNT(*) FROM {working.rows} GROUP BY 1 ORDER BY NULL"))
    return Applied(
        name=working.shape.table.name,
        inserted=found.get("I", 0),
        changed=found.get("U", 0),
        removed=found.get("D", 0),
        moved=moved,
    )


def keep(session: "Connection[Any]", working: Working, schema: str) -> None:
    """Write the way back into that schema's change set: what is replaced, and what will have to go again."""
    shape = working.shape
    into = f"INSERT INTO {shape.set_in(schema)} ({shape.ours},{shape.stored()})"
    # The state to return to is taken exactly, also where the difference was found with the digits of a dump.
    rows(
        session,
        f"{into} SELECT IF({working.act}='D','I','U'),IF({working.act}='D',NULL,{shape.proven}),{working.value()},"
        f"{shape.stored('l.')} FROM {working.rows} AS w STRAIGHT_JOIN {working.live} AS l ON {working.at('w', 'l')} "
        f"WHERE {working.act} IN ('D','U') FOR UPDATE",
    )
    rows(
        session,
        f"{into} SELECT 'D',w.{shape.proven},NULL,{shape.stored('s.')} FROM {working.rows} AS w "
        f"STRAIGHT_JOIN {working.wanted} ON {working.at('w', 's')} WHERE w.{working.act}='I'",
    )


def remove(session: "Connection[Any]", working: Working, count: int, act: str = "D") -> None:
    """Delete the rows that go. Raises ProofFailed if that were more or fewer than `count`."""
    # What goes here lies in the change set that leads back, written a moment ago in this very transaction.
    _exactly(
        session,
        working,
        count,
        f"DELETE l FROM {working.rows} AS w STRAIGHT_JOIN {working.live} AS l ON {working.at('w', 'l')} "
        f"WHERE w.{working.act}='{act}'",
    )


def change(session: "Connection[Any]", working: Working, count: int) -> bool:
    """Write every stored column of the rows that change; False if unique values change hands among them.

    Then nothing was written, and they are to be removed and inserted anew.
    """
    shape = working.shape
    values = ",".join(f"l.{quoted(c.name)}=s.{quoted(c.name)}" for c in shape.table.stored)
    try:
        _exactly(
            session,
            working,
            count,
            f"UPDATE {working.rows} AS w STRAIGHT_JOIN {working.wanted} ON {working.at('w', 's')} "
            f"STRAIGHT_JOIN {working.live} AS l ON {working.at('w', 'l')} SET {values} WHERE w.{working.act}='U'",
        )
    except pymysql.err.IntegrityError as error:
        if error.args[0] != _DUPLICATE:
            raise
        return False  # the statement was rolled back, the transaction stands
    return True


def insert(session: "Connection[Any]", working: Working, count: int, acts: str = "'I'") -> None:
    """Insert the rows that come."""
    shape = working.shape
    _exactly(
        session,
        working,
        count,
        f"INSERT INTO {working.live} ({shape.stored()}) SELECT {shape.stored('s.')} FROM {working.rows} AS w "
        f"STRAIGHT_JOIN {working.wanted} ON {working.at('w', 's')} WHERE w.{working.act} IN ({acts})",
    )


def _exactly(session: "Connection[Any]", working: Working, count: int, sql: str) -> None:
    if not count:
        return
    with session.cursor() as cursor:
        written = int(cursor.execute(sql))
    if written != count:
        raise ProofFailed(
            f"{written} rows of {working.shape.table.name} were written, {count} were to be; live is as before"
        )


def prove_rows(session: "Connection[Any]", working: Working) -> None:
    """Read every row of the set again: written ones are what was proven, removed ones are gone. Raises ProofFailed."""
    shape = working.shape
    there = f"NOT {working.absent('l')}"
    lies = (
        f"SELECT COUNT(*) FROM {working.rows} AS w LEFT JOIN {working.live} AS l ON {working.at('w', 'l')} "
        f"WHERE {working.act} IN ('I','U','D') AND IF({working.act}='D',{there},"
        f"{working.absent('l')} OR NOT {working.value()}<=>{shape.proven}) LOCK IN SHARE MODE"
    )
    if wrong := one(session, lies):
        raise ProofFailed(
            f"{wrong} rows of {shape.table.name} would not be what was proven; live is as before",
            hint="If it happens again, report it with the definition of the table.",
        )

"""Tables whose rows are written one by one, as part of an exchange: room for the way back, the way back itself, names.

That rows are written is said by the phase in the marker, which is written in the same transaction: so whoever comes
next knows it, also where the answer to COMMIT was lost and where there was nothing to write.
"""

from collections.abc import Callable
from typing import Any

import pymysql
from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import quoted, rows
from restorekit.engines.mariadb.delta import changeset
from restorekit.engines.mariadb.delta.applying import Scene, Written, write
from restorekit.engines.mariadb.delta.counters import lift_counters, lift_sequences
from restorekit.engines.mariadb.delta.keyed import keyed
from restorekit.engines.mariadb.delta.ties import Loose
from restorekit.engines.mariadb.exchange import marker
from restorekit.engines.mariadb.exchange.marker import Journal
from restorekit.engines.mariadb.live import Live
from restorekit.errors import GateTimeout, LiveChanged, PreflightRefused, RestorekitError
from restorekit.model.exchange import Applied, SlippedTable

AGAIN = frozenset({1062, 1205, 1213})
"""Somebody was there first, or holds what we need: another moment is another chance."""

_CACHE_FULL = 1197
_COMMITTED = frozenset({"written", "exchanged"})
_WAIT_S = 10.0


def names(journal: Journal) -> frozenset[str]:
    """The tables whose rows are written one by one."""
    return frozenset(d.table for d in journal.deltas)


def make_room(session: "Connection[Any]", journal: Journal) -> None:
    """Empty change sets for the way back; before the gate closes, for tables are not made inside a transaction."""
    if not journal.deltas:
        return
    rows(session, f"CREATE DATABASE IF NOT EXISTS {quoted(journal.keep)}")
    changeset.drop_empty(session, journal.keep, journal.deltas)
    for shape in changeset.shapes(session, journal.target, names(journal)).values():
        changeset.make(session, journal.keep, shape)


def scene(
    live: Live, session: "Connection[Any]", journal: Journal, allowed: Callable[[Loose], int], lock_wait_s: float
) -> Scene:
    """The journal's change sets, to be applied."""
    return Scene(
        live=live,
        session=session,
        schema=journal.target,
        source=journal.source,
        keep=journal.keep,
        deltas=journal.deltas,
        allowed=allowed,
        lock_wait_s=lock_wait_s,
        undo=journal.undo_of is not None,
    )


def unwrite(live: Live, session: "Connection[Any]", journal: Journal) -> None:
    """Take written rows back, if they are written, in one transaction that empties the way back. Safe to repeat."""
    found = marker.read(session, journal.order_id)
    if not journal.deltas or found is None or found.phase not in _COMMITTED:
        return
    before = found.journal.model_copy(update={"written": None})
    shapes = changeset.shapes(session, journal.target, names(journal))

    def record(_: Written) -> None:
        for shape in shapes.values():
            rows(session, f"DELETE FROM {shape.set_in(journal.keep)}")
        marker.put(session, "gated", before)

    back = tuple(d.back("leave") for d in found.journal.deltas)
    write(
        Scene(
            live=live,
            session=session,
            schema=journal.target,
            source=journal.keep,
            keep="",
            deltas=back,
            allowed=lambda _: 0,
            lock_wait_s=_WAIT_S,
        ),
        record,
    )
    marker.harden(session)


def lift(session: "Connection[Any]", journal: Journal) -> None:
    """Counters and sequences beyond what was written. Where somebody holds a table it is left for the next time."""
    lift_sequences(session, journal.target, names(journal))
    try:
        lift_counters(session, journal.target, names(journal))
    except pymysql.err.OperationalError as error:
        if not journal.open_gate or error.args[0] not in AGAIN:
            raise


def tidy(session: "Connection[Any]", journal: Journal) -> None:
    """The change sets that were applied are not needed any more: the way back lies in `keep`. Safe to repeat."""
    changeset.drop_used(session, journal.source, journal.deltas)


def done(live: Live, session: "Connection[Any]", journal: Journal) -> tuple[Applied, ...]:
    """What was done to the rows, each table with the keyed hash over those written."""
    written = journal.written or Written()
    shapes = changeset.shapes(session, journal.target, names(journal))
    return tuple(
        a.model_copy(
            update={
                "keyed": keyed(
                    session,
                    shapes[a.name].set_in(journal.keep),
                    shapes[a.name].own,
                    shapes[a.name].table.key_columns,
                    live.home.row_key,
                )
            }
        )
        if a.name in shapes
        else a
        for a in written.applied
    )


def slipped(journal: Journal) -> tuple[SlippedTable, ...]:
    """Tables some of whose rows were not as they were shown any more."""
    stray = {d.table: d.stray for d in journal.deltas}
    return tuple(
        SlippedTable(
            name=a.name,
            live_rows_shown=None,
            live_rows_found=None,
            note=f"{a.moved} rows had changed since they were shown"
            + (
                "; what they were then is in the undo copy"
                if stray.get(a.name) == "overwrite"
                else " and were left as they are"
            ),
        )
        for a in (journal.written or Written()).applied
        if a.moved
    )


def refused(error: pymysql.err.Error, journal: Journal, lock_wait_s: float) -> RestorekitError | None:
    """The error of ours for a server's while rows were being written; None for one that is not about rows."""
    number = error.args[0] if error.args else 0
    if number == 1062:
        return LiveChanged(
            f"rows of {journal.target} have unique values now that chosen rows need; live is as before",
            hint="Look at the new difference and approve it.",
        )
    if number in AGAIN:
        return GateTimeout(
            f"other transactions hold rows of {journal.target} for longer than {lock_wait_s:g} s; live is as before",
            hint="End the long transaction (`SHOW PROCESSLIST`, `XA RECOVER`) or wait for it, then try again.",
        )
    if number == _CACHE_FULL:
        return PreflightRefused(
            "the rows are too many for the server's max_binlog_cache_size; live is as before",
            hint="Raise it, or restore these tables whole.",
        )
    return None

"""Rows written to a whole table since it was compared: found under the gate, and taken into its change set.

Customers write all the time. Where the policy accepts that, a table becomes what was proven all the same, as it would
if it were exchanged: what they wrote is kept in the way back, and named.
"""

from collections.abc import Sequence
from typing import Any

from pymysql.connections import Connection

from restorekit.engines.mariadb import compare
from restorekit.engines.mariadb.connect import one, quoted, rows
from restorekit.engines.mariadb.delta import carrying, changeset, finding
from restorekit.engines.mariadb.delta.changeset import Shape
from restorekit.engines.mariadb.delta.names import WIDER
from restorekit.engines.mariadb.exchange import marker
from restorekit.engines.mariadb.exchange.copy import Load, carry
from restorekit.engines.mariadb.exchange.marker import Journal
from restorekit.engines.mariadb.exchange.promote import drop_schema
from restorekit.engines.mariadb.live import Live
from restorekit.engines.mariadb.tables import Table
from restorekit.errors import LiveChanged
from restorekit.model.database import Where
from restorekit.model.exchange import ExchangeOrder, SlippedTable
from restorekit.ports import Watch

_TIMES = 3
"""How long it takes, in times of what the gate has been closed already: both sides are read, then all is done again."""


def widen(live: Live, session: "Connection[Any]", order: ExchangeOrder, journal: Journal, watch: Watch) -> Journal:
    """The journal with change sets of all that differs now, and with what that is more than was shown.

    Writers are held back, nothing is written. Raises LiveChanged if that cannot be done in the policy's time.
    """
    _in_time(session, order, journal)
    names = [d.table for d in journal.deltas if d.goal is not None]
    place = _schema(order.id)
    drop_schema(session, place)
    rows(session, f"CREATE DATABASE {quoted(place)}")
    shapes = changeset.shapes(session, order.target, names)
    for shape in shapes.values():
        changeset.make(session, place, shape)
    staged = compare.find_again(live, (order.staging, Where(schema_name=order.target)), names, watch)
    _carry(live, order, (place, shapes), staged, watch)
    slipped = [_slipped(session, order, shape, (journal.source, place)) for shape in shapes.values()]
    return journal.model_copy(
        update={
            "deltas": tuple(
                d.model_copy(update={"source": place}) if d.goal is not None else d for d in journal.deltas
            ),
            "slipped": (*journal.slipped, *(s for s in slipped if s is not None)),
        }
    )


def forget(session: "Connection[Any]", order_id: str) -> None:
    """Remove the wider sets: they are applied, or nobody needs them. Safe to repeat."""
    drop_schema(session, _schema(order_id))


def _schema(order_id: str) -> str:
    return f"{marker.hold_schema(order_id)}_wider"


def _in_time(session: "Connection[Any]", order: ExchangeOrder, journal: Journal) -> None:
    assert journal.closed_at is not None
    took = (marker.now(session) - journal.closed_at).total_seconds()
    if took * (1 + _TIMES) > order.policy.gate_max_s:
        raise LiveChanged(
            f"{order.target} was written to since the difference was shown, and finding out what would hold writers "
            f"back for about {took * (1 + _TIMES):.1f} s (the policy allows {order.policy.gate_max_s:g} s); "
            "live is as before",
            hint="Approve the new difference, raise gate_max_s in the playbook, or use --method exchange.",
        )


def _carry(
    live: Live, order: ExchangeOrder, sets: tuple[str, dict[str, Shape]], staged: Sequence[Table], watch: Watch
) -> None:
    place, shapes = sets
    loads = [
        Load(t.name, shapes[t.name].set_in(place), columns, origin)
        for t in staged
        if t.name in shapes
        for columns, origin in carrying.origins(shapes[t.name], t, finding.place(WIDER, t.name))
    ]
    carry(live, order.staging, loads, watch)


def _slipped(
    session: "Connection[Any]", order: ExchangeOrder, shape: Shape, sets: tuple[str, str]
) -> SlippedTable | None:
    """Rows of the wider set that were not shown as they are now."""
    before, now = (shape.set_in(schema) for schema in sets)
    same = " AND ".join(f"b.{quoted(k)}=n.{quoted(k)}" for k in shape.table.key)
    state = " AND ".join(f"b.{c}<=>n.{c}" for c in (shape.op, shape.live, shape.proven))
    more = int(
        one(
            session,
            f"SELECT COUNT(*) FROM {now} AS n LEFT JOIN {before} AS b FORCE INDEX ({changeset.INDEX}) "
            f"ON {same} AND {state} WHERE b.{shape.op} IS NULL",
        )
    )
    if not more:
        return None
    shown = order.live.table(shape.table.name) if order.live else None
    found = int(one(session, f"SELECT COUNT(*) FROM {shape.table.full}"))
    return SlippedTable(
        name=shape.table.name,
        live_rows_shown=shown.rows if shown else None,
        live_rows_found=found,
        note=f"{more} rows were written after the difference was shown; what they were then is in the undo copy",
    )

"""Taking away what restorekit itself put on live: holding copies, and undo copies when their time has come."""

from restorekit.engines.mariadb.connect import quoted, rows
from restorekit.engines.mariadb.exchange import marker, widening
from restorekit.engines.mariadb.exchange.promote import drop_schema
from restorekit.engines.mariadb.exchange.session import exclusive
from restorekit.engines.mariadb.live import Live
from restorekit.errors import Refused, RestoreActive
from restorekit.model.exchange import Exchanged


def drop_holding(live: Live, order_id: str) -> None:
    """Remove `rk_hold_<id>`. Idempotent; raises RestoreActive while an exchange of the order is unfinished."""
    hold = marker.hold_schema(order_id)
    with exclusive(live, order_id) as session:
        found = marker.read(session, order_id)
        if found is not None and found.phase in marker.UNFINISHED:
            # Some tables of live may stand in the holding schema at this moment.
            raise RestoreActive(f"the exchange of {order_id} is unfinished; nothing was removed")
        drop_schema(session, hold)
        widening.forget(session, order_id)


def retire(live: Live, exchanged: Exchanged) -> None:
    """Delete the undo copy for good. Idempotent. Raises Refused for any schema that is not this exchange's own."""
    expected = marker.undo_schema(exchanged.order_id)
    if exchanged.undo.schema_name != expected:
        raise Refused(f"{exchanged.undo.schema_name} is not the undo copy of {exchanged.order_id}; nothing was removed")
    with exclusive(live, exchanged.order_id) as session:
        found = marker.read(session, exchanged.order_id)
        if found is None or found.phase != "done":
            raise Refused(
                f"live has no record that {exchanged.order_id} was exchanged; {expected} was left alone",
                hint="Look into it; if it is not needed, drop it by hand.",
            )
        # This may go: its name is made from the order's id by us alone, the marker on this very server says that
        # this exchange ended, and the caller has waited for the end of the retention. It cannot be brought back.
        rows(session, "SET SESSION foreign_key_checks=0")
        rows(session, f"DROP DATABASE IF EXISTS {quoted(expected)}")

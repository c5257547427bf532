"""What was left unfinished on live is finished or taken back: at each worker's start, and by the dead-man."""

import contextlib
from datetime import timedelta

from restorekit.engines.mariadb.exchange import marker
from restorekit.engines.mariadb.exchange.session import evict, exclusive
from restorekit.engines.mariadb.exchange.swap import settle_one
from restorekit.engines.mariadb.live import Live
from restorekit.errors import RestoreActive
from restorekit.model.exchange import Settled

_GRACE_S = 30.0


def settle(live: Live) -> list[Settled]:
    """Settle every unfinished exchange on live. One that somebody is working on is left to him while he has time.

    Idempotent; concurrent callers exclude each other per order. Raises EngineUnavailable.
    """
    with contextlib.closing(live.connect()) as connection:
        found = marker.unfinished(connection)
        for each in found:
            limit = timedelta(seconds=each.journal.dead_man_s + _GRACE_S)
            if marker.now(connection) - each.journal.began_at > limit:
                evict(connection, each.journal.order_id)
    settled = []
    for each in found:
        with contextlib.suppress(RestoreActive):
            one = settle_order(live, each.journal.order_id, wait_s=1)
            settled += [one] if one else []
    return settled


def settle_order(live: Live, order_id: str, wait_s: float) -> Settled | None:
    """Settle one order, if it is unfinished. Raises RestoreActive if its session does not leave within `wait_s`."""
    with exclusive(live, order_id, wait_s) as session:
        found = marker.read(session, order_id)
        if found is None or found.phase not in marker.UNFINISHED:
            return None
        return settle_one(live, session, found)


def take_over(live: Live, order_id: str, swapper: int) -> None:
    """End the sessions of a swapper that died or is stuck, and settle its exchange. Safe to repeat.

    `swapper` is the connection that held the order's lock; one that has begun the order anew since is left alone.
    """
    with contextlib.closing(live.connect()) as connection:
        evict(connection, order_id, swapper)
    settle_order(live, order_id, wait_s=60)

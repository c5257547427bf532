"""The one session that changes live, fenced by a server-side lock that dies with it."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pymysql
from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import one, rows
from restorekit.engines.mariadb.exchange import marker
from restorekit.engines.mariadb.live import Live
from restorekit.errors import RestoreActive


def lock_name(order_id: str) -> str:
    """The server-side lock of one order."""
    return f"restorekit:{order_id}"


def take(connection: "Connection[Any]", order_id: str, wait_s: float) -> bool:
    """Take the order's lock within `wait_s`; it is held until the session ends, by whatever cause."""
    return bool(one(connection, "SELECT GET_LOCK(%s, %s)", [lock_name(order_id), wait_s]) == 1)


def holder(connection: "Connection[Any]", order_id: str) -> int | None:
    """The connection that holds the order's lock, or None."""
    found = one(connection, "SELECT IS_USED_LOCK(%s)", [lock_name(order_id)])
    return None if found is None else int(found)


@contextlib.contextmanager
def exclusive(live: Live, order_id: str, wait_s: float = 10) -> Iterator["Connection[Any]"]:
    """A session that alone may change anything for this order. Raises RestoreActive if another does not leave."""
    marker.checked(order_id)
    with contextlib.closing(live.connect()) as session:
        # Longer than any exchange: an idle swapper must not lose its fence, and with it the lock.
        rows(session, "SET SESSION wait_timeout=86400")
        if not take(session, order_id, wait_s):
            raise RestoreActive(f"{order_id} is being worked on by connection {holder(session, order_id)}")
        yield session


def evict(connection: "Connection[Any]", order_id: str, swapper: int | None = None) -> None:
    """KILL the sessions written down for an unfinished order, if one of them still holds the order's lock.

    With `swapper` only if it is this one: somebody else may have begun the order anew.
    """
    found = marker.read(connection, order_id)
    number = holder(connection, order_id)
    if found is None or found.phase not in marker.UNFINISHED or number not in found.journal.connections:
        return  # gone, or a later one has taken over: numbers mean nothing without the lock
    if swapper is not None and number != swapper:
        return
    for each in found.journal.connections:
        with contextlib.suppress(pymysql.err.Error):  # it may end by itself in between
            rows(connection, f"KILL {int(each)}")

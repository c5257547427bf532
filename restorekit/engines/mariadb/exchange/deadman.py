"""The second process, which reopens the gate when the one that closed it dies or does not come to an end.

It holds the reading end of a pipe. The end of the pipe without the word `done` means that the swapper died; silence
for longer than its time means that it is stuck. In both cases its sessions on the server are ended first, so that
nothing of it can come later, and then the exchange is finished or taken back.
"""

import contextlib
import os
import select
import time

from restorekit.engines.mariadb.connect import Settings
from restorekit.engines.mariadb.exchange.guard import DONE, READY, Errand
from restorekit.engines.mariadb.exchange.session import evict
from restorekit.engines.mariadb.exchange.settle import settle_order
from restorekit.engines.mariadb.live import Live
from restorekit.errors import EngineUnavailable, RestoreActive
from restorekit.model.home import Home

_RETRY_S = 0.5
_PATIENCE_S = 120.0


def take_over(live: Live, order_id: str) -> None:
    """End the sessions of the swapper, wait until they are gone, and settle its exchange. Safe to repeat."""
    with contextlib.closing(live.connect()) as connection:
        evict(connection, order_id)
    settle_order(live, order_id, wait_s=60)


def main() -> None:
    """Guard one exchange until it ends."""
    errand = Errand.model_validate_json(_line())
    live = Live(errand.name, Settings.model_validate(errand.settings), Home.model_validate(errand.home))
    live.connect().close()
    os.write(1, READY)
    if _said(errand.dead_man_s) == DONE:
        return
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        try:
            take_over(live, errand.order_id)
        except (EngineUnavailable, RestoreActive):
            time.sleep(_RETRY_S)  # a server that is coming up again can only be polled
        else:
            return


def _line() -> bytes:
    """One line, read from the pipe itself: what follows belongs to `select`."""
    line = b""
    while not line.endswith(b"\n"):
        if not (more := os.read(0, 1)):
            break
        line += more
    return line


def _said(limit_s: float) -> bytes:
    """What comes through the pipe within the time: `done`, nothing at its end, or nothing at all."""
    ready, _, _ = select.select([0], [], [], limit_s)
    return os.read(0, 64) if ready else b""


if __name__ == "__main__":
    main()

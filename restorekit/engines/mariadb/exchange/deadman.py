"""The second process, which reopens the gate when the one that closed it dies or does not come to an end.

It holds the reading end of a pipe. The end of the pipe without the word `done` means that the swapper died; silence
for longer than its time means that it is stuck. In both cases its sessions on the server are ended first, so that
nothing of it can come later, and then the exchange is finished or taken back.
"""

import os
import select
import sys
import time

_READY = b"ready\n"  # both words are agreed with `guard`, which is too heavy to be imported before it is needed
_DONE = b"done\n"
_RETRY_S = 0.5
_PATIENCE_S = 120.0


def take_over(text: bytes) -> None:
    """End the sessions of the swapper, wait until they are gone, and settle its exchange, as often as it takes."""
    from restorekit.engines.mariadb.exchange.guard import Errand  # noqa: PLC0415  # most dead-men never get here
    from restorekit.engines.mariadb.exchange.settle import take_over  # noqa: PLC0415
    from restorekit.errors import EngineUnavailable, RestoreActive  # noqa: PLC0415

    errand = Errand.model_validate_json(text, extra="ignore")
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        try:
            take_over(errand.live, errand.order_id, errand.swapper)
        except (EngineUnavailable, RestoreActive):
            time.sleep(_RETRY_S)  # a server that is coming up again can only be polled
        else:
            return


def main() -> None:
    """Guard one exchange until it ends."""
    errand = _line()
    os.write(1, _READY)
    if _said(float(sys.argv[1])) != _DONE:
        take_over(errand)


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

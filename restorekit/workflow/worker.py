"""A command that follows a run: the worker if there is none, a patient onlooker otherwise."""

import time
from collections.abc import Callable

from restorekit.workflow.durable import Worker

_TRY_AGAIN_S = 0.3


def follow(try_start: Callable[[], Worker | None], ended: Callable[[], bool]) -> None:
    """Return when `ended` says so; meanwhile be the worker whenever nobody else is.

    As the worker, run all queued work of the host before leaving. When the present worker dies, take its place.
    Raises what `Worker.drain` raises; KeyboardInterrupt leaves the work to the next worker.
    """
    while not ended():
        worker = try_start()
        if worker is None:
            time.sleep(_TRY_AGAIN_S)  # the end of another process's lock cannot be waited for without taking it
            continue
        with worker:
            worker.drain()

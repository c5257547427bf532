"""A command that follows a restore: it becomes the worker if there is none, and keeps trying if there is one."""

import threading
import time
from collections.abc import Callable

from restorekit.model.run import WORKING, Run, State
from restorekit.workflow.durable import Worker
from restorekit.workflow.house import House
from restorekit.workflow.signals import terminable

_LOOK_EVERY_S = 0.2


class Follower:
    """Follows runs on this host; `start` gives the worker, or None while somebody else is it."""

    def __init__(self, house: House, start: Callable[[], Worker | None]) -> None:
        self._house = house
        self._start = start

    def follow(self, run_id: str, show: Callable[[Run], None], *, patient: bool = True) -> Run:
        """Until the run needs no work; `show` gets each state seen. Without patience only until it has to wait.

        One that waits already is looked after once even then, or `--no-wait` would never find a thaw that has ended.
        As the worker it runs all queued work of this host before it leaves. Raises what interrupts it; unfinished
        work is carried on by the next command.
        """
        with terminable():
            return self._follow(run_id, show, WORKING if patient else WORKING - {State.WAITING})

    def _follow(self, run_id: str, show: Callable[[Run], None], busy: frozenset[State]) -> Run:
        shift: _Shift | None = None
        looked = False
        try:
            while True:
                run = self._house.catalog.run(run_id)
                show(run)
                if shift is not None and not shift.busy:
                    shift.end()
                    shift = None
                if shift is None and run.state not in busy and (looked or run.state != State.WAITING):
                    return run
                if shift is None and (worker := self._start()) is not None:
                    shift = _Shift(worker, lambda: self._waits(run_id, busy))
                looked = True
                time.sleep(_LOOK_EVERY_S)  # the worker may be another process: it can only be polled
        finally:
            if shift is not None:
                shift.break_off()

    def _waits(self, run_id: str, busy: frozenset[State]) -> bool:
        """A worker leaves when nothing is queued, unless the run it was started for waits, and so does its caller."""
        return State.WAITING in busy and self._house.catalog.run(run_id).state == State.WAITING


class _Shift:
    """A worker at work in a thread of this process."""

    def __init__(self, worker: Worker, stay: Callable[[], bool]) -> None:
        self._worker, self._stay = worker, stay
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="worker", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self._worker.drain(stay=self._stay)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that follows
            self._error = error

    @property
    def busy(self) -> bool:
        """True while there is work."""
        return self._thread.is_alive()

    def end(self) -> None:
        """Give the seat up; raises what the worker raised."""
        self._worker.stop()
        if self._error is not None:
            raise self._error

    def break_off(self) -> None:
        """Kill the children of running steps and give the seat up."""
        self._worker.stop()

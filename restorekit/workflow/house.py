"""All a recipe may ask: ports, never providers."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from restorekit.errors import Cancelled, RestorekitError
from restorekit.model.notice import Notice
from restorekit.model.request import Act
from restorekit.model.run import Failure, Progress
from restorekit.model.value import Value
from restorekit.playbook import Playbook
from restorekit.ports import Catalog, Clock, Engine, Source, Watch
from restorekit.signing import Signer
from restorekit.workflow.failure import failure_of

V = TypeVar("V", bound=Value)

_EVERY = timedelta(seconds=0.5)


@dataclass(frozen=True)
class House:
    """The ports of one installation, wired by bootstrap."""

    catalog: Catalog
    engine: Callable[[str], Engine]
    source: Callable[[str], Source]
    playbook: Callable[[str], Playbook]
    clock: Clock
    signer: Signer
    host: str
    notify: Callable[[Notice], None] = lambda _: None
    stopping: threading.Event = field(default_factory=threading.Event)

    def watch(self, run_id: str) -> Watch:
        """A watch that notes progress of this run and obeys its cancel wish."""
        return RunWatch(self, run_id)

    def need(self, run_id: str, kind: type[V]) -> V:
        """A value an earlier step has stored; its absence is a defect, not a state."""
        value = self.catalog.kept(run_id, kind)
        if value is None:
            raise RestorekitError(f"restore {run_id} has no stored {kind.__name__}")
        return value

    def act(self, verb: str, run_id: str, database: str, **details: str) -> Act:
        """An audit act of the worker itself."""
        return Act(
            caller=f"worker@{self.host}",
            door="worker",
            verb=verb,
            database=database,
            restore_id=run_id,
            details=details,
        )


class RunWatch:
    """Reports at most twice a second; looks for the cancel wish as often."""

    def __init__(self, house: House, run_id: str) -> None:
        self._house = house
        self._run_id = run_id
        self._next_note = 0.0
        self._next_look = 0.0
        self._phase = ""

    def progress(self, phase: str, done: int, total: int | None, unit: str = "bytes") -> None:
        """Note it, unless the last note of the same phase is too fresh."""
        now = time.monotonic()
        if phase == self._phase and now < self._next_note and done != total:
            return
        self._phase = phase
        self._next_note = now + _EVERY.total_seconds()
        at = self._house.clock.now()
        self._house.catalog.note_progress(self._run_id, Progress(phase=phase, done=done, total=total, unit=unit, at=at))

    def check(self) -> None:
        """Raise Cancelled if somebody asked for it, or while the worker stops (then nothing of it is recorded)."""
        if self._house.stopping.is_set():
            raise Cancelled("the worker is stopping")
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _EVERY.total_seconds()
        if self._house.catalog.cancel_asked(self._run_id):
            raise Cancelled("cancelled on request", hint="Live is untouched.")


def as_failure(error: RestorekitError, live: str = "live untouched") -> Failure:
    """The error as a value, with what is true of live."""
    return failure_of(error, "restore").model_copy(update={"live": live})

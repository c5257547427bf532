"""Durable execution: a recipe is carried on where its process died. The only door to DBOS.

What holds, and is tested:

- A *recipe* is a plain, deterministic function of a run's id; every effect stands in the body of a named step.
- A body runs at least once: again, when its process died between "done" and "recorded". Recorded steps are not run
  again. Nothing is retried otherwise.
- A body's answer is a short text (an id) or None; values live in the catalog.
- A RestorekitError leaves a body, is recorded as JSON, and comes up in the recipe again, after a crash, too. Any other
  exception becomes code `unexpected`; its place in the code is logged, its text is not (it may quote a row).
- A recipe that raises has failed: `Work.failed` is told (at least once), and the run is over for this module.
- One worker per host, guarded by a seat; work waits on the queue `host.<host>` and is never executed elsewhere,
  unless a second worker takes over by `Worker.take_over`.
- DBOS shares the catalog's database and engine. Everything is stored as JSON; nothing is pickled.

dbos is imported inside functions: it costs 0.6 s, and reading commands do without it.
"""

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from restorekit import crashpoint
from restorekit.errors import EngineUnavailable, RestorekitError
from restorekit.model.run import Failure
from restorekit.shell import inheriting_lock
from restorekit.workflow.failure import error_of, failure_of, frames
from restorekit.workflow.locks import (
    Interrupted,
    Seat,
    forget,
    kill_children,
    run_lock,
    run_lock_file,
    take_seat,
)
from restorekit.workflow.signals import terminable
from restorekit.workflow.work import Recipe, Step, Unsettled, Work

EPOCH = "2"
"""Version of the recipes. Raise it by hand when their steps change: a run begun under another epoch is told as failed.

Not left to DBOS's application versions: there, work of an older version waits for ever, and so does new work for a
worker that is not of the latest.
"""

_LOG = logging.getLogger(__name__)
_NAME = "restorekit"
_UNFINISHED = ["ENQUEUED", "PENDING"]
_GAVE_UP = "MAX_RECOVERY_ATTEMPTS_EXCEEDED"
_LONGEST_ANSWER = 1000
_POLL_S = 0.1
_CHECK_S = 1.0
_STOP_S = 10.0


def ready(engine: Any) -> None:
    """Create or migrate DBOS's tables in the state database. Idempotent, safe from several processes at once.

    To be called before `enqueue`, outside any transaction. Costs an import of 0.6 s.
    """
    from dbos import DBOS  # noqa: PLC0415

    _quiet()
    # By URL, not by engine: DBOS opens its own transaction with BEGIN, which an engine that does so, too, would refuse.
    DBOS.migrate(engine.url.render_as_string(hide_password=False))


def _quiet() -> None:
    """Only warnings, and through our logging: a logger without handlers would get a console of DBOS's own."""
    logger = logging.getLogger("dbos")
    logger.setLevel(logging.WARNING)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def enqueue(connection: Any, kind: str, run_id: str, host: str, attempt: int = 0) -> None:
    """Order a recipe inside the caller's transaction: it runs if and only if that commits.

    The same kind, run and attempt a second time is ignored silently: "already ordered" must be told from the caller's
    own row. `attempt` makes a repeated order (a second undo) one of its own.
    """
    suffix = f":{attempt}" if attempt else ""
    options: Any = {"workflow_name": kind, "queue_name": _queue(host), "workflow_id": f"{kind}:{run_id}{suffix}"}
    client = _client(connection.engine)
    client.enqueue_in_transaction(connection, options, run_id)
    client.destroy()  # leaves the engine alone


def _queue(host: str) -> str:
    return f"host.{host}"


def _client(engine: Any) -> Any:
    from dbos import DBOSClient, DBOSPortableJSONSerializer  # noqa: PLC0415

    return DBOSClient(
        system_database_engine=engine,
        serializer=DBOSPortableJSONSerializer(),
        application_name=_NAME,
        lazy=True,
    )


class Worker:
    """The worker of one host; at most one per process. Use `try_start`, then `drain`, then `stop`.

    Its process may be killed at any moment: the next worker of the host carries on.
    """

    def __init__(self, engine: Any, host: str, work: Work, folder: Path, seat: Seat) -> None:
        self._engine = engine
        self._host = host
        self._work = work
        self._folder = folder
        self._seat = seat
        self._changed = threading.Condition()
        self._looking = threading.Lock()
        self._check_at = 0.0
        self._running: dict[str, str] = {}
        self._left: dict[str, RestorekitError] = {}

    @classmethod
    def try_start(cls, engine: Any, host: str, work: Work, folder: Path) -> Self | None:
        """The worker of `host`, at work; None if somebody else is.

        `engine` is the catalog's SQLAlchemy engine, `folder` takes the lock files (beside a SQLite state; on this
        machine's own disk in any case).
        """
        seat = take_seat(engine, host, folder)
        if seat is None:
            return None
        work.stopping.clear()
        worker = cls(engine, host, work, folder, seat)
        try:
            work.first()
            worker._launch()
        except BaseException:
            worker.stop()
            raise
        return worker

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _launch(self) -> None:
        from dbos import DBOS, DBOSPortableJSONSerializer  # noqa: PLC0415

        ready(self._engine)
        client = _client(self._engine)  # before the launch: a queue that appears later is found a second later
        client.register_queue(_queue(self._host), worker_concurrency=4, polling_interval_sec=_POLL_S)
        client.destroy()
        for kind in self._work.recipes:
            DBOS.workflow(name=kind, max_recovery_attempts=self._work.attempts)(self._workflow(kind))
        DBOS(
            config={
                "name": _NAME,
                "system_database_engine": self._engine,
                "executor_id": self._host,
                "application_version": _NAME,
                "serializer": DBOSPortableJSONSerializer(),
                "log_level": "WARNING",
                "run_migrations": False,
                "notification_listener_polling_interval_sec": _POLL_S,
            }
        )
        DBOS.listen_queues([_queue(self._host)])
        DBOS.launch()

    def drain(
        self,
        until: Callable[[], bool] | None = None,
        *,
        stay: Callable[[], bool] = lambda: False,
        watch: tuple[str, ...] = (),
    ) -> None:
        """Work until nothing is queued or running for this host, or `until` says so; `stay()`: waits for more work.

        `watch` names hosts whose work is taken over when their worker is dead (PostgreSQL only).
        SIGINT and SIGTERM kill the children of running steps, give the seat up and raise KeyboardInterrupt; the work
        stays and is carried on by the next worker. Raises EngineUnavailable when the seat is lost (the state database
        restarted), RestorekitError when a run could be neither carried on nor marked as failed, or what a body gave as
        the reason why it is Unsettled.
        """
        try:
            with terminable():
                while not (until and until()) and self._look(watch, stay):
                    with self._changed:
                        self._changed.wait(_POLL_S)
        except BaseException:
            self.stop()
            raise
        if self._left and not stay():
            raise next(iter(self._left.values()))

    def _look(self, watch: tuple[str, ...], stay: Callable[[], bool]) -> bool:
        """One round of looking after the work; False when there is no more of it."""
        with self._looking:
            if self._work.stopping.is_set():
                return False
            if time.monotonic() >= self._check_at:
                self._check(watch)
                self._check_at = time.monotonic() + _CHECK_S
            if not self._idle() or stay():
                return True
            self._give_up()
            return False

    def _check(self, watch: tuple[str, ...]) -> None:
        if not self._seat.held():
            raise EngineUnavailable(
                "the connection to the state database was lost; running steps were stopped",
                hint="Run the command again: unfinished work is carried on.",
            )
        self._give_up()
        for host in watch:
            self.take_over(host)
        self._work.wake(lambda: {w.split(":")[1] for w in (*self._unfinished(self._host), *self._left)})

    def _idle(self) -> bool:
        with self._changed:
            if self._running:
                return False
        return not self._unfinished(self._host)

    def _unfinished(self, host: str) -> list[str]:
        """Workflow ids queued or running for a host, but for those that this worker had to leave."""
        listed = self._list(status=_UNFINISHED, queue_name=_queue(host))
        return [w.workflow_id for w in listed if w.workflow_id not in self._left]

    def _give_up(self) -> None:
        """Tell about runs that took their process down too often; DBOS alone would only leave them lying."""
        from dbos import DBOS  # noqa: PLC0415

        for workflow in self._list(status=_GAVE_UP, executor_id=self._host):  # it has left its queue
            error = RestorekitError(
                f"given up: its process died {self._work.attempts} times", hint="Look into the worker's log."
            )
            self._work.failed(workflow.workflow_id.split(":")[1], failure_of(error, workflow.name))
            DBOS.delete_workflow(workflow.workflow_id)

    def _list(self, **wanted: Any) -> list[Any]:
        from dbos import DBOS  # noqa: PLC0415

        return list(DBOS.list_workflows(name=list(self._work.recipes), load_input=False, load_output=False, **wanted))

    def take_over(self, host: str) -> int:
        """Move what a dead worker of `host` left, finished steps included, to this worker; the number of runs moved.

        0 if that worker lives. Its seat is held meanwhile, so that it cannot come back in between; a zombie that wakes
        up later finds itself fenced when it wants to record anything.
        """
        from dbos import DBOS  # noqa: PLC0415

        seat = take_seat(self._engine, host, self._folder)
        if seat is None:
            return 0
        try:
            moved = self._unfinished(host)
            if moved:
                DBOS.resume_workflows(moved, queue_name=_queue(self._host))
        finally:
            seat.leave()
        return len(moved)

    def stop(self) -> None:
        """Kill the children of running steps, leave the work to the next worker, give the seat up. Idempotent.

        May be called from another thread than `drain`, which then returns.
        If a body does not end within 10 s, the *process* ends (exit code 130): giving the seat up beside a running
        body would let two attempts run at once, and a process that dies is what everything here is made for.
        """
        from dbos import DBOS  # noqa: PLC0415

        self._work.stopping.set()
        end = time.monotonic() + _STOP_S
        while running := self._bodies():
            for run_id in running:
                kill_children(run_lock_file(self._folder, run_id))
            if time.monotonic() > end:
                _LOG.error("a step does not end; leaving without it")
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(130)
            with self._changed:
                self._changed.wait(0.05)
        looked = self._looking.acquire(timeout=_STOP_S)  # in vain while the state database is away
        try:
            DBOS.destroy(destroy_registry=True)
            self._seat.leave()
        finally:
            if looked:
                self._looking.release()

    def _bodies(self) -> list[str]:
        with self._changed:
            return list(self._running.values())

    def _workflow(self, kind: str) -> Callable[[str], str | None]:
        recipe = self._work.recipes[kind]

        def workflow(run_id: str) -> str | None:
            from dbos import DBOS  # noqa: PLC0415

            with self._counted(str(DBOS.workflow_id), run_id):
                code = self._carry_out(recipe, run_id, kind)
            forget(run_lock_file(self._folder, run_id))
            return code

        return workflow

    @contextlib.contextmanager
    def _counted(self, workflow_id: str, run_id: str) -> Iterator[None]:
        with self._changed:
            self._running[workflow_id] = run_id
        try:
            self._interrupt_if_stopping()
            yield
        except Unsettled as error:
            self._left[workflow_id] = error.why
            raise Interrupted from error
        except Exception as error:
            # Not even the failure could be noted: leave the run unfinished, for the next worker.
            _LOG.error("%s is left for the next worker:\n%s", workflow_id, frames(error))
            self._left[workflow_id] = RestorekitError(
                f"restore {run_id} could not be carried on; what it did so far stays as it is",
                hint="Look into the worker's log; the next command carries it on.",
            )
            raise Interrupted from error
        finally:
            with self._changed:
                del self._running[workflow_id]
                self._changed.notify_all()

    def _interrupt_if_stopping(self, cause: Exception | None = None) -> None:
        """What a body raises while its children are being killed is no answer and must not be recorded."""
        if self._work.stopping.is_set():
            raise Interrupted from cause

    def _carry_out(self, recipe: Recipe, run_id: str, kind: str) -> str | None:
        try:
            _same_epoch()
            recipe(run_id, self._step(run_id))
        except Exception as error:  # noqa: BLE001 - a recipe that raises has failed, and somebody has to be told
            self._interrupt_if_stopping(error)
            failure = self._noted(error, kind)
            self._work.failed(run_id, failure)
            return failure.code
        return None

    def _noted(self, error: Exception, during: str) -> Failure:
        if not isinstance(error, RestorekitError):
            _LOG.error("unexpected during %s:\n%s", during, frames(error))
        return failure_of(error, during)

    def _step(self, run_id: str) -> Step:
        def step(name: str, body: Callable[[], str | None]) -> str | None:
            from dbos import DBOS  # noqa: PLC0415

            recorded = DBOS.run_step({"name": name}, self._attempt, run_id, name, body)
            if "failure" in recorded:
                raise error_of(Failure.model_validate(recorded["failure"]))
            answer: str | None = recorded["answer"]
            return answer

        return step

    def _attempt(self, run_id: str, name: str, body: Callable[[], str | None]) -> dict[str, Any]:
        """Run a body; what is returned here is what DBOS records."""
        try:
            with run_lock(run_lock_file(self._folder, run_id), self._work.stopping) as fd, inheriting_lock(fd):
                crashpoint.here(f"workflow.{name}.begun")
                answer = body()
                crashpoint.here(f"workflow.{name}.done")
        except Exception as error:  # noqa: BLE001 - whatever it is, the recipe is to meet it, after a crash, too
            self._interrupt_if_stopping(error)
            return {"failure": self._noted(error, name).model_dump(mode="json")}
        if answer is not None and len(answer) > _LONGEST_ANSWER:
            raise ValueError(f"step {name} answered {len(answer)} characters; values belong into the catalog")
        return {"answer": answer}


def _same_epoch() -> None:
    from dbos import DBOS  # noqa: PLC0415

    begun = DBOS.run_step({"name": "epoch"}, lambda: EPOCH)
    if begun != EPOCH:
        raise RestorekitError(
            "begun by another version of restorekit, whose steps are not the same; what it did so far stays as it is",
            hint="Order it again.",
        )

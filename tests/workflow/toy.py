"""A worker process with toy recipes, made to be killed.

It follows a run to its end, like a command does. Whatever happens is appended to a journal, a line each:
`run step event`. Steps start real children, which write their own lines.
"""

import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from restorekit import shell
from restorekit.catalog.database import open_database
from restorekit.errors import ProofFailed
from restorekit.model.run import Failure
from restorekit.workflow import durable
from restorekit.workflow.durable import Step, Work, Worker


class Toys:
    """Recipes that leave traces. `pace_s` is how long a child works."""

    def __init__(self, folder: Path, pace_s: float = 0.02) -> None:
        self.folder = folder
        self.pace_s = pace_s

    def note(self, line: str) -> None:
        with (self.folder / "journal").open("a") as journal:
            journal.write(line + "\n")

    def work(self, attempts: int = 100) -> Work:
        kinds = (self.three, self.refused, self.family, self.deadly, self.stubborn, self.alone)
        return Work(recipes={kind.__name__: kind for kind in kinds}, failed=self.failed, attempts=attempts)

    def failed(self, run_id: str, failure: Failure) -> None:
        self.note(f"{run_id} failed {failure.code}")
        self.end(run_id)

    def end(self, run_id: str) -> None:
        (self.folder / f"ended.{run_id}").touch()

    def ended(self, run_id: str) -> bool:
        return (self.folder / f"ended.{run_id}").exists()

    def child(self, run_id: str, step: str, script: str = "") -> str:
        """Note begin and end in a child process; die with it if it is killed."""
        journal = self.folder / "journal"
        text = f"echo {run_id} {step} begun >>{journal}; {script or f'sleep {self.pace_s}'}"
        done = shell.run(shell.Spec(["sh", "-c", f"{text}; echo {run_id} {step} done >>{journal}"]))
        if done.returncode:
            raise RuntimeError(f"the child of {step} was killed")
        # The guard every real step needs: the effect itself happens once, however often the body runs.
        (self.folder / f"effect.{run_id}.{step}").mkdir(exist_ok=True)
        return f"{run_id}.{step}"

    def three(self, run_id: str, step: Step) -> None:
        """Three steps that build on each other, then the end."""
        before = ""
        for name in ("one", "two", "three"):
            answer = step(name, lambda name=name: self.child(run_id, name))
            self.note(f"{run_id} {name} answered {answer}")
            before += answer or ""
        step("end", lambda: self.end(run_id))

    def refused(self, run_id: str, step: Step) -> None:
        """The first step is refused; what the recipe meets is noted, also on a replay."""
        try:
            step("one", lambda: self._refuse(run_id))
        except ProofFailed as error:
            self.note(f"{run_id} met {type(error).__name__}|{error}|{error.hint}|{error.details}")
        step("two", lambda: self.child(run_id, "two"))
        step("end", lambda: self.end(run_id))

    def _refuse(self, run_id: str) -> str:
        self.note(f"{run_id} one refused")
        raise ProofFailed("not equal", hint="look", details=("table a",))

    def family(self, run_id: str, step: Step) -> None:
        """A child with a child of its own, which no death signal reaches and which writes for ever; once."""
        grandchild = f"(while :; do echo {run_id} one late >>{self.folder / 'journal'}; sleep 0.05; done) & wait"
        stamp = self.folder / f"alone.{run_id}"
        script = f"if mkdir {stamp} 2>/dev/null; then {grandchild}; fi"
        step("one", lambda: self.child(run_id, "one", script))
        step("end", lambda: self.end(run_id))

    def alone(self, run_id: str, step: Step) -> None:
        """Five steps whose grandchildren notice when another attempt works at the same time."""
        busy = self.folder / f"busy.{run_id}"
        for name in "abcde":
            overlap = f"echo {run_id} {name} overlap >>{self.folder / 'journal'}"
            script = f"flock -n {busy} sleep {self.pace_s} || {overlap}"
            answer = step(name, lambda name=name, script=script: self.child(run_id, name, script))
            self.note(f"{run_id} {name} answered {answer}")
        step("end", lambda: self.end(run_id))

    def deadly(self, run_id: str, step: Step) -> None:
        """Takes its process down each time."""
        step("one", lambda: self._die(run_id))

    def _die(self, run_id: str) -> None:
        self.note(f"{run_id} one begun")
        os.kill(os.getpid(), 9)

    def stubborn(self, run_id: str, step: Step) -> None:
        """A body that looks at nothing and has no child to kill."""
        step("one", lambda: self._sleep(run_id))

    def _sleep(self, run_id: str) -> None:
        self.note(f"{run_id} one begun")
        time.sleep(1000)


@dataclass(frozen=True)
class Errand:
    """What a worker process is to do: follow `run_id` as `host`; `watch` another host, too."""

    url: str
    folder: Path
    run_id: str
    host: str = "h1"
    watch: str = ""
    locks: str = "locks"
    pace_s: float = 0.02
    attempts: int = 100
    stop_s: float = 10
    crash_at: str = ""


def run(errand: Errand) -> None:
    """Do the errand; the main function of a process."""
    with (errand.folder / "stderr").open("ab") as stderr:
        os.dup2(stderr.fileno(), 2)
    logging.basicConfig(level=logging.WARNING)
    os.environ |= {"RESTOREKIT_CRASH_AT": errand.crash_at, "RESTOREKIT_CRASH_ONCE": str(errand.folder)}
    durable._STOP_S = errand.stop_s
    toys = Toys(errand.folder, errand.pace_s)
    work = toys.work(errand.attempts)
    engine = open_database(errand.url).engine

    def start() -> Worker | None:
        worker = Worker.try_start(engine, errand.host, work, errand.folder / errand.locks)
        if worker:
            toys.note(f"{errand.host} {os.getpid()} works")
        return worker

    try:
        if errand.watch:
            with start() as worker:  # type: ignore[union-attr]
                worker.drain(lambda: toys.ended(errand.run_id), stay=lambda: True, watch=(errand.watch,))
        else:
            follow(start, toys, errand.run_id)
    except KeyboardInterrupt:
        sys.exit(130)


def follow(start: Callable[[], Worker | None], toys: Toys, run_id: str) -> None:
    """What a command does: be the worker whenever nobody else is, until the run has ended."""
    while not toys.ended(run_id):
        worker = start()
        if worker is None:
            time.sleep(0.3)  # the end of another process's lock cannot be waited for without taking it
            continue
        with worker:
            worker.drain()

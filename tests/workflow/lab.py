"""One state database, a folder and a journal; starts toy workers and waits for what they write."""

import functools
import multiprocessing
import os
import signal
import time
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
from workflow import toy

from restorekit.catalog.database import open_database
from restorekit.workflow import durable
from restorekit.workflow.durable import Work, Worker
from restorekit.workflow.locks import seat_taken

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def processes() -> ForkServerContext:
    """Processes forked from a server that has imported everything: dbos per process would cost a second."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dbos", "pytest", "workflow.toy"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'tests'}")
        forkserver.ensure_running()
    return context


class Follower:
    """A running worker process."""

    def __init__(self, errand: toy.Errand) -> None:
        self._process = processes().Process(target=toy.run, args=(errand,))
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def send(self, sign: signal.Signals) -> None:
        if self._process.exitcode is None:
            os.kill(self.pid, sign)

    def wait(self, patience_s: float = 60) -> int:
        """Its exit code, negative for a signal."""
        self._process.join(patience_s)
        code = self._process.exitcode
        assert code is not None, f"process {self.pid} did not end"
        return code


class Lab:
    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.locks = folder / "locks"
        self.toys = toy.Toys(folder)
        self.engine = open_database(url).engine
        self.is_postgres = self.engine.dialect.name == "postgresql"
        durable.ready(self.engine)
        self._processes: list[Follower] = []

    def close(self) -> None:
        """End every worker process that a test left behind."""
        for process in self._processes:
            process.send(signal.SIGKILL)
            process.wait()
        self.engine.dispose()

    def order(self, kind: str, run_id: str, host: str = "h1", attempt: int = 0) -> None:
        with self.engine.begin() as connection:
            durable.enqueue(connection, kind, run_id, host, attempt)

    def worker(self, work: Work, host: str = "h1") -> Worker:
        worker = Worker.try_start(self.engine, host, work, self.locks)
        assert worker is not None
        return worker

    def carry_out(self, work: Work, host: str = "h1") -> None:
        """Be the worker until nothing is left to do."""
        with self.worker(work, host) as worker:
            worker.drain()

    def seat_taken(self, host: str = "h1") -> bool:
        return seat_taken(self.engine, host, self.locks)

    def wait_for_free_seat(self) -> None:
        """PostgreSQL needs a moment to see that a client was killed."""
        end = time.monotonic() + 20
        while self.seat_taken():
            assert time.monotonic() < end, "the seat of a dead worker stays taken"
            time.sleep(0.01)

    def process(self, run_id: str, **errand: Any) -> Follower:
        """A process that follows the run."""
        process = Follower(toy.Errand(self.url, self.folder, run_id, **errand))
        self._processes.append(process)
        return process

    def journal(self) -> list[str]:
        path = self.folder / "journal"
        return path.read_text().splitlines() if path.exists() else []

    def count(self, line: str) -> int:
        return self.journal().count(line)

    def latecomers(self, run_id: str) -> int:
        """How often the orphan of a first attempt wrote after the second attempt had begun."""
        time.sleep(0.2)  # it writes every 0.05 s
        lines = [line for line in self.journal() if line.startswith(f"{run_id} one")]
        assert lines.count(f"{run_id} one begun") == 2
        assert f"{run_id} one late" in lines
        second = len(lines) - lines[::-1].index(f"{run_id} one begun")
        return lines[second:].count(f"{run_id} one late")

    def stderr(self) -> str:
        path = self.folder / "stderr"
        return path.read_text() if path.exists() else ""

    def wait_for(self, line: str, patience_s: float = 30) -> None:
        """Until the journal holds the line; another process's writing can only be polled."""
        end = time.monotonic() + patience_s
        while line not in self.journal():
            assert time.monotonic() < end, f"{line!r} never came:\n" + "\n".join(self.journal()) + self.stderr()
            time.sleep(0.01)

    def states(self) -> dict[str, tuple[str, str, str]]:
        """Workflow id → (status, executor, queue), as DBOS keeps it."""
        table = f"{self._schema}workflow_status"
        with self.engine.connect() as connection:
            rows = connection.exec_driver_sql(f"SELECT workflow_uuid, status, executor_id, queue_name FROM {table}")
            return {str(r[0]): (str(r[1]), str(r[2]), str(r[3])) for r in rows}

    def kept(self) -> set[str]:
        """Every text in DBOS's tables."""
        tables = ("workflow_status", "workflow_input", "workflow_output", "operation_outputs")
        with self.engine.connect() as connection:
            rows = [r for t in tables for r in connection.exec_driver_sql(f"SELECT * FROM {self._schema}{t}")]
        return {value for row in rows for value in row if isinstance(value, str)}

    @property
    def _schema(self) -> str:
        return "dbos." if self.is_postgres else ""

"""The whole pattern as one piece, on both kinds of state database; then each promise by itself."""

import logging
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from workflow.lab import ROOT, Lab

from restorekit.errors import EngineUnavailable, ProofFailed, RestorekitError
from restorekit.model.run import Failure
from restorekit.workflow import durable
from restorekit.workflow.durable import Recipe, Work, Worker
from restorekit.workflow.locks import forget, run_lock, run_lock_file


class Heard:
    """Failures a worker told."""

    def __init__(self) -> None:
        self.failures: list[tuple[str, Failure]] = []

    def __call__(self, run_id: str, failure: Failure) -> None:
        self.failures.append((run_id, failure))


def only(recipe: Recipe, heard: Heard | None = None) -> Work:
    return Work(recipes={"prepare": recipe}, failed=heard or Heard())


def nothing(run_id: str, step: durable.Step) -> None:
    """A recipe without steps."""


def test_whole_pattern_as_one_piece(lab: Lab, capfd, caplog) -> None:
    lab.order("three", "r1")
    with lab.engine.connect() as connection, connection.begin() as transaction:
        durable.enqueue(connection, "three", "rolled_back", "h1")
        transaction.rollback()
    lab.order("three", "elsewhere", host="h2")
    lab.order("three", "r2")
    lab.order("three", "r2")  # ignored silently
    lab.carry_out(lab.toys.work())
    assert {k: v[:2] for k, v in lab.states().items()} == {
        "three:r1": ("SUCCESS", "h1"),
        "three:r2": ("SUCCESS", "h1"),
        "three:elsewhere": ("ENQUEUED", "None"),
    }
    for run_id in ("r1", "r2"):
        lines = [line for line in lab.journal() if line.startswith(run_id)]
        assert lines == [
            text
            for name in ("one", "two", "three")
            for text in (f"{run_id} {name} begun", f"{run_id} {name} done", f"{run_id} {name} answered {run_id}.{name}")
        ]
    # Nothing is pickled: arguments and answers are kept as JSON.
    kept = lab.kept()
    assert '{"namedArgs":{},"positionalArgs":["r1"]}' in kept
    assert '{"answer":"r1.one"}' in kept
    assert [text for text in kept if text.startswith("gA") or "pickle" in text] == []
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


def test_work_left_by_one_worker_is_finished_by_the_next(lab: Lab) -> None:
    """Two workers in one process, one after the other, on the same queue."""
    for run_id in ("r1", "r2"):
        lab.order("three", run_id)
        lab.carry_out(lab.toys.work())
        assert lab.toys.ended(run_id)
    assert list(lab.locks.glob("run.*")) == []


def test_a_second_order_of_the_same_kind_needs_an_attempt(sqlite_lab: Lab) -> None:
    for attempt in (0, 0, 2):
        sqlite_lab.order("three", "r1", attempt=attempt)
        sqlite_lab.carry_out(sqlite_lab.toys.work())
    assert set(sqlite_lab.states()) == {"three:r1", "three:r1:2"}
    assert sqlite_lab.count("r1 one begun") == 2


def test_import_costs_no_dbos() -> None:
    code = "import sys, restorekit.workflow.durable; print('dbos' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


def test_refusal_keeps_its_kind_and_words(lab: Lab) -> None:
    met: list[RestorekitError] = []

    def recipe(run_id: str, step: durable.Step) -> None:
        def body() -> str:
            raise ProofFailed("not equal", hint="look", details=("table a",))

        try:
            step("one", body)
        except ProofFailed as error:
            met.append(error)
        step("two", lambda: None)

    heard = Heard()
    lab.order("prepare", "r1")
    lab.carry_out(only(recipe, heard))
    (error,) = met
    assert (type(error), error.message, error.hint, error.details) == (ProofFailed, "not equal", "look", ("table a",))
    assert heard.failures == []


def test_unexpected_errors_are_told_without_their_text(lab: Lab, caplog) -> None:
    """A server's message may quote a row: it reaches neither state nor log, the place in the code does."""
    canary = "Duplicate entry 'canary-4711'"

    def insert_row() -> str:
        raise ValueError(canary)

    def in_step(run_id: str, step: durable.Step) -> None:
        step("load", insert_row)

    def in_recipe(run_id: str, step: durable.Step) -> None:
        try:
            insert_row()
        except ValueError as error:
            raise RuntimeError(canary) from error

    heard = Heard()
    lab.order("step", "r1")
    lab.order("recipe", "r2")
    lab.carry_out(Work(recipes={"step": in_step, "recipe": in_recipe}, failed=heard))
    told = {run_id: (failure.code, failure.message) for run_id, failure in heard.failures}
    assert told == {
        "r1": ("unexpected", "ValueError during load"),
        "r2": ("unexpected", "RuntimeError during recipe"),
    }
    assert "insert_row" in caplog.text
    assert "canary-4711" not in caplog.text
    if not lab.is_postgres:
        stored = b"".join(path.read_bytes() for path in lab.folder.glob("state.db*"))
        assert b"r1" in stored
        assert b"canary-4711" not in stored


def test_values_are_no_answers(sqlite_lab: Lab) -> None:
    def recipe(run_id: str, step: durable.Step) -> None:
        step("one", lambda: "x" * 1001)

    heard = Heard()
    sqlite_lab.order("prepare", "r1")
    sqlite_lab.carry_out(only(recipe, heard))
    assert [f.code for _, f in heard.failures] == ["unexpected"]
    assert "xxx" not in str(heard.failures)


def test_a_failure_that_cannot_be_noted_leaves_the_run_to_the_next_worker(lab: Lab, caplog) -> None:
    """Success would be a lie here: nobody knows yet that the run has failed."""

    def recipe(run_id: str, step: durable.Step) -> None:
        def refuse() -> None:
            raise ProofFailed("no")

        step("one", refuse)

    def deaf(run_id: str, failure: Failure) -> None:
        raise OSError("state is gone")

    lab.order("prepare", "r1")
    worker = lab.worker(Work(recipes={"prepare": recipe}, failed=deaf))
    with worker, pytest.raises(RestorekitError, match="could not be carried on"):
        worker.drain()
    assert lab.states()["prepare:r1"][0] == "PENDING"
    heard = Heard()
    lab.carry_out(only(recipe, heard))
    assert [(run_id, failure.code) for run_id, failure in heard.failures] == [("r1", "proof_failed")]
    assert lab.states()["prepare:r1"][0] == "SUCCESS"


def test_half_done_work_of_another_epoch_is_told_as_failed(lab: Lab, monkeypatch) -> None:
    started = threading.Event()

    def slow(run_id: str, step: durable.Step) -> None:
        def body() -> None:
            started.set()
            assert work.stopping.wait(20)
            raise OSError

        step("one", body)

    work = only(slow)
    lab.order("prepare", "r1")
    worker = lab.worker(work)
    assert started.wait(20)
    worker.stop()
    lab.order("prepare", "r2")  # not begun: any epoch may do it
    monkeypatch.setattr(durable, "EPOCH", "another")
    heard = Heard()
    lab.carry_out(only(nothing, heard))
    assert [(run_id, failure.code) for run_id, failure in heard.failures] == [("r1", "unexpected")]
    assert "another version" in heard.failures[0][1].message
    assert {state for state, *_ in lab.states().values()} == {"SUCCESS"}


def test_one_seat_per_host_and_looking_does_not_take_it(lab: Lab) -> None:
    work = only(nothing)
    assert not lab.seat_taken()
    with lab.worker(work):
        assert lab.seat_taken()
        assert not lab.seat_taken("h2")
        assert Worker.try_start(lab.engine, "h1", work, lab.locks) is None
    assert not lab.seat_taken()
    taken: list[bool] = []
    looking = threading.Event()

    def look() -> None:
        while not looking.is_set():
            taken.append(lab.seat_taken())

    onlooker = threading.Thread(target=look)
    onlooker.start()
    try:
        for _ in range(5):
            lab.worker(work).stop()  # asserts that the seat was free
    finally:
        looking.set()
        onlooker.join()
    assert True in taken


def test_interrupted_step_kills_its_children_and_is_done_again(lab: Lab) -> None:
    lab.order("family", "r1")
    lab.order("three", "r2")
    work = lab.toys.work()
    worker = lab.worker(work)
    try:
        lab.wait_for("r1 one late")
        lab.wait_for("r2 one done")
    finally:
        began = time.monotonic()
        worker.stop()
    assert time.monotonic() - began < 5
    assert not lab.seat_taken()
    assert lab.states()["family:r1"][0] == "PENDING"
    lab.carry_out(lab.toys.work())
    assert lab.toys.ended("r1")
    assert lab.toys.ended("r2")
    assert lab.latecomers("r1") == 0
    assert "failed" not in " ".join(lab.journal())


def test_lost_seat_stops_the_work(postgres_lab: Lab) -> None:
    """The state server dropped our session: somebody else may be the worker by now."""
    lab = postgres_lab
    lab.order("family", "r1")
    worker = lab.worker(lab.toys.work())
    lab.wait_for("r1 one begun")
    with lab.engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
        )
    with pytest.raises(EngineUnavailable, match="lost"):
        worker.drain()
    assert not lab.seat_taken()
    lab.carry_out(lab.toys.work())
    assert lab.toys.ended("r1")


def test_run_lock_file_that_was_removed_is_locked_anew(tmp_path: Path) -> None:
    path = run_lock_file(tmp_path, "r1")
    going = threading.Event()
    with run_lock(path, going):
        forget(path)  # somebody holds it: stays
        assert path.exists()
    waiting: list[bool] = []

    def second() -> None:
        with run_lock(path, going):
            waiting.append(path.exists())

    with run_lock(path, going):
        thread = threading.Thread(target=second)
        thread.start()
        path.unlink()  # what `forget` does after the holder before us
    thread.join(10)
    assert waiting == [True]

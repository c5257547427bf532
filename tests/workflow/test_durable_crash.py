"""Processes that are killed, and what the next one makes of it."""

import signal
import threading
import time
from typing import Any

import pytest
from workflow.lab import Lab

from restorekit.workflow.durable import Worker


def finish(lab: Lab, run_id: str = "r1", **errand: Any) -> None:
    """Let a fresh process follow the run to its end."""
    process = lab.process(run_id, **errand)
    assert process.wait() == 0, lab.stderr()
    assert lab.toys.ended(run_id)
    assert lab.stderr() == ""


def crash(lab: Lab, run_id: str, place: str) -> None:
    """Follow the run with a process that dies at a named place, then with others to the end."""
    assert lab.process(run_id, crash_at=place).wait() == -signal.SIGKILL, lab.stderr()
    lab.wait_for_free_seat()
    finish(lab, run_id, crash_at=place)


def test_killed_between_done_and_recorded(lab: Lab) -> None:
    """That step runs again; the recorded ones before it never do."""
    lab.order("three", "r1")
    crash(lab, "r1", "workflow.two.done")
    assert {name: lab.count(f"r1 {name} done") for name in ("one", "two", "three")} == {"one": 1, "two": 2, "three": 1}
    assert lab.count("r1 one answered r1.one") == 2  # the recipe ran again, with the recorded answer
    assert lab.states()["three:r1"][0] == "SUCCESS"


def test_killed_before_the_body(sqlite_lab: Lab) -> None:
    sqlite_lab.order("three", "r1")
    crash(sqlite_lab, "r1", "workflow.two.begun")
    assert [sqlite_lab.count(f"r1 {name} done") for name in ("one", "two", "three")] == [1, 1, 1]


def test_refusal_is_met_again_after_a_crash(sqlite_lab: Lab) -> None:
    sqlite_lab.order("refused", "r1")
    crash(sqlite_lab, "r1", "workflow.two.done")
    assert sqlite_lab.count("r1 one refused") == 1
    assert sqlite_lab.count("r1 met ProofFailed|not equal|look|('table a',)") == 2


def test_second_command_takes_over_from_the_killed_first(lab: Lab) -> None:
    """And ends the grandchildren that the death signal did not reach before it begins."""
    lab.order("family", "r1")
    lab.order("three", "r2")
    first = lab.process("r1")
    lab.wait_for("r1 one late")
    assert f"h1 {first.pid} works" in lab.journal()
    second = lab.process("r2")
    lab.wait_for("r2 three done")  # by the first: it runs all queued work of the host
    assert second.wait() == 0
    assert f"h1 {second.pid} works" not in lab.journal()
    third = lab.process("r1")
    fourth = lab.process("r1")
    first.send(signal.SIGKILL)
    assert third.wait() == 0, lab.stderr()
    assert fourth.wait() == 0, lab.stderr()
    assert lab.latecomers("r1") == 0
    workers = [line for line in lab.journal() if line.endswith(" works")]
    assert workers[0] == f"h1 {first.pid} works"
    assert set(workers[1:]) <= {f"h1 {third.pid} works", f"h1 {fourth.pid} works"}
    assert len(workers) >= 2


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_leaves_work_to_the_next(sqlite_lab: Lab, sign: signal.Signals) -> None:
    lab = sqlite_lab
    lab.order("family", "r1")
    process = lab.process("r1")
    lab.wait_for("r1 one late")
    process.send(sign)
    assert process.wait() == 130
    assert not lab.seat_taken()
    assert lab.stderr() == ""
    finish(lab)
    assert lab.latecomers("r1") == 0
    assert lab.count("r1 one done") == 1


def test_stop_from_another_thread_ends_the_drain(lab: Lab) -> None:
    """A command shows progress in its main thread while the worker drains in another."""
    for attempt in range(3):
        lab.order("family", f"r{attempt}")
        worker = lab.worker(lab.toys.work())
        raised: list[BaseException] = []
        thread = threading.Thread(target=drain, args=(worker, raised))
        thread.start()
        lab.wait_for(f"r{attempt} one begun")
        worker.stop()
        thread.join(20)
        assert not thread.is_alive()
        assert raised == []
        assert not lab.seat_taken()
    finish(lab, "r2")


def drain(worker: Worker, raised: list[BaseException]) -> None:
    try:
        worker.drain()
    except BaseException as error:
        raised.append(error)


def test_interrupt_ends_even_beside_a_body_that_does_not(sqlite_lab: Lab) -> None:
    """The seat is never given up beside a running body: the process ends, and the seat with it."""
    lab = sqlite_lab
    lab.order("stubborn", "r1")
    process = lab.process("r1", stop_s=0.5)
    lab.wait_for("r1 one begun")
    process.send(signal.SIGINT)
    assert process.wait() == 130
    assert "does not end" in lab.stderr()
    assert not lab.seat_taken()
    assert lab.states()["stubborn:r1"][0] == "PENDING"


def test_run_that_kills_its_process_is_given_up(lab: Lab) -> None:
    lab.order("deadly", "r1")
    ends = [lab.process("r1", attempts=1).wait() for _ in range(3)]
    assert ends == [-signal.SIGKILL, -signal.SIGKILL, 0], lab.stderr()
    assert lab.count("r1 one begun") == 2
    assert lab.count("r1 failed unexpected") == 1
    assert lab.states() == {}


def test_dead_host_is_taken_over(postgres_lab: Lab) -> None:
    lab = postgres_lab
    lab.order("family", "r1", host="h1")
    dead = lab.process("r1", host="h1")
    lab.wait_for("r1 one late")
    other = lab.process("r1", host="h2", watch="h1")
    lab.wait_for(f"h2 {other.pid} works")
    lab.order("three", "r2", host="h2")
    lab.wait_for("r2 three done")
    time.sleep(1.2)  # the watcher looks once a second: it must leave a living host alone
    assert lab.states()["family:r1"] == ("PENDING", "h1", "host.h1")
    dead.send(signal.SIGKILL)
    assert other.wait() == 0, lab.stderr()
    assert lab.toys.ended("r1")
    assert lab.states()["family:r1"] == ("SUCCESS", "h2", "host.h2")
    assert not lab.seat_taken("h1")


def test_zombie_records_nothing(postgres_lab: Lab) -> None:
    """A worker that lost its seat while it was frozen must not go on beside its successor."""
    lab = postgres_lab
    lab.order("three", "r1", host="h1")
    zombie = lab.process("r1", host="h1", pace_s=1.5)
    lab.wait_for("r1 one begun")
    zombie.send(signal.SIGSTOP)
    with lab.engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
        )
    lab.wait_for_free_seat()
    other = lab.process("r1", host="h2", watch="h1", locks="other machine")
    lab.wait_for("r1 one answered r1.one")
    zombie.send(signal.SIGCONT)
    assert other.wait() == 0, lab.stderr()
    assert zombie.wait() != 0
    assert lab.count("r1 two done") == 1
    assert lab.count("r1 three done") == 1
    assert lab.states()["three:r1"] == ("SUCCESS", "h2", "host.h2")

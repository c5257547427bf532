"""Worker processes killed at random moments while work keeps coming in. Bounded; prints its numbers."""

import random
import signal
import time

import pytest
from workflow.lab import Lab

NEVER = "never"
KILLS = {"sqlite": 60, "postgres": 40}
MOST_S = 240


@pytest.mark.long
@pytest.mark.timeout(MOST_S + 120)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_random_kills(kind: str, request: pytest.FixtureRequest) -> None:
    lab: Lab = request.getfixturevalue(f"{kind}_lab")
    chance = random.Random(4711)
    errand = {"attempts": 1000, "pace_s": 0.15}
    ordered: list[str] = []
    followers = [lab.process(NEVER, **errand) for _ in range(2)]
    killed_workers = killed_onlookers = 0
    began = time.monotonic()
    while killed_workers < KILLS[kind] and time.monotonic() - began < MOST_S:
        if sum(not lab.toys.ended(run_id) for run_id in ordered) < 3:
            ordered.append(f"r{len(ordered)}")
            lab.order("alone", ordered[-1])
        time.sleep(chance.uniform(0.0, 1.2))
        working = [f for f in followers if f"h1 {f.pid} works" in lab.journal()]
        victim = chance.choice(working if working and chance.random() < 0.8 else followers)
        victim.send(signal.SIGKILL)
        assert victim.wait() == -signal.SIGKILL
        killed_workers += victim in working
        killed_onlookers += victim not in working
        followers[followers.index(victim)] = lab.process(NEVER, **errand)
    lab.order("alone", "last")
    ordered.append("last")
    lab.toys.end(NEVER)
    last = lab.process("last", **errand)
    assert [process.wait(120) for process in (*followers, last)] == [0, 0, 0], lab.stderr()
    judge(lab, ordered)
    begun = sum(line.endswith(" begun") for line in lab.journal())
    kills = f"{killed_workers} workers and {killed_onlookers} onlookers killed in {time.monotonic() - began:.0f} s"
    print(f"\n{kind}: {kills}, {len(ordered)} runs, {begun} executions of {5 * len(ordered)} steps")
    assert killed_workers >= KILLS[kind], kills


def judge(lab: Lab, ordered: list[str]) -> None:
    """Every run ended well, every effect is there, nothing ran beside itself or again after it was recorded."""
    journal = lab.journal()
    assert [line for line in journal if line.endswith("overlap") or " failed " in line] == []
    assert {state for state, *_ in lab.states().values()} == {"SUCCESS"}
    assert set(lab.states()) == {f"alone:{run_id}" for run_id in ordered}
    for run_id in ordered:
        assert lab.toys.ended(run_id)
        for name in "abcde":
            assert (lab.folder / f"effect.{run_id}.{name}").is_dir()
            recorded = journal.index(f"{run_id} {name} answered {run_id}.{name}")
            assert f"{run_id} {name} begun" not in journal[recorded:]

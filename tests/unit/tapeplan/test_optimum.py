"""Against the best that could be done: for a few wishes everything can be tried."""

import random
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from unit.tapeplan.library import EPOCH, bound, fifo, requests
from unit.tapeplan.optimum import best

from restorekit.model.tapeplan import Drive, TapeWish
from restorekit.tapeplan import planned
from restorekit.tapeplan.policy import Policy, stay


class Ratios(NamedTuple):
    """What a plan needs, against the least that is possible."""

    makespan: float
    mean: float
    mounts: float


def case(seed: int, n: int, spanning: bool) -> tuple[list[TapeWish], list[Drive]]:
    """Four tapes, two drives; in every third case both hold a tape; one wish may need what another one needs, too."""
    wishes = requests(seed, n=n, tapes=4)
    random.Random(seed).shuffle(wishes)
    if spanning:
        wishes[0] = wishes[0].model_copy(update={"pieces": wishes[0].pieces + wishes[-1].pieces})
    return wishes, [Drive(volume="V0000"), Drive(volume="V0001")] if seed % 3 == 0 else [Drive(), Drive()]


def ratios(wishes: Sequence[TapeWish], drives: Sequence[Drive], policy: Policy = stay) -> Ratios:
    least, plan = best(wishes, drives), planned(wishes, drives, EPOCH, policy=policy)
    ends = [turn.ends_s for turn in plan.turns]
    mounts = (plan.mounts + 1) / (least.mounts + 1)
    found = Ratios(max(ends) / least.makespan_s, statistics.mean(ends) / least.mean_s, mounts)
    assert min(found) >= 1 - 1e-9, "nothing is better than the best"
    return found


def test_the_best_is_known_where_it_is_plain() -> None:
    """Two tapes, two drives, two wishes each: side by side, the short one of each first."""
    wishes = requests(1, n=12, tapes=2)
    one, two = (sorted((w for w in wishes if w.pieces[0].volume == v), key=size)[:2] for v in ("V0000", "V0001"))
    least = best([*one, *two], [Drive(), Drive()])
    ends = [planned(pair, [Drive()], EPOCH).turns for pair in (one, two)]
    assert least.mounts == 2
    assert least.makespan_s == pytest.approx(max(turns[-1].ends_s for turns in ends))


def size(wish: TapeWish) -> int:
    return wish.pieces[0].size_bytes or 0


def test_single_tapes_are_mounted_as_seldom_as_possible() -> None:
    for seed in range(30):
        wishes, drives = case(seed, 5, spanning=False)
        assert planned(wishes, drives, EPOCH).mounts == best(wishes, drives).mounts


@pytest.mark.parametrize(("n", "cases"), [(5, 40), pytest.param(6, 200, marks=pytest.mark.long)])
def test_near_the_best(n: int, cases: int) -> None:
    ours = [ratios(*case(seed, n, spanning=seed % 2 == 0)) for seed in range(cases)]
    makespan, mean, mounts = zip(*ours, strict=True)
    assert statistics.mean(makespan) < 1.2
    assert statistics.mean(mean) < 1.2
    assert statistics.mean(mounts) < 1.2
    assert max(makespan) < 2.5
    assert max(mean) < 2.5


def test_as_they_came_is_farther_from_it() -> None:
    """The measure tells policies apart."""
    cases = [case(seed, 5, spanning=False) for seed in range(20)]
    ours, theirs = ([ratios(*c, policy=policy) for c in cases] for policy in (stay, fifo))
    for measure in range(3):
        assert statistics.mean(r[measure] for r in ours) < statistics.mean(r[measure] for r in theirs)


def test_the_bound_for_many_is_a_bound_for_few() -> None:
    """What the simulation is held against: it knows less of the drives, so it is below the best."""
    for seed in range(20):
        wishes, drives = case(seed, 5, spanning=False)
        if not any(d.volume for d in drives):
            least, low = best(wishes, drives), bound(wishes)
            assert low.mounts == least.mounts
            assert low.makespan_h * 3600 <= least.makespan_s
            assert low.mean_h * 3600 <= least.mean_s

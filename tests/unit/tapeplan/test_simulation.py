"""Hours in front of a simulated library whose drives know more than the plan: who waits, and for how many mounts."""

import statistics
from collections.abc import Sequence
from datetime import timedelta

import pytest
from unit.tapeplan.library import (
    CAPACITY,
    EPOCH,
    FULL,
    Library,
    Outcome,
    along,
    bound,
    fifo,
    group,
    requests,
    smith,
    way,
    wish,
)

from restorekit.model.tapeplan import TapePlan, TapeWish
from restorekit.tapeplan import LTO8
from restorekit.tapeplan.jobs import AGED_S, DRILLS_S
from restorekit.tapeplan.policy import PATIENCE_S, stay
from restorekit.tapeplan.words import LATE


def mean(outcomes: Sequence[Outcome], what: str) -> float:
    return statistics.mean(getattr(o, what) for o in outcomes)


def test_the_model_has_the_average_ways_of_the_drive() -> None:
    points = [(n + 0.5) / 20_000 for n in range(20_000)]
    assert statistics.mean(way(0, x) for x in points) == pytest.approx(LTO8.locate_s, abs=1)
    assert statistics.mean(FULL * along(x) for x in points) == pytest.approx(LTO8.rewind_s, abs=1)
    hops = [way(a, b) for a, b in zip(points, points[7919:] + points[:7919], strict=True)]
    assert statistics.mean(hops) == pytest.approx(LTO8.hop_s, abs=5)


def test_all_at_once() -> None:
    """Every tape that is wanted is mounted once; as they came it would be 4 times as often, and twice the time."""
    wishes = requests(1, n=120, tapes=24)
    ours, theirs, least = Library(wishes).run(), Library(wishes, policy=fifo).run(), bound(wishes)
    assert set(ours.waits) == {w.id for w in wishes}
    assert ours.mounts == least.mounts
    assert ours.makespan / 3600 > least.makespan_h
    assert ours.mean_h > least.mean_h
    assert theirs.mounts > 4 * ours.mounts
    assert theirs.makespan > 2 * ours.makespan
    assert theirs.mean_h > 2 * ours.mean_h


def test_as_they_come() -> None:
    """200 in three hours, more than the drives can read: fewer mounts, and less waiting for everybody."""
    runs = [[Library(requests(s, hours=3), policy=p).run() for s in range(2)] for p in (None, fifo, smith)]
    ours, in_order, greedy = runs
    assert mean(ours, "mounts") < 0.7 * mean(in_order, "mounts")
    assert mean(ours, "mean_h") < 0.5 * mean(in_order, "mean_h")
    longest = [statistics.mean(o.percentile_h(1) for o in outcomes) for outcomes in runs]
    assert longest[0] < 0.6 * longest[1]
    assert longest[0] < 0.6 * longest[2], "who reads most per hour lets somebody wait"
    assert mean(greedy, "mean_h") < mean(ours, "mean_h"), "that is the price"


@pytest.mark.parametrize("hours", [0, 3, 10])
def test_what_was_promised(hours: float) -> None:
    """Of all who were told a range when they came, most are ready in it or earlier."""
    outcome = Library(requests(5, hours=hours)).run()
    ratios = [outcome.waits[name] / promised for name, promised in outcome.promised.items()]
    assert statistics.mean(r <= LATE for r in ratios) >= 0.95
    assert 0.8 <= statistics.median(ratios) <= 1.25


def test_a_busy_tape_does_not_starve_the_others() -> None:
    """Somebody always wants tape 0; who wants another one waits no longer than latecomers are borne with."""
    busy = [wish(n, 0, n * 37 % 97 / 100 * CAPACITY, 2e10, EPOCH + timedelta(seconds=75 * n)) for n in range(160)]
    other = wish(999, 1, 1e9, 2e9, EPOCH + timedelta(seconds=60))
    ours, endless = (Library([*busy, other], drives=1, policy=policy).run() for policy in (stay, group))
    assert endless.waits[other.id] > 0.9 * endless.makespan
    assert ours.waits[other.id] < 0.5 * ours.makespan
    begun = dict(ours.starts)
    ahead = [w for w in busy if begun[w.id] < begun[other.id]]
    assert all((w.arrived_at - other.arrived_at).total_seconds() <= PATIENCE_S for w in ahead)
    assert ours.mounts == 3


def test_drills_run_when_no_customer_waits_and_never_delay_one_for_long() -> None:
    customers = requests(3, n=60, tapes=10, hours=4)
    drills = [
        w.model_copy(update={"id": f"d{w.id}", "priority": "drill"}) for w in requests(4, n=60, tapes=10, hours=0)
    ]
    library, alone = Library([*customers, *drills]), Library(customers).run()
    library.watch = no_drill_before_a_customer
    both = library.run()
    assert set(both.waits) == {w.id for w in [*customers, *drills]}
    added = [both.waits[w.id] - alone.waits[w.id] for w in customers]
    assert max(added) < DRILLS_S + 600
    assert statistics.mean(added) < 300


def no_drill_before_a_customer(library: Library, plan: TapePlan) -> None:
    seen = [library.wishes[turn.ids[0]].priority for turn in plan.turns]
    assert seen == sorted(seen), "customers, then drills"


def test_drills_of_one_volume_are_one_job() -> None:
    drills = [wish(n, n % 3, n * 1e9, 1e8, priority="drill") for n in range(30)]
    outcome = Library(drills, drives=1).run()
    assert outcome.mounts == 3
    assert len({at for _, at in outcome.starts}) == 3


def test_a_drill_that_has_waited_for_a_day_has_its_turn() -> None:
    """There is always a customer who waits: without its age it would wait for ever."""
    drill = wish(999, 1, 1e9, 2e9, EPOCH - timedelta(seconds=AGED_S - 1800), priority="drill")
    crowd = [wish(n, 0, n * 37 % 97 / 100 * CAPACITY, 2e10, EPOCH + timedelta(seconds=75 * n)) for n in range(120)]
    begun = dict(Library([drill, *crowd], drives=1).run().starts)
    before = [w for w in crowd if begun[w.id] < begun[drill.id]]
    assert begun[drill.id] >= 1800
    assert {w.id for w in before} >= {w.id for w in crowd if w.arrived_at <= EPOCH + timedelta(seconds=1700)}
    assert all(w.arrived_at <= EPOCH + timedelta(seconds=1800 + PATIENCE_S) for w in before)
    assert len(before) < 90


def test_a_tape_on_a_shelf_elsewhere_holds_up_nobody() -> None:
    wishes: list[TapeWish] = requests(1, n=20, tapes=5)
    far = wishes[0].pieces[0].model_copy(update={"volume": "FAR", "in_library": False})
    wishes[0] = wishes[0].model_copy(update={"pieces": (*wishes[0].pieces, far)})
    library = Library(wishes)
    plans: list[TapePlan] = []
    library.watch = lambda _, plan: plans.append(plan)
    with pytest.raises(ValueError, match="empty"):  # the only one left waits for a person: nothing will ever happen
        library.run()
    assert set(library.outcome.waits) == {w.id for w in wishes[1:]}
    assert all(plan.waiting == {wishes[0].id: ("FAR",)} for plan in plans)

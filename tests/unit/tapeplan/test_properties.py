"""What must hold for every queue in front of every library."""

from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from unit.tapeplan.judge import judge
from unit.tapeplan.library import EPOCH

from restorekit.model.readiness import Piece
from restorekit.model.tapeplan import Drive, TapePlan, TapeWish
from restorekit.tapeplan import planned
from restorekit.tapeplan.policy import PATIENCE_S

BOUNDED = settings(max_examples=60, deadline=None, derandomize=True)
MOSTLY = st.integers(0, 9).map(bool)
VOLUMES = [f"V{n}" for n in range(6)]


@st.composite
def pieces(draw, here: st.SearchStrategy[bool]) -> Piece:
    start = draw(st.integers(0, 40)) << 31
    size = draw(st.one_of(st.none(), st.integers(0, 60_000_000_000)))
    long = draw(st.integers(0, 2**33))
    volume = draw(st.sampled_from(VOLUMES))
    return Piece(volume=volume, start=start, end=start + long, size_bytes=size, in_library=draw(here))


@st.composite
def queues(draw, most: int = 14, here: st.SearchStrategy[bool] | None = None) -> list[TapeWish]:
    return [
        TapeWish(
            id=f"r{number}",
            pieces=tuple(draw(st.lists(pieces(MOSTLY if here is None else here), max_size=3))),
            arrived_at=EPOCH - timedelta(seconds=draw(st.integers(-60, 200_000))),
            priority=draw(st.sampled_from(["customer", "drill"])),
        )
        for number in range(draw(st.integers(0, most)))
    ]


@st.composite
def libraries(draw, least: int = 0) -> list[Drive]:
    """Nothing is in two drives; half of the drives have nothing to do."""
    rest = draw(st.permutations(VOLUMES))
    drives = []
    for _ in range(draw(st.integers(least, 3))):
        inside = rest.pop() if draw(st.booleans()) else ""
        if draw(st.booleans()):
            coming = (rest.pop(),) if draw(st.booleans()) else ()
            drives.append(Drive(volume=inside, free_in_s=draw(st.integers(1, 4000)), coming=coming))
        else:
            drives.append(Drive(volume=inside))
    return drives


@BOUNDED
@given(queues(), libraries())
def test_every_plan_can_be_carried_out(wishes, drives) -> None:
    judge(planned(wishes, drives, EPOCH), wishes, drives, EPOCH)


@BOUNDED
@given(queues(), libraries(), st.randoms(use_true_random=False))
def test_the_order_of_the_wishes_means_nothing(wishes, drives, rng) -> None:
    shuffled = rng.sample(wishes, len(wishes))
    assert planned(shuffled, drives, EPOCH).digest == planned(wishes, drives, EPOCH).digest


@BOUNDED
@given(queues(), libraries(least=1))
def test_drills_cost_a_customer_nothing(wishes, drives) -> None:
    """Those that have not begun, and have not waited for a day."""
    urgent = [w for w in wishes if w.priority == "customer" or EPOCH - w.arrived_at >= timedelta(days=1)]
    with_drills, without = (planned(queue, drives, EPOCH) for queue in (wishes, urgent))
    assert with_drills.turns[: len(without.turns)] == without.turns


@BOUNDED
@given(queues(), libraries(least=1), st.lists(pieces(st.just(True)), min_size=1, max_size=2))
def test_who_arrives_is_never_behind_a_drill_that_has_not_begun(wishes, drives, wanted) -> None:
    wishes = [w for w in wishes if w.priority == "customer" or EPOCH - w.arrived_at < timedelta(days=1)]
    arrived = TapeWish(id="new", pieces=tuple(wanted), arrived_at=EPOCH)
    plan = planned([*wishes, arrived], drives, EPOCH)
    drills = {w.id for w in wishes if w.priority == "drill"}
    ahead = plan.turns[: (plan.place("new") or 0) - 1]
    assert not drills & {name for turn in ahead for name in turn.ids}


@BOUNDED
@given(queues(here=st.just(True)), libraries(least=1))
def test_nobody_is_overtaken_by_somebody_much_younger(wishes, drives) -> None:
    """Unless the tape is in use, or kept free for somebody who came as much earlier still."""
    wishes = [w.model_copy(update={"priority": "customer"}) for w in wishes]
    plan = planned(wishes, drives, EPOCH)
    begins = {w.id: plan.turns[(plan.place(w.id) or 0) - 1].starts_s for w in wishes}
    for old, young in permutations(wishes, 2):
        at = begins[young.id]
        if much_later(young, old) and begins[old.id] > at:
            kept = any(
                much_later(old, oldest) and begins[oldest.id] > at and tapes(oldest) & tapes(old) for oldest in wishes
            )
            assert kept or in_use(plan, drives, tapes(old), at), (old.id, young.id)


def much_later(one: TapeWish, other: TapeWish) -> bool:
    return (one.arrived_at - other.arrived_at).total_seconds() > PATIENCE_S


def tapes(wish: TapeWish) -> set[str]:
    return {p.volume for p in wish.pieces}


def in_use(plan: TapePlan, drives: list[Drive], volumes: set[str], at: float) -> bool:
    running = any(d.free_in_s > at and volumes & {d.volume, *d.coming} for d in drives)
    return running or any(t.starts_s <= at < t.ends_s and volumes & set(t.volumes) for t in plan.turns)


@BOUNDED
@given(queues(most=8, here=st.just(True)), libraries(least=1), st.integers(1, 900))
def test_planning_again_later_changes_nothing_that_has_begun(wishes, drives, later) -> None:
    """What begins now has the drive; the next plan keeps out of its way, whoever has come by then."""
    plan = planned(wishes, drives, EPOCH)
    begun = {t.drive: t for t in plan.turns if t.starts_s == 0 and t.ends_s > later}
    left = [w for w in wishes if not any(w.id in t.ids for t in plan.turns if t.starts_s < later)]
    assume(left)
    after = [
        Drive(volume=begun[n].volumes[0], free_in_s=begun[n].ends_s - later, coming=begun[n].volumes[1:])
        if n in begun and begun[n].volumes
        else d.model_copy(update={"free_in_s": max(d.free_in_s - later, 1.0), "volume": ""})
        for n, d in enumerate(drives)
    ]
    now = EPOCH + timedelta(seconds=later)
    new = TapeWish(id="new", pieces=wishes[0].pieces, arrived_at=now)
    judge(planned([*left, new], after, now), [*left, new], after, now)


def swapped(plan: TapePlan, **changes) -> TapePlan:
    return plan.model_copy(update={"turns": (plan.turns[0].model_copy(update=changes), *plan.turns[1:])})


def test_the_judge_is_no_friend() -> None:
    """Every plan that could not be carried out is told from one that can."""
    wishes = [
        TapeWish(id=f"r{n}", pieces=(Piece(volume=v, start=n, end=n, size_bytes=10**9),), arrived_at=EPOCH, priority=p)
        for n, (v, p) in enumerate([("V1", "customer"), ("V1", "customer"), ("V2", "customer"), ("V3", "drill")])
    ]
    drives = [Drive(volume="V1"), Drive(volume="V9", free_in_s=50)]
    plan = planned(wishes, drives, EPOCH)
    judge(plan, wishes, drives, EPOCH)
    first, second, third, drill = plan.turns
    lies = {
        "served": plan.model_copy(update={"turns": plan.turns[1:], "mounts": plan.mounts}),
        "one job": plan.model_copy(
            update={"turns": (first, second.model_copy(update={"starts_s": 1.0}), third, drill)}
        ),
        "taken away": plan.model_copy(
            update={"turns": (first, third.model_copy(update={"starts_s": 40}), second, drill)}
        ),
        "two drives": swapped(plan, drive=1, starts_s=50.0, ends_s=90.0),
        "mounts": plan.model_copy(update={"mounts": plan.mounts - 1}),
        "a drill before": plan.model_copy(
            update={
                "turns": (
                    drill.model_copy(update={"starts_s": 0, "ends_s": 60}),
                    *(
                        t.model_copy(update={"starts_s": t.starts_s + 60, "ends_s": t.ends_s + 60})
                        for t in (first, second, third)
                    ),
                )
            }
        ),
        "other tapes": swapped(plan, volumes=("V7",)),
        "faster than light": swapped(plan, ends_s=1.0),
    }
    for lie in lies.values():
        with pytest.raises(AssertionError):
            judge(lie, wishes, drives, EPOCH)

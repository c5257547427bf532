"""Queues as they happen, each with the plan that a person would make."""

import time
from datetime import timedelta

import pytest
from unit.tapeplan.library import EPOCH, requests

from restorekit.model.readiness import Piece
from restorekit.model.tapeplan import Drive, TapePlan, TapeWish
from restorekit.tapeplan import LTO8, Costs, estimate, planned
from restorekit.tapeplan.costs import size
from restorekit.tapeplan.jobs import DRILLS_S

GB = 10**9


def piece(volume: str, start: int = 0, gigabytes: float = 1, **more) -> Piece:
    return Piece(volume=volume, start=start, end=start + 10, size_bytes=int(gigabytes * GB), **more)


def customer(name: str, *pieces: Piece, minutes_ago: float = 0, **more) -> TapeWish:
    return TapeWish(id=name, pieces=pieces, arrived_at=EPOCH - timedelta(minutes=minutes_ago), **more)


def drill(name: str, *pieces: Piece, hours_ago: float = 1) -> TapeWish:
    return customer(name, *pieces, minutes_ago=60 * hours_ago, priority="drill")


def order(plan: TapePlan) -> list[str]:
    return ["+".join(turn.ids) for turn in plan.turns]


def test_nothing_to_do() -> None:
    assert planned([], [Drive()], EPOCH) == TapePlan()


def test_one_wish_in_an_empty_drive() -> None:
    plan = planned([customer("a", piece("V1"))], [Drive()], EPOCH)
    (turn,) = plan.turns
    assert (turn.drive, turn.volumes, turn.mounts, turn.starts_s) == (0, ("V1",), 1, 0)
    assert turn.ends_s == pytest.approx(15 + 15 + 59 + 1e9 / 300e6 + 3.4)
    assert (plan.place("a"), plan.place("nobody")) == (1, None)


def test_the_mounted_tape_first_then_who_waits_longest() -> None:
    wishes = [
        customer("old", piece("V2"), minutes_ago=30),
        customer("young", piece("V1"), minutes_ago=1),
        customer("older", piece("V3"), minutes_ago=40),
    ]
    assert order(planned(wishes, [Drive(volume="V1")], EPOCH)) == ["young", "older", "old"]
    assert order(planned(wishes, [Drive()], EPOCH)) == ["older", "old", "young"]


def test_along_the_tape() -> None:
    wishes = [customer(n, piece("V1", at), minutes_ago=m) for n, at, m in [("c", 30, 9), ("a", 10, 1), ("b", 20, 5)]]
    plan = planned(wishes, [Drive()], EPOCH)
    assert order(plan) == ["a", "b", "c"]
    assert [turn.mounts for turn in plan.turns] == [1, 0, 0]


def test_who_comes_later_does_not_get_ahead_by_a_better_place_on_the_tape() -> None:
    far = [customer(n, piece("V1", at), minutes_ago=20) for n, at in [("far", 900), ("farther", 950)]]
    plan = planned([*far, customer("late", piece("V1", 5), minutes_ago=1)], [Drive(volume="V1")], EPOCH)
    assert order(plan) == ["far", "farther", "late"]


def test_the_mounted_tape_is_left_for_somebody_who_came_long_before() -> None:
    wishes = [
        customer("long", piece("V2"), minutes_ago=90),
        customer("latecomer", piece("V1"), minutes_ago=1),
        customer("soon", piece("V1"), minutes_ago=40),
    ]
    assert order(planned(wishes, [Drive(volume="V1")], EPOCH)) == ["soon", "long", "latecomer"]


def test_a_tape_in_the_other_drive_is_read_there() -> None:
    wishes = [customer("a", piece("V1"), minutes_ago=9), customer("b", piece("V2"))]
    plan = planned(wishes, [Drive(), Drive(volume="V1")], EPOCH)
    assert [(plan.turn(name).drive, plan.turn(name).mounts) for name in "ab"] == [(1, 0), (0, 1)]


def test_the_drive_that_nobody_wants_to_stay_takes_the_next_tape() -> None:
    wishes = [customer("a", piece("V1")), customer("old", piece("V9"), minutes_ago=70)]
    plan = planned(wishes, [Drive(volume="V1"), Drive(volume="V7")], EPOCH)
    assert [(plan.turn(name).drive, plan.turn(name).mounts) for name in ("a", "old")] == [(0, 0), (1, 1)]


def test_a_volume_that_is_being_read_is_waited_for() -> None:
    running = [Drive(volume="V1", free_in_s=500), Drive()]
    plan = planned([customer("a", piece("V1"))], running, EPOCH)
    assert (plan.turns[0].drive, plan.turns[0].starts_s, plan.turns[0].mounts) == (0, 500, 0)


def test_a_volume_that_a_job_will_still_put_in_is_waited_for() -> None:
    running = [Drive(volume="V1", free_in_s=500, coming=("V2",)), Drive()]
    plan = planned([customer("a", piece("V2"))], running, EPOCH)
    assert (plan.turns[0].drive, plan.turns[0].starts_s, plan.turns[0].mounts) == (0, 500, 0)


def test_several_volumes_are_one_job_in_one_drive_each_mounted_once() -> None:
    wish = customer("a", piece("V2", 5), piece("V1", 9), piece("V2", 1))
    plan = planned([wish], [Drive(volume="V1"), Drive()], EPOCH)
    (turn,) = plan.turns
    assert (turn.volumes, turn.mounts) == (("V2", "V1"), 2)


def test_a_volume_is_fetched_from_a_drive_that_has_nothing_to_do() -> None:
    wish = customer("a", piece("V1"), piece("V2"))
    plan = planned([wish], [Drive(volume="V1"), Drive(volume="V2")], EPOCH)
    (turn,) = plan.turns
    assert (turn.drive, turn.mounts) == (0, 1)
    assert turn.ends_s == pytest.approx(estimate(wish.pieces, "V1") + LTO8.dismount_s)


def test_two_busy_tapes_do_not_starve_who_needs_both() -> None:
    both = customer("both", piece("V1"), piece("V2"), minutes_ago=200)
    crowd = [customer(f"{v}{n}", piece(v, n), minutes_ago=100 - n) for v in ("V1", "V2") for n in range(20)]
    drives = [Drive(volume="V1", free_in_s=50), Drive(volume="V2", free_in_s=90)]
    assert order(planned([both, *crowd], drives, EPOCH))[0] == "both"
    other = customer("other", piece("V3"), minutes_ago=95)
    assert order(planned([both, other, *crowd], drives, EPOCH))[:2] == ["other", "both"]


def test_customers_before_drills_and_drills_of_a_volume_together() -> None:
    wishes = [
        drill("d1", piece("V1", 7), hours_ago=2),
        drill("d2", piece("V2")),
        drill("d3", piece("V1", 3)),
        customer("a", piece("V3")),
        customer("b", piece("V3")),
    ]
    plan = planned(wishes, [Drive(volume="V1")], EPOCH)
    assert order(plan) == ["a", "b", "d3+d1", "d2"]
    assert plan.turns[2].mounts == 1


def test_a_drill_may_use_the_mounted_tape_when_no_customer_waits() -> None:
    wishes = [drill("old", piece("V2"), hours_ago=9), drill("here", piece("V1"), hours_ago=1)]
    assert order(planned(wishes, [Drive(volume="V1")], EPOCH)) == ["here", "old"]


def test_a_drive_stays_free_rather_than_begin_a_drill_while_a_customer_waits() -> None:
    """His tape is busy now, and nobody knows what he will need next."""
    wishes = [customer("a", piece("V1")), drill("d", piece("V2"))]
    plan = planned(wishes, [Drive(volume="V1", free_in_s=300), Drive(volume="V2")], EPOCH)
    assert [(t.ids, t.starts_s) for t in plan.turns] == [(("a",), 300), (("d",), 300)]


def test_drills_that_would_take_too_long_are_several_jobs() -> None:
    drills = [drill(f"d{n:02}", piece("V1", n * 100, 60)) for n in range(30)]
    plan = planned(drills, [Drive()], EPOCH)
    assert len(plan.turns) > 2
    assert sum(turn.mounts for turn in plan.turns) == 1
    assert all(turn.ends_s - turn.starts_s <= DRILLS_S + LTO8.mount_s + LTO8.locate_s for turn in plan.turns)
    huge = [drill(f"h{n}", piece("V1", n, 5000)) for n in range(3)]
    assert order(planned(huge, [Drive()], EPOCH)) == ["h0", "h1", "h2"]


def test_a_drill_that_has_waited_for_a_day_is_like_a_customer_who_comes_then() -> None:
    aged = drill("aged", piece("V2"), hours_ago=26)
    wishes = [aged, customer("a", piece("V1"), minutes_ago=10), customer("b", piece("V1"), minutes_ago=110)]
    assert order(planned(wishes, [Drive(volume="V1")], EPOCH)) == ["b", "aged", "a"]


def test_a_tape_on_a_shelf_elsewhere() -> None:
    far = customer("far", piece("V1"), piece("V8", in_library=False), piece("V9", in_library=False), minutes_ago=500)
    plan = planned([far, customer("a", piece("V1"))], [Drive()], EPOCH)
    assert plan.waiting == {"far": ("V8", "V9")}
    assert order(plan) == ["a"]
    assert plan.turns[0].starts_s == 0


def test_a_library_without_drives() -> None:
    wishes = [customer("a", piece("V1")), customer("far", piece("V9", in_library=False))]
    assert planned(wishes, [], EPOCH) == TapePlan(waiting={"a": (), "far": ("V9",)})


def test_a_wish_without_pieces_waits_for_a_drive_only() -> None:
    plan = planned([customer("a")], [Drive(volume="V1", free_in_s=9)], EPOCH)
    assert [(t.starts_s, t.mounts, t.volumes) for t in plan.turns] == [(9, 0, ())]


def test_fast_enough_for_every_arrival() -> None:
    wishes, drives = requests(0), [Drive(), Drive()]
    took = []
    for _ in range(5):
        began = time.process_time()
        planned(wishes, drives, EPOCH)
        took.append(time.process_time() - began)
    assert min(took) < 0.05


def test_sizes_are_guessed_from_positions() -> None:
    """On a tape: file marks above, blocks below. In a file: bytes; then at most four times too small."""
    tape = Piece(volume="V1", start=(1 << 32) + 15_000, end=(3 << 32) + 100)
    assert size(tape) == 2 * GB - 14_900 * 64_512
    gigabytes = 30
    disk = Piece(volume="V1", start=123, end=123 + gigabytes * GB)
    assert gigabytes * GB / 4.3 < size(disk) <= gigabytes * GB
    assert size(Piece(volume="V1", start=0, end=5_000_000)) <= GB
    assert size(Piece(volume="V1", start=9, end=3)) == 0
    assert size(Piece(volume="V1", start=0, end=7 << 32, size_bytes=-1)) == 0


def test_what_a_job_costs() -> None:
    near = [piece("V1", 0, 0.3), piece("V1", 11, 0.3)]
    far = [piece("V1", 0, 0.3), piece("V1", 99, 0.3)]
    rest = 2 + 3.4
    assert estimate(near) == pytest.approx(30 + 59 + rest)
    assert estimate(near, "V1") == pytest.approx(41 + rest)
    assert estimate(near, "V7") == pytest.approx(55 + 24 + 15 + 30 + 59 + rest)
    assert estimate(far) == pytest.approx(30 + 59 + 41 + rest)
    assert estimate(reversed(far)) == estimate(far)
    assert estimate([]) == pytest.approx(3.4)
    assert estimate(near, costs=Costs(load_s=100)) == pytest.approx(estimate(near) + 85)


def test_costs_that_make_no_sense_are_refused() -> None:
    for wrong in ({"bytes_per_s": 0}, {"load_s": -1}, {"rewind_s": float("nan")}, {"colour": 1}):
        with pytest.raises(ValueError, match=r"bytes_per_s|load_s|rewind_s|colour"):
            Costs(**wrong)

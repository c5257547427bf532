"""What no plan may do, told from the plan alone: it knows nothing of how plans are made."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import combinations, pairwise

from restorekit.model.tapeplan import Drive, TapePlan, TapeWish, Turn

DAY = timedelta(days=1)


def judge(plan: TapePlan, wishes: Sequence[TapeWish], drives: Sequence[Drive], now: datetime) -> None:
    here = [w for w in wishes if drives and all(p.in_library for p in w.pieces)]
    served = Counter(name for turn in plan.turns for name in turn.ids)
    assert served == Counter(w.id for w in here), "everybody whose tapes are here is served, once"
    assert set(plan.waiting) == {w.id for w in wishes} - set(served), "nobody is forgotten"
    for wish in wishes:
        if wish.id in plan.waiting:
            assert set(plan.waiting[wish.id]) == {p.volume for p in wish.pieces if not p.in_library}
    assert list(plan.turns) == sorted(plan.turns, key=lambda turn: turn.starts_s)
    one_thing_at_a_time(plan.turns, drives)
    right_tapes(plan, {w.id: w for w in wishes})
    assert plan.mounts == sum(turn.mounts for turn in plan.turns) == mounted(plan.turns, drives)
    assert plan.mounts >= at_least(here, drives)
    customers_first(plan.turns, {w.id: w for w in wishes}, now)


def one_thing_at_a_time(turns: Sequence[Turn], drives: Sequence[Drive]) -> None:
    for number, drive in enumerate(drives):
        mine = [turn for turn in turns if turn.drive == number]
        assert all(turn.starts_s >= drive.free_in_s for turn in mine), "what runs is not taken away"
        assert all(a.ends_s <= b.starts_s for a, b in pairwise(mine)), "a drive has one job at a time"
        for turn in turns:
            if turn.drive != number and turn.starts_s < drive.free_in_s:
                assert not {drive.volume, *drive.coming} & set(turn.volumes), "a volume that is being read"
    assert {turn.drive for turn in turns} <= set(range(len(drives)))
    for a, b in combinations(turns, 2):
        if a.drive != b.drive and a.starts_s < b.ends_s and b.starts_s < a.ends_s:
            assert not set(a.volumes) & set(b.volumes), "a volume in two drives"


def right_tapes(plan: TapePlan, wishes: dict[str, TapeWish]) -> None:
    for turn in plan.turns:
        pieces = [p for name in turn.ids for p in wishes[name].pieces]
        assert len(turn.volumes) == len(set(turn.volumes))
        assert set(turn.volumes) == {p.volume for p in pieces}
        first = wishes[turn.ids[0]].pieces
        assert turn.volumes == tuple(dict.fromkeys(p.volume for p in first)), "in the order of the wish"
        assert turn.ends_s - turn.starts_s >= sum(p.size_bytes or 0 for p in pieces) / 300e6
        if len(turn.ids) > 1:
            assert {wishes[name].priority for name in turn.ids} == {"drill"}, "a customer has a job of his own"


def mounted(turns: Sequence[Turn], drives: Sequence[Drive]) -> int:
    """How often a tape is put in if the turns happen in that order."""
    inside = [drive.coming[-1] if drive.coming else drive.volume for drive in drives]
    count = 0
    for turn in turns:
        for volume in turn.volumes:
            if inside[turn.drive] != volume:
                count += 1
                inside = ["" if there == volume else there for there in inside]
                inside[turn.drive] = volume
    return count


def at_least(wishes: Sequence[TapeWish], drives: Sequence[Drive]) -> int:
    """Every tape that is wanted and in no drive has to be put in once."""
    wanted = {p.volume for w in wishes for p in w.pieces}
    return len(wanted - {v for d in drives for v in (d.volume, *d.coming)})


def customers_first(turns: Sequence[Turn], wishes: dict[str, TapeWish], now: datetime) -> None:
    customers = [t.starts_s for t in turns if wishes[t.ids[0]].priority == "customer"]
    for turn in turns:
        fresh = all(wishes[i].priority == "drill" and now - wishes[i].arrived_at < DAY for i in turn.ids)
        if fresh and customers:
            assert turn.starts_s >= max(customers), "a drill before a customer"

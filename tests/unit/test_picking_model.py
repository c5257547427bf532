"""The model of picking keeps its own promises, on many random databases: else it judges nobody."""

import functools
from collections import Counter

import pytest
from contract.picking_model import Picked, choose
from contract.picking_worlds import World

from restorekit.model.pick import Pick

SEEDS = range(300)


@functools.cache
def picked(seed: int) -> list[Picked]:
    world = World(seed)
    return [choose(world.pair, asked.pick, asked.fulfils) for asked in world.picks(6)]


@pytest.mark.parametrize("start", range(0, len(SEEDS), 100))
def test_whatever_is_picked_nothing_is_torn(start: int) -> None:
    for seed in SEEDS[start : start + 100]:
        for one in picked(seed):
            pair, after = one.pair, one.result
            before = pair.orphans(pair.live)
            assert not pair.orphans(after) - before, (seed, one.pick)
            for table in pair.tables:
                for unique in (*table.unique, *([table.key] if table.key else ())):
                    values = Counter(v for r in after[table.name] if None not in (v := table.of(r, unique)))
                    assert max(values.values(), default=1) == 1, (seed, one.pick, table.name)


def test_rows_that_only_live_has_stay_where_new_ones_are_kept() -> None:
    for seed in SEEDS:
        for one in picked(seed):
            if one.pick.keep_new:
                assert not [n for n in one.written if one.pair.found[n].op == "D"], seed


def test_everything_of_every_table_is_the_backup() -> None:
    met = 0
    for seed in SEEDS:
        pair = World(seed).pair
        one = choose(pair, Pick())
        keyed = [t for t in pair.tables if t.key]
        if not one.troubles:
            met += 1
            assert all(set(one.result[t.name]) == set(pair.backup[t.name]) for t in keyed), seed
            assert one.written == set(pair.found)
    assert met > len(SEEDS) // 2


def test_the_worlds_are_worth_it() -> None:
    """Every kind of conflict, every resolution, parents pulled in, keys that differ by case: none is rare."""
    seen: Counter[str] = Counter()
    for seed in SEEDS:
        for one in picked(seed):
            seen.update({kind for _, kind in one.kinds})
            seen.update({f"{kind} {one.pick.conflicts}" for _, kind in one.kinds})
            seen["pulled"] += bool(one.pulled)
            seen["written"] += len(one.written) > 2
            seen["filtered"] += one.pick.filtered
            keys = [(d, one.pair.table(n[0])) for n, d in one.pair.found.items() if d.live and d.backup]
            seen["case"] += any(
                [d.live[t.columns.index(t.column(k))] for k in t.key]
                != [d.backup[t.columns.index(t.column(k))] for k in t.key]
                for d, t in keys
            )
    few = {
        what: seen[what]
        for what in (
            *("id_reused", "unique_taken", "parent_missing", "has_children", "pulled", "written", "filtered", "case"),
            *(
                f"{kind} {by}"
                for kind in ("id_reused", "unique_taken", "has_children")
                for by in ("theirs", "skip", None)
            ),
            "id_reused ours",
        )
        if seen[what] < 3
    }
    assert not few, dict(seen)

"""The model of picking keeps its own promises, on many random databases: else it judges nobody."""

import functools
from collections import Counter

import pytest
from contract.picking import PickingContract
from contract.picking_model import Picked, choose
from contract.picking_worlds import World

from restorekit.model.pick import Pick

SEEDS = range(600)
CONFLICTS = ("id_reused", "stranger", "unique_taken", "parent_missing", "has_children")


@functools.cache
def picked(seed: int) -> list[Picked]:
    world = World(seed)
    return [choose(world.pair, asked.pick, asked.fulfils) for asked in world.picks(6)]


@pytest.mark.parametrize("start", range(0, len(SEEDS), 200))
def test_whatever_is_picked_nothing_is_torn(start: int) -> None:
    for seed in SEEDS[start : start + 200]:
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


def test_few_worlds_show_all_there_is_to_see() -> None:
    """What `make test` tries has every trait that many worlds have: conflicts, resolutions, kinds of keys, closures."""
    everything = set().union(*(one.traits for seed in SEEDS for one in picked(seed)))
    conflicts = {f"{kind} {by}" for kind in CONFLICTS for by in ("ours", "theirs", "skip", None)}
    assert conflicts - everything == {"stranger theirs"}  # a row that may hang on a stranger is in no conflict
    assert {"taken along", "key rewritten", "unique moves", "pulled partial=False", "points at itself"} <= everything
    shown = set().union(*(one.traits for seed in PickingContract.seeds for one in picked(seed)))
    assert not everything - shown, f"{telling(everything)} would do"


def telling(wanted: set[str]) -> list[int]:
    """Seeds of few worlds that together have all these traits."""
    by_seed = {seed: set().union(*(one.traits for one in picked(seed))) for seed in SEEDS}
    found = []
    while wanted:
        found.append(max(SEEDS, key=lambda seed: len(by_seed[seed] & wanted)))
        wanted = wanted - by_seed[found[-1]]
    return found

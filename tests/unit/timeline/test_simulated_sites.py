"""Hit rates on made-up customers: the accident, the last serious change, and nothing claimed that is not so."""

from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from unit.timeline.sites import ACCIDENTS, BERLIN, PROFILES, Trace, at, made

from restorekit.model.changes import Episode, History
from restorekit.timeline import Labels, history

NEAR_MIN = 20


@dataclass
class Score:
    traces: int = 0
    accidents: int = 0
    accidents_found: int = 0
    false: int = 0
    serious_found: int = 0
    nothing_claimed: int = 0


def judged(trace: Trace) -> History:
    return history(trace.tallies, trace.blows, trace.stretches, zone=BERLIN, labels=Labels(), now=at(trace.end))


def near(moment: float, minute: int | None) -> bool:
    return minute is not None and abs(moment / 60 - minute) <= NEAR_MIN


def is_last_edit(episode: Episode | None, trace: Trace) -> bool:
    return episode is not None and near(episode.end.timestamp(), trace.last_edit)


def scored(profiles: Iterable[str], seeds: Iterable[int], days: int = 14, kinds: Iterable[str] = ACCIDENTS) -> Score:
    score = Score()
    for profile, seed, kind in ((p, s, k) for p in profiles for s in seeds for k in kinds):
        trace = made(profile, seed, kind, days)
        found = judged(trace)
        accidents = [e for e in found.episodes if e.kind == "accident"]
        real = [e for e in accidents if kind != "none" and near(e.start.timestamp(), trace.accident)]
        score.traces += 1
        score.accidents += kind != "none"
        score.accidents_found += bool(real) and found.accident == real[-1]
        score.false += len(accidents) - len(real)
        score.serious_found += is_last_edit(found.last_serious, trace)
        score.nothing_claimed += found.restless and found.last_serious is None
    return score


@pytest.mark.parametrize("profile", PROFILES)
def test_a_site(profile: str) -> None:
    score = scored((profile,), (100,))
    assert score.accidents_found == score.accidents == len(ACCIDENTS) - 1
    assert score.false == 0
    assert score.serious_found >= score.traces - 1


def test_a_newsroom_gets_no_wrong_claim() -> None:
    score = scored(("newsroom",), (100,), kinds=("drop",))
    assert score.accidents_found == score.nothing_claimed == 1
    assert score.false == 0


@pytest.mark.long
@pytest.mark.parametrize(("days", "accidents", "serious", "false"), [(14, 0.95, 0.9, 0.0), (30, 0.95, 0.9, 0.0)])
def test_hit_rates(days: int, accidents: float, serious: float, false: float) -> None:
    score = scored(PROFILES, range(200, 204 if days == 14 else 202), days)
    assert score.accidents_found >= accidents * score.accidents
    assert score.serious_found >= serious * score.traces
    assert score.false <= false * score.traces


@pytest.mark.long
def test_newsrooms() -> None:
    score = scored(("newsroom",), range(200, 203))
    assert score.accidents_found == score.accidents
    assert score.nothing_claimed == score.traces
    assert score.false == 0

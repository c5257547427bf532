"""Hit rates on made-up customers: the accident, the last serious change, and nothing claimed that is not so."""

from collections.abc import Iterable
from dataclasses import dataclass

from unit.timeline.sites import ACCIDENTS, BERLIN, Trace, at, made

from restorekit.model.changes import Episode, History
from restorekit.timeline import Labels, history

NEAR_MIN = 20


@dataclass
class Score:
    accidents: int = 0
    accidents_found: int = 0
    false: int = 0
    traces: int = 0
    serious_found: int = 0


def judged(trace: Trace) -> History:
    return history(trace.tallies, trace.blows, trace.stretches, zone=BERLIN, labels=Labels(), now=at(trace.end))


def near(moment: float, minute: int | None) -> bool:
    return minute is not None and abs(moment / 60 - minute) <= NEAR_MIN


def is_last_edit(episode: Episode | None, trace: Trace) -> bool:
    return episode is not None and near(episode.end.timestamp(), trace.last_edit)


def scored(profiles: Iterable[str], seeds: Iterable[int], days: int = 14) -> Score:
    score = Score()
    for profile, seed, kind in ((p, s, k) for p in profiles for s in seeds for k in ACCIDENTS):
        trace = made(profile, seed, kind, days)
        found = judged(trace)
        accidents = [e for e in found.episodes if e.kind == "accident"]
        real = [e for e in accidents if kind != "none" and near(e.start.timestamp(), trace.accident)]
        score.traces += 1
        score.accidents += kind != "none"
        score.accidents_found += bool(real) and found.accident == real[-1]
        score.false += len(accidents) - len(real)
        score.serious_found += is_last_edit(found.last_serious, trace)
    return score


def test_a_few_sites() -> None:
    score = scored(("blog", "quiet"), (100,))
    assert score.accidents_found == score.accidents == 10
    assert score.false == 0
    assert score.serious_found >= score.traces - 1

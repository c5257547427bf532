"""The best that could be done for a few wishes, by trying everything. It shares the model of the drives, not the plan.

Every schedule in which jobs begin in some order, each as soon as its drive and its tapes are free, in that order; among
those is a best one for every measure that never grows when something ends earlier.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from restorekit.model.tapeplan import Drive, TapeWish
from restorekit.tapeplan import LTO8, estimate


class Best(NamedTuple):
    makespan_s: float
    mean_s: float
    mounts: int


class _State(NamedTuple):
    """What every drive holds and when it is free; when each volume was last used; what it cost so far."""

    inside: tuple[str, ...]
    free_s: tuple[float, ...]
    used: tuple[tuple[str, float], ...]
    began_s: float
    total_s: float
    mounts: int


@dataclass
class _Search:
    wishes: Sequence[TapeWish]
    best: Best = field(default_factory=lambda: Best(float("inf"), float("inf"), 10**9))
    cost: dict[tuple[int, str], float] = field(default_factory=dict)

    def go(self, left: frozenset[int], state: _State) -> None:
        span, mean = max(state.free_s), state.total_s / len(self.wishes)
        if not left:
            self.best = Best(*map(min, self.best, (span, mean, state.mounts)))
        elif span < self.best.makespan_s or mean < self.best.mean_s or state.mounts < self.best.mounts:
            for number in left:
                for drive in range(len(state.inside)):
                    self.go(left - {number}, self._begun(number, drive, state))

    def _begun(self, number: int, drive: int, state: _State) -> _State:
        volumes = list(dict.fromkeys(p.volume for p in self.wishes[number].pieces))
        inside, free, used = list(state.inside), list(state.free_s), dict(state.used)
        begins = max([state.began_s, free[drive], *(used.get(v, 0.0) for v in volumes)])
        taken = [n for n, v in enumerate(inside) if n != drive and v in volumes]
        seconds = self._seconds(number, inside[drive]) + LTO8.dismount_s * len(taken)
        for other in taken:
            inside[other] = ""
        mounts = len(volumes) - (volumes[0] == inside[drive])
        inside[drive], free[drive] = volumes[-1], begins + seconds
        used |= dict.fromkeys(volumes, begins + seconds)
        total = state.total_s + begins + seconds
        return _State(tuple(inside), tuple(free), tuple(used.items()), begins, total, state.mounts + mounts)

    def _seconds(self, number: int, inside: str) -> float:
        if (number, inside) not in self.cost:
            self.cost[number, inside] = estimate(self.wishes[number].pieces, inside)
        return self.cost[number, inside]


def best(wishes: Sequence[TapeWish], drives: Sequence[Drive]) -> Best:
    """The least makespan, the least mean time to an end and the least mounts, each for itself, of free drives."""
    search = _Search(wishes)
    start = _State(tuple(d.volume for d in drives), (0.0,) * len(drives), (), 0.0, 0.0, 0)
    search.go(frozenset(range(len(wishes))), start)
    return search.best

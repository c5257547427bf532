"""Two hundred requests in front of a simulated tape library: 40 tapes, 2 drives, all at once or over some hours.

`python -m bench.tapes --rounds 10` prints every policy; the lines for the common table are those that have a goal.
Nothing is measured here but decisions: seconds are those of the simulated library.
"""

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from unit.tapeplan.library import Library, Outcome, bound, fifo, group, requests, smith

from bench.table import Line
from restorekit.tapeplan.policy import Policy, stay

POLICIES: dict[str, Policy] = {"first come, first served": fifo, "group": group, "stay": stay, "Smith": smith}
LOADS: dict[str, dict[str, Any]] = {
    "200 at once": {},
    **{f"200 in {hours} h": {"hours": hours} for hours in (2, 3, 5, 10)},
    "400 in 4 h, a favourite tape": {"n": 400, "hours": 4, "zipf": 2.0},
}
_HEAD = ("requests, 40 tapes", "policy", "mounts", "mean wait", "95 %", "longest", "makespan")


@dataclass
class Tapes:
    """A round is one seed; the ratio is taken within it."""

    seeds: int = 0
    mounts: Line = field(
        default_factory=lambda: Line(
            "mounts for 200 requests at once (counted)", "first come, first served", 0.30, demand="<= 0.30, bound kept"
        )
    )
    waiting: Line = field(
        default_factory=lambda: Line("mean wait, 200 requests in 3 h (simulated)", "first come, first served", 0.50)
    )

    @property
    def lines(self) -> list[Line]:
        return [self.mounts, self.waiting]

    def round(self) -> None:
        wishes = requests(self.seeds)
        ours, theirs = (Library(wishes, policy=policy).run() for policy in (stay, fifo))
        assert set(ours.waits) == set(theirs.waits) == {w.id for w in wishes}
        self.mounts.pairs.append((ours.mounts, theirs.mounts))
        self.mounts.held &= ours.mounts == bound(wishes).mounts
        spread = requests(self.seeds, hours=3)
        ours, theirs = (Library(spread, policy=policy).run() for policy in (stay, fifo))
        self.waiting.pairs.append((ours.mean_h * 3600, theirs.mean_h * 3600))
        self.seeds += 1


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.tapes", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="seeds of each load (default 3)")
    seeds = range(parser.parse_args().rounds)
    rows = [_HEAD]
    for load, options in LOADS.items():
        for name, policy in POLICIES.items():
            outcomes = [Library(requests(seed, **options), policy=policy).run() for seed in seeds]
            rows.append((load, name, *_cells(outcomes)))
        if "hours" not in options:
            bounds = (bound(requests(seed, **options)) for seed in seeds)
            mounts, makespan, mean = (statistics.mean(column) for column in zip(*bounds, strict=True))
            rows.append((load, "(bound)", f"{mounts:.1f}", f"{mean:.2f} h", "", "", f"{makespan:.2f} h"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    print("\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows))


def _cells(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    hours = [(o.mean_h, o.percentile_h(0.95), o.percentile_h(1), o.makespan / 3600) for o in outcomes]
    mounts = statistics.mean(o.mounts for o in outcomes)
    return (f"{mounts:.1f}", *(f"{statistics.mean(column):.2f} h" for column in zip(*hours, strict=True)))


if __name__ == "__main__":
    main()

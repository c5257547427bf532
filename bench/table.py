"""What was measured, as an aligned table: goal, median ratio, range, seconds, verdict."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass
class Line:
    """One comparison. Each round adds a pair of seconds; the ratio is taken within the round."""

    what: str
    against: str
    goal: float | None = None
    demand: str = ""
    """What must hold besides, or instead of, a ratio."""
    held: bool = True
    pairs: list[tuple[float, float]] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        return [ours / theirs for ours, theirs in self.pairs]

    @property
    def verdict(self) -> str:
        if not self.held or (self.goal is not None and statistics.median(self.ratios) > self.goal):
            return "MISSED"
        return "met" if self.goal is not None or self.demand else "-"

    def cells(self) -> tuple[str, ...]:
        ratios = self.ratios
        ours, theirs = (statistics.median(side) for side in zip(*self.pairs, strict=True))
        goal = "-" if self.goal is None else f"<= {self.goal:.2f}"
        return (
            self.what,
            self.against,
            self.demand or goal,
            f"{statistics.median(ratios):.2f}",
            f"{min(ratios):.2f} - {max(ratios):.2f}",
            f"{ours:.3f} / {theirs:.3f}",
            self.verdict,
        )


HEAD = ("what", "against", "goal", "ratio", "range", "seconds", "verdict")


def aligned(lines: Sequence[Line]) -> str:
    """All lines with at least one round."""
    cells = [HEAD, *(line.cells() for line in lines if line.pairs)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(HEAD))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells)


def timed(action: Callable[[], object]) -> float:
    """Seconds that it took."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began

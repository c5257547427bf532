"""The outcome of the checks, and the highest level that is proven."""

from enum import IntEnum
from typing import Literal

from restorekit.model.contents import Contents
from restorekit.model.value import Moment, Value

Outcome = Literal["passed", "failed", "skipped", "not_applicable"]


class Level(IntEnum):
    """Named, ordered levels of proof."""

    NONE = 0
    READABLE = 1
    COMPLETE = 2
    LOADS = 3
    SOUND = 4
    EQUAL = 5
    WORKS = 6


class Check(Value):
    """One check of one level. `evidence` holds counts, names and keyed hashes, never values."""

    level: Level
    name: str
    outcome: Outcome
    reason: str = ""
    evidence: tuple[str, ...] = ()


class Verdict(Value):
    """All checks in order; `level` is the highest proven one. `contents` is what staging holds."""

    checks: tuple[Check, ...]
    level: Level
    equal_to: Literal["manifest", "witness", "last_proof", "nothing"]
    contents: Contents
    samples: tuple[str, ...] = ()
    verified_at: Moment
    duration_s: float

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(c for c in self.checks if c.outcome == "failed")


def proven(checks: tuple[Check, ...]) -> Level:
    """The highest level in which, and below which, every check counts; a level without checks does not count."""
    reached = Level.NONE
    for level in list(Level)[1:]:
        here = [c for c in checks if c.level == level]
        if not here or any(c.outcome not in ("passed", "not_applicable") for c in here):
            break
        reached = level
    return reached

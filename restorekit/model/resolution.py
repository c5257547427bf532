"""What somebody's words about a moment were understood as: intervals with a role, never a lone datetime."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import model_validator

from restorekit.model.value import Moment, Value

Status = Literal["ok", "needs_choice", "event", "latest", "position", "future", "invalid", "vague", "none"]
Relation = Literal["in", "before", "after", "around"]
Meaning = Literal["as_of", "must_contain", "before_damage", "unknown"]
Granularity = Literal["second", "minute", "hour", "daypart", "day", "weekend", "week", "month", "year", "range"]
Code = Literal[
    "year",
    "month",
    "order",
    "ampm",
    "dst",
    "tz",
    "weekday",
    "night",
    "midnight",
    "vague",
    "event",
    "future",
    "century",
    "clipped",
    "policy",
]


class Assumption(Value):
    """Something that was not said and had to be taken: its kind and the sentence that says so."""

    code: Code
    text: str


class Candidate(Value):
    """One reading: the half-open interval [start, end); `start` None is unbounded. Times in the zone that was used."""

    start: Moment | None
    end: Moment
    granularity: Granularity
    why: str

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.start is not None and not self.start < self.end:
            msg = "an interval must begin before it ends"
            raise ValueError(msg)
        return self


class Resolution(Value):
    """The words, the clock and zone they were read by, and what they can mean.

    `candidates`: one if `ok`; at least two, or one and a question, if `needs_choice`; those in which to look for it,
    if any were said, if `event`; none otherwise. `spans` are the stretches [from, to) of `text`, in characters, that
    were read. `tolerance`: how much loss the writer accepts.
    """

    text: str
    now: Moment
    tz: str
    status: Status
    relation: Relation = "in"
    width_policy: timedelta | None = None
    role: Meaning = "unknown"
    candidates: tuple[Candidate, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    question: str | None = None
    spans: tuple[tuple[int, int], ...] = ()
    tolerance: timedelta | None = None

"""What words can say about a moment, before anybody looks at a clock: small values that the grammar fills."""

from typing import Literal, NamedTuple

from restorekit.model.resolution import Code, Relation

Which = Literal["", "last", "before_last", "this", "next"]
PeriodUnit = Literal["week", "weekend", "month", "year"]
Unit = Literal["second", "minute", "hour", "day", "week", "weekend", "month", "year"]
Part = Literal["early", "mid", "late"]


class Dated(NamedTuple):
    """A date, None where left out. `year_shift`: "of last year". `doubt`: why to ask. `order`: that of slashes."""

    day: int
    month: int | None = None
    year: int | None = None
    year_shift: int | None = None
    doubt: Code | None = None
    short_year: bool = False
    order: Literal["", "dmy", "mdy", "ymd"] = ""


class Shift(NamedTuple):
    """Days from today: yesterday is -1."""

    days: int


class DaysAgo(NamedTuple):
    """`amount` of a unit of a day or more ago. `few`: nobody said how many, or between `least` and `amount`.

    `base`: "yesterday a week ago".
    """

    amount: int
    unit: Unit
    few: bool = False
    base: int = 0
    least: int = 0


class Weekday(NamedTuple):
    """Monday is 0."""

    number: int
    which: Which = ""


class Period(NamedTuple):
    """A week, weekend, month or year, counted from now."""

    unit: PeriodUnit
    which: Which


class Month(NamedTuple):
    """A month by name."""

    month: int
    year: int | None = None
    year_shift: int | None = None


class Week(NamedTuple):
    """An ISO week."""

    number: int
    year: int | None = None


class Year(NamedTuple):
    """A year; `doubt` if it may be no year at all."""

    year: int
    doubt: Code | None = None


class Quarter(NamedTuple):
    """A quarter of a year by its number, or the last or present one."""

    number: int = 0
    which: Which = ""
    year: int | None = None
    year_shift: int | None = None


class Containing(NamedTuple):
    """The week or weekend in which that day is."""

    unit: Literal["week", "weekend"]
    day: "DaySaid"


class PartOf(NamedTuple):
    """Beginning, middle or end of a period."""

    part: Part
    of: "Period | Month | Year | Week"


class Holiday(NamedTuple):
    """A feast by its key in `feasts`."""

    name: str
    year: int | None = None
    year_shift: int | None = None


class Recent(NamedTuple):
    """The last `amount` units up to now."""

    amount: float
    unit: Unit


class DayRange(NamedTuple):
    """Both ends included."""

    first: "DaySaid"
    last: "DaySaid"


class Offset(NamedTuple):
    """So many days before (negative) or after another day."""

    base: "DaySaid"
    days: int


DaySaid = (
    Dated
    | Shift
    | DaysAgo
    | Weekday
    | Period
    | Month
    | Week
    | Year
    | PartOf
    | Holiday
    | DayRange
    | Offset
    | Quarter
    | Containing
)


class Clock(NamedTuple):
    """A time of day. `hours`: all it can mean (`at 9`: 9 and 21). `named`: noon and midnight. `bare`: a lone number."""

    hours: tuple[int, ...]
    minute: int | None = None
    second: int | None = None
    named: Literal["", "noon", "midnight"] = ""
    bare: bool = False
    doubt: Code | None = None


class ClockRange(NamedTuple):
    """From the first to the second instant."""

    first: Clock
    last: Clock


class Elapsed(NamedTuple):
    """So many seconds ago, give or take `slack_s`. `few`: nobody said how many. `doubt`: why to ask."""

    seconds: float
    slack_s: float
    hourly: bool
    few: bool = False
    doubt: Code | None = None


class Daypart(NamedTuple):
    """A part of a day by its key in `dayparts`; `half` for its early or late half. `until`: the night *to* a day."""

    name: str
    half: Literal["", "early", "late"] = ""
    until: bool = False


class Zone(NamedTuple):
    """A zone by name or abbreviation as in `zones`."""

    name: str


class Related(NamedTuple):
    """Before, after …; `inclusive` for until and since; `shortly` for kurz vor."""

    relation: Relation
    inclusive: bool = False
    shortly: bool = False


class Event(NamedTuple):
    """Something that happened, and on which side of it."""

    relation: Relation
    known: bool


class Instant(NamedTuple):
    """Seconds since the epoch."""

    seconds: int


class Frame(NamedTuple):
    """One reading of a run of words: each slot said at most once."""

    related: Related | None = None
    day: DaySaid | None = None
    weekday: Weekday | None = None
    daypart: Daypart | None = None
    clock: Clock | ClockRange | None = None
    zone: Zone | None = None
    elapsed: Elapsed | None = None
    recent: Recent | None = None
    instant: Instant | None = None
    event: Event | None = None
    vague: str | None = None
    latest: bool = False
    position: bool = False
    last: "Frame | None" = None

    @property
    def has_day(self) -> bool:
        """True if it says which day."""
        return self.day is not None or self.weekday is not None

    @property
    def has_time(self) -> bool:
        """True if it says when in the day."""
        return self.clock is not None or self.daypart is not None

"""What happened to databases and when: counts per minute, single blows, and how well each stretch is known."""

from typing import Literal, NamedTuple

from restorekit.model.contents import Contents
from restorekit.model.value import Moment, Value

Op = Literal["I", "U", "D", "?"]
"""Insert, update, delete; `?` for a change whose kind is not known (states, statements without rows)."""


class Tally(NamedTuple):
    """Changes to one table in one slot.

    `start` and `end` in seconds since the epoch (UTC), half open; a log gives minutes, two states give the time
    between them. `rows` None: something changed, nobody knows how many rows. `statements` are statements, not events.
    """

    start: int
    end: int
    table: str
    op: Op
    rows: int | None
    statements: int
    bytes: int


BlowKind = Literal[
    "mass_delete", "mass_update", "drop_table", "drop_database", "truncate", "create", "alter", "rename", "other_ddl"
]


class Blow(NamedTuple):
    """One transaction that changed a definition or many rows at once.

    `began_at`/`ended_at`: seconds since the epoch as the log says (one second resolution, not monotonic). `position`
    is `file:offset` of its beginning and `gtid` its name, for whoever replays logs: good is what lies before it.
    `digest` is the statement with every literal replaced by `?` and cut to 500 characters; empty if the log has none.
    `rows` None: the log does not say (DROP, TRUNCATE).
    """

    began_at: int
    ended_at: int
    table: str
    kind: BlowKind
    rows: int | None
    digest: str
    position: str
    gtid: str


Coverage = Literal["rows", "statements", "states", "none"]
"""Every row is counted; some statements without row counts; only differences of states; nothing is known."""


class Stretch(Value):
    """How well [start, end) is known. `none` is a hole: nothing is known there, which is not "no change"."""

    start: Moment
    end: Moment
    coverage: Coverage
    why: str = ""


class DatabaseChanges(Value):
    """What one stretch of log (or two states) says about one database."""

    database: str
    tallies: tuple[Tally, ...] = ()
    blows: tuple[Blow, ...] = ()


class LogReading(Value):
    """What one pass over an engine's logs found, for all its databases.

    `cursor` is opaque: handed to the next pass, it goes on exactly there. `stretches` cover the time read, holes
    included; `problems` are sentences about what could not be read (truncated, encrypted, purged). An engine without
    logs gives `states` instead, by name of the database, and at `looked_at` the names of those that are `unchanged`
    since the state it gave last.
    """

    changes: tuple[DatabaseChanges, ...] = ()
    states: dict[str, Contents] = {}
    unchanged: tuple[str, ...] = ()
    looked_at: Moment | None = None
    stretches: tuple[Stretch, ...] = ()
    problems: tuple[str, ...] = ()
    cursor: str = ""
    more: bool = False


class Past(Value):
    """Everything known to have happened to one database, oldest first.

    `read_at` is when its engine's logs were last looked at (None: never). `states` are contents without objects.
    """

    tallies: tuple[Tally, ...] = ()
    blows: tuple[Blow, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    states: tuple[Contents, ...] = ()
    read_at: Moment | None = None


class Loss(Value):
    """What a restore gives up: changes from the moment of its data until `until`, routine left out.

    `serious` counts serious episodes, `rows` the rows per table, the largest first. `known` is False if the history
    does not cover all of that time: then there may be more.
    """

    since: Moment
    until: Moment
    serious: int = 0
    rows: dict[str, int] = {}
    known: bool = True

    @property
    def hours(self) -> float:
        """The plain distance, which alone says little: five quiet days can be worth nothing."""
        return (self.until - self.since).total_seconds() / 3600


class Episode(Value):
    """Slots of surprise that belong together: when, how much, and the sentence that says why.

    `kind`: `serious` (a person worked), `accident` (destroyed much at once), `minor` (below the threshold, a tick).
    `tables` maps table to what happened there, the largest first, such as "48 inserts".
    """

    kind: Literal["serious", "accident", "minor"]
    start: Moment
    end: Moment
    score: float
    tables: dict[str, str]
    why: str
    position: str = ""


class History(Value):
    """What stands out in a database's changes.

    `accident` is the last destructive episode, `last_serious` the last serious one before it (or before now).
    `restless` is True if it changes all the time and nothing stands out: then `last_change` per table is all there is.
    `baseline_days` is how long the known past is; below 14 the sentence `caution` says so.
    """

    episodes: tuple[Episode, ...] = ()
    accident: Episode | None = None
    last_serious: Episode | None = None
    restless: bool = False
    last_change: dict[str, Moment] = {}
    routine: tuple[str, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    baseline_days: float = 0
    caution: str = ""

"""Made-up customers: profiles of sites with weeks of traffic, editors, jobs of the clock, and one accident.

All random, seeded by profile, seed and accident. `Trace` says what is true, so that a claim can be held against it.
"""

import math
import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from restorekit.model.changes import Blow, BlowKind, Op, Stretch, Tally

BERLIN = ZoneInfo("Europe/Berlin")
DAY = 1440
START = int(datetime(2009, 1, 1, tzinfo=BERLIN).timestamp()) // 60

VISITS = {"blog": 0.15, "shop": 5.0, "forum": 3.0, "newsroom": 6.0, "app": 2.0, "quiet": 0.02}
COMMENTS = {"newsroom": 25.0, "forum": 300.0, "quiet": 0.1, "blog": 1.0, "shop": 2.0, "app": 2.0}
ORDERS = {"shop": 12.0, "app": 4.0}
EDITS: dict[str, tuple[tuple[str, Op], ...]] = {
    "shop": (("products", "U"), ("content", "U"), ("content", "I")),
    "forum": (("settings", "U"), ("categories", "U"), ("posts", "U")),
}
USUAL_EDITS: tuple[tuple[str, Op], ...] = (("posts", "U"), ("posts", "U"), ("posts", "I"), ("settings", "U"))
PROFILES = ("blog", "shop", "forum", "app", "quiet")
ACCIDENTS = ("delete_all", "drop", "truncate", "mass_update", "piecemeal", "none")


@dataclass
class Trace:
    """`last_edit` and `accident` in minutes since the epoch; no accident is None."""

    days: int
    start: int = START
    counts: dict[tuple[int, str, Op], list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    blows: list[Blow] = field(default_factory=list)
    last_edit: int = 0
    accident: int | None = None

    @property
    def end(self) -> int:
        return self.start + self.days * DAY

    def write(self, minute: int, table: str, op: Op, rows: int = 1, statements: int = 1) -> None:
        seen = self.counts[minute, table, op]
        seen[0] += rows
        seen[1] += statements

    def blow(self, minute: int, table: str, kind: BlowKind, rows: int | None = None, digest: str = "") -> None:
        at = minute * 60 + 13
        self.blows.append(Blow(at, at + 2, table, kind, rows, digest or kind, f"log.000001:{at}", f"0-1-{at}"))

    def mass(self, minute: int, table: str, op: Op, rows: int) -> None:
        self.write(minute, table, op, rows, 1)
        if rows >= 50:
            self.blow(minute, table, "mass_delete" if op == "D" else "mass_update", rows)

    @property
    def tallies(self) -> list[Tally]:
        return [
            Tally(m * 60, m * 60 + 60, table, op, rows, statements, rows * 200)
            for (m, table, op), (rows, statements) in sorted(self.counts.items())
        ]

    @property
    def stretches(self) -> list[Stretch]:
        return [Stretch(start=at(self.start), end=at(self.end), coverage="rows")]


def at(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC).astimezone(BERLIN)


def local(minute: int) -> int:
    """The minute on Berlin's clock; all of the customer's life follows it."""
    return minute + _offset(minute // 60)


@cache
def _offset(hour: int) -> int:
    offset = at(hour * 60).utcoffset()
    assert offset is not None
    return int(offset.total_seconds()) // 60


def daylight(minute: int) -> float:
    hour = minute % DAY / 60
    return 0.15 + (0.85 * max(0.0, math.sin((hour - 6) / 17 * math.pi)) if 6 <= hour <= 23 else 0.0)


def poisson(dice: random.Random, mean: float) -> int:
    if mean > 30:
        return max(0, int(dice.gauss(mean, math.sqrt(mean)) + 0.5))
    limit, count, product = math.exp(-mean), 0, dice.random()
    while product > limit:
        count += 1
        product *= dice.random()
    return count


def made(profile: str, seed: int, accident: str, days: int = 14, start: int = START) -> Trace:
    """The life of one customer; sites of one seed share their visitors."""
    trace = Trace(days, start)
    traffic = _traffic(profile, seed, days, start)
    trace.blows = list(traffic.blows)
    for key, seen in traffic.counts.items():
        trace.counts[key] = list(seen)
    dice = random.Random(f"{profile}/{seed}/{accident}/{days}")
    if profile == "newsroom":
        _newsroom(trace, dice)
    else:
        _editors(trace, dice, profile)
    if accident != "none":
        _accident(trace, dice, profile, accident)
    return trace


@lru_cache(maxsize=1)
def _traffic(profile: str, seed: int, days: int, start: int) -> Trace:
    trace = Trace(days, start)
    dice = random.Random(f"{profile}/{seed}/{days}")
    for minute in range(trace.start, trace.end):
        clock = local(minute)
        _visitors(trace, dice, profile, minute, daylight(clock))
        _clock(trace, dice, profile, minute, clock)
    return trace


def _visitors(trace: Trace, dice: random.Random, profile: str, minute: int, light: float) -> None:
    visits = poisson(dice, VISITS[profile] * light)
    if visits:
        trace.write(minute, "counter", "U", visits, visits)
        trace.write(minute, "sessions", "I", visits, visits)
        if dice.random() < 0.2:
            trace.write(minute, "cache", "I")
    if dice.random() < ORDERS.get(profile, 0) / DAY * 2 * light:
        trace.write(minute, "orders", "I")
        trace.write(minute, "order_items", "I", dice.randrange(1, 5))
        trace.write(minute, "products", "U", 2)
    if dice.random() < COMMENTS[profile] / DAY * 2 * light:
        trace.write(minute, "posts" if profile == "forum" else "comments", "I")
    if dice.random() < VISITS[profile] * 0.3:
        trace.write(minute, "log", "I")


def _clock(trace: Trace, dice: random.Random, profile: str, minute: int, clock: int) -> None:
    if clock % 60 == 7:
        gone = poisson(dice, VISITS[profile] * 30 * daylight(clock) + 1)
        if gone:
            trace.mass(minute, "sessions", "D", gone)
    if clock % DAY == 200:
        trace.mass(minute, "cache", "D", 300)
        trace.blow(minute, "search_index", "truncate", None, "TRUNCATE TABLE search_index")
        trace.write(minute, "search_index", "I", 2000, 6)
        trace.write(minute, "stats", "I", 200)
    if clock % (7 * DAY) == 3 * DAY + 240:
        trace.mass(minute, "log", "D", 5000 + dice.randrange(9000))
    if profile in ("shop", "app") and clock % DAY == 150:
        later = minute + dice.randrange(12)
        trace.write(later, "products", "U", 0, 7)
        trace.mass(later, "products", "U", 400)


def _session(trace: Trace, dice: random.Random, start: int, edits: int, minutes: int, profile: str) -> int:
    """An editor at work; the minute of the last edit."""
    last = start
    for _ in range(edits):
        minute = start + int(dice.random() * minutes)
        last = max(last, minute)
        trace.write(minute, *dice.choice(EDITS.get(profile, USUAL_EDITS)))
        if dice.random() < 0.6:
            trace.write(minute, "postmeta", "U")
    return last


def _editors(trace: Trace, dice: random.Random, profile: str) -> None:
    trace.accident = trace.end - dice.randrange(30, 600)
    last_at = trace.accident - int((0.3 + 5 * dice.random()) * DAY)
    for _ in range(dice.randrange(2, 6)):
        begin = trace.start + int(dice.random() * (last_at - trace.start - 300))
        _session(trace, dice, begin, dice.randrange(8, 60), dice.randrange(15, 90), profile)
    minutes = dice.randrange(15, 90)
    trace.last_edit = _session(trace, dice, last_at - minutes, dice.randrange(8, 60), minutes, profile)
    if dice.random() < 0.5:
        trace.blow(trace.last_edit - 2, "extra", "alter", None, "ALTER TABLE extra ADD COLUMN y INT")
    for _ in range(dice.randrange(3)):  # somebody corrects a typo later: not serious
        room = trace.accident - last_at - 180
        if room > 20:
            trace.write(last_at + 120 + int(dice.random() * room), *EDITS.get(profile, USUAL_EDITS)[0])


def _newsroom(trace: Trace, dice: random.Random) -> None:
    trace.accident = trace.end - dice.randrange(30, 600)
    for day in range(trace.days):
        if day % 7 in (5, 6):
            continue
        for hour in range(9, 18):
            begin = trace.start + day * DAY + hour * 60 + dice.randrange(40)
            if dice.random() < 0.8 and begin < trace.accident - 30:
                trace.last_edit = _session(trace, dice, begin, dice.randrange(4, 12), 35, "newsroom")


def _accident(trace: Trace, dice: random.Random, profile: str, kind: str) -> None:
    table = EDITS.get(profile, USUAL_EDITS)[0][0]
    at_minute = trace.accident
    assert at_minute is not None
    if kind == "delete_all":
        trace.mass(at_minute, table, "D", 900)
    elif kind == "drop":
        trace.blow(at_minute, table, "drop_table", None, f"DROP TABLE {table}")
    elif kind == "truncate":
        trace.blow(at_minute, table, "truncate", None, f"TRUNCATE TABLE {table}")
    elif kind == "mass_update":
        trace.mass(at_minute, table, "U", 900)
    else:
        for _ in range(80):
            trace.write(at_minute + dice.randrange(10), table, "D")
    panic = min(at_minute + 20, trace.end - 1)
    trace.write(panic, table, "I", 3, 3)

"""A tape library that lives by its own clock: arrivals, jobs, replanning. Its drives know the wraps of their tapes.

It is no part of the plan: its times come from the geometry of LTO-8 (serpentine, 208 wraps; the published 59 s from
load point to the average file), where the plan knows averages only. It refuses what a real library could not do.
"""

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from restorekit.model.readiness import Piece
from restorekit.model.tapeplan import Drive, TapePlan, TapeWish, Turn
from restorekit.tapeplan import LTO8, estimate, planned
from restorekit.tapeplan.jobs import Job
from restorekit.tapeplan.policy import Look, Policy

EPOCH = datetime(2026, 11, 22, 12, tzinfo=UTC)
LOAD, UNLOAD, ROBOT = 15.0, 24.0, 15.0
BASE, FULL, WRAPS = 4.0, 110.0, 208
RATE, CAPACITY = 300e6, 12e12
JOB = 3.4
MARK, BLOCK = 1_000_000_000, 64_512


def along(x: float) -> float:
    """Where on the tape's length the head is, at that share of its bytes."""
    wrap = int(x * WRAPS)
    part = x * WRAPS - wrap
    return part if wrap % 2 == 0 else 1 - part


def way(a: float, b: float) -> float:
    return 0.0 if abs(a - b) < 1e-9 else BASE + FULL * abs(along(a) - along(b))


def position(byte: float) -> int:
    marks, rest = divmod(int(byte), MARK)
    return (marks << 32) + rest // BLOCK


def share(at: int) -> float:
    return ((at >> 32) * MARK + (at & 0xFFFFFFFF) * BLOCK) / CAPACITY


def wish(number: int, volume: int, byte: float, size: float, at: datetime = EPOCH, **more) -> TapeWish:
    piece = Piece(
        volume=f"V{volume:04}", start=position(byte), end=position(byte + size), size_bytes=int(size), in_library=True
    )
    return TapeWish(id=f"r{number:04}", pieces=(piece,), arrived_at=at, **more)


def requests(seed: int, n: int = 200, tapes: int = 40, hours: float = 0, zipf: float = 0.7) -> list[TapeWish]:
    """Sizes log-normal with a median of 2 GB, at most 60 GB; favourite tapes; all at once, or over some hours."""
    rng = random.Random(seed)
    weights = [1 / (k + 1) ** zipf for k in range(tapes)]
    drawn = []
    for _ in range(n):
        volume = rng.choices(range(tapes), weights)[0]
        drawn.append(
            (rng.random() * hours * 3600, volume, rng.random() * 0.98, min(60e9, rng.lognormvariate(21.4, 1.1)))
        )
    drawn.sort(key=lambda row: row[0])
    return [
        wish(number, volume, x * CAPACITY, size, EPOCH + timedelta(seconds=at))
        for number, (at, volume, x, size) in enumerate(drawn)
    ]


@dataclass
class Bay:
    volume: str = ""
    x: float = 0.0
    busy: bool = False
    until: float = 0.0
    told: float = 0.0
    needs: tuple[str, ...] = ()


@dataclass
class Outcome:
    mounts: int = 0
    waits: dict[str, float] = field(default_factory=dict)
    """Seconds from the arrival of each wish to the end of its job."""
    makespan: float = 0.0
    promised: dict[str, float] = field(default_factory=dict)
    """What each was told when it arrived."""
    starts: list[tuple[str, float]] = field(default_factory=list)
    replans: int = 0

    @property
    def mean_h(self) -> float:
        return statistics.mean(self.waits.values()) / 3600

    def percentile_h(self, share: float) -> float:
        waits = sorted(self.waits.values())
        return waits[min(len(waits) - 1, int(share * len(waits)))] / 3600


class Library:
    """Runs wishes to their end under a policy, replanning at every arrival and every end."""

    def __init__(self, wishes: Sequence[TapeWish], drives: int = 2, policy: Policy | None = None, **options) -> None:
        self.coming = sorted(wishes, key=lambda w: w.arrived_at)
        self.policy = options if policy is None else {**options, "policy": policy}
        self.bays = [Bay() for _ in range(drives)]
        self.queue: dict[str, TapeWish] = {}
        self.wishes = {w.id: w for w in wishes}
        self.clock = 0.0
        self.outcome = Outcome()
        self.watch: Callable[[Library, TapePlan], None] = lambda *_: None

    def run(self) -> Outcome:
        while self.coming or self.queue or any(bay.busy for bay in self.bays):
            self._advance()
            plan = self.plan()
            self._promise(plan)
            self.watch(self, plan)
            for turn in plan.turns:
                if turn.starts_s == 0:
                    self._begin(turn)
        self.outcome.makespan = max(
            (self._seconds(self.wishes[i]) + wait for i, wait in self.outcome.waits.items()), default=0.0
        )
        return self.outcome

    def plan(self) -> TapePlan:
        drives = [
            Drive(volume=b.volume, free_in_s=max(1.0, b.told - self.clock), coming=b.needs)
            if b.busy
            else Drive(volume=b.volume)
            for b in self.bays
        ]
        self.outcome.replans += 1
        return planned(list(self.queue.values()), drives, self.now, **self.policy)

    @property
    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.clock)

    @staticmethod
    def _seconds(wanted: TapeWish) -> float:
        return (wanted.arrived_at - EPOCH).total_seconds()

    def _advance(self) -> None:
        """To the next arrival or end, whichever comes first."""
        events = [bay.until for bay in self.bays if bay.busy]
        events += [self._seconds(self.coming[0])] if self.coming else []
        self.clock = max(self.clock, min(events))
        for bay in self.bays:
            if bay.busy and bay.until <= self.clock:
                bay.busy, bay.needs = False, ()
        while self.coming and self._seconds(self.coming[0]) <= self.clock:
            arrived = self.coming.pop(0)
            self.queue[arrived.id] = arrived

    def _promise(self, plan: TapePlan) -> None:
        for turn in plan.turns:
            for name in turn.ids:
                self.outcome.promised.setdefault(name, turn.ends_s)

    def _begin(self, turn: Turn) -> None:
        bay = self.bays[turn.drive]
        assert not bay.busy, "a drive has one job at a time"
        for other in self.bays:
            used = {other.volume, *other.needs} if other.busy else set()
            assert used.isdisjoint(turn.volumes), "a volume is in one drive at a time"
        pieces = [p for name in turn.ids for p in self.queue.pop(name).pieces]
        assert set(turn.volumes) == {p.volume for p in pieces}
        bay.told = self.clock + estimate(pieces, bay.volume, LTO8)
        seconds = JOB + sum(self._read(bay, v, [p for p in pieces if p.volume == v]) for v in turn.volumes)
        bay.busy, bay.until, bay.needs = True, self.clock + seconds, turn.volumes
        for name in turn.ids:
            self.outcome.waits[name] = bay.until - self._seconds(self.wishes[name])
            self.outcome.starts.append((name, self.clock))

    def _read(self, bay: Bay, volume: str, pieces: Sequence[Piece]) -> float:
        seconds = 0.0
        if bay.volume != volume:
            seconds += self._mount(bay, volume)
        for piece in sorted(pieces, key=lambda p: p.start):
            assert piece.size_bytes is not None
            seconds += way(bay.x, share(piece.start)) + piece.size_bytes / RATE
            bay.x = min(0.999999, share(piece.start) + piece.size_bytes / CAPACITY)
        return seconds

    def _mount(self, bay: Bay, volume: str) -> float:
        """The drive is emptied, so is another one that has the tape, then the tape comes."""
        seconds = 0.0
        for full in self.bays:
            if full.volume and (full is bay or full.volume == volume):
                seconds += FULL * along(full.x) + UNLOAD + ROBOT
                full.volume, full.x = "", 0.0
        bay.volume, bay.x = volume, 0.0
        self.outcome.mounts += 1
        return seconds + ROBOT + LOAD


def fifo(look: Look) -> Job | None:
    """As they came; the tape stays in the drive if the next one wants it too."""
    return min(look.able, key=lambda job: job.age)


def group(look: Look) -> Job | None:
    """The mounted tape until nobody wants it any more, as they came; then the tape of the oldest."""
    return min(look.able, key=lambda job: (job.volumes[:1] != (look.mounted,), job.age))


def smith(look: Look) -> Job | None:
    """The mounted tape, then the one with the most requests per time."""
    here = [job for job in look.able if job.volumes[:1] == (look.mounted,)]
    if here:
        return min(here, key=lambda job: job.position)
    by_tape: dict[tuple[str, ...], list[Job]] = {}
    for job in look.able:
        by_tape.setdefault(job.volumes[:1], []).append(job)

    def pace(jobs: list[Job]) -> float:
        return sum(estimate(job.pieces, job.volumes[0]) for job in jobs) / len(jobs) + 100 / len(jobs)

    return min(min(by_tape.values(), key=pace), key=lambda job: job.position)


class Bound(NamedTuple):
    """What nobody can beat."""

    mounts: int
    makespan_h: float
    mean_h: float


def bound(wishes: Sequence[TapeWish], drives: int = 2) -> Bound:
    """For wishes that are all there at the beginning, of one piece each.

    Every tape is mounted once, every tape but the last of each drive is put away, everything is read; no way on any
    tape counts. For the mean: reading alone, the shortest first, on drives that need no tapes.
    """
    tapes = len({p.volume for w in wishes for p in w.pieces})
    reading = sorted(sum(p.size_bytes or 0 for p in w.pieces) / RATE + JOB for w in wishes)
    work = sum(reading) + tapes * (ROBOT + LOAD) + max(0, tapes - drives) * (UNLOAD + ROBOT)
    free = [0.0] * drives
    ends = []
    for seconds in reading:
        free.sort()
        free[0] += seconds
        ends.append(free[0])
    return Bound(tapes, max(work / drives, reading[-1]) / 3600, statistics.mean(ends) / 3600)

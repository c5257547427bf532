"""Wishes become jobs for the library: one per customer, one per volume group of drills."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from restorekit.model.readiness import Piece
from restorekit.model.tapeplan import TapeWish
from restorekit.tapeplan.costs import Costs, estimate, volumes

AGED_S = 24 * 3600.0
"""A drill that has waited as long counts from then on as a customer who has just arrived: drills do not starve."""
DRILLS_S = 1800.0
"""What drills may take in one job: so long a customer may have to wait for one that has begun."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is read in one go. `arrived_s` is seconds from now, negative for the past; `urgent` ones go first."""

    ids: tuple[str, ...]
    pieces: tuple[Piece, ...]
    volumes: tuple[str, ...]
    arrived_s: float
    urgent: bool

    @property
    def position(self) -> tuple[int, float, tuple[str, ...]]:
        """Sorts jobs that begin on the same volume along it."""
        return (self.pieces[0].start if self.pieces else 0, self.arrived_s, self.ids)

    @property
    def age(self) -> tuple[float, tuple[str, ...]]:
        """Sorts the oldest first."""
        return (self.arrived_s, self.ids)


def gathered(wishes: Iterable[TapeWish], now: datetime, costs: Costs) -> list[Job]:
    """All jobs, oldest first, whatever the order of the wishes."""
    jobs: list[Job] = []
    groups: dict[tuple[bool, tuple[str, ...]], list[Job]] = {}
    for wish in wishes:
        job = _job(wish, now)
        if wish.priority == "customer":
            jobs.append(job)
        else:
            groups.setdefault((job.urgent, job.volumes), []).append(job)
    for group in groups.values():
        jobs += _together(sorted(group, key=lambda job: job.position), costs)
    return sorted(jobs, key=lambda job: job.age)


def _job(wish: TapeWish, now: datetime) -> Job:
    arrived = (wish.arrived_at - now).total_seconds()
    customer = wish.priority == "customer"
    urgent = customer or arrived <= -AGED_S
    if urgent and not customer:
        arrived += AGED_S
    return Job((wish.id,), _in_reading_order(wish.pieces), volumes(wish.pieces), arrived, urgent)


def _together(drills: Sequence[Job], costs: Costs) -> list[Job]:
    """Drills of the same volumes, sorted by position, as few jobs none of which is too long for who waits behind it."""
    jobs: list[Job] = []
    for drill in drills:
        both = _joined(jobs[-1], drill) if jobs else drill
        if jobs and estimate(both.pieces, both.volumes[0] if both.volumes else "", costs) <= DRILLS_S:
            jobs[-1] = both
        else:
            jobs.append(drill)
    return jobs


def _joined(one: Job, other: Job) -> Job:
    pieces = _in_reading_order(one.pieces + other.pieces)
    return Job(one.ids + other.ids, pieces, one.volumes, min(one.arrived_s, other.arrived_s), one.urgent)


def _in_reading_order(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Volume after volume, each mounted once; a drive reads a volume in one direction only."""
    order = {volume: number for number, volume in enumerate(volumes(pieces))}
    return tuple(sorted(pieces, key=lambda p: (order[p.volume], p.start, p.end)))

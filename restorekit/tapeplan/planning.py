"""Turns for all drives: at every moment in which one is free, the next job."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from restorekit.model.tapeplan import Drive, TapePlan, TapeWish, Turn
from restorekit.tapeplan.costs import LTO8, Costs, estimate, mounts
from restorekit.tapeplan.jobs import Job, gathered
from restorekit.tapeplan.policy import Look, Policy, stay


@dataclass(slots=True)
class _Bay:
    """A drive on the plan's clock: until when it is at work, with which volumes, and the one that is then in it."""

    number: int
    volume: str
    free_s: float
    uses: frozenset[str]


def planned(
    wishes: Iterable[TapeWish],
    drives: Sequence[Drive],
    now: datetime,
    costs: Costs = LTO8,
    policy: Policy = stay,
) -> TapePlan:
    """Who is read when, in which drive. The same for the same wishes, in whatever order they come.

    `wishes` are those not begun; what a drive is doing stands in `drives`, and no turn begins before its end. Every
    customer whose volumes are in the library begins before any drill that has not waited a day. A volume is never in
    two drives. A wish that lacks a volume waits, with those it lacks (with none, if there is no drive at all), and
    holds nobody up.
    """
    waiting: dict[str, tuple[str, ...]] = {}
    present: list[TapeWish] = []
    for wish in wishes:
        missing = tuple(dict.fromkeys(p.volume for p in wish.pieces if not p.in_library))
        if missing or not drives:
            waiting[wish.id] = missing
        else:
            present.append(wish)
    turns = _turns(gathered(present, now, costs), [_bay(n, d) for n, d in enumerate(drives)], costs, policy)
    return TapePlan(turns=turns, waiting=dict(sorted(waiting.items())), mounts=sum(t.mounts for t in turns))


def _bay(number: int, drive: Drive) -> _Bay:
    after = drive.coming[-1] if drive.coming else drive.volume
    return _Bay(number, after, max(0.0, drive.free_in_s), frozenset({drive.volume, *drive.coming} - {""}))


def _turns(jobs: list[Job], bays: list[_Bay], costs: Costs, policy: Policy) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    clock = min((b.free_s for b in bays), default=0.0)
    left = {job.ids: job for job in jobs}
    while left:
        queue = [job for job in left.values() if job.urgent] or list(left.values())
        found = _next(queue, bays, clock, policy)
        if found is None:
            clock = min(b.free_s for b in bays if b.free_s > clock)
            continue
        bay, job = found
        del left[job.ids]
        turns.append(_begin(job, bay, bays, clock, costs))
    return tuple(turns)


def _next(queue: Sequence[Job], bays: Sequence[_Bay], clock: float, policy: Policy) -> tuple[_Bay, Job] | None:
    """A drive that is free at that moment, and what it does next."""
    free = [b for b in bays if b.free_s <= clock]
    busy = {volume for b in bays if b.free_s > clock for volume in b.uses}
    able = [job for job in queue if busy.isdisjoint(job.volumes)]
    if len(free) > 1:
        # Drives whose tape nobody wants choose first: they have nothing to lose.
        begins = {volume for job in able for volume in job.volumes[:1]}
        free.sort(key=lambda b: (b.volume in begins, b.number))
    for bay in free:
        # A tape that rests in another free drive is read there.
        elsewhere = {b.volume for b in free if b is not bay} - {"", bay.volume}
        mine = [job for job in able if elsewhere.isdisjoint(job.volumes[:1])] if elsewhere else able
        job = policy(Look(bay.volume, mine, queue)) if mine else None
        if job is not None:
            return bay, job
    return None


def _begin(job: Job, bay: _Bay, bays: Sequence[_Bay], clock: float, costs: Costs) -> Turn:
    seconds = estimate(job.pieces, bay.volume, costs)
    for other in bays:
        if other is not bay and other.volume in job.volumes:
            seconds += costs.dismount_s
            other.volume = ""
    turn = Turn(
        ids=job.ids,
        drive=bay.number,
        volumes=job.volumes,
        mounts=mounts(job.volumes, bay.volume),
        starts_s=clock,
        ends_s=clock + seconds,
    )
    bay.free_s, bay.uses = turn.ends_s, frozenset(job.volumes)
    bay.volume = job.volumes[-1] if job.volumes else bay.volume
    return turn

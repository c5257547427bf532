"""What waits for a tape library, and what it does now, as the tape plan sees it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from restorekit.model.plan import Plan
from restorekit.model.readiness import Library, Readiness
from restorekit.model.run import Run, State
from restorekit.model.tapeplan import Drive, TapeWish
from restorekit.model.waiting import Waiting
from restorekit.tapeplan import estimate, planned
from restorekit.workflow.house import House

_MOST = 10_000
_LEAST_LEFT_S = 1.0


class Case(NamedTuple):
    """A run that waits or is being warmed, and what for."""

    run: Run
    plan: Plan
    waiting: Waiting

    @property
    def library(self) -> Library | None:
        """The library that has to read for it; None if it waits for something else."""
        return self.waiting.readiness.library if self.waiting.readiness.state == "on_tape" else None


def cases_of(house: House) -> list[Case]:
    """All that waits or is being warmed, of every host."""
    catalog = house.catalog
    runs = (r for r in catalog.runs(active=True, limit=_MOST) if r.state in (State.WAITING, State.WARMING))
    kept = ((run, catalog.kept(run.id, Plan), catalog.kept(run.id, Waiting)) for run in runs)
    return [Case(run, plan, waiting) for run, plan, waiting in kept if plan is not None and waiting is not None]


def wish_of(case: Case) -> TapeWish:
    """What the tape plan is to know of a run that waits."""
    priority: Any = "drill" if case.run.kind == "drill" else "customer"
    pieces = case.waiting.readiness.pieces
    return TapeWish(id=case.run.id, pieces=pieces, arrived_at=case.run.created_at, priority=priority)


def drives_of(library: Library | None, at_work: Sequence[Case], now: datetime) -> list[Drive]:
    """What is in each drive, and when the job that has it should be done: by what it reads, else any drive."""
    drives = [Drive(volume=volume) for volume in (library.drives if library else ())]
    for case in at_work:
        pieces = case.waiting.readiness.pieces
        volumes = tuple(dict.fromkeys(p.volume for p in pieces))
        left = estimate(pieces) - (now - case.run.changed_at).total_seconds()
        idle = [n for n, drive in enumerate(drives) if not drive.free_in_s]
        number = next((n for n in idle if drives[n].volume in volumes), next(iter(idle), None))
        if number is not None:
            update = {"free_in_s": max(left, _LEAST_LEFT_S), "coming": volumes}
            drives[number] = drives[number].model_copy(update=update)
    return drives


def foreseen(house: House, stands: Readiness, now: datetime) -> Readiness:
    """The same with `ready_at`, if it lies on tape: behind all that waits for that library already."""
    if stands.state != "on_tape" or stands.library is None:
        return stands
    cases = [c for c in cases_of(house) if c.library is not None and c.library.name == stands.library.name]
    at_work = [c for c in cases if c.run.state == State.WARMING]
    mine = TapeWish(id="", pieces=stands.pieces, arrived_at=now)
    wishes = [*(wish_of(c) for c in cases if c.run.state == State.WAITING), mine]
    turn = planned(wishes, drives_of(stands.library, at_work, now), now).turn(mine.id)
    return stands if turn is None else stands.model_copy(update={"ready_at": now + timedelta(seconds=turn.ends_s)})

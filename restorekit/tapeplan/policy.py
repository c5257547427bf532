"""Which job a free drive takes next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

from restorekit.tapeplan.jobs import Job

PATIENCE_S = 3600.0
"""Nobody is overtaken at a drive by somebody who came so much later."""
SWEEP_S = 600.0
"""The same for one tape: those who came within that time are read along it, then the next ones."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a policy sees: the volume in the drive, the jobs that could begin there now, and all that wait.

    Both lists are sorted, the oldest first.
    """

    mounted: str
    able: Sequence[Job]
    queue: Sequence[Job]


Policy = Callable[[Look], Job | None]
"""One of `able`, or None: rather nothing for now. Where nothing runs it must pick one for some drive."""


def stay(look: Look) -> Job | None:
    """Stays on the mounted tape; then takes the tape for which somebody has waited longest.

    Latecomers are borne with on the mounted tape only while they came within `PATIENCE_S` of the oldest whom this drive
    could serve, so that a busy tape does not starve the others; and on one tape who came first is read first, or along
    the tape with those who came soon after. A volume is kept free of latecomers for somebody who needs several, of
    which another drive has one just now.
    """
    patience = PATIENCE_S if look.queue[0].urgent else inf  # drills that wait for long become urgent by that
    oldest: dict[str, float] = {}
    for job in look.queue:
        for volume in job.volumes:
            oldest.setdefault(volume, job.arrived_s)

    def fair(job: Job) -> bool:
        return all(job.arrived_s <= oldest[volume] + patience for volume in job.volumes)

    first = next(filter(fair, look.able), None)
    if first is None:
        return None
    near = [j for j in look.able if j.arrived_s <= first.arrived_s + patience]
    here = [j for j in near if j.volumes[:1] == (look.mounted,) and fair(j)]
    there = here or [j for j in near if j.volumes[:1] == first.volumes[:1] and fair(j)]
    return min((j for j in there if j.arrived_s <= there[0].arrived_s + SWEEP_S), key=lambda j: j.position)

"""What a scan says to people about what gives no point."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from restorekit.model.point import RecoveryPoint
from restorekit.sources.bacula.catalog import Volume
from restorekit.sources.bacula.jobs import FAILED, Job, local_bounds

_MADE_UP_S = 12 * 3600
"""A backup that ended so soon after a failed one has made up for it."""
_SHOWN = 5
_TICK = timedelta(seconds=2)
_REUSABLE = ("Recycle", "Scratch")


def of_series(jobs: Sequence[Job]) -> list[str]:
    """One sentence per series (job, client) that lost a day: no good backup in the half day after a failed one."""
    series: dict[tuple[str, str], list[Job]] = {}
    for job in jobs:
        series.setdefault((job.name, job.client), []).append(job)
    return [text for (name, client), line in series.items() if (text := _lost_days(f"{name} on {client}", line))]


def _lost_days(series: str, line: Sequence[Job]) -> str:
    ends = [j.ended for j in line if j.good]
    lost = [j for j in line if j.status in FAILED and not any(0 <= e - j.ended <= _MADE_UP_S for e in ends)]
    if not lost:
        return ""
    shown = [f"{j.start_local[:10]} (job {j.jobid}: {FAILED[j.status]})" for j in lost[-_SHOWN:]]
    earlier = f"{len(lost) - _SHOWN} earlier ones, " if len(lost) > _SHOWN else ""
    return f"{series} has no good backup of {earlier}{', '.join(shown)}; those days have no recovery point"


def of_zone(jobs: Iterable[Job], zone: ZoneInfo) -> list[str]:
    """The catalog keeps the end of a job twice, by the clock on the wall and by the epoch: they must agree."""
    last = next((j for j in reversed(list(jobs)) if j.good and j.ended and j.end_local), None)
    if last is None:
        return []
    first, latest = (moment.timestamp() for moment in local_bounds(last.end_local, zone))
    if first - _TICK.total_seconds() <= last.ended <= latest + _TICK.total_seconds():
        return []
    off = f"{(last.ended - first) / 3600:+.1f} h"
    told = f"{last.words} ended at {last.end_local} by it, which is {off} from the truth"
    return [f"the director's clock is not of {zone.key}: {told}; set timezone of this source"]


def turned_bad(job: Job) -> str:
    """For points of a job that was good when they were found."""
    status = FAILED.get(job.status, job.status)
    return f"{job.words} is now marked {job.status} ({status}); a bscan into this catalog does that to good jobs"


def of_unnamed(job: Job) -> str:
    """A job without file records, of which no earlier scan knew any."""
    where = f"its volumes ({job.volumes}) still hold it" if job.tapes else "and it is on no known volume"
    return (
        f"{job.words}: its file records are pruned and no earlier scan saw them, so nobody knows which databases are "
        f"in it; {where}, and `restore jobid={job.jobid} all` brings back the whole job"
    )


def of_gone(points: Iterable[RecoveryPoint], volumes: Mapping[str, Volume]) -> tuple[dict[str, str], list[str]]:
    """Why each is gone, by its id; and one sentence about those that may still be read from their volumes."""
    why: dict[str, str] = {}
    left: dict[str, None] = {}
    for point in points:
        names = [n for n in point.locator["volumes"].split("+") if n]
        lost = [n for n in names if n not in volumes or volumes[n].status in _REUSABLE]
        text = f"job {point.locator['jobid']} is no longer in the catalog"
        if names and not lost:
            left |= dict.fromkeys(names)
            text += f"; its volumes ({', '.join(names)}) may still hold it, unless overwritten since"
        elif lost:
            text += f", and {', '.join(lost)} was given free or is gone, too"
        why[point.id] = text
    if not left:
        return why, []
    left_over = (
        f"{len(why)} recovery points lost their job in the catalog; volumes {', '.join(left)} may still hold them"
    )
    return why, [f"{left_over}: bscan reads them into a scratch catalog of its own, never into this one"]

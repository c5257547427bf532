"""What a state of many small files is put together from: a Full, then a Differential, then Incrementals.

A dump needs none of this: every level holds whole files. It is what `.bvfs_get_jobids` answers.
"""

from collections.abc import Iterable
from typing import NamedTuple

from restorekit.sources.bacula.jobs import LEVELS, Job


class Member(NamedTuple):
    """A good backup job of one series (client, fileset). `lacks` says why it is not there to be read; else ""."""

    jobid: int
    client: str
    fileset: str
    level: str
    ended: int
    day: str
    lacks: str = ""

    @property
    def words(self) -> str:
        """For people."""
        return f"the {LEVELS.get(self.level, 'backup')} of {self.day} (job {self.jobid})"


class Chain(NamedTuple):
    """JobIds in the order of restoring; `broken` says what is missing from it, or is empty."""

    members: tuple[int, ...]
    broken: str


def member(job: Job) -> Member | None:
    """The job as part of chains; None for a copy, and for what did not end well."""
    if job.type != "B" or not job.good or job.level not in "FDI":
        return None
    fault = next((t.fault for _, t in job.tapes if t.fault), None)
    lacks = f"cannot be read: {fault[1]}" if fault else "" if job.tapes else "is on no volume that the catalog knows"
    return Member(job.jobid, job.client, job.fileset, job.level, job.ended, job.start_local[:10], lacks)


def chains(members: Iterable[Member], lost: Iterable[Member] = ()) -> dict[int, Chain]:
    """The chain of each of `members` by JobId. `lost` are those that were there once; some may be back."""
    here = list(members)
    # Read back from the tapes a job has another JobId, and its old one may be that of another job by now.
    back = {_backup(m) for m in here}
    gone = [m for m in lost if _backup(m) not in back]
    series: dict[tuple[str, str], list[Member]] = {}
    for one in sorted([*here, *gone], key=lambda m: (m.ended, m.jobid)):
        series.setdefault((one.client, one.fileset), []).append(one)
    found = {m: chain for line in series.values() for m, chain in _line(line)}
    return {m.jobid: found[m] for m in here}


def _backup(one: Member) -> tuple[str, str, str, int]:
    return one.client, one.fileset, one.level, one.ended


def _line(line: list[Member]) -> Iterable[tuple[Member, Chain]]:
    full: list[Member] = []
    since: list[Member] = []
    for one in line:
        if one.level == "F":
            full, since = [one], []
        elif one.level == "D":
            since = [one]
        else:
            since = [*since, one]
        whole = [*full, *since]
        lost = next((f"{m.words} {m.lacks}" for m in whole if m.lacks), "")
        broken = lost if full else "the catalog knows no full backup before it"
        yield one, Chain(tuple(m.jobid for m in whole), broken)

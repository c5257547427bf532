"""Jobs as the catalog lists them, the state of their volumes, and which jobs are one and the same backup."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from restorekit.formats.layout import bounds
from restorekit.model.point import PointState
from restorekit.sources.bacula.catalog import Listing, Row
from restorekit.sources.bacula.dialects import FILE_DEVICE

GOOD = frozenset("TW")
"""Ended well; ended well with warnings."""
FAILED = {
    "f": "fatal error",
    "E": "ended with errors",
    "e": "ended with errors",
    "A": "cancelled",
    "I": "incomplete",
}
LEVELS = {"F": "full", "D": "differential", "I": "incremental", "B": "base"}
_DOOMED = {"Purged", "Recycle"}
_WRITTEN = {"Append"}


class Tape(NamedTuple):
    """A volume of a job. `name` is empty if the catalog has lost it; `until`: it is not overwritten before (ISO)."""

    name: str
    status: str
    enabled: int
    in_library: bool
    until: str
    is_file: bool

    @property
    def fault(self) -> tuple[PointState, str] | None:
        """What speaks against reading it; None if nothing does."""
        if not self.name:
            return PointState.DAMAGED, "one of its volumes is no longer in the catalog"
        if self.status in _DOOMED:
            return PointState.EXPIRED, f"volume {self.name} is marked {self.status}: it may be overwritten at any time"
        if self.status == "Error":
            return PointState.DAMAGED, f"volume {self.name} is marked Error"
        if self.status == "Disabled" or self.enabled != 1:
            word = "archived" if self.enabled == 2 else "disabled"
            return PointState.SUSPICIOUS, f"volume {self.name} is marked {word}: somebody took it out of use"
        return None


LOST = Tape(name="", status="", enabled=1, in_library=False, until="", is_file=False)
"""A volume that pieces lie on and that the catalog no longer has."""


class Job(NamedTuple):
    """A backup job. `ended` in epoch seconds; `start_local`/`end_local` are the director's clock, without zone."""

    jobid: int
    job: str
    name: str
    client: str
    fileset: str
    type: str
    level: str
    status: str
    start_local: str
    end_local: str
    ended: int
    files: int
    purged: bool
    session: str
    prior: int
    records_until: str
    tapes: tuple[tuple[int, Tape], ...]
    parts: int

    @property
    def native(self) -> str:
        """Its identity: a JobId is another one after the catalog was lost and read back from the tapes."""
        return f"{self.job} {self.session}"

    @property
    def good(self) -> bool:
        """Ended well."""
        return self.status in GOOD

    @property
    def words(self) -> str:
        """For people: `job 15 (incremental of Dumps, 2009-01-14)`."""
        level = LEVELS.get(self.level, "backup")
        return f"job {self.jobid} ({level} of {self.name} on {self.client}, {self.start_local[:10]})"

    @property
    def volumes(self) -> str:
        """Names of its volumes."""
        return ", ".join(t.name or "an unknown one" for _, t in self.tapes)


def jobs_of(listing: Listing, zone: ZoneInfo) -> list[Job]:
    """Jobs with their volumes, oldest first."""
    tapes = {row["mediaid"]: _tape(row, zone) for row in listing.tapes}
    parts: dict[int, list[Row]] = {}
    for row in listing.parts:
        parts.setdefault(row["jobid"], []).append(row)
    return [_job(row, parts.get(row["jobid"], []), tapes) for row in listing.jobs]


def _job(row: Row, parts: Sequence[Row], tapes: Mapping[int, Tape]) -> Job:
    kept = [s for s in (row["file_retention"], row["job_retention"]) if s]
    return Job(
        jobid=row["jobid"],
        job=row["job"],
        name=row["name"],
        client=row["client"],
        fileset=row["fileset"] or "",
        type=row["type"],
        level=row["level"],
        status=row["status"],
        start_local=_clock(row["start_local"]),
        end_local=_clock(row["end_local"]),
        ended=row["ended"] or 0,
        files=row["files"] or 0,
        purged=bool(row["purged"]),
        session=f"{row['session_id']}/{row['session_time']}",
        prior=row["prior"] or 0,
        records_until=_iso(row["ended"] + min(kept)) if kept and row["ended"] else "",
        tapes=tuple((p["mediaid"], tapes.get(p["mediaid"], LOST)) for p in parts),
        parts=sum(p["parts"] for p in parts),
    )


def _tape(row: Row, zone: ZoneInfo) -> Tape:
    written = _clock(row["written_local"])
    until = ""
    # While it is still being written to, the time for which it is kept has not begun.
    if row["vol_retention"] and written and row["vol_status"] not in _WRITTEN:
        until = _iso(int(local_bounds(written, zone)[0].timestamp()) + row["vol_retention"])
    return Tape(
        name=row["volume"] or "",
        status=row["vol_status"] or "",
        enabled=row["enabled"] if row["enabled"] is not None else 1,
        in_library=bool(row["in_changer"]),
        until=until,
        is_file=row["vol_type"] == FILE_DEVICE,
    )


def _clock(value: Any) -> str:
    """`2009-01-14 02:00:05`, or "" for what SQLite keeps as 0 and PostgreSQL as NULL."""
    text = str(value or "")[:19]
    return text if text[:4].isdigit() and text[:4] != "0000" and len(text) == 19 else ""


def _iso(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat()


def local_bounds(clock: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """First and last instant that the director's clock can mean."""
    return bounds(datetime.fromisoformat(clock), zone)


def backups(jobs: Sequence[Job], remembered: Mapping[str, str]) -> dict[str, list[Job]]:
    """Identity to all jobs that are this one backup: the job itself, its copies, and what was read back from tapes.

    `remembered` says whose copy a job was: it outlives its original, and becomes a backup itself then. The first of
    each list is the original where it still is.
    """
    by_id = {j.jobid: j for j in jobs}
    found: dict[str, list[Job]] = {}
    for job in jobs:
        root, seen = job, {job.jobid}
        while root.prior in by_id and root.prior not in seen:
            root = by_id[root.prior]
            seen.add(root.jobid)
        found.setdefault(remembered.get(root.native, root.native), []).append(job)
    for members in found.values():
        members.sort(key=lambda j: (j.type == "C", j.jobid))
    return found

"""What restorekit has the director do, and what the catalog and the director say about it."""

import re
from collections.abc import Sequence

from restorekit.errors import ConfigError, PointExpired, PointUnusable, SourceUnavailable
from restorekit.model.value import Value
from restorekit.sources.bacula.catalog import Catalog, Row, Volume
from restorekit.sources.bacula.console import Console, excerpt, quoted

ENDED = frozenset("TWEfAIe")
"""Letters of JobStatus after which nothing more happens; only T is a success here."""
_QUEUED = re.compile(r"Job queued\. JobId=(\d+)")
_NOTHING = re.compile(r"No database record found|No files? selected|No Job(Ids)? (found|selected)", re.IGNORECASE)
_DEVICE = re.compile(r'^Device [^"\n]*"([^"]+)"[^\n]*\n(.*?)^==', re.MULTILINE | re.DOTALL)
_CHANGER = re.compile(r'^Autochanger "[^"]*" with devices:\n((?: +"[^"]+" .*\n)+)', re.MULTILINE)


class JobState(Value):
    """A job's row: its status letter and what it has brought so far."""

    number: int
    status: str
    files: int
    size_bytes: int

    @property
    def ended(self) -> bool:
        """True if nothing more happens."""
        return self.status in ENDED


class Director:
    """One director and its library."""

    def __init__(self, console: Console, catalog: Catalog, storage: str) -> None:
        """`storage` is the library's Storage resource."""
        self._console, self._catalog, self.storage = console, catalog, storage

    # -- jobs of ours -------------------------------------------------------------------------------------------

    def submit(self, *lines: str) -> int:
        """Start a restore; its JobId. From here on the director runs it, whatever becomes of this process.

        Raises PointUnusable (nothing to restore by that name any more) or SourceUnavailable, both with its words.
        """
        text = self._console.allowed(self._console.ask(*lines, limit_s=120))
        queued = _QUEUED.findall(text)
        if len(queued) == 1:
            return int(queued[0])
        kind = PointUnusable if _NOTHING.search(text) else SourceUnavailable
        raise kind(
            "the director started no restore; live is untouched",
            hint="Scan the source again, or try `restore` in bconsole.",
            details=(f"director: {excerpt(text)}",),
        )

    def restore_job(self) -> str:
        """The one Job resource for restores. Raises ConfigError where there are several."""
        lines = self._console.ask(".jobs type=R").splitlines()
        start = next((n for n, line in enumerate(lines, 1) if line.startswith(".jobs")), len(lines))
        names = [line.strip() for line in lines[start:] if line.strip()]
        if len(names) != 1:
            raise ConfigError("the director has more than one Job for restores", hint="Name one as `restore_job`.")
        return names[0]

    def job(self, number: int) -> JobState | None:
        """How it stands; None if the catalog knows no such job."""
        rows = self._catalog.ask(
            "SELECT JobId AS number, JobStatus AS status, JobFiles AS files, JobBytes AS size_bytes "
            "FROM Job WHERE JobId = :number",
            number=number,
        )
        return JobState.model_validate(dict(rows[0])) if rows else None

    def find(self, comment: str) -> int | None:
        """The job that was started with this comment, if any."""
        rows = self._catalog.ask("SELECT max(JobId) AS number FROM Job WHERE Comment = :comment", comment=comment)
        return None if rows[0]["number"] is None else int(rows[0]["number"])

    def log(self, number: int) -> str:
        """What the daemons have said about a job so far."""
        text = self._catalog.dialect.text("LogText")
        rows = self._catalog.ask(f"SELECT {text} AS said FROM Log WHERE JobId = :number ORDER BY LogId", number=number)
        return "".join(bytes(row["said"]).decode("utf-8", "replace") for row in rows)

    def unfinished(self, prefix: str) -> int:
        """How many jobs with a comment that begins so are at the director. A row alone may be a dead director's."""
        rows = self._catalog.ask(
            "SELECT JobId AS number FROM Job WHERE Type = 'R' AND Comment LIKE :like "
            "AND JobStatus NOT IN ('T','W','E','f','A','I','e')",
            like=f"{prefix}%",
        )
        if not rows:
            return 0
        running = self._running()
        return sum(int(row["number"]) in running for row in rows)

    def running(self, number: int) -> str | None:
        """What the director says about a job that runs or waits; None if it has no such job."""
        return self._running().get(number)

    def _running(self) -> dict[int, str]:
        text = self._console.ask(".status dir running")
        lines = (re.match(r"\s*(\d+)\s+(\D.*)", line) for line in text.splitlines())
        return {int(found[1]): found[2] for found in lines if found and not found[2].startswith("OK")}

    def cancel(self, number: int) -> None:
        """Stop it; the drive is given back. A job that has ended is no error."""
        self._console.ask(f"cancel jobid={number} yes")

    # -- the library --------------------------------------------------------------------------------------------

    def update_slots(self) -> None:
        """Let the catalog learn which tapes are in the library now. Raises SourceUnavailable."""
        text = self._console.allowed(
            self._console.ask(f"update slots storage={quoted(self.storage)} drive=0", limit_s=600)
        )
        if re.search(r"Failed to connect|Unable to connect|3\d{3} error", text, re.IGNORECASE):
            raise SourceUnavailable(
                "the library does not answer", hint="Is bacula-sd running? Try again.", details=(excerpt(text),)
            )

    def mount(self, slot: int, drive: int) -> None:
        """Tell a drive that waits for a tape that it is there."""
        self._console.ask(f"mount storage={quoted(self.storage)} slot={slot} drive={drive}", limit_s=600)

    def volumes(self, names: Sequence[str]) -> dict[str, Volume]:
        """The volumes of these names as the catalog remembers them; right only after `update_slots`."""
        return self._catalog.volumes(list(dict.fromkeys(names)))

    def drives(self) -> tuple[tuple[str, str], ...]:
        """Each drive of the library: its name and the volume in it ("" for none), in the order of their numbers."""
        text = self._console.ask(f"status storage={quoted(self.storage)}")
        changer = _CHANGER.search(text)
        names = re.findall(r'^ +"([^"]+)"', changer[1], re.MULTILINE) if changer else []
        states = dict(_DEVICE.findall(text))
        slots = {n: re.search(r"Slot (\d+) (?:was last|is) loaded in drive", states.get(n, "")) for n in names}
        volumes = {n: re.search(r'Volume: +"?([^"\s]+)', states.get(n, "")) for n in names}
        homes = self._homes()
        inside = {n: v[1] if (v := volumes[n]) else homes.get(int(s[1]), "") if (s := slots[n]) else "" for n in names}
        return tuple(inside.items())

    def _homes(self) -> dict[int, str]:
        """Which volume belongs into which slot of this library."""
        rows = self._catalog.ask(
            "SELECT m.VolumeName AS volume, m.Slot AS slot FROM Media m JOIN Storage s ON s.StorageId = m.StorageId "
            "WHERE m.InChanger = 1 AND s.Name = :storage",
            storage=self.storage,
        )
        return {int(row["slot"]): str(row["volume"]) for row in rows}

    # -- backups ------------------------------------------------------------------------------------------------

    def backup(self, job: str) -> int:
        """The JobId under which the catalog has that backup now. Raises PointExpired."""
        rows = self._catalog.ask(
            "SELECT JobId AS number FROM Job WHERE Job = :job AND JobStatus IN ('T', 'W') AND Type IN ('B', 'C', 'A')",
            job=job,
        )
        if not rows:
            raise PointExpired(
                f"backup {job} is no longer in the catalog; live is untouched", hint="Choose another recovery point."
            )
        return int(rows[0]["number"])

    def has_file(self, number: int, fileid: str) -> bool:
        """True if the catalog still has the record of that file of that job."""
        if not fileid.isdigit():
            return False
        rows = self._catalog.ask(
            "SELECT count(*) AS found FROM File WHERE FileId = :fileid AND JobId = :number",
            fileid=int(fileid),
            number=number,
        )
        return int(rows[0]["found"]) == 1

    def pieces(self, number: int) -> list[Row]:
        """Where a whole job lies, in the order it was written: what a bootstrap file needs."""
        return self._catalog.ask(
            "SELECT j.VolSessionId AS session, j.VolSessionTime AS session_time, m.VolumeName AS volume, "
            "m.MediaType AS media_type, jm.StartFile AS start_file, jm.StartBlock AS start_block, "
            "jm.EndFile AS end_file, jm.EndBlock AS end_block FROM Job j JOIN JobMedia jm ON jm.JobId = j.JobId "
            "JOIN Media m ON m.MediaId = jm.MediaId WHERE j.JobId = :number ORDER BY jm.JobMediaId",
            number=number,
        )

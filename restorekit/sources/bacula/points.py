"""Files of one backup become recovery points.

The locator: `native` (identity), `job`, `jobid`, `session` (the job that is read, perhaps a copy), `level`, `client`,
`path`, `fileid` ("" when only the job is known), `index`, `size` ("" when nobody knows), `mtime` (epoch seconds),
`digest` (`sha256:<hex>` or "": a witness of level 1 for whoever restores), `pieces` (JSON [[volume, start, end,
bytes or null], ...], positions as (file << 32) + block), `volumes`, `copies` (JSON [[JobId, identity,
[volumes]], ...]), `chain`, `chain_why`, `records_until`, `volume_until` (ISO, or ""), `rules`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from restorekit.formats.naming import UNKNOWN, Moments, Reading, Rules, claimed, point_id
from restorekit.model.database import DatabaseId
from restorekit.model.point import PointState, Quality, RecoveryPoint
from restorekit.sources.bacula.catalog import Row
from restorekit.sources.bacula.chains import Chain
from restorekit.sources.bacula.jobs import Job, Tape

PLUGIN = "/@"
"""How the path of a stream begins that a plugin read: it goes back through the plugin's writer."""
_ORDER = (PointState.USABLE, PointState.SUSPICIOUS, PointState.DAMAGED, PointState.EXPIRED)
_PRUNED = "its file records are pruned; it is found on the tape by its name, by bootstrap"
_WRITER = (
    "a bpipe plugin wrote it, and restoring runs the plugin's writer, which may write into production; see that it "
    "writes below its %w, then set accept_bpipe_writer"
)
_MANY = "it holds many databases, and which ones is known only to who has read it; layouts with # need a disk"


class Entry(NamedTuple):
    """A file of a job. `fileid` is "" and the rest is of an earlier look where the records are pruned.

    `place` is its FileIndex: its number in the job.
    """

    jobid: int
    fileid: str
    place: int
    path: str
    size: int | None
    mtime: int
    digest: str

    @classmethod
    def remembered(cls, point: RecoveryPoint) -> "Entry":
        """What an earlier scan knew of it."""
        told = point.locator
        size = int(told["size"]) if told["size"] else None
        return cls(int(told["jobid"]), "", int(told["index"]), told["path"], size, int(told["mtime"]), told["digest"])


@dataclass(frozen=True)
class Backup:
    """All that is known of one backup: good jobs that are it, and by JobId their files and pieces."""

    native: str
    members: Sequence[Job]
    entries: Mapping[int, Sequence[Entry]]
    pieces: Mapping[int, Sequence[Row]]
    chain: Chain | None


class _Place(NamedTuple):
    """One copy of a file, judged."""

    job: Job
    entry: Entry
    pieces: tuple[tuple[Tape, int, int, int | None], ...]
    state: PointState
    why: str

    @property
    def rank(self) -> tuple[int, bool, int, bool]:
        """The smaller, the rather it is read: usable, by its records, from the library, with a digest."""
        away = sum(not tape.in_library for tape, *_ in self.pieces)
        return _ORDER.index(self.state), not self.entry.fileid, away, not self.entry.digest

    @property
    def tapes(self) -> list[Tape]:
        return list({tape.name: tape for tape, *_ in self.pieces}.values())


class Maker:
    """Makes points of one source."""

    def __init__(self, source: str, rules: Rules, offsite: str, *, trusts_writers: bool) -> None:
        self._source, self._rules, self._offsite = source, rules, offsite
        self._trusts_writers = trusts_writers

    def read(self, path: str, client: str) -> Reading | None:
        """What the layouts say about a path; a plugin's stream is named by what follows its first component."""
        bare = f"/{path.removeprefix(PLUGIN).partition('/')[2]}" if path.startswith(PLUGIN) else path
        return self._rules.read(path, client) or self._rules.read(bare, client)

    def of_backup(self, backup: Backup) -> list[RecoveryPoint]:
        """One point per path; where copies hold it, the best of them is read."""
        places: dict[str, list[_Place]] = {}
        for job in backup.members:
            for entry in backup.entries.get(job.jobid, ()):
                places.setdefault(entry.path, []).append(self._place(job, entry, backup.pieces.get(job.jobid, ())))
        return [self._point(backup, sorted(some, key=lambda p: p.rank)) for some in places.values()]

    def _place(self, job: Job, entry: Entry, pieces: Sequence[Row]) -> _Place:
        tapes = dict(job.tapes)
        own, hole = _held(entry.place, pieces, job.files)
        held = tuple((tapes[p["mediaid"]], _at(p, "start"), _at(p, "end"), _bytes(p, tapes)) for p in own)
        faults = [tape.fault for tape, *_ in held if tape.fault]
        if hole:
            faults.append((PointState.DAMAGED, hole))
        if entry.path.startswith(PLUGIN) and not self._trusts_writers:
            faults.append((PointState.SUSPICIOUS, _WRITER))
        if entry.size == 0:
            faults.append((PointState.SUSPICIOUS, "the file is empty"))
        if faults:
            state, why = max(faults, key=lambda f: _ORDER.index(f[0]))
            return _Place(job, entry, held, state, why)
        return _Place(job, entry, held, PointState.USABLE, _cautions(job, entry))

    def _point(self, backup: Backup, places: list[_Place]) -> RecoveryPoint:
        best = places[0]
        reading = self.read(best.entry.path, best.job.client)
        assert reading is not None
        database = DatabaseId(engine=reading.engine, name=reading.match.database or UNKNOWN)
        state, why = best.state, best.why
        unsure = reading.why or (_MANY if reading.match.many else "")
        if unsure and state != PointState.EXPIRED:
            state, why = PointState.AMBIGUOUS, unsure
        return RecoveryPoint(
            id=point_id(self._source, backup.native, best.entry.path, str(database)),
            source=self._source,
            medium=self._medium(best.tapes),
            database=database,
            **_moments(best, reading),
            format=reading.format or "sql",
            compression=reading.compression,
            size_bytes=best.entry.size,
            locator=_where(best) | _chain(backup, places) | self._named(reading, best.job),
            state=state,
            why=why,
        )

    def _named(self, reading: Reading, job: Job) -> dict[str, str]:
        named = {"rules": self._rules.digest, "host": job.client}
        return named if self._rules.names_engine(reading, job.client) else named | {"engine": "default"}

    def _medium(self, tapes: list[Tape]) -> str:
        away = [t.name for t in tapes if not t.in_library]
        which = "" if len(away) == len(tapes) else f"{'+'.join(away)} "
        return f"tape {'+'.join(t.name for t in tapes) or '?'}{f' ({which}{self._offsite})' if away else ''}"


def held_by(point: RecoveryPoint) -> list[str]:
    """Identities of the jobs that hold it: the one that is read, and its copies."""
    told = point.locator
    copies = json.loads(told["copies"]) if told["copies"] else []
    return [f"{told['job']} {told['session']}", *(identity for _, identity, _ in copies)]


def _held(index: int, pieces: Sequence[Row], files: int) -> tuple[list[Row], str]:
    """The pieces with a file, in the order they were written, and what speaks against their being all.

    Pieces are without gaps: each begins with the file the one before ended in, or with the next. A file at the edge
    of a gap may go on inside it.
    """
    real = [p for p in pieces if p["first_index"] > 0]  # a copy begins with a piece that holds only its label
    own = [n for n, p in enumerate(real) if p["first_index"] <= index <= p["last_index"]]
    if not own:
        return [], "the catalog does not say on which volume it lies"
    first, last = own[0], own[-1]
    ended = real[first - 1]["last_index"] if first else 0
    begins = real[last + 1]["first_index"] if last + 1 < len(real) else files + 1
    starts_before = real[first]["first_index"] == index and ended < index - 1
    goes_on = real[last]["last_index"] == index and begins > index + 1
    hole = "a part of its job is on no volume that the catalog knows, perhaps with a part of it"
    return [real[n] for n in own], hole if starts_before or goes_on else ""


def _at(piece: Row, end: str) -> int:
    return (int(piece[f"{end}_file"]) << 32) + int(piece[f"{end}_block"])


def _bytes(piece: Row, tapes: Mapping[int, Tape]) -> int | None:
    """How much the piece is to read. On a real tape positions are file marks and blocks, which say nothing of it."""
    if tapes[piece["mediaid"]].is_file:
        return _at(piece, "end") - _at(piece, "start") + 1
    return int(piece["size"]) or None


def _cautions(job: Job, entry: Entry) -> str:
    pruned = _PRUNED if not entry.fileid else ""
    warned = f"its job ended with warnings (job {job.jobid})" if job.status == "W" else ""
    return "; ".join(filter(None, (pruned, warned)))


def _moments(place: _Place, reading: Reading) -> Moments:
    """The name's claim; for a plugin's stream the moment it was begun; else the last change as a bound from above."""
    ended = datetime.fromtimestamp(place.job.ended, UTC)
    mtime = place.entry.mtime
    written = min(datetime.fromtimestamp(mtime, UTC), ended) if mtime > 0 else ended
    if claim := claimed(reading.match, written):
        return claim
    if mtime <= 0:
        return Moments(consistent_at=None, earliest=None, latest=ended, quality=Quality.NONE)
    if place.entry.path.startswith(PLUGIN):
        return Moments(consistent_at=written, earliest=None, latest=None, quality=Quality.CLAIMED)
    return Moments(consistent_at=written, earliest=None, latest=written, quality=Quality.BOUNDED)


def _where(place: _Place) -> dict[str, str]:
    job, entry = place.job, place.entry
    return {
        "job": job.job,
        "jobid": str(job.jobid),
        "session": job.session,
        "level": job.level,
        "client": job.client,
        "path": entry.path,
        "fileid": entry.fileid,
        "index": str(entry.place),
        "size": "" if entry.size is None else str(entry.size),
        "mtime": str(entry.mtime),
        "digest": entry.digest,
        "pieces": json.dumps([[tape.name, start, end, size] for tape, start, end, size in place.pieces]),
        "volumes": "+".join(t.name for t in place.tapes),
        "records_until": job.records_until,
        "volume_until": min((t.until for t in place.tapes if t.until), default=""),
    }


def _chain(backup: Backup, places: list[_Place]) -> dict[str, str]:
    others = [
        [p.job.jobid, p.job.native, [t.name for t in p.tapes]] for p in places[1:] if p.job.jobid != places[0].job.jobid
    ]
    chain = backup.chain or Chain((), "")
    return {
        "native": backup.native,
        "copies": json.dumps(others) if others else "",
        "chain": ",".join(map(str, chain.members)),
        "chain_why": chain.broken,
    }

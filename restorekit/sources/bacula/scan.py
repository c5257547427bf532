"""From the catalog to recovery points: one listing of jobs and volumes, and names of files of new jobs only."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from restorekit.errors import SourceUnavailable
from restorekit.formats.naming import clashes
from restorekit.formats.overwritten import bounded_below
from restorekit.model.point import PointState, RecoveryPoint, Scan
from restorekit.sources.bacula import lstat, words
from restorekit.sources.bacula.catalog import Catalog, Row
from restorekit.sources.bacula.chains import Chain, Member, chains, member
from restorekit.sources.bacula.jobs import Job, backups, jobs_of
from restorekit.sources.bacula.points import Backup, Entry, Maker, held_by

_FILES = 50_000
"""Files of the backups that are looked into together."""
_MANIFEST = ".manifest.json"


class Scanner:
    """One scan of one catalog."""

    def __init__(self, source: str, catalog: Catalog, maker: Maker, memory: "Memory", zone: str) -> None:
        self._source, self._catalog, self._maker, self._memory = source, catalog, maker, memory
        self._zone = ZoneInfo(zone)
        self._made: dict[str, RecoveryPoint] = {}
        self._problems: list[str] = []
        self._chains: dict[int, Chain] = {}
        self._before: dict[str, list[RecoveryPoint]] = {}

    def scan(self, known: Sequence[RecoveryPoint], selection: "Selection") -> Scan:
        """See `ports.Source.scan`."""
        mine = {p.id: p for p in known if p.source == self._source}
        jobs = [j for j in jobs_of(self._catalog.listing(), self._zone) if selection.holds(j)]
        alive = [p for p in mine.values() if p.state != PointState.EXPIRED]
        if alive and not jobs:
            raise SourceUnavailable(
                f"{self._catalog!r} lists no backup, but {len(alive)} recovery points came from it",
                hint="Is it the right catalog, and are `jobs` and `clients` right? Nothing was changed.",
            )
        for point in mine.values():
            self._before.setdefault(point.locator["native"], []).append(point)
        found = backups(jobs, {job: p.locator["native"] for p in mine.values() for job in held_by(p)})
        self._memory.keep(found)
        self._chains = chains([m for j in jobs if (m := member(j))], self._memory.lost)
        for some in _portions(self._news(found)):
            self._look(some)
        gone = self._gone([p for p in alive if p.locator["native"] not in found])
        self._problems += self._memory.problems
        self._problems += words.of_series(jobs) + words.of_zone(jobs, self._zone)
        self._memory.write()
        return self._summary(mine, gone)

    def _summary(self, mine: Mapping[str, RecoveryPoint], gone: Sequence[RecoveryPoint]) -> Scan:
        """Only what is not known as it is now."""
        here = dict(mine) | self._made | {p.id: p for p in gone}
        here |= {p.id: p for p in bounded_below(here.values(), lambda p: f"{p.locator['client']} {p.locator['path']}")}
        here |= {p.id: p for p in clashes([p for p in here.values() if p.state != PointState.EXPIRED])}
        changed = tuple(p for p in here.values() if (old := mine.get(p.id)) is not p and old != p)
        return Scan(
            source=self._source,
            scanned_at=datetime.now(UTC),
            points=changed,
            gone=tuple(p.id for p in changed if p.state == PointState.EXPIRED),
            problems=tuple(self._problems),
            unparsed=self._memory.strangers,
        )

    def _news(self, found: Mapping[str, list[Job]]) -> Iterator[tuple[str, list[Job], str]]:
        """Backups that are new, or not as they were; those that stand in the catalog as before cost nothing more."""
        for native, members in found.items():
            before = self._before.get(native, [])
            if not before and not any(j.good for j in members):
                continue
            sign = _sign(members, [self._chains.get(j.jobid) for j in members])
            if not self._memory.knows(native, sign, sum(p.state != PointState.EXPIRED for p in before)):
                yield native, members, sign

    def _look(self, some: Sequence[tuple[str, list[Job], str]]) -> None:
        good = [j for _, members, _ in some for j in members if j.good]
        entries, strangers = self._entries(good)
        pieces = self._catalog.pieces({j.jobid: j.parts for j in good})
        for native, members, sign in some:
            usable = [j for j in members if j.good]
            chain = self._chains.get(members[0].jobid)
            held = entries | self._remembered(native, usable, entries)
            made = self._maker.of_backup(Backup(native, usable, held, pieces, chain))
            points = {p.id: p for p in made} | self._left(native, members, {p.id for p in made})
            self._made |= points
            # A job without the name of a single file is said, never dropped: its volumes still hold it.
            bare = bool(usable) and usable[0].files > 0 and not any(j.jobid in held for j in usable)
            alive = sum(p.state != PointState.EXPIRED for p in points.values())
            others = max((strangers.get(j.jobid, 0) for j in members), default=0)
            problem = words.of_unnamed(usable[0]) if bare else ""
            self._memory.note(native, Seen(sign, alive, others, problem, member(members[0])))

    def _entries(self, jobs: Sequence[Job]) -> tuple[dict[int, list[Entry]], dict[int, int]]:
        """Files that a layout fits, by JobId (a job without any record is not in it), and how many others."""
        clients = {j.jobid: j.client for j in jobs}
        found: dict[int, list[Entry]] = {}
        strangers: dict[int, int] = {}
        for row in self._catalog.files({j.jobid: j.files for j in jobs}):
            entries, name = found.setdefault(row["jobid"], []), _text(row["filename"])
            path = _text(row["path"]) + name
            if row["file_index"] <= 0 or not name or path.endswith(_MANIFEST):  # deleted before, a directory
                continue
            if self._maker.read(path, clients[row["jobid"]]) is None:
                strangers[row["jobid"]] = strangers.get(row["jobid"], 0) + 1
            else:
                entries.append(self._entry(row, path))
        return found, strangers

    def _entry(self, row: Row, path: str) -> Entry:
        try:
            size, mtime = lstat.attributes(row["lstat"])
        except ValueError:
            self._problems.append(f"job {row['jobid']}: the attributes of {path} in the catalog are damaged")
            size, mtime = None, 0
        digest = lstat.digest(row["digest"])
        return Entry(row["jobid"], str(row["fileid"]), row["file_index"], path, size, mtime, digest)

    def _remembered(
        self, native: str, jobs: Sequence[Job], entries: Mapping[int, Sequence[Entry]]
    ) -> dict[int, Sequence[Entry]]:
        """What earlier scans knew of jobs whose file records are gone."""
        bare = {j.jobid for j in jobs if j.jobid not in entries}
        held: dict[int, list[Entry]] = {}
        for point in self._before.get(native, []):
            entry = Entry.remembered(point)
            if entry.jobid in bare and self._maker.read(entry.path, point.locator["client"]):
                held.setdefault(entry.jobid, []).append(entry)
        return dict(held)

    def _left(self, native: str, members: Sequence[Job], made: set[str]) -> dict[str, RecoveryPoint]:
        """Known points of a backup that is still there, but not as a point: their job turned bad, or rules changed."""
        bad = next((j for j in members if not j.good), None)
        state, why = PointState.EXPIRED, "the layouts read this backup differently now, or it no longer holds the file"
        if bad is not None and not any(j.good for j in members):
            state, why = PointState.SUSPICIOUS, words.turned_bad(bad)
        left = [p for p in self._before.get(native, []) if p.id not in made and p.state != PointState.EXPIRED]
        return {p.id: p.model_copy(update={"state": state, "why": why}) for p in left}

    def _gone(self, points: Sequence[RecoveryPoint]) -> list[RecoveryPoint]:
        """Points whose job is gone from the catalog; their volumes may still hold it."""
        if not points:
            return []
        names = {name for p in points for name in p.locator["volumes"].split("+") if name}
        why, problems = words.of_gone(points, self._catalog.volumes(sorted(names)))
        self._problems += problems
        return [p.model_copy(update={"state": PointState.EXPIRED, "why": why[p.id]}) for p in points]


class Selection(NamedTuple):
    """Which jobs are looked at; empty: all."""

    jobs: frozenset[str]
    clients: frozenset[str]

    def holds(self, job: Job) -> bool:
        """True for one of them."""
        return (not self.jobs or job.name in self.jobs) and (not self.clients or job.client in self.clients)


class Seen(NamedTuple):
    """What the last look found in one backup, and as what it stood in the catalog then."""

    sign: str
    points: int
    strangers: int
    problem: str
    member: Member | None


class Memory:
    """What the last scans saw, by identity of the backup. Losing it costs time, and the names of lost members."""

    def __init__(self, file: Path, rules: str) -> None:
        """Kept in `file`; what was seen under other `rules` is looked at again."""
        self._file, self._rules = file, rules
        self._seen: dict[str, Seen] = {}
        self.lost: list[Member] = []
        """Members of chains that were seen once and are gone from the catalog."""
        try:
            told = json.loads(file.read_bytes())
            self.lost = [Member(*one) for one in told["lost"]]
            if told["rules"] == rules:
                self._seen = {n: _seen(*one) for n, one in told["seen"].items()}
        except (OSError, ValueError, KeyError, TypeError):
            self._seen = {}

    @property
    def strangers(self) -> int:
        """How many files in all backups fit no layout."""
        return sum(seen.strangers for seen in self._seen.values())

    @property
    def problems(self) -> list[str]:
        """Sentences about backups that stand as they stood when they were found."""
        return [seen.problem for seen in self._seen.values() if seen.problem]

    def knows(self, native: str, sign: str, points: int) -> bool:
        """True if it stands as it did, and its points are known."""
        seen = self._seen.get(native)
        return seen is not None and (seen.sign, seen.points) == (sign, points)

    def keep(self, natives: Iterable[str]) -> None:
        """Move all others to those that are lost."""
        here = set(natives)
        gone = [s.member for n, s in self._seen.items() if n not in here and s.member is not None]
        self.lost += [m._replace(lacks="is gone") for m in gone]
        self._seen = {n: s for n, s in self._seen.items() if n in here}

    def note(self, native: str, seen: Seen) -> None:
        """Remember one."""
        self._seen[native] = seen

    def write(self) -> None:
        """Store it whole or not at all."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        passing = self._file.with_suffix(f".{os.getpid()}")  # two commands may look at once
        told = {"rules": self._rules, "seen": self._seen, "lost": self.lost}
        passing.write_text(json.dumps(told), encoding="utf-8")
        passing.replace(self._file)


def _seen(sign: str, points: int, strangers: int, problem: str, last: Sequence[Any] | None) -> Seen:
    return Seen(sign, points, strangers, problem, Member(*last) if last else None)


def _portions(news: Iterable[tuple[str, list[Job], str]]) -> Iterator[list[tuple[str, list[Job], str]]]:
    """So many at a time that memory does not grow with the catalog."""
    some: list[tuple[str, list[Job], str]] = []
    files = 0
    for one in news:
        some.append(one)
        files += sum(j.files for j in one[1])
        if files > _FILES:
            yield some
            some, files = [], 0
    if some:
        yield some


def _sign(members: Sequence[Job], chain: Sequence[Chain | None]) -> str:
    told = json.dumps([members, chain])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _text(raw: bytes) -> str:
    return bytes(raw).decode("utf-8", "surrogateescape")

"""A running library and the part of a source that reads its tapes."""

import base64
import contextlib
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from contract.source import Quiet
from servers.bacula import Library
from servers.bacula_golden import DAYS, SIZES, bacula_golden, content, piped

from restorekit.errors import Cancelled
from restorekit.model.database import DatabaseId
from restorekit.model.home import Home
from restorekit.model.point import Quality, RecoveryPoint
from restorekit.relay import Relay
from restorekit.sources.bacula.catalog import Catalog
from restorekit.sources.bacula.settings import BaculaSettings
from restorekit.sources.bacula.tapes import Tapes

__all__ = ["bacula_golden", "own", "room", "shared"]

WAY = Quiet()


def volumes(point: RecoveryPoint) -> list[str]:
    """Where it lies, in the order of reading."""
    return list(dict.fromkeys(volume for volume, *_ in json.loads(point.locator["pieces"])))


def original(point: RecoveryPoint) -> bytes:
    """What was backed up."""
    if point.locator["path"].startswith("/@bpipe"):
        return piped()
    return content(point.database.name, int(point.locator["job"][len("Dumps.2009-01-") :][:2]))


class Room:
    """A running library and the tapes of a source that rests on it."""

    def __init__(self, library: Library) -> None:
        self.library = library

    def tapes(self, **settings: Any) -> Tapes:
        """New ones, as after a restart."""
        section = self.library.settings(**{"update_slots": 0, **settings})
        section.pop("kind")
        home = Home(staging=self.library.folder, cache=self.library.folder, base=Path("/"), timezone="UTC")
        made = BaculaSettings.model_validate(section)
        return Tapes("tape", made, home, Catalog("tape", made, home))

    def point(self, database: str, day: int, job: str = "Dumps", **changes: str) -> RecoveryPoint:
        """The newest backup of that database whose job ran on or before that day."""
        rows = self.library.sql(
            "SELECT Job.Job, Job.JobId, File.FileId, File.FileIndex, Path.Path || Filename.Name, File.MD5 FROM Job "
            "JOIN File USING (JobId) JOIN Path USING (PathId) JOIN Filename USING (FilenameId) WHERE Filename.Name = ? "
            "AND Job.Name = ? AND Job.StartTime < ? ORDER BY Job.StartTime DESC, Job.JobId DESC",
            f"{database}.sql",
            job,
            f"2009-01-{day:02d} 23:59",
        )
        name, number, fileid, index, full, digest = rows[0]
        pieces = self.library.sql(
            "SELECT VolumeName, JobMedia.StartBlock, JobMedia.EndBlock, JobMedia.EndBlock - JobMedia.StartBlock "
            "FROM JobMedia JOIN Media USING (MediaId) WHERE JobId = ? AND ? BETWEEN FirstIndex AND LastIndex "
            "ORDER BY JobMediaId",
            number,
            index,
        )
        locator = {
            "job": name,
            "jobid": str(number),
            "fileid": str(fileid),
            "index": str(index),
            "path": full,
            "client": "db1-fd",
            "size": "" if job == "Pipe" else str(len(content(database, day))),
            "digest": f"sha256:{base64.b64decode(digest + '=').hex()}",
            "pieces": json.dumps(pieces),
        }
        return RecoveryPoint(
            id=f"tape/{name}/{database}",
            source="tape",
            medium="tape",
            database=DatabaseId(engine="db1", name=database),
            consistent_at=None,
            quality=Quality.NONE,
            format="sql",
            locator=locator | changes,
        )

    def all(self) -> list[RecoveryPoint]:
        """Every dump of January."""
        return [self.point(name, day) for day, level, names in DAYS for name in (SIZES if level == "Full" else names)]

    def spanning(self) -> RecoveryPoint:
        """A dump that lies on two volumes."""
        return next(point for point in self.all() if len(volumes(point)) == 2)

    def neighbours(self) -> list[RecoveryPoint]:
        """Two databases of one job that lie on one and the same volume, in the order in which they lie there."""
        single = [point for point in self.all() if len(volumes(point)) == 1]
        single.sort(key=lambda point: int(point.locator["index"]))
        return next(
            [one, two]
            for one, two in itertools.combinations(single, 2)
            if one.locator["job"] == two.locator["job"] and volumes(one) == volumes(two)
        )

    def restores(self) -> list[tuple[Any, ...]]:
        """Restore jobs the director has had."""
        return self.library.sql("SELECT JobId, JobStatus FROM Job WHERE Type = 'R' ORDER BY JobId")

    def leftovers(self) -> list[str]:
        """What lies in the spool of restores: nothing, once they are over."""
        folder = self.library.where / "orders"
        return [str(p) for p in folder.rglob("*")] if folder.exists() else []


@contextlib.contextmanager
def opened(golden: Path, **options: Any) -> Iterator[Room]:
    with Library.running(golden, **options) as library:
        yield Room(library)


@pytest.fixture(scope="module")
def shared(bacula_golden: Path) -> Iterator[Room]:
    """One library for all that leave it as it was."""
    with opened(bacula_golden) as room:
        yield room


@pytest.fixture
def room(shared: Room) -> Iterator[Room]:
    """The shared library with an empty spool."""
    yield shared
    for drive in range(2):
        assert "BLOCKED" not in shared.library.console("status storage=Tape"), f"drive {drive} still waits"
    assert shared.leftovers() == []
    for folder in (shared.library.where / "points").glob("*"):
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


@pytest.fixture
def own(bacula_golden: Path) -> Iterator[Room]:
    """A library of one's own, to be damaged."""
    with opened(bacula_golden) as room:
        yield room


class Telling(Quiet):
    """Remembers what it was told, and asks for an end when `stop` says so."""

    def __init__(self, stop: Callable[[], bool] = lambda: False) -> None:
        super().__init__()
        self.told: list[tuple[str, int, int | None]] = []
        self._stop = stop

    def progress(self, phase: str, done: int, total: int | None, unit: str = "bytes") -> None:
        self.told.append((phase, done, total))

    def check(self) -> None:
        if self._stop():
            raise Cancelled("cancelled by the test")


def delivered(tapes: Tapes, point: RecoveryPoint) -> bytes:
    with tapes.deliver(point, WAY) as delivery:
        relay = Relay(delivery, WAY)
        data = b"".join(relay)
    assert relay.digests_held
    return data


def states(tapes: Tapes, *points: RecoveryPoint) -> list[str]:
    return [answer.state for answer in tapes.readiness(points)]

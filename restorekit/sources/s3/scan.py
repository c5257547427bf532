"""From a listing to recovery points: only what is new or changed is looked at, nothing is dropped without a word."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import get_args

from restorekit.errors import ProofFailed, RestorekitError
from restorekit.formats.multidump import Shelf
from restorekit.formats.naming import Reading, Rules
from restorekit.model.point import PointState, RecoveryPoint, Scan
from restorekit.sources.s3.beside import paired
from restorekit.sources.s3.bucket import Bucket
from restorekit.sources.s3.deliver import indexed, is_indexed
from restorekit.sources.s3.listing import Entry
from restorekit.sources.s3.objects import Unwatched
from restorekit.sources.s3.points import late, locator_of, of_damaged, of_many, of_one
from restorekit.sources.s3.tiers import Archive


class Scanner:
    """One scan of one bucket."""

    def __init__(self, source: str, bucket: Bucket, rules: Rules, shelf: Shelf) -> None:
        self._source, self._bucket, self._rules, self._shelf = source, bucket, rules, shelf
        self._points: list[RecoveryPoint] = []
        self._kept: set[str] = set()
        self._problems: list[str] = []
        self._late: list[str] = []
        self._frozen: list[str] = []
        self._unparsed = 0

    def scan(self, known: Sequence[RecoveryPoint], entries: Iterable[Entry]) -> Scan:
        """See `ports.Source.scan`; `entries` are all of the bucket's, or this is no scan."""
        alive = [p for p in known if p.source == self._source and p.state != PointState.EXPIRED]
        before: dict[tuple[str, str | None], list[RecoveryPoint]] = {}
        for point in alive:
            before.setdefault((point.locator["key"], point.locator.get("version")), []).append(point)
        for entry, beside in paired(entries):
            locator = locator_of(entry, beside, self._rules.digest)
            self._entry(entry, locator, before.get((entry.key, entry.version), []))
        gone = self._gone(alive)
        return Scan(
            source=self._source,
            scanned_at=datetime.now(UTC),
            points=(*self._points, *gone),
            gone=tuple(p.id for p in gone),
            problems=(*self._problems, *self._sums()),
            unparsed=self._unparsed,
        )

    def _entry(self, entry: Entry, locator: dict[str, str], before: list[RecoveryPoint]) -> None:
        if before and all(_same(p.locator, locator) for p in before):
            self._kept |= {p.id for p in before}
            return
        reading = self._rules.read(f"/{entry.key.removeprefix(self._bucket.folder)}")
        if reading is None:
            self._unparsed += 1
            return
        if late(entry, reading):
            self._late.append(entry.key)
        if reading.match.many:
            self._many(entry, reading, locator, before)
        else:
            self._points.append(of_one(self._source, entry, reading, locator))

    def _many(self, entry: Entry, reading: Reading, locator: dict[str, str], before: list[RecoveryPoint]) -> None:
        if entry.storage in get_args(Archive) and not is_indexed(self._source, locator, self._shelf):
            self._frozen.append(entry.key)
            self._kept |= {p.id for p in before}
            return
        try:
            made = indexed(self._bucket, self._source, locator, self._shelf, Unwatched())
        except ProofFailed as error:  # a point, so that the whole object is not read again by every scan
            self._points.append(of_damaged(self._source, entry, reading, locator, error.message))
            return
        except RestorekitError as error:
            self._problems.append(f"{entry.key}: {error.message}; none of its databases is offered")
            self._kept |= {p.id for p in before}
            return
        if not made.names:
            self._problems.append(f"{entry.key}: holds no database that is named by CREATE DATABASE or USE")
        self._points += of_many(self._source, entry, reading, locator, made)

    def _gone(self, alive: Iterable[RecoveryPoint]) -> list[RecoveryPoint]:
        here = self._kept | {p.id for p in self._points}
        update = {"state": PointState.EXPIRED, "why": "the object is gone or was replaced"}
        return [p.model_copy(update=update) for p in alive if p.id not in here]

    def _sums(self) -> Iterator[str]:
        """One sentence for all: a bucket that was copied or frozen as a whole would say it of every object."""
        if self._late:
            yield f"{_counted(self._late, 'that are new')} uploaded more than 26 h away from the time in the name"
        if self._frozen:
            kind = "with many databases each"
            yield f"{_counted(self._frozen, kind)} frozen unread: which databases are in there is not known"


def _counted(keys: list[str], kind: str) -> str:
    return f"{len(keys)} objects {kind} ({keys[0]} among them) were" if len(keys) > 1 else f"{keys[0]} was"


def _same(old: dict[str, str], new: dict[str, str]) -> bool:
    """Which database of the object it is does not come from the listing."""
    return {k: v for k, v in old.items() if k != "database"} == new

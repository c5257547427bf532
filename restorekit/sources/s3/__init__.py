"""Plain dumps in an S3 bucket, of AWS or of any other service that speaks it, strictly read-only.

Beside a backup `F` may lie `F.sha256` (its digest, as sha256sum writes it; checked at every delivery) and
`F.manifest.json` (what it holds). In a bucket that keeps versions, every version of a dump is a recovery point,
also those that were overwritten or deleted.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from restorekit import ports
from restorekit.errors import PointExpired, RestorekitError
from restorekit.formats.beside import MANIFEST
from restorekit.formats.multidump import Shelf
from restorekit.formats.naming import Rules
from restorekit.model.exchange import Finding
from restorekit.model.home import Home
from restorekit.model.point import RecoveryPoint, Scan
from restorekit.model.readiness import Readiness
from restorekit.sources.s3.beside import paired
from restorekit.sources.s3.bucket import Bucket
from restorekit.sources.s3.cold import Freezer
from restorekit.sources.s3.deliver import opened
from restorekit.sources.s3.listing import Entry, entries, keeps_versions
from restorekit.sources.s3.objects import small
from restorekit.sources.s3.reports import Reports
from restorekit.sources.s3.scan import Scanner
from restorekit.sources.s3.settings import S3Settings
from restorekit.sources.s3.survey import Survey


class S3:
    """A bucket as a source."""

    Settings = S3Settings

    def __init__(self, name: str, settings: S3Settings, home: Home) -> None:
        """Raises ConfigError for a bad layout or time zone."""
        self.name = name
        self._settings = settings
        self._bucket = Bucket(settings, home.base)
        self._rules = Rules(settings, home.timezone, name, anchored=True)
        cache = home.cache / "sources" / name
        self._shelf = Shelf(cache / "index")
        self._freezer = Freezer(self._bucket, settings.thaw, cache / "thaw")
        self._reports = self._about(settings, home, cache / "inventory")

    def check(self) -> list[Finding]:
        """The bucket can be listed, whether it keeps versions, how many objects fit; what is wrong with its reports."""
        try:
            versioned = self._versioned()
            found, problems = self._all((), versioned=versioned)
            names = {entry.key for entry, _ in paired(found)}
        except RestorekitError as error:
            return [Finding(severity="refuse", code=error.code, text=error.message, hint=error.hint)]
        fitting = sum(self._rules.read(f"/{name.removeprefix(self._bucket.folder)}") is not None for name in names)
        kept = "versions are kept" if versioned else "no versions are kept"
        text = f"{self._bucket!r}: {fitting} of {len(names)} objects fit the layout; {kept}"
        hint = "" if fitting else f"Compare sources.{self.name}.layout and prefix."
        looked = Finding(severity="ok" if fitting else "warn", code="s3", text=text, hint=hint)
        hint = f"Compare sources.{self.name}.inventory with the configuration of the reports."
        return [looked, *(Finding(severity="warn", code="s3_inventory", text=p, hint=hint) for p in problems)]

    def scan(self, known: Sequence[RecoveryPoint]) -> Scan:
        """See `ports.Source.scan`. One listing, or a report; of new objects only dumps of many databases are read."""
        mine = [point for point in known if point.source == self.name]
        found, problems = self._all(mine, versioned=self._versioned())
        seen = Scanner(self.name, self._bucket, self._rules, self._shelf).scan(mine, found)
        return seen.model_copy(update={"problems": (*problems, *seen.problems)})

    def readiness(self, points: Sequence[RecoveryPoint]) -> list[Readiness]:
        """See `ports.Source.readiness`. What lies in an archive class is `cold` until it was thawed."""
        return self._freezer.readiness(points)

    def warm(self, points: Sequence[RecoveryPoint], way: str, watch: ports.Watch) -> list[Readiness]:
        """See `ports.Source.warm`. A thaw that ends within `thaw.margin` is made longer."""
        return self._freezer.warm(points, way, watch)

    def cool(self, point: RecoveryPoint) -> None:
        """See `ports.Source.cool`. The thawed copy goes by itself, on its day."""
        self._freezer.cool(point)

    @contextmanager
    def deliver(self, point: RecoveryPoint, watch: ports.Watch) -> Iterator[ports.Delivery]:
        """See `ports.Source.deliver`. Every byte is of the very object or version that was scanned."""
        with opened(self._bucket, point, self._shelf, watch, md5=self._settings.etag == "md5") as delivery:
            yield delivery

    def manifest(self, point: RecoveryPoint) -> bytes | None:
        """`F.manifest.json`; None where there is none, or where F holds many databases."""
        if "database" in point.locator or "manifest" not in point.locator:
            return None
        try:
            return small(self._bucket, point.locator["key"] + MANIFEST, point.locator["manifest"])
        except PointExpired:
            return None

    def _versioned(self) -> bool:
        told = self._settings.versions
        return keeps_versions(self._bucket) if told is None else told

    def _all(self, known: Sequence[RecoveryPoint], *, versioned: bool) -> tuple[Iterable[Entry], list[str]]:
        """All entries of the bucket; what was wrong with reports about it."""
        if self._reports is None:
            return entries(self._bucket, versioned=versioned), []
        survey = Survey(self._bucket, self._reports, self._claimed)
        return survey.entries(known, versioned=versioned), survey.problems

    def _about(self, settings: S3Settings, home: Home, cache: Path) -> Reports | None:
        told = settings.inventory
        if told is None:
            return None
        there = settings.model_copy(update={"bucket": told.bucket, "prefix": told.prefix})
        return Reports(self._bucket, Bucket(there, home.base), cache, timedelta(seconds=told.full_list))

    def _claimed(self, key: str) -> datetime | None:
        reading = self._rules.read(f"/{key.removeprefix(self._bucket.folder)}")
        return reading.match.time if reading else None


PROVIDER = S3
_conforms: type[ports.Source] = S3

"""All entries of a bucket: by listing it, or out of the newest report about it with what is newer listed on top.

A report is a day old and may lag behind a little more. What it does not hold is gone only if it was uploaded long
before; what is known and younger stays until a report or a listing can tell.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, islice

from restorekit.errors import RestorekitError
from restorekit.model.point import PointState, RecoveryPoint
from restorekit.sources.s3.beside import NAMES
from restorekit.sources.s3.bucket import Bucket
from restorekit.sources.s3.listing import Entry, entries
from restorekit.sources.s3.newer import PAGE, Claim, Stretch, listed, plan
from restorekit.sources.s3.reports import Report, Reports

OVERDUE = timedelta(days=8)
"""Weekly reports are at most so old; an older one is a problem that somebody must know of."""
LAG = timedelta(hours=48)
"""What was uploaded so long before a report was begun is in it."""


class Survey:
    """How one bucket is looked through. `problems` are sentences about reports that could not be used."""

    def __init__(self, bucket: Bucket, reports: Reports, claim: Claim) -> None:
        """`claim` tells the time that the name of a key claims."""
        self._bucket, self._reports, self._claim = bucket, reports, claim
        self.problems: list[str] = []

    def entries(self, known: Sequence[RecoveryPoint], *, versioned: bool) -> Iterable[Entry]:
        """As `listing.entries` gives them, in any order; `known` are points of this bucket alone.

        Raises what `Bucket.explained` does.
        """
        everything = entries(self._bucket, versioned=versioned)
        first = list(islice(everything, PAGE))
        if len(first) < PAGE:
            return first
        report = self._newest(versioned=versioned)
        if report is None or not self._covers(report, first, versioned=versioned):
            return chain(first, everything)
        return self._topped(report, known, versioned=versioned)

    def _newest(self, *, versioned: bool) -> Report | None:
        now = datetime.now(UTC)
        try:
            report = self._reports.newest(now - OVERDUE, self.problems, versioned=versioned)
        except RestorekitError as error:
            self.problems.append(f"inventory reports cannot be read, all was listed instead: {error.message}")
            return None
        if report is None:
            days = OVERDUE.days
            self.problems.append(f"no inventory report of the last {days} days is usable; all was listed instead")
        return report if report is not None and report.at > now - self._reports.full_list else None

    def _covers(self, report: Report, first: Sequence[Entry], *, versioned: bool) -> bool:
        """Nothing but its lack of what comes before its first or after its last key tells a report of one prefix."""
        keys = {entry.key for entry in report.entries}
        last = max(keys, default="")
        beyond = islice(entries(self._bucket, versioned=versioned, after=last), PAGE)
        old = report.at - LAG
        lost = next((e for e in chain(first, beyond) if e.modified < old and e.key not in keys), None)
        if lost is not None:
            self.problems.append(
                f"the inventory report of {report.at:%Y-%m-%d} lacks {lost.key}, which lies there since"
                f" {lost.modified:%Y-%m-%d}: is it limited to a prefix? Nothing of it was used, all was listed instead"
            )
        return lost is None

    def _topped(self, report: Report, known: Sequence[RecoveryPoint], *, versioned: bool) -> Iterable[Entry]:
        rows: dict[str, list[Entry]] = {}
        for entry in report.entries:
            rows.setdefault(entry.key, []).append(entry)
        keys = sorted(rows)
        old = report.at - LAG
        dumps = [key for key in keys if not key.endswith(tuple(NAMES.values()))]
        where = plan(self._bucket.folder, dumps, self._claim, old)
        sure: list[Stretch] = []
        for stretch, found in listed(self._bucket, where, versioned=versioned):
            sure.append(stretch)
            for key in _within(keys, stretch):
                del rows[key]
            for entry in found:
                rows.setdefault(entry.key, []).append(entry)
        for point in known:
            young = _entry(point.locator)
            if point.state == PointState.EXPIRED or young.modified < old:
                continue
            if not any(young.key in stretch for stretch in sure):
                _keep(rows, young, point.locator)
        return chain.from_iterable(rows.values())


def _within(keys: Sequence[str], stretch: Stretch) -> Iterator[str]:
    for key in islice(keys, bisect_right(keys, max(stretch.after, stretch.under)), None):
        if not key.startswith(stretch.under):
            return
        yield key


def _entry(locator: dict[str, str]) -> Entry:
    return Entry(
        key=locator["key"],
        size=int(locator["size"]),
        etag=locator["etag"],
        modified=datetime.fromisoformat(locator["modified"]),
        storage=locator["storage"],
        version=locator.get("version"),
    )


def _keep(rows: dict[str, list[Entry]], young: Entry, locator: dict[str, str]) -> None:
    """Put back what is known, and what lies beside it, unless the report has something younger in its place."""
    here = rows.setdefault(young.key, [])
    if any(e.version == young.version and e.modified >= young.modified for e in here):
        return
    here[:] = [*(e for e in here if e.version != young.version), young]
    for name, suffix in NAMES.items():
        if name in locator:
            side = young._replace(key=young.key + suffix, version=locator[name] or None)
            rows.setdefault(side.key, [side])

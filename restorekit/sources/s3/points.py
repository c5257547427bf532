"""One object of a listing becomes recovery points."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from restorekit.formats.multidump import DumpIndex
from restorekit.formats.naming import UNKNOWN, Moments, Reading, claimed, point_id
from restorekit.model.database import DatabaseId
from restorekit.model.point import PointState, Quality, RecoveryPoint
from restorekit.sources.s3.listing import Entry

LATE = timedelta(hours=26)
"""A nightly dump is uploaded within a day and a bit; a name further off than that claims what nobody saw."""


class Verdict(NamedTuple):
    """What speaks against a point at first sight."""

    state: PointState
    why: str


def locator_of(entry: Entry, beside: dict[str, str], rules: str) -> dict[str, str]:
    """Where the object lies, and what must be unchanged for it to be the same."""
    version = {} if entry.version is None else {"version": entry.version}
    pins = {"size": str(entry.size), "etag": entry.etag, "modified": entry.modified.astimezone(UTC).isoformat()}
    return {"key": entry.key, **pins, "storage": entry.storage, "rules": rules, **version, **beside}


def of_one(source: str, entry: Entry, reading: Reading, locator: dict[str, str]) -> RecoveryPoint:
    """The point of an object that holds one database."""
    return _point(source, entry, reading, locator, reading.match.database or UNKNOWN)


def of_many(
    source: str, entry: Entry, reading: Reading, locator: dict[str, str], made: DumpIndex
) -> Iterator[RecoveryPoint]:
    """The points of an object that holds many."""
    for name in made.names:
        size = sum(end - start for start, end in made.ranges(name))
        point = _point(source, entry, reading, {**locator, "database": name}, name)
        update: dict[str, object] = {"size_bytes": size, "compression": "none"}
        if made.torn and point.state == PointState.USABLE:
            why = "the dump of many databases ends inside a statement"
            update |= {"state": PointState.SUSPICIOUS, "why": why}
        yield point.model_copy(update=update)


def of_damaged(source: str, entry: Entry, reading: Reading, locator: dict[str, str], why: str) -> RecoveryPoint:
    """An object nobody can use: shown, never dropped."""
    point = _point(source, entry, reading, locator, reading.match.database or UNKNOWN)
    return point.model_copy(update={"state": PointState.DAMAGED, "why": why})


def late(entry: Entry, reading: Reading) -> str:
    """A sentence if the name claims a time far from the upload, which the service itself recorded; else ""."""
    match = reading.match
    if match.earliest is None or match.latest is None:
        return ""
    if match.earliest - LATE <= entry.modified <= match.latest + LATE:
        return ""
    order = "after" if entry.modified > match.latest else "before"
    return f"uploaded {_minute(entry.modified)}, long {order} the time in its name ({_minute(match.earliest)})"


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _point(source: str, entry: Entry, reading: Reading, locator: dict[str, str], name: str) -> RecoveryPoint:
    database = DatabaseId(engine=reading.engine, name=name)
    verdict = _verdict(entry, reading)
    return RecoveryPoint(
        id=point_id(source, _native(entry), entry.key, str(database)),
        source=source,
        medium="s3",
        database=database,
        **_moments(entry, reading),
        format=reading.format or "sql",
        compression=reading.compression,
        size_bytes=entry.size,
        locator=locator,
        state=verdict.state,
        why=verdict.why,
    )


def _native(entry: Entry) -> str:
    """Objects from before versions were kept have the version `null`; they stay who they were."""
    if entry.version not in (None, "null"):
        return str(entry.version)
    return f"{entry.etag or entry.modified.isoformat()}:{entry.size}"


def _verdict(entry: Entry, reading: Reading) -> Verdict:
    said = late(entry, reading)
    if reading.why:
        return Verdict(PointState.AMBIGUOUS, reading.why)
    if entry.size == 0:
        return Verdict(PointState.SUSPICIOUS, "the object is empty")
    if said and reading.match.earliest is not None and entry.modified < reading.match.earliest:
        return Verdict(PointState.SUSPICIOUS, said)  # nothing can hold what happened after it was uploaded
    return Verdict(PointState.USABLE, said)


def _moments(entry: Entry, reading: Reading) -> Moments:
    """The name's claim; else only that it is not younger than its upload."""
    written = entry.modified.astimezone(UTC)
    none = Moments(consistent_at=None, earliest=None, latest=written, quality=Quality.NONE)
    return claimed(reading.match, written) or none

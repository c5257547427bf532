"""Objects in archive classes: whether they can be read, asking for a thaw, keeping the thawed copy long enough.

Per object version `archived -> asked for -> thawed until a moment -> archived`. The truth is what a HEAD says at that
moment; nothing else is remembered but when and how we asked, and losing that costs only the estimate. What was
asked for once is never asked for twice: asking costs money. Nothing is ever deleted.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal, get_args

from botocore.exceptions import ClientError
from pydantic import ValidationError

from restorekit.errors import ConfigError, PointExpired, RestorekitError, SourceUnavailable, UnknownName
from restorekit.model.point import RecoveryPoint
from restorekit.model.readiness import READY, Readiness, Way
from restorekit.model.value import Moment, Value
from restorekit.ports import Watch
from restorekit.sources.s3.beside import NAMES
from restorekit.sources.s3.bucket import Bucket
from restorekit.sources.s3.explain import code_of
from restorekit.sources.s3.objects import Locator, head, pinned
from restorekit.sources.s3.tiers import Archive, ThawSettings, span, ways

_RESTORE = re.compile(r'ongoing-request="(true|false)"(?:\s*,\s*expiry-date="([^"]+)")?')
_TIERED = "INTELLIGENT_TIERING"
_RUNNING = "RestoreAlreadyInProgress"
_COPIED = ("GLACIER", "DEEP_ARCHIVE")
_NO_CAPACITY = "GlacierExpeditedRetrievalNotAvailable"
_SOONEST_S = 30.0


class Frost(Value):
    """How one object version stands: frozen in `archive` (None: not at all), being thawed, or thawed `until`.

    Some services name no end; then `until` is None.
    """

    archive: Archive | None
    size: int
    thaw: Literal["", "ongoing", "over"] = ""
    until: Moment | None = None

    @property
    def readable(self) -> bool:
        """What is tiered is readable only where it is frozen no more; its thaw leaves no copy."""
        thawed = self.thaw == "over" and self.archive in _COPIED
        return self.archive is None or (thawed and (self.until is None or self.until > datetime.now(UTC)))


class Asked(Value):
    """When a thaw was asked for, in which way, and what was said about it."""

    at: Moment
    way: str
    why: str = ""


def frost(head: Mapping[str, Any]) -> Frost:
    """Read a HEAD. Raises SourceUnavailable for words not understood."""
    size = int(head["ContentLength"])
    kept = head.get("ArchiveStatus") if head.get("StorageClass") == _TIERED else head.get("StorageClass")
    archive = next((known for known in get_args(Archive) if known == kept), None)
    if archive is None or "Restore" not in head:
        return Frost(archive=archive, size=size)
    said = _RESTORE.match(head["Restore"])
    if said is None:
        raise SourceUnavailable(f"S3 answers {head['Restore']!r} about a thaw, which is not understood")
    until = parsedate_to_datetime(said[2]) if said[2] else None
    return Frost(archive=archive, size=size, thaw="ongoing" if said[1] == "true" else "over", until=until)


class Freezer:
    """The cold part of one bucket."""

    def __init__(self, bucket: Bucket, settings: ThawSettings, folder: Path) -> None:
        """`folder` holds our notes of what was asked for."""
        self._bucket, self._settings, self._folder = bucket, settings, folder

    def readiness(self, points: Sequence[RecoveryPoint]) -> list[Readiness]:
        """See `ports.Source.readiness`: a HEAD per object, whatever the last listing said about it."""
        return [_together([self._judged(*found) for found in self._looks(point)]) for point in points]

    def warm(self, points: Sequence[RecoveryPoint], way: str, watch: Watch) -> list[Readiness]:
        """See `ports.Source.warm`. Raises UnknownName for a way that is not offered, before anything is asked for."""
        looks = [self._looks(point) for point in points]
        for found in looks:
            _offered(found[0][0]["key"], _together([self._judged(*one) for one in found]), way)
        answers = []
        for found in looks:
            watch.check()
            answers.append(_together([self._warmed(*one, way) for one in found]))
        return answers

    def cool(self, point: RecoveryPoint) -> None:
        """Forget our notes; the thawed copies go by themselves, on their day."""
        for locator in (point.locator, *_beside(point.locator)):
            self._note(locator).unlink(missing_ok=True)

    def _looks(self, point: RecoveryPoint) -> list[tuple[Locator, Frost]]:
        """The object, and what lies beside it: a frozen digest would stop a delivery just as well."""
        found = [(point.locator, self._look(point.locator))]
        for side in _beside(point.locator):
            with contextlib.suppress(PointExpired):  # what is not there stops nobody
                found.append((side, self._look(side)))
        return found

    def _look(self, locator: Locator) -> Frost:
        if "size" not in locator:
            with self._bucket.explained(locator["key"]):
                return frost(self._bucket.client.head_object(Bucket=self._bucket.name, **pinned(locator)))
        return frost(head(self._bucket, locator))

    def _judged(self, locator: Locator, look: Frost) -> Readiness:
        if look.archive is None:
            return READY
        if look.readable:
            until = f" until {_shown(look.until)}" if look.until else ""
            return Readiness(state="ready", why=f"thawed{until}", until=look.until)
        if look.thaw == "ongoing":
            return self._thawing(locator, look)
        days = "" if look.archive not in _COPIED else f"; it then stays readable for {self._settings.days} days"
        return Readiness(
            state="cold",
            why=f"it lies in {look.archive} and must be thawed first{days}",
            ways=ways(look.archive, look.size, self._settings),
            again_s=self._settings.poll,
        )

    def _thawing(self, locator: Locator, look: Frost) -> Readiness:
        asked = self._asked(locator)
        offered = {w.name: w for w in ways(look.archive, look.size, self._settings)} if look.archive else {}
        way = offered.get(asked.way) if asked else None
        if asked is None or way is None:
            why = "S3 is thawing it; when that was asked for is not known here"
            return Readiness(state="thawing", why=why, again_s=self._settings.poll)
        ready_at = asked.at + timedelta(seconds=way.high_s)
        usual = f"asked for at {_shown(asked.at)} by way of {way.name}, which takes {span(way.low_s, way.high_s)}"
        late = ready_at < datetime.now(UTC)
        return Readiness(
            state="thawing",
            why=" ".join(filter(None, (usual + (": S3 is late" if late else ""), asked.why))),
            again_s=min(self._settings.poll, max(way.high_s / 5, _SOONEST_S)),
            ready_at=None if late else ready_at,
        )

    def _warmed(self, locator: Locator, look: Frost, way: str) -> Readiness:
        judged = self._judged(locator, look)
        if judged.state == "cold":
            return self._asked_for(locator, look, way)
        if judged.state == "ready":
            self._prove(locator, look)
            if judged.until is not None and judged.until < datetime.now(UTC) + timedelta(seconds=self._settings.margin):
                return self._extended(locator, look, judged)
        return judged

    def _asked_for(self, locator: Locator, look: Frost, way: str) -> Readiness:
        asked = Asked(at=datetime.now(UTC), way=way)
        try:
            self._restore(locator, look, way)
        except _NoCapacity as error:
            if not self._settings.expedited_fallback:
                text = f"{locator['key']}: S3 has no capacity for an expedited thaw now; nothing was asked for"
                raise SourceUnavailable(text, hint="Try again, or choose another way.") from error
            asked = Asked(at=asked.at, way="standard", why="(S3 has no capacity for an expedited thaw now)")
            self._restore(locator, look, asked.way)
        self._write(locator, asked)
        judged = self._judged(locator, self._look(locator))
        if judged.state == "cold":
            text = f"{locator['key']}: S3 took the request for a thaw, but shows none"
            raise SourceUnavailable(text, hint="Look again later; asking once more asks S3 once more.")
        return judged

    def _restore(self, locator: Locator, look: Frost, way: str) -> None:
        """Ask S3 for it. Being told that a thaw is under way already is as good as having asked."""
        which = {k: v for k, v in pinned(locator).items() if k != "IfMatch"}
        request: dict[str, Any] = {"GlacierJobParameters": {"Tier": way.capitalize()}}
        if look.archive in _COPIED:  # what is tiered moves back for good, and S3 refuses a number of days for it
            request["Days"] = self._settings.days
        with self._bucket.explained(locator["key"]):
            try:
                # From here on it costs money, and nobody can take it back.
                self._bucket.client.restore_object(Bucket=self._bucket.name, RestoreRequest=request, **which)
            except ClientError as error:
                code = code_of(error)
                if code == _NO_CAPACITY:
                    raise _NoCapacity from error
                if code == "AccessDenied":
                    text = f"{locator['key']}: these credentials may not ask for a thaw; nothing was asked for"
                    raise ConfigError(text, hint="Allow s3:RestoreObject, or have somebody thaw the object.") from error
                if code != _RUNNING:
                    raise

    def _prove(self, locator: Locator, look: Frost) -> None:
        """Read its first byte: the header of a thaw that has just ended may still be there."""
        if look.size:
            with self._bucket.explained(locator["key"]):
                which = pinned(locator)
                self._bucket.client.get_object(Bucket=self._bucket.name, Range="bytes=0-0", **which)["Body"].read()

    def _extended(self, locator: Locator, look: Frost, near: Readiness) -> Readiness:
        """Nothing is lost where this fails: it can be read now."""
        soon = f"which is less than {self._settings.margin / 3600:.0f} hours ahead"
        try:
            self._restore(locator, look, "standard")
            judged = self._judged(locator, self._look(locator))
        except RestorekitError as error:
            return near.model_copy(update={"why": f"{near.why}, {soon}; it cannot be kept longer: {error.message}"})
        return judged.model_copy(update={"why": f"{judged.why}; before, it was {near.why}, {soon}"})

    def _asked(self, locator: Locator) -> Asked | None:
        try:
            return Asked.model_validate_json(self._note(locator).read_bytes())
        except (OSError, ValidationError):
            return None

    def _write(self, locator: Locator, asked: Asked) -> None:
        note = self._note(locator)
        note.parent.mkdir(parents=True, exist_ok=True)
        passing = note.with_suffix(f".{os.getpid()}")
        passing.write_text(asked.model_dump_json(), encoding="utf-8")
        passing.replace(note)

    def _note(self, locator: Locator) -> Path:
        told = "\0".join((locator["key"], locator.get("version", "")))
        return self._folder / f"{hashlib.sha256(told.encode()).hexdigest()[:32]}.json"


def _beside(locator: Locator) -> list[Locator]:
    """What lies beside an object and is read with it."""
    sides = [(suffix, locator[name]) for name, suffix in NAMES.items() if name in locator]
    return [
        {"key": locator["key"] + suffix, "etag": "", **({"version": version} if version else {})}
        for suffix, version in sides
    ]


def _together(answers: Sequence[Readiness]) -> Readiness:
    """How a point stands by how its objects stand: as badly as the worst of them, readable as long as all are."""
    worst = max(answers, key=lambda answer: ("ready", "thawing", "cold").index(answer.state))
    ends = [answer.until for answer in answers if answer.until]
    frozen = [answer for answer in answers if answer.state == "cold"]
    common = [w.name for w in worst.ways if all(w.name in {v.name for v in a.ways} for a in frozen)]
    ways = [_all_at_once([w for a in frozen for w in a.ways if w.name == name]) for name in common]
    return worst.model_copy(update={"ways": tuple(ways), "until": min(ends, default=None)})


def _all_at_once(ways: Sequence[Way]) -> Way:
    """The same way for several objects: it takes as long as the slowest and costs all."""
    slowest = max(ways, key=lambda way: way.high_s)
    return slowest.model_copy(update={"cost": sum(way.cost or 0 for way in ways)})


def _offered(key: str, stands: Readiness, way: str) -> None:
    names = [w.name for w in stands.ways]
    if stands.state == "cold" and way not in names:
        text = f"{key} cannot be thawed by way of {way!r}; nothing was asked for"
        raise UnknownName(text, hint=f"Offered: {', '.join(names)}.")


class _NoCapacity(Exception):
    """No expedited thaw to be had now; never leaves this file."""


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M %Z}"

"""What the layouts of a source say about one of its files: whose backup it is, from when, in which format."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Self, TypedDict

from pydantic import BaseModel, ConfigDict

from restorekit.formats.compression import compression_of
from restorekit.formats.layout import Layout, Match, format_of
from restorekit.model.point import Compression, Format, PointState, Quality, RecoveryPoint
from restorekit.model.value import Moment, Value

UNKNOWN = "?"
"""Stands for an engine or a database that nothing names; a point that carries it is never usable."""
_CLASH = "this name comes from more than one host"


class NamingSettings(BaseModel):
    """The part of a source's settings that turns names of files into databases.

    `layout` may be several, the first that fits wins. `engine` serves layouts without {engine}; `hosts` maps
    names of hosts (`*`: all others) to engines and goes before it.
    """

    model_config = ConfigDict(extra="forbid")

    layout: str | list[str]
    engine: str | None = None
    hosts: dict[str, str] = {}
    timezone: str | None = None


class Reading(Value):
    """One path, read. `why` says what is missing to be sure; empty when nothing is.

    `is_file`: the layout fits only files, by a literal suffix.
    """

    path: str
    engine: str
    match: Match
    format: Format | None
    compression: Compression
    is_file: bool = False
    why: str = ""

    @classmethod
    def unknown(cls) -> Self:
        """The reading of nothing, for a backup of which not even the name can be read."""
        return cls(path="", engine=UNKNOWN, match=Match(), format=None, compression="none")


class Moments(TypedDict):
    """The time fields of a recovery point."""

    consistent_at: Moment | None
    earliest: Moment | None
    latest: Moment | None
    quality: Quality


class Rules:
    """The ordered layouts of one source. `digest` changes when the same path could be read differently."""

    def __init__(self, settings: NamingSettings, zone: str, source: str, *, anchored: bool = False) -> None:
        """`anchored`: a layout stands for the whole path. Raises ConfigError for a bad layout or zone."""
        texts = [settings.layout] if isinstance(settings.layout, str) else settings.layout
        self._engine = settings.engine
        self._hosts = settings.hosts
        self.zone = settings.timezone or zone
        self.layouts = tuple(
            Layout(f"/{t.lstrip('/')}" if anchored and t else t, self.zone, f"sources.{source}.layout") for t in texts
        )
        told = repr((texts, self._engine, sorted(self._hosts.items()), self.zone))
        self.digest = hashlib.sha256(told.encode()).hexdigest()[:12]

    def read(self, path: str, host: str = "") -> Reading | None:
        """What the first fitting layout says about `path`, lying on or coming from `host`; None if none fits."""
        if any("\ud800" <= c <= "\udfff" for c in path):  # bytes that are no text: no layout can name them
            return None
        for layout in self.layouts:
            if match := layout.match(path):
                engine, why = self._whose(match, host)
                if match.ambiguous:
                    why = f"its name can be cut in more than one way by {layout.text}"
                return Reading(
                    path=path,
                    engine=engine,
                    match=match,
                    format=format_of(path),
                    compression=compression_of(path),
                    is_file=layout.names_files,
                    why=why,
                )
        return None

    def names_engine(self, reading: Reading, host: str) -> bool:
        """True if the engine follows from the path or from `hosts`, not from the default alone."""
        named = reading.match.host or host
        return reading.match.engine is not None or named in self._hosts or "*" in self._hosts

    def _whose(self, match: Match, host: str) -> tuple[str, str]:
        if match.engine is not None:
            return match.engine, ""
        named = match.host or host
        if mapped := self._hosts.get(named) or self._hosts.get("*"):
            return mapped, ""
        if match.host is not None:
            return UNKNOWN, f"nothing says which engine belongs to host {match.host}; set hosts"
        if self._engine is None:
            return UNKNOWN, "the layout names no engine; set engine, or hosts, or use {engine}"
        return self._engine, ""


def point_id(source: str, native: str, path: str, database: str) -> str:
    """A short stable id: the same backup has it after every scan, on every machine."""
    return hashlib.sha256(f"{source}\0{native}\0{path}\0{database}".encode()).hexdigest()[:16]


def claimed(match: Match, written_at: datetime) -> Moments | None:
    """The moment the name claims; `written_at`, a bound from above, narrows a coarse claim. None if it claims none."""
    if match.time is None or match.earliest is None or match.latest is None:
        return None
    latest = written_at if match.earliest <= written_at < match.latest else match.latest
    return Moments(consistent_at=match.time, earliest=match.earliest, latest=latest, quality=Quality.CLAIMED)


def clashes(points: Iterable[RecoveryPoint]) -> list[RecoveryPoint]:
    """Points to change because two hosts back up one name and nothing but the default engine tells them apart.

    The locator of such a point says `engine: default` and names the `host`. Nobody guesses which server such a backup
    belongs to; when only one of the hosts is left, they are usable again.
    """
    hosts: dict[str, set[str]] = {}
    mine = [p for p in points if p.locator.get("engine") == "default"]
    for point in mine:
        hosts.setdefault(str(point.database), set()).add(point.locator["host"])
    changed = []
    for point in mine:
        names = sorted(hosts[str(point.database)])
        if len(names) > 1 and point.state == PointState.USABLE:
            why = f"{_CLASH} ({', '.join(names)}); map them to engines with hosts, or use {{engine}}"
            changed.append(point.model_copy(update={"state": PointState.AMBIGUOUS, "why": why}))
        elif len(names) == 1 and point.why.startswith(_CLASH):
            changed.append(point.model_copy(update={"state": PointState.USABLE, "why": ""}))
    return changed

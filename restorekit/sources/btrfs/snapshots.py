"""The snapshots in a folder: which are of our subvolume, from when, and whether they can have been changed."""

import os
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from restorekit.errors import SourceUnavailable
from restorekit.formats.naming import Moments
from restorekit.model.point import PointState, Quality
from restorekit.sources.btrfs.subvolume import ROOT_INODE, Subvolume, subvolume_of

_DEEPEST = 3
_AROUND = timedelta(seconds=1)
"""The kernel writes out what it holds, then takes the picture, then notes the time by a coarse clock."""


@dataclass(frozen=True)
class Snapshot:
    """One snapshot; `key` is its path in the folder, `dated_at` what snapper noted about it."""

    path: Path
    key: str
    kernel: Subvolume
    dated_at: datetime | None = None

    @property
    def pins(self) -> dict[str, str]:
        """By what it is known again, unchanged."""
        return {"snapshot": self.kernel.uuid, "at": self.key, "changes": str(self.kernel.changes)}

    @property
    def doubt(self) -> str:
        """Why what is in it may not be what once was; empty where nothing speaks against it."""
        if self.kernel.changed:
            return "the snapshot was written to after it was taken"
        return "" if self.kernel.read_only else "the snapshot is writable, so that it may have been changed"

    @property
    def state(self) -> dict[str, PointState | str]:
        """The fields of a point that say so."""
        return {"state": PointState.SUSPICIOUS, "why": self.doubt} if self.doubt else {}

    @property
    def moments(self) -> Moments:
        """When the picture was taken: the kernel's time, but for a received one that is the time of its arrival."""
        made = self.kernel.created_at
        if not self.kernel.received:
            return Moments(consistent_at=made, earliest=made - _AROUND, latest=made + _AROUND, quality=Quality.BOUNDED)
        if self.dated_at is not None and self.dated_at <= made:
            return Moments(
                consistent_at=self.dated_at,
                earliest=self.dated_at,
                latest=min(self.dated_at + _AROUND, made),
                quality=Quality.CLAIMED,
            )
        return Moments(consistent_at=None, earliest=None, latest=made, quality=Quality.NONE)


def snapshots(folder: Path) -> list[Snapshot]:
    """All snapshots in `folder`, the trustworthy first, then the newest. Raises SourceUnavailable."""
    try:
        subvolume_of(folder)
        found = list(_visit(folder, "", 1))
    except OSError as error:
        raise SourceUnavailable(
            f"the snapshots in {folder} cannot be looked at: {error.strerror}",
            hint="Is the file system mounted, and may this user read it? Live is untouched.",
        ) from error
    return sorted(found, key=lambda s: (not s.doubt, s.kernel.created_at), reverse=True)


def _visit(folder: Path, above: str, depth: int) -> Iterator[Snapshot]:
    for entry in list(os.scandir(folder)):
        if entry.name.startswith(".") or not entry.is_dir(follow_symlinks=False):
            continue
        try:
            yield from _entry(entry, f"{above}/{entry.name}", depth)
        except FileNotFoundError:
            continue  # it was deleted while we looked: as if we had come later


def _entry(entry: "os.DirEntry[str]", key: str, depth: int) -> Iterator[Snapshot]:
    path = Path(entry.path)
    if path.stat(follow_symlinks=False).st_ino == ROOT_INODE:
        kernel = subvolume_of(path)
        if kernel.parent or kernel.received:
            yield Snapshot(path, key, kernel, _snapper(path))
    elif depth < _DEEPEST:
        yield from _visit(path, key, depth + 1)


def _snapper(path: Path) -> datetime | None:
    """The date (UTC, as snapper writes it) in `N/info.xml` beside `N/snapshot`; None where there is none."""
    if path.name != "snapshot":
        return None
    try:
        text = ET.parse(path.parent / "info.xml").findtext("date", "")  # noqa: S314  root's own file, without entities
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except (OSError, ET.ParseError, ValueError):
        return None


def belonging(found: Iterable[Snapshot], live: Subvolume | None, formerly: Iterable[str]) -> list[Snapshot]:
    """Those of the live subvolume, and those that were received; without a live subvolume all.

    A live subvolume that was itself brought back from a snapshot is another one for the kernel: snapshots of the one
    before count as well, as long as the snapshot between them exists, or its uuid stands in `formerly`.
    """
    found = list(found)
    if live is None:
        return found
    lives = {live.uuid, *formerly} | set(_before(live, {s.kernel.uuid: s.kernel for s in found}))
    return [s for s in found if s.kernel.received or s.kernel.parent in lives]


def _before(live: Subvolume, known: Mapping[str, Subvolume]) -> Iterator[str]:
    at: Subvolume | None = live
    while at is not None and (taken := known.get(at.parent)) is not None:
        yield taken.parent
        at = known.get(taken.parent)

"""Snapshots of a btrfs subvolume: dumps and SQLite files that lie in it, or the whole data directory of a server.

The snapshots themselves are never written to. Data directories are delivered as writable clones of a snapshot, made in
a folder of ours on the same file system and destroyed afterwards; an engine recovers its data in there.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from restorekit import ports
from restorekit.errors import PointExpired, PointUnusable, RestorekitError, SourceUnavailable
from restorekit.formats.folder.deliver import opened, sidecar
from restorekit.formats.folder.look import Looker
from restorekit.formats.multidump import Shelf
from restorekit.formats.naming import NamingSettings, Rules
from restorekit.model.exchange import Finding
from restorekit.model.home import Home
from restorekit.model.point import PointState, RecoveryPoint, Scan
from restorekit.sources.btrfs.clones import Clones
from restorekit.sources.btrfs.enclosed import check_enclosed
from restorekit.sources.btrfs.memory import Memory
from restorekit.sources.btrfs.scan import Scanner, holds
from restorekit.sources.btrfs.snapshots import Snapshot, belonging, snapshots
from restorekit.sources.btrfs.subvolume import Subvolume, subvolume_of

_ANOTHER = "Choose another recovery point; live is untouched."


class BtrfsSettings(NamingSettings):
    """`path` is the live subvolume, or lies in it; only its snapshots count, and those that were received.

    `snapshots` is the folder with the snapshots; with `snapper` it is `PATH/.snapshots` unless set. The `layout` is
    over the paths inside a snapshot. `holds` says what a fitting file is: a backup (`files`), or the sign of a
    database in a server's data directory (`datadir`). `clones` is where copies are made, `formerly` the uuids of
    subvolumes that `path` once was. A file changed less than `quiet_s` seconds before its snapshot counts as being
    written.
    """

    path: Path | None = None
    snapshots: Path | None = None
    snapper: bool = False
    holds: Literal["files", "datadir"]
    clones: Path | None = None
    formerly: list[str] = []
    btrfs: str = "btrfs"
    quiet_s: float = Field(default=5, ge=0)

    @model_validator(mode="after")
    def _place(self) -> "BtrfsSettings":
        if self.snapshots is None and not (self.snapper and self.path):
            msg = "set snapshots, or path and snapper: true"
            raise ValueError(msg)
        return self


class Btrfs(ports.AtHand):
    """A folder of snapshots as a source."""

    Settings = BtrfsSettings

    def __init__(self, name: str, settings: BtrfsSettings, home: Home) -> None:
        """Raises ConfigError for a bad layout or time zone."""
        self.name = name
        self._settings = settings
        self._live = home.base / settings.path if settings.path is not None else None
        self._folder = home.base / (settings.snapshots or Path(settings.path or "") / ".snapshots")
        self._rules = Rules(settings, home.timezone, name, anchored=True)
        self._shelf = Shelf(home.cache / "sources" / name / "index")
        self._seen = home.cache / "sources" / name / "seen.json"
        clones = home.base / settings.clones if settings.clones is not None else self._folder / ".restorekit"
        self._clones = Clones(clones, settings.btrfs)

    def check(self) -> list[Finding]:
        """How many snapshots there are and are ours; whether clones can be reached by a server's user."""
        try:
            every = snapshots(self._folder)
            live = self._live_now()
        except RestorekitError as error:
            return [Finding(severity="refuse", code=error.code, text=error.message, hint=error.hint)]
        ours = belonging(every, live, self._settings.formerly)
        text = f"{self._folder}: {len(ours)} snapshots, {len(every) - len(ours)} of other subvolumes"
        if self._live is not None and live is None:
            hint = "New snapshots cannot be assigned until it is there again."
            return [Finding(severity="warn", code="btrfs", text=f"{text}; {self._live} is not there", hint=hint)]
        if not ours:
            hint = f"Compare sources.{self.name}.path and .snapshots."
            return [Finding(severity="warn", code="btrfs", text=text, hint=hint)]
        return [Finding(severity="ok", code="btrfs", text=text), *self._way_to_clones()]

    def scan(self, known: Sequence[RecoveryPoint]) -> Scan:
        """See `ports.Source.scan`. Snapshots that were walked before, and have not changed, are only listed."""
        alive = [p for p in known if p.source == self.name and p.state != PointState.EXPIRED]
        memory = Memory(self._seen, f"{self._rules.digest} {self._settings.holds}", frozenset(p.id for p in known))
        every = snapshots(self._folder)
        here = self._ours(every, {p.locator["snapshot"] for p in alive} | memory.uuids)
        looker = Looker(self.name, "btrfs", self._rules, self._shelf)
        scanner = Scanner(self.name, self._rules, self._settings.holds, looker, self._settings.quiet_s)
        scan = scanner.scan(here, alive, memory)
        return scan.model_copy(update={"unparsed": scan.unparsed + len(every) - len(here)})

    @contextmanager
    def deliver(self, point: RecoveryPoint, watch: ports.Watch) -> Iterator[ports.Delivery]:
        """See `ports.Source.deliver`. The file may be read from any snapshot that holds the very same."""
        if point.format == "datadir":
            text = f"point {point.id} is a whole data directory and no stream"
            raise PointUnusable(text, hint=f"Its engine must take the database out of it. {_ANOTHER}")
        with opened(self._holding(point).path, point, self._shelf, watch) as delivery:
            yield delivery

    def manifest(self, point: RecoveryPoint) -> bytes | None:
        """`F.manifest.json` in the same snapshot; None where there is none, or where F holds many databases."""
        if point.format == "datadir" or "database" in point.locator:
            return None
        return sidecar(self._holding(point).path, point.locator["path"], ".manifest.json")

    @contextmanager
    def clone(self, point: RecoveryPoint, watch: ports.Watch) -> Iterator[Path]:
        """See `ports.Cloning.clone`."""
        if point.format != "datadir":
            raise PointUnusable(f"point {point.id} is a file and no data directory", hint=_ANOTHER)
        snapshot = self._holding(point)
        inside = point.locator["datadir"].lstrip("/")
        if snapshot.pins["changes"] != point.locator["changes"]:
            raise PointUnusable(f"{snapshot.path} was written to since it was scanned", hint="Scan again.")
        check_enclosed(snapshot.path / inside, watch)
        self._clones.sweep()
        with self._clones.made(snapshot, point.id) as copy:
            yield copy / inside

    def _ours(self, every: Sequence[Snapshot], known: set[str]) -> list[Snapshot]:
        """Those of our subvolume. What was ours once stays so: live may be gone just now, or be another one."""
        live = self._live_now()
        nobody_knows = self._live is not None and live is None
        ours = [] if nobody_knows else belonging(every, live, self._settings.formerly)
        uuids = {s.kernel.uuid for s in ours} | known
        return [s for s in every if s.kernel.uuid in uuids]

    def _live_now(self) -> Subvolume | None:
        """The live subvolume as it is; None where none is configured, or there."""
        try:
            return None if self._live is None else subvolume_of(self._live)
        except FileNotFoundError:
            return None
        except OSError as error:
            hint = "May this user read it? Live is untouched."
            raise SourceUnavailable(f"{self._live} cannot be looked at: {error.strerror}", hint=hint) from error

    def _holding(self, point: RecoveryPoint) -> Snapshot:
        """A snapshot with the point's bytes: its own, or for a file any other that holds the same."""
        every = snapshots(self._folder)
        own = next((s for s in every if s.kernel.uuid == point.locator["snapshot"]), None)
        if own is not None:
            return own
        if not every:
            text = f"no snapshot is left in {self._folder}; live is untouched"
            raise PointExpired(text, hint="Is the file system mounted?")
        also = (s for s in every if point.format != "datadir" and holds(s, point))
        if (found := next(also, None)) is not None:
            return found
        raise PointExpired(f"snapshot {point.locator['at']} is no longer there; live is untouched", hint=_ANOTHER)

    def _way_to_clones(self) -> list[Finding]:
        """Servers run as an unprivileged user, who must be able to pass through every folder above a clone."""
        if self._settings.holds != "datadir" or os.geteuid() != 0:
            return []
        folder = self._clones.folder
        closed = next((p for p in folder.parents if p.exists() and not p.stat().st_mode & 0o001), None)
        if closed is None:
            return []
        text = f"the user of staging servers cannot pass through {closed} to clones in {folder}"
        hint = f"chmod o+x {closed}, or set sources.{self.name}.clones to a folder on the same file system."
        return [Finding(severity="warn", code="clones", text=text, hint=hint)]


PROVIDER = Btrfs
_conforms: type[ports.Source] = Btrfs
_clones: type[ports.Cloning] = Btrfs

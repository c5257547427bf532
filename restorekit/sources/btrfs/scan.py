"""From snapshots to recovery points: only new ones are walked, and a dump is one point in however many it lies."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal

from restorekit.errors import SourceUnavailable
from restorekit.formats.folder.files import Found, found, walk
from restorekit.formats.folder.look import Looker
from restorekit.formats.naming import Reading, Rules
from restorekit.model.point import PointState, RecoveryPoint, Scan
from restorekit.sources.btrfs import datadirs
from restorekit.sources.btrfs.memory import Memory
from restorekit.sources.btrfs.snapshots import Snapshot

Holds = Literal["files", "datadir"]
_Pins = frozenset[tuple[str, str]]


class Scanner:
    """One scan. `looker` reads files; one changed less than `quiet_s` before its snapshot was perhaps being written."""

    def __init__(self, source: str, rules: Rules, holds: Holds, looker: Looker, quiet_s: float) -> None:
        self._source, self._rules, self._holds, self._looker, self._quiet_s = source, rules, holds, looker, quiet_s
        self._points: dict[str, RecoveryPoint] = {}
        self._placed: set[_Pins] = set()
        self._problems: list[str] = []
        self._unread: list[Snapshot] = []

    def scan(self, here: Sequence[Snapshot], known: Sequence[RecoveryPoint], memory: Memory) -> Scan:
        """`here` are the snapshots of our subvolume, best first; `known` the points of this source, not the expired.

        Raises SourceUnavailable.
        """
        if known and not here:
            raise SourceUnavailable(
                f"no snapshot is there, but {len(known)} recovery points lay in some",
                hint="Is it mounted? If live is another subvolume now, set `formerly`. The inventory is as before.",
            )
        present = {s.kernel.uuid: s for s in here}
        kept = {p.id: p for p in known if self._stays(p, present)}
        self._placed = {_pins(p) for p in kept.values()}
        for snapshot in here:
            if not memory.has(snapshot):
                self._look(snapshot, memory, kept)
        lost = [p for p in known if p.id not in kept and p.id not in self._points]
        settled = [s for s in here if memory.has(s)]
        gone = [p for p in lost if not self._again(p, settled) and not self._may_be_unread(p)]
        expired = [_expired(p) for p in gone]
        memory.write(here, {*kept, *self._points})
        return Scan(
            source=self._source,
            scanned_at=datetime.now(UTC),
            points=(*self._points.values(), *expired),
            gone=tuple(p.id for p in gone),
            problems=(*self._problems, *self._looker.problems),
            unparsed=memory.strangers,
        )

    def _stays(self, point: RecoveryPoint, present: dict[str, Snapshot]) -> bool:
        """A point stays where it was found while that snapshot is there, unchanged: further copies are no news."""
        snapshot = present.get(point.locator["snapshot"])
        same_rules = point.locator["rules"] == self._rules.digest
        return snapshot is not None and same_rules and snapshot.pins.items() <= point.locator.items()

    def _look(self, snapshot: Snapshot, memory: Memory, kept: dict[str, RecoveryPoint]) -> None:
        """Walk one snapshot. What could not be read to its end is walked again next time."""
        strangers = 0
        try:
            strangers = self._files(snapshot) if self._holds == "files" else self._datadirs(snapshot, kept)
        except OSError as error:
            self._cannot_read(snapshot, "", error)
        if snapshot not in self._unread:
            memory.note(snapshot, strangers)

    def _cannot_read(self, snapshot: Snapshot, key: str, error: OSError) -> None:
        self._problems.append(f"{snapshot.key}{key}: cannot be read: {error.strerror}")
        self._unread.append(snapshot)

    def _datadirs(self, snapshot: Snapshot, kept: dict[str, RecoveryPoint]) -> int:
        for point in datadirs.points(self._source, self._rules, snapshot):
            if point.id not in kept:
                self._points[point.id] = point
        return 0

    def _files(self, snapshot: Snapshot) -> int:
        seen = walk(snapshot.path)
        self._problems += [f"{snapshot.key}{problem}" for problem in seen.problems]
        self._unread += [snapshot] * bool(seen.problems)
        strangers = 0
        for file in seen.files:
            reading = self._rules.read(file.key)
            if reading is None:
                strangers += 1
            elif frozenset(self._looker.locator(file).items()) not in self._placed:
                self._file(snapshot, file, reading)
        return strangers

    def _file(self, snapshot: Snapshot, file: Found, reading: Reading) -> None:
        age_s = snapshot.kernel.created_at.timestamp() - file.mtime_ns / 1e9
        if abs(age_s) < self._quiet_s:
            where = f"{snapshot.key}{file.key}"
            self._problems.append(f"{where}: changed {age_s:.1f} s before the snapshot, perhaps still being written")
            return
        try:
            points = [_located(p, snapshot) for p in self._looker.points(snapshot.path, file, reading)]
        except OSError as error:
            self._cannot_read(snapshot, file.key, error)
            return
        self._points |= {p.id: p for p in points}
        self._placed |= {_pins(p) for p in points}

    def _again(self, point: RecoveryPoint, settled: Iterable[Snapshot]) -> bool:
        """True if its snapshot is gone, but the very same file lies in another one that was walked before."""
        if self._holds != "files" or point.locator["rules"] != self._rules.digest:
            return False
        for snapshot in settled:
            if holds(snapshot, point):
                self._points[point.id] = _located(point, snapshot)
                return True
        return False

    def _may_be_unread(self, point: RecoveryPoint) -> bool:
        """True if it lies, or may lie, where nobody could look just now."""
        return any(self._holds == "files" or point.locator["snapshot"] == s.kernel.uuid for s in self._unread)


def holds(snapshot: Snapshot, point: RecoveryPoint) -> bool:
    """True if the very file of `point` lies in `snapshot`."""
    try:
        key = point.locator["path"]
        return found(snapshot.path / key.lstrip("/"), key).pins.items() <= point.locator.items()
    except OSError:
        return False


def _pins(point: RecoveryPoint) -> _Pins:
    """The file's identity, wherever it lies."""
    elsewhere = ("snapshot", "at", "changes", "database")
    return frozenset((name, value) for name, value in point.locator.items() if name not in elsewhere)


def _located(point: RecoveryPoint, snapshot: Snapshot) -> RecoveryPoint:
    """The point in that snapshot. That the whole snapshot is in doubt weighs less than what is said of the file."""
    update: dict[str, object] = {"locator": point.locator | snapshot.pins}
    if point.state in (PointState.USABLE, PointState.EXPIRED):
        update |= snapshot.state
    return point.model_copy(update=update)


def _expired(point: RecoveryPoint) -> RecoveryPoint:
    return point.model_copy(update={"state": PointState.EXPIRED, "why": "no snapshot holds it any more"})

"""Whole data directories in a snapshot: one recovery point per database that lies in one."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from restorekit.formats.multidump import SYSTEM
from restorekit.formats.naming import UNKNOWN, Reading, Rules, point_id
from restorekit.model.database import DatabaseId
from restorekit.model.point import PointState, RecoveryPoint
from restorekit.sources.btrfs.snapshots import Snapshot
from restorekit.sources.btrfs.subvolume import PLACEHOLDER_INODE

_OURS = ("rk_hold_", "rk_undo_")
_MARKER = "db.opt"
"""MariaDB puts it into the folder of every database."""


@dataclass
class Places:
    """Files of a snapshot that may name databases (keys), and folders that are empty because they are subvolumes."""

    keys: list[str] = field(default_factory=list)
    nested: list[str] = field(default_factory=list)


def places(root: Path, depth: int) -> Places:
    """Look `depth` levels deep, at names only. Raises OSError."""
    seen = Places()
    _visit(root, "", depth, seen)
    return seen


def _visit(folder: Path, above: str, depth: int, seen: Places) -> None:
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        key = f"{above}/{entry.name}"
        if entry.name.startswith("."):
            continue
        if entry.is_file(follow_symlinks=False):
            seen.keys.append(key)
        elif entry.is_dir(follow_symlinks=False):
            if is_placeholder(entry):
                seen.nested.append(key)
            elif depth > 1:
                _visit(Path(entry.path), key, depth - 1, seen)


def is_placeholder(entry: "os.DirEntry[str]") -> bool:
    """True for the empty folder that stands where another subvolume was when the snapshot was taken."""
    return entry.stat(follow_symlinks=False).st_ino == PLACEHOLDER_INODE


def points(source: str, rules: Rules, snapshot: Snapshot) -> Iterator[RecoveryPoint]:
    """A point per customer's database. Raises OSError."""
    depth = max(layout.text.strip("/").count("/") + 1 for layout in rules.layouts)
    seen = places(snapshot.path, depth)
    for key in seen.keys:
        reading = rules.read(key)
        if reading is not None and _is_customers(reading.match.database or ""):
            yield _point(source, rules, snapshot, reading, seen.nested)


def _is_customers(name: str) -> bool:
    return name not in SYSTEM and name != "_restorekit" and not name.startswith(_OURS)


def _point(source: str, rules: Rules, snapshot: Snapshot, reading: Reading, nested: list[str]) -> RecoveryPoint:
    folder = str(Path(reading.path).parent.parent if Path(reading.path).name == _MARKER else Path(reading.path).parent)
    database = DatabaseId(engine=reading.engine, name=reading.match.database or UNKNOWN)
    state: dict[str, PointState | str] = snapshot.state
    if empty := [n for n in nested if Path(n).is_relative_to(folder)]:
        why = f"{empty[0]} is a subvolume of its own, and no snapshot of this one holds it"
        state = {"state": PointState.DAMAGED, "why": why}
    if reading.why:
        state = {"state": PointState.AMBIGUOUS, "why": reading.why}
    return RecoveryPoint.model_validate(
        {
            "id": point_id(source, snapshot.kernel.uuid, folder, str(database)),
            "source": source,
            "medium": "btrfs",
            "database": database,
            **snapshot.moments,
            "consistency": "snapshot",
            "format": "datadir",
            "locator": {"datadir": folder, "rules": rules.digest, **snapshot.pins},
            **state,
        }
    )

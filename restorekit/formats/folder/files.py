"""The files of a folder, and the identity by which one is known again."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from restorekit.errors import SourceUnavailable

UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload")
BESIDE = (".sha256", ".manifest.json", "-wal", "-shm", "-journal")
"""Suffixes of files that belong to another file and are no backups themselves."""


@dataclass(frozen=True)
class Found:
    """One regular file; `key` is its path in the folder with a leading slash."""

    key: str
    size: int
    mtime_ns: int
    inode: int
    side: str = ""
    """Side files of an SQLite database beside it that hold something: `-wal`, `-journal`."""

    @property
    def pins(self) -> dict[str, str]:
        """What must be unchanged for this still to be the same backup."""
        return {"size": str(self.size), "mtime_ns": str(self.mtime_ns), "inode": str(self.inode), "side": self.side}


@dataclass
class Walk:
    """All files of a folder, and what could not be looked into (keys, and sentences)."""

    files: list[Found] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    skipped: int = 0


def walk(root: Path) -> Walk:
    """Every regular, visible, finished file below `root`; links are not followed (they would count twice).

    Raises SourceUnavailable when the folder itself cannot be read.
    """
    seen = Walk()
    try:
        entries = list(os.scandir(root))
    except OSError as error:
        raise SourceUnavailable(
            f"the folder {root} cannot be read: {error.strerror}",
            hint="Is the medium mounted, and may this user read it? Live is untouched.",
        ) from error
    _visit(entries, "", seen)
    return seen


def _visit(entries: "list[os.DirEntry[str]]", above: str, seen: Walk) -> None:
    names = {e.name for e in entries}
    for entry in sorted(entries, key=lambda e: e.name):
        key = f"{above}/{entry.name}"
        try:
            if entry.is_dir(follow_symlinks=False):
                _visit(list(os.scandir(entry.path)), key, seen)
            elif _is_backup(entry):
                seen.files.append(found(Path(entry.path), key, names))
        except FileNotFoundError:
            continue  # it vanished while we looked: as if we had come later
        except OSError as error:
            seen.closed.append(key)
            seen.problems.append(f"{key}: cannot be read: {error.strerror}")


def _is_backup(entry: "os.DirEntry[str]") -> bool:
    name = entry.name.lower()
    if name.startswith(".") or name.endswith((*UNFINISHED, *BESIDE)):
        return False
    return entry.is_file(follow_symlinks=False)


def found(path: Path, key: str, beside: "set[str] | None" = None) -> Found:
    """The identity of the file at `path` now. Raises OSError."""
    facts = path.stat(follow_symlinks=False)
    if not stat.S_ISREG(facts.st_mode):
        raise FileNotFoundError(2, "is no regular file any more", str(path))
    sides = [s for s in ("-wal", "-journal") if beside is None or path.name + s in beside]
    side = ",".join(s for s in sides if _holds(path.with_name(path.name + s)))
    return Found(key, facts.st_size, facts.st_mtime_ns, facts.st_ino, side)


def _holds(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False

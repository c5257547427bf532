"""Writable copies of snapshots: made beside them, ours alone, destroyed when they are no longer needed.

Each clone has a record beside it, flushed to the medium before the clone is made and again with its uuid as soon as it
is there, and locked as long as the process that made it lives. Nothing is destroyed but a subvolume of our prefix
whose record names its uuid, or names the snapshot it was being made from when its maker died.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from restorekit import shell
from restorekit.crashpoint import here
from restorekit.errors import ConfigError, DiskFull, Refused, SourceUnavailable
from restorekit.model.value import Value
from restorekit.sources.btrfs.snapshots import Snapshot
from restorekit.sources.btrfs.subvolume import ROOT_INODE, subvolume_of

PREFIX = "rk-"
_NAME = re.compile(r"rk-[0-9A-Za-z]+-[0-9a-f]{16}")
_PATIENCE_S = 300.0


class Record(Value):
    """What is known of a clone: its name is random and was written down before it was made."""

    name: str
    snapshot: str
    uuid: str = ""


class Clones:
    """The clones in one folder, on the file system of the snapshots."""

    def __init__(self, folder: Path, btrfs: str) -> None:
        """`btrfs` is the tool's program."""
        self.folder, self._btrfs = folder, btrfs

    @contextlib.contextmanager
    def made(self, snapshot: Snapshot, point_id: str) -> Iterator[Path]:
        """A writable copy of `snapshot`, destroyed at the end. Raises ConfigError, DiskFull, SourceUnavailable."""
        name = f"{PREFIX}{point_id}-{secrets.token_hex(8)}"
        path = self.folder / name
        with self._recorded(Record(name=name, snapshot=snapshot.kernel.uuid)) as file:
            here("btrfs.recorded")
            try:
                self._run("snapshot", str(snapshot.path), str(path))
                here("btrfs.cloned")
                _append(file, subvolume_of(path).uuid)
                yield path
            finally:
                self.destroy(name)

    def sweep(self) -> None:
        """Destroy what dead processes left behind. Clones of living ones, and what is not ours for sure, stay."""
        if not self.folder.exists():
            return
        with _locked(self.folder):
            for path in sorted(self.folder.glob(f"{PREFIX}*.json")):
                with path.open("rb") as file, contextlib.suppress(BlockingIOError, Refused):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # blocked: its maker lives
                    self.destroy(path.stem)

    def destroy(self, name: str) -> None:
        """Delete one clone and its record; idempotent. Raises Refused for whatever cannot be proven to be ours."""
        path, note = self.folder / name, self.folder / f"{name}.json"
        if path.exists() or path.is_symlink():
            self._prove_ours(path, note)
            # Cannot be taken back: from here on it was proven to be a copy that we made.
            self._run("delete", str(path))
        if _NAME.fullmatch(name):
            note.unlink(missing_ok=True)

    def _prove_ours(self, path: Path, note: Path) -> None:
        record = _read(note) if _NAME.fullmatch(path.name) else None
        if record is None or record.name != path.name:
            raise _not_ours(path, "there is no record that we made it")
        if path.is_symlink() or path.stat().st_ino != ROOT_INODE:
            raise _not_ours(path, "it is no subvolume")
        found = subvolume_of(path)
        ours = found.uuid == record.uuid if record.uuid else found.parent == record.snapshot
        if not ours or found.read_only:
            raise _not_ours(path, "it is not the one that was recorded")

    @contextlib.contextmanager
    def _recorded(self, record: Record) -> Iterator[BinaryIO]:
        """The record's file, on the medium and locked as long as we live."""
        try:
            if not self.folder.exists():
                self.folder.mkdir()
                self.folder.chmod(0o711)  # a server's unprivileged user must come through
            with _locked(self.folder):  # nobody sweeps between making the file and locking it
                file = (self.folder / f"{record.name}.json").open("xb")
                fcntl.flock(file, fcntl.LOCK_EX)
            _append(file, record.model_dump_json())
            _flush(self.folder)
        except OSError as error:
            raise _no_room(self.folder, error) from error
        with file:
            yield file

    def _run(self, verb: str, *words: str) -> None:
        done = shell.run(shell.Spec([self._btrfs, "subvolume", verb, "--", *words]), timeout_s=_PATIENCE_S)
        if done.returncode == 0:
            return
        said = done.stderr.strip()[-300:]
        if "Operation not permitted" in said or "Permission denied" in said:
            raise ConfigError(
                f"btrfs subvolume {verb} is refused: {said}; the snapshots are untouched",
                hint="It needs root (CAP_SYS_ADMIN). Or set `btrfs` to a program that may do it.",
            )
        if "cross-device" in said or "not a btrfs filesystem" in said:
            text = f"{self.folder} is not on the file system of the snapshots; they are untouched"
            raise ConfigError(text, hint="Set `clones` to a folder on that file system.")
        if "No space left" in said:
            raise DiskFull(f"no space left for a clone in {self.folder}; live is untouched", hint="Free some space.")
        raise SourceUnavailable(
            f"btrfs subvolume {verb} failed: {said}; the snapshots are untouched", hint="Try again."
        )


def _not_ours(path: Path, why: str) -> Refused:
    hint = "Look at it; if nobody needs it, delete it by hand."
    return Refused(f"{path} was not destroyed: {why}", hint=hint)


def _no_room(folder: Path, error: OSError) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"no space left in {folder}; live is untouched", hint="Free some space.")
    hint = "Set `clones` to a folder on the same file system that this user may write to. Live is untouched."
    return ConfigError(f"clones cannot be made in {folder}: {error.strerror}", hint=hint)


def _read(note: Path) -> Record | None:
    """What was written down; a last line that was cut off by a crash does not count."""
    try:
        first, _, uuid = note.read_text(encoding="utf-8").partition("\n")
        record = Record.model_validate_json(first)
    except (OSError, ValueError):
        return None
    return record.model_copy(update={"uuid": uuid.strip()}) if uuid.endswith("\n") else record


def _append(file: BinaryIO, line: str) -> None:
    file.write(f"{line}\n".encode())
    file.flush()
    os.fsync(file.fileno())


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

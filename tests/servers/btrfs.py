"""A real btrfs file system in a file, mounted for the tests and always unmounted again.

with Disk.mounted() as disk:
    live = disk.subvolume("live")
    disk.snapshot(live, "2026-01-17")
"""

import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest
from servers.mariadb import LiveServer


def said(*argv: str | Path) -> str:
    """What a program says; the test fails if the program does."""
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout


@dataclass
class Disk:
    """One file system; every test works in a folder of its own (`room`)."""

    folder: Path
    _rooms: Iterator[int] = field(default_factory=itertools.count)

    @classmethod
    @contextlib.contextmanager
    def mounted(cls, size: str = "256M") -> Iterator[Self]:
        """Made and mounted; the test is skipped where that is not possible."""
        if os.geteuid() != 0 or shutil.which("mkfs.btrfs") is None:
            pytest.skip("a btrfs file system needs root and btrfs-progs")
        base = Path(tempfile.mkdtemp(prefix="rk-btrfs-", dir="/tmp"))
        base.chmod(0o755)
        disk = cls(base / "m")
        disk.folder.mkdir()
        try:
            said("truncate", "-s", size, disk.image)
            said("mkfs.btrfs", "-q", disk.image)
            words = ["mount", "-t", "btrfs", "-o", "loop,noatime", str(disk.image), str(disk.folder)]
            done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
            if done.returncode:
                pytest.skip(f"btrfs cannot be mounted here: {done.stderr.strip()}")
            try:
                yield disk
            finally:
                said("umount", "-l", disk.folder)  # the loop device goes with it
        finally:
            shutil.rmtree(base)

    @property
    def image(self) -> Path:
        return self.folder.with_name("image")

    def room(self) -> Path:
        """A new folder on it."""
        path = self.folder / f"r{next(self._rooms)}"
        path.mkdir()
        return path

    def rot(self, text: bytes) -> None:
        """Let every copy of these bytes on the medium change, as a bad sector would; nothing may hold it in memory."""
        os.sync()
        data = self.image.read_bytes()
        places = [at for at in range(0, len(data), 4096) if text in data[at : at + 4096]]
        assert places, "those bytes do not lie on the medium as they are"
        with self.image.open("r+b") as image:
            for at in places:
                image.seek(data.index(text, at))
                image.write(bytes(b ^ 1 for b in text))


def subvolume(path: Path) -> Path:
    """A new subvolume."""
    said("btrfs", "subvolume", "create", path)
    path.chmod(0o755)
    return path


def snapshot(live: Path, path: Path, *, writable: bool = False) -> Path:
    """A snapshot of `live` at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    said("btrfs", "subvolume", "snapshot", *([] if writable else ["-r"]), live, path)
    return path


def delete(path: Path) -> None:
    """Delete a subvolume."""
    said("btrfs", "subvolume", "delete", path)


def set_writable(path: Path, *, writable: bool) -> None:
    """What an admin can do to a snapshot."""
    said("btrfs", "property", "set", path, "ro", "false" if writable else "true")


def forget(path: Path) -> None:
    """Drop a file's pages from memory: the next reader reads from the medium."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def on_subvolume(disk: Disk) -> Iterator[LiveServer]:
    """A live server whose data directory is a subvolume `live` in a room of its own."""
    room = disk.room()
    room.chmod(0o755)
    live = LiveServer(folder=subvolume(room / "live"), log_bin=True, args=("--innodb-log-file-size=8M",))
    try:
        live.start()
        yield live
    finally:
        live.kill()


@pytest.fixture(scope="session")
def btrfs_disk() -> Iterator[Disk]:
    """One file system for the whole run of a worker."""
    with Disk.mounted() as disk:
        yield disk

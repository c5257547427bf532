"""A subvolume with dumps, and snapshots of it, as a hoster's nightly script leaves them."""

import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from servers.btrfs import Disk, delete, snapshot, subvolume

from restorekit.discovery import provider
from restorekit.model.home import Home
from restorekit.ports import Source

LAYOUT = "{engine}/{database}-{time:%Y-%m-%dT%H%M}.sql"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


class Lab:
    """`live` and a folder of its snapshots (`medium`). A dump is deleted once a snapshot holds it."""

    def __init__(self, disk: Disk, base: Path, **settings: Any) -> None:
        self.base, self.room = base, disk.room()
        self.live = subvolume(self.room / "live")
        self.medium = self.room / "my snapshots"
        self.medium.mkdir()
        self.settings = {"path": "live", "snapshots": "my snapshots", "layout": LAYOUT, "holds": "files", **settings}
        self.taken: dict[str, Path] = {}

    def source(self, **settings: Any) -> Source:
        home = Home(staging=self.base, cache=self.base / "cache", base=self.room, timezone="Europe/Berlin")
        section = {"kind": "btrfs", **self.settings, **settings}
        return provider("restorekit.sources", "snaps", section, home)  # type: ignore[no-any-return]

    def write(self, name: str, data: bytes, at: datetime = LONG_AGO) -> Path:
        path = self.live / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (at.timestamp(), at.timestamp()))
        return path

    def snapshot(self, name: str = "") -> Path:
        return snapshot(self.live, self.medium / (name or f"night {len(list(self.medium.iterdir()))}"))

    def back_up(self, database: str, data: bytes, at: datetime) -> None:
        local = at.astimezone(ZoneInfo("Europe/Berlin"))
        path = self.write(f"db1/{database}-{local:%Y-%m-%dT%H%M}.sql", data, at + timedelta(minutes=3))
        beside = self.write(f"{path.relative_to(self.live)}.sha256", f"{sha256(data).hexdigest()}\n".encode())
        self.taken[database] = self.snapshot(database)
        path.unlink()
        beside.unlink()

    def add_stranger(self) -> None:
        self.write("db1/readme.txt", b"hello")
        self.snapshot()

    def remove(self, database: str) -> None:
        delete(self.taken[database])

    def _rewrite(self, database: str, change: Any) -> None:
        """Another snapshot in its place, in which the dump, not its digest, is different."""
        old = self.taken[database]
        (file,) = (p for p in old.glob("db1/*") if p.suffix == ".sql")
        name = str(file.relative_to(old))
        path = self.write(name, change(file.read_bytes()), datetime.fromtimestamp(file.stat().st_mtime, UTC))
        self.write(f"{name}.sha256", file.with_name(f"{file.name}.sha256").read_bytes())
        delete(old)
        snapshot(self.live, old)
        path.unlink()

    def flip(self, database: str) -> None:
        self._rewrite(database, lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])

    def truncate(self, database: str) -> None:
        self._rewrite(database, lambda data: data[: len(data) // 2])

    def unmount(self) -> None:
        self.medium.rename(self.room / "elsewhere")

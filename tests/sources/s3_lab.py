"""A bucket of dumps that the tests write to as a backup job would."""

import itertools
import shutil
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from contract.source import JANUARY
from servers.s3 import LONG_AGO, Rclone, rclone_server

from restorekit.discovery import provider
from restorekit.model.home import Home
from restorekit.ports import Source

__all__ = ["Dumps", "dumps", "rclone_server", "source_of"]

LAYOUT = "{engine}/{database}-{time:%Y-%m-%dT%H%M}.sql"
_NUMBERS = itertools.count()


def source_of(base: Path, section: dict[str, Any]) -> Source:
    home = Home(staging=base, cache=base / "cache", base=base, timezone="Europe/Berlin")
    return provider("restorekit.sources", "bucket", section, home)  # type: ignore[no-any-return]


class Dumps:
    """A bucket of its own in a running server; names carry Berlin time, each dump has a digest beside it."""

    def __init__(self, server: Rclone, base: Path) -> None:
        self.server, self.base = server, base
        self.bucket = f"dumps{next(_NUMBERS)}"
        self.medium = server.root / self.bucket
        self.medium.mkdir()

    def source(self, **settings: Any) -> Source:
        return source_of(self.base, {**self.server.section(self.bucket), "layout": LAYOUT, **settings})

    def write(self, key: str, data: bytes, at: datetime = LONG_AGO) -> Path:
        return self.server.write(self.bucket, key, data, at)

    def back_up(self, database: str, data: bytes, at: datetime) -> None:
        local = at.astimezone(ZoneInfo("Europe/Berlin"))
        key = f"db1/{database}-{local:%Y-%m-%dT%H%M}.sql"
        self.write(key, data, at + timedelta(minutes=3))
        self.write(f"{key}.sha256", f"{sha256(data).hexdigest()}  {database}.sql\n".encode())

    def add_stranger(self) -> None:
        self.write("db1/readme.txt", b"hello")

    def file(self, database: str) -> Path:
        (path,) = (p for p in self.medium.glob(f"*/{database}-*") if p.suffix == ".sql")
        return path

    def remove(self, database: str) -> None:
        for path in self.medium.glob(f"*/{database}-*"):
            path.unlink()

    def flip(self, database: str) -> None:
        data = bytearray(self.file(database).read_bytes())
        data[len(data) // 2] ^= 1
        self._spoil(database, bytes(data))

    def truncate(self, database: str) -> None:
        data = self.file(database).read_bytes()
        self._spoil(database, data[: len(data) // 2])

    def _spoil(self, database: str, data: bytes) -> None:
        self.write(str(self.file(database).relative_to(self.medium)), data, JANUARY + timedelta(minutes=4))

    def unmount(self) -> None:
        shutil.rmtree(self.medium)


@pytest.fixture
def dumps(rclone_server: Rclone, tmp_path: Path) -> Dumps:
    return Dumps(rclone_server, tmp_path)

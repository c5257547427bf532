"""A folder of backups that the tests write to as a backup job would."""

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from contract.source import JANUARY

from restorekit.discovery import provider
from restorekit.model.home import Home
from restorekit.ports import Source

LAYOUT = "{engine}/{database}-{time:%Y-%m-%dT%H%M}.sql"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


class Folder:
    """A folder of dumps whose names carry Berlin time, each with a digest beside it."""

    def __init__(self, base: Path, **settings: Any) -> None:
        self.base = base
        self.medium = base / "dumps"
        self.medium.mkdir()
        self.settings = {"kind": "directory", "path": "dumps", "layout": LAYOUT, **settings}

    def source(self) -> Source:
        home = Home(staging=self.base, cache=self.base / "cache", base=self.base, timezone="Europe/Berlin")
        return provider("restorekit.sources", "files", self.settings, home)  # type: ignore[no-any-return]

    def write(self, name: str, data: bytes, at: datetime = LONG_AGO) -> Path:
        path = self.medium / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (at.timestamp(), at.timestamp()))
        return path

    def back_up(self, database: str, data: bytes, at: datetime) -> None:
        local = at.astimezone(ZoneInfo("Europe/Berlin"))
        path = self.write(f"db1/{database}-{local:%Y-%m-%dT%H%M}.sql", data, at + timedelta(minutes=3))
        self.write(f"{path.relative_to(self.medium)}.sha256", f"{sha256(data).hexdigest()}  {path.name}\n".encode())

    def add_stranger(self) -> None:
        self.write("db1/readme.txt", b"hello")

    def file(self, database: str) -> Path:
        (path,) = (p for p in self.medium.glob(f"*/{database}-*") if p.suffix == ".sql")
        return path

    def remove(self, database: str) -> None:
        self.file(database).unlink()

    def flip(self, database: str) -> None:
        data = bytearray(self.file(database).read_bytes())
        data[len(data) // 2] ^= 1
        self.write(str(self.file(database).relative_to(self.medium)), bytes(data), JANUARY + timedelta(minutes=4))

    def truncate(self, database: str) -> None:
        data = self.file(database).read_bytes()
        self.write(str(self.file(database).relative_to(self.medium)), data[: len(data) // 2], JANUARY)

    def unmount(self) -> None:
        shutil.rmtree(self.medium)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Folder]:
    return lambda **settings: Folder(tmp_path, **settings)

"""A restic repository that the tests write to as a backup job would."""

import functools
import shutil
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from contract.source import JANUARY
from servers.restic import Repository, flip, restic_binary, truncate

from restorekit.discovery import provider
from restorekit.model.home import Home
from restorekit.ports import Source

__all__ = ["Lab", "empty", "lab", "restic_binary"]


@pytest.fixture(scope="session")
def empty(restic_binary: str, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository without snapshots, made once per binary."""
    return Repository(tmp_path_factory.mktemp("restic") / "repo", restic_binary).init()


@functools.cache
def first_backup(empty: Repository, database: str, data: bytes, at: datetime) -> Repository:
    """A repository with just this one backup."""
    made = empty.copy(Path(tempfile.mkdtemp(dir=empty.folder.parent)) / "repo")
    made.stream(f"/db1/{database}.sql", data, f"{at:%Y-%m-%d %H:%M:%S}")
    return made


class Lab:
    """A copy of the empty repository."""

    def __init__(self, empty: Repository, base: Path) -> None:
        self.base, self.empty = base, empty
        self.repository = empty.copy(base / "repo")
        self.medium = self.repository.folder
        self.section = {"kind": "restic", **self.repository.settings()}
        self.snapshots: dict[str, str] = {}
        self.packs: dict[str, list[Path]] = {}

    def source(self, **settings: Any) -> Source:
        home = Home(staging=self.base, cache=self.base / "cache", base=self.base, timezone="Europe/Berlin")
        return provider("restorekit.sources", "nightly", {**self.section, **settings}, home)  # type: ignore[no-any-return]

    def back_up(self, database: str, data: bytes, at: datetime = JANUARY) -> None:
        if self.repository.ids():
            self._stream(self.repository, database, data, at)
            return
        made = first_backup(self.empty, database, data, at)  # most tests begin with the same one
        shutil.rmtree(self.medium)
        made.copy(self.medium)
        (self.snapshots[database],) = self.repository.ids()
        self.packs[database] = self.repository.newest_packs(set())

    def _stream(self, repository: Repository, database: str, data: bytes, at: datetime) -> None:
        before = repository.packs()
        self.snapshots[database] = repository.stream(f"/db1/{database}.sql", data, f"{at:%Y-%m-%d %H:%M:%S}")
        self.packs[database] = repository.newest_packs(before)

    def folder(self, files: dict[str, bytes]) -> Path:
        for name, data in files.items():
            path = self.base / "dumps" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return self.base / "dumps"

    def add_stranger(self) -> None:
        self.repository.stream("/readme.txt", b"hello")

    def remove(self, database: str) -> None:
        self.repository.forget(self.snapshots[database], prune=True)

    def flip(self, database: str) -> None:
        flip(self.packs[database][0])

    def truncate(self, database: str) -> None:
        truncate(self.packs[database][0])

    def unmount(self) -> None:
        shutil.rmtree(self.medium)


@pytest.fixture
def lab(empty: Repository, tmp_path: Path) -> Lab:
    return Lab(empty, tmp_path)

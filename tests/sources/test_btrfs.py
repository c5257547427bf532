"""Snapshots of a real btrfs file system in a file. Skipped where none can be mounted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from contract.source import SourceContract
from servers.btrfs import Disk, btrfs_disk
from sources.btrfs_lab import Lab

__all__ = ["btrfs_disk"]


@pytest.fixture
def lab(btrfs_disk: Disk, tmp_path: Path) -> Lab:
    return Lab(btrfs_disk, tmp_path)


class TestBtrfs(SourceContract):
    pass


@pytest.fixture
def make(btrfs_disk: Disk, tmp_path: Path) -> Callable[..., Lab]:
    return lambda **settings: Lab(btrfs_disk, tmp_path, **settings)

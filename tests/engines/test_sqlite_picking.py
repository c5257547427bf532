"""Rows of a backup brought back one by one, on SQLite."""

from pathlib import Path

import pytest
from contract.delta import DeltaContract
from contract.picking import PickingContract
from servers.sqlite import SQLiteLab


class TestRollbackJournal(PickingContract, DeltaContract):
    @pytest.fixture
    def lab(self, tmp_path: Path) -> SQLiteLab:
        return SQLiteLab(tmp_path, journal="delete")


class TestWAL(PickingContract, DeltaContract):
    seeds = range(12, 20)
    campaign = range(1300, 1400)

    @pytest.fixture
    def lab(self, tmp_path: Path) -> SQLiteLab:
        return SQLiteLab(tmp_path, journal="wal")

"""The engine contract on SQLite: both journal modes, database files and dumps."""

from pathlib import Path

import pytest
from contract.engine import EngineContract, LoadingContract
from servers.sqlite import SQLiteLab


class TestRollbackJournal(EngineContract):
    @pytest.fixture
    def lab(self, tmp_path: Path) -> SQLiteLab:
        return SQLiteLab(tmp_path, journal="delete")


class TestWAL(EngineContract):
    @pytest.fixture
    def lab(self, tmp_path: Path) -> SQLiteLab:
        return SQLiteLab(tmp_path, journal="wal")


class TestDumps(LoadingContract):
    """Backups as text."""

    @pytest.fixture
    def lab(self, tmp_path: Path) -> SQLiteLab:
        return SQLiteLab(tmp_path, form=("sql", "none"))

"""The contract, on a real Bacula with a virtual library."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from contract.source import SourceContract
from servers.bacula import Library
from sources.bacula_lab import BIG, Lab


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library without backups, saved."""
    saved = tmp_path_factory.mktemp("bacula") / "labelled.tar"
    library = Library(BIG)
    try:
        library.start()
        library.stop()
        library.save(saved)
    finally:
        library.close()
    return saved


class TestBacula(SourceContract):
    @pytest.fixture
    def lab(self, labelled: Path, tmp_path: Path) -> Iterator[Lab]:
        with Library.running(labelled, BIG) as library:
            yield Lab(library, tmp_path)

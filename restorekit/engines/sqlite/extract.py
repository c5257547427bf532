"""One database out of a copied folder: recovered there as its next user would have, then streamed as a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from restorekit.engines.sqlite import connect
from restorekit.engines.sqlite.places import Places
from restorekit.errors import NeedsChoice, PointUnusable, SourceDamaged, UnknownName
from restorekit.model.point import Compression, Format
from restorekit.ports import Watch

_JOURNAL = bytes.fromhex("d9d505f920a163d7")
_ANOTHER = "Choose another recovery point; live is untouched."


@contextmanager
def extract(datadir: Path, schema: str, watch: Watch) -> Iterator["Extracted"]:
    """See `ports.Extracting.extract`. The stream carries no manifest, since a database file has no room for one."""
    path = _file(datadir, schema)
    _refuse_shared_transaction(path)
    watch.check()
    with connect.explained(f"database {schema} in the copy"):
        _recover(path)
    with path.open("rb") as file:
        yield Extracted(path, file)


class Extracted:
    """The recovered file; a `ports.Extraction`."""

    form: tuple[Format, Compression] = ("sqlite", "none")

    def __init__(self, path: Path, file: BinaryIO) -> None:
        """`file` is `path`, opened."""
        self.size: int | None = path.stat().st_size
        self._path, self._file = path, file

    def read(self, most: int) -> bytes:
        """Up to `most` bytes. Raises SourceDamaged."""
        try:
            return self._file.read(most)
        except OSError as error:
            text = f"{self._path.name} in the copy cannot be read: {error.strerror}"
            raise SourceDamaged(text, hint=_ANOTHER) from error

    def finish(self) -> bool:
        """False: a file has no digest of its own."""
        return False


def _file(datadir: Path, schema: str) -> Path:
    try:
        path = Places(datadir).live(schema)
    except (UnknownName, NeedsChoice) as error:
        raise PointUnusable(f"in the copy of the folder, {error.message}", hint=_ANOTHER) from error
    if path.is_symlink():
        raise PointUnusable(f"{path.name} is a link, and what it leads to was not frozen with it", hint=_ANOTHER)
    return path


def _refuse_shared_transaction(path: Path) -> None:
    """A journal whose transaction spans several files names another journal by its whole path: that of live.

    Whether it was committed depends on that file, as it was in the moment of the snapshot; live has long moved on.
    """
    journal = path.with_name(f"{path.name}-journal")
    if not journal.exists():
        return
    content = journal.read_bytes()
    if content.startswith(_JOURNAL) and content.endswith(_JOURNAL):
        text = f"{path.name} was caught in a transaction over several databases, of which one alone cannot be recovered"
        raise PointUnusable(text, hint=_ANOTHER)


def _recover(path: Path) -> None:
    """Roll back or carry over what its writers left behind, so that the file is whole without any other beside it."""
    with connect.writer(path) as connection:
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
        mode = connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
    if mode != "delete":
        raise SourceDamaged(f"{path.name} in the copy stays in journal mode {mode}", hint=_ANOTHER)

"""The stream's rows, kept compressed in the sandbox's folder for the witness.

A stream is read once. Whether the text of its rows compares with a dump of the sandbox is known only afterwards;
where it does not, the rows are read again from here. They are deleted with the sandbox.
"""

import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

import zstandard

from restorekit.errors import DiskFull

_READ = 1 << 20


class Spool:
    """INSERT statements by table, appended; one table is open at a time, as dumps write them."""

    def __init__(self, sandbox_folder: Path) -> None:
        self._folder = sandbox_folder / "spool"
        self._open: tuple[str, BinaryIO] | None = None

    def clear(self) -> None:
        """Forget everything; ours alone to read."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with contextlib.suppress(DiskFull) if kind else contextlib.nullcontext():
            self.close()

    def add(self, table: str, statement: bytes) -> None:
        """Keep one statement (without its `;`). Raises DiskFull."""
        with _room_needed():
            self._add(table, statement)

    def _add(self, table: str, statement: bytes) -> None:
        if self._open is None or self._open[0] != table:
            self.close()
            path = _path(self._folder, table)
            raw = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb")
            writer = zstandard.ZstdCompressor(level=1).stream_writer(raw, closefd=True)
            self._open = (table, writer)
        self._open[1].write(statement)
        self._open[1].write(b";\n")

    def close(self) -> None:
        """End the open table's frame. Raises DiskFull."""
        opened, self._open = self._open, None
        if opened is not None:
            with _room_needed():
                opened[1].close()


@contextlib.contextmanager
def _room_needed() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise DiskFull(
            "the disk of the sandbox is full; live is untouched", hint="Free space or move `staging`, then try again."
        ) from error


def chunks(sandbox_folder: Path, table: str) -> Iterator[bytes]:
    """The statements kept of a table; raises FileNotFoundError."""
    with _path(sandbox_folder / "spool", table).open("rb") as raw:
        reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
        while data := reader.read(_READ):
            yield data


def _path(folder: Path, table: str) -> Path:
    """Names of tables hold anything; names of files do not."""
    return folder / f"{hashlib.sha256(table.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.zst"

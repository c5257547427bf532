"""A delivered database file: received byte by byte, judged by its header, never opened before it is whole."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from restorekit import crashpoint
from restorekit.engines.sqlite import schema
from restorekit.engines.sqlite.connect import explained, frozen
from restorekit.engines.sqlite.places import STAGED
from restorekit.engines.sqlite.sandboxes import mark_cut
from restorekit.errors import DumpIncomplete, LoadFailed
from restorekit.model.artifact import Loaded, LoadedTable

MAGIC = b"SQLite format 3\x00"
HEADER = 100
PRODUCER = "sqlite database file"
_WAL = 2
_INCOMING = "incoming"
OTHER_POINT = "Choose another recovery point; live is untouched."


@dataclass(frozen=True)
class Header:
    """The first 100 bytes of a database file. `pages` is None where its writer did not keep the count."""

    page_size: int
    pages: int | None
    wal: bool

    @classmethod
    def parse(cls, head: bytes) -> "Header":
        """Raises LoadFailed for what is not the head of a database."""
        if len(head) < HEADER or not head.startswith(MAGIC):
            raise LoadFailed(
                "the backup is not a SQLite database file (it does not begin like one)",
                hint=f"An encrypted database cannot be read here. {OTHER_POINT}",
            )
        size = int.from_bytes(head[16:18], "big")
        counted = head[24:28] == head[92:96]
        pages = int.from_bytes(head[28:32], "big")
        return cls(
            page_size=65536 if size == 1 else size,
            pages=pages if counted and pages else None,
            wal=_WAL in (head[18], head[19]),
        )

    def complete(self, size: int) -> tuple[Literal["yes", "no", "unknown"], str]:
        """Is a file of `size` bytes with this header whole, and why."""
        if self.pages is None:
            return "unknown", "the file's header keeps no page count"
        expected = self.pages * self.page_size
        if size != expected:
            return "no", f"the file has {size} bytes, its header counts {self.pages} pages = {expected} bytes"
        if self.wal:
            return "unknown", (
                "the file is in WAL mode and came without its -wal file, which may hold the newest transactions; "
                "a copy made by `.backup` and switched to journal_mode=delete, or by VACUUM INTO, is known to be whole"
            )
        return "yes", f"{self.pages} pages of {self.page_size} bytes, as the header counts"


def header_of(path: Path) -> Header:
    """The header of one of our own copies (never of a live file)."""
    with path.open("rb") as file:
        return Header.parse(file.read(HEADER))


def receive(folder: Path, chunks: Iterator[bytes]) -> Loaded:
    """Write the stream beside, judge it, and only then give it its name.

    Raises what the stream raises, LoadFailed, DumpIncomplete (empty), DiskFull; in each case nothing is staged.
    """
    incoming = folder / _INCOMING
    try:
        size, digest = _written(incoming, chunks)
        if size == 0:
            raise DumpIncomplete("the backup is empty (0 bytes)", hint=OTHER_POINT)
        header = header_of(incoming)
        complete, why = header.complete(size)
        crashpoint.here("sqlite.load.written")
        if complete != "no":
            incoming.replace(folder / STAGED)
    finally:
        incoming.unlink(missing_ok=True)
    if complete == "no":
        mark_cut(folder, why)
    return Loaded(
        statements=0,
        tables=() if complete == "no" else _tables(folder / STAGED),
        complete=complete,
        complete_why=why,
        dialect={
            "producer": PRODUCER,
            "bytes": str(size),
            "sha256": digest,
            "pages": str(header.pages),
            "page_size": str(header.page_size),
        },
    )


def _written(path: Path, chunks: Iterator[bytes]) -> tuple[int, str]:
    total, digest = 0, hashlib.sha256()
    with path.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
            digest.update(chunk)
            total += len(chunk)
    return total, digest.hexdigest()


def _tables(path: Path) -> tuple[LoadedTable, ...]:
    with explained("the delivered file", _not_readable), frozen(path) as connection:
        names = [t.name for t in schema.tables(connection)]
    return tuple(LoadedTable(name=n, why_no_witness="the delivered file itself is the witness") for n in names)


def _not_readable(text: str) -> LoadFailed:
    return LoadFailed(text, hint=OTHER_POINT)


def digest_of(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of one of our own copies (never of a live file)."""
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()

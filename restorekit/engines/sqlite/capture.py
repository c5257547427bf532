"""A backup and its manifest out of one snapshot: a copy of live, described, then streamed."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from restorekit.engines.sqlite import connect
from restorekit.engines.sqlite.contents import describe
from restorekit.engines.sqlite.gate import plain_copy
from restorekit.model.contents import Contents
from restorekit.ports import Watch

_CHUNK = 1 << 20


def capture(live: Path, staging: Path, out: BinaryIO, watch: Watch) -> Contents:
    """Write a consistent copy of `live` to `out`; its manifest describes exactly these bytes.

    The copy is in rollback mode, so that its header says that it is whole. In a rollback-mode database a writer's
    commit waits while the copy is made; in WAL nobody waits.
    """
    with _beside(staging) as copy:
        began_at = datetime.now(UTC)
        with connect.reader(live) as source:
            plain_copy(source, copy, lambda done, total: _step(watch, "capture", done, total))
        with connect.frozen(copy) as connection:
            manifest = describe(connection, origin="captured")
        _stream(copy, out, watch)
    return manifest.model_copy(update={"taken_at": began_at})


def export(staged: Path, out: BinaryIO, watch: Watch) -> None:
    """Write a staged database, one that nobody writes, to `out` as a database file."""
    _stream(staged, out, watch)


def _stream(path: Path, out: BinaryIO, watch: Watch) -> None:
    done, total = 0, path.stat().st_size
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            out.write(chunk)
            done += len(chunk)
            _step(watch, "write", done, total, "bytes")


def _step(watch: Watch, phase: str, done: int, total: int, unit: str = "pages") -> None:
    watch.check()
    watch.progress(phase, done, total, unit)


@contextmanager
def _beside(staging: Path) -> Iterator[Path]:
    staging.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="capture-", dir=staging))
    try:
        yield folder / "copy.db"
    finally:
        shutil.rmtree(folder, ignore_errors=True)

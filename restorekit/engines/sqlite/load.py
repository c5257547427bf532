"""Bytes of a backup become the staged database."""

from collections.abc import Iterable
from pathlib import Path

from restorekit.engines.sqlite import files, sandboxes
from restorekit.engines.sqlite.connect import explained
from restorekit.engines.sqlite.delta import findings
from restorekit.engines.sqlite.places import STAGED, remove_database
from restorekit.engines.sqlite.replay import replay
from restorekit.formats.compression import decompressed
from restorekit.model.artifact import Loaded
from restorekit.model.point import Compression, Format
from restorekit.model.staged import Sandbox
from restorekit.ports import Watch


def load(sandbox: Sandbox, stream: Iterable[bytes], form: tuple[Format, Compression], watch: Watch) -> Loaded:
    """Remove what was staged, then receive the stream; nothing half-read ever gets the staged database's name."""
    folder = Path(sandbox.folder)
    live = sandboxes.wanted_settings(sandbox)
    remove_database(folder / STAGED)
    findings.forget(folder)
    sandboxes.mark_cut(folder, None)
    chunks = decompressed(stream, form[1])
    with explained("the staged database"):
        return files.receive(folder, chunks) if form[0] == "sqlite" else replay(folder, chunks, live, watch)

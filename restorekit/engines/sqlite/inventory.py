"""Which databases there are. Files are looked at through SQLite only, never opened beside it."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from restorekit.engines.sqlite import connect, schema
from restorekit.engines.sqlite.places import Places
from restorekit.errors import EngineUnavailable
from restorekit.model.database import DatabaseId, LiveDatabase
from restorekit.model.exchange import Finding


def databases(engine: str, places: Places) -> list[LiveDatabase]:
    """Files that are SQLite databases. A name that fits several files is left to `check`, which names it."""
    if not places.directory.is_dir():
        raise EngineUnavailable(f"the folder {places.directory} does not exist", hint="Look at `engines.*.directory`.")
    found = []
    for name, paths in _by_name(places).items():
        tables = _tables(paths[0]) if len(paths) == 1 else None
        if tables is not None:
            size = paths[0].stat().st_size
            found.append(LiveDatabase(database=DatabaseId(engine=engine, name=name), size_bytes=size, tables=tables))
    return found


def check(places: Places) -> list[Finding]:
    """Whether the folder is there and usable, and every name clear; read-only."""
    if not places.directory.is_dir():
        text = f"the folder {places.directory} does not exist"
        return [Finding(severity="refuse", code="directory", text=text, hint="Look at `engines.*.directory`.")]
    found = [*_rights(places), *_unclear(places)]
    return found or [
        Finding(severity="ok", code="directory", text=f"{places.directory}, SQLite {sqlite3.sqlite_version}")
    ]


def _by_name(places: Places) -> dict[str, list[Path]]:
    named: dict[str, list[Path]] = {}
    for name, path in places.names():
        named.setdefault(name, []).append(path)
    return named


def _tables(path: Path) -> int | None:
    """How many tables the file has; None if it is no database, or an empty file without a telling name."""
    if not path.suffix and path.stat().st_size == 0:
        return None
    try:
        with connect.reader(path) as connection:
            return len(schema.tables(connection))
    except sqlite3.DatabaseError as error:
        return None if connect.primary(error) == sqlite3.SQLITE_NOTADB else 0


def _rights(places: Places) -> Iterator[Finding]:
    if not os.access(places.directory, os.W_OK | os.X_OK):
        text = f"{places.directory} cannot be written: no swap, no undo, no restore under another name"
        yield Finding(severity="warn", code="rights", text=text, hint="Give restorekit's user write access to it.")
    for _, path in places.names():
        if not os.access(path, os.R_OK):
            yield Finding(severity="warn", code="rights", text=f"{path.name} cannot be read: it is not seen at all")
        elif not os.access(path, os.W_OK):
            yield Finding(severity="warn", code="rights", text=f"{path.name} cannot be written: it cannot be swapped")


def _unclear(places: Places) -> Iterator[Finding]:
    for name, paths in _by_name(places).items():
        if len(paths) > 1:
            files = ", ".join(p.name for p in paths)
            text = f"the name {name!r} fits several files ({files}): none of them is listed or restored"
            yield Finding(severity="warn", code="ambiguous", text=text, hint="Move all but one out of the folder.")

"""Where databases, our copies and our records lie, and which names are allowed.

A database `acme` is `<directory>/acme.db`, `.sqlite`, `.sqlite3`, `.db3`, or `acme` without a suffix. Our own files
lie in `<directory>/.restorekit/`, a folder nobody but us may enter and no inventory shows.
"""

import os
import re
from pathlib import Path

from restorekit.errors import ConfigError, NeedsChoice, UnknownName, UsageError
from restorekit.model.database import Where

SUFFIXES = (".db", ".sqlite", ".sqlite3", ".db3")
HOLD, UNDO = "rk_hold_", "rk_undo_"
STAGED = "database.sqlite"
OWN_FOLDER = ".restorekit"
_SIDE_FILES = ("-wal", "-shm", "-journal")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def safe_id(order_id: str) -> str:
    """The id itself; raises UsageError for one that cannot be part of a file name."""
    if not _ID.fullmatch(order_id):
        raise UsageError(f"{order_id!r} cannot be an id: letters, digits, '-', '_' and '.' only")
    return order_id


def side_files(database: Path) -> list[Path]:
    """The database file and what SQLite puts beside it."""
    return [database, *(database.with_name(database.name + side) for side in _SIDE_FILES)]


def remove_database(database: Path) -> None:
    """Delete one of *our* database files with its side files; idempotent. Never called for a live file."""
    for path in reversed(side_files(database)):
        path.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Force a file of ours, and the folder that names it, to the medium.

    Never called for a live file: closing any descriptor of it would drop the locks that this process holds on it.
    """
    for each in (path, path.parent):
        fd = os.open(each, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


class Places:
    """The files of one engine."""

    def __init__(self, directory: Path, row_key: bytes = b"") -> None:
        """`directory` holds the live databases; `row_key` keys the hashes of rows that are told of."""
        self.directory = directory
        self.row_key = row_key
        self.own = directory / OWN_FOLDER

    def own_folder(self) -> Path:
        """Our folder, made when it is missing; closed to everybody else, since it holds customers' data."""
        if not self.directory.is_dir():
            raise ConfigError(f"the folder {self.directory} does not exist", hint="Look at `engines.*.directory`.")
        self.own.mkdir(mode=0o700, exist_ok=True)
        return self.own

    def hold(self, order_id: str) -> Path:
        """The holding copy of an order."""
        return self.own / f"hold_{safe_id(order_id)}.db"

    def undo(self, order_id: str) -> Path:
        """The undo copy of an order."""
        return self.own / f"undo_{safe_id(order_id)}.db"

    def rows_held(self, order_id: str) -> Path:
        """The rows that an order writes one by one."""
        return self.own / f"hold_{safe_id(order_id)}.rows"

    def rows_undo(self, order_id: str) -> Path:
        """What these rows replaced."""
        return self.own / f"undo_{safe_id(order_id)}.rows"

    def kept(self, order_id: str) -> list[Path]:
        """The files that undo needs."""
        return [p for p in (self.undo(order_id), self.rows_undo(order_id)) if p.exists()]

    def record(self, order_id: str) -> Path:
        """The marker of an order."""
        return self.own / f"order_{safe_id(order_id)}.json"

    def lock(self, order_id: str) -> Path:
        """The lock that says that a living process works on an order."""
        return self.own / f"order_{safe_id(order_id)}.lock"

    def candidates(self, name: str) -> list[Path]:
        """The live files that bear this database's name."""
        _check_name(name)
        names = [name + suffix for suffix in SUFFIXES] + ([name] if "." not in name else [])
        return [self.directory / n for n in names if (self.directory / n).is_file()]

    def live(self, name: str) -> Path:
        """The live file; raises UnknownName without one, NeedsChoice with several."""
        found = self.candidates(name)
        if not found:
            raise UnknownName(
                f"there is no database {name!r} in {self.directory}",
                hint="`restorekit inventory` lists the databases.",
            )
        if len(found) > 1:
            files = ", ".join(p.name for p in found)
            raise NeedsChoice(
                f"the name {name!r} fits several files: {files}", hint="Move all but one of them out of the folder."
            )
        return found[0]

    def target(self, name: str) -> Path:
        """The live file, or where a new one of that name will be made."""
        return self.live(name) if self.candidates(name) else self.directory / f"{name}{SUFFIXES[0]}"

    def names(self) -> list[tuple[str, Path]]:
        """Every file that could be a live database, by database name; what is inside is not looked at."""
        found = []
        for path in sorted(self.directory.iterdir()):
            if path.name.startswith(".") or not path.is_file():
                continue
            if path.suffix in SUFFIXES:
                found.append((path.name.removesuffix(path.suffix), path))
            elif "." not in path.name and not path.name.endswith(_SIDE_FILES):
                found.append((path.name, path))
        return [(name, path) for name, path in found if not name.startswith((HOLD, UNDO))]

    def path(self, where: Where) -> Path:
        """The file of any state: staged, held, kept for undo, or live."""
        if where.sandbox is not None:
            return Path(where.sandbox) / STAGED
        for prefix, places in ((HOLD, (self.hold, self.rows_held)), (UNDO, (self.undo, self.rows_undo))):
            if where.schema_name.startswith(prefix):
                copy, rows = (place(where.schema_name.removeprefix(prefix)) for place in places)
                return rows if rows.exists() and not copy.exists() else copy
        return self.live(where.schema_name)


def _check_name(name: str) -> None:
    """Names become file names: nothing may lead out of the folder or into ours."""
    bad = not name or name.startswith((".", HOLD, UNDO)) or "/" in name or "\0" in name
    if bad or len(os.fsencode(name)) > 200:
        raise UnknownName(
            f"{name!r} cannot be the name of a SQLite database", hint="A name is a file name, at most 200 bytes."
        )

"""Connections: each opened for one purpose, with no more rights than that purpose needs.

Live is only ever touched through SQLite itself. Another descriptor of the same file, opened and closed anywhere in
this process, would silently drop the locks that a running exchange holds.
"""

import contextlib
import errno
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from restorekit.errors import (
    DiskFull,
    EngineUnavailable,
    RestorekitError,
    SourceDamaged,
    UnknownName,
)

BUSY_S = 5.0
_NEEDS_RECOVERY = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
_HARMLESS = (
    "no such table",
    "no such module",
    "no such function",
    "no such collation",
    "UNIQUE constraint failed",
    "NOT NULL constraint failed",
    "FOREIGN KEY constraint failed",
    "database is locked",
    "not authorized",
    "attempt to write a readonly database",
)
_READS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})


def quoted(name: str) -> str:
    """An identifier as SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string as SQL."""
    return "'" + text.replace("'", "''") + "'"


def uri(path: Path, mode: str) -> str:
    """`file:` address of `path` with `mode` such as `mode=ro&immutable=1`."""
    return f"file:{quote(str(path))}?{mode}"


def _open(path: Path, mode: str, busy_s: float) -> sqlite3.Connection:
    connection = sqlite3.connect(uri(path, mode), uri=True, timeout=busy_s, isolation_level=None)
    # Views and triggers are the customer's code: they get no function that does more than compute.
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


@contextlib.contextmanager
def frozen(path: Path) -> Iterator[sqlite3.Connection]:
    """Read one of our copies that nobody writes: no lock, no side file, not a byte changed."""
    with contextlib.closing(_open(path, "mode=ro&immutable=1", 0)) as connection:
        yield connection


@contextlib.contextmanager
def reader(path: Path, busy_s: float = BUSY_S) -> Iterator[sqlite3.Connection]:
    """Read live.

    Read-only where that is enough; a file left in need of recovery is opened the normal way, as its next user
    would, but without the right to change a row.
    """
    connection = _open(path, "mode=ro", busy_s)
    try:
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if primary(error) not in _NEEDS_RECOVERY:
            raise
        connection = _open(path, "mode=rw", busy_s)
    with contextlib.closing(connection):
        connection.execute("PRAGMA query_only=ON")
        yield connection


def attach_live(connection: sqlite3.Connection, path: Path, name: str) -> None:
    """Let an open connection read live, too, as the schema `name`; as `reader` does, but for the caller's promise."""
    connection.execute(f"PRAGMA busy_timeout={int(BUSY_S * 1000)}")
    try:
        connection.execute(f"ATTACH {literal(uri(path, 'mode=ro'))} AS {name}")
        connection.execute(f"SELECT 1 FROM {name}.sqlite_schema LIMIT 1").fetchone()
    except sqlite3.OperationalError as error:
        if primary(error) not in _NEEDS_RECOVERY:
            raise
        connection.execute(f"DETACH {name}")
        connection.execute(f"ATTACH {literal(uri(path, 'mode=rw'))} AS {name}")


@contextlib.contextmanager
def writer(path: Path, busy_s: float = BUSY_S, *, create: bool = False) -> Iterator[sqlite3.Connection]:
    """Write: an exchange into live, or one of our own copies. Foreign keys never act on our behalf."""
    with contextlib.closing(_open(path, "mode=rwc" if create else "mode=rw", busy_s)) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        yield connection


def only_reads(connection: sqlite3.Connection, timeout_s: float) -> None:
    """From now on this connection can read and compute, nothing else, and for `timeout_s` at most."""
    end = time.monotonic() + timeout_s

    def allow(action: int, first: str | None, second: str | None, *_: Any) -> int:
        if action == sqlite3.SQLITE_PRAGMA and first == "data_version":  # full-text search asks it by itself
            return sqlite3.SQLITE_OK
        denied = action not in _READS or (action == sqlite3.SQLITE_FUNCTION and second == "load_extension")
        return sqlite3.SQLITE_DENY if denied else sqlite3.SQLITE_OK

    connection.execute("PRAGMA query_only=ON")
    connection.set_authorizer(allow)
    connection.set_progress_handler(lambda: int(time.monotonic() > end), 10_000)


def primary(error: sqlite3.Error) -> int:
    """SQLite's primary result code (0 if the error did not come from the library)."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def safe_text(error: sqlite3.Error) -> str:
    """What may be said of an error: its text where that can hold names only, else just its code. Never a value."""
    text = str(error)
    if text.startswith(_HARMLESS):
        return text
    return getattr(error, "sqlite_errorname", type(error).__name__)


@contextlib.contextmanager
def explained(
    what: str, damaged: Callable[[str], RestorekitError] | None = None, live: str = "Live is untouched."
) -> Iterator[None]:
    """Turn SQLite's errors into ours. `what` names what was used; `damaged` makes the error for a broken file."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(error, what, damaged or (lambda text: SourceDamaged(text, hint=live)), live) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(f"no space left while working on {what}", hint=f"{live} Free some space.") from error


def _translated(
    error: sqlite3.Error, what: str, damaged: Callable[[str], RestorekitError], live: str
) -> RestorekitError:
    code = primary(error)
    if code == sqlite3.SQLITE_FULL:
        return DiskFull(f"no space left while working on {what}", hint=f"{live} Free some space and try again.")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return EngineUnavailable(f"{what} is locked by another process", hint=f"{live} Try again.")
    if code == sqlite3.SQLITE_CANTOPEN:
        return EngineUnavailable(
            f"{what} cannot be opened", hint=f"{live} Look at the rights of the file and its folder."
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return damaged(f"{what} is not a whole SQLite database ({safe_text(error)})")
    return RestorekitError(f"SQLite refused to work on {what}: {safe_text(error)}", hint=live)


def present(path: Path, what: str) -> Path:
    """`path` if it is there; raises UnknownName."""
    if not path.is_file():
        raise UnknownName(f"there is no {what}")
    return path


def pragma(connection: sqlite3.Connection, name: str) -> Any:
    """The one value of a pragma, text as str whatever the connection makes of text."""
    value = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return bytes(value).decode() if isinstance(value, (bytes, bytearray)) else value


def copy(
    source: sqlite3.Connection, destination: sqlite3.Connection, step: Callable[[int, int], None] | None = None
) -> None:
    """Copy all pages of `source` in one consistent read. `step(done, total)` may raise to stop it."""

    def progress(_status: int, remaining: int, total: int) -> None:
        if step is not None:
            step(total - remaining, total)

    own = not source.in_transaction
    if own:  # an open read keeps a busy writer from making the copy start again and again
        source.execute("BEGIN")
        source.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
    try:
        source.backup(destination, pages=2000, progress=progress, sleep=0.01)
    finally:
        if own:
            source.execute("ROLLBACK")

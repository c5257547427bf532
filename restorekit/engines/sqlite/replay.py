"""The text of a `.dump` becomes a staged database: statement by statement, under a guard, in one transaction."""

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from restorekit.engines.sqlite import connect
from restorekit.engines.sqlite.files import OTHER_POINT
from restorekit.engines.sqlite.guard import Guard
from restorekit.engines.sqlite.literals import Floats, Insert, NotReadableError, statement_of, unistr
from restorekit.engines.sqlite.places import STAGED, remove_database
from restorekit.engines.sqlite.script import statements
from restorekit.engines.sqlite.tally import ALGORITHM, Tally
from restorekit.errors import DiskFull, DumpIncomplete, DumpRefused, LoadFailed, RestorekitError, SourceDamaged
from restorekit.model.artifact import Loaded, LoadedTable
from restorekit.ports import Watch

PRODUCER = "sqlite .dump"
COLUMNS = "witness.json"
_INCOMING = "incoming.db"
_REPORT_EVERY = 1000
_BEGIN = re.compile(rb"BEGIN\b", re.IGNORECASE)
_COMMIT = re.compile(rb"(?:COMMIT|END)\b", re.IGNORECASE)
_ROLLBACK = re.compile(rb"ROLLBACK\s*(?:TRANSACTION\s*)?;", re.IGNORECASE)
_PRAGMA = re.compile(rb"PRAGMA\s+(?:main\.)?(\w+)", re.IGNORECASE)
_KEPT_PRAGMAS = (b"user_version", b"application_id")
_QUIET_PRAGMAS = (b"foreign_keys", b"writable_schema")
_VIRTUAL = re.compile(
    rb"INSERT INTO sqlite_(?:schema|master)\(type,name,tbl_name,rootpage,sql\)\s*"
    rb"VALUES\('table','((?:[^']|'')+)','\1',0,"
    rb"'(CREATE VIRTUAL TABLE (?:[^']|'')+ USING (fts3|fts4|fts5|rtree|rtree_i32)\b(?:[^']|'')*)'\);",
    re.IGNORECASE,
)
_VERB = re.compile(rb"\w+(?:\s+\w+)?")
_WORDS = re.compile(r"(?:CREATE|INSERT|REPLACE|UPDATE|DELETE|DROP|ALTER|ATTACH|DETACH|PRAGMA|VACUUM|SELECT|ANALYZE)\b")


def replay(folder: Path, chunks: Iterable[bytes], live: dict[str, str], watch: Watch) -> Loaded:
    """Run the stream into a new file and give it the staged database's name at the end.

    `live` gives page size, encoding, auto_vacuum and, since a dump carries none, user_version and application_id.
    """
    incoming = folder / _INCOMING
    remove_database(incoming)
    try:
        with connect.writer(incoming, create=True) as connection:
            loaded, columns = _Replay(connection, live, watch).run(chunks)
        (folder / COLUMNS).write_text(json.dumps(columns), encoding="utf-8")
        incoming.replace(folder / STAGED)
    finally:
        remove_database(incoming)
    return loaded


class _Replay:
    """One run: what was counted, dropped and seen on the way."""

    def __init__(self, connection: sqlite3.Connection, live: dict[str, str], watch: Watch) -> None:
        self._connection = connection
        self._live = live
        self._guard = Guard(watch)
        self._watch = watch
        self._floats = Floats()
        self._tally = Tally(connection, self._floats, self._guard)
        self._dropped: dict[str, int] = {}
        self._versions: set[str] = set()
        self._count = 0
        self._state: Literal["none", "open", "closed"] = "none"

    def run(self, chunks: Iterable[bytes]) -> tuple[Loaded, dict[str, list[str]]]:
        """All statements; then what came of them, and the columns that each witness sums."""
        self._prepare()
        try:
            for statement in statements(chunks):
                self._count += 1
                if self._count % _REPORT_EVERY == 0:
                    self._watch.progress("load", self._count, None, "statements")
                self._one(statement)
            self._connection.set_authorizer(None)
            self._end()
            return self._loaded(), self._tally.columns()
        finally:
            self._guard.off(self._connection)
            self._floats.close()

    def _prepare(self) -> None:
        """The file is worthless until it is complete: no journal, no flushing."""
        connection = self._connection
        for name, default in (("page_size", "4096"), ("auto_vacuum", "0")):
            connection.execute(f"PRAGMA {name}={int(self._live.get(name, default))}")
        connection.execute(f"PRAGMA encoding={connect.literal(self._live.get('encoding', 'UTF-8'))}")
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        connection.create_function("unistr", 1, unistr, deterministic=True)
        connection.execute("BEGIN")
        self._guard.on(connection)

    def _one(self, statement: bytes) -> None:
        if self._is_frame(statement) or self._is_dropped(statement):
            return
        with self._explained(statement):
            virtual = _VIRTUAL.fullmatch(statement)
            if virtual:
                self._virtual(statement)
                return
            insert = Insert.parse(statement)
            try:
                self._connection.execute(statement.decode())
            except UnicodeDecodeError:
                self._bound(insert)
            if insert is not None:
                self._tally.add(insert)

    def _is_frame(self, statement: bytes) -> bool:
        """BEGIN, COMMIT and ROLLBACK only tell how far the dump got: the transaction is ours."""
        if self._state == "closed":
            self._state = "none"  # something follows the end: it was not the end
        if _BEGIN.match(statement):
            self._state = "open"
        elif _COMMIT.match(statement):
            self._state = "closed" if self._state == "open" else self._state
        elif _ROLLBACK.match(statement):
            raise SourceDamaged(
                "the dump ends in ROLLBACK: the database it was written from was damaged", hint=OTHER_POINT
            )
        else:
            return False
        return True

    def _is_dropped(self, statement: bytes) -> bool:
        pragma = _PRAGMA.match(statement)
        if pragma is None:
            return False
        name = pragma.group(1).lower()
        if name in _KEPT_PRAGMAS:
            self._versions.add(name.decode())
            return False
        if name not in _QUIET_PRAGMAS:
            text = f"PRAGMA {name.decode('ascii', 'replace')}"
            self._dropped[text] = self._dropped.get(text, 0) + 1
        return True

    def _virtual(self, statement: bytes) -> None:
        """`.dump` writes a virtual table straight into the schema, since its shadow tables follow as tables.

        Only this exact form, and only for modules that keep their data inside the file, is let through.
        """
        self._guard.off(self._connection)
        try:
            self._connection.execute("PRAGMA writable_schema=ON")
            self._connection.execute(statement.decode())
            self._connection.execute("PRAGMA writable_schema=OFF")
        finally:
            self._guard.on(self._connection)

    def _bound(self, insert: Insert | None) -> None:
        if insert is None:
            raise NotReadableError
        for row in insert.rows(self._floats):
            self._connection.execute(*statement_of(insert, row))

    @contextlib.contextmanager
    def _explained(self, statement: bytes) -> Iterator[None]:
        """An error names the statement by number and kind; its text, which may hold values, is never shown."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._error(error, statement) from None
        except (NotReadableError, ValueError):
            text = f"{self._place(statement)} is not text that SQLite can read (neither UTF-8 nor plain literals)"
            raise LoadFailed(text, hint=OTHER_POINT) from None

    def _error(self, error: sqlite3.Error, statement: bytes) -> RestorekitError | BaseException:
        if self._guard.stopped is not None:
            return self._guard.stopped
        place = self._place(statement)
        if self._guard.denied:
            what = self._guard.denied
            return DumpRefused(f"{place} wants {what}: refused; live is untouched", hint="Look at where it comes from.")
        if connect.primary(error) == sqlite3.SQLITE_FULL:
            return DiskFull("no space left in the staging folder", hint="Free some space. Live is untouched.")
        return LoadFailed(f"{place} failed: {connect.safe_text(error)}; live is untouched", hint=OTHER_POINT)

    def _place(self, statement: bytes) -> str:
        verb = _VERB.match(statement)
        word = verb.group(0).decode("ascii", "replace").upper() if verb else ""
        known = _WORDS.match(word)
        insert = Insert.parse(statement) if known else None
        into = f" into {insert.table}" if insert else ""
        return f"statement {self._count}" + (f" ({known.group(0)}{into})" if known else "")

    def _end(self) -> None:
        if self._count == 0:
            raise DumpIncomplete("the dump holds no statement at all", hint=OTHER_POINT)
        for name in ("user_version", "application_id"):
            if name not in self._versions and name in self._live:
                self._connection.execute(f"PRAGMA {name}={int(self._live[name])}")
        self._connection.execute("COMMIT")

    def _loaded(self) -> Loaded:
        complete, why = self._complete()
        taken = [n for n in ("user_version", "application_id") if n not in self._versions and int(self._live.get(n, 0))]
        return Loaded(
            statements=self._count,
            tables=tuple(_announced(name, *found) for name, found in sorted(self._tally.tables().items())),
            complete=complete,
            complete_why=why,
            dialect={"producer": PRODUCER, "witness": ALGORITHM},
            dropped=tuple(f"{text} ({n} times)" for text, n in sorted(self._dropped.items())),
            translated=tuple(f"{n} is not part of a dump: taken from live" for n in taken),
        )

    def _complete(self) -> tuple[Literal["yes", "no", "unknown"], str]:
        if self._state == "closed":
            return "yes", "the dump ends in COMMIT"
        if self._state == "open":
            return "no", "the dump begins a transaction and ends without COMMIT: it was cut"
        return "unknown", "the dump is not one transaction: nothing marks its end"


def _announced(name: str, witness: Any, why: str) -> LoadedTable:
    return LoadedTable(name=name, witness=witness, why_no_witness=why)

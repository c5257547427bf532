"""The SQLite engine: a folder of database files."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pydantic import BaseModel, ConfigDict

from restorekit.engines.sqlite import (
    asking,
    capture,
    connect,
    contents,
    exchange,
    extract,
    history,
    inventory,
    preflight,
    sandboxes,
    showing,
    soundness,
    witness,
)
from restorekit.engines.sqlite.delta import choosing, finding
from restorekit.engines.sqlite.load import load
from restorekit.engines.sqlite.places import HOLD, UNDO, Places
from restorekit.errors import PreflightRefused, RestorekitError, SourceDamaged, UsageError
from restorekit.model.artifact import Loaded
from restorekit.model.changes import LogReading
from restorekit.model.contents import Contents
from restorekit.model.database import LiveDatabase, Where
from restorekit.model.difference import TableDifference
from restorekit.model.exchange import Exchanged, ExchangeOrder, Finding, Promoted, Settled
from restorekit.model.home import Home
from restorekit.model.pick import Pick
from restorekit.model.point import Compression, Format
from restorekit.model.shown import Choice, Conditions, ShownRow
from restorekit.model.staged import Sandbox, SandboxSpec
from restorekit.model.verdict import Check
from restorekit.ports import Extraction, Watch


class SQLite:
    """Implements `ports.Engine`; every method's duties stand there."""

    kind = "sqlite"

    class Settings(BaseModel):
        """`directory` holds the database files; `orphans` says what rows without their foreign key's parent mean.

        SQLite enforces foreign keys only where an application asks for it, so that orphans may be the customer's
        normal state: `report` shows them, `fail` (the default) does not call such a database sound.
        """

        model_config = ConfigDict(extra="forbid")

        directory: Path
        orphans: Literal["fail", "report"] = "fail"

    def __init__(self, name: str, settings: Settings, home: Home) -> None:
        """`name` is the engine's name in the configuration; relative folders start at `home.base`."""
        self.name = name
        self._settings = settings
        self._home = home
        self._places = Places((home.base / settings.directory).resolve(), home.row_key)

    def check(self) -> list[Finding]:
        """Folder, rights, names that fit several files."""
        return inventory.check(self._places)

    def open_sandbox(self, spec: SandboxSpec) -> Sandbox:
        """A folder."""
        return sandboxes.open_sandbox(self._home.staging, self.name, spec)

    def cool(self, sandbox: Sandbox) -> None:
        """There is no server to stop."""

    def discard(self, sandbox: Sandbox) -> None:
        """Delete the folder."""
        sandboxes.discard(self._home.staging, sandbox)

    def load(self, sandbox: Sandbox, stream: Iterable[bytes], form: tuple[Format, Compression], watch: Watch) -> Loaded:
        """A database file, or the text of a `.dump`."""
        return load(sandbox, stream, form, watch)

    def witness(self, sandbox: Sandbox, loaded: Loaded) -> list[Check]:
        """A file's bytes, or a dump's rows and typed sums, against what is staged."""
        with connect.explained("the staged database"):
            return witness.witness(sandboxes.staged_file(Path(sandbox.folder)), loaded)

    def databases(self) -> list[LiveDatabase]:
        """Every SQLite database of the folder that one name leads to."""
        return inventory.databases(self.name, self._places)

    def settings(self, schema_name: str) -> dict[str, str]:
        """Page size, encoding, journal mode and the like; nothing for a database that does not exist."""
        if not self._places.candidates(schema_name):
            return {}
        with self._read(Where(schema_name=schema_name)) as connection:
            return contents.settings(connection)

    def contents(self, where: Where, tables: frozenset[str] | None = None, *, fingerprints: bool = True) -> Contents:
        """Describe a staged, held, kept or live database."""
        with self._read(where) as connection:
            tolerant = where.sandbox is None
            return contents.describe(connection, tables, fingerprints=fingerprints, tolerant=tolerant)

    def sound(self, where: Where) -> list[Check]:
        """Integrity, foreign keys, counters, virtual tables."""
        with self._read(where) as connection:
            return soundness.sound(connection, report_orphans=self._settings.orphans == "report")

    def ask(self, where: Where, sql: str, timeout_s: float) -> list[tuple[Any, ...]]:
        """Answers of one query that can only read."""
        with self._read(where) as connection:
            return asking.ask(connection, sql, timeout_s)

    def samples(self, where: Where, most: int) -> list[str]:
        """Masked fragments of text beyond ASCII."""
        with self._read(where) as connection:
            return asking.samples(connection, most)

    def compare(
        self, staging: Where, live: Where, tables: Sequence[str], most_rows: int, watch: Watch
    ) -> list[TableDifference]:
        """Row by row in key order."""
        limits, paths = (most_rows, self._home.row_key), (self._file(staging), self._file(live))
        with self._read(staging) as ours, self._read(live) as theirs:
            return finding.compare((ours, theirs), tables, limits, paths, watch)

    def choose(self, staging: Where, live: Where, pick: Pick, conditions: Conditions | None, watch: Watch) -> Choice:
        """Which rows of a difference."""
        paths = self._file(staging), self._file(live)
        with connect.explained("what was compared", _live_damaged):
            return choosing.choose(paths, pick, conditions, self._home.row_key, watch)

    def rows(self, staging: Where, live: Where, table: str, most: int, watch: Watch) -> list[ShownRow]:
        """The first rows that differ, with their values."""
        watch.check()
        with self._read(staging) as ours, self._read(live) as theirs:
            return showing.shown(ours, theirs, table, most)

    def count(self, where: Where, table: str, condition: str) -> int:
        """Rows that fulfil a condition."""
        with self._read(where) as connection:
            return asking.count(connection, table, condition)

    def peek(self, where: Where, table: str, condition: str, most: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Rows for showing at once."""
        with self._read(where) as connection:
            return asking.peek(connection, table, condition, most)

    def preflight(self, order: ExchangeOrder) -> list[Finding]:
        """What speaks against this exchange."""
        return preflight.preflight(self._places, order)

    def promote(self, order: ExchangeOrder, watch: Watch) -> Promoted:
        """A copy of the staged database beside live."""
        return exchange.promote(self._places, order, watch)

    def exchange(self, order: ExchangeOrder, promoted: Promoted, watch: Watch) -> Exchanged:
        """Into live in one transaction; the whole of live is kept before."""
        return exchange.exchange(self._places, order, promoted, watch)

    def undo(self, exchanged: Exchanged, order_id: str, policy_dead_man_s: float, watch: Watch) -> Exchanged:
        """Back in one transaction; what was live is kept before."""
        return exchange.undo(self._places, exchanged, order_id, policy_dead_man_s, watch)

    def settle(self) -> list[Settled]:
        """Finish or take back what a dead process left."""
        return exchange.settle(self._places)

    def outcome(self, order_id: str) -> Exchanged | None:
        """How one exchange ended."""
        return exchange.outcome(self._places, order_id)

    def drop_holding(self, order_id: str) -> None:
        """Remove the copy beside live."""
        exchange.drop_holding(self._places, order_id)

    def retire(self, exchanged: Exchanged) -> None:
        """Delete the undo copy."""
        exchange.retire(self._places, exchanged)

    def capture(self, schema_name: str, out: BinaryIO, watch: Watch) -> Contents:
        """A database file; the manifest is returned, since the format has no room for it."""
        live = self._places.live(schema_name)
        with connect.explained(f"database {schema_name}"):
            return capture.capture(live, self._home.staging, out, watch)

    def export(self, where: Where, out: BinaryIO, watch: Watch) -> None:
        """A database file."""
        if where.sandbox is None and not where.schema_name.startswith((HOLD, UNDO)):
            self.capture(where.schema_name, out, watch)
        else:
            capture.export(self._file(where), out, watch)

    def extract(self, datadir: Path, schema_name: str, watch: Watch) -> AbstractContextManager[Extraction]:
        """A database file out of a copied folder; never out of live's own, since recovering writes."""
        if datadir.resolve() == self._places.directory:
            raise UsageError(f"{datadir} is live's own folder and no copy; nothing was touched")
        return extract.extract(datadir, schema_name, watch)

    def changes(self, cursor: str) -> LogReading:
        """The states of the databases whose files were touched, and the names of the others."""
        return history.changes(self._places, cursor)

    def _file(self, where: Where) -> Path:
        if where.sandbox is not None:
            return sandboxes.staged_file(Path(where.sandbox))
        return connect.present(self._places.path(where), where.schema_name)

    @contextmanager
    def _read(self, where: Where) -> Iterator[sqlite3.Connection]:
        """Our own copies are read as they lie; live is read as one of its users."""
        path = self._file(where)
        ours = where.sandbox is not None or where.schema_name.startswith((HOLD, UNDO))
        what = "the staged database" if where.sandbox is not None else f"database {where.schema_name}"
        opened = connect.frozen(path) if ours else connect.reader(path)
        with connect.explained(what, SourceDamaged if ours else _live_damaged), opened as connection:
            yield connection


def _live_damaged(text: str) -> RestorekitError:
    return PreflightRefused(f"{text}; nothing was changed", hint="Restore it under another name.")

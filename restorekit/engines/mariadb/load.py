"""A dump becomes a database in a sandbox: split, screened, translated, arranged, loaded on several connections.

No client program is involved and the load account has rights on the one schema only, so that whatever a dump holds
stays in a throw-away server.
"""

import contextlib
import secrets
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pymysql
from pymysql.connections import Connection

from restorekit.crashpoint import here
from restorekit.engines.mariadb.accounts import LOADER, let_in, shut_out, stand_in, without_definer
from restorekit.engines.mariadb.collations import translated
from restorekit.engines.mariadb.connect import Settings, one, quoted, rows, to_socket
from restorekit.engines.mariadb.crew import Crew, Job
from restorekit.engines.mariadb.defer import Arranger, Build
from restorekit.engines.mariadb.dialect import Dialect
from restorekit.engines.mariadb.lexer import code
from restorekit.engines.mariadb.refusals import enum_columns, meaning, place, refusal, warnings_of
from restorekit.engines.mariadb.rowsum import RAW, RowSum, row_texts
from restorekit.engines.mariadb.sandbox import Marker, admin, running_marker
from restorekit.engines.mariadb.screen import Action, Judged, Screen
from restorekit.engines.mariadb.split import Comment, Splitter, Statement, Syntax
from restorekit.engines.mariadb.spool import Spool
from restorekit.errors import DumpIncomplete, DumpRefused
from restorekit.formats.compression import decompressed
from restorekit.model.artifact import Loaded, LoadedTable
from restorekit.model.home import Home
from restorekit.model.point import Compression, Format
from restorekit.model.staged import Sandbox
from restorekit.ports import Watch

_DEADLOCK = 1213
_TRUNCATED = 1265
_TRIES = 5
_SESSION = (
    "SET SESSION foreign_key_checks=0, unique_checks=0, max_error_count=1000, lock_wait_timeout=600, "
    "innodb_lock_wait_timeout=600"
)
_READING_MODES = ("NO_BACKSLASH_ESCAPES", "ANSI_QUOTES")


@dataclass(slots=True)
class _Table:
    """What the stream said about one table."""

    rows: RowSum = field(default_factory=RowSum)
    why_not: str = ""


def load(
    settings: Settings,
    home: Home,  # noqa: ARG001 - part of the port's wiring
    sandbox: Sandbox,
    stream: Iterable[bytes],
    form: tuple[Format, Compression],
    watch: Watch,
) -> Loaded:
    """Drop and recreate the sandbox's schema and load `stream` into it. Safe to repeat with a fresh stream.

    What iterating `stream` raises passes through. Raises DumpRefused, LoadFailed, DumpIncomplete (ends inside a
    statement, or holds none), DiskFull, EngineUnavailable, Cancelled. Nothing of it ever touches live.
    """
    if form[0] != "sql":
        raise DumpRefused(f"a backup of the form {form[0]} does not go into MariaDB; live is untouched")
    marker = running_marker(sandbox)
    with contextlib.closing(admin(sandbox)) as session:
        secret = secrets.token_urlsafe(24)
        _fresh_schema(session, marker)
        let_in(session, marker.schema_name, secret)
        here("load.started")
        with contextlib.ExitStack() as stack:
            stack.callback(_shut_out, session, marker.schema_name)

            def crew() -> Crew:
                folder = Path(sandbox.folder)
                return stack.enter_context(Crew(lambda: _connect(marker, secret), settings.workers, watch, folder))

            spool = stack.enter_context(Spool(Path(sandbox.folder)))
            run = _Load(marker, session, crew(), crew(), spool, watch)
            return run.all(decompressed(stream, form[1]))


def _shut_out(session: "Connection[Any]", schema: str) -> None:
    """A server that died cannot be told; the next load makes the account anew."""
    with contextlib.suppress(pymysql.err.MySQLError):
        shut_out(session, schema)


def _fresh_schema(session: "Connection[Any]", marker: Marker) -> None:
    """An earlier, killed load may have left sessions, tables and rights behind."""
    for (number,) in rows(session, "SELECT id FROM information_schema.processlist WHERE user=%s", (LOADER,)):
        with contextlib.suppress(pymysql.err.OperationalError):
            rows(session, f"KILL {number}")
    collation = f" COLLATE {marker.collation}" if marker.collation else ""
    rows(session, "SET SESSION lock_wait_timeout=60")
    rows(session, f"DROP DATABASE IF EXISTS {quoted(marker.schema_name)}")
    rows(session, f"CREATE DATABASE {quoted(marker.schema_name)} CHARACTER SET {marker.charset}{collation}")


def _connect(marker: Marker, secret: str) -> "Connection[Any]":
    """A session as a client would have it; the modes that change how strings are read are never on by themselves."""
    connection = to_socket(Path(marker.socket), LOADER, secret, schema=marker.schema_name, session=_SESSION)
    modes = [m for m in str(one(connection, "SELECT @@sql_mode")).split(",") if m not in _READING_MODES]
    rows(connection, "SET SESSION sql_mode=%s", (",".join(modes),))
    return connection


@dataclass(slots=True)
class _Load:
    """One load; used once."""

    marker: Marker
    session: "Connection[Any]"
    crew: Crew
    builders: Crew
    spool: Spool
    watch: Watch
    screen: Screen = field(init=False)
    syntax: Syntax = field(default_factory=Syntax)
    dialect: Dialect = field(init=False)
    arranger: Arranger = field(default_factory=Arranger)
    tables: dict[str, _Table] = field(default_factory=dict)
    translations: dict[str, None] = field(default_factory=dict)
    definers: dict[str, None] = field(default_factory=dict)
    statements: int = 0
    _warnings: dict[str, dict[tuple[int, str], int]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.screen = Screen(self.marker.schema_name)
        self.dialect = Dialect(self.syntax)

    def all(self, chunks: Iterable[bytes]) -> Loaded:
        self.spool.clear()
        for piece in Splitter(chunks, self.syntax):
            if isinstance(piece, Comment):
                self.dialect.comment(piece.text)
                self.screen.announce(self.dialect.facts.get("database", ""))
            else:
                self._statement(piece)
        self.spool.close()
        if not self.statements:
            raise DumpIncomplete("the dump is empty; live is untouched", hint="Choose another recovery point.")
        self._run(self.arranger.finish())
        self.crew.settle()
        self.builders.settle()
        here("load.done")
        return self._loaded()

    def _statement(self, statement: Statement) -> None:
        self.statements = statement.number
        judged = self.screen.judge(statement)
        charset = self.screen.session.charset
        self.syntax.escapes = self.screen.session.escapes
        self._watch_dialect(judged)
        if judged.action is Action.ROWS:
            self._count(judged)
        else:
            judged = self._translate(judged)
        self._run(self.arranger.take(judged, charset))

    def _watch_dialect(self, judged: Judged) -> None:
        head = judged.statement.insert
        if judged.action is Action.SESSION:
            self._follow_session(judged)
        elif judged.action is Action.ROWS and head is not None:
            table = self.tables.setdefault(judged.name, _Table())
            self.dialect.rows(head, judged.statement.text, first=not table.rows.rows)
        elif judged.action is Action.DROP:
            self.dialect.transaction(judged.code)
        elif judged.kind in ("TABLE", "TABLES"):
            self._follow_table(judged)
        else:
            self.dialect.content()

    def _follow_session(self, judged: Judged) -> None:
        known = "producer" in self.dialect.facts
        self.dialect.session(code(judged.statement.text, keep_strings=True))
        self.dialect.codec = self.screen.session.codec
        if self.screen.session.charset:
            self.dialect.facts.setdefault("charset", self.screen.session.charset)
        if not known and self.syntax.trusted:
            self._fill_in_header(judged.code)

    def _fill_in_header(self, code: bytes) -> None:
        """With --compact a dump lacks its header; what mariadb-dump had set while writing it still holds."""
        mode = "SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO'"  # else 0 in a counter would become the next number
        self.crew.everywhere(lambda connection: connection.query(mode))
        if b"OLD_" not in code.upper():
            self.crew.everywhere(lambda connection: connection.query("SET SESSION time_zone='+00:00'"))
            self.dialect.facts["tz_utc"] = "assumed"
            self.translations[
                "the dump does not say its time zone (--compact): read as UTC, mariadb-dump's default"
            ] = None

    def _follow_table(self, judged: Judged) -> None:
        if judged.verb == "CREATE" and "TEMPORARY" not in judged.code[:40].decode("ascii", "replace").upper():
            self.tables.setdefault(judged.name, _Table())
            self.dialect.table(judged.name)
        elif judged.verb == "DROP":
            # Old dumps make a table where a view will be, and drop it later.
            self.tables.pop(judged.name, None)
        elif judged.verb == "TRUNCATE" and judged.name in self.tables:
            self.tables[judged.name].why_not = "its rows were changed after they were inserted"

    def _count(self, judged: Judged) -> None:
        table = self.tables[judged.name]
        texts = row_texts(judged.statement, escapes=self.syntax.escapes)
        if texts is None:
            table.why_not = "an INSERT is not rows only"
        else:
            table.rows.add(texts)
            self.spool.add(judged.name, judged.statement.text)

    def _translate(self, judged: Judged) -> Judged:
        if judged.action is Action.ALONE and judged.verb in ("INSERT", "REPLACE") and judged.name in self.tables:
            self.tables[judged.name].why_not = "rows come from a query"
        if judged.definer is not None:
            self._stand_in(*judged.definer)
        text, notes = translated(judged.statement.text)
        if not notes:
            return judged
        self.translations |= dict.fromkeys(notes)
        return replace(judged, statement=replace(judged.statement, text=text))

    def _stand_in(self, user: str, host: str) -> None:
        if user != LOADER and f"{user}@{host}" not in self.definers:
            stand_in(self.session, self.marker.schema_name, (user, host))
            self.definers[f"{user}@{host}"] = None

    def _run(self, work: Iterator[Judged | Build]) -> None:
        builds: list[Build] = []
        for item in work:
            if isinstance(item, Build):
                builds.append(item)
                continue
            self._build(builds)
            self._one(item)
        self._build(builds)

    def _one(self, judged: Judged) -> None:
        head = judged.statement.insert
        if judged.action is Action.SESSION:
            self.crew.everywhere(self._job(judged))
        elif judged.action is Action.ROWS and head is not None and head.plain and judged.statement.regular:
            self.crew.spread(self._job(judged))
        elif judged.action is Action.DATABASE:
            self._database(judged)
        elif judged.action is not Action.DROP:
            self.crew.alone(self._job(judged))

    def _database(self, judged: Judged) -> None:
        """The character set that the dump gives to its database; the database itself is ours."""
        clause = translated(judged.code)[0]
        words = b" ".join(clause.replace(b"=", b" ").split())
        if b"CHARACTER SET" in words.upper() or b"COLLATE" in words.upper():
            text = b"ALTER DATABASE " + quoted(self.marker.schema_name).encode() + b" " + words
            self.crew.alone(self._job(replace(judged, statement=replace(judged.statement, text=text))))

    def _build(self, builds: list[Build]) -> None:
        """Indexes of several tables at once; each list is done before anything else runs."""
        if not builds:
            return
        self.crew.settle()
        for done, build in enumerate(builds):
            self.watch.progress("index", done, len(builds), "tables")
            self.builders.spread(self._build_job(build))
        self.builders.settle()
        self.watch.progress("index", len(builds), len(builds), "tables")
        builds.clear()

    def _build_job(self, build: Build) -> Job:
        def job(connection: "Connection[Any]") -> None:
            try:
                rows(connection, f"SET NAMES {build.charset or 'utf8mb4'}")
                connection.query(build.sql)
            except pymysql.err.MySQLError as error:
                raise refusal(error, f"an index of {build.name}") from None

        return job

    def _job(self, judged: Judged) -> Job:
        def job(connection: "Connection[Any]") -> None:
            for left in range(_TRIES, -1, -1):
                try:
                    self._execute(connection, judged)
                except pymysql.err.MySQLError as error:
                    # Only a deadlock is worth another try: the whole statement was taken back.
                    if error.args[:1] != (_DEADLOCK,) or not left:
                        raise refusal(error, place(judged)) from None
                else:
                    return

        return job

    def _execute(self, connection: "Connection[Any]", judged: Judged) -> None:
        with connection.cursor() as cursor:
            cursor.execute(judged.statement.text)
            if not cursor.warning_count or judged.action is Action.SESSION:
                return
            cursor.execute("SHOW WARNINGS")
            found = warnings_of(tuple(cursor.fetchall()))
        with self._guard:
            counts = self._warnings.setdefault(judged.name, {})
            for key, count in found.items():
                counts[key] = counts.get(key, 0) + count

    def _loaded(self) -> Loaded:
        complete, why = self.dialect.complete()
        facts = self.dialect.facts | ({"database": self.screen.own} if self.screen.own else {})
        return Loaded(
            statements=self.statements,
            tables=tuple(_loaded_table(name, table) for name, table in sorted(self.tables.items())),
            complete=complete,
            complete_why=why,
            dialect=facts,
            dropped=tuple(self.screen.dropped),
            translated=tuple(self.translations),
            warnings=tuple(self._warning_sentences()),
            definers=(*self.definers, *without_definer(self.session, self.marker.schema_name)),
            manifest=self.dialect.contents(),
        )

    def _warning_sentences(self) -> Iterator[str]:
        # The empty text of an ENUM's invalid value comes back as just that, with a warning each time.
        enums = enum_columns(self.session, self.marker.schema_name) if self._warnings else frozenset()
        for name, counts in sorted(self._warnings.items()):
            for (number, column), count in sorted(counts.items()):
                if number == _TRUNCATED and (name, column) in enums:
                    continue
                where = f"{name}.{column}" if column else name or "the schema"
                yield f"{where}: {count} times {meaning(number)} (warning {number})"


def _loaded_table(name: str, table: _Table) -> LoadedTable:
    if table.why_not:
        return LoadedTable(name=name, why_no_witness=table.why_not)
    return LoadedTable(name=name, witness=table.rows.fingerprint(RAW))

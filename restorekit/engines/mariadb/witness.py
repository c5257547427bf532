"""What the stream announced against what the sandbox holds.

Rows and sums taken from the stream while it was loaded, against a dump of the sandbox made with the source's own
options: equal means that everything in the stream arrived, nothing coerced, cut, doubled or dropped. It does not
mean that the stream was whole; that is level 2. Tables whose text differs are read once more, by meaning.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pymysql.connections import Connection

from restorekit import shell
from restorekit.engines.mariadb import spool
from restorekit.engines.mariadb.connect import Settings, one, quoted, rows
from restorekit.engines.mariadb.rowsum import RAW, RowSum, row_texts
from restorekit.engines.mariadb.sandbox import Marker, admin, running_marker
from restorekit.engines.mariadb.session import codec_of
from restorekit.engines.mariadb.split import Splitter, Statement, Syntax
from restorekit.engines.mariadb.typed import TYPED, Column, NotComparable, TypedRows, columns_of
from restorekit.errors import DumpIncomplete, EngineUnavailable
from restorekit.model.artifact import Loaded
from restorekit.model.contents import Fingerprint
from restorekit.model.home import Home
from restorekit.model.staged import Sandbox
from restorekit.model.verdict import Check, Level, Outcome

_READ = 1 << 20
_SHOWN = 20
_PERIOD = ("row_start", "row_end")


def witness(settings: Settings, home: Home, sandbox: Sandbox, loaded: Loaded) -> list[Check]:  # noqa: ARG001
    """Three checks of level 5: the same tables, the same numbers of rows, the same rows. Safe to repeat.

    A table that cannot be compared makes the last one `skipped`, with the reason. Raises EngineUnavailable.
    """
    with contextlib.closing(admin(sandbox, sandbox.schema_name)) as session:
        run = _Witness(settings, sandbox, loaded, session)
        return [run.tables(), run.counts(), run.contents()]


class _Witness:
    def __init__(self, settings: Settings, sandbox: Sandbox, loaded: Loaded, session: "Connection[Any]") -> None:
        self._settings = settings
        self._sandbox = sandbox
        self._loaded = loaded
        self._session = session
        self._codec = codec_of(loaded.dialect.get("charset", ""))
        self._folds = bool(one(session, "SELECT @@lower_case_table_names"))
        self._announced = {self._folded(t.name): t.witness for t in loaded.tables}
        self._kinds = _kinds(session)

    def tables(self) -> Check:
        announced, found = set(self._announced), set(self._kinds)
        lines = [f"{name}: announced, not in the sandbox" for name in sorted(announced - found)]
        lines += [f"{name}: in the sandbox, never announced" for name in sorted(found - announced)]
        return _check("witness.tables", lines, f"{len(found)} tables, the same as in the stream")

    def counts(self) -> Check:
        lines, compared = [], 0
        for name, expected in self._announced.items():
            if expected is not None and name in self._kinds:
                counted = int(one(self._session, f"SELECT COUNT(*) FROM {quoted(name)}{self._history(name)}"))
                compared += 1
                if counted != expected.rows:
                    lines.append(f"{name}: {expected.rows} rows in the stream, {counted} in the sandbox")
        return _check("witness.rows", lines, f"{compared} tables have as many rows as the stream")

    def contents(self) -> Check:
        expected = {n: f for n, f in self._announced.items() if f is not None and n in self._kinds}
        found = self._dumped(list(expected), self._options())
        differ = [n for n, f in expected.items() if not found.get(n, RowSum()).fingerprint(RAW).equals(f)]
        failed, unknown = [], []
        for name in differ:
            try:
                if not self._equal_by_meaning(name):
                    failed.append(f"{name}: rows differ from the stream ({TYPED})")
            except NotComparable as why:
                unknown.append(f"{name}: not comparable: {why}")
        unknown += [f"{t.name}: not comparable: {t.why_no_witness}" for t in self._loaded.tables if t.witness is None]
        if failed or not unknown:
            raw, typed = len(expected) - len(differ), len(differ) - len(failed) - len(unknown)
            return _check("witness.contents", failed, f"{raw} tables equal ({RAW}), {typed} equal ({TYPED})")
        reason = f"{len(unknown)} tables cannot be compared with the stream"
        return _outcome("witness.contents", "skipped", reason, unknown)

    def _folded(self, name: str) -> str:
        return name.lower() if self._folds else name

    def _history(self, name: str) -> str:
        dumped = "dump_history" in self._loaded.dialect and self._kinds.get(name) == "SYSTEM VERSIONED"
        return " FOR SYSTEM_TIME ALL" if dumped else ""

    def _options(self) -> list[str]:
        """The source's own options, as far as they change the text of rows."""
        facts = self._loaded.dialect
        options = [f"--default-character-set={facts.get('charset', 'utf8mb4')}"]
        options += [] if facts.get("tz_utc") else ["--skip-tz-utc"]
        options += ["--hex-blob"] if facts.get("hex_blob") else []
        return options + (["--dump-history"] if facts.get("dump_history") else [])

    def _dumped(self, tables: Sequence[str], options: Sequence[str]) -> dict[str, RowSum]:
        sums: dict[str, RowSum] = {}
        for statement in self._redump(tables, options):
            assert statement.insert is not None
            name = self._folded(statement.insert.table.decode(self._codec, "replace"))
            sums.setdefault(name, RowSum()).add(row_texts(statement) or ())
        return sums

    def _redump(self, tables: Sequence[str], options: Sequence[str]) -> Iterator[Statement]:
        """The INSERTs of a dump of the sandbox; nothing of it touches the disk."""
        if not tables:
            return
        marker = running_marker(self._sandbox)
        words = ["--no-create-info", "--skip-triggers", "--compact", "--skip-lock-tables", "--max-allowed-packet=1G"]
        argv = [self._settings.dump, "--defaults-file={fd:login}", *words, *options, "--"]
        # The tool reads names in the character set it is told to write.
        codec = "utf-8" if "--default-character-set=utf8mb4" in options else self._codec
        argv += [n.encode(codec, "replace").decode("utf-8", "surrogateescape") for n in (marker.schema_name, *tables)]
        with shell.start(shell.Spec(argv, secrets={"login": _login(marker)})) as process:
            try:
                yield from _inserts(iter(lambda: process.stdout.read(_READ), b""), trusted=True)
            except DumpIncomplete:
                raise EngineUnavailable("the dump of the sandbox ended in the middle; live is untouched") from None
            done = process.wait(60)
        if done.returncode:
            raise EngineUnavailable(f"the dump of the sandbox ended with exit code {done.returncode}")

    def _equal_by_meaning(self, name: str) -> bool:
        """Compare one table by its columns' types; raises NotComparable."""
        original = next(t.name for t in self._loaded.tables if self._folded(t.name) == name)
        columns = self._columns(name)
        wanted = self._wanted(original, columns)
        options = [o for o in self._options() if not o.startswith(("--default-", "--hex"))]
        again = ["--default-character-set=utf8mb4", "--hex-blob", "--complete-insert", *options]
        arrived = _typed(self._redump([name], again), TypedRows(columns, "utf-8", wanted))
        return _typed(self._kept(original), TypedRows(columns, self._codec, wanted)).equals(arrived)

    def _kept(self, name: str) -> Iterator[Statement]:
        producer = self._loaded.dialect.get("producer", "")
        trusted = producer.startswith(("mariadb", "mysqldump", "phpmyadmin"))
        try:
            yield from _inserts(spool.chunks(Path(self._sandbox.folder), name), trusted=trusted)
        except FileNotFoundError:
            known = next(t.witness for t in self._loaded.tables if t.name == name)
            if known is not None and known.rows:
                raise NotComparable("the rows of the stream were not kept") from None

    def _wanted(self, name: str, columns: Sequence[Column]) -> frozenset[str]:
        """Columns that the stream's INSERTs name; all statements must name the same."""
        everything = frozenset(c.name.lower() for c in columns if not c.hidden)
        lists = {frozenset(columns_of(s.insert, self._codec)) for s in self._kept(name) if s.insert}
        if len(lists) > 1:
            raise NotComparable("its INSERTs name different columns")
        return next(iter(lists), frozenset()) or everything

    def _columns(self, name: str) -> list[Column]:
        found = rows(
            self._session,
            "SELECT column_name, data_type, COALESCE(numeric_scale, datetime_precision, 0), "
            "COALESCE(character_octet_length, 0), extra LIKE '%%INVISIBLE%%' FROM information_schema.columns "
            "WHERE table_schema=DATABASE() AND table_name=%s ORDER BY ordinal_position",
            (name,),
        )
        columns = [
            Column(str(n), str(kind).lower(), int(scale), int(width), bool(h)) for n, kind, scale, width, h in found
        ]
        known = {c.name.lower() for c in columns}
        return columns + [Column(n, "timestamp", 6, 0, hidden=True) for n in _PERIOD if n not in known]


def _kinds(session: "Connection[Any]") -> dict[str, str]:
    found = rows(
        session,
        "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema=DATABASE() "
        "AND table_type IN ('BASE TABLE','SYSTEM VERSIONED')",
    )
    return {str(name): str(kind) for name, kind in found}


def _inserts(chunks: Iterable[bytes], *, trusted: bool) -> Iterator[Statement]:
    for piece in Splitter(chunks, Syntax(trusted=trusted)):
        if isinstance(piece, Statement) and piece.insert is not None:
            yield piece


def _typed(statements: Iterable[Statement], table: TypedRows) -> Fingerprint:
    total = RowSum()
    for statement in statements:
        texts = row_texts(statement)
        if texts is None or statement.insert is None:
            raise NotComparable("an INSERT is not rows only")
        total.add(table.texts(statement.insert, texts))
    return total.fingerprint(TYPED)


def _login(marker: Marker) -> bytes:
    return f'[client]\nsocket="{marker.socket}"\nuser={marker.admin}\npassword="{marker.password}"\n'.encode()


def _check(name: str, failed: list[str], passed: str) -> Check:
    return _outcome(name, "failed" if failed else "passed", "" if failed else passed, failed)


def _outcome(name: str, outcome: Outcome, reason: str, lines: list[str]) -> Check:
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    first = reason or f"{len(lines)} tables differ"
    return Check(level=Level.EQUAL, name=name, outcome=outcome, reason=first, evidence=(*lines[:_SHOWN], *more))

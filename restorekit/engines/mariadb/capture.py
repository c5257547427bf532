"""A dump of live and its manifest out of one snapshot.

The dump's own session cannot be told which snapshot to use. So either both sessions name the same position in the
binary log, or writers are held for the few milliseconds in which both take their snapshots.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

import pymysql
from pymysql.connections import Connection

from restorekit import shell
from restorekit.engines.mariadb import dump
from restorekit.engines.mariadb.connect import one, rows
from restorekit.engines.mariadb.contents import measure, must_exist
from restorekit.engines.mariadb.definitions import objects
from restorekit.engines.mariadb.live import Live, reading
from restorekit.engines.mariadb.manifest import encode
from restorekit.engines.mariadb.snapshot import Snapshot, begin
from restorekit.engines.mariadb.tables import Table, tables
from restorekit.errors import Temporary
from restorekit.model.contents import Contents, Fingerprint, TableContents
from restorekit.model.database import Where
from restorekit.ports import Watch

_CHUNK = 1 << 20
_POSITION = re.compile(rb"MASTER_LOG_FILE='([^']+)', MASTER_LOG_POS=(\d+)")
_FREE_TRIES = 3
_HELD_TRIES = 3


@dataclass(frozen=True)
class _Start:
    """A dump that has taken its snapshot, what it said so far, and our session in the same snapshot."""

    process: shell.Process
    said: bytes
    view: Snapshot


def capture(live: Live, schema: str, out: BinaryIO, watch: Watch) -> Contents:
    """Write a dump of live to `out`, its manifest as the last comment block; answers the manifest.

    Tables of engines without transactions stand outside every snapshot: those that were written to meanwhile are in
    the manifest without rows and fingerprint, and its setting `consistency` says `per_table`. What was written before
    an error is no dump. Raises Temporary (no common snapshot, definitions changed meanwhile), UnknownName, Refused,
    EngineUnavailable, Cancelled.
    """
    with reading(schema), contextlib.closing(live.connect()) as session:
        must_exist(session, schema, live.name)
        before = tables(session, schema)
        unsettled = _unsettled(session, schema, before)
        defined = objects(session, schema)
        with _started(live, session, schema, before) as start:
            found = _both(live, start, schema, out, watch)
        after = objects(session, schema)
    if _definitions(found.tables, before) or [o.hash for o in defined] != [o.hash for o in after]:
        raise Temporary(f"definitions in {schema} changed during the dump; it is not usable", hint="Capture it again.")
    # a sequence may move on while the dump is written: it must not stand before what it was at the beginning
    manifest = _honest(found.model_copy(update={"objects": defined}), unsettled, live, schema)
    out.write(encode(manifest))
    return manifest


def export(live: Live, where: Where, out: BinaryIO, watch: Watch) -> None:
    """Write a plain dump of a database to `out`. Raises EngineUnavailable, UnknownName, Cancelled."""
    with reading(where.schema_name), contextlib.closing(live.where_connect(where)) as session:
        must_exist(session, where.schema_name, live.name)
        versioned = any(t.versioned for t in tables(session, where.schema_name))
    with shell.start(dump.spec(live, where, versioned=versioned)) as process:
        _pump(process, b"", out, where.schema_name, watch)


def _both(live: Live, start: _Start, schema: str, out: BinaryIO, watch: Watch) -> Contents:
    """Write the dump while the same snapshot is measured in another session."""
    session = start.view.session
    number = int(one(session, "SELECT CONNECTION_ID()"))
    with ThreadPoolExecutor(1, thread_name_prefix="capture") as pool:
        measured = pool.submit(measure, start.view, schema, carried=True, origin="captured")
        try:
            _pump(start.process, start.said, out, schema, watch)
            while not measured.done():
                watch.check()
                with contextlib.suppress(TimeoutError):
                    measured.exception(timeout=0.2)
        except BaseException:
            with contextlib.suppress(pymysql.err.Error), live.connect() as other:
                rows(other, f"KILL QUERY {number}")
            raise
        return measured.result()


def _pump(process: shell.Process, said: bytes, out: BinaryIO, schema: str, watch: Watch) -> None:
    written = 0
    tail = b""
    chunk = said or process.stdout.read(_CHUNK)
    while chunk:
        watch.check()
        out.write(chunk)
        written += len(chunk)
        tail = (tail + chunk)[-4096:]
        watch.progress("capture", written, None)
        chunk = process.stdout.read(_CHUNK)
    dump.judge(process.wait(60), tail, schema)


@contextlib.contextmanager
def _started(live: Live, session: "Connection[Any]", schema: str, found: list[Table]) -> Iterator[_Start]:
    """A dump and a session of ours in the same snapshot."""
    log_bin = bool(one(session, "SELECT @@log_bin"))
    options = ("--master-data=2", "--gtid") if log_bin else ()
    told = dump.spec(live, Where(schema_name=schema), versioned=any(t.versioned for t in found), options=options)
    holds: list[Callable[[], contextlib.AbstractContextManager[None]]] = []
    if log_bin:
        holds += [contextlib.nullcontext] * _FREE_TRIES
    holds += [lambda: _held(live, found)] * _HELD_TRIES
    for hold in holds:
        with contextlib.ExitStack() as stack:
            view = stack.enter_context(contextlib.closing(live.connect()))
            with hold():
                process = stack.enter_context(shell.start(told))
                said = _first_words(process, log_bin=log_bin)
                if not said:
                    dump.judge(process.wait(60), b"", schema)
                began_at, position = datetime.now(UTC), begin(view)
            if not log_bin or position == _position(said):
                yield _Start(process, said, Snapshot([view], position, began_at))
                return
    raise Temporary(
        f"no moment was found in which dump and fingerprints of {schema} see the same; nothing usable was written",
        hint="Try again when fewer transactions are committed.",
    )


def _first_words(process: shell.Process, *, log_bin: bool) -> bytes:
    """What the dump says first: it says it after it has taken its snapshot."""
    said = b""
    while chunk := process.stdout.read1(_CHUNK):  # type: ignore[attr-defined]
        said += chunk
        if b"\n-- Table structure for" in said or b"\n-- Dump" in said or (log_bin and _POSITION.search(said)):
            break
    return said


def _position(said: bytes) -> str | None:
    match = _POSITION.search(said)
    return f"{match.group(1).decode()}:{match.group(2).decode()}" if match else None


@contextlib.contextmanager
def _held(live: Live, found: list[Table]) -> Iterator[None]:
    """Nothing is committed to this schema inside; for milliseconds, or Temporary is raised.

    With RELOAD commits of the whole server wait; without it the writers of this one schema do.
    """
    with contextlib.closing(live.connect()) as session:
        try:
            rows(session, "BACKUP STAGE START")
            rows(session, "BACKUP STAGE BLOCK_COMMIT")
        except pymysql.err.OperationalError:
            # no right to it, or a backup holds it
            if found:
                rows(session, "LOCK TABLES " + ",".join(f"{t.full} READ" for t in found))
        # closing the session ends either hold, also when this process dies
        yield


def _definitions(found: tuple[TableContents, ...], before: list[Table]) -> bool:
    """True if a table came, went or changed its definition."""
    return {t.name: t.schema_hash for t in found} != {t.name: t.schema_hash for t in before}


def _unsettled(session: "Connection[Any]", schema: str, found: list[Table]) -> dict[str, Fingerprint | None]:
    """What the tables outside every snapshot hold now."""
    names = frozenset(t.name for t in found if not t.transactional)
    if not names:
        return {}
    return {t.name: t.fingerprint for t in measure(Snapshot([session], "", datetime.now(UTC)), schema, names).tables}


def _honest(found: Contents, unsettled: dict[str, Fingerprint | None], live: Live, schema: str) -> Contents:
    """Without claims about tables that were written to while the dump was, outside its snapshot."""
    with contextlib.closing(live.connect()) as session:
        now = _unsettled(session, schema, [t for t in tables(session, schema) if t.name in unsettled])
    moved = {name for name, earlier in unsettled.items() if now.get(name) != earlier}
    kept = tuple(
        t.model_copy(update={"rows": None, "fingerprint": None}) if t.name in moved else t for t in found.tables
    )
    settings = found.settings | {"consistency": "per_table" if moved else "snapshot"}
    return found.model_copy(update={"tables": kept, "settings": settings})

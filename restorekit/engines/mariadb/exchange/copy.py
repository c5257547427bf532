"""Carrying tables from a sandbox into the holding schema on live: every value exactly, no client program.

The sandbox writes each row as the VALUES tuple of an INSERT; the tuples travel unread. FLOAT goes as DOUBLE (its own
text has six digits), bytes as bytes, generated columns not at all, and row versions with the times of their validity.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import SSCursor

from restorekit.engines.mariadb.connect import one, quoted, rows
from restorekit.engines.mariadb.fingerprint import Column
from restorekit.engines.mariadb.literals import literal
from restorekit.engines.mariadb.live import Live
from restorekit.engines.mariadb.tables import Table
from restorekit.errors import Cancelled, DiskFull, EngineUnavailable, ProofFailed
from restorekit.model.database import Where
from restorekit.ports import Watch

_BATCH = 1 << 20
_NO_SPACE = frozenset({28, 1021, 1114})
_LOADING = "SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO', foreign_key_checks=0, time_zone='+00:00'"


@dataclass(frozen=True)
class Load:
    """Rows to be carried: `columns` of what `origin` (a FROM clause of the sandbox) yields, into `into` on live."""

    name: str
    into: str
    columns: Sequence[Column]
    origin: str
    size_bytes: int = 0
    versioned: bool = False


def table_load(table: Table, target: str) -> Load:
    """A whole table, into the empty one of its name in the schema `target`."""
    past = " FOR SYSTEM_TIME ALL" if table.versioned else ""
    return Load(
        name=table.name,
        into=f"{quoted(target)}.{quoted(table.name)}",
        columns=table.history_columns if table.versioned else table.stored,
        origin=f"{table.full}{past}",
        size_bytes=table.size_bytes,
        versioned=table.versioned,
    )


def carry(live: Live, source: Where, loads: Sequence[Load], watch: Watch) -> None:
    """Carry all of these from the sandbox to live, several at a time, the largest first.

    Reports rows. Raises Cancelled, DiskFull, EngineUnavailable, ProofFailed (a row the server did not take).
    """
    report = _Report(watch)
    with ThreadPoolExecutor(max(1, live.settings.workers), thread_name_prefix="promote") as pool:
        work = [
            pool.submit(_carry_one, live, source, load, report) for load in sorted(loads, key=lambda t: -t.size_bytes)
        ]
        try:
            for each in work:
                each.result()
        except BaseException:
            report.stop.set()
            for each in work:
                each.cancel()
            raise


class _Report:
    """Progress over all tables; `stop` ends every worker when one has failed."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._guard = threading.Lock()
        self._done = 0
        self.stop = threading.Event()

    def add(self, count: int) -> None:
        with self._guard:
            self._done += count
            self._watch.progress("promote", self._done, None, "rows")
        self._watch.check()


def _carry_one(live: Live, source: Where, load: Load, report: _Report) -> None:
    if not load.columns:
        return
    names = ",".join(quoted(c.name) for c in load.columns)
    head = f"INSERT INTO {load.into} ({names}) VALUES ".encode()
    with contextlib.closing(live.connect()) as sink, _tuples(live, source, load) as batches:
        rows(sink, _LOADING)
        if load.versioned:
            rows(sink, "SET SESSION system_versioning_insert_history=1")
        most = min(_BATCH, int(one(sink, "SELECT @@max_allowed_packet")) // 2)
        for batch in batches(most):
            if report.stop.is_set():
                raise Cancelled
            _insert(sink, head + b",".join(batch), load.name)
            report.add(len(batch))


def _insert(sink: "Connection[Any]", statement: bytes, table: str) -> None:
    try:
        sink.query(statement)
    except pymysql.err.Error as error:
        number = error.args[0]
        if number in _NO_SPACE:
            raise DiskFull(f"live has no room for the copy of {table}; live's own tables are untouched") from error
        if isinstance(error, pymysql.err.OperationalError) and number in (0, 2006, 2013):
            raise EngineUnavailable(
                f"the server went away while {table} was being copied; live's own tables are untouched",
                hint="A row larger than live's max_allowed_packet ends the session, too.",
            ) from error
        # The server's text may quote the row: only its number is passed on.
        raise ProofFailed(
            f"live does not take the rows of {table} (server error {number}); live's own tables are untouched"
        ) from error


@contextlib.contextmanager
def _tuples(live: Live, source: Where, load: Load) -> Iterator[Callable[[int], Iterator[list[bytes]]]]:
    """A function that yields batches of VALUES tuples of about the size it is given."""
    with contextlib.closing(live.where_connect(source)) as connection:
        cursor = connection.cursor(SSCursor)
        values = ",".join(literal(c) for c in load.columns)
        text = f"SELECT CAST(CONCAT('(',CONCAT_WS(',',{values}),')') AS BINARY) FROM {load.origin}"

        def batches(most: int) -> Iterator[list[bytes]]:
            cursor.execute(text)
            batch: list[bytes] = []
            size = 0
            for (values,) in cursor:
                if values is None:
                    raise ProofFailed(f"a row of {load.name} is larger than the sandbox's max_allowed_packet")
                batch.append(values)
                size += len(values)
                if size >= most:
                    yield batch
                    batch, size = [], 0
            if batch:
                yield batch

        number = int(one(connection, "SELECT CONNECTION_ID()"))
        try:
            yield batches
        except BaseException:
            _abandon(live, source, number, cursor)
            raise


def _abandon(live: Live, source: Where, number: int, cursor: SSCursor) -> None:
    """Closing a half-read result would read it to its end: end the query first."""
    with (
        contextlib.suppress(pymysql.err.Error, EngineUnavailable),
        contextlib.closing(live.where_connect(source)) as other,
    ):
        rows(other, f"KILL QUERY {number}")
    with contextlib.suppress(pymysql.err.Error):
        cursor.close()

"""The gate: writers are held out by the database's own lock, from before the undo copy until after the commit.

The lock belongs to this process: if it dies, the lock is gone and the next opener rolls the unfinished side back.
No dead-man is needed.
"""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from restorekit import crashpoint
from restorekit.engines.sqlite import connect
from restorekit.engines.sqlite.places import flush, remove_database
from restorekit.engines.sqlite.schema import MARKER
from restorekit.errors import GateTimeout, PreflightRefused

_RETRY_S = 0.001


@dataclass(frozen=True)
class Job:
    """One exchange as the gate sees it: files, limits in seconds, and what to do while writers are held.

    `inspect` gets the finished undo copy and may raise (live is then as before); `gated` records that it is whole.
    """

    order_id: str
    live: Path
    hold: Path
    undo: Path
    lock_wait_s: float
    gate_max_s: float
    inspect: Callable[[Path], None] | None
    gated: Callable[[], None]


class Held:
    """Writers are held since `began`; `check` raises when that has lasted too long."""

    def __init__(self, job: Job) -> None:
        self._most_s = job.gate_max_s
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long so far."""
        return time.monotonic() - self._began

    def check(self) -> None:
        """Raises GateTimeout over budget; whoever holds the gate then rolls back."""
        if self.seconds > self._most_s:
            raise GateTimeout(
                f"writers were held for {self._most_s:g} s and the exchange was not done; live is as before",
                hint="Allow a longer `gate_max` in the playbook, or choose a quieter time.",
            )


class UndoCopy:
    """The whole of live in a file of its own, forced to the medium before the exchange goes on.

    In WAL nobody waits for a reader: the copy is made ahead of the gate, and again under it only if live has moved
    (the connection's `data_version` tells). In rollback mode a copy holds writers up wherever it is made: it is made
    once, under the gate, and its speed is measured on the holding copy.
    """

    def __init__(self, source: sqlite3.Connection, job: Job) -> None:
        """`source` is a connection to live that stays open until the exchange is over."""
        self._source = source
        self._job = job
        self._wal = connect.pragma(source, "journal_mode") == "wal"
        self._version: int | None = None

    def ahead(self) -> None:
        """Before the gate: copy or measure. Raises what `inspect` raises, and PreflightRefused over budget."""
        began = time.monotonic()
        if self._wal:
            self._version = self._now()
            self._make()
        else:
            with connect.frozen(self._job.hold) as new:
                plain_copy(new, self._job.undo)
        copied = max(1, self._job.undo.stat().st_size)
        again = self._live_size() if self._version is None or self._now() != self._version else 0
        self._within_budget((time.monotonic() - began) * (self._job.hold.stat().st_size + again) / copied)

    def under_gate(self, held: Held) -> None:
        """The copy is live, forced to the medium and recorded, when this returns."""
        if self._version is None or self._now() != self._version:
            self._make(held)
        kept(self._job)

    def _now(self) -> int:
        return int(connect.pragma(self._source, "data_version"))

    def _live_size(self) -> int:
        return int(connect.pragma(self._source, "page_count")) * int(connect.pragma(self._source, "page_size"))

    def _make(self, held: Held | None = None) -> None:
        plain_copy(self._source, self._job.undo, (lambda _done, _total: held.check()) if held else None)
        if self._job.inspect is not None:
            self._job.inspect(self._job.undo)

    def _within_budget(self, predicted: float) -> None:
        if predicted > self._job.gate_max_s:
            raise PreflightRefused(
                f"writers would be held for about {predicted:.1f} s, {self._job.gate_max_s:g} s are allowed; "
                "live is untouched",
                hint="Allow a longer `gate_max` in the playbook, restore single tables, or choose a quieter time.",
            )


def kept(job: Job) -> None:
    """All that undo needs is forced to the medium: record it."""
    crashpoint.here("sqlite.exchange.undo_copied")
    job.gated()
    crashpoint.here("sqlite.exchange.gated")


def plain_copy(source: sqlite3.Connection, path: Path, step: Callable[[int, int], None] | None = None) -> None:
    """Copy all of `source` to `path` in rollback mode, without side files, and force it to the medium."""
    remove_database(path)
    with connect.writer(path, create=True) as target:
        target.execute("PRAGMA synchronous=OFF")  # forced as a whole below
        connect.copy(source, target, step)
        target.execute("PRAGMA journal_mode=DELETE")
    flush(path)


def by_pages(job: Job) -> float:
    """Overwrite live with all pages of the holding copy, in one transaction; returns seconds writers were held.

    Raises GateTimeout, PreflightRefused (predicted over budget), and what the job's callbacks raise: live is as before.
    """
    with connect.reader(job.live) as look:
        wal = connect.pragma(look, "journal_mode") == "wal"
    return _pages_wal(job) if wal else _pages_rollback(job)


def _pages_wal(job: Job) -> float:
    """The first step of a backup locks its destination; a second connection still reads the old state for undo.

    An open transaction in the destination would be refused, so that the lock can only be had this way.
    """
    with connect.frozen(job.hold) as new, connect.reader(job.live) as old, connect.writer(job.live, 0) as live:
        undo = UndoCopy(old, job)
        undo.ahead()
        deadline = time.monotonic() + job.lock_wait_s
        held: Held | None = None

        def step(status: int, _remaining: int, _total: int) -> None:
            nonlocal held
            if status == sqlite3.SQLITE_DONE:
                return  # committed: nothing may raise any more
            if held is not None:
                held.check()
            elif status == sqlite3.SQLITE_OK:
                held = Held(job)
                undo.under_gate(held)
            elif time.monotonic() > deadline:  # Python's backup would try for ever
                raise busy(job.lock_wait_s)

        new.backup(live, pages=_bite(new), progress=step, sleep=_RETRY_S)
        assert held is not None
        return held.seconds


def _pages_rollback(job: Job) -> float:
    """Here the destination's lock shuts every reader out: the connection that will write makes the undo copy itself."""
    with connect.frozen(job.hold) as new, connect.writer(job.live, job.lock_wait_s) as live:
        undo = UndoCopy(live, job)
        undo.ahead()
        lock(live, "BEGIN EXCLUSIVE", job.lock_wait_s)
        held = Held(job)
        # Only now: in this mode a failed attempt would keep its shared lock, and a writer's commit would wait for us.
        live.execute("PRAGMA locking_mode=EXCLUSIVE")
        live.execute("COMMIT")  # the transaction ends (a backup would refuse it), the file lock stays
        undo.under_gate(held)

        def step(status: int, _remaining: int, _total: int) -> None:
            if status != sqlite3.SQLITE_DONE:
                held.check()

        new.backup(live, pages=_bite(new), progress=step)
        return held.seconds


@contextlib.contextmanager
def written(job: Job, live: sqlite3.Connection) -> Iterator[Held]:
    """Writers are held inside; what was written is committed at its end, together with our mark.

    Raises GateTimeout; after any error live is as before.
    """
    lock(live, "BEGIN IMMEDIATE", job.lock_wait_s)
    held = Held(job)
    try:
        yield held
        live.execute(f"CREATE TABLE {MARKER} (id TEXT NOT NULL)")
        live.execute(f"INSERT INTO {MARKER} VALUES (?)", (job.order_id,))
        live.set_progress_handler(None, 0)
        lock(live, "COMMIT", job.lock_wait_s)
    except BaseException as error:
        live.set_progress_handler(None, 0)
        if live.in_transaction:
            live.execute("ROLLBACK")
        if isinstance(error, sqlite3.OperationalError) and connect.primary(error) == sqlite3.SQLITE_INTERRUPT:
            held.check()
        raise


def lock(connection: sqlite3.Connection, statement: str, seconds: float) -> None:
    """Run a statement that takes a lock, trying for `seconds`; raises GateTimeout.

    Tried every millisecond: SQLite's own waiting pauses ever longer, and starves beside a writer that never rests.
    """
    end = time.monotonic() + seconds
    connection.execute("PRAGMA busy_timeout=0")
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            if connect.primary(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            if time.monotonic() > end:
                raise busy(seconds) from None
            time.sleep(_RETRY_S)
        else:
            return


def busy(seconds: float) -> GateTimeout:
    """The error for a lock that somebody else keeps."""
    return GateTimeout(
        f"another program keeps the database locked for more than {seconds:g} s; live is as before",
        hint="End its transaction, or try again at a quieter time.",
    )


def _bite(connection: sqlite3.Connection) -> int:
    """Pages per step: less than all, or the first step would commit before the undo copy is made."""
    return max(1, min(1000, int(connect.pragma(connection, "page_count")) // 2))

"""The gate: writers are held out by the database's own lock, from before the undo copy until after the commit.

The lock belongs to this process: if it dies, the lock is gone and the next opener rolls the unfinished side back.
No dead-man is needed.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from restorekit import crashpoint
from restorekit.engines.sqlite import connect
from restorekit.engines.sqlite.places import flush, remove_database
from restorekit.errors import GateTimeout, PreflightRefused


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
    """The whole of live in a file of its own: made ahead of the gate, and again under it only if live has moved.

    `source` is a connection to live. Its `data_version` says whether anybody else has committed since.
    """

    def __init__(self, source: sqlite3.Connection, job: Job) -> None:
        self._source = source
        self._job = job
        self._version: int | None = None
        self.seconds = 0.0

    def ahead(self) -> None:
        """Copy while writers go on; raises what `inspect` raises, before any gate."""
        self._version = self._now()
        self._make()

    @property
    def moved(self) -> bool:
        """True if live has changed since the copy."""
        return self._now() != self._version

    def under_gate(self, held: Held) -> None:
        """The copy is live, forced to the medium and recorded, when this returns."""
        if self.moved:
            self._make(held)
        crashpoint.here("sqlite.exchange.undo_copied")
        self._job.gated()
        crashpoint.here("sqlite.exchange.gated")

    def _now(self) -> int:
        return int(connect.pragma(self._source, "data_version"))

    def _make(self, held: Held | None = None) -> None:
        began = time.monotonic()
        plain_copy(self._source, self._job.undo, (lambda _done, _total: held.check()) if held else None)
        if self._job.inspect is not None:
            self._job.inspect(self._job.undo)
        self.seconds = time.monotonic() - began


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
        within_budget(job, undo)
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

        new.backup(live, pages=_bite(new), progress=step, sleep=0.005)
        assert held is not None
        return held.seconds


def _pages_rollback(job: Job) -> float:
    """Here the destination's lock shuts every reader out: the connection that will write makes the undo copy itself."""
    with connect.frozen(job.hold) as new, connect.writer(job.live, job.lock_wait_s) as live:
        undo = UndoCopy(live, job)
        undo.ahead()
        within_budget(job, undo)
        live.execute("PRAGMA locking_mode=EXCLUSIVE")
        with waiting(job.lock_wait_s):
            live.execute("BEGIN EXCLUSIVE")
        held = Held(job)
        live.execute("COMMIT")  # the transaction ends (a backup would refuse it), the file lock stays
        undo.under_gate(held)

        def step(status: int, _remaining: int, _total: int) -> None:
            if status != sqlite3.SQLITE_DONE:
                held.check()

        new.backup(live, pages=_bite(new), progress=step)
        return held.seconds


def within_budget(job: Job, undo: UndoCopy) -> None:
    """Refuse before any gate what is predicted to hold writers for too long, from the speed just measured.

    Writing the new side costs about what copying the old one did; a live that keeps moving is copied again.
    """
    size = max(1, job.undo.stat().st_size)
    predicted = undo.seconds * job.hold.stat().st_size / size + (undo.seconds if undo.moved else 0)
    if predicted > job.gate_max_s:
        raise PreflightRefused(
            f"writers would be held for about {predicted:.1f} s, {job.gate_max_s:g} s are allowed; live is untouched",
            hint="Allow a longer `gate_max` in the playbook, restore single tables, or choose a quieter time.",
        )


@contextmanager
def waiting(seconds: float) -> Iterator[None]:
    """A lock that is not to be had inside becomes GateTimeout."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if connect.primary(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise busy(seconds) from None
        raise


def busy(seconds: float) -> GateTimeout:
    """The error for a lock that somebody else keeps."""
    return GateTimeout(
        f"another program keeps the database locked for more than {seconds:g} s; live is as before",
        hint="End its transaction, or try again at a quieter time.",
    )


def _bite(connection: sqlite3.Connection) -> int:
    """Pages per step: less than all, or the first step would commit before the undo copy is made."""
    return max(1, min(1000, int(connect.pragma(connection, "page_count")) // 2))

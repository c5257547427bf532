"""The marker of an exchange: a small file, forced to the medium before the step it announces.

intent     an undo copy may be half written; live is as before
gated      the undo copy is whole and forced to the medium; live is either side, the marker table in it tells which
exchanged  live is the new side
done       nothing left to do; `exchanged` holds the answer that a rerun gives again
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from restorekit.engines.sqlite.places import Places, flush
from restorekit.errors import RestoreActive
from restorekit.model.contents import Contents
from restorekit.model.database import Where
from restorekit.model.difference import TableAction
from restorekit.model.exchange import Exchanged
from restorekit.model.value import Moment, Value

CRASH_POINTS = (
    "sqlite.load.written",
    "sqlite.promote.copied",
    "sqlite.delta.carried",
    "sqlite.exchange.intent",
    "sqlite.exchange.undo_copied",
    "sqlite.exchange.gated",
    "sqlite.delta.written",
    "sqlite.exchange.committed",
    "sqlite.exchange.exchanged",
    "sqlite.exchange.unmarked",
    "sqlite.exchange.done",
    "sqlite.settle.discarded",
    "sqlite.retire.deleted",
)
"""Every place between "done" and "recorded"."""

Way = Literal["pages", "tables", "rows", "create"]
Phase = Literal["intent", "gated", "exchanged", "done"]


class Record(Value):
    """One exchange or undo.

    `shown` is live as somebody saw it last (None: there was no live); `undoes` the order that this one takes back.
    """

    order_id: str
    target: str
    way: Way
    phase: Phase
    actions: tuple[TableAction, ...]
    objects: bool
    volatile: tuple[str, ...] = ()
    shown: Contents | None
    brought: Contents
    undoes: str = ""
    began_at: Moment
    exchanged_at: Moment | None = None
    blocked_s: float = 0.0
    notes: tuple[str, ...] = ()
    exchanged: Exchanged | None = None

    @property
    def touched(self) -> frozenset[str]:
        """The tables that the exchange replaces, makes or removes as wholes."""
        return frozenset(a.name for a in self.actions if a.method not in ("same", "delta"))

    @property
    def rows_of(self) -> frozenset[str]:
        """The tables whose rows it writes one by one."""
        return frozenset(a.name for a in self.actions if a.method == "delta")


def write(places: Places, record: Record) -> Record:
    """Force the record to the medium; when this returns it survives a loss of power."""
    path = places.record(record.order_id)
    half = path.with_suffix(".part")
    half.write_text(record.model_dump_json(), encoding="utf-8")
    flush(half)
    half.replace(path)
    flush(path)
    return record


def read(places: Places, order_id: str) -> Record | None:
    """The record of an order, or None."""
    try:
        return Record.model_validate_json(places.record(order_id).read_text(encoding="utf-8"), extra="ignore")
    except FileNotFoundError:
        return None


def unfinished(places: Places) -> list[Record]:
    """Every record that is not done, oldest first."""
    found = []
    for path in places.own.glob("order_*.json"):
        record = read(places, path.stem.removeprefix("order_"))
        if record is not None and record.phase != "done":
            found.append(record)
    return sorted(found, key=lambda r: r.began_at)


def kept_whole(places: Places, record: Record) -> bool:
    """True if all that undo needs is still there."""
    rows = not record.rows_of or places.rows_undo(record.order_id).exists()
    return rows and (record.way == "rows" or places.undo(record.order_id).exists())


def forget(places: Places, order_id: str) -> None:
    """Remove the record; idempotent."""
    places.record(order_id).unlink(missing_ok=True)


@contextmanager
def working_on(places: Places, order_id: str) -> Iterator[None]:
    """Nobody else works on that order inside; the lock dies with the process. Raises RestoreActive."""
    places.own_folder()
    fd = os.open(places.lock(order_id), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RestoreActive(f"another process works on exchange {order_id}", hint="Wait for it to end.") from None
        yield
    finally:
        os.close(fd)


def undo_place(record: Record) -> Where:
    """Where the other side of that exchange is kept."""
    return Where(schema_name=f"rk_undo_{record.order_id}")

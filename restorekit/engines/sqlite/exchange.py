"""Exchange, undo, settle, retire: every step recorded before the next, so that any of them may die and run again."""

import contextlib
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from restorekit import crashpoint
from restorekit.engines.sqlite import connect, holding, journal, schema
from restorekit.engines.sqlite.contents import describe
from restorekit.engines.sqlite.finish import discard, finish, found_in_live, look, slipped
from restorekit.engines.sqlite.gate import Job, by_pages
from restorekit.engines.sqlite.journal import Record, Way
from restorekit.engines.sqlite.places import Places, flush, remove_database
from restorekit.engines.sqlite.preflight import refuse_what_preflight_refuses
from restorekit.engines.sqlite.tables import by_tables
from restorekit.errors import LiveChanged, PreflightRefused, ProofFailed, RestoreActive, UndoImpossible, UnknownName
from restorekit.model.difference import Method, TableAction
from restorekit.model.exchange import Exchanged, ExchangeOrder, Promoted, Settled
from restorekit.ports import Watch

_BACK: dict[Method, Method] = {"exchange": "exchange", "create": "remove", "remove": "create", "same": "same"}
_UNDO_LOCK_WAIT_S = 10.0
_BACK_LIMITS = (60.0, 600.0)


def promote(places: Places, order: ExchangeOrder, watch: Watch) -> Promoted:
    """Copy the staged database beside live. Raises ProofFailed if the copy is not what was proven; UnknownName."""
    began = time.monotonic()
    places.own_folder()
    layout = None
    with connect.explained(f"database {order.target}"):
        if order.live is not None:
            with connect.reader(places.live(order.target)) as live:
                layout = {name: str(connect.pragma(live, name)) for name in ("page_size", "auto_vacuum")}
        held = holding.hold(places.path(order.staging), places.hold(order.id), layout, watch)
    holding.check_equal(order.proven, held, order.actions)
    return holding.promoted(order.id, held, began)


def exchange(places: Places, order: ExchangeOrder, promoted: Promoted, watch: Watch) -> Exchanged:
    """Make the holding copy live; done once, the same answer again."""
    with journal.working_on(places, order.id), connect.explained(f"database {order.target}"):
        already = _resume(places, order.id)
        if already is not None:
            return already
        refuse_what_preflight_refuses(places, order)
        if not places.hold(order.id).exists() or promoted.order_id != order.id:
            raise PreflightRefused(
                f"the copy beside live of {order.id} is gone; live is untouched", hint="Promote again."
            )
        watch.check()
        record = Record(
            order_id=order.id,
            target=order.target,
            way=_way(places, order),
            phase="intent",
            actions=order.actions,
            objects=order.objects,
            volatile=order.policy.volatile,
            shown=order.live,
            brought=promoted.contents,
            began_at=datetime.now(UTC),
        )
        refuse = order.policy.on_live_change == "refuse" and not order.accept_changes
        limits = (order.policy.lock_wait_s, order.policy.gate_max_s)
        return _concluded(places, _run(places, record, limits, _inspector(record) if refuse else None))


def undo(places: Places, exchanged: Exchanged, order_id: str, most_s: float, watch: Watch) -> Exchanged:
    """Bring back what the undo copy of `exchanged` holds; what is live now is kept in a copy of its own."""
    with journal.working_on(places, order_id), connect.explained(f"database {exchanged.target}"):
        already = _resume(places, order_id)
        if already is not None:
            return already
        before = journal.read(places, exchanged.order_id)
        source = places.undo(exchanged.order_id)
        if before is None or before.phase != "done" or not source.exists():
            raise UndoImpossible(
                f"the earlier state of {exchanged.target} is no longer kept; live is untouched",
                hint="Restore a recovery point from before the swap instead.",
            )
        record = _backwards(places, before, order_id, watch)
        return _concluded(places, _run(places, record, (min(_UNDO_LOCK_WAIT_S, most_s), most_s), None))


def settle(places: Places) -> list[Settled]:
    """Finish or take back whatever a dead process left; what a living one works on is left to it."""
    settled = []
    for record in journal.unfinished(places):
        with contextlib.suppress(RestoreActive), journal.working_on(places, record.order_id):
            settled.append(_settled(places, record))
    return settled


def outcome(places: Places, order_id: str) -> Exchanged | None:
    """How that exchange ended, settled if it was not; None if live is as before. Raises EngineUnavailable."""
    try:
        with journal.working_on(places, order_id), connect.explained(f"the exchange {order_id}"):
            return _resume(places, order_id)
    except (UnknownName, ProofFailed):
        return None


def drop_holding(places: Places, order_id: str) -> None:
    """Remove the holding copy, unless an exchange is under way that still needs it."""
    record = journal.read(places, order_id)
    if record is None or record.phase in ("intent", "done"):
        for path in (places.hold(order_id), places.hold(order_id).with_suffix(".half")):
            remove_database(path)


def retire(places: Places, exchanged: Exchanged) -> None:
    """Delete the undo copy and the record of its exchange; idempotent. Raises RestoreActive while one works on it."""
    if not places.own.exists():
        return
    with journal.working_on(places, exchanged.order_id):
        _resume(places, exchanged.order_id)
        # Cannot be taken back: the earlier state is gone. Retention has ended and the caller has it in the audit log.
        remove_database(places.undo(exchanged.order_id))
        crashpoint.here("sqlite.retire.deleted")
        remove_database(places.hold(exchanged.order_id))
        journal.forget(places, exchanged.order_id)
        places.lock(exchanged.order_id).unlink(missing_ok=True)


def _way(places: Places, order: ExchangeOrder) -> Way:
    """Pages where nothing of live stays; tables where some of it is left alone; create where there is no live."""
    if order.live is None:
        return "create"
    touched = {a.name for a in order.actions if a.method != "same"}
    with connect.reader(places.live(order.target)) as live:
        there = {t.name for t in schema.tables(live)}
    damaged = any(t.rows is None for t in order.live.tables)  # only whole pages can replace what cannot be read
    return "pages" if order.objects and (damaged or (there and there <= touched)) else "tables"


def _run(places: Places, record: Record, limits: tuple[float, float], inspect: Callable[[Path], None] | None) -> Record:
    """Carry out a record up to `exchanged`; what is raised before the commit leaves live as it was, and no trace."""
    journal.write(places, record)
    crashpoint.here("sqlite.exchange.intent")
    gated = record.model_copy(update={"phase": "gated"})
    job = Job(
        order_id=record.order_id,
        live=places.target(record.target),
        hold=places.hold(record.order_id),
        undo=places.undo(record.order_id),
        lock_wait_s=limits[0],
        gate_max_s=limits[1],
        inspect=inspect,
        gated=lambda: (journal.write(places, gated), None)[1],
    )
    try:
        blocked = _by_way(job, record)
    except BaseException:
        if not found_in_live(places, record):
            discard(places, record)
        raise
    crashpoint.here("sqlite.exchange.committed")
    update = {"phase": "exchanged", "exchanged_at": datetime.now(UTC), "blocked_s": round(blocked, 4)}
    written = journal.write(places, record.model_copy(update=update))
    crashpoint.here("sqlite.exchange.exchanged")
    return written


def _by_way(job: Job, record: Record) -> float:
    if record.way == "create":
        return _create(job)
    if record.way == "tables":
        return by_tables(job, record.actions, objects=record.objects)
    holding.mark(job.hold, job.order_id)
    return by_pages(job)


def _create(job: Job) -> float:
    """Give the holding copy live's name, if nobody has taken it. Its undo copy is a database without tables."""
    folder = job.live.parent.stat()
    job.hold.chmod(folder.st_mode & 0o666)
    if os.geteuid() == 0:
        os.chown(job.hold, folder.st_uid, folder.st_gid)
    remove_database(job.undo)
    with connect.writer(job.undo, create=True) as empty:
        empty.execute("VACUUM")
    flush(job.undo)
    flush(job.hold)
    crashpoint.here("sqlite.exchange.undo_copied")
    job.gated()
    crashpoint.here("sqlite.exchange.gated")
    try:
        os.link(job.hold, job.live)
    except FileExistsError:
        raise LiveChanged(
            f"a database {job.live.stem} has appeared since the difference was shown; it is untouched",
            hint="Look at the difference again.",
        ) from None
    flush(job.hold)
    return 0.0


def _inspector(record: Record) -> Callable[[Path], None]:
    """Refuse an exchange over changes that nobody was shown. It reads the undo copy, never live."""

    def inspect(copy: Path) -> None:
        with connect.frozen(copy) as connection:
            changed = slipped(record, describe(connection, tolerant=True))
        if changed:
            raise LiveChanged(
                f"{len(changed)} tables have changed since the difference was shown; live is untouched",
                hint="Look at the difference again, or approve with the changes accepted.",
                details=tuple(f"{s.name}: {s.note}" for s in changed),
            )

    return inspect


def _backwards(places: Places, before: Record, order_id: str, watch: Watch) -> Record:
    """The record that takes `before` back, with its holding copy made from the undo copy."""
    with connect.reader(places.live(before.target)) as live:
        layout = {name: str(connect.pragma(live, name)) for name in ("page_size", "auto_vacuum")}
    brought = holding.hold(places.undo(before.order_id), places.hold(order_id), layout, watch, tolerant=True)
    return Record(
        order_id=order_id,
        target=before.target,
        way="pages" if before.way == "pages" else "tables",
        phase="intent",
        actions=_inverse(before.actions),
        objects=before.objects,
        volatile=before.volatile,
        shown=before.brought,
        brought=brought,
        undoes=before.order_id,
        began_at=datetime.now(UTC),
    )


def _inverse(actions: tuple[TableAction, ...]) -> tuple[TableAction, ...]:
    return tuple(TableAction(name=a.name, method=_BACK[a.method], why=f"undo of {a.method}") for a in actions)


def _concluded(places: Places, record: Record) -> Exchanged:
    """Look at the new live; finish if it can be read, else put the earlier state back and raise ProofFailed.

    An undo is not looked at: it brings back what was there, damaged or not.
    """
    if journal.read(places, _back_id(record)) is None:
        problem = "" if record.undoes else look(places, record)
        if not problem:
            return finish(places, record)
    else:
        problem = "what was swapped in could not be read"  # an earlier look said so, and its way back was cut off
    kept = _taken_back(places, record)
    raise ProofFailed(
        f"after the swap of {record.target} a look at it failed ({problem}); the earlier state is live again",
        hint="Stage and verify again.",
        details=(f"what was live in between is kept in {kept}",),
    )


def _taken_back(places: Places, record: Record) -> Path:
    """Bring the undo copy back; every part may run again. The other side is kept: somebody may have written to it."""
    back_id = _back_id(record)
    with journal.working_on(places, back_id):
        if _resume(places, back_id) is None:
            layout = None
            with connect.frozen(places.undo(record.order_id)) as before:
                layout = {name: str(connect.pragma(before, name)) for name in ("page_size", "auto_vacuum")}
            source, target = places.undo(record.order_id), places.hold(back_id)
            brought = holding.hold(source, target, layout, _Unwatched(), tolerant=True)
            way: Way = "tables" if record.way == "tables" else "pages"
            update = {"order_id": back_id, "way": way, "phase": "intent", "actions": _inverse(record.actions)}
            back = record.model_copy(update={**update, "brought": brought, "undoes": record.order_id})
            finish(places, _run(places, back, _BACK_LIMITS, None))
    discard(places, record)
    remove_database(places.hold(record.order_id))
    journal.forget(places, back_id)
    return places.undo(back_id)


def _back_id(record: Record) -> str:
    return f"{record.order_id}-back"


class _Unwatched:
    """Nobody may stop the way back."""

    def progress(self, phase: str, done: int, total: int | None, unit: str = "bytes") -> None:
        """Nobody looks."""

    def check(self) -> None:
        """Never stops."""


def _resume(places: Places, order_id: str) -> Exchanged | None:
    """The answer of an exchange that is, or can be, done; None after taking back one that never reached live."""
    record = journal.read(places, order_id)
    if record is None:
        return None
    if record.phase == "done":
        return record.exchanged
    if record.phase == "gated" and found_in_live(places, record):
        note = "its process died after the commit; how long writers were held is not known"
        update = {"phase": "exchanged", "exchanged_at": datetime.now(UTC), "notes": (*record.notes, note)}
        record = journal.write(places, record.model_copy(update=update))
    if record.phase == "exchanged":
        return _concluded(places, record)
    discard(places, record)
    return None


def _settled(places: Places, record: Record) -> Settled:
    try:
        exchanged = _resume(places, record.order_id)
    except UnknownName:
        note = f"live is gone; the earlier state is kept in {places.undo(record.order_id)}"
        return Settled(order_id=record.order_id, target=record.target, outcome="taken_back", note=note)
    except ProofFailed as error:
        return Settled(order_id=record.order_id, target=record.target, outcome="taken_back", note=error.message)
    outcome, note = ("finished", "") if exchanged else ("taken_back", "live was never changed")
    return Settled(order_id=record.order_id, target=record.target, outcome=outcome, exchanged=exchanged, note=note)

"""Exchange, undo, settle, retire: every step recorded before the next, so that any of them may die and run again."""

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from restorekit import crashpoint
from restorekit.engines.sqlite import connect, holding, journal, ways
from restorekit.engines.sqlite.contents import describe
from restorekit.engines.sqlite.delta.setting import Change, Mode
from restorekit.engines.sqlite.finish import discard, finish, found_in_live, look, slipped
from restorekit.engines.sqlite.gate import Job, by_pages
from restorekit.engines.sqlite.journal import Record, Way
from restorekit.engines.sqlite.places import Places, flush, remove_database
from restorekit.engines.sqlite.preflight import refuse_what_preflight_refuses
from restorekit.engines.sqlite.tables import Work, by_rows, by_tables
from restorekit.errors import LiveChanged, PreflightRefused, ProofFailed, RestoreActive, UndoImpossible, UnknownName
from restorekit.model.contents import Fingerprint
from restorekit.model.difference import Method, TableAction
from restorekit.model.exchange import Exchanged, ExchangeOrder, Promoted, Settled
from restorekit.ports import Watch

_BACK: dict[Method, Method] = {
    "exchange": "exchange",
    "create": "remove",
    "remove": "create",
    "same": "same",
    "delta": "delta",
}
_UNDO_LOCK_WAIT_S = 10.0
_BACK_LIMITS = (60.0, 600.0)


def promote(places: Places, order: ExchangeOrder, watch: Watch) -> Promoted:
    """Copy the staged database beside live. Raises ProofFailed if the copy is not what was proven; UnknownName."""
    began = time.monotonic()
    places.own_folder()
    layout = None
    staged = places.path(order.staging)
    with connect.explained(f"database {order.target}"):
        holding.carry_rows(places, order, watch)
        if ways.rows_only(places, order):
            return holding.promoted(order.id, holding.rows_held(places, order.id), began)
        if order.live is not None:
            layout = _layout(places, order.target)
        held = holding.hold(staged, places.hold(order.id), layout, watch)
    holding.check_equal(order.proven, held, order.actions)
    return holding.promoted(order.id, held, began)


def exchange(places: Places, order: ExchangeOrder, promoted: Promoted, watch: Watch) -> Exchanged:
    """Make the holding copy live; done once, the same answer again."""
    with journal.working_on(places, order.id), connect.explained(f"database {order.target}"):
        already = _resume(places, order.id)
        if already is not None:
            return already
        refuse_what_preflight_refuses(places, order)
        way = ways.way(places, order)
        if promoted.order_id != order.id or not holding.complete(places, order, whole=way != "rows"):
            raise PreflightRefused(
                f"the copy beside live of {order.id} is gone; live is untouched", hint="Promote again."
            )
        watch.check()
        record = Record(
            order_id=order.id,
            target=order.target,
            way=way,
            phase="intent",
            actions=order.actions,
            objects=order.objects,
            volatile=order.policy.volatile,
            shown=order.live,
            brought=promoted.contents,
            began_at=datetime.now(UTC),
        )
        refuse = order.policy.on_live_change == "refuse" and not order.accept_changes
        proven = {t.name: t.fingerprint for t in order.proven.tables if order.gate == "closed"}
        how = How(
            (order.policy.lock_wait_s, order.policy.gate_max_s),
            "refuse" if refuse else "leave",
            _inspector(record) if refuse else None,
            proven,
            places.path(order.staging),
        )
        return _concluded(places, _run(places, record, how))


def undo(places: Places, exchanged: Exchanged, order_id: str, most_s: float, watch: Watch) -> Exchanged:
    """Bring back what the undo copy of `exchanged` holds; what is live now is kept in a copy of its own."""
    with journal.working_on(places, order_id), connect.explained(f"database {exchanged.target}"):
        already = _resume(places, order_id)
        if already is not None:
            return already
        before = journal.read(places, exchanged.order_id)
        if before is None or before.phase != "done" or not journal.kept_whole(places, before):
            raise UndoImpossible(
                f"the earlier state of {exchanged.target} is no longer kept; live is untouched",
                hint="Restore a recovery point from before the swap instead.",
            )
        record = _backwards(places, before, order_id, watch)
        return _concluded(places, _run(places, record, How((min(_UNDO_LOCK_WAIT_S, most_s), most_s), "undo")))


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
        hold = places.hold(order_id)
        for path in (hold, hold.with_suffix(".half"), places.rows_held(order_id)):
            remove_database(path)


def retire(places: Places, exchanged: Exchanged) -> None:
    """Delete the undo copy and the record of its exchange; idempotent. Raises RestoreActive while one works on it."""
    if not places.own.exists():
        return
    with journal.working_on(places, exchanged.order_id):
        _resume(places, exchanged.order_id)
        # Cannot be taken back: the earlier state is gone. Retention has ended and the caller has it in the audit log.
        for path in places.kept(exchanged.order_id):
            remove_database(path)
        crashpoint.here("sqlite.retire.deleted")
        for path in (places.hold(exchanged.order_id), places.rows_held(exchanged.order_id)):
            remove_database(path)
        journal.forget(places, exchanged.order_id)
        places.lock(exchanged.order_id).unlink(missing_ok=True)


@dataclass(frozen=True)
class How:
    """How a record is carried out: seconds to wait for the lock and to hold it, what becomes of rows that have moved.

    `proven` are the fingerprints that tables written row by row must have, where they become the proven ones as wholes.
    """

    limits: tuple[float, float]
    moved: Mode
    inspect: Callable[[Path], None] | None = None
    proven: Mapping[str, Fingerprint | None] = field(default_factory=dict)
    staged: Path | None = None


def _run(places: Places, record: Record, how: How) -> Record:
    """Carry out a record up to `exchanged`; what is raised before the commit leaves live as it was, and no trace."""
    journal.write(places, record)
    crashpoint.here("sqlite.exchange.intent")
    gated = record.model_copy(update={"phase": "gated"})
    job = Job(
        order_id=record.order_id,
        live=places.target(record.target),
        hold=places.hold(record.order_id),
        undo=places.undo(record.order_id),
        lock_wait_s=how.limits[0],
        gate_max_s=how.limits[1],
        inspect=how.inspect,
        gated=lambda: (journal.write(places, gated), None)[1],
    )
    try:
        blocked = _by_way(job, record, _work(places, record, how))
    except BaseException:
        if not found_in_live(places, record):
            discard(places, record)
        raise
    crashpoint.here("sqlite.exchange.committed")
    update = {"phase": "exchanged", "exchanged_at": datetime.now(UTC), "blocked_s": round(blocked, 4)}
    written = journal.write(places, record.model_copy(update=update))
    crashpoint.here("sqlite.exchange.exchanged")
    return written


def _work(places: Places, record: Record, how: How) -> Work:
    change = None
    if record.rows_of:
        files = places.rows_held(record.order_id), places.rows_undo(record.order_id)
        change = Change(*files, places.target(record.target), how.moved, places.row_key, how.proven, how.staged)
    return Work(record.actions, record.objects and record.way != "rows", change)


def _by_way(job: Job, record: Record, work: Work) -> float:
    if record.way == "create":
        return _create(job)
    if record.way == "tables":
        return by_tables(job, work)
    if record.way == "rows":
        return by_rows(job, work)
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
    """The record that takes `before` back, with its holding copy made from what `before` has kept."""
    brought = holding.hold_back(places, before, order_id, _layout(places, before.target), watch)
    return Record(
        order_id=order_id,
        target=before.target,
        way="tables" if before.way == "create" else before.way,
        phase="intent",
        actions=_inverse(before.actions),
        objects=before.objects,
        volatile=before.volatile,
        shown=before.brought,
        brought=brought,
        undoes=before.order_id,
        began_at=datetime.now(UTC),
    )


def _layout(places: Places, target: str) -> dict[str, str]:
    with connect.reader(places.live(target)) as live:
        return {name: str(connect.pragma(live, name)) for name in ("page_size", "auto_vacuum")}


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
            brought = holding.hold_back(places, record, back_id, None, _Unwatched())
            way: Way = "pages" if record.way == "create" else record.way
            update = {"order_id": back_id, "way": way, "phase": "intent", "actions": _inverse(record.actions)}
            back = record.model_copy(update={**update, "brought": brought, "undoes": record.order_id})
            finish(places, _run(places, back, How(_BACK_LIMITS, "undo")))
    discard(places, record)
    for path in (places.hold(record.order_id), places.rows_held(record.order_id)):
        remove_database(path)
    journal.forget(places, back_id)
    return places.path(journal.undo_place(record.model_copy(update={"order_id": back_id})))


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

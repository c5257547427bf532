"""The order of things in an exchange, forward and back; used by exchange, undo, settle and the dead-man alike.

Each place where the process may die between "done" and "recorded" has a name. Whoever comes next decides from the
tables themselves whether to finish or to take back, so every step here may run twice.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.connections import Connection

from restorekit.crashpoint import here
from restorekit.engines.mariadb import objects
from restorekit.engines.mariadb.connect import one, quoted, rows
from restorekit.engines.mariadb.contents import contents
from restorekit.engines.mariadb.delta import changeset
from restorekit.engines.mariadb.delta.applying import Written, write
from restorekit.engines.mariadb.delta.ties import Loose
from restorekit.engines.mariadb.exchange import gate, guard, keys, marker, postcheck, rename, rowwise, widening
from restorekit.engines.mariadb.exchange.lease import lease
from restorekit.engines.mariadb.exchange.marker import Journal, Marked
from restorekit.engines.mariadb.live import Live, translated
from restorekit.engines.mariadb.objects import Definitions
from restorekit.errors import LiveChanged, ProofFailed, RestorekitError
from restorekit.model.contents import Contents
from restorekit.model.database import Where
from restorekit.model.exchange import Exchanged, Settled, SlippedTable
from restorekit.model.value import Value

CRASH_POINTS = (
    "mariadb.intent",
    "mariadb.gate_closed",
    "mariadb.gated",
    "mariadb.objects_dropped",
    "mariadb.delta_written",
    "mariadb.delta_committed",
    "mariadb.renamed",
    "mariadb.exchanged",
    "mariadb.objects_created",
    "mariadb.checked",
    "mariadb.gate_open",
    "mariadb.finished",
)
DELTA_POINTS = frozenset({"mariadb.delta_written", "mariadb.delta_committed"})
"""Those that only an exchange reaches that writes rows one by one."""

_TRIES = 3
_WITHHELD = frozenset({1142, 1143, 1356, 1370})


class Limits(Value):
    """How long sessions may take to end, and how long a lock may be waited for."""

    kill_wait_s: float = 10.0
    lock_wait_s: float = 3.0


@dataclass(frozen=True)
class Deed:
    """What is particular to one exchange: `judge` completes the journal under the gate, or raises to call it off.

    `allowed` says how many rows may be without a parent once rows are written. `widen` takes rows into the sets that
    were written since they were made, where that is accepted.
    """

    judge: Callable[[Journal], Journal]
    allowed: Callable[[Loose], int]
    limits: Limits
    widen: Callable[[Journal], Journal] | None = None


def perform(live: Live, session: "Connection[Any]", journal: Journal, deed: Deed) -> Exchanged:
    """Carry out the journal's exchange.

    Whatever is raised, live is as before, unless the session itself was lost: then settling decides.
    """
    limits = deed.limits
    with _guarded(live, session, journal) as (connections, ended):
        now = marker.now(session)  # it may have waited for its turn since the journal was begun
        journal = journal.model_copy(update={"connections": connections, "began_at": now, "closed_at": now})
        marker.save(session, "intent", journal)
        here("mariadb.intent")
        try:
            rowwise.make_room(session, journal)
            journal = journal.model_copy(update={"closed_at": marker.now(session)})
            gate.close(session, journal.gate, limits.kill_wait_s)
            here("mariadb.gate_closed")
            journal = deed.judge(journal)
            marker.save(session, "gated", journal)
            here("mariadb.gated")
            journal = _move(live, session, journal, deed)
        except BaseException as error:
            take_back(live, session, journal)
            ended()
            if isinstance(error, pymysql.err.Error):
                raise rename.refused(error, journal.target, limits.lock_wait_s) from error
            raise
        here("mariadb.renamed")
        try:
            exchanged = complete(live, session, journal)
        except ProofFailed:  # it has taken everything back
            ended()
            raise
        ended()
        return exchanged


@contextlib.contextmanager
def _guarded(
    live: Live, session: "Connection[Any]", journal: Journal
) -> Iterator[tuple[tuple[int, ...], Callable[[], None]]]:
    """The connections that work on it, and what to call at its end.

    With the gate open nobody waits for us but on single rows: the server itself ends a transaction that stands still,
    and a physical backup takes rows as it takes anybody's.
    """
    mine = int(one(session, "SELECT CONNECTION_ID()"))
    if journal.open_gate:
        rows(session, "SET SESSION idle_transaction_timeout=%s", [max(1, round(journal.dead_man_s))])
        yield (mine,), lambda: None
        return
    with lease(live) as second, guard.watching(live, journal.order_id, mine, journal.dead_man_s) as ended:
        yield (mine, second), ended


def _move(live: Live, session: "Connection[Any]", journal: Journal, deed: Deed) -> Journal:
    """Rows first: as long as no table has changed its place, one transaction brings them back."""
    rename.patience(session, deed.limits.lock_wait_s)
    keys.cut(session, journal.target, journal.dangling)
    objects.drop(session, journal.target, journal.drop)
    here("mariadb.objects_dropped")
    if journal.deltas:
        journal = _write(live, session, journal, deed)
        here("mariadb.delta_committed")
    if journal.create_target:
        words = f" CHARACTER SET {journal.charset} COLLATE {journal.collation}" if journal.charset else ""
        rows(session, f"CREATE DATABASE IF NOT EXISTS {quoted(journal.target)}{words}")
    if journal.leaving:
        rows(session, f"CREATE DATABASE IF NOT EXISTS {quoted(journal.keep)}")
    rename.forward(session, journal, deed.limits.lock_wait_s)
    return journal


def _write(live: Live, session: "Connection[Any]", journal: Journal, deed: Deed) -> Journal:
    """Write the rows; if live has moved on and that is accepted, with what has changed since, a second time."""
    try:
        return _written(live, session, journal, deed)
    except LiveChanged:
        if deed.widen is None or all(d.goal is None for d in journal.deltas):
            raise
    return _written(live, session, deed.widen(journal), deed)


def _written(live: Live, session: "Connection[Any]", journal: Journal, deed: Deed) -> Journal:
    """Write the rows of tables that are not exchanged; where writers are not held back, they may be there first."""

    def after(written: Written) -> Journal:
        update: dict[str, Any] = {"written": written}
        if journal.open_gate:
            update["blocked_s"] = written.locked_s
        return journal.model_copy(update=update)

    def record(written: Written) -> None:
        marker.put(session, "written", after(written))
        here("mariadb.delta_written")

    scene = rowwise.scene(live, session, journal, deed.allowed, deed.limits.lock_wait_s)
    for left in reversed(range(_TRIES if journal.open_gate else 1)):
        try:
            written = write(scene, record)
        except pymysql.err.Error as error:
            number = error.args[0] if error.args else 0
            if left and number in rowwise.AGAIN:
                continue
            if (ours := rowwise.refused(error, journal, deed.limits.lock_wait_s)) is not None:
                raise ours from None  # the server's text may name a row's value
            raise
        break
    marker.harden(session)
    return after(written)


def complete(live: Live, session: "Connection[Any]", journal: Journal) -> Exchanged:
    """Everything after the RENAME, from wherever it stopped. Raises ProofFailed after having taken it all back."""
    marker.save(session, "exchanged", journal)
    here("mariadb.exchanged")
    try:
        _furnish(session, journal)
        here("mariadb.objects_created")
        postcheck.tables(live, session, journal)
        here("mariadb.checked")
        journal = _let_in(session, journal)
        here("mariadb.gate_open")
        journal = _finish_views(live, session, journal)
    except (ProofFailed, pymysql.err.Error) as error:
        why = error if isinstance(error, RestorekitError) else translated(error, journal.target)
        reverse(live, session, journal)
        raise ProofFailed(
            f"the exchange was taken back, live is as before: {why.message}", hint=why.hint, details=why.details
        ) from error
    return _record(live, session, journal)


def _furnish(session: "Connection[Any]", journal: Journal) -> None:
    """Under the gate: defaults that draw from sequences, and the objects that can be made already."""
    if journal.drop_target:
        # We created this database, and the gate is still closed: what is empty now is nobody's.
        drop_if_empty(session, journal.target)
        return
    for default in journal.defaults:
        table = f"{quoted(journal.target)}.{quoted(default.table)}"
        rows(session, f"ALTER TABLE {table} ALTER COLUMN {quoted(default.column)} SET DEFAULT ({default.expression})")
    _make(session, journal.make.only(lambda s: s.name not in journal.broken), gate_open=False)
    rowwise.lift(session, journal)


def _make(session: "Connection[Any]", definitions: Definitions, *, gate_open: bool) -> None:
    """Create what is not there. A view on a view needs its owner's rights, which the closed gate withholds."""
    schema = definitions.schema_name
    present = {(s.kind, s.name) for s in objects.harvest(session, schema).stored}
    missing = definitions.only(lambda s: (s.kind, s.name) not in present)
    objects.create(session, schema, missing.only(lambda s: s.kind != "view"))
    try:
        objects.create(session, schema, missing.only(lambda s: s.kind == "view"))
    except pymysql.err.Error as error:
        if gate_open or error.args[0] not in _WITHHELD:
            raise


def _finish_views(live: Live, session: "Connection[Any]", journal: Journal) -> Journal:
    """With the gate open: the views that needed their owners' rights, and a look at whether all of them work.

    A view that did not work before and that the server does not take again is named, and is no reason to go back.
    """
    if journal.drop_target or journal.open_gate:
        return journal
    gate.lend(session, journal.target, journal.lent)
    _make(session, journal.make.only(lambda s: s.name not in journal.broken), gate_open=True)
    present = {v.name for v in objects.harvest(session, journal.target).of("view")}
    notes = []
    for view in journal.make.only(lambda s: s.name in journal.broken and s.name not in present).stored:
        try:
            objects.create(session, journal.target, Definitions(schema_name=journal.target, stored=(view,)))
        except pymysql.err.Error as error:
            notes.append(f"the view {view.name} did not work before and was not made (server error {error.args[0]})")
    if journal.undo_of is None:
        postcheck.views(live, session, journal)
    gate.take_back_loans(session, journal.target, journal.lent)
    notes += [f"{who} owns views of {journal.target} and has no rights on it yet" for who in journal.lent]
    return journal.model_copy(update={"notes": (*journal.notes, *notes)})


def _let_in(session: "Connection[Any]", journal: Journal) -> Journal:
    """Open the gate and note for how long it was closed."""
    lost = gate.reopen(session, journal.gate)
    for grant in journal.earlier_lost:
        gate.give(session, grant)
    blocked = journal.blocked_s
    if blocked is None:
        assert journal.closed_at is not None
        blocked = (marker.now(session) - journal.closed_at).total_seconds()
    journal = journal.model_copy(update={"lost": lost, "blocked_s": blocked})
    return marker.save(session, "exchanged", journal)


def _record(live: Live, session: "Connection[Any]", journal: Journal) -> Exchanged:
    """With the gate open: look at what is kept, name what slipped in past the gate, and be done."""
    keys.mend(session, journal.target, journal.earlier_dangling)
    if journal.leaving or journal.coming:
        marker.checkpoint(session)
    keeps = journal.leaving or journal.deltas
    kept = contents(live, Where(schema_name=journal.keep)) if keeps else _nothing(session)
    lost = tuple(f"{g.grantee} had rights on {g.scope}, which is not there any more" for g in journal.lost)
    exchanged = Exchanged(
        order_id=journal.order_id,
        target=journal.target,
        undo=Where(schema_name=journal.keep),
        undo_contents=kept,
        actions=journal.actions,
        created=journal.create_target,
        gate="row_locks" if journal.open_gate else journal.gate.kind if keeps else "none",
        slipped=(*journal.slipped, *_slipped_past(journal, kept), *rowwise.slipped(journal)),
        blocked_s=journal.blocked_s or 0.0,
        exchanged_at=marker.now(session),
        notes=(*journal.notes, *lost),
        applied=rowwise.done(live, session, journal),
    )
    marker.save(session, "done", journal.model_copy(update={"exchanged": exchanged}))
    here("mariadb.finished")
    tidy(session, journal)
    return exchanged


def tidy(session: "Connection[Any]", journal: Journal) -> None:
    """Remove what the exchange was fed from and has used up. Safe to repeat."""
    rowwise.tidy(session, journal)
    widening.forget(session, journal.order_id)
    drop_if_empty(session, journal.source)


def _slipped_past(journal: Journal, kept: Contents) -> tuple[SlippedTable, ...]:
    """Tables that somebody with server-wide rights changed between the measure under the gate and the RENAME."""
    if journal.measured is None:
        return ()
    found = []
    for before in journal.measured.tables:
        after = kept.table(before.name)
        if before.fingerprint is not None and after is not None and after.fingerprint != before.fingerprint:
            note = "written past the gate by an account with server-wide rights; these rows are in the undo copy"
            if journal.undo_of is not None:
                note = "written after the exchange; these rows are in the new undo copy"
            found.append(
                SlippedTable(name=before.name, live_rows_shown=before.rows, live_rows_found=after.rows, note=note)
            )
    return tuple(found)


def _nothing(session: "Connection[Any]") -> Contents:
    return Contents(origin="measured", taken_at=marker.now(session), tables=())


def take_back(live: Live, session: "Connection[Any]", journal: Journal) -> None:
    """Before the RENAME: rows and objects again as they were, and the gate open. Safe to repeat."""
    rowwise.unwrite(live, session, journal)
    if journal.drop.stored:
        _make(session, journal.drop, gate_open=False)
    if journal.create_target:
        drop_if_empty(session, journal.target)
    keys.mend(session, journal.target, journal.dangling)
    changeset.drop_empty(session, journal.keep, journal.deltas)
    widening.forget(session, journal.order_id)
    drop_if_empty(session, journal.keep)
    gate.reopen(session, journal.gate)
    gate.take_back_loans(session, journal.target, journal.lent)
    if journal.drop.stored:
        _make(session, journal.drop, gate_open=True)
    marker.save(session, "taken_back", journal)


def reverse(live: Live, session: "Connection[Any]", journal: Journal) -> None:
    """After the RENAME: everything as it was before. Safe to repeat."""
    gate.close(session, journal.gate, kill_wait_s=10)
    objects.drop(session, journal.target, journal.make)
    if rename.happened(session, journal):
        rename.backward(session, journal, lock_wait_s=10)
    take_back(live, session, journal)


def drop_if_empty(session: "Connection[Any]", schema: str) -> None:
    """Drop a schema that holds nothing at all; leave it otherwise."""
    holds = (
        "SELECT (SELECT COUNT(*) FROM information_schema.tables WHERE table_schema=%s)"
        "+(SELECT COUNT(*) FROM information_schema.routines WHERE routine_schema=%s)"
        "+(SELECT COUNT(*) FROM information_schema.events WHERE event_schema=%s)"
    )
    if one(session, holds, [schema] * 3) == 0:
        rows(session, f"DROP DATABASE IF EXISTS {quoted(schema)}")


def settle_one(live: Live, session: "Connection[Any]", found: Marked) -> Settled:
    """Finish or take back one unfinished exchange; the caller holds its lock."""
    journal = found.journal
    if not _happened(session, found):
        take_back(live, session, journal)
        return Settled(order_id=journal.order_id, target=journal.target, outcome="taken_back")
    try:
        exchanged = complete(live, session, journal)
    except ProofFailed as error:
        return Settled(order_id=journal.order_id, target=journal.target, outcome="taken_back", note=error.message)
    return Settled(order_id=journal.order_id, target=journal.target, outcome="finished", exchanged=exchanged)


def _happened(session: "Connection[Any]", found: Marked) -> bool:
    """True if the exchange is past the point from which it is finished.

    Where tables change places, that is the RENAME, and rows written before it are taken back; else it is the rows.
    """
    journal = found.journal
    if journal.deltas and not (journal.leaving or journal.coming):
        return found.phase in ("written", "exchanged")
    return rename.happened(session, journal)

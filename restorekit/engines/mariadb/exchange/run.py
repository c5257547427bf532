"""Exchange: the proven holding copy becomes live."""

import contextlib
import fnmatch
import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import pymysql
from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import one, rows
from restorekit.engines.mariadb.contents import contents
from restorekit.engines.mariadb.delta import carrying
from restorekit.engines.mariadb.delta.applying import NotWhole, seen_now
from restorekit.engines.mariadb.delta.changeset import Delta, Stray, shapes
from restorekit.engines.mariadb.delta.ties import Loose, loose_in
from restorekit.engines.mariadb.exchange import furnishing, keys, marker, postcheck, rename, widening
from restorekit.engines.mariadb.exchange.accounts import Census, Gate, grantee, survey
from restorekit.engines.mariadb.exchange.marker import Default, Journal
from restorekit.engines.mariadb.exchange.preflight import insist
from restorekit.engines.mariadb.exchange.promote import (
    COMING,
    by_rows,
    chosen,
    sequences,
    sets_are_whole,
    unknown_sequences,
    wanted,
)
from restorekit.engines.mariadb.exchange.session import exclusive
from restorekit.engines.mariadb.exchange.swap import Deed, Limits, perform, settle_one, tidy
from restorekit.engines.mariadb.live import Live, translated
from restorekit.engines.mariadb.objects import Definitions, harvest, under_name
from restorekit.errors import EngineUnavailable, GateTimeout, LiveChanged, ProofFailed, RestorekitError, Temporary
from restorekit.model.contents import Contents, TableContents
from restorekit.model.database import Where
from restorekit.model.exchange import Exchanged, ExchangeOrder, Promoted, SlippedTable
from restorekit.ports import Watch

_PROBES = 4


def exchange(live: Live, order: ExchangeOrder, promoted: Promoted, watch: Watch) -> Exchanged:
    """Make the promoted copy live in one step; the earlier tables are kept in `rk_undo_<id>`.

    A rerun returns the same answer, and first finishes or takes back what an earlier run left. Raises LiveChanged,
    GateTimeout, BackupRunning, PreflightRefused, ProofFailed (the application could not read the result): live is
    as before in each case. EngineUnavailable in the middle: settling decides at the next contact.
    """

    def work(session: "Connection[Any]") -> Exchanged:
        insist(live, session, order)
        watch.check()
        look_first(live, session, order, promoted.holding.schema_name)
        sets_are_whole(live, session, order, promoted)
        watch.check()  # the last moment at which stopping means that nothing happened
        staged = _staged(live, order)
        journal = _intent(live, session, order, promoted, staged)
        limits = Limits(kill_wait_s=order.policy.kill_wait_s, lock_wait_s=order.policy.lock_wait_s)
        deed = Deed(
            judge=lambda j: _judge(live, session, order, j, staged),
            allowed=lambda loose: _loose_in_staging(live, order, loose),
            limits=limits,
            widen=(lambda j: widening.widen(live, session, order, j, watch)) if _accepts(order) else None,
        )
        try:
            return perform(live, session, journal, deed)
        except NotWhole as error:
            _find_out(live, session, order, error.tables)
            raise

    return fenced(live, order.id, work)


def _find_out(live: Live, session: "Connection[Any]", order: ExchangeOrder, tables: Sequence[str]) -> None:
    """Raises ProofFailed where live is exactly as it was shown: then it was us who did not write what was proven."""
    now = seen_now(live, [s.table for s in shapes(session, order.target, tables).values()])
    shown = {t.name: t.fingerprint for t in order.live.tables if t.name in tables} if order.live else {}
    if now == shown:
        raise ProofFailed(
            f"writing the rows chosen does not make {', '.join(tables)} what was proven; live is as before",
            hint="Use --method exchange, and report it with the definition of the table.",
        )


def fenced(live: Live, order_id: str, work: Callable[["Connection[Any]"], Exchanged]) -> Exchanged:
    """Run `work` as the only one for this order, unless it is done already; tell the truth if the session is lost."""
    try:
        with exclusive(live, order_id) as session:
            earlier = _earlier(live, session, order_id)
            return earlier or work(session)
    except (pymysql.err.Error, EngineUnavailable) as error:
        return _aftermath(live, order_id, error)


def outcome(live: Live, order_id: str) -> Exchanged | None:
    """How that exchange ended, settled if it was not; None if live is as before. Raises EngineUnavailable."""
    try:
        with exclusive(live, order_id, wait_s=60) as session:
            return _earlier(live, session, order_id)
    except pymysql.err.Error as error:
        raise translated(error, order_id) from error


def _loose_in_staging(live: Live, order: ExchangeOrder, loose: Loose) -> int:
    """How many rows are without a parent in the backup itself: so many may be afterwards.

    Rows of others that pointed at what goes are excused only where they, too, become what the backup has.
    """
    ours = order.selection.table(loose.child) if order.selection else None
    if loose.side == "at" and (ours is None or not ours.whole):
        return 0
    with contextlib.closing(live.where_connect(order.staging)) as source:
        return loose_in(source, order.staging.schema_name, loose)


def _earlier(live: Live, session: "Connection[Any]", order_id: str) -> Exchanged | None:
    """The answer of an earlier run, settled now if it was left unfinished."""
    found = marker.read(session, order_id)
    if found is None or found.phase == "taken_back":
        return None
    if found.phase == "done":
        tidy(session, found.journal)  # what it did last, and may have died before
        return found.journal.exchanged
    return settle_one(live, session, found).exchanged


def _aftermath(live: Live, order_id: str, error: Exception) -> Exchanged:
    """The session was lost: wait for whoever settles, settle if nobody does, and answer by what live holds."""
    try:
        with exclusive(live, order_id, wait_s=60) as session:
            earlier = _earlier(live, session, order_id)
            found = marker.read(session, order_id)
    except RestorekitError as still:
        raise EngineUnavailable(
            f"the server does not answer; if the exchange {order_id} had begun, it is finished or taken back as soon "
            "as it does",
            hint="Start the server; the next command of restorekit settles the exchange first.",
        ) from still
    if earlier is not None:
        return earlier
    if isinstance(error, RestorekitError):
        raise error
    if found is not None:
        raise GateTimeout(
            f"the exchange {order_id} lost its session and was taken back; live is as before",
            hint="It may have taken longer than the policy's dead_man_s. Try again.",
        ) from error
    assert isinstance(error, pymysql.err.Error)
    raise translated(error, order_id) from error


def affected(order: ExchangeOrder) -> frozenset[str]:
    """The tables of live that the order may move."""
    return frozenset(a.name for a in order.actions if a.method in COMING or a.method == "remove")


def look_first(live: Live, session: "Connection[Any]", order: ExchangeOrder, hold: str) -> None:
    """Compare live with what was shown while writers still write, and predict for how long they would be held back.

    Raises LiveChanged, or GateTimeout where the same look under the gate would take longer than the policy allows.
    """
    if order.gate == "open":
        return  # each row is compared when it is locked, and nobody is held back
    began = time.monotonic()
    now = _measure(live, session, order)
    took = time.monotonic() - began
    _agree(order, now)
    predicted = took + 2 * len(affected(order)) * rename.cost_s(session, hold, _PROBES) + _writing_s(order)
    if predicted > order.policy.gate_max_s:
        raise GateTimeout(
            f"writers would be held back for about {predicted:.1f} s, the policy allows {order.policy.gate_max_s:g} s; "
            "live is untouched",
            hint="Raise gate_max_s in the playbook, restore fewer tables, or try in a quiet hour.",
        )


def _writing_s(order: ExchangeOrder) -> float:
    """For how long writers wait while rows are written and their tables are summed up, as the planner said."""
    return sum(a.blocked_s or 0.0 for a in order.actions if a.method == "delta")


def _measure(live: Live, session: "Connection[Any]", order: ExchangeOrder, *, still: bool = False) -> Contents | None:
    """The tables of live that would move, volatile ones left out; None if there is no such database.

    Raises LiveChanged if somebody else took the name of a database that was to be created.
    """
    if not _exists(session, order.target):
        return None
    if order.live is None and rename.tables_of(session, order.target):
        raise LiveChanged(
            f"a database {order.target} was created since the difference was shown; it was left as it is",
            hint="Plan the restore again, or restore under another name.",
        )
    names = frozenset(n for n in affected(order) if not _volatile(order, n))
    return contents(live, Where(schema_name=order.target), names, still=still)


def _exists(session: "Connection[Any]", schema: str) -> bool:
    return bool(one(session, "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name=%s", [schema]))


def _volatile(order: ExchangeOrder, name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in order.policy.volatile)


def _agree(order: ExchangeOrder, now: Contents | None) -> tuple[SlippedTable, ...]:
    """Tables that are no longer as shown; raises LiveChanged unless policy or approval accept that."""
    slipped = tuple(_slips(order, now))
    if slipped and order.policy.on_live_change == "refuse" and not order.accept_changes:
        raise LiveChanged(
            f"{len(slipped)} tables of {order.target} changed since the difference was shown; live is as before",
            hint="Look at the new difference and approve it, or repeat with --accept-changes.",
            details=tuple(f"{s.name}: {s.live_rows_shown} rows shown, {s.live_rows_found} found" for s in slipped),
        )
    return slipped


def _slips(order: ExchangeOrder, now: Contents | None) -> Sequence[SlippedTable]:
    found = []
    for name in sorted(affected(order)):
        shown = order.live.table(name) if order.live else None
        here = now.table(name) if now else None
        if not _volatile(order, name) and not _as_shown(shown, here):
            found.append(
                SlippedTable(
                    name=name,
                    live_rows_shown=shown.rows if shown else None,
                    live_rows_found=here.rows if here else None,
                    note="changed after the difference was shown; the rows are in the undo copy",
                )
            )
    return found


def _as_shown(shown: TableContents | None, here: TableContents | None) -> bool:
    if shown is None or here is None:
        return shown is here
    return (shown.schema_hash, shown.fingerprint, shown.history) == (here.schema_hash, here.fingerprint, here.history)


def _staged(live: Live, order: ExchangeOrder) -> Definitions:
    """The objects of staging, under the target's name."""
    source = live.where_connect(order.staging)
    try:
        return under_name(harvest(source, order.staging.schema_name), order.target)
    finally:
        source.close()


def _intent(
    live: Live, session: "Connection[Any]", order: ExchangeOrder, promoted: Promoted, staged: Definitions
) -> Journal:
    """All that can be said before the gate closes."""
    nothing = Definitions(schema_name=order.target)
    there = _exists(session, order.target)
    hold = promoted.holding.schema_name
    open_gate = order.gate == "open"
    marker.prepare(session)
    return Journal(
        order_id=order.id,
        target=order.target,
        source=hold,
        keep=marker.undo_schema(order.id),
        actions=order.actions,
        objects=order.objects,
        dead_man_s=order.policy.dead_man_s,
        began_at=marker.now(session),
        gate=survey(session, order.target) if there and not open_gate else Gate(kind="none", schema_name=order.target),
        deltas=_deltas(live, order),
        open_gate=open_gate,
        before=harvest(session, order.target),
        drop=nothing,
        make=nothing,
        defaults=_defaults(session, hold, order),
        create_target=not there,
        charset=order.proven.settings.get("schema_charset", ""),
        collation=order.proven.settings.get("schema_collation", ""),
        brought=without(promoted.contents, by_rows(order)),
        broken=() if open_gate else _broken(live, session, order),
        lent=() if there else _owners_without_rights(session, order.target, staged),
    )


def _accepts(order: ExchangeOrder) -> bool:
    """True if writes between the difference and the gate are no reason to stop."""
    return order.accept_changes or order.policy.on_live_change == "keep_and_report"


def without(found: Contents, names: AbstractSet[str]) -> Contents:
    """The contents without these tables: a change set bears the name of a table and is none."""
    return found.model_copy(update={"tables": tuple(t for t in found.tables if t.name not in names)})


def _deltas(live: Live, order: ExchangeOrder) -> tuple[Delta, ...]:
    """The tables whose rows are written, and how each is proven.

    Of a volatile table it never matters what live holds: its chosen rows are written over whatever they are now.
    """
    accepts = _accepts(order)
    deltas = []
    with contextlib.closing(live.where_connect(order.staging)) as source:
        for name in sorted(by_rows(order)):
            volatile, shown = _volatile(order, name), order.live.table(name) if order.live else None
            whole = chosen(order, name).whole and order.gate == "closed"
            proven = order.proven.table(name)
            accepted: Stray = "overwrite" if whole or volatile else "leave"
            deltas.append(
                Delta(
                    table=name,
                    definition=shown.schema_hash if shown else "",
                    carried=carrying.carried(source, name),
                    stray=accepted if accepts or volatile else "refuse",
                    goal=proven.fingerprint if proven and whole and not volatile else None,
                )
            )
    return tuple(deltas)


def _owners_without_rights(session: "Connection[Any]", schema: str, staged: Definitions) -> tuple[str, ...]:
    """Owners of views that no grant lets into the database that is about to be created."""
    census = Census(session)
    inside = {holder for holder, _ in census.grants(schema)} | census.admins
    owners = {v.definer for v in staged.of("view")}
    outside = [(user, host) for user, host in census.accounts - inside if f"{user}@{host}" in owners]
    return tuple(sorted(grantee(user, host, census.roles) for user, host in outside))


def _broken(live: Live, session: "Connection[Any]", order: ExchangeOrder) -> tuple[str, ...]:
    """Views that work neither on live nor in staging now cannot be expected to work afterwards."""
    source = live.where_connect(order.staging)
    try:
        staged = postcheck.broken_views(source, order.staging.schema_name)
    finally:
        source.close()
    return tuple(sorted({*staged, *postcheck.broken_views(session, order.target)}))


def _defaults(session: "Connection[Any]", hold: str, order: ExchangeOrder) -> tuple[Default, ...]:
    """Defaults of the held tables that draw from held sequences, said for the target."""
    found = rows(
        session,
        "SELECT table_name, column_name, column_default FROM information_schema.columns "
        "WHERE table_schema=%s AND column_default LIKE 'nextval(%%'",
        [hold],
    )
    there = f"`{order.target.replace('`', '``')}`."
    return tuple(
        Default(table=table, column=column, expression=text.replace(f"`{hold}`.", there))
        for table, column, text in found
        if table in wanted(order)
    )


def unchanged(session: "Connection[Any]", journal: Journal) -> Definitions:
    """Live's objects as harvested before the gate closed; raises Temporary if somebody changed them meanwhile.

    Under the gate a view of an owner without rights does not show its own text, so that of views is not compared.
    """

    def seen(definitions: Definitions) -> set[tuple[str, str, bytes]]:
        return {(s.kind, s.name, b"" if s.kind == "view" else s.sql) for s in definitions.stored}

    if seen(harvest(session, journal.target)) != seen(journal.before):
        raise Temporary(f"the objects of {journal.target} are being changed; live is as before", hint="Try again.")
    return journal.before


def _judge(
    live: Live, session: "Connection[Any]", order: ExchangeOrder, journal: Journal, staged: Definitions
) -> Journal:
    """Under the gate: is live as shown, and what exactly moves? Raises LiveChanged or PreflightRefused."""
    now = _measure(live, session, order, still=True)
    slipped = _agree(order, now)
    there = rename.tables_of(session, order.target)
    coming = wanted(order) | sequences(order)
    leaving = (affected(order) | sequences(order) | unknown_sequences(order)) & there
    keys.must_be_closed(session, (order.target, leaving), (journal.source, coming))
    before = unchanged(session, journal)
    removed = frozenset(a.name for a in order.actions if a.method == "remove")
    goal = furnishing.arriving(before, staged, whole=order.objects, brought=coming - there, removed=removed)
    # Triggers would fire on rows that are written, too: they go before and come back after, while nobody writes.
    still = frozenset() if journal.open_gate else by_rows(order)
    drop, make = furnishing.change(before, goal, leaving | coming | still)
    return journal.model_copy(
        update={
            "slipped": slipped,
            "measured": now,
            "leaving": tuple(sorted(leaving)),
            "coming": tuple(sorted(coming)),
            "dangling": keys.dangling(session, order.target, leaving),
            "drop": drop,
            "make": make,
        }
    )

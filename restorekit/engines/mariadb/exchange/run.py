"""Exchange: the proven holding copy becomes live."""

import fnmatch
import time
from collections.abc import Callable, Sequence
from typing import Any

import pymysql
from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import one, rows
from restorekit.engines.mariadb.contents import contents
from restorekit.engines.mariadb.exchange import furnishing, keys, marker, postcheck, rename
from restorekit.engines.mariadb.exchange.accounts import Census, Gate, grantee, survey
from restorekit.engines.mariadb.exchange.marker import Default, Journal
from restorekit.engines.mariadb.exchange.preflight import insist
from restorekit.engines.mariadb.exchange.promote import COMING, sequences, unknown_sequences, wanted
from restorekit.engines.mariadb.exchange.session import exclusive
from restorekit.engines.mariadb.exchange.swap import Limits, drop_if_empty, perform, settle_one
from restorekit.engines.mariadb.live import Live, translated
from restorekit.engines.mariadb.objects import Definitions, harvest, under_name
from restorekit.errors import EngineUnavailable, GateTimeout, LiveChanged, RestorekitError, Temporary
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
        watch.check()  # the last moment at which stopping means that nothing happened
        staged = _staged(live, order)
        journal = _intent(live, session, order, promoted, staged)
        limits = Limits(kill_wait_s=order.policy.kill_wait_s, lock_wait_s=order.policy.lock_wait_s)
        return perform(live, session, journal, limits, lambda j: _judge(live, session, order, j, staged))

    return fenced(live, order.id, work)


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


def _earlier(live: Live, session: "Connection[Any]", order_id: str) -> Exchanged | None:
    """The answer of an earlier run, settled now if it was left unfinished."""
    found = marker.read(session, order_id)
    if found is None or found.phase == "taken_back":
        return None
    if found.phase == "done":
        drop_if_empty(session, found.journal.source)  # what it did last, and may have died before
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
    began = time.monotonic()
    now = _measure(live, session, order)
    took = time.monotonic() - began
    _agree(order, now)
    predicted = took + 2 * len(affected(order)) * rename.cost_s(session, hold, _PROBES)
    if predicted > order.policy.gate_max_s:
        raise GateTimeout(
            f"writers would be held back for about {predicted:.1f} s, the policy allows {order.policy.gate_max_s:g} s; "
            "live is untouched",
            hint="Raise gate_max_s in the playbook, restore fewer tables, or try in a quiet hour.",
        )


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
        gate=survey(session, order.target) if there else Gate(kind="none", schema_name=order.target),
        before=harvest(session, order.target),
        drop=nothing,
        make=nothing,
        defaults=_defaults(session, hold, order.target),
        create_target=not there,
        charset=order.proven.settings.get("schema_charset", ""),
        collation=order.proven.settings.get("schema_collation", ""),
        brought=promoted.contents,
        broken=_broken(live, session, order),
        lent=() if there else _owners_without_rights(session, order.target, staged),
    )


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


def _defaults(session: "Connection[Any]", hold: str, target: str) -> tuple[Default, ...]:
    """Defaults of the held tables that draw from held sequences, said for the target."""
    found = rows(
        session,
        "SELECT table_name, column_name, column_default FROM information_schema.columns "
        "WHERE table_schema=%s AND column_default LIKE 'nextval(%%'",
        [hold],
    )
    return tuple(
        Default(table=table, column=column, expression=text.replace(f"`{hold}`.", f"`{target.replace('`', '``')}`."))
        for table, column, text in found
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
    drop, make = furnishing.change(before, goal, leaving | coming)
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

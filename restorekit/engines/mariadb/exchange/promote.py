"""The proven tables carried beside live, and proven again there."""

import time
from typing import Any

from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import one, quoted, rows
from restorekit.engines.mariadb.contents import contents
from restorekit.engines.mariadb.delta import carrying, changeset, finding
from restorekit.engines.mariadb.delta.changeset import Shape
from restorekit.engines.mariadb.delta.names import CHOSEN
from restorekit.engines.mariadb.exchange import marker
from restorekit.engines.mariadb.exchange.copy import Load, carry, table_load
from restorekit.engines.mariadb.exchange.session import exclusive
from restorekit.engines.mariadb.live import Live
from restorekit.engines.mariadb.tables import tables
from restorekit.errors import LiveChanged, ProofFailed, RestoreActive
from restorekit.model.contents import Contents, TableContents
from restorekit.model.database import Where
from restorekit.model.exchange import ExchangeOrder, Promoted
from restorekit.model.pick import ChosenTable
from restorekit.ports import Watch

COMING = frozenset({"exchange", "create"})


def wanted(order: ExchangeOrder) -> frozenset[str]:
    """The tables that the order brings from staging."""
    return frozenset(a.name for a in order.actions if a.method in COMING)


def by_rows(order: ExchangeOrder) -> frozenset[str]:
    """The tables of live whose rows the order writes one by one."""
    return frozenset(a.name for a in order.actions if a.method == "delta")


def sequences(order: ExchangeOrder) -> frozenset[str]:
    """The sequences that the order brings: all where objects come, else those that live does not have."""
    proven = {o.name for o in order.proven.objects if o.kind == "sequence"}
    if order.objects or order.live is None:
        return frozenset(proven)
    return frozenset(proven - {o.name for o in order.live.objects if o.kind == "sequence"})


def unknown_sequences(order: ExchangeOrder) -> frozenset[str]:
    """The sequences of live that the backup does not know: they leave where objects are exchanged."""
    if not order.objects or order.live is None:
        return frozenset()
    return frozenset({o.name for o in order.live.objects if o.kind == "sequence"} - sequences(order))


def promote(live: Live, order: ExchangeOrder, watch: Watch) -> Promoted:
    """Copy the order's tables into `rk_hold_<id>` on live and fingerprint them there; of others the rows chosen.

    Starts over on a rerun.

    Raises ProofFailed if what arrived is not what was proven, RestoreActive while this order is being exchanged,
    DiskFull, EngineUnavailable, Cancelled. Live's own tables are never touched.
    """
    began = time.monotonic()
    hold = marker.hold_schema(order.id)
    with exclusive(live, order.id) as session:
        found = marker.read(session, order.id)
        if found is not None and found.phase in marker.UNFINISHED:
            raise RestoreActive(f"the exchange of {order.id} has begun; its holding copy is in use")
        drop_schema(session, hold)
        _create(live, session, order, hold)
        sets = _sets(session, order, hold)
        _fill(live, order, hold, sets, watch)
        for name, shape in sets.items():
            carrying.prove(session, hold, shape, chosen(order, name), live.home.row_key)
        arrived = _proven_again(live, order, hold)
        for table in sorted(wanted(order)):
            rows(session, f"ANALYZE NO_WRITE_TO_BINLOG TABLE {quoted(hold)}.{quoted(table)}")
        if wanted(order) or sequences(order):
            # Tables created and renamed within one checkpoint can keep a server that crashes twice from starting again.
            marker.checkpoint(session)
        return Promoted(
            order_id=order.id,
            holding=Where(schema_name=hold),
            contents=arrived,
            promoted_at=marker.now(session),
            duration_s=time.monotonic() - began,
        )


def sets_are_whole(live: Live, session: "Connection[Any]", order: ExchangeOrder, promoted: Promoted) -> None:
    """What lies beside live must still be what was chosen and proven: a row less would be missed by no later proof."""
    for name, shape in as_shown(session, order).items():
        carrying.prove(session, promoted.holding.schema_name, shape, chosen(order, name), live.home.row_key)


def drop_schema(connection: "Connection[Any]", schema: str) -> None:
    """Drop a holding schema: nothing in it is the only copy of anything."""
    assert schema.startswith("rk_hold_"), schema
    rows(connection, "SET SESSION foreign_key_checks=0")
    rows(connection, f"DROP DATABASE IF EXISTS {quoted(schema)}")


def _create(live: Live, session: "Connection[Any]", order: ExchangeOrder, hold: str) -> None:
    """Empty tables and finished sequences, defined as in staging; no trigger, view or routine."""
    staging = order.staging.schema_name
    rows(session, f"CREATE DATABASE {quoted(hold)}")
    rows(session, f"USE {quoted(hold)}")
    rows(session, "SET SESSION foreign_key_checks=0, sql_mode='NO_AUTO_VALUE_ON_ZERO'")
    source = live.where_connect(order.staging)
    try:
        for name in sorted(sequences(order)):
            full = f"{quoted(staging)}.{quoted(name)}"
            rows(session, rows(source, f"SHOW CREATE SEQUENCE {full}")[0][1])
            stands = one(source, f"SELECT next_not_cached_value FROM {full}")
            rows(session, f"SELECT SETVAL({quoted(hold)}.{quoted(name)}, %s, 0)", [stands])
        for name in sorted(wanted(order)):
            text = str(rows(source, f"SHOW CREATE TABLE {quoted(staging)}.{quoted(name)}")[0][1])
            # A default that draws from a sequence names the schema of the sequence.
            rows(session, text.replace(f"nextval({quoted(staging)}.", f"nextval({quoted(hold)}."))
    finally:
        source.close()


def chosen(order: ExchangeOrder, name: str) -> ChosenTable:
    """What was chosen of that table. Raises ProofFailed if nothing was."""
    found = order.selection.table(name) if order.selection else None
    if found is None:
        raise ProofFailed(
            f"no rows of {name} were chosen; live is untouched", hint="Look at the difference again and approve it."
        )
    return found


def as_shown(session: "Connection[Any]", order: ExchangeOrder) -> dict[str, Shape]:
    """Live's tables whose rows are written, defined as they were shown; raises LiveChanged if one is another now."""
    found = changeset.shapes(session, order.target, by_rows(order))
    for name in sorted(by_rows(order)):
        shown = order.live.table(name) if order.live else None
        if name not in found or shown is None or found[name].table.schema_hash != shown.schema_hash:
            raise LiveChanged(
                f"the definition of {name} is not the one that was shown; live is untouched",
                hint="Look at the difference again and approve it.",
            )
    return found


def _sets(session: "Connection[Any]", order: ExchangeOrder, hold: str) -> dict[str, Shape]:
    """Empty change sets."""
    found = as_shown(session, order)
    for shape in found.values():
        changeset.make(session, hold, shape)
    return found


def _fill(live: Live, order: ExchangeOrder, hold: str, sets: dict[str, Shape], watch: Watch) -> None:
    names = wanted(order) | sets.keys()
    source = live.where_connect(order.staging)
    try:
        found = tables(source, order.staging.schema_name, names)
        picked = {name for name in sets if carrying.is_chosen(source, name)}
    finally:
        source.close()
    if gone := names - {t.name for t in found}:
        raise ProofFailed(f"staging lacks {', '.join(sorted(gone))}; live is untouched", hint="Stage it again.")
    loads = [table_load(t, hold) for t in found if t.name not in sets]
    loads += [
        Load(t.name, sets[t.name].set_in(hold), columns, origin)
        for t in found
        if t.name in picked
        for columns, origin in carrying.origins(sets[t.name], t, finding.place(CHOSEN, t.name))
    ]
    carry(live, order.staging, loads, watch)


def _proven_again(live: Live, order: ExchangeOrder, hold: str) -> Contents:
    """What was proven in staging must be what lies beside live, table by table."""
    arrived = contents(live, Where(schema_name=hold))
    wrong = [name for name in sorted(wanted(order)) if not same(order.proven.table(name), arrived.table(name))]
    proven = {o.name: o for o in order.proven.objects if o.kind == "sequence"}
    here = {o.name: o for o in arrived.objects if o.kind == "sequence"}
    wrong += [name for name in sorted(sequences(order)) if proven.get(name) != here.get(name)]
    if wrong:
        raise ProofFailed(
            f"the copy beside live is not what was proven: {', '.join(wrong)}; live is untouched",
            hint="Stage and verify again; if it happens again, report it with the definition of the table.",
        )
    return arrived


def same(left: TableContents | None, right: TableContents | None) -> bool:
    """True if both are there with the same definition, rows and history."""
    if left is None or right is None or left.fingerprint is None or right.fingerprint is None:
        return False
    return (left.schema_hash, left.fingerprint, left.history) == (
        right.schema_hash,
        right.fingerprint,
        right.history,
    )

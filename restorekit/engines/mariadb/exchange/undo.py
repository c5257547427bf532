"""Undo: the exchange reversed. It brings back exactly what was there and keeps the other side, too."""

from typing import Any

from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import rows
from restorekit.engines.mariadb.contents import contents
from restorekit.engines.mariadb.delta.ties import Loose
from restorekit.engines.mariadb.exchange import furnishing, keys, marker, rename, rowwise
from restorekit.engines.mariadb.exchange.accounts import Gate, survey
from restorekit.engines.mariadb.exchange.marker import Journal
from restorekit.engines.mariadb.exchange.promote import same
from restorekit.engines.mariadb.exchange.run import fenced, unchanged, without
from restorekit.engines.mariadb.exchange.swap import Deed, Limits, perform
from restorekit.engines.mariadb.live import Live
from restorekit.engines.mariadb.objects import Definitions, harvest
from restorekit.errors import UndoImpossible
from restorekit.model.database import Where
from restorekit.model.difference import Method, TableAction
from restorekit.model.exchange import Exchanged
from restorekit.ports import Watch

_INVERSE: dict[Method, Method] = {"create": "remove", "remove": "create"}


def undo(live: Live, exchanged: Exchanged, order_id: str, dead_man_s: float, watch: Watch) -> Exchanged:
    """Bring back what the exchange replaced; what customers wrote since lies in `rk_undo_<order_id>` and is named.

    A rerun returns the same answer. Raises UndoImpossible if the copy is gone or is not what was put there,
    GateTimeout, BackupRunning, PreflightRefused: live is as before in each case.
    """

    def work(session: "Connection[Any]") -> Exchanged:
        earlier = _earlier(session, exchanged)
        _copy_is_whole(live, session, exchanged, earlier)
        watch.check()
        journal = _intent(session, exchanged, earlier, order_id, dead_man_s)
        deed = Deed(
            judge=lambda j: _judge(session, j, earlier), allowed=lambda loose: _loose(earlier, loose), limits=Limits()
        )
        return perform(live, session, journal, deed)

    return fenced(live, order_id, work)


def _loose(earlier: Journal, loose: Loose) -> int:
    """How many rows were without a parent there before the exchange: so many may be again."""
    before = earlier.written.loose if earlier.written else ()
    return sum(b.count for b in before if (b.child, b.name, b.side) == (loose.child, loose.name, loose.side))


def _earlier(session: "Connection[Any]", exchanged: Exchanged) -> Journal:
    found = marker.read(session, exchanged.order_id)
    if found is None or found.phase != "done":
        raise UndoImpossible(
            f"live has no record of the exchange {exchanged.order_id}; live is untouched",
            hint="Was the server replaced or restored since? The copy, if it is there, must be brought back by hand.",
        )
    return found.journal


def _copy_is_whole(live: Live, session: "Connection[Any]", exchanged: Exchanged, earlier: Journal) -> None:
    """The kept tables must be the ones that were put there, row for row; nobody is held back meanwhile."""
    keep = exchanged.undo.schema_name
    gone = sorted({*earlier.leaving, *rowwise.names(earlier)} - rename.tables_of(session, keep))
    if gone:
        raise UndoImpossible(
            f"{keep} lacks {', '.join(gone)}: the copy was retired or undone already; live is untouched"
        )
    if not earlier.leaving and not earlier.deltas:
        return
    here = contents(live, Where(schema_name=keep))
    changed = [t.name for t in exchanged.undo_contents.tables if not same(t, here.table(t.name))]
    if changed:
        raise UndoImpossible(f"{keep} was changed since: {', '.join(changed)}; live is untouched")


def _intent(
    session: "Connection[Any]", exchanged: Exchanged, earlier: Journal, order_id: str, dead_man_s: float
) -> Journal:
    target = exchanged.target
    nothing = Definitions(schema_name=target)
    found = rows(
        session,
        "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata "
        "WHERE schema_name=%s",
        [target],
    )
    charset, collation = found[0] if found else (earlier.charset, earlier.collation)
    return Journal(
        order_id=order_id,
        undo_of=exchanged.order_id,
        target=target,
        source=exchanged.undo.schema_name,
        keep=marker.undo_schema(order_id),
        actions=tuple(
            TableAction(name=a.name, method=_INVERSE.get(a.method, a.method), why=f"undo of {exchanged.order_id}")
            for a in exchanged.actions
        ),
        objects=earlier.objects,
        dead_man_s=dead_man_s,
        began_at=marker.now(session),
        gate=survey(session, target) if found and not earlier.open_gate else Gate(kind="none", schema_name=target),
        deltas=tuple(d.back("overwrite") for d in earlier.deltas),
        open_gate=earlier.open_gate,
        before=harvest(session, target),
        drop=nothing,
        make=nothing,
        create_target=not found,
        drop_target=earlier.create_target,
        charset=charset,
        collation=collation,
        brought=without(exchanged.undo_contents, rowwise.names(earlier)),
        measured=earlier.brought,
        broken=earlier.broken,
        earlier_lost=earlier.lost,
        earlier_dangling=earlier.dangling,
    )


def _judge(session: "Connection[Any]", journal: Journal, earlier: Journal) -> Journal:
    """Under the gate: what exactly moves back. Raises PreflightRefused where a new foreign key would be torn."""
    there = rename.tables_of(session, journal.target)
    coming = frozenset(earlier.leaving)
    leaving = there if journal.drop_target else (frozenset(earlier.coming) | coming) & there
    keys.must_be_closed(session, (journal.target, leaving), (journal.source, coming))
    before = unchanged(session, journal)
    goal = furnishing.returning(before, earlier.before, whole=earlier.objects, moved=leaving | coming)
    still = frozenset() if journal.open_gate else rowwise.names(journal)
    drop, make = furnishing.change(before, goal, leaving | coming | still)
    return journal.model_copy(
        update={
            "leaving": tuple(sorted(leaving)),
            "coming": tuple(sorted(coming)),
            "dangling": keys.dangling(session, journal.target, leaving),
            "drop": drop,
            "make": make,
        }
    )

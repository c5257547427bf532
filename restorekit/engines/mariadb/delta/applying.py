"""Change sets become part of live in one transaction, over all their tables; everything is proven before its end.

    lock each row of the sets in the order of the key, and see whether it is as it was shown
    keep what goes and what comes in the sets that lead back
    delete, update, insert, while foreign keys are not checked
    ask both directions of every foreign key, prove, let the caller write down that it happened, commit

Whatever fails, everything is rolled back, the sets that lead back included.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import SESSION, quoted, rows
from restorekit.engines.mariadb.contents import table_sums
from restorekit.engines.mariadb.delta import ties, writing
from restorekit.engines.mariadb.delta.changeset import Delta, shapes
from restorekit.engines.mariadb.delta.counters import lift_sequences
from restorekit.engines.mariadb.delta.ties import Loose
from restorekit.engines.mariadb.delta.working import (
    Working,
    close_working,
    lock,
    open_working,
    yield_uniques,
)
from restorekit.engines.mariadb.live import Live
from restorekit.engines.mariadb.tables import Table
from restorekit.errors import LiveChanged, PreflightRefused, RestorekitError, UndoImpossible
from restorekit.model.contents import Fingerprint
from restorekit.model.exchange import Applied
from restorekit.model.value import Value

_NO_RIGHT = 1227
_LOOK_AGAIN = "Look at the new difference and approve it, or repeat with --accept-changes."


class NotWhole(LiveChanged):
    """With the rows chosen a table is not what was proven as a whole."""

    def __init__(self, tables: Sequence[str]) -> None:
        """`tables` are those."""
        super().__init__(
            f"with the rows chosen {', '.join(tables)} would not be what was proven: it was written to since; "
            "live is as before",
            hint=_LOOK_AGAIN,
            details=tuple(f"{name}: rows beside those chosen differ" for name in tables),
        )
        self.tables = tuple(tables)


class Written(Value):
    """What a transaction did. `loose`: rows that had no parent before; `locked_s`: for how long rows were held."""

    applied: tuple[Applied, ...] = ()
    loose: tuple[Loose, ...] = ()
    locked_s: float = 0.0


@dataclass(frozen=True)
class Scene:
    """Change sets in the schema `source` for tables of `schema`; what they replace goes into `keep` (empty: nowhere).

    `allowed` says how many rows may be without a parent afterwards. `undo`: what cannot be is UndoImpossible.
    """

    live: Live
    session: "Connection[Any]"
    schema: str
    source: str
    keep: str
    deltas: tuple[Delta, ...]
    allowed: Callable[[Loose], int]
    lock_wait_s: float
    undo: bool = False

    def refusal(self, message: str, details: Sequence[str] = ()) -> RestorekitError:
        """The error for rows that are not what they must be for this; nothing was changed."""
        if self.undo:
            return UndoImpossible(f"{message}; live is as before", details=tuple(details))
        return LiveChanged(f"{message}; live is as before", hint=_LOOK_AGAIN, details=tuple(details))


def write(scene: Scene, record: Callable[[Written], None]) -> Written:
    """Apply the change sets; `record` is called inside the transaction, right before its end.

    What it writes and what was done happen together or not at all. Raises LiveChanged (UndoImpossible), ProofFailed,
    PreflightRefused, and the driver's error: live is as before, unless the connection was lost in COMMIT: then what
    `record` wrote tells.
    """
    session = scene.session
    _pin(scene)
    with contextlib.ExitStack() as stack:
        stack.callback(_unpin, session)
        working = _open(scene, stack)
        try:
            rows(session, "START TRANSACTION")
            written = _inside(scene, working)
            record(written)
            # From here on it is done. If the answer is lost, it is never sent again: what `record` wrote tells.
            rows(session, "COMMIT")
        except BaseException:
            with contextlib.suppress(pymysql.err.Error):
                rows(session, "ROLLBACK")
            raise
    return written


def _open(scene: Scene, stack: contextlib.ExitStack) -> list[Working]:
    found = _shapes(scene)
    working = []
    for number, delta in enumerate(sorted(scene.deltas, key=lambda d: d.table)):
        working.append(open_working(scene.session, delta, found[delta.table], delta.source or scene.source, number))
        stack.callback(_close, scene.session, working[-1])
    return working


def _close(session: "Connection[Any]", working: Working) -> None:
    with contextlib.suppress(pymysql.err.Error):  # gone with a lost session anyway
        close_working(session, working)


def _shapes(scene: Scene) -> dict[str, Any]:
    """Live's tables as the sets were made for. Raises LiveChanged (UndoImpossible) for any other."""
    found = shapes(scene.session, scene.schema, (d.table for d in scene.deltas))
    other = [d.table for d in scene.deltas if d.table not in found or found[d.table].table.schema_hash != d.definition]
    if other:
        raise scene.refusal(f"the definition of {', '.join(sorted(other))} is not the one it was")
    fired = rows(
        scene.session,
        "SELECT DISTINCT event_object_table FROM information_schema.triggers WHERE event_object_schema=%s",
        [scene.schema],
    )
    if triggered := sorted({name for (name,) in fired} & set(found)):
        raise PreflightRefused(
            f"triggers of {', '.join(triggered)} would change what is written; live is as before",
            hint="Restore these tables whole, with writers held back.",
        )
    return found


def _pin(scene: Scene) -> None:
    """The session's settings: what is written is exactly what was proven, and nothing waits for long."""
    wait = max(1, round(scene.lock_wait_s))
    rows(scene.session, f"USE {quoted(scene.schema)}")  # a DELETE of several tables is refused without one
    with contextlib.suppress(pymysql.err.OperationalError):  # not ours to choose: the server's own format it is
        rows(scene.session, "SET SESSION binlog_format='ROW'")
    rows(
        scene.session,
        "SET SESSION tx_isolation='REPEATABLE-READ', foreign_key_checks=0, unique_checks=1, check_constraint_checks=0, "
        "time_zone='+00:00', sql_mode='STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', "
        f"innodb_lock_wait_timeout={wait}, lock_wait_timeout={wait}",
    )


def _unpin(session: "Connection[Any]") -> None:
    with contextlib.suppress(pymysql.err.Error):
        rows(session, SESSION)
        rows(session, "SET SESSION foreign_key_checks=1, check_constraint_checks=1")


def _inside(scene: Scene, working: list[Working]) -> Written:
    began = time.monotonic()
    session = scene.session
    moved = _locked(scene, working)
    _shapes(scene)  # from the first lock on nobody can change a definition: it is still the one of the set
    by_name = {w.shape.table.name: w for w in working}
    tied = ties.ties(session, scene.schema, frozenset(by_name))
    loose = tuple(ties.loose_before(session, scene.schema, tied, by_name)) if scene.keep else ()
    done = [writing.applied(session, w, moved[w.shape.table.name]) for w in working]
    if scene.keep:
        for each in working:
            writing.keep(session, each, scene.keep)
    _write(session, working, done)
    if scene.keep:
        _tied(scene, list(ties.loose_after(session, scene.schema, scene.keep, tied, by_name)))
    _prove(scene, working)
    lift_sequences(session, scene.schema, by_name)
    return Written(applied=tuple(done), loose=loose, locked_s=time.monotonic() - began)


def _locked(scene: Scene, working: list[Working]) -> dict[str, int]:
    """Rows by table that are not as they were shown. Raises LiveChanged where that is not accepted."""
    moved = {w.shape.table.name: lock(scene.session, w) for w in working}
    refusing = {w.shape.table.name for w in working if w.delta.stray == "refuse"}
    if strays := {name: count for name, count in moved.items() if count and name in refusing}:
        raise scene.refusal(
            f"{sum(strays.values())} rows changed since they were shown",
            [f"{name}: {count} rows" for name, count in sorted(strays.items())],
        )
    for each in working:
        name = each.shape.table.name
        taken = yield_uniques(scene.session, each)
        if taken and each.delta.stray != "leave":
            raise scene.refusal(f"other rows of {name} have unique values now that {taken} rows need")
        moved[name] += taken
    return moved


def _write(session: "Connection[Any]", working: list[Working], done: list[Applied]) -> None:
    for each, count in zip(working, done, strict=True):
        writing.remove(session, each, count.removed)
    for each, count in zip(working, done, strict=True):
        if writing.change(session, each, count.changed):
            writing.insert(session, each, count.inserted)
        else:
            writing.remove(session, each, count.changed, act="U")
            writing.insert(session, each, count.changed + count.inserted, acts="'I','U'")


def _tied(scene: Scene, after: list[Loose]) -> None:
    """Raises LiveChanged (UndoImpossible) where more rows are without a parent than may be."""
    wrong = [f"{each.count} rows of {each.child} need rows of {each.parent} that would not be there" for each in after]
    if any(each.count > scene.allowed(each) for each in after):
        raise scene.refusal(wrong[0], wrong)


def _prove(scene: Scene, working: list[Working]) -> None:
    for each in working:
        if each.delta.goal is None:
            writing.prove_rows(scene.session, each)
    whole = [w for w in working if w.delta.goal is not None]
    if wrong := _unlike(scene.live, whole):
        raise NotWhole(wrong)


def _unlike(live: Live, whole: list[Working]) -> list[str]:
    """Tables that are not what was proven as a whole. Nobody else writes: the gate is closed.

    If somebody does past it, the sum differs: that is what it is for.
    """
    wrong = []
    for carried in (False, True):
        some = [w for w in whole if w.delta.carried is carried]
        found = seen_now(live, [w.shape.table for w in some], carried=carried)
        wrong += [w.shape.table.name for w in some if found[w.shape.table.name] != w.delta.goal]
    return sorted(wrong)


def seen_now(live: Live, tables: Sequence[Table], *, carried: bool = False) -> dict[str, Fingerprint]:
    """Fingerprints of tables as they are at this instant, with what nobody has committed yet; by several sessions."""
    if not tables:
        return {}
    with contextlib.ExitStack() as stack:
        sessions = [
            stack.enter_context(contextlib.closing(live.connect())) for _ in range(max(1, live.settings.workers))
        ]
        for session in sessions:
            rows(session, "SET SESSION tx_isolation='READ-UNCOMMITTED'")
        return table_sums(sessions, tables, carried=carried)

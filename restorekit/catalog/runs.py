"""Restores and drills: who asked, who agreed, and the state each is in."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, or_, select, update

from restorekit.catalog import persons, transitions
from restorekit.catalog.audit import AuditPart
from restorekit.catalog.chain import canonical
from restorekit.catalog.tables import approvals, audit, runs
from restorekit.catalog.values import keep
from restorekit.errors import ApprovalNeeded, NeedsChoice, Refused, RestoreActive, UndoImpossible, UnknownName
from restorekit.model.database import DatabaseId
from restorekit.model.plan import Approval, Plan
from restorekit.model.request import Act, Request
from restorekit.model.run import ACTIVE, Failure, Progress, Run, State
from restorekit.model.value import Value

_ID_LENGTH = 12
_TARGET = runs.c.target_engine + "/" + runs.c.target_name


class RunsPart(AuditPart):
    """Everything that moves a run; each act of a door is audited in the transaction that makes it happen."""

    def request(
        self,
        request: Request,
        values: Sequence[Value],
        act: Act,
        in_tx: Callable[[Any, str], None],
        kind: str = "restore",
    ) -> str:
        """Create a run with its first values; `in_tx(connection, run_id)`. Raises RestoreActive. Returns the run id.

        Only restores hold their target: a drill never touches live and disturbs nobody.
        """
        with self._db.write() as connection:
            if kind == "restore":
                _refuse_second(connection, request.target)
            run_id = _fresh_id(connection)
            now = self._clock.now()
            known = act.model_copy(update={"restore_id": run_id, "database": act.database or str(request.target)})
            row = {
                "id": run_id,
                "kind": kind,
                "engine": request.database.engine,
                "name": request.database.name,
                "target_engine": request.target.engine,
                "target_name": request.target.name,
                "request": canonical(persons.hide(connection, request.model_dump(mode="json"))),
                "state": State.REQUESTED.value,
                "active": kind == "restore",
                "point_id": next((v.point.id for v in values if isinstance(v, Plan)), request.point_id),
                "created_at": now,
                "changed_at": now,
                "audit_sequence": self._append(connection, known),
            }
            connection.execute(insert(runs).values(row))
            for value in values:
                keep(connection, run_id, value, now)
            in_tx(connection, run_id)
        return run_id

    def audit(self, act: Act) -> None:
        """Write one entry on its own; a run that it is about refers to it."""
        with self._db.write() as connection:
            self._sign(connection, act.restore_id, act)

    def run(self, run_id: str) -> Run:
        """By id or unique beginning of one; raises UnknownName, NeedsChoice."""
        wanted = run_id.lower()
        with self._db.read() as connection:
            same = func.substr(runs.c.id, 1, len(wanted)) == wanted
            found = connection.execute(select(runs).where(same).limit(10)).all() if wanted else []
            if not found:
                raise UnknownName(f"there is no restore {run_id!r}", hint="`restorekit status` lists them.")
            if len(found) > 1:
                raise NeedsChoice(f"{run_id} begins more than one restore", details=tuple(r.id for r in found))
            return _run(found[0], persons.names(connection))

    def runs(self, database: DatabaseId | None = None, *, active: bool = False, limit: int = 50) -> list[Run]:
        """Newest first; `database` is what was asked for, or the target. `active` also means drills at work."""
        wanted = select(runs).order_by(runs.c.created_at.desc(), runs.c.audit_sequence.desc()).limit(limit)
        if database is not None:
            asked = (runs.c.engine == database.engine) & (runs.c.name == database.name)
            target = (runs.c.target_engine == database.engine) & (runs.c.target_name == database.name)
            wanted = wanted.where(or_(asked, target))
        if active:
            wanted = wanted.where(runs.c.state.in_([state.value for state in ACTIVE]))
        with self._db.read() as connection:
            known = persons.names(connection)
            return [_run(row, known) for row in connection.execute(wanted)]

    def count_runs(self, database: DatabaseId, since: datetime, kind: str = "restore") -> int:
        """How many runs of this database were requested at or after `since`, whatever became of them (quota)."""
        mine = (runs.c.engine == database.engine) & (runs.c.name == database.name)
        counted = select(func.count()).where(mine, runs.c.kind == kind, runs.c.created_at >= since)
        with self._db.read() as connection:
            return int(connection.execute(counted).scalar_one())

    def advance(
        self,
        run_id: str,
        state: State,
        *,
        failure: Failure | None = None,
        level: int | None = None,
        act: Act | None = None,
    ) -> None:
        """Move to a legal next state (the same one again is legal). Clears an earlier failure unless given one.

        Raises Refused for any other state, and Cancelled instead of resting or swapping when a cancel was asked
        for; nothing is changed then. An act that already is the run's newest entry is not written again.
        """
        with self._db.write() as connection:
            row = _row(connection, run_id)
            asked = row.cancel_asked_at is not None
            transitions.check(run_id, State(row.state), state, cancel_asked=asked)
            changes: dict[str, Any] = {"failure": failure.model_dump_json() if failure else None}
            if level is not None:
                changes["level"] = level
            self._move(connection, row, state, changes)
            if act is not None and not self._is_newest(connection, row, act):
                self._sign(connection, run_id, act)

    def approve(self, approval: Approval, act: Act, in_tx: Callable[[Any], None]) -> None:
        """Store the approval and move awaiting_approval to approved; it is the one `kept` gives, earlier ones stay.

        Raises ApprovalNeeded in any other state, except that the very same approval again changes nothing (and
        calls nothing); Refused after a cancel was asked for.
        """
        run_id = approval.restore_id
        with self._db.write() as connection:
            row = _row(connection, run_id)
            if row.state != State.AWAITING_APPROVAL:
                if _approved_already(connection, approval, State(row.state)):
                    return
                raise ApprovalNeeded(
                    f"restore {run_id} is {row.state}, not waiting for approval; nothing was changed",
                    hint=f"`restorekit status {run_id}` shows what it waits for.",
                )
            if row.cancel_asked_at is not None:
                raise Refused(
                    f"a cancel of restore {run_id} was asked for; nothing was changed",
                    hint=f"`restorekit cancel {run_id}` ends it now.",
                )
            self._move(connection, row, State.APPROVED, {"failure": None})
            sequence = self._sign(connection, run_id, act)
            keep(connection, run_id, approval, self._clock.now())
            body = canonical(persons.hide(connection, approval.model_dump(mode="json")))
            connection.execute(insert(approvals).values(audit_sequence=sequence, run_id=run_id, body=body))
            in_tx(connection)

    def approvals(self, run_id: str) -> list[Approval]:
        """All approvals of this run, oldest first."""
        mine = select(approvals.c.body).where(approvals.c.run_id == run_id).order_by(approvals.c.audit_sequence)
        with self._db.read() as connection:
            known = persons.names(connection)
            bodies = connection.execute(mine).scalars().all()
        return [Approval.model_validate(persons.show(json.loads(body), known)) for body in bodies]

    def resume(self, run_id: str, state: State, in_tx: Callable[[Any], None]) -> bool:
        """Move a waiting run on to `state`, `in_tx` queues its work; False, and nothing done, if it waits no more."""
        with self._db.write() as connection:
            row = _row(connection, run_id)
            if row.state != State.WAITING or row.cancel_asked_at is not None:
                return False
            transitions.check(run_id, State.WAITING, state, cancel_asked=False)
            self._move(connection, row, state, {"failure": None})
            in_tx(connection)
        return True

    def ask_undo(self, run_id: str, act: Act, in_tx: Callable[[Any], None]) -> None:
        """Move swapped to undoing; undoing already: nothing happens.

        Raises UndoImpossible in any other state, RestoreActive for a second run.
        """
        with self._db.write() as connection:
            row = _row(connection, run_id)
            if row.state == State.UNDOING:
                return
            if row.state != State.SWAPPED:
                raise UndoImpossible(
                    f"restore {run_id} is {row.state}; only a swapped one can be undone; nothing was changed",
                    hint="Nothing was made live by it." if row.state not in (State.UNDONE, State.RETIRED) else "",
                )
            self._move(connection, row, State.UNDOING, {"failure": None})
            self._sign(connection, run_id, act)
            in_tx(connection)

    def ask_cancel(self, run_id: str, act: Act, in_tx: Callable[[Any], None]) -> None:
        """Note the wish; a run that rests moves to cancelling, and only then `in_tx` is called (to clean up).

        A working run sees the wish and ends by itself. Asked again: nothing happens. Raises Refused once the
        swap has begun, and for a run that has ended.
        """
        with self._db.write() as connection:
            row = _row(connection, run_id)
            state = State(row.state)
            rests = state in transitions.RESTING
            if state == State.CANCELLING or (row.cancel_asked_at is not None and not rests):
                return
            if State.CANCELLING not in transitions.NEXT[state]:
                raise _too_late(run_id, state)
            self._move(connection, row, State.CANCELLING if rests else state, {"cancel_asked_at": self._clock.now()})
            self._sign(connection, run_id, act)
            if rests:
                in_tx(connection)

    def cancel_asked(self, run_id: str) -> bool:
        """True if somebody asked for it."""
        with self._db.read() as connection:
            return _row(connection, run_id).cancel_asked_at is not None

    def _move(self, connection: Connection, row: Row[Any], state: State, changes: dict[str, Any]) -> None:
        active = row.kind == "restore" and state in ACTIVE
        if active and not row.active:
            _refuse_second(connection, DatabaseId(engine=row.target_engine, name=row.target_name))
        changes |= {"state": state.value, "active": active, "changed_at": self._clock.now()}
        connection.execute(update(runs).where(runs.c.id == row.id).values(changes))

    def _sign(self, connection: Connection, run_id: str, act: Act) -> int:
        """The audit entry about this run, and the run's reference to it."""
        target = connection.execute(select(_TARGET).where(runs.c.id == run_id)).scalar()
        about = {"restore_id": run_id, "database": act.database or target or ""}
        sequence = self._append(connection, act.model_copy(update=about))
        connection.execute(update(runs).where(runs.c.id == run_id).values(audit_sequence=sequence))
        return sequence

    def _is_newest(self, connection: Connection, row: Row[Any], act: Act) -> bool:
        """A step that ran, was recorded here and runs again after a crash did one thing, not two."""
        last = connection.execute(select(audit).where(audit.c.sequence == row.audit_sequence)).one()
        same_words = (last.verb, last.door, last.details) == (act.verb, act.door, canonical(act.details))
        return same_words and last.caller == persons.reference(connection, act.caller)


def _row(connection: Connection, run_id: str) -> Row[Any]:
    row = connection.execute(select(runs).where(runs.c.id == run_id)).one_or_none()
    if row is None:
        raise UnknownName(f"there is no restore {run_id!r}", hint="`restorekit status` lists them.")
    return row


def _refuse_second(connection: Connection, target: DatabaseId) -> None:
    """The index would refuse it, too; this says which restore it is."""
    here = (runs.c.target_engine == target.engine) & (runs.c.target_name == target.name) & runs.c.active
    other = connection.execute(select(runs.c.id, runs.c.state).where(here)).first()
    if other is not None:
        raise RestoreActive(
            f"restore {other.id} of {target} is active ({other.state}); nothing was changed",
            hint=f"Wait for it (`restorekit watch {other.id}`) or end it (`restorekit cancel {other.id}`).",
        )


def _fresh_id(connection: Connection) -> str:
    while True:
        run_id = persons.token(_ID_LENGTH)
        if connection.execute(select(runs.c.id).where(runs.c.id == run_id)).first() is None:
            return run_id


def _approved_already(connection: Connection, approval: Approval, state: State) -> bool:
    """True if exactly this was agreed to before and is on its way or done."""
    if state not in (State.APPROVED, State.SWAPPING, State.SWAPPED):
        return False
    newest = select(approvals.c.body).where(approvals.c.run_id == approval.restore_id)
    body = connection.execute(newest.order_by(approvals.c.audit_sequence.desc()).limit(1)).scalar()
    if body is None:
        return False
    before = Approval.model_validate(persons.show(json.loads(body), persons.names(connection)))
    mine = ("over", "approved_by", "accept_changes")
    return all(getattr(before, field) == getattr(approval, field) for field in mine)


def _too_late(run_id: str, state: State) -> Refused:
    if state in (State.SWAPPING, State.UNDOING):
        return Refused(
            f"restore {run_id} is {state}: live is being exchanged, which ends one way or the other",
            hint=f"When it is swapped, `restorekit undo {run_id}` brings back what was there.",
        )
    return Refused(f"restore {run_id} has ended ({state}); there is nothing to cancel")


def _run(row: Row[Any], known: dict[str, str]) -> Run:
    return Run(
        id=row.id,
        kind=row.kind,
        request=Request.model_validate(persons.show(json.loads(row.request), known)),
        state=State(row.state),
        level=row.level,
        point_id=row.point_id,
        failure=None if row.failure is None else Failure.model_validate_json(row.failure),
        progress=None if row.progress is None else Progress.model_validate_json(row.progress),
        created_at=row.created_at,
        changed_at=row.changed_at,
    )

"""What a run keeps on its way: values, steps, progress."""

import json
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, func, insert, select, update

from restorekit.catalog import persons
from restorekit.catalog.chain import canonical
from restorekit.catalog.part import Part, put
from restorekit.catalog.tables import run_values, runs, steps
from restorekit.model.run import Progress, StepRecord
from restorekit.model.value import Value

V = TypeVar("V", bound=Value)


class ValuesPart(Part):
    """Everything a step leaves behind for the next one and for those who watch."""

    def keep(self, run_id: str, value: Value) -> None:
        """Store a value of this run under its class; a second one replaces the first."""
        with self._db.write() as connection:
            keep(connection, run_id, value, self._clock.now())

    def kept(self, run_id: str, kind: type[V]) -> V | None:
        """The stored value of that class."""
        mine = (run_values.c.run_id == run_id) & (run_values.c.kind == kind.__name__)
        with self._db.read() as connection:
            body = connection.execute(select(run_values.c.body).where(mine)).scalar()
            known = persons.names(connection)
        return None if body is None else kind.model_validate(persons.show(json.loads(body), known))

    def note_step(self, run_id: str, step: str, outcome: str | None) -> None:
        """A step began (outcome None; again: a new attempt) or its newest attempt ended."""
        mine = steps.c.run_id == run_id
        with self._db.write() as connection:
            newest = select(func.max(steps.c.attempt)).where(mine)
            if outcome is None:
                number = int(connection.execute(newest).scalar() or 0) + 1
                began = {"run_id": run_id, "attempt": number, "step": step, "began_at": self._clock.now()}
                connection.execute(insert(steps).values(began | {"outcome": ""}))
            else:
                this = mine & (steps.c.attempt == newest.where(steps.c.step == step).scalar_subquery())
                ended = {"ended_at": self._clock.now(), "outcome": outcome}
                connection.execute(update(steps).where(this).values(ended))

    def steps(self, run_id: str) -> list[StepRecord]:
        """All attempts in order; one without an end was cut off, or still runs."""
        mine = select(steps).where(steps.c.run_id == run_id).order_by(steps.c.attempt)
        with self._db.read() as connection:
            return [
                StepRecord(step=row.step, began_at=row.began_at, ended_at=row.ended_at, outcome=row.outcome)
                for row in connection.execute(mine)
            ]

    def note_progress(self, run_id: str, progress: Progress) -> None:
        """How far the running phase is."""
        with self._db.write() as connection:
            connection.execute(update(runs).where(runs.c.id == run_id).values(progress=progress.model_dump_json()))


def keep(connection: Connection, run_id: str, value: Value, now: datetime) -> None:
    """Keep a value inside the caller's transaction; names of persons go in as references."""
    body = canonical(persons.hide(connection, value.model_dump(mode="json")))
    put(connection, run_values, {"run_id": run_id, "kind": type(value).__name__}, {"body": body, "kept_at": now})

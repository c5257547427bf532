"""Looking without changing: peek into a backup, export a staged database, capture live."""

from typing import Any, BinaryIO

from restorekit.errors import Refused
from restorekit.model.contents import Contents
from restorekit.model.database import DatabaseId, Where
from restorekit.model.plan import Plan
from restorekit.model.request import Act
from restorekit.model.run import State
from restorekit.model.shown import ShownRow
from restorekit.model.staged import Staged
from restorekit.ports import Engine, Watch
from restorekit.steps.stage import spec
from restorekit.workflow.house import House

_STAGED = frozenset({State.STAGED, State.VERIFIED, State.COMPARED, State.AWAITING_APPROVAL})


class Looking:
    """Reads staged databases and live; every look is in the audit log."""

    def __init__(self, house: House) -> None:
        self._house = house

    def peek(
        self, run_id: str, table: str, condition: str, most: int, act: Act
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Rows of a staged table, for showing at once. Raises Refused if nothing is staged."""
        engine, staged = self._open(run_id)
        self._house.catalog.audit(act)
        try:
            return engine.peek(staged.where, table, condition, most)
        finally:
            engine.cool(staged.sandbox)

    def count(self, run_id: str, table: str, condition: str, act: Act) -> int:
        """How many rows of a staged table fulfil the condition."""
        engine, staged = self._open(run_id)
        self._house.catalog.audit(act)
        try:
            return engine.count(staged.where, table, condition)
        finally:
            engine.cool(staged.sandbox)

    def rows(self, run_id: str, table: str, most: int, act: Act, watch: Watch) -> list[ShownRow]:
        """Up to `most` rows that differ between staging and live as they are now, for showing at once.

        Audited first. Raises Refused if nothing is staged, UnknownName for a table that is on neither side.
        """
        engine, staged = self._open(run_id)
        target = self._house.catalog.run(run_id).request.target
        self._house.catalog.audit(act.model_copy(update={"restore_id": staged.restore_id, "database": str(target)}))
        try:
            return engine.rows(staged.where, Where(schema_name=target.name), table, most, watch)
        finally:
            engine.cool(staged.sandbox)

    def export(self, run_id: str, out: BinaryIO, act: Act, watch: Watch) -> None:
        """A plain dump of a staged database."""
        engine, staged = self._open(run_id)
        self._house.catalog.audit(act)
        try:
            engine.export(staged.where, out, watch)
        finally:
            engine.cool(staged.sandbox)

    def capture(self, database: DatabaseId, out: BinaryIO, act: Act, watch: Watch) -> Contents:
        """A consistent dump of live with its manifest; the history remembers this state, too."""
        self._house.catalog.audit(act)
        contents = self._house.engine(database.engine).capture(database.name, out, watch)
        self._house.catalog.record_state(database, contents)
        return contents

    def live_contents(self, database: DatabaseId) -> Contents:
        """What live holds now, with fingerprints."""
        return self._house.engine(database.engine).contents(Where(schema_name=database.name))

    def _open(self, run_id: str) -> tuple[Engine, Staged]:
        run = self._house.catalog.run(run_id)
        staged = self._house.catalog.kept(run.id, Staged)
        if staged is None or run.state not in _STAGED:
            raise Refused(
                f"restore {run.id} is {run.state}: nothing is staged",
                hint="Stage it again: restorekit restore DB --point ID --until staged.",
            )
        engine = self._house.engine(run.request.target.engine)
        engine.open_sandbox(spec(run.id, self._house.need(run.id, Plan)))
        return engine, staged

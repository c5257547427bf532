"""What restorekit asks of its memory."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from restorekit.model.audit import AuditEntry
from restorekit.model.changes import LogReading, Past
from restorekit.model.contents import Contents
from restorekit.model.database import DatabaseId, KnownDatabase, Lineage, LiveDatabase
from restorekit.model.plan import Approval
from restorekit.model.point import PointState, RecoveryPoint, Scan
from restorekit.model.request import Act, Request
from restorekit.model.run import Failure, Progress, Run, State, StepRecord
from restorekit.model.value import Value

V = TypeVar("V", bound=Value)


class Catalog(Protocol):
    """Memory: points, restores, values, approvals, audit. Every mutation from a door writes its audit entry with it.

    `in_tx` is called with the transaction's connection (opaque here) before commit: what it does happens exactly
    if the mutation happens.
    """

    def record_scan(self, scan: Scan) -> None:
        """Store what a scan found: new and changed points, gone ones as expired (kept). Idempotent."""
        ...

    def points(self, database: DatabaseId | None = None, source: str | None = None) -> list[RecoveryPoint]:
        """Newest first; with a database, only those its present owner may see."""
        ...

    def points_for(self, database: DatabaseId, owner: str | None, at: datetime) -> list[RecoveryPoint]:
        """Points whose data surely is of the time in which `owner` (None: the owner at `at`) had this name."""
        ...

    def flag_point(self, point_id: str, state: PointState, why: str) -> None:
        """What a run found out about a point. Later scans do not undo it; a proof of level 2 or more does."""
        ...

    def proofs(self, database: DatabaseId) -> dict[str, int]:
        """Point id to the highest level proven so far."""
        ...

    def record_proof(self, run_id: str, point_id: str, level: int, contents: Contents) -> None:
        """Remember what a proof saw. Idempotent per run."""
        ...

    def last_proof(self, point_id: str) -> Contents | None:
        """What the last proof of this point saw."""
        ...

    def log_cursor(self, engine: str) -> str:
        """Where the next look at this engine's logs goes on; empty before the first."""
        ...

    def record_log(self, engine: str, reading: LogReading, since: str) -> bool:
        """Add what was read from cursor `since` on. False, and nothing kept, if another look was recorded meanwhile."""
        ...

    def record_state(self, database: DatabaseId, contents: Contents) -> None:
        """Remember rows and fingerprints per table at `contents.taken_at` (no objects). Idempotent."""
        ...

    def past(self, database: DatabaseId, since: datetime | None = None) -> Past:
        """All that is known to have happened to it: from logs, and the states seen, oldest first."""
        ...

    def record_lineage(self, fact: Lineage) -> None:
        """A dated fact: owner, move or rename. Idempotent."""
        ...

    def record_live(self, engine: str, host: str, found: Sequence[LiveDatabase]) -> None:
        """All that an engine lists now; what it listed before is kept as not live."""
        ...

    def find(self, words: str) -> list[KnownDatabase]:
        """Databases in which every word occurs (engine, name, owner, host, the name before), ignoring case."""
        ...

    def lineage(self, database: DatabaseId) -> list[Lineage]:
        """Facts about this name, oldest first."""
        ...

    def request(self, request: Request, values: Sequence[Value], act: Act, in_tx: Callable[[Any, str], None]) -> str:
        """Create a run with its first values; `in_tx(connection, run_id)`. Raises RestoreActive. Returns the run id."""
        ...

    def run(self, run_id: str) -> Run:
        """By id or unique beginning of one; raises UnknownName, NeedsChoice."""
        ...

    def runs(self, database: DatabaseId | None = None, *, active: bool = False, limit: int = 50) -> list[Run]:
        """Newest first."""
        ...

    def count_runs(self, database: DatabaseId, since: datetime) -> int:
        """How many restores of this database were requested at or after `since` (quota)."""
        ...

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

        Raises Refused, and Cancelled instead of resting or swapping when a cancel was asked for.
        """
        ...

    def keep(self, run_id: str, value: Value) -> None:
        """Store a value of this run under its class; a second one replaces the first."""
        ...

    def kept(self, run_id: str, kind: type[V]) -> V | None:
        """The stored value of that class."""
        ...

    def approve(self, approval: Approval, act: Act, in_tx: Callable[[Any], None]) -> None:
        """Store the approval and move awaiting_approval to approved. Raises ApprovalNeeded in any other state.

        The same approval again changes nothing and calls nothing.
        """
        ...

    def resume(self, run_id: str, state: State, in_tx: Callable[[Any], None]) -> bool:
        """Move a waiting run on to `state`; `in_tx` queues its work. False, and nothing done, if it waits no more."""
        ...

    def ask_undo(self, run_id: str, act: Act, in_tx: Callable[[Any], None]) -> None:
        """Move swapped to undoing. Raises UndoImpossible in any other state, RestoreActive for a second run."""
        ...

    def ask_cancel(self, run_id: str, act: Act, in_tx: Callable[[Any], None]) -> None:
        """Note the wish. Only a run that rests moves to cancelling, and only then `in_tx` is called.

        Raises Refused once the swap has begun and after the end.
        """
        ...

    def cancel_asked(self, run_id: str) -> bool:
        """True if somebody asked for it."""
        ...

    def note_step(self, run_id: str, step: str, outcome: str | None) -> None:
        """A step began (outcome None) or ended."""
        ...

    def steps(self, run_id: str) -> list[StepRecord]:
        """In order."""
        ...

    def note_progress(self, run_id: str, progress: Progress) -> None:
        """How far the running phase is."""
        ...

    def audit(self, act: Act) -> None:
        """Write one entry on its own."""
        ...

    def audit_entries(self, database: str = "", limit: int = 100) -> list[AuditEntry]:
        """The last entries, oldest first."""
        ...

    def audit_export(self) -> Iterator[str]:
        """The chain as JSON lines, persons as references; verifiable without a database."""
        ...

    def erase_person(self, name: str, act: Act) -> None:
        """Forget the name behind its reference, everywhere; the chain still verifies. Raises UnknownName."""
        ...

    def audit_head(self) -> tuple[str, int]:
        """Hash and sequence number of the last entry."""
        ...

    def audit_verify(self, against: tuple[str, int] | None = None) -> int:
        """Number of entries; raises AuditBroken. `against` is a head and count seen earlier (a receipt's)."""
        ...

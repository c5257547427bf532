"""What restorekit asks of the world. Duties (retry, idempotence, permanent errors) stand on each method.

A step takes the narrowest protocol. `Temporary` errors may be retried by a wrapper where the docstring says
"safe to repeat"; everything else is permanent for this call.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, BinaryIO, Protocol, TypeVar

from restorekit.model.artifact import Loaded
from restorekit.model.audit import AuditEntry
from restorekit.model.contents import Contents
from restorekit.model.database import DatabaseId, KnownDatabase, Lineage, LiveDatabase, Where
from restorekit.model.difference import TableDifference
from restorekit.model.exchange import Exchanged, ExchangeOrder, Finding, Promoted, Settled
from restorekit.model.plan import Approval
from restorekit.model.point import Compression, Format, PointState, RecoveryPoint, Scan
from restorekit.model.request import Act, Request
from restorekit.model.run import Failure, Progress, Run, State, StepRecord
from restorekit.model.staged import Sandbox, SandboxSpec
from restorekit.model.value import Value
from restorekit.model.verdict import Check

V = TypeVar("V", bound=Value)


class Clock(Protocol):
    """The time, always aware."""

    def now(self) -> datetime:
        """Now, with a zone."""
        ...


class Watch(Protocol):
    """How a long operation tells how far it is and learns that it should stop."""

    def progress(self, phase: str, done: int, total: int | None, unit: str = "bytes") -> None:
        """Report; cheap enough to call per chunk."""
        ...

    def check(self) -> None:
        """Raise `Cancelled` if somebody asked for it."""
        ...


class Delivery(Protocol):
    """The bytes of one recovery point, read once from front to end."""

    size: int | None
    """Bytes that must come, if the source knows."""

    def read(self, most: int) -> bytes:
        """Up to `most` bytes; b"" at the end. Raises SourceDamaged, SourceUnavailable."""
        ...

    def finish(self) -> bool:
        """Called after the last read: True if the source's own digests hold for what was read.

        False if it has none. Raises SourceDamaged or SourceUnavailable when the medium or its process
        ended badly. Until this returned, the reader must not let its last bytes take effect.
        """
        ...


class Source(Protocol):
    """A place where backups rest. It only delivers; it never writes to the medium."""

    name: str

    def check(self) -> list[Finding]:
        """Is everything in place (tool, credentials, medium)? Read-only, safe to repeat."""
        ...

    def scan(self, known: Sequence[RecoveryPoint]) -> Scan:
        """Look for points; `known` are those of the last scan. Costs a listing when nothing is new. Safe to repeat.

        What is damaged or does not fit any layout is reported in the Scan, never dropped. Raises
        SourceUnavailable; ConfigError for a wrong password.
        """
        ...

    def deliver(self, point: RecoveryPoint, watch: Watch) -> AbstractContextManager[Delivery]:
        """Open the point's bytes. Leaving the context ends every process it started.

        Raises PointExpired when the point is gone, SourceUnavailable, SourceDamaged. Not to be repeated in
        the middle: a broken stream restarts the whole step.
        """
        ...

    def manifest(self, point: RecoveryPoint) -> bytes | None:
        """The manifest lying beside the point (JSON of Contents), or None. Safe to repeat."""
        ...


class Sandboxing(Protocol):
    """Throw-away servers in folders."""

    kind: str

    def open_sandbox(self, spec: SandboxSpec) -> Sandbox:
        """Create the sandbox of that id, or find it again and start its server. Idempotent, safe to repeat.

        Raises EngineUnavailable, DiskFull.
        """
        ...

    def cool(self, sandbox: Sandbox) -> None:
        """Stop its server, keep the folder. Idempotent."""
        ...

    def discard(self, sandbox: Sandbox) -> None:
        """Stop its server and delete the folder. Idempotent."""
        ...


class Loading(Protocol):
    """Bytes of a backup become a database in a sandbox."""

    def load(self, sandbox: Sandbox, stream: Iterable[bytes], form: tuple[Format, Compression], watch: Watch) -> Loaded:
        """Drop and recreate the sandbox's schema, then load `stream` into it. Safe to repeat with a fresh stream.

        An exception raised by iterating the stream passes through, and nothing half-read takes effect.
        Raises DumpRefused (a statement that must not run), LoadFailed, DumpIncomplete (ends inside a
        statement), DiskFull, EngineUnavailable. A missing end marker is not an error here: `complete` says so.
        """
        ...

    def witness(self, sandbox: Sandbox, loaded: Loaded) -> list[Check]:
        """Compare what the stream announced with what the sandbox holds (level 5 checks). Safe to repeat."""
        ...


class Describing(Protocol):
    """What a database holds."""

    def databases(self) -> list[LiveDatabase]:
        """All customer databases on live (never our own schemas). Safe to repeat. Raises EngineUnavailable."""
        ...

    def settings(self, schema_name: str) -> dict[str, str]:
        """Live's settings that a sandbox must share. Works for a schema that does not exist, too."""
        ...

    def contents(self, where: Where, tables: frozenset[str] | None = None, *, fingerprints: bool = True) -> Contents:
        """Describe the database (or only `tables`) in one consistent read. Raises UnknownName if absent."""
        ...

    def sound(self, where: Where) -> list[Check]:
        """Level 4: integrity, foreign key orphans, sequences, definers exist on live. Safe to repeat."""
        ...

    def ask(self, where: Where, sql: str, timeout_s: float) -> list[tuple[Any, ...]]:
        """Run one read-only customer check in a sandbox as a powerless user. Raises ProofFailed on error."""
        ...

    def samples(self, where: Where, most: int) -> list[str]:
        """Up to `most` short non-ASCII text fragments per text table (masked), to show the encoding."""
        ...


class Comparing(Protocol):
    """Two states of one database."""

    def compare(
        self, staging: Where, live: Where, tables: Sequence[str], most_rows: int, watch: Watch
    ) -> list[TableDifference]:
        """Differences of `tables` (on either side), by chunk, then by row; totals exact, `most_rows` rows kept each."""
        ...

    def count(self, where: Where, table: str, condition: str) -> int:
        """How many rows fulfil `condition` (all if empty). Same duties as peek."""
        ...

    def peek(self, where: Where, table: str, condition: str, most: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and up to `most` rows, for showing at once; never stored. Runs as a powerless user."""
        ...


class Exchanging(Protocol):
    """Proven data becomes live in one step, and back."""

    def preflight(self, order: ExchangeOrder) -> list[Finding]:
        """Everything that speaks against this exchange. Read-only, safe to repeat."""
        ...

    def promote(self, order: ExchangeOrder, watch: Watch) -> Promoted:
        """Carry the order's tables beside live, fingerprint them again there. Drops and recreates its holding copy."""
        ...

    def exchange(self, order: ExchangeOrder, promoted: Promoted, watch: Watch) -> Exchanged:
        """Make it live. A rerun reads the marker first: done once, it returns the same answer.

        Raises LiveChanged, GateTimeout, BackupRunning, PreflightRefused: live is as before in each case.
        """
        ...

    def undo(self, exchanged: Exchanged, order_id: str, policy_dead_man_s: float, watch: Watch) -> Exchanged:
        """Bring back exactly what was there; the answer names what keeps the other side. A rerun is safe."""
        ...

    def settle(self) -> list[Settled]:
        """Finish or take back every unfinished exchange, reopen gates. Called at each worker start. Idempotent."""
        ...

    def outcome(self, order_id: str) -> Exchanged | None:
        """How that exchange ended: what it did, or None if live is as before. Unfinished, it is settled first.

        Safe to repeat, always with the same answer. Raises EngineUnavailable: then nobody can say.
        """
        ...

    def drop_holding(self, order_id: str) -> None:
        """Remove the holding copy of an order that was not exchanged. Idempotent; never touches undo copies."""
        ...

    def retire(self, exchanged: Exchanged) -> None:
        """Delete the undo copy for good. Idempotent. The only deletion of something of value."""
        ...


class Capturing(Protocol):
    """A dump and its manifest out of one snapshot."""

    def capture(self, schema_name: str, out: BinaryIO, watch: Watch) -> Contents:
        """Write a consistent dump of live with its manifest inside (where the format has room) to `out`."""
        ...

    def export(self, where: Where, out: BinaryIO, watch: Watch) -> None:
        """Write a plain dump of a staged database to `out`."""
        ...


class Engine(Sandboxing, Loading, Describing, Comparing, Exchanging, Capturing, Protocol):
    """One database kind on one server."""

    name: str

    def check(self) -> list[Finding]:
        """For doctor: tools, rights (each missing one with what becomes impossible), settings. Read-only."""
        ...


class Stream(Protocol):
    """An iterable of chunks whose last chunk comes only after the source has ended well."""

    def __iter__(self) -> Iterator[bytes]:
        """The chunks."""
        ...


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

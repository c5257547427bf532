"""What restorekit asks of database servers. A step takes the narrowest protocol."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from restorekit.model.artifact import Loaded
from restorekit.model.changes import LogReading
from restorekit.model.contents import Contents
from restorekit.model.database import LiveDatabase, Where
from restorekit.model.difference import TableDifference
from restorekit.model.exchange import Exchanged, ExchangeOrder, Finding, Promoted, Settled
from restorekit.model.pick import Pick
from restorekit.model.point import Compression, Format
from restorekit.model.shown import Choice, Conditions, ShownRow
from restorekit.model.staged import Sandbox, SandboxSpec
from restorekit.model.verdict import Check
from restorekit.ports.around import Watch


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
        """Differences of `tables` (on either side), by chunk, then by row; totals exact, `most_rows` rows kept each.

        Which rows differ, by key and keyed to the state of both sides, stays in the sandbox for `choose`.
        """
        ...

    def choose(self, staging: Where, live: Where, pick: Pick, conditions: Conditions | None, watch: Watch) -> Choice:
        """Choose among the rows that the last `compare` found in `pick.tables`; the choice stays in the sandbox.

        Closed over foreign keys: rows of the backup that chosen ones need, and live lacks, are pulled in from any table
        compared. `conditions` are SQL about one row of a table (None: those of the last choice), asked as a powerless
        user: of the backup's row, for rows that only live has of live's. Conflicts are resolved as the pick says;
        without a word from it nothing of theirs is chosen. Safe to repeat. Raises UsageError for a condition that
        cannot be asked, PreflightRefused where rows are needed of a table that cannot get them one by one.
        """
        ...

    def rows(self, staging: Where, live: Where, table: str, most: int, watch: Watch) -> list[ShownRow]:
        """The first `most` rows of `table` that differ, read anew with their values, for showing at once; never stored.

        Both sides as they are now: live may have moved on since `compare`. Raises UnknownName if neither has it.
        """
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
        """Carry the order's tables, and the rows chosen of others, beside live; prove them again there.

        Drops and recreates its holding copy. Raises ProofFailed if the choice is not the order's `selection`.
        """
        ...

    def exchange(self, order: ExchangeOrder, promoted: Promoted, watch: Watch) -> Exchanged:
        """Make it live. A rerun reads the marker first: done once, it returns the same answer.

        Rows chosen are written in one transaction, before tables change places; what they replace is kept first. A row
        that is not as it was shown any more is left alone and counted where `accept_changes` or the policy allows that.

        Raises LiveChanged, GateTimeout, BackupRunning, PreflightRefused: live is as before in each case.
        """
        ...

    def undo(self, exchanged: Exchanged, order_id: str, policy_dead_man_s: float, watch: Watch) -> Exchanged:
        """Bring back exactly what was there; the answer names what keeps the other side. A rerun is safe.

        Of tables whose rows were written one by one exactly these go back; all that was written beside them stays.
        """
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


class Extraction(Protocol):
    """A stream taken out of a data directory; read as a source's `Delivery` is. `form` is what `load` needs."""

    form: tuple[Format, Compression]
    size: int | None

    def read(self, most: int) -> bytes:
        """Up to `most` bytes; b"" at the end."""
        ...

    def finish(self) -> bool:
        """Called after the last read; False, for a dump has no digest of its own. Raises if it did not end well."""
        ...


class Extracting(Protocol):
    """One database out of a whole data directory."""

    def extract(self, datadir: Path, schema_name: str, watch: Watch) -> AbstractContextManager[Extraction]:
        """Recover the engine's data in `datadir`, a copy nobody else uses, and stream one database of it.

        A server of the same version as the data starts in it on its own socket, without network, events and
        replication, as an unprivileged user, and is stopped when the context is left. The stream carries the manifest
        of what that server held. Raises PointUnusable (another version, no such database), SourceDamaged (it cannot
        be recovered), DiskFull, EngineUnavailable.
        """
        ...


class Chronicling(Protocol):
    """What changed: by the engine's logs, or by the states it is seen in."""

    def changes(self, cursor: str) -> LogReading:
        """Read the engine's logs from where `cursor` (empty: the oldest there is) ended. Safe to repeat.

        Whole transactions only. What cannot be read is a hole and a sentence in the answer, never "no change".
        Raises EngineUnavailable, and UsageError for a cursor of another engine.
        """
        ...


class Engine(Sandboxing, Loading, Describing, Comparing, Exchanging, Capturing, Extracting, Chronicling, Protocol):
    """One database kind on one server."""

    name: str

    def check(self) -> list[Finding]:
        """For doctor: tools, rights (each missing one with what becomes impossible), settings. Read-only."""
        ...

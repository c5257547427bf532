"""MariaDB 10.11: the provider puts its parts together; each duty has its own file."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

from restorekit import ports
from restorekit.engines.mariadb import (
    binlog,
    capture,
    checks,
    compare,
    connect,
    contents,
    exchange,
    extract,
    load,
    query,
    server,
    showing,
    soundness,
    witness,
)
from restorekit.engines.mariadb import sandbox as sandboxes
from restorekit.engines.mariadb.delta import choosing
from restorekit.engines.mariadb.live import Live
from restorekit.model.artifact import Loaded
from restorekit.model.changes import LogReading
from restorekit.model.contents import Contents
from restorekit.model.database import LiveDatabase, Where
from restorekit.model.difference import TableDifference
from restorekit.model.exchange import Exchanged, ExchangeOrder, Finding, Promoted, Settled
from restorekit.model.home import Home
from restorekit.model.pick import Pick
from restorekit.model.point import Compression, Format
from restorekit.model.shown import Choice, Conditions, ShownRow
from restorekit.model.staged import Sandbox, SandboxSpec
from restorekit.model.verdict import Check


class MariaDB:
    """One live server and its sandboxes; the duties of each method stand in `ports.Engine`."""

    kind = "mariadb"
    Settings = connect.Settings

    def __init__(self, name: str, settings: connect.Settings, home: Home) -> None:
        """The engine `name` of the configuration."""
        self.name = name
        self._settings = settings
        self._home = home
        self._live = Live(name, settings, home)

    @connect.told_plainly()
    def check(self) -> list[Finding]:
        """Tools, rights and settings, for doctor."""
        return checks.check(self._live)

    # ---- sandboxes ----

    def open_sandbox(self, spec: SandboxSpec) -> Sandbox:
        """A running sandbox."""
        opened = sandboxes.open_sandbox(self._settings, self._home, spec)
        return opened.model_copy(update={"engine": self.name})

    def cool(self, sandbox: Sandbox) -> None:
        """Stop it."""
        sandboxes.cool(sandbox)

    def discard(self, sandbox: Sandbox) -> None:
        """Delete it."""
        sandboxes.discard(sandbox)

    # ---- loading ----

    @connect.told_plainly()
    def load(
        self, sandbox: Sandbox, stream: Iterable[bytes], form: tuple[Format, Compression], watch: ports.Watch
    ) -> Loaded:
        """Bytes become a database."""
        return load.load(self._settings, self._home, sandbox, stream, form, watch)

    @connect.told_plainly()
    def witness(self, sandbox: Sandbox, loaded: Loaded) -> list[Check]:
        """What the stream announced against what is there."""
        return witness.witness(self._settings, self._home, sandbox, loaded)

    # ---- description ----

    @connect.told_plainly()
    def databases(self) -> list[LiveDatabase]:
        """Customers' databases."""
        return server.databases(self._live)

    @connect.told_plainly()
    def settings(self, schema_name: str) -> dict[str, str]:
        """What a sandbox must share."""
        return server.settings(self._live, schema_name)

    @connect.told_plainly()
    def contents(self, where: Where, tables: frozenset[str] | None = None, *, fingerprints: bool = True) -> Contents:
        """One consistent read."""
        return contents.contents(self._live, where, tables, fingerprints=fingerprints)

    @connect.told_plainly()
    def sound(self, where: Where) -> list[Check]:
        """Level 4."""
        return soundness.sound(self._live, where)

    def ask(self, where: Where, sql: str, timeout_s: float) -> list[tuple[Any, ...]]:
        """A customer's question."""
        return query.ask(self._live, where, sql, timeout_s)

    @connect.told_plainly()
    def samples(self, where: Where, most: int) -> list[str]:
        """Masked umlauts."""
        return query.samples(self._live, where, most)

    # ---- comparison ----

    @connect.told_plainly()
    def compare(
        self, staging: Where, live: Where, tables: Sequence[str], most_rows: int, watch: ports.Watch
    ) -> list[TableDifference]:
        """Table by table."""
        return compare.compare(self._live, staging, live, tables, most_rows, watch)

    @connect.told_plainly()
    def choose(
        self, staging: Where, live: Where, pick: Pick, conditions: Conditions | None, watch: ports.Watch
    ) -> Choice:
        """Which rows of a difference."""
        return choosing.choose(self._live, (staging, live), pick, conditions, watch)

    @connect.told_plainly()
    def rows(self, staging: Where, live: Where, table: str, most: int, watch: ports.Watch) -> list[ShownRow]:
        """The first rows that differ, with their values."""
        return showing.shown(self._live, (staging, live), table, most, watch)

    @connect.told_plainly()
    def peek(self, where: Where, table: str, condition: str, most: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """A look into a table."""
        return query.peek(self._live, where, table, condition, most)

    @connect.told_plainly()
    def count(self, where: Where, table: str, condition: str) -> int:
        """How many rows."""
        return query.count(self._live, where, table, condition)

    # ---- exchange ----

    @connect.told_plainly()
    def preflight(self, order: ExchangeOrder) -> list[Finding]:
        """What speaks against it."""
        return exchange.preflight(self._live, order)

    @connect.told_plainly()
    def promote(self, order: ExchangeOrder, watch: ports.Watch) -> Promoted:
        """Beside live, and proven there."""
        return exchange.promote(self._live, order, watch)

    def exchange(self, order: ExchangeOrder, promoted: Promoted, watch: ports.Watch) -> Exchanged:
        """One step."""
        return exchange.exchange(self._live, order, promoted, watch)

    def undo(self, exchanged: Exchanged, order_id: str, policy_dead_man_s: float, watch: ports.Watch) -> Exchanged:
        """One step back."""
        return exchange.undo(self._live, exchanged, order_id, policy_dead_man_s, watch)

    def settle(self) -> list[Settled]:
        """What somebody left behind."""
        return exchange.settle(self._live)

    def outcome(self, order_id: str) -> Exchanged | None:
        """How one exchange ended."""
        return exchange.outcome(self._live, order_id)

    @connect.told_plainly()
    def drop_holding(self, order_id: str) -> None:
        """The copy that was not needed."""
        exchange.drop_holding(self._live, order_id)

    def retire(self, exchanged: Exchanged) -> None:
        """The undo copy, for good."""
        exchange.retire(self._live, exchanged)

    # ---- capture ----

    @connect.told_plainly()
    def capture(self, schema_name: str, out: BinaryIO, watch: ports.Watch) -> Contents:
        """Dump and manifest."""
        return capture.capture(self._live, schema_name, out, watch)

    @connect.told_plainly()
    def export(self, where: Where, out: BinaryIO, watch: ports.Watch) -> None:
        """A plain dump."""
        capture.export(self._live, where, out, watch)

    def extract(self, datadir: Path, schema_name: str, watch: ports.Watch) -> AbstractContextManager[ports.Extraction]:
        """One database out of a copied data directory."""
        return extract.extract(self._settings, self._home, datadir, schema_name, watch)

    # ---- logs ----

    def changes(self, cursor: str) -> LogReading:
        """What the binary logs say."""
        return binlog.changes(self._live, cursor)


PROVIDER = MariaDB

_conforms: type[ports.Engine] = MariaDB
"""The type checker compares every method with the port."""

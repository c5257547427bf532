"""MariaDB 10.11: the provider puts its parts together; each duty has its own file."""

from collections.abc import Sequence
from typing import Any, BinaryIO

from restorekit import ports
from restorekit.engines.mariadb import (
    capture,
    checks,
    compare,
    connect,
    contents,
    query,
    sandbox,
    server,
    soundness,
)
from restorekit.engines.mariadb.live import Live
from restorekit.model.contents import Contents
from restorekit.model.database import LiveDatabase, Where
from restorekit.model.difference import TableDifference
from restorekit.model.exchange import Finding
from restorekit.model.home import Home
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

    def check(self) -> list[Finding]:
        """Tools, rights and settings, for doctor."""
        return checks.check(self._live)

    # ---- sandboxes ----

    def open_sandbox(self, spec: SandboxSpec) -> Sandbox:
        """A running sandbox."""
        opened = sandbox.open_sandbox(self._settings, self._home, spec)
        return opened.model_copy(update={"engine": self.name})

    def cool(self, opened: Sandbox) -> None:
        """Stop it."""
        sandbox.cool(opened)

    def discard(self, opened: Sandbox) -> None:
        """Delete it."""
        sandbox.discard(opened)

    # ---- description ----

    def databases(self) -> list[LiveDatabase]:
        """Customers' databases."""
        return server.databases(self._live)

    def settings(self, schema_name: str) -> dict[str, str]:
        """What a sandbox must share."""
        return server.settings(self._live, schema_name)

    def contents(self, where: Where, tables: frozenset[str] | None = None, *, fingerprints: bool = True) -> Contents:
        """One consistent read."""
        return contents.contents(self._live, where, tables, fingerprints=fingerprints)

    def sound(self, where: Where) -> list[Check]:
        """Level 4."""
        return soundness.sound(self._live, where)

    def ask(self, where: Where, sql: str, timeout_s: float) -> list[tuple[Any, ...]]:
        """A customer's question."""
        return query.ask(self._live, where, sql, timeout_s)

    def samples(self, where: Where, most: int) -> list[str]:
        """Masked umlauts."""
        return query.samples(self._live, where, most)

    # ---- comparison ----

    def compare(
        self, staging: Where, live: Where, tables: Sequence[str], most_rows: int, watch: ports.Watch
    ) -> list[TableDifference]:
        """Table by table."""
        return compare.compare(self._live, staging, live, tables, most_rows, watch)

    def peek(self, where: Where, table: str, condition: str, most: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """A look into a table."""
        return query.peek(self._live, where, table, condition, most)

    # ---- capture ----

    def capture(self, schema_name: str, out: BinaryIO, watch: ports.Watch) -> Contents:
        """Dump and manifest."""
        return capture.capture(self._live, schema_name, out, watch)

    def export(self, where: Where, out: BinaryIO, watch: ports.Watch) -> None:
        """A plain dump."""
        capture.export(self._live, where, out, watch)


PROVIDER = MariaDB

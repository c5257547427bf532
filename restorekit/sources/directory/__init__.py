"""Backups lying as files in a folder: plain or compressed SQL dumps, dumps of many databases, SQLite files.

Beside a backup `F` may lie `F.sha256` (its digest, as sha256sum writes it; checked at every delivery) and
`F.manifest.json` (what it holds). Files that are still being written are not offered.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field

from restorekit import ports
from restorekit.errors import RestorekitError
from restorekit.formats.folder.deliver import opened, sidecar
from restorekit.formats.folder.files import walk
from restorekit.formats.multidump import Shelf
from restorekit.formats.naming import NamingSettings, Rules
from restorekit.model.exchange import Finding
from restorekit.model.home import Home
from restorekit.model.point import RecoveryPoint, Scan
from restorekit.sources.directory.scan import Scanner


class DirectorySettings(NamingSettings):
    """`path` is the folder; a file changed less than `quiet_s` seconds ago counts as being written."""

    path: Path
    quiet_s: float = Field(default=5, ge=0)


class Directory(ports.AtHand):
    """A folder of backups as a source."""

    Settings = DirectorySettings

    def __init__(self, name: str, settings: DirectorySettings, home: Home) -> None:
        """Raises ConfigError for a bad layout or time zone."""
        self.name = name
        self._root = home.base / settings.path
        self._quiet_s = settings.quiet_s
        self._rules = Rules(settings, home.timezone, name, anchored=True)
        self._shelf = Shelf(home.cache / "sources" / name / "index")

    def check(self) -> list[Finding]:
        """One finding: the folder can be read and how many files in it fit a layout, or why not."""
        try:
            files = walk(self._root).files
        except RestorekitError as error:
            return [Finding(severity="refuse", code=error.code, text=error.message, hint=error.hint)]
        fitting = sum(self._rules.read(f.key) is not None for f in files)
        text = f"{self._root}: {fitting} of {len(files)} files fit the layout"
        if fitting:
            return [Finding(severity="ok", code="directory", text=text)]
        return [Finding(severity="warn", code="directory", text=text, hint=f"Compare sources.{self.name}.layout.")]

    def scan(self, known: Sequence[RecoveryPoint]) -> Scan:
        """See `ports.Source.scan`. Only new and changed files are opened."""
        return Scanner(self.name, self._root, self._rules, self._shelf, self._quiet_s).scan(known)

    @contextmanager
    def deliver(self, point: RecoveryPoint, watch: ports.Watch) -> Iterator[ports.Delivery]:
        """See `ports.Source.deliver`. The file must still be the one that was scanned, to the last byte read."""
        with opened(self._root, point, self._shelf, watch) as delivery:
            yield delivery

    def manifest(self, point: RecoveryPoint) -> bytes | None:
        """`F.manifest.json`; None where there is none, or where F holds many databases."""
        if "database" in point.locator:
            return None
        return sidecar(self._root, point.locator["path"], ".manifest.json")


PROVIDER = Directory
_conforms: type[ports.Source] = Directory

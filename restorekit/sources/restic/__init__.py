"""A restic repository as a source (restic 0.14 or newer), strictly read-only.

A manifest is looked for in the same snapshot as `F.manifest.json` beside F. Where a snapshot holds a single
file, it may lie in a snapshot of its own, tagged `manifest-of=<id of the first>` (at least 8 digits of it).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import model_validator

from restorekit import ports
from restorekit.errors import RestorekitError
from restorekit.formats.multidump import Shelf
from restorekit.formats.naming import NamingSettings, Rules
from restorekit.model.exchange import Finding
from restorekit.model.home import Home
from restorekit.model.point import RecoveryPoint, Scan
from restorekit.sources.restic.deliver import opened
from restorekit.sources.restic.medium import Medium
from restorekit.sources.restic.points import MANIFEST, Maker
from restorekit.sources.restic.scan import Memory, Scanner
from restorekit.sources.restic.tool import Tool, Unwatched


class ResticSettings(NamingSettings):
    """`repository` as restic takes it; `restic` is the binary; only snapshots with all `tags` are looked at.

    `s3_credentials_file` is an INI as AWS tools write it, for repositories that begin with `s3:`.
    """

    repository: str
    password_file: Path | None = None
    password_command: str | None = None
    s3_credentials_file: Path | None = None
    restic: str = "restic"
    tags: list[str] = []
    cache: Path | None = None

    @model_validator(mode="after")
    def _one_password(self) -> "ResticSettings":
        if (self.password_file is None) == (self.password_command is None):
            msg = "set exactly one of password_file and password_command"
            raise ValueError(msg)
        return self


class Restic(ports.AtHand):
    """A restic repository as a source."""

    Settings = ResticSettings

    def __init__(self, name: str, settings: ResticSettings, home: Home) -> None:
        """Raises ConfigError for a bad layout or time zone."""
        self.name = name
        cache = home.base / settings.cache if settings.cache else home.cache / "sources" / name
        file = home.base / settings.password_file if settings.password_file else None
        password = (file, settings.password_command)
        repository = _placed(settings.repository, home.base)
        s3 = home.base / settings.s3_credentials_file if settings.s3_credentials_file else None
        self._tool = Tool(settings.restic, repository, password, cache / "restic", s3)
        self._medium = Medium(self._tool)
        self._rules = Rules(settings, home.timezone, name)
        self._tags = settings.tags
        self._shelf = Shelf(cache / "index")
        self._seen = cache / "seen.json"

    def check(self) -> list[Finding]:
        """Tool and its version; that the password opens the repository; how many snapshots there are."""
        try:
            version = ".".join(map(str, self._tool.version()))
            ids = self._medium.ids()
            with self._tool.explained(repr(self._tool)):
                self._tool.ask("cat", "config")
        except RestorekitError as error:
            return [Finding(severity="refuse", code=error.code, text=error.message, hint=error.hint)]
        return [Finding(severity="ok", code="restic", text=f"restic {version}, {self._tool!r}: {len(ids)} snapshots")]

    def scan(self, known: Sequence[RecoveryPoint]) -> Scan:
        """See `ports.Source.scan`. Without new snapshots no restic is started for a local repository."""
        memory = Memory(self._seen, f"{self._rules.digest} {sorted(self._tags)}")
        maker = Maker(self.name, self._medium, self._rules, self._shelf)
        return Scanner(self._medium, maker, self._rules, memory, self._tags).scan(self.name, known)

    @contextmanager
    def deliver(self, point: RecoveryPoint, watch: ports.Watch) -> Iterator[ports.Delivery]:
        """See `ports.Source.deliver`."""
        with opened(self._medium, point, self._shelf, watch) as delivery:
            yield delivery

    def manifest(self, point: RecoveryPoint) -> bytes | None:
        """`F.manifest.json` of the same snapshot, or of one tagged as its manifest. Raises what `deliver` raises."""
        if "database" in point.locator:
            return None
        if path := point.locator.get("manifest"):
            return b"".join(self._medium.stream(point.locator["snapshot"], path, Unwatched()))
        snapshot, wanted = point.locator["snapshot"], point.locator["path"] + MANIFEST
        for record in self._medium.tagged([f"manifest-of={snapshot}", f"manifest-of={snapshot[:8]}"]):
            for node in self._medium.files([record.id], ["*" + MANIFEST])[0].get(record.id, []):
                if wanted.endswith(node.path):
                    return b"".join(self._medium.stream(record.id, node.path, Unwatched()))
        return None


def _placed(repository: str, base: Path) -> str:
    """A relative folder starts at the configuration's; everything with a scheme is restic's affair."""
    return repository if ":" in repository else str(base / repository)


PROVIDER = Restic
_conforms: type[ports.Source] = Restic

"""A Bacula or Bareos tape library as a source: the catalog says what there is, the director restores it.

Bacula 5 and newer and Bareos, with the catalog in SQLite or PostgreSQL. Dumps lie on tape as whole files, so a point
needs only its own job; the chain it belongs to stands in its locator.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from restorekit import ports
from restorekit.errors import RestorekitError
from restorekit.formats.naming import Rules
from restorekit.model.exchange import Finding
from restorekit.model.home import Home
from restorekit.model.point import RecoveryPoint, Scan
from restorekit.model.readiness import Readiness
from restorekit.sources.bacula.catalog import Catalog
from restorekit.sources.bacula.points import Maker
from restorekit.sources.bacula.scan import Memory, Scanner, Selection
from restorekit.sources.bacula.settings import BaculaSettings
from restorekit.sources.bacula.tapes import Tapes


class Bacula:
    """A tape library as a source."""

    Settings = BaculaSettings

    def __init__(self, name: str, settings: BaculaSettings, home: Home) -> None:
        """Raises ConfigError for a bad layout or time zone."""
        self.name = name
        self._settings = settings
        self._catalog = Catalog(name, settings, home)
        self._rules = Rules(settings, home.timezone, name)
        self._seen = home.cache / "sources" / name / "seen.json"
        self._tapes = Tapes(name, settings, home, self._catalog)

    def check(self) -> list[Finding]:
        """What the catalog is, how many backups it lists, and whether the director can be asked to restore."""
        try:
            jobs = len(self._catalog.listing().jobs)
            product = self._catalog.dialect.product
        except RestorekitError as error:
            return [Finding(severity="refuse", code=error.code, text=error.message, hint=error.hint)]
        text = f"{self._catalog!r} of {product}: {jobs} backup jobs"
        return [Finding(severity="ok", code="catalog", text=text), *self._tapes.check()]

    def scan(self, known: Sequence[RecoveryPoint]) -> Scan:
        """See `ports.Source.scan`. A catalog in which nothing changed costs a listing of its jobs."""
        settings, rules = self._settings, self._rules
        selection = Selection(frozenset(settings.jobs), frozenset(settings.clients))
        told = (sorted(selection.jobs), sorted(selection.clients), settings.offsite, settings.accept_bpipe_writer)
        memory = Memory(self._seen, f"{rules.digest} {told!r}")
        maker = Maker(self.name, rules, settings.offsite, trusts_writers=settings.accept_bpipe_writer)
        return Scanner(self.name, self._catalog, maker, memory, rules.zone).scan(known, selection)

    def readiness(self, points: Sequence[RecoveryPoint]) -> list[Readiness]:
        """See `ports.Source.readiness`."""
        return self._tapes.readiness(points)

    def warm(self, points: Sequence[RecoveryPoint], way: str, watch: ports.Watch) -> list[Readiness]:  # noqa: ARG002
        """See `ports.Source.warm`. There is one way: a drive reads the tapes into the spool."""
        return self._tapes.warm(points, watch)

    def cool(self, point: RecoveryPoint) -> None:
        """See `ports.Source.cool`."""
        self._tapes.cool(point)

    @contextmanager
    def deliver(self, point: RecoveryPoint, watch: ports.Watch) -> Iterator[ports.Delivery]:
        """See `ports.Source.deliver`."""
        with self._tapes.deliver(point, watch) as delivery:
            yield delivery

    def manifest(self, point: RecoveryPoint) -> bytes | None:  # noqa: ARG002
        """None: a file beside it would cost another tape; dumps carry theirs inside."""
        return None


PROVIDER = Bacula
_conforms: type[ports.Source] = Bacula

"""What lies on the shelves: databases, recovery points, scans. Reading only, except for the catalog's memory."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import ValidationError

from restorekit.errors import NeedsChoice, RestorekitError, UnknownName
from restorekit.model.contents import Contents
from restorekit.model.database import DatabaseId, LiveDatabase
from restorekit.model.point import PointState, Quality, RecoveryPoint, Scan
from restorekit.model.request import Request
from restorekit.settings import Settings
from restorekit.workflow.house import House

_MOST_ASKED = 6


@dataclass(frozen=True)
class Stock:
    """One database in the inventory: live or not, its points, and the newest ones."""

    database: DatabaseId
    customer: str
    live: LiveDatabase | None
    points: tuple[RecoveryPoint, ...]
    newest: datetime | None
    newest_proven: datetime | None
    best_level: int | None


@dataclass(frozen=True)
class Inventory:
    """All databases and points; `problems` say what could not be read, `unparsed` counts names no layout fits."""

    stocks: tuple[Stock, ...]
    problems: tuple[str, ...] = ()
    unparsed: int = 0
    scanned: dict[str, int] = field(default_factory=dict)

    @property
    def orphans(self) -> tuple[Stock, ...]:
        """Databases that have points but are not live."""
        return tuple(s for s in self.stocks if s.live is None)

    @property
    def bare(self) -> tuple[Stock, ...]:
        """Live databases without a usable point."""
        return tuple(s for s in self.stocks if s.live is not None and not _usable(s.points))


def _usable(points: Iterable[RecoveryPoint]) -> list[RecoveryPoint]:
    return [p for p in points if p.state == PointState.USABLE]


def _open_below(point: RecoveryPoint) -> bool:
    return point.state == PointState.USABLE and point.quality == Quality.BOUNDED and point.earliest is None


@dataclass(frozen=True)
class Look:
    """One look at the sources: points found per source; `errors` are of those that could not be looked at at all."""

    problems: tuple[str, ...] = ()
    unparsed: int = 0
    found: dict[str, int] = field(default_factory=dict)
    errors: tuple[RestorekitError, ...] = ()


class Shelf:
    """Sources and engines as they are now, and what the catalog remembers of them."""

    def __init__(self, house: House, settings: Settings) -> None:
        self._house = house
        self._settings = settings

    def scan(self, only: str | None = None) -> Look:
        """Look at every source (or one)."""
        if only is not None and only not in self._settings.sources:
            known = ", ".join(sorted(self._settings.sources)) or "none"
            raise UnknownName(f"there is no source {only!r}; configured: {known}")
        problems: list[str] = []
        errors: list[RestorekitError] = []
        unparsed, found = 0, {}
        for name in self._settings.sources if only is None else [only]:
            try:
                scan = self._house.source(name).scan(self._house.catalog.points(source=name))
            except RestorekitError as error:
                problems.append(f"{name}: {error.message}")
                errors.append(error)
                continue
            self._house.catalog.record_scan(scan)
            problems += [f"{name}: {p}" for p in scan.problems]
            unparsed += scan.unparsed
            found[name] = len(scan.points)
        return Look(tuple(problems), unparsed, found, tuple(errors))

    def live(self) -> tuple[dict[DatabaseId, LiveDatabase], dict[str, RestorekitError]]:
        """Every live database, and the engines that do not answer."""
        found: dict[DatabaseId, LiveDatabase] = {}
        silent: dict[str, RestorekitError] = {}
        for name in self._settings.engines:
            try:
                found |= {d.database: d for d in self._house.engine(name).databases()}
            except RestorekitError as error:
                silent[name] = error
        return found, silent

    def inventory(self, only: str | None = None) -> Inventory:
        """Scan, then everything per database."""
        look = self.scan(only)
        live, silent = self.live()
        points = self._by_database(self._house.catalog.points(source=only))
        names = sorted({*live, *points}, key=str)
        stocks = tuple(self._stock(n, live.get(n), points.get(n, [])) for n in names)
        problems = (*look.problems, *(f"{name}: {error.message}" for name, error in silent.items()))
        return Inventory(stocks=stocks, problems=problems, unparsed=look.unparsed, scanned=look.found)

    def find(self, words: str) -> list[Stock]:
        """Databases whose name, engine or customer holds every word."""
        live, _ = self.live()
        points = self._by_database(self._house.catalog.points())
        wanted = words.lower().split()
        hits = []
        for name in sorted({*live, *points}, key=str):
            text = f"{name} {self.customer(name)}".lower()
            if all(w in text for w in wanted):
                hits.append(self._stock(name, live.get(name), points.get(name, [])))
        return hits

    def identify(self, text: str) -> DatabaseId:
        """`engine/name`, or a name that only one engine or source knows.

        Raises NeedsChoice; UnknownName, or what keeps an engine from answering.
        """
        if "/" in text:
            try:
                database = DatabaseId.parse(text)
            except ValueError as error:
                raise UnknownName(str(error)) from error
            if database.engine not in self._settings.engines:
                known = ", ".join(sorted(self._settings.engines))
                raise UnknownName(
                    f"there is no engine {database.engine!r}; configured: {known}",
                    hint="See `engines` in restorekit.yaml.",
                )
            return database
        live, silent = self.live()
        remembered = {p.database for p in self._house.catalog.points()}
        hits = sorted((d for d in {*live, *remembered} if d.name == text), key=str)
        if not hits and silent:  # it may well be there
            raise next(iter(silent.values()))
        if not hits:
            raise UnknownName(
                f"no database {text!r} is live or in a backup", hint="Try `restorekit find` or `restorekit inventory`."
            )
        if len(hits) > 1:
            raise NeedsChoice(
                f"{text!r} is on more than one engine",
                hint=f"Write engine/name, for example {hits[0]}.",
                details=tuple(str(h) for h in hits),
            )
        return hits[0]

    def points(self, database: DatabaseId, *, fresh: bool = False) -> tuple[list[RecoveryPoint], tuple[str, ...]]:
        """Points of this database, newest first, and what could not be read; looks at the sources if it must.

        Where none is known and a source could not be looked at, raises what kept it from that: it may hold some.
        """
        catalog = self._house.catalog
        remembered = catalog.points(database)
        if remembered and not fresh:
            return remembered, ()
        look = self.scan()
        remembered = catalog.points(database)
        if not remembered and look.errors:
            raise look.errors[0]
        return remembered, look.problems

    def refined(self, points: list[RecoveryPoint], request: Request) -> list[RecoveryPoint]:
        """The same points, with the moment of their manifest where a lower bound is wanted and only an upper one known.

        Reading a manifest costs a look at the medium, so only the newest fitting points are asked, until one answers
        with a moment that is late enough. What was learned is remembered.
        """
        wanted = [w.at for w in request.wishes if w.role == "must_contain"]
        if not wanted or request.point_id is not None:
            return points
        upper = [w.at for w in request.wishes if w.role != "must_contain"]
        learned: dict[str, RecoveryPoint] = {}
        for point in [p for p in points if _open_below(p) and all((p.latest or at) <= at for at in upper)][
            :_MOST_ASKED
        ]:
            known = self._with_manifest(point)
            if known is None:
                continue
            learned[known.id] = known
            if known.consistent_at and known.consistent_at >= max(wanted):
                break
        for source in {p.source for p in learned.values()}:
            found = tuple(p for p in learned.values() if p.source == source)
            scan = Scan(source=source, scanned_at=self._house.clock.now(), points=found)
            self._house.catalog.record_scan(scan)
        return [learned.get(p.id, p) for p in points]

    def _with_manifest(self, point: RecoveryPoint) -> RecoveryPoint | None:
        """The point at its manifest's moment. A manifest later than the backup itself is not believed."""
        text = self._house.source(point.source).manifest(point)
        if text is None:
            return None
        try:
            manifest = Contents.model_validate_json(text)
        except ValidationError:
            return None
        taken = manifest.taken_at
        if point.latest is not None and taken > point.latest:
            return None
        update = {"consistent_at": taken, "earliest": taken, "latest": taken, "quality": Quality.CLAIMED}
        return point.model_copy(update={**update, "consistency": manifest.settings.get("consistency", "snapshot")})

    def customer(self, database: DatabaseId) -> str:
        """Who owns it, as configured or as last recorded."""
        entry = self._settings.databases.get(database.name)
        if entry is not None and entry.engine == database.engine and entry.customer:
            return entry.customer
        facts = self._house.catalog.lineage(database)
        return facts[-1].owner if facts else ""

    @staticmethod
    def _by_database(points: Iterable[RecoveryPoint]) -> dict[DatabaseId, list[RecoveryPoint]]:
        sorted_in: dict[DatabaseId, list[RecoveryPoint]] = {}
        for point in points:
            sorted_in.setdefault(point.database, []).append(point)
        return sorted_in

    def _stock(self, name: DatabaseId, live: LiveDatabase | None, points: list[RecoveryPoint]) -> Stock:
        proofs = self._house.catalog.proofs(name)
        usable = [p for p in _usable(points) if p.consistent_at is not None]
        proven = [p for p in usable if p.id in proofs]
        moments = [p.consistent_at for p in usable if p.consistent_at]
        proven_moments = [p.consistent_at for p in proven if p.consistent_at]
        return Stock(
            database=name,
            customer=self.customer(name),
            live=live,
            points=tuple(points),
            newest=max(moments, default=None),
            newest_proven=max(proven_moments, default=None),
            best_level=max(proofs.values(), default=None),
        )

"""What lies on the shelves: databases, recovery points, scans. Reading only, except for the catalog's memory."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import ValidationError

from restorekit.bootstrap.series import gaps
from restorekit.bootstrap.stock import Inventory, Stock, usable
from restorekit.catalog.lineage import ALWAYS
from restorekit.errors import NeedsChoice, RestorekitError, UnknownName
from restorekit.model.contents import Contents
from restorekit.model.database import DatabaseId, KnownDatabase, Lineage, LiveDatabase
from restorekit.model.point import PointState, Quality, RecoveryPoint, Scan
from restorekit.model.request import Request
from restorekit.settings import Settings
from restorekit.workflow.house import House

_MOST_ASKED = 6


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

    def is_live(self, database: DatabaseId) -> bool:
        """Whether its engine lists it now; True where the engine does not answer, for it may well be there."""
        found, silent = self.live()
        return database in found or database.engine in silent

    def inventory(self, only: str | None = None) -> Inventory:
        """Scan, then everything per database; what is live, and who owns it, is remembered."""
        look = self.scan(only)
        live, silent, told = self._remembered()
        points = self._house.catalog.points(source=only)
        series = self._by_database(points)
        names = sorted({*live, *series}, key=str)
        stocks = tuple(self._stock(n, live.get(n), series.get(n, []), only) for n in names)
        problems = (*look.problems, *(f"{name}: {error.message}" for name, error in silent.items()), *told)
        return Inventory(stocks, tuple(points), problems, look.unparsed, look.found)

    def find(self, words: str) -> tuple[list[KnownDatabase], tuple[str, ...]]:
        """Databases in whose engine, name, customer, host or earlier name every word is; and who does not answer."""
        _, silent, _ = self._remembered()
        return self._house.catalog.find(words), tuple(f"{n}: {error.message}" for n, error in silent.items())

    def _remembered(self) -> tuple[dict[DatabaseId, LiveDatabase], dict[str, RestorekitError], list[str]]:
        """As `live`, noted in the catalog with the configured owners; who does not answer is left as it was."""
        live, silent = self.live()
        for engine in self._settings.engines:
            if engine not in silent:
                here = [d for d in live.values() if d.database.engine == engine]
                self._house.catalog.record_live(engine, self._settings.host, here)
        owned = [DatabaseId(engine=e.engine, name=e.name or key) for key, e in self._settings.databases.items()]
        return live, silent, [told for database in owned if (told := self._own(database))]

    def _own(self, database: DatabaseId) -> str:
        """Note the configured owner, dated; a sentence where that takes points out of sight."""
        entry = self._settings.entry(database)
        if entry is None or not entry.customer:
            return ""
        known = self._house.catalog.lineage(database)
        before = known[-1].owner if known else entry.customer
        if entry.since is None and known and before == entry.customer:
            return ""
        since = entry.since or (self._house.clock.now() if known else ALWAYS)
        moved = DatabaseId.parse(entry.moved_from) if entry.moved_from else None
        fact = Lineage(database=database, owner=entry.customer, since=since, moved_from=moved)
        if fact in known:
            return ""
        self._house.catalog.record_lineage(fact)
        if entry.since is not None or before == entry.customer:
            return ""
        return f"{database} was {before}'s and is {entry.customer}'s from now on: older points are not offered any more"

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
        self._own(database)
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

    def learn_states(self, database: DatabaseId, most: int) -> None:
        """Read up to `most` manifests of the newest points, for the history: each is a state of the database."""
        seen = {state.taken_at for state in self._house.catalog.past(database).states}
        points = [p for p in self._house.catalog.points(database) if p.state == PointState.USABLE]
        for point in [p for p in points if p.consistent_at not in seen][:most]:
            manifest = self._manifest(point)
            if manifest is not None:
                self._house.catalog.record_state(database, manifest)

    def _with_manifest(self, point: RecoveryPoint) -> RecoveryPoint | None:
        """The point at its manifest's moment."""
        manifest = self._manifest(point)
        if manifest is None:
            return None
        taken = manifest.taken_at
        update = {"consistent_at": taken, "earliest": taken, "latest": taken, "quality": Quality.CLAIMED}
        return point.model_copy(update={**update, "consistency": manifest.settings.get("consistency", "snapshot")})

    def _manifest(self, point: RecoveryPoint) -> Contents | None:
        """What was captured with it. A manifest later than the backup itself is not believed."""
        text = self._house.source(point.source).manifest(point)
        try:
            manifest = None if text is None else Contents.model_validate_json(text)
        except ValidationError:
            return None
        late = manifest is not None and point.latest is not None and manifest.taken_at > point.latest
        return None if late else manifest

    def customer(self, database: DatabaseId) -> str:
        """Who owns it, as configured or as last recorded."""
        entry = self._settings.entry(database)
        if entry is not None and entry.customer:
            return entry.customer
        facts = self._house.catalog.lineage(database)
        return facts[-1].owner if facts else ""

    @staticmethod
    def _by_database(points: Iterable[RecoveryPoint]) -> dict[DatabaseId, list[RecoveryPoint]]:
        sorted_in: dict[DatabaseId, list[RecoveryPoint]] = {}
        for point in points:
            sorted_in.setdefault(point.database, []).append(point)
        return sorted_in

    def _stock(
        self, name: DatabaseId, live: LiveDatabase | None, series: list[RecoveryPoint], only: str | None
    ) -> Stock:
        catalog = self._house.catalog
        seen, proofs = catalog.points(name, only), catalog.proofs(name)
        dated = [p for p in usable(seen) if p.consistent_at is not None]
        moments = [p.consistent_at for p in dated if p.consistent_at]
        own = {p.id for p in series}
        return Stock(
            database=name,
            customer=self.customer(name),
            live=live,
            points=tuple(seen),
            newest=max(moments, default=None),
            newest_proven=max((p.consistent_at for p in dated if p.consistent_at and p.id in proofs), default=None),
            best_level=max(proofs.values(), default=None),
            # A series that nobody continues, because its database is gone, has no gap up to now.
            gaps=tuple(g for g in gaps(moments, self._house.clock.now()) if g.until is not None or live is not None),
            others=len(own - {p.id for p in seen}),
            inherited=len({p.id for p in seen} - own),
        )

"""From a request to the plan: points from the shelf, bounds and losses from what happened, the choice, the reasons."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from restorekit.bootstrap.chronicle import Chronicle, Told, Window
from restorekit.bootstrap.shelf import Shelf
from restorekit.choosing import Outlook, doubt, settled
from restorekit.errors import NoPoint, RestorekitError
from restorekit.model.database import DatabaseId
from restorekit.model.plan import Choice, Plan
from restorekit.model.readiness import Readiness
from restorekit.model.request import Request
from restorekit.playbook import Playbook
from restorekit.settings import Settings
from restorekit.steps import pick as picking
from restorekit.steps import plan as planning
from restorekit.workflow.house import House
from restorekit.workflow.tapequeue import foreseen

_MOST_PROBLEMS = 5
_MOST_MANIFESTS = 40
_SEASON = timedelta(days=92)
_BASELINE = timedelta(days=30)


class Planner:
    """Reads sources, logs and memory; changes nothing but the memory."""

    def __init__(self, house: House, settings: Settings, shelf: Shelf, chronicle: Chronicle) -> None:
        self._house = house
        self._settings = settings
        self._shelf = shelf
        self._chronicle = chronicle

    def playbook(self, database: DatabaseId) -> Playbook:
        """The playbook configured for it, else `default`; raises PlaybookError."""
        entry = self._settings.entry(database)
        return self._house.playbook(entry.playbook if entry is not None else "default")

    def told(self, database: DatabaseId, now: datetime | None = None, since: datetime | None = None) -> Told:
        """What happened to it, as far as anybody knows: logs are read on; where there are none, manifests are.

        Nothing later than `now` is looked at, and nothing older than a season, unless `since` reaches further back.
        """
        until = now or self._house.clock.now()
        window = Window(min([until - _SEASON, *([since - _BASELINE] if since else [])]), until)
        playbook = self.playbook(database)
        told = self._chronicle.told(database, playbook, window)
        if any(s.coverage in ("rows", "statements") for s in told.stretches):
            return told
        try:
            self._shelf.learn_states(database, _MOST_MANIFESTS)
        except RestorekitError as error:
            return replace(told, problems=(*told.problems, error.message))
        return replace(self._chronicle.told(database, playbook, window, fresh=False), problems=told.problems)

    def plan(self, request: Request) -> Plan:
        """What would run. Raises NoPoint, NeedsChoice, PointExpired, UnknownName, EngineUnavailable, PlaybookError."""
        database = request.database
        points, problems = self._shelf.points(database, fresh=True)
        unread = tuple(f"could not be read: {p}" for p in problems[:_MOST_PROBLEMS])
        if not points:
            raise NoPoint(
                f"no recovery point of {database} is known",
                hint="`restorekit inventory` shows what the sources hold.",
                details=unread,
            )
        wished = [w.start or w.at for w in request.wishes]
        told = self.told(database, request.said_at, min(wished, default=None))
        why = self._reasoning(request, told)
        request = request.model_copy(update={"wishes": why.look.wishes})
        choices = picking.pick(request, self._shelf.refined(points, request), why.look)
        policy = self.playbook(request.target).policy()
        stands, unasked = self._stands(choices)
        plan = planning.plan(
            request,
            choices,
            policy,
            self._live(request.target),
            replace(why, stands=stands, asked_at=self._house.clock.now()),
        )
        # A backup or a log that nobody can read is no reason to stop, and every reason to say that there may be more.
        doubts = tuple(said for said in (doubt(plan.point, why.look),) if said)
        return plan.model_copy(update={"cautions": (*plan.cautions, *doubts, *unread, *unasked, *told.problems)})

    def _stands(self, choices: Sequence[Choice]) -> tuple[dict[str, Readiness], tuple[str, ...]]:
        """What the media of the best choices say: ready, frozen, on tape. And what kept somebody from answering."""
        asked = [c.point for c in choices if c.accepted][: planning.MOST_SPARE + 1]
        found: dict[str, Readiness] = {}
        problems = []
        for source in dict.fromkeys(p.source for p in asked):
            points = [p for p in asked if p.source == source]
            try:
                answers = self._house.source(source).readiness(points)
            except RestorekitError as error:
                problems.append(f"whether the backup can be read at once is not known: {error.message}")
                continue
            now = self._house.clock.now().astimezone(ZoneInfo(self._settings.timezone))
            found |= {p.id: foreseen(self._house, stands, now) for p, stands in zip(points, answers, strict=True)}
        return found, tuple(problems)

    def _reasoning(self, request: Request, told: Told) -> planning.Reasoning:
        zone = ZoneInfo(self._settings.timezone)
        bounds = settled(request, told.histories[request.locale], zone)
        look = Outlook(
            wishes=bounds.wishes,
            now=request.said_at or self._house.clock.now(),
            zone=zone,
            proofs=self._house.catalog.proofs(request.database),
            histories=told.histories,
            tallies=told.tallies,
            locale=request.locale,
            tolerance_s=request.tolerance_s,
        )
        return planning.Reasoning(look, bounds.reasons)

    def _live(self, target: DatabaseId) -> planning.Live:
        engine = self._house.engine(target.engine)
        found = next((d for d in engine.databases() if d.database == target), None)
        size = found.size_bytes if found else None
        return planning.Live(exists=found is not None, size_bytes=size, settings=engine.settings(target.name))

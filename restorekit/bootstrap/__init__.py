"""Wiring: settings become providers, wrapped, and the Service that the doors use."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path

from restorekit import discovery, playbook, retry, signing
from restorekit.bootstrap.chronicle import Chronicle
from restorekit.bootstrap.desk import Desk
from restorekit.bootstrap.following import Follower
from restorekit.bootstrap.looking import Looking
from restorekit.bootstrap.messenger import Messenger
from restorekit.bootstrap.picking import Picking
from restorekit.bootstrap.planner import Planner
from restorekit.bootstrap.shelf import Shelf
from restorekit.catalog.store import Store, open_store
from restorekit.errors import ConfigError, RestorekitError, UnknownName
from restorekit.model.home import Home
from restorekit.model.run import ACTIVE, Failure, State
from restorekit.ports import Engine, Source
from restorekit.settings import Settings, load
from restorekit.workflow import durable, restore
from restorekit.workflow.house import House
from restorekit.workflow.locks import seat_taken
from restorekit.workflow.waker import Waker
from restorekit.workflow.work import Work


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Now, in UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True)
class Service:
    """What a door may use."""

    settings: Settings
    house: House
    store: Store
    shelf: Shelf
    planner: Planner
    chronicle: Chronicle
    desk: Desk
    looking: Looking
    picking: Picking

    @property
    def locks(self) -> Path:
        """Where lock files of this host lie."""
        return self.settings.staging / "locks"

    def follower(self) -> Follower:
        """For commands that wait for a run."""
        return Follower(self.house, self._start)

    def worker_present(self) -> bool:
        """True if some process works for this host now."""
        return seat_taken(self.store.engine, self.settings.host, self.locks)

    def _start(self) -> durable.Worker | None:
        work = Work(
            recipes=restore.recipes(self.house),
            failed=self._failed,
            first=self._settle,
            wake=Waker(self.house, self.desk.order),
            stopping=self.house.stopping,
        )
        self.locks.mkdir(parents=True, exist_ok=True)
        return durable.Worker.try_start(self.store.engine, self.settings.host, work, self.locks)

    def _settle(self) -> None:
        """Whoever starts as worker first finishes or takes back what a dead one left half done on live."""
        for name in self.settings.engines:
            try:
                settled = self.house.engine(name).settle()
            except RestorekitError:
                continue  # an engine that does not answer must not keep the others' work from running
            for one in settled:
                act = self.house.act("settled", "", f"{name}/{one.target}", order=one.order_id, outcome=one.outcome)
                self.house.catalog.audit(act)

    def _failed(self, run_id: str, failure: Failure) -> None:
        """The last resort, for a recipe that could not end its run itself."""
        run = self.house.catalog.run(run_id)
        if run.state not in ACTIVE:
            return
        if run.state in (State.SWAPPING, State.UNDOING):  # nothing may be claimed that nobody has looked at
            failure = failure.model_copy(update={"live": "live may have been exchanged: compare it with the backup"})
        ends = State.SWAPPED if run.state == State.UNDOING else State.FAILED
        act = self.house.act("failed", run_id, str(run.request.target), code=failure.code)
        self.house.catalog.advance(run_id, ends, failure=failure, act=act)


def open_service(config: Path | None = None) -> Service:
    """Read the configuration and wire everything. Raises ConfigError."""
    settings = load(config)
    for folder in (settings.staging, settings.cache):
        _enterable(folder)
    store = open_store(settings.state)
    home = Home(
        staging=settings.staging,
        cache=settings.cache,
        base=settings.folder,
        timezone=settings.timezone,
        row_key=signing.row_key(settings.keys),
    )
    house = House(
        catalog=store,
        engine=lru_cache(partial(_engine, settings, home)),
        source=lru_cache(partial(_source, settings, home)),
        playbook=lambda name: playbook.load(name, settings.playbooks),
        clock=SystemClock(),
        signer=signing.Signer(settings.keys),
        host=settings.host,
        notify=Messenger(settings.notify, store),
    )
    shelf = Shelf(house, settings)
    chronicle = Chronicle(house, settings)
    return Service(
        settings,
        house,
        store,
        shelf,
        Planner(house, settings, shelf, chronicle),
        chronicle,
        Desk(house, settings, partial(durable.ready, store.engine)),
        Looking(house),
        Picking(house),
    )


def _enterable(folder: Path) -> None:
    """Staging servers run as nobody special: they must be able to pass through, what lies inside keeps its own mode."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o711)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be created: {error.strerror}", hint="See `staging` and `cache`.") from error


def _engine(settings: Settings, home: Home, name: str) -> Engine:
    if name not in settings.engines:
        raise UnknownName(f"there is no engine {name!r}", hint="See `engines` in restorekit.yaml.")
    found: Engine = discovery.provider("restorekit.engines", name, settings.engines[name], home)
    wrapped: Engine = retry.retrying(found)
    return wrapped


def _source(settings: Settings, home: Home, name: str) -> Source:
    if name not in settings.sources:
        raise UnknownName(f"there is no source {name!r}", hint="See `sources` in restorekit.yaml.")
    found: Source = discovery.provider("restorekit.sources", name, settings.sources[name], home)
    wrapped: Source = retry.retrying(found)
    return wrapped


__all__ = ["ConfigError", "Service", "open_service"]

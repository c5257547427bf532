"""Between a point and its bytes: a tape, a drive, a job of the director, the spool."""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress

from restorekit.errors import PointExpired, PointUnusable, RestorekitError, SourceDamaged, SourceUnavailable
from restorekit.model.exchange import Finding
from restorekit.model.home import Home
from restorekit.model.point import RecoveryPoint
from restorekit.model.readiness import READY, Library, Piece, Readiness
from restorekit.ports import Delivery, Watch
from restorekit.sources.bacula.catalog import Catalog
from restorekit.sources.bacula.console import Console, excerpt, quoted
from restorekit.sources.bacula.director import Director
from restorekit.sources.bacula.fetch import Busy, Fetch, Missing
from restorekit.sources.bacula.settings import BaculaSettings
from restorekit.sources.bacula.spool import Order, Spool, order_id
from restorekit.sources.bacula.wanted import Reading, Wanted, opened

_AGAIN_S = 15.0
_Answer = Readiness | Missing | SourceDamaged


class Tapes:
    """The tapes of one source. Methods raise what those of `ports.Source` raise."""

    def __init__(self, name: str, settings: BaculaSettings, home: Home, catalog: Catalog) -> None:
        self._name = name
        placed = {"console": home.base / settings.console, "where": home.base / settings.where}
        if settings.bootstraps is not None:
            placed["bootstraps"] = home.base / settings.bootstraps
        self._settings = settings.model_copy(update=placed)
        self._console = Console(settings.bconsole, self._settings.console)
        self._director = Director(self._console, catalog, settings.storage)
        self._spool = Spool(self._settings.where, settings.restore_user)
        self._fetch = Fetch(self._director, self._spool, self._settings)

    # -- looking ------------------------------------------------------------------------------------------------

    def readiness(self, points: Sequence[RecoveryPoint]) -> list[Readiness]:
        """See `ports.Source.readiness`. The catalog is told what is in the library, but not at every call."""
        wanted = [self._wanted(point) for point in points]
        waiting = [self._spool.kept(p.id, w) is None for p, w in zip(points, wanted, strict=True)]
        if not any(waiting):
            return [READY] * len(points)
        self._look()
        library = self._library()
        known = self._director.volumes([piece[0] for p in points for piece in _told(p)])
        under_way = {point for order in self._spool.orders() for point in order.points}
        answers = []
        for point, one, waits in zip(points, wanted, waiting, strict=True):
            if waits:
                self._director.backup(one.job)
                inside = {name: volume.in_changer for name, volume in known.items()}
                answers.append(self._on_tape(point, inside, library, under_way=point.id in under_way))
            else:
                answers.append(READY)
        return answers

    def _wanted(self, point: RecoveryPoint) -> Wanted:
        wanted = Wanted.of(point)
        if wanted.piped and not self._settings.accept_bpipe_writer:
            raise PointUnusable(
                f"{wanted} was written by a plugin, and its writer decides where a restore goes: perhaps into live",
                hint=f"See that it writes below %w, then set sources.{self._name}.accept_bpipe_writer.",
            )
        return wanted

    def _look(self) -> None:
        self._spool.prepare()
        if self._spool.slots_age_s(time.time()) >= self._settings.update_slots:
            self._director.update_slots()
            self._spool.slots_looked_at()

    def _library(self) -> Library:
        drives = tuple(volume for _, volume in self._director.drives())
        return Library(name=self._name, drives=drives or ("",) * (self._settings.drives or 1))

    def _on_tape(
        self, point: RecoveryPoint, inside: dict[str, bool], library: Library, *, under_way: bool
    ) -> Readiness:
        """How a point stands that is not in the spool. Raises PointExpired if a volume is gone from the catalog."""
        told = _told(point)
        for volume in (v for v, *_ in told if v not in inside):
            raise PointExpired(f"volume {volume} is no longer in the catalog", hint="Choose another recovery point.")
        pieces = tuple(Piece(volume=v, start=a, end=e, size_bytes=n, in_library=inside[v]) for v, a, e, n in told)
        away = list(dict.fromkeys(p.volume for p in pieces if not p.in_library))
        if away:
            return self._bring(away, pieces, library)
        volumes = ", ".join(dict.fromkeys(p.volume for p in pieces))
        why = f"is being read from {volumes}" if under_way else f"lies on {volumes}"
        return Readiness(state="on_tape", why=why, library=library, pieces=pieces, again_s=_AGAIN_S)

    def _bring(self, away: Sequence[str], pieces: tuple[Piece, ...], library: Library) -> Readiness:
        one = len(away) == 1
        return Readiness(
            state="operator",
            why=f"{'volume' if one else 'volumes'} {', '.join(away)} {'is' if one else 'are'} not in the library",
            notice=f"Please insert {'volume' if one else 'volumes'} {', '.join(away)} into the library "
            f"{self._settings.storage}. It is noticed by itself.",
            library=library,
            pieces=pieces,
            again_s=self._settings.update_slots,
        )

    # -- reading ------------------------------------------------------------------------------------------------

    def warm(self, points: Sequence[RecoveryPoint], watch: Watch) -> list[Readiness]:
        """See `ports.Source.warm`. One job per client, as far as one job can: the same path twice needs two.

        Where one of many is damaged, what did not come for its sake is read alone before that is raised.
        """
        self._spool.prepare()
        wanted = {point.id: self._wanted(point) for point in points}
        said: dict[str, _Answer] = {}
        for order in self._under_way(self._cold(wanted, said)):
            said |= self._carried_out(order, watch)
        said |= self._unreachable([p for p in points if p.id in self._cold(wanted, said)])
        for together in (True, False):
            cold = self._cold(wanted, said)
            alone = frozenset(p for p, w in cold.items() if not (together and self._recorded(w)))
            for order in list(_orders(cold, alone, {p.id: _told(p)[0][0] for p in points})):
                self._spool.begin(order)
                said |= self._carried_out(order, watch)
        for answer in said.values():
            if isinstance(answer, SourceDamaged):
                raise answer
        return [self._now(point, wanted[point.id], said.get(point.id)) for point in points]

    def _recorded(self, wanted: Wanted) -> bool:
        """True if the catalog still has the file's own record, and no writer comes between."""
        return not wanted.piped and self._director.has_file(self._director.backup(wanted.job), wanted.fileid)

    def _cold(self, wanted: dict[str, Wanted], said: Mapping[str, object]) -> dict[str, Wanted]:
        """What neither lies in the spool nor was answered."""
        return {p: w for p, w in wanted.items() if p not in said and self._spool.kept(p, w) is None}

    def _unreachable(self, points: Sequence[RecoveryPoint]) -> dict[str, Readiness]:
        """Those that need somebody to bring a tape: no drive is taken for them."""
        answers = self.readiness(points) if points else []
        return {p.id: a for p, a in zip(points, answers, strict=True) if a.state == "operator"}

    def _under_way(self, cold: dict[str, Wanted]) -> list[Order]:
        """Orders on disk for these points, of a process that died perhaps."""
        return [o for o in self._spool.orders() if any(o.files[n] == cold.get(p) for p, n in o.points.items())]

    def _carried_out(self, order: Order, watch: Watch) -> dict[str, _Answer]:
        """What is to be said of its points that did not come; nothing of one of many that may come alone."""
        with self._spool.held(order.id) as mine:
            if not mine:
                busy = Readiness(state="on_tape", why="another worker is having it read", again_s=_AGAIN_S)
                return dict.fromkeys(order.points, busy)
            if (current := self._spool.order(order.id)) is None:
                return {}  # another worker was faster
            try:
                answer = self._fetch.run(current, watch)
            except SourceDamaged as error:
                return dict.fromkeys(order.points, error) if len(order.files) == 1 else {}
        if isinstance(answer, Busy):
            why = f"{answer.jobs} restores are under way at {answer.drives} drives"
            return dict.fromkeys(order.points, Readiness(state="on_tape", why=why, again_s=_AGAIN_S))
        return {} if answer is None else dict.fromkeys(order.points, answer)

    def _now(self, point: RecoveryPoint, wanted: Wanted, answer: _Answer | None) -> Readiness:
        if self._spool.kept(point.id, wanted) is not None:
            return READY
        if isinstance(answer, Readiness) and answer.pieces:
            return answer
        volumes = self._director.volumes([volume for volume, *_ in _told(point)])
        inside = {name: volume.in_changer for name, volume in volumes.items()}
        if isinstance(answer, Missing) and answer.volume in inside:
            inside[answer.volume] = False
        now = self._on_tape(point, inside, self._library(), under_way=False)
        return now.model_copy(update={"why": answer.why}) if isinstance(answer, Readiness) else now

    def cool(self, point: RecoveryPoint) -> None:
        """See `ports.Source.cool`. A restore that nobody follows any more and only this point wanted is cancelled."""
        for order in self._spool.orders():
            if set(order.points) == {point.id}:
                with self._spool.held(order.id) as mine:
                    if mine:
                        self._fetch.forget(order)
        self._spool.forget(point.id)

    # -- delivering ---------------------------------------------------------------------------------------------

    @contextmanager
    def deliver(self, point: RecoveryPoint, watch: Watch) -> Iterator[Delivery]:  # noqa: ARG002  a file is quick
        """See `ports.Source.deliver`: what `warm` has put aside, proven once more while it is read."""
        wanted = self._wanted(point)
        kept = self._spool.kept(point.id, wanted)
        if kept is None:
            raise SourceUnavailable(
                f"{wanted} is not in the spool: nobody had it read from tape", hint="Ask for it to be warmed first."
            )
        with ExitStack() as stack:
            file = stack.enter_context(opened(self._spool.data(point.id)))
            yield _FromSpool(Reading(file, wanted), kept.size, kept.hexdigest)

    # -- checking -----------------------------------------------------------------------------------------------

    def check(self) -> list[Finding]:
        """Director, console, library, restore client and spool. Read-only."""
        try:
            if not os.access(self._settings.where, os.W_OK | os.X_OK):
                raise SourceUnavailable(f"{self._settings.where} cannot be written to", hint="See `where`.")
            self._spool.check_user()
            client = self._settings.restore_client
            text = self._console.allowed(self._console.ask(f"status client={quoted(client)}"))
            if "Daemon started" not in text:
                words = (excerpt(text),)
                raise SourceUnavailable(f"restore client {client} does not answer", hint="Is it up?", details=words)
            drives = self._director.drives()
        except RestorekitError as error:
            return [Finding(severity="refuse", code=error.code, text=error.message, hint=error.hint)]
        if not drives:
            text = f"storage {self._settings.storage} names no drives"
            return [Finding(severity="warn", code="bacula_drives", text=text, hint="Is it up, and an autochanger?")]
        text = f"director answers, restore client {client} is up, {len(drives)} drives in {self._settings.storage}"
        return [Finding(severity="ok", code="bacula", text=text)]


class _FromSpool:
    """A file of the spool as a delivery."""

    def __init__(self, reading: Reading, size: int, digest: str) -> None:
        self.size: int | None = size
        self._reading, self._digest = reading, digest

    def read(self, most: int) -> bytes:
        return self._reading.read(most)

    def finish(self) -> bool:
        """True if it is what the catalog's digest says; also without one it must be what came from tape."""
        held = self._reading.prove()
        if self._reading.digest != self._digest:
            raise self._reading.damaged("was changed since it came from tape")
        return held


def _orders(cold: Mapping[str, Wanted], alone: frozenset[str], volumes: Mapping[str, str]) -> Iterator[Order]:
    """As few jobs as can bring them: one client each, no path twice, those `alone` one by one.

    `volumes` names the first tape of each point.
    """
    groups: list[dict[str, Wanted]] = []
    for point, wanted in cold.items():
        group = next((g for g in groups if all(_fit(wanted, w, bool({point, p} & alone)) for p, w in g.items())), None)
        if group is None:
            groups.append(group := {})
        group[point] = wanted
    for group in groups:
        files = tuple(dict.fromkeys(group.values()))
        places = {point: files.index(wanted) for point, wanted in group.items()}
        first = volumes[next(iter(places))]
        yield Order(id=order_id(places), client=files[0].client, files=files, points=places, volume=first)


def _fit(wanted: Wanted, other: Wanted, alone: bool) -> bool:  # noqa: FBT001
    """True if one job can bring both. Of two versions of a path in one job the last one wins, with status T."""
    return wanted == other or (not alone and wanted.client == other.client and wanted.path != other.path)


def _told(point: RecoveryPoint) -> list[tuple[str, int, int, int | None]]:
    """Volume, start, end and bytes of each piece. Raises PointUnusable."""
    with suppress(ValueError, TypeError):
        return [
            (str(v), int(a), int(e), n if n is None else int(n)) for v, a, e, n in json.loads(point.locator["pieces"])
        ]
    raise PointUnusable(f"point {point.id} does not say where it lies", hint="Scan the source again.")

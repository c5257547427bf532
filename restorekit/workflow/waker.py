"""Looks after runs that wait: asks their medium again in time, and gives the drives of tape libraries by one plan.

Called by the worker about every second. Only the worker of a host wakes what that host has put to wait, and only what
has no unfinished order, so that nothing is carried out twice at once.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from restorekit.choosing import standing
from restorekit.errors import RestorekitError
from restorekit.model.locale import Locale
from restorekit.model.run import Progress, Run, State
from restorekit.model.tapeplan import TapePlan
from restorekit.model.waiting import Waiting
from restorekit.tapeplan import planned, words
from restorekit.workflow.failure import frames
from restorekit.workflow.house import House
from restorekit.workflow.tapequeue import Case, cases_of, drives_of, wish_of
from restorekit.workflow.warming import UNREADABLE

_LOG = logging.getLogger(__name__)
_FRESH = timedelta(seconds=20)
_COMING = timedelta(seconds=60)
_NEWEST = 1000
_SOON_S = 30.0
_IN_VAIN: dict[Locale, str] = {"de": "vergeblich gefragt", "en": "asked in vain"}


class Waker:
    """`order` queues the recipe `prepare` of a run inside a transaction."""

    def __init__(self, house: House, order: Callable[[Any, str], None]) -> None:
        self._house, self._order = house, order
        self._planned: dict[str, tuple[datetime, frozenset[str]]] = {}

    def __call__(self, ordered: Callable[[], set[str]]) -> None:
        """One round; `ordered` gives the runs with an unfinished order. Raises nothing: what waits can wait longer."""
        try:
            self._look(ordered)
        except Exception as error:  # noqa: BLE001 - what waits must not end the work that others wait for
            _LOG.warning("what waits could not be looked after:\n%s", frames(error))

    def _look(self, ordered: Callable[[], set[str]]) -> None:
        cases = cases_of(self._house)
        if not any(c.run.state == State.WAITING for c in cases):
            return
        busy = ordered()
        now = self._house.clock.now()
        mine = [c for c in cases if c.run.state == State.WAITING and c.run.id not in busy and self._own(c)]
        for case in mine:
            if case.library is None and case.waiting.again_at <= now:
                self._ask(case, now)
        libraries = {c.library.name: c.library for c in mine if c.library is not None}
        for name in libraries:
            at_work = [c for c in cases if c.run.state == State.WARMING and c.library and c.library.name == name]
            self._queue(name, [c for c in mine if c.library and c.library.name == name], at_work)

    def _ask(self, case: Case, now: datetime) -> None:
        """Ask the medium of a thaw or a missing tape again; only what has changed is worth an order."""
        try:
            stands = self._house.source(case.plan.point.source).readiness([case.plan.point])[0]
        except UNREADABLE:
            self._resume(case, State.REQUESTED)  # the recipe meets the same error, and knows what to do
            return
        except Exception as error:  # noqa: BLE001 - one source that does not answer must not hold up the others
            self._put_off(case, error, now)
            return
        before = case.waiting.readiness
        if (stands.state, stands.notice) != (before.state, before.notice) or stands.state == "cold":
            self._resume(case, State.REQUESTED)
            return
        update = {"readiness": stands, "again_at": now + timedelta(seconds=stands.again_s), "words": standing(stands)}
        self._note(case.run, case.waiting.model_copy(update=update), now)

    def _put_off(self, case: Case, error: Exception, now: datetime) -> None:
        """Nobody could say: it goes on waiting, and whoever looks sees why."""
        why = error.message if isinstance(error, RestorekitError) else type(error).__name__
        _LOG.warning("whether restore %s can go on cannot be said now: %s", case.run.id, why)
        soon = timedelta(seconds=min(case.waiting.readiness.again_s, _SOON_S))
        said = standing(case.waiting.readiness)
        words = {locale: f"{text}; {_IN_VAIN[locale]}: {why}" for locale, text in said.items()}
        self._note(case.run, case.waiting.model_copy(update={"again_at": now + soon, "words": words}), now)

    def _note(self, run: Run, waiting: Waiting, now: datetime) -> None:
        said = waiting.readiness.notice or waiting.words[run.request.locale]
        self._house.catalog.keep(run.id, waiting)
        self._house.catalog.note_progress(run.id, Progress(phase=said, done=0, total=None, unit="", at=now))

    def _own(self, case: Case) -> bool:
        return case.waiting.host == self._house.host

    def _queue(self, library: str, queued: Sequence[Case], at_work: Sequence[Case]) -> None:
        """Plan again when something came or went, or the library was not asked for a while."""
        now = self._house.clock.now()
        here = frozenset(c.run.id for c in (*queued, *at_work))
        planned_at, then = self._planned.get(library, (None, frozenset()))
        if planned_at is not None and here == then and now - planned_at < _FRESH:
            return
        self._planned[library] = (now, here)
        asked = self._asked_again(queued)
        if not asked:
            return
        drives = drives_of(asked[0].library, at_work, now)
        wishes = [wish_of(c) for c in asked]
        turns = planned(wishes, drives, now)
        started: set[str] = set()
        for turn in turns.turns:
            if turn.starts_s <= 0 and drives[turn.drive].free_in_s <= 0:
                started |= self._start([c for c in asked if c.run.id in turn.ids], now)
        self._tell([c for c in asked if c.run.id not in started], turns, now)
        if started:
            del self._planned[library]

    def _asked_again(self, queued: Sequence[Case]) -> list[Case]:
        """Those that still need a drive; tapes may have been taken out or put in, and a job may have read along."""
        sources = dict.fromkeys(c.plan.point.source for c in queued)
        return [c for s in sources for c in self._still([c for c in queued if c.plan.point.source == s])]

    def _still(self, cases: Sequence[Case]) -> list[Case]:
        """Of one source; those of a source that does not answer go on waiting."""
        try:
            answers = self._house.source(cases[0].plan.point.source).readiness([c.plan.point for c in cases])
        except UNREADABLE:
            if len(cases) > 1:  # one of them is meant
                return [c for case in cases for c in self._still([case])]
            self._resume(cases[0], State.REQUESTED)
            return []
        except Exception as error:  # noqa: BLE001 - as above
            _LOG.warning("a source could not be asked about tapes:\n%s", frames(error))
            return []
        fresh = [
            case._replace(waiting=case.waiting.model_copy(update={"readiness": stands}))
            for case, stands in zip(cases, answers, strict=True)
        ]
        for case in fresh:
            if case.library is None:
                self._resume(case, State.REQUESTED)
        return [case for case in fresh if case.library is not None]

    def _start(self, group: Sequence[Case], now: datetime) -> set[str]:
        """The first of a turn gets the drive, and reads what the others wait for along with its own."""
        leader, others = group[0], group[1:]
        if leader.waiting.again_at > now:
            return set()  # the director was full a moment ago
        if leader.run.kind == "drill" and self._somebody_comes(now):
            return set()  # perhaps a customer for this very drive
        pieces = tuple(p for c in group for p in c.waiting.readiness.pieces)
        update = {
            "readiness": leader.waiting.readiness.model_copy(update={"pieces": pieces}),
            "along": tuple(c.plan.point for c in others),
            "place": None,
        }
        self._house.catalog.keep(leader.run.id, leader.waiting.model_copy(update=update))
        self._resume(leader, State.WARMING)
        return {leader.run.id}

    def _somebody_comes(self, now: datetime) -> bool:
        """Whether a restore was just asked for and is about to say what it waits for."""
        active = self._house.catalog.runs(active=True, limit=_NEWEST)
        return any(r.state == State.REQUESTED and now - r.changed_at < _COMING for r in active)

    def _resume(self, case: Case, state: State) -> None:
        run_id = case.run.id
        self._house.catalog.resume(run_id, state, lambda connection: self._order(connection, run_id))

    def _tell(self, cases: Sequence[Case], plan: TapePlan, now: datetime) -> None:
        """Place and time for those who look; written only where something changed."""
        for case in cases:
            turn = plan.turn(case.run.id)
            said = words.queued(plan, case.run.id)
            told = case.waiting.model_copy(
                update={
                    "place": plan.place(case.run.id),
                    "words": said,
                    "early_at": now + timedelta(seconds=turn.ends_s) if turn else None,
                    "late_at": now + timedelta(seconds=turn.ends_s * words.LATE) if turn else None,
                }
            )
            if told != self._house.catalog.kept(case.run.id, Waiting):
                self._house.catalog.keep(case.run.id, told)
                text = said[case.run.request.locale]
                self._house.catalog.note_progress(
                    case.run.id, Progress(phase=text, done=0, total=None, unit="", at=now)
                )

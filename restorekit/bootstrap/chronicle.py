"""What happened to a database: logs are read on, states are remembered, and both are told in both languages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from restorekit.errors import RestorekitError
from restorekit.model.changes import Blow, History, Past, Stretch, Tally
from restorekit.model.database import DatabaseId
from restorekit.model.locale import Locale
from restorekit.model.receipt import Receipt
from restorekit.model.undone import Undone
from restorekit.playbook import Playbook
from restorekit.settings import Settings
from restorekit.timeline import Labels, history
from restorekit.timeline.states import between
from restorekit.workflow.house import House

LOCALES: tuple[Locale, ...] = ("de", "en")
_MOST_RUNS = 100_000
_ROOM_S = 60
_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Told:
    """One database's past: the counts, and what stands out in them in each language. `problems`: what is not known."""

    tallies: tuple[Tally, ...] = ()
    blows: tuple[Blow, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    histories: Mapping[Locale, History] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


class Window(NamedTuple):
    """The time that is looked at. What was usual is learned from all of it."""

    since: datetime
    until: datetime


class Chronicle:
    """Reads on where the last look ended; what it learns outlives the logs."""

    def __init__(self, house: House, settings: Settings) -> None:
        self._house = house
        self._settings = settings

    def read_on(self, engine: str) -> tuple[str, ...]:
        """Take in what the engine's logs (or files) say since the last look; sentences about what they do not say.

        An engine that does not answer is such a sentence: what was known before is still true.
        """
        catalog = self._house.catalog
        problems: list[str] = []
        try:
            more = True
            while more:
                since = catalog.log_cursor(engine)
                found = self._house.engine(engine).changes(since)
                catalog.record_log(engine, found, since)  # nothing, if another command was quicker: its answer counts
                problems += found.problems
                more = found.more
        except RestorekitError as error:
            problems.append(error.message)
        return tuple(f"{engine}: {problem}" for problem in dict.fromkeys(problems))

    def told(self, database: DatabaseId, playbook: Playbook, window: Window, *, fresh: bool = True) -> Told:
        """What is known of this database in that window; `fresh` reads the logs on first."""
        problems = self.read_on(database.engine) if fresh else ()
        now, since = window.until, max(window.since, self._owned_since(database))
        past = self._house.catalog.past(database, since)
        swaps = self._swaps(database)
        tallies, blows, stretches = _with_states(past, swaps)
        first = since.timestamp()
        tallies = [t for t in tallies if t.start >= first and not _ours(t.start, t.end, swaps)]
        blows = [b for b in blows if b.began_at >= first and not _ours(b.began_at, b.ended_at, swaps)]
        stretches = [
            s.model_copy(update={"start": max(s.start, since), "end": min(s.end, now)})
            for s in [*stretches, *_restored(swaps)]
            if s.start < now and s.end > since
        ]
        zone = ZoneInfo(self._settings.timezone)
        mute = (*playbook.timeline.mute, *playbook.swap.volatile)
        histories: dict[Locale, History] = {
            locale: history(
                tallies,
                blows,
                stretches,
                zone=zone,
                labels=Labels(mute=mute, names=playbook.timeline.labels, locale=locale),
                now=now,
            )
            for locale in LOCALES
        }
        mended = [at for at in self._standing(database) if at <= now]
        histories = {locale: _mended(known, mended) for locale, known in histories.items()}
        return Told(tuple(tallies), tuple(blows), tuple(stretches), histories, problems)

    def _owned_since(self, database: DatabaseId) -> datetime:
        """What happened under a name before it became its owner's is not for him to see."""
        facts = self._house.catalog.lineage(database)
        return facts[-1].since if facts else _ALWAYS

    def _swaps(self, database: DatabaseId) -> list[tuple[int, int]]:
        """When restorekit itself exchanged this database, in seconds, with some room."""
        ends = [int(at.timestamp()) for swapped, undone in self._exchanges(database) for at in (swapped, undone) if at]
        return sorted((end - _ROOM_S, end + _ROOM_S) for end in ends)

    def _standing(self, database: DatabaseId) -> list[datetime]:
        """When it was restored and nobody took that back: an undo brings back the accident, too."""
        return [swapped for swapped, undone in self._exchanges(database) if undone is None]

    def _exchanges(self, database: DatabaseId) -> list[tuple[datetime, datetime | None]]:
        """Swaps, each with its undo."""
        catalog = self._house.catalog
        found: list[tuple[datetime, datetime | None]] = []
        for run in catalog.runs(limit=_MOST_RUNS):
            if run.request.target == database and (receipt := catalog.kept(run.id, Receipt)):
                undone = catalog.kept(run.id, Undone)
                found.append((receipt.exchanged.exchanged_at, undone.exchanged.exchanged_at if undone else None))
        return found


def _ours(start: int, end: int, swaps: Sequence[tuple[int, int]]) -> bool:
    """Whether it lies wholly in the time of an exchange of ours."""
    return any(begin <= start and end <= finish for begin, finish in swaps)


def _restored(swaps: Sequence[tuple[int, int]]) -> list[Stretch]:
    """Around an exchange of ours nothing is told of what the customer did, too: that is a hole, not silence."""
    moments = ((datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(end, UTC)) for begin, end in swaps)
    return [Stretch(start=begin, end=end, coverage="none", why="restored by restorekit") for begin, end in moments]


def _mended(known: History, restored: Sequence[datetime]) -> History:
    """An accident after which the database was restored is no accident any more; it stays among the episodes."""
    accident = known.accident
    if accident is None or not any(at > accident.start for at in restored):
        return known
    return known.model_copy(update={"accident": None})


def _with_states(past: Past, swaps: Sequence[tuple[int, int]]) -> tuple[list[Tally], list[Blow], list[Stretch]]:
    """Where logs are silent, what two states say; nothing, if between them the database was restored by us."""
    tallies, blows, stretches = between(past.states, past.stretches)
    mixed = [s for s in stretches if _holds(s, swaps)]
    spans = {(int(s.start.timestamp()), int(s.end.timestamp())) for s in mixed}
    holes = [s.model_copy(update={"coverage": "none", "why": "restored in between"}) for s in mixed]
    return (
        [*past.tallies, *(t for t in tallies if (t.start, t.end) not in spans)],
        [*past.blows, *(b for b in blows if (b.began_at, b.ended_at) not in spans)],
        [*past.stretches, *(s for s in stretches if s not in mixed), *holes],
    )


def _holds(stretch: Stretch, swaps: Sequence[tuple[int, int]]) -> bool:
    return any(stretch.start.timestamp() <= end - _ROOM_S < stretch.end.timestamp() for _, end in swaps)

"""What stands out in a database's past: the last serious change, and the accident."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import NamedTuple

from restorekit.model.changes import Blow, Episode, History, Stretch, Tally
from restorekit.timeline import coarse, destruction, episodes, words
from restorekit.timeline.episodes import Voice
from restorekit.timeline.ground import DAY_S, SLOT_S, Ground, Span, covering, inside, joined, moment
from restorekit.timeline.labels import Labels
from restorekit.timeline.series import Habits, Key, Series, gathered, mark_routine
from restorekit.timeline.surprise import Eras, reasons

ENOUGH_DAYS = 14
_FEW_DAYS = 2
_WENT_ON = 0.5


class _Seen(NamedTuple):
    tallies: list[Tally]
    blows: list[Blow]
    known: list[Span]


class _Found(NamedTuple):
    episodes: list[Episode]
    routine: set[str]
    clock: set[tuple[str, int]] = set()
    """Table and slot of what a job of the clock did."""


def history(
    tallies: Sequence[Tally],
    blows: Sequence[Blow],
    stretches: Sequence[Stretch],
    *,
    zone: tzinfo,
    labels: Labels,
    now: datetime,
) -> History:
    """Serious episodes, accidents and routine, each with its sentence in the language of `labels.locale`.

    An episode runs from the first second of its first minute to the last second of the last one: 16:41:59 reads as
    16:41, and a point holds the change if it is later than that. Where only states are known, it runs from state to
    state. Where log and states overlap, the log counts. `last_change` is per table, before the accident.
    """
    voice = Voice(zone, words.locale_of(labels.locale), labels)
    end = int(now.timestamp())
    muted = {table for table in {t.table for t in tallies} | {b.table for b in blows} if labels.muted(table)}
    heard = [t for t in tallies if t.start < end and t.table not in muted]
    struck = [b for b in blows if b.began_at < end and b.table not in muted]
    quiet = min(end, _last(heard, struck) + DAY_S)
    logged = _logged(heard, struck, _until(covering(stretches, "rows", "statements"), quiet))
    rough = _rough(heard, struck, _until(covering(stretches, "states"), end))
    fine, between = _judged(logged, voice), _judged_rough(rough, logged.known, voice)
    fine.routine.update(muted)
    every = sorted([*fine.episodes, *between.episodes], key=lambda e: (e.start, e.end))
    return _history(every, (logged, rough), (fine, between), voice, end).model_copy(
        update={"stretches": tuple(stretches)}
    )


def _last(tallies: Iterable[Tally], blows: Iterable[Blow]) -> int:
    """The last sign of life. The silence of a site that was given up says nothing about what was usual in its life."""
    return max([*(t.end for t in tallies), *(b.ended_at for b in blows)], default=0)


def _until(spans: Iterable[Span], end: int) -> list[Span]:
    return [(start, min(until, end)) for start, until in spans if start < end]


def _logged(tallies: Iterable[Tally], blows: Iterable[Blow], known: list[Span]) -> _Seen:
    """What logs say; where nobody says what is known, it is the time between the first change and the last."""
    tallies = [t for t in tallies if not coarse.is_coarse(t)]
    blows = [b for b in blows if not coarse.is_coarse_blow(b)]
    times = [t for one in tallies for t in (one.start, one.end)] + [b.began_at for b in blows]
    if not known and times:
        known = [(min(times), max(times) + 1)]
    return _Seen(tallies, blows, known)


def _rough(tallies: Iterable[Tally], blows: Iterable[Blow], known: list[Span]) -> _Seen:
    """What states say."""
    tallies = [t for t in tallies if coarse.is_coarse(t)]
    blows = [b for b in blows if coarse.is_coarse_blow(b)]
    return _Seen(tallies, blows, joined([*known, *((t.start, t.end) for t in tallies)]))


def _judged(seen: _Seen, voice: Voice) -> _Found:
    ground = Ground(seen.known, voice.zone)
    series = gathered(seen.tallies)
    mark_routine(series, ground)
    unusual = destruction.unusual(seen.blows, ground)
    hits = [*destruction.hits(unusual, seen.blows), *destruction.piecemeal(series, ground)]
    clusters = destruction.clusters(hits)
    eras = Eras((min(h.start for h in c), max(h.end for h in c)) for c in clusters)
    found = episodes.found(reasons(series, unusual, ground, eras), ground, voice)
    every = [*found, *(episodes.accident(c, voice) for c in clusters)]
    told = {table for e in every if e.kind != "minor" for table in e.tables}
    clockwork = [(s, Habits(s, ground)) for s in series.values() if s.routine == "clockwork"]
    clock = {(s.table, slot) for s, habits in clockwork for slot in s.active if habits.usual(slot, 0)}
    return _Found(every, _routine(series) - told, clock)


def _judged_rough(seen: _Seen, logged: list[Span], voice: Voice) -> _Found:
    """All states say what is usual; what stands out is told only of the time that no log covers."""
    hits: dict[Span, list[destruction.Hit]] = {}
    for hit in coarse.hits(seen.blows):
        hits.setdefault((hit.start, hit.end), []).append(hit)
    lost = {(span, hit.table) for span, held in hits.items() for hit in held}  # told as such, and no work of anybody
    work = [t for t in seen.tallies if ((t.start, t.end), t.table) not in lost]
    intervals = coarse.Intervals(work, _length(seen.known))
    told = [span for span in intervals.by_span if not inside(span, logged)]
    accidents = [coarse.accident(span, hits[span], voice) for span in sorted(hits) if not inside(span, logged)]
    return _Found([*coarse.found(intervals, told, voice), *accidents], intervals.often())


def _routine(series: Mapping[Key, Series]) -> set[str]:
    """Tables that do nothing but routine."""
    return {s.table for s in series.values()} - {s.table for s in series.values() if not s.routine}


def _last_changes(tallies: Iterable[Tally], until: int) -> dict[str, int]:
    last: dict[str, int] = {}
    for tally in tallies:
        if tally.start < until and tally.end > last.get(tally.table, 0):
            last[tally.table] = tally.end
    return last


def _always(seen: Iterable[_Seen]) -> bool:
    """Whether some table changes on at least half of the days."""
    for one in seen:
        days = _length(one.known) / DAY_S
        changed = Counter(table for table, _ in {(t.table, t.start // DAY_S) for t in one.tallies})
        if days >= _FEW_DAYS and max(changed.values(), default=0) >= 0.5 * days:
            return True
    return False


def _stands_out(episode: Episode, tallies: Iterable[Tally], until: int, clock: set[tuple[str, int]]) -> bool:
    """Whether people changed one of its tables far less after it than in it: else the same work just went on."""
    start, end = int(episode.start.timestamp()), int(episode.end.timestamp())
    inside, after = Counter[str](), Counter[str]()
    for tally in tallies:
        mine = tally.table in episode.tables and (tally.table, tally.start // SLOT_S) not in clock
        if mine and start <= tally.start < until:
            (inside if tally.start <= end else after)[tally.table] += max(1, tally.statements)
    return any(after[table] < _WENT_ON * inside[table] for table in inside)


def _last_serious(every: Iterable[Episode], logged: _Seen, fine: _Found, until: int) -> Episode | None:
    last = next((e for e in reversed([*every]) if e.kind == "serious" and e.start.timestamp() < until), None)
    if last is None or (last in fine.episodes and not _stands_out(last, logged.tallies, until, fine.clock)):
        return None
    return last


def _length(spans: Iterable[Span]) -> int:
    return sum(end - start for start, end in spans)


def _history(
    every: list[Episode], seen: tuple[_Seen, _Seen], found: tuple[_Found, _Found], voice: Voice, end: int
) -> History:
    accident = next((e for e in reversed(every) if e.kind == "accident"), None)
    until = int(accident.start.timestamp()) if accident else end
    last_serious = _last_serious(every, seen[0], found[0], until)
    last = _last_changes([*seen[0].tallies, *seen[1].tallies], until)
    days = _length(joined(span for one in seen for span in one.known)) / DAY_S
    few = words.text(voice.locale, "caution", days=words.length(voice.locale, days))
    return History(
        episodes=tuple(every),
        accident=accident,
        last_serious=last_serious,
        restless=last_serious is None and _always(seen),
        last_change={table: moment(last[table] - 1, voice.zone) for table in sorted(last, key=lambda t: -last[t])},
        routine=tuple(sorted(found[0].routine | (found[1].routine - {t.table for t in seen[0].tallies}))),
        baseline_days=round(days, 2),
        caution="" if days >= ENOUGH_DAYS else few,
    )

"""What stands out where only states are known: the same idea with the time between two states as the slot."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from restorekit.model.changes import Blow, Episode, Tally
from restorekit.model.locale import Locale
from restorekit.timeline import words
from restorekit.timeline.destruction import DEFINITIONS, Hit
from restorekit.timeline.episodes import LEAST_SERIOUS, LEAST_SLOT, Voice
from restorekit.timeline.ground import Span, moment
from restorekit.timeline.surprise import expectation, surprise

UNKNOWN_AMOUNT = 8
"""A change of unknown size weighs like this many rows: enough in a table that rarely changes, not in another."""

OFTEN = 0.5
_MINUTE_S = 60
_HABIT = 3


def is_coarse(tally: Tally) -> bool:
    """Whether its slot is the time between two states, however short; a log counts by the minute of the clock."""
    return tally.end - tally.start != _MINUTE_S or tally.start % _MINUTE_S != 0


def is_coarse_blow(blow: Blow) -> bool:
    """Whether it was concluded from two states; every other has its place in the log."""
    return not blow.position


class Intervals:
    """The tables that changed between each two states."""

    def __init__(self, tallies: Iterable[Tally], known_s: int) -> None:
        """`known_s`: how many seconds the states span; an interval without any change leaves no tally."""
        self.by_span: dict[Span, dict[str, list[Tally]]] = defaultdict(lambda: defaultdict(list))
        for tally in tallies:
            self.by_span[tally.start, tally.end][tally.table].append(tally)
        usual = median(end - start for start, end in self.by_span) if self.by_span else 1
        self.count = max(len(self.by_span), round(known_s / usual))

    def share(self, table: str) -> float:
        """In which share of all intervals the table changed."""
        return sum(table in tables for tables in self.by_span.values()) / max(1, self.count)

    def often(self) -> set[str]:
        """Tables that change in half of the intervals or more."""
        tables = {table for held in self.by_span.values() for table in held}
        return {table for table in tables if self.count >= _HABIT and self.share(table) >= OFTEN}


def found(intervals: Intervals, spans: Iterable[Span], voice: Voice) -> list[Episode]:
    """An episode for each of these intervals in which tables changed that rarely do."""
    often = intervals.often()
    episodes = [
        _episode(span, {t: h for t, h in intervals.by_span[span].items() if t not in often}, intervals, voice)
        for span in sorted(spans)
    ]
    return [episode for episode in episodes if episode.score >= LEAST_SLOT]


def hits(blows: Sequence[Blow]) -> list[Hit]:
    """Losses that are not this table's habit: at most twice before or after."""
    losses = [b for b in blows if b.kind not in DEFINITIONS and b.rows != 0]  # an empty table is no loss
    times = {table: sum(b.table == table for b in losses) for table in {b.table for b in losses}}
    kept = [b for b in losses if times[b.table] <= _HABIT]
    # Two states do not say whether rows went at once or one by one.
    return [Hit(b.began_at, b.ended_at, b.table, "lost" if b.kind == "mass_delete" else b.kind, b.rows) for b in kept]


def accident(span: Span, cluster: Sequence[Hit], voice: Voice) -> Episode:
    """Destroyed at some time in the interval."""
    tables = {hit.table: words.counted(voice.locale, hit.what, hit.rows) for hit in cluster}
    start, end = (moment(second, voice.zone) for second in span)
    said = {"start": words.minute(voice.locale, start), "end": words.minute(voice.locale, end)}
    return Episode(
        kind="accident",
        start=start,
        end=end,
        score=round(sum(hit.score for hit in cluster), 1),
        tables=tables,
        why=voice.sentence("between_accident", tables, **said),
    )


def _episode(span: Span, tables: Mapping[str, list[Tally]], intervals: Intervals, voice: Voice) -> Episode:
    scores = {table: _score(held, intervals.share(table)) for table, held in tables.items()}
    order = sorted((t for t in scores if scores[t] >= 1), key=lambda t: (-scores[t], t))
    score = max(scores.values(), default=0.0)
    told = {table: _told(tables[table], voice.locale) for table in order}
    start, end = (moment(second, voice.zone) for second in span)
    said = {"start": words.minute(voice.locale, start), "end": words.minute(voice.locale, end)}
    return Episode(
        kind="serious" if score >= LEAST_SERIOUS else "minor",
        start=start,
        end=end,
        score=round(score, 1),
        tables=told,
        why=voice.sentence("between", told, **said),
    )


def _score(held: Iterable[Tally], share: float) -> float:
    amount = sum(UNKNOWN_AMOUNT if t.rows is None else t.rows for t in held)
    return surprise(expectation(share), amount)


def _told(held: Iterable[Tally], locale: Locale) -> str:
    return ", ".join(words.counted(locale, t.op, t.rows) for t in held)

"""Surprising slots become episodes, with a sentence that says why."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Literal, NamedTuple

from restorekit.model.changes import Episode
from restorekit.model.locale import Locale
from restorekit.timeline import words
from restorekit.timeline.destruction import Hit, placed
from restorekit.timeline.ground import DAY_S, Ground, moment
from restorekit.timeline.labels import Labels
from restorekit.timeline.surprise import Place, Reason, slot_score

LEAST_SLOT = 3.0
LEAST_SERIOUS = 10.0
SILENCE_SLOTS = 3
"""This many slots from one to the next still are one episode: 45 minutes."""

_LEADING = 0.1
"""What has a tenth of the largest score is named, and counts for when the episode ends."""


class Voice(NamedTuple):
    """How to say it: zone, language, and the playbook's words for tables."""

    zone: tzinfo
    locale: Locale
    labels: Labels

    def sentence(self, key: str, tables: Mapping[str, str], **values: object) -> str:
        """A sentence about these tables."""
        said = words.said(self.locale, [(self.labels.said(name), what) for name, what in tables.items()])
        return words.text(self.locale, key, tables=said, **values)


class _Group(NamedTuple):
    score: float
    reasons: list[Reason]


def found(by_place: Mapping[Place, list[Reason]], ground: Ground, voice: Voice) -> list[Episode]:
    """The serious and the minor episodes, oldest first."""
    return [_episode(group, ground, voice) for group in _groups(by_place)]


def accident(cluster: Sequence[Hit], voice: Voice) -> Episode:
    """The episode of one destruction; its position is where the first blow begins, if that one is in the log."""
    tables = _told((h.table, h.what, h.rows) for h in cluster)
    first, last = min(h.start for h in cluster), max(h.end for h in cluster)
    positions = [h.position for h in cluster if h.position]
    return Episode(
        kind="accident",
        start=moment(first // 60 * 60, voice.zone),
        end=moment(last // 60 * 60 + 59, voice.zone),
        score=round(sum(h.score for h in cluster), 1),
        tables=_worded(tables, voice.locale),
        why=voice.sentence("accident", _worded(tables, voice.locale)),
        position=min(positions, key=placed) if cluster[0].position else "",
    )


def _groups(by_place: Mapping[Place, list[Reason]]) -> list[_Group]:
    groups: list[_Group] = []
    era, slot = -1, 0
    for place in sorted(by_place):
        score = slot_score(by_place[place])
        if score < LEAST_SLOT or place[0] % 2:  # what an accident itself did is told by the accident
            continue
        if groups and place[0] == era and place[1] - slot <= SILENCE_SLOTS:
            groups[-1] = _Group(groups[-1].score + score, [*groups[-1].reasons, *by_place[place]])
        else:
            groups.append(_Group(score, by_place[place]))
        era, slot = place
    return groups


def _episode(group: _Group, ground: Ground, voice: Voice) -> Episode:
    by_kind: dict[tuple[str, str], list[Reason]] = {}
    for reason in group.reasons:
        by_kind.setdefault((reason.table, reason.what), []).append(reason)
    weight = {kind: sum(r.score for r in held) for kind, held in by_kind.items()}
    leading = [
        kind for kind in by_kind if weight[kind] >= _LEADING * max(weight.values()) or by_kind[kind][0].definition
    ]
    leading.sort(key=lambda kind: (-weight[kind], kind))
    named = [r for kind in leading for r in by_kind[kind]]
    start, end = min(r.start for r in named), max(r.end for r in named)
    kind, why = _judged(group, [(by_kind[k][0].definition, weight[k]) for k in leading], start - ground.start)
    tables = _worded(_told((r.table, r.what, _number(r)) for r in named), voice.locale)
    return Episode(
        kind=kind,
        start=moment(start // 60 * 60, voice.zone),
        end=moment(end // 60 * 60 + 59, voice.zone),
        score=round(group.score, 1),
        tables=tables,
        why=voice.sentence(why, tables),
    )


def _judged(
    group: _Group, weights: Iterable[tuple[bool, float]], after_s: int
) -> tuple[Literal["serious", "minor"], str]:
    """The kind of an episode, and the name of its sentence."""
    if after_s < DAY_S:
        return "minor", "warmup"
    if group.score < LEAST_SERIOUS:
        return "minor", "minor"
    rows = max((w for definition, w in weights if not definition), default=0.0)
    # Definitions change in updates that nobody remembers; a person's work shows in rows.
    if rows < LEAST_SLOT:
        return "minor", "definitions"
    return "serious", "serious"


def _number(reason: Reason) -> int | None:
    return reason.statements if reason.rows is None and reason.what != "?" else reason.rows


def _told(said: Iterable[tuple[str, str, int | None]]) -> dict[str, dict[str, int | None]]:
    """By table and what happened, the rows; None if one of them is not known."""
    tables: dict[str, dict[str, int | None]] = {}
    for table, what, rows in said:
        seen = tables.setdefault(table, {})
        before = seen.get(what, 0)
        seen[what] = None if rows is None or before is None else before + rows
    return tables


def _worded(tables: Mapping[str, Mapping[str, int | None]], locale: Locale) -> dict[str, str]:
    return {t: ", ".join(words.counted(locale, w, n) for w, n in seen.items()) for t, seen in tables.items()}

"""Vague wishes become bounds: what has to be in the state, and what must not, by what happened inside them."""

from collections.abc import Iterable
from datetime import datetime, tzinfo
from typing import NamedTuple

from restorekit.choosing.sentences import happened, text
from restorekit.model.changes import Episode, History
from restorekit.model.locale import Locale
from restorekit.model.request import Request, Wish
from restorekit.timeline import somewhere, words


class Bounds(NamedTuple):
    """The wishes with exact moments, and a sentence for each that was worked out rather than said."""

    wishes: tuple[Wish, ...]
    reasons: tuple[str, ...]


def settled(request: Request, history: History | None, zone: tzinfo) -> Bounds:
    """Settle each vague wish, and put the accident above all, if nobody named an upper end.

    A day in which the last change has to be contained means the end of the last larger change of that day; a day in
    which the damage was done means the beginning of the accident. Without a history the safe ends stay. What has to be
    contained of a day with an accident is what came before it.
    """
    if request.point_id is not None:
        return Bounds(request.wishes, ())
    known = history or History()
    settling = [_settle(wish, known, request.locale, zone) for wish in request.wishes]
    wishes = [wish for wish, _ in settling]
    reasons = [reason for _, reason in settling if reason]
    implied = _implied(wishes, known.accident)
    if implied is not None and known.accident is not None:
        wishes.append(implied)
        reasons.append(_accident("accident", known.accident, known, (request.locale, zone)))
        if known.last_serious is not None:
            when = words.span(request.locale, *_local(known.last_serious, zone))
            what = happened(request.locale, known.last_serious.tables)
            reasons.append(text(request.locale, "last_serious", when=when, what=what))
    return Bounds(tuple(wishes), tuple(reasons))


def _implied(wishes: Iterable[Wish], accident: Episode | None) -> Wish | None:
    """Before the accident, unless somebody said up to when, or wants what came after it."""
    if accident is None or any(w.role != "must_contain" for w in wishes):
        return None
    if any(w.at > accident.start for w in wishes):
        return None
    return Wish(at=accident.start, role="before_damage")


def _settle(wish: Wish, known: History, locale: Locale, zone: tzinfo) -> tuple[Wish, str]:
    if wish.start is None or wish.end is None:
        return wish, ""
    inside = [e for e in known.episodes if e.end >= wish.start and e.start < wish.end]
    if wish.role == "must_contain":
        return _contained(wish, known.accident, [e for e in inside if e.kind == "serious"], (locale, zone))
    if wish.role == "before_damage" and (hits := [e for e in inside if e.kind == "accident"]):
        reason = _accident("accident_in", hits[0], known, (locale, zone), said=wish.words)
        return wish.model_copy(update={"at": hits[0].start}), reason
    return wish, ""


def _contained(
    wish: Wish, accident: Episode | None, serious: list[Episode], said_in: tuple[Locale, tzinfo]
) -> tuple[Wish, str]:
    """The end of the last larger change inside; where nothing is known of one, the whole interval."""
    locale, zone = said_in
    if accident is not None and wish.start is not None and wish.start <= accident.start < wish.at:
        # What somebody did after the damage is no reason to restore the damage.
        serious = [e for e in serious if e.start < accident.start]
        if not serious:
            when = words.minute(locale, accident.start.astimezone(zone))
            said = text(locale, "until_accident", words=wish.words, when=when)
            return wish.model_copy(update={"at": accident.start}), said
    if not serious:
        when = words.minute(locale, wish.at.astimezone(zone))
        return wish, text(locale, "no_serious_in", words=wish.words, when=when)
    last = serious[-1]
    when = words.minute(locale, last.end.astimezone(zone))
    reason = text(locale, "serious_in", words=wish.words, when=when, what=happened(locale, last.tables))
    return wish.model_copy(update={"at": last.end}), reason


def _accident(key: str, episode: Episode, known: History, said_in: tuple[Locale, tzinfo], said: str = "") -> str:
    locale, zone = said_in
    what = happened(locale, episode.tables)
    if somewhere(episode, known.stretches):
        return text(locale, "accident_between", when=words.span(locale, *_local(episode, zone)), what=what)
    return text(locale, key, words=said, when=words.minute(locale, episode.start.astimezone(zone)), what=what)


def _local(episode: Episode, zone: tzinfo) -> tuple[datetime, datetime]:
    return episode.start.astimezone(zone), episode.end.astimezone(zone)

"""At most three ways to go, only if they differ: recommended, least loss, fastest; each with its sentence."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from restorekit.choosing.judging import Outlook, ends
from restorekit.choosing.sentences import happened, lost, offset_minute, span, text
from restorekit.model.changes import Episode, History
from restorekit.model.locale import Locale
from restorekit.model.plan import Choice, Option
from restorekit.model.verdict import Level
from restorekit.timeline import words

_CLEARLY = 0.8
"""An option is called faster only if it takes less than this share of the recommended one's time."""

Kind = Literal["recommended", "least_loss", "fastest"]


class Offer(NamedTuple):
    """A choice and how long it takes, in seconds, at best guess."""

    choice: Choice
    takes_s: float


def options(choices: Sequence[Choice], look: Outlook, takes_s: Callable[[Choice], float]) -> tuple[Option, ...]:
    """The first of the accepted `choices` (best first), and those that lose less or come sooner."""
    offers = [Offer(choice, takes_s(choice)) for choice in choices if choice.accepted]
    if not offers:
        return ()
    best = offers[0]
    found: list[tuple[Kind, Offer]] = [("recommended", best)]
    least = min(offers, key=_loss)
    if _loss(least) < _loss(best):
        found.append(("least_loss", least))
    fastest = min(offers, key=lambda offer: offer.takes_s)
    if fastest.takes_s < _CLEARLY * best.takes_s and fastest not in [offer for _, offer in found]:
        found.append(("fastest", fastest))
    return tuple(
        Option(
            kind=kind,
            point_id=offer.choice.point.id,
            sentences={"de": sentence(offer, look, "de"), "en": sentence(offer, look, "en")},
        )
        for kind, offer in found
    )


def _loss(offer: Offer) -> float:
    return offer.choice.loss.hours if offer.choice.loss else 0.0


def sentence(offer: Offer, look: Outlook, locale: Locale) -> str:
    """What would be restored, what it holds, what it loses, how long it takes, and that nothing is thrown away."""
    choice, point = offer.choice, offer.choice.point
    at = offset_minute(locale, point.consistent_at.astimezone(look.zone)) if point.consistent_at else point.id
    proven = (choice.level or 0) >= Level.EQUAL
    proof = text(locale, "proven", level=choice.level) if proven else text(locale, "unproven")
    said = text(locale, "restore_state", at=at, source=point.source, proof=proof)
    said += _serious(choice, look, locale)
    if choice.loss is not None:
        said += lost(locale, choice.loss, _until(choice.loss.until, look, locale))
    said += text(locale, "takes", span=span(locale, offer.takes_s))
    return said + text(locale, "kept")


def _serious(choice: Choice, look: Outlook, locale: Locale) -> str:
    history = look.histories.get(locale)
    if history is None or choice.point.consistent_at is None:
        return ""
    first, last = ends(choice.point)
    said = ""
    episode = _last_before(choice.loss.until if choice.loss else look.now, history)
    if episode is not None:
        when = words.span(locale, episode.start.astimezone(look.zone), episode.end.astimezone(look.zone))
        surely = first is not None and first >= episode.end
        key = "contains" if surely else "misses" if last is not None and last < episode.end else "may_miss"
        said = text(locale, key, when=when, what=happened(locale, episode.tables))
    if choice.damage and history.accident is not None:
        when = words.minute(locale, history.accident.start.astimezone(look.zone))
        said += text(locale, "damaged", when=when)
    return said


def _last_before(until: datetime, history: History) -> Episode | None:
    """The last larger change that the state could hold: what came after the moment wanted is not missed."""
    last = history.last_serious
    if last is None or last.end <= until:
        return last
    return next((e for e in reversed(history.episodes) if e.kind == "serious" and e.end <= until), None)


def _until(until: datetime, look: Outlook, locale: Locale) -> str:
    accident = look.history.accident if look.history else None
    if accident is not None and look.vague and until in (accident.start, accident.end):
        when = words.span(locale, accident.start.astimezone(look.zone), accident.end.astimezone(look.zone))
        return text(locale, "from_accident" if until == accident.start else "to_accident", when=when)
    if accident is not None and until == accident.start:
        return text(locale, "the_accident", when=words.minute(locale, accident.start.astimezone(look.zone)))
    if until >= look.now:
        return text(locale, "now")
    return offset_minute(locale, until.astimezone(look.zone))

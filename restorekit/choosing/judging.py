"""Each point against the bounds, then in order: bounds, proof, changes lost, time to restore. Every step is sayable."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from restorekit.choosing.sentences import offset_minute, text
from restorekit.model.changes import History, Loss, Tally
from restorekit.model.locale import Locale
from restorekit.model.plan import Choice
from restorekit.model.point import PointState, Quality, RecoveryPoint
from restorekit.model.request import Wish
from restorekit.model.verdict import Level
from restorekit.timeline import somewhere, words
from restorekit.timeline.loss import lost

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Outlook:
    """All that a judgement knows: bounds, what happened, proofs (point id to level), now, zone and language.

    `histories` is the same history told in each language; empty if nothing is known. `tolerance_s` is how much older a
    proven point may be than one nobody has tried.
    """

    wishes: Sequence[Wish]
    now: datetime
    zone: tzinfo
    proofs: Mapping[str, int]
    histories: Mapping[Locale, History] = field(default_factory=dict)
    tallies: Sequence[Tally] = ()
    locale: Locale = "en"
    tolerance_s: float = 0

    @property
    def history(self) -> History | None:
        """What happened, told in the language of the request."""
        return self.histories.get(self.locale)

    @property
    def vague(self) -> bool:
        """Whether the accident is only known to lie between two states."""
        known = self.history
        return known is not None and known.accident is not None and somewhere(known.accident, known.stretches)

    @property
    def struck(self) -> datetime | None:
        """When the accident had surely begun; of one between two states that is the second."""
        accident = self.history.accident if self.history else None
        return (accident.end if self.vague else accident.start) if accident else None

    def reach(self, at: datetime) -> datetime | None:
        """What data of `at` fall short of: the next of accident, moment named and now; None if they are of later."""
        named = [w.at for w in self.wishes if w.role != "must_contain"]
        aims = [*named, *([self.struck] if self.struck else []), self.now]
        return min((aim for aim in aims if aim >= at), default=None)


def judged(point: RecoveryPoint, look: Outlook) -> Choice:
    """Accepted or refused, with the reason, what it would lose, and whether it already holds the accident."""
    refusal = _unfit(point, look.locale) or next((r for w in look.wishes if (r := _misses(point, w, look))), "")
    reason = refusal or _fits(look.wishes, look.locale)
    base = Choice(point=point, accepted=not refusal, reason=reason, level=look.proofs.get(point.id))
    return base.model_copy(update={"damage": damage(point, look), "loss": _loss(point, look)})


def damage(point: RecoveryPoint, look: Outlook) -> str:
    """A sentence if the data are surely from after the accident began: at the best end of their bounds."""
    accident = look.history.accident if look.history else None
    first, _ = ends(point)
    if accident is None or first is None or look.struck is None or first <= look.struck:
        return ""
    when = words.minute(look.locale, accident.start.astimezone(look.zone))
    return text(look.locale, "holds_accident", when=when, at=_said(first, look))


def doubt(point: RecoveryPoint, look: Outlook) -> str:
    """A sentence if nobody can say whether the data are from before the accident or after its beginning."""
    accident = look.history.accident if look.history else None
    first, last = ends(point)
    if accident is None or look.struck is None or (first is not None and first > look.struck):
        return ""
    if last is not None and last <= accident.start:
        return ""
    when = words.minute(look.locale, accident.start.astimezone(look.zone))
    return text(look.locale, "may_hold_accident", when=when)


def ends(point: RecoveryPoint) -> tuple[datetime | None, datetime | None]:
    """Between which moments the state of the data lies; None where nobody knows."""
    open_below = point.quality in (Quality.BOUNDED, Quality.NONE)
    return point.earliest or (None if open_below else point.consistent_at), point.latest or point.consistent_at


def ranked(accepted: Iterable[Choice], look: Outlook) -> list[Choice]:
    """Best first.

    With an upper bound: within the tolerance a proven point goes before an untried one; then the later state, which
    never loses more changes than an earlier one. With a lower bound only, the earliest state: nobody said that later
    ones are whole.
    """
    held = list(accepted)
    if not held:
        return []
    if {w.role for w in look.wishes} == {"must_contain"}:
        return sorted(held, key=lambda c: (_at(c), -(c.level or 0)))
    newest = max(_at(c) for c in held)
    ordered = sorted(held, key=lambda c: _rank(c, newest, look.tolerance_s))
    return [_said_why(ordered[0], newest, look), *ordered[1:]]


def nearest(refused: Iterable[Choice], look: Outlook) -> list[Choice]:
    """Those first that would only miss something, the latest before all; then those of too late, the earliest first.

    What misses the last change is better than what holds the damage.
    """
    upper = [w.at for w in look.wishes if w.role != "must_contain"]

    def key(choice: Choice) -> tuple[bool, bool, float]:
        _, last = ends(choice.point)
        late = last is not None and any(last > at for at in upper)
        return bool(_unfit(choice.point, look.locale)), late, _at(choice) if late else -_at(choice)

    return sorted(refused, key=key)


def _rank(choice: Choice, newest: float, tolerance_s: float) -> tuple[bool, float, int]:
    at = _at(choice)
    proven_enough = (choice.level or 0) >= Level.EQUAL and newest - at <= tolerance_s
    return (not proven_enough, -at, -(choice.level or 0))


def _said_why(best: Choice, newest: float, look: Outlook) -> Choice:
    if _at(best) == newest:
        return best
    return best.model_copy(update={"reason": text(look.locale, "fits_proven")})


def _at(choice: Choice) -> float:
    return (choice.point.consistent_at or _LONG_AGO).timestamp()


def _loss(point: RecoveryPoint, look: Outlook) -> Loss | None:
    """From the earliest moment the data can be of; if that is open, there may be more."""
    until = look.reach(point.consistent_at) if point.consistent_at else None
    if point.consistent_at is None or until is None:
        return None
    first, _ = ends(point)
    since = (first or point.consistent_at).astimezone(look.zone)
    found = lost(look.history or History(), look.tallies, since, until.astimezone(look.zone))
    return found if first is not None else found.model_copy(update={"known": False})


def _unfit(point: RecoveryPoint, locale: Locale) -> str:
    if point.state != PointState.USABLE:
        said = text(locale, f"is_{point.state}")
        return f"{said}: {point.why}" if point.why else said
    if point.consistent_at is None or point.quality == Quality.NONE:
        return text(locale, "moment_unknown")
    return ""


def _misses(point: RecoveryPoint, wish: Wish, look: Outlook) -> str:
    """Why the point does not fit, at the worst end of its bounds; empty if it does."""
    earliest, latest = ends(point)
    when = _said(wish.at, look)
    if wish.role == "must_contain" and earliest is None:
        return text(look.locale, "open_below", when=when)
    if wish.role != "must_contain" and latest is not None and latest > wish.at:
        return damage(point, look) or text(look.locale, "too_late", at=_said(latest, look), when=when)
    if wish.role == "must_contain" and earliest is not None and earliest < wish.at:
        return text(look.locale, "too_early", at=_said(earliest, look), when=when)
    return ""


def _said(at: datetime, look: Outlook) -> str:
    return offset_minute(look.locale, at.astimezone(look.zone))


def _fits(wishes: Sequence[Wish], locale: Locale) -> str:
    roles = {w.role for w in wishes}
    if roles == {"must_contain"}:
        return text(locale, "fits_lower")
    return text(locale, "fits_both" if "must_contain" in roles else "fits_upper")

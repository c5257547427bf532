"""What is said to somebody who waits for a tape, in German and English."""

from math import ceil
from typing import get_args

from restorekit.model.locale import Locale
from restorekit.model.tapeplan import TapePlan, Turn

LATE = 1.8
"""Times the plan's time: then it is there, with all who may still come and be read first (see docs/adr/0008)."""

_TEXTS = {
    "en": {
        "turn": "place {place}{along}; {tape}; {span}",
        "along": ", together with {n} more",
        "inside": "tape {names} is in the drive already",
        "mounted": "tape {names} is mounted for it",
        "several": "tapes {names} are mounted for it, one after the other",
        "nothing": "no tape is needed",
        "missing": "waits for tape {names}, which is not in the library",
        "missing_some": "waits for tapes {names}, which are not in the library",
        "no_drive": "waits for a tape drive; there is none in the library",
        "and": " and ",
        "minute": "about 1 minute",
        "minutes": "about {low} to {high} minutes",
        "hours": "about {low} to {high}",
        "clock": "{h} h {m} min",
    },
    "de": {
        "turn": "Platz {place}{along}; {tape}; {span}",
        "along": ", zusammen mit {n} weiteren",
        "inside": "Band {names} liegt schon im Laufwerk",
        "mounted": "Band {names} wird dafür eingelegt",
        "several": "die Bänder {names} werden dafür nacheinander eingelegt",
        "nothing": "kein Band wird gebraucht",
        "missing": "wartet auf Band {names}, das nicht in der Bibliothek ist",
        "missing_some": "wartet auf die Bänder {names}, die nicht in der Bibliothek sind",
        "no_drive": "wartet auf ein Bandlaufwerk; in der Bibliothek ist keines",
        "and": " und ",
        "minute": "etwa 1 Minute",
        "minutes": "etwa {low} bis {high} Minuten",
        "hours": "etwa {low} bis {high}",
        "clock": "{h} h {m} min",
    },
}


def queued(plan: TapePlan, wish_id: str) -> dict[Locale, str]:
    """Its place, its tapes and from when to when it should be read; or what it lacks. In every language."""
    return {locale: _said(locale, plan, wish_id) for locale in get_args(Locale)}


def span(locale: Locale, low_s: float, high_s: float) -> str:
    """`about 12 to 20 minutes`, `about 1 h 10 min to 2 h 5 min`; the first rounded down, the second up."""
    texts, low, high = _TEXTS[locale], max(1, int(low_s // 60)), max(1, ceil(high_s / 60))
    if high < 90:
        return texts["minute"] if high == 1 else texts["minutes"].format(low=low, high=high)
    return texts["hours"].format(low=_clock(locale, low), high=_clock(locale, high))


def _clock(locale: Locale, minutes: int) -> str:
    return _TEXTS[locale]["clock"].format(h=minutes // 60, m=minutes % 60)


def _said(locale: Locale, plan: TapePlan, wish_id: str) -> str:
    texts, turn = _TEXTS[locale], plan.turn(wish_id)
    if turn is None:
        return _missing(locale, plan.waiting.get(wish_id, ()))
    return texts["turn"].format(
        place=plan.place(wish_id),
        along=texts["along"].format(n=len(turn.ids) - 1) if len(turn.ids) > 1 else "",
        tape=_tapes(locale, turn),
        span=span(locale, turn.ends_s, turn.ends_s * LATE),
    )


def _tapes(locale: Locale, turn: Turn) -> str:
    several = len(turn.volumes) > 1
    key = "several" if several else "mounted" if turn.mounts else "inside" if turn.volumes else "nothing"
    return _TEXTS[locale][key].format(names=_listed(locale, turn.volumes))


def _missing(locale: Locale, volumes: tuple[str, ...]) -> str:
    key = "no_drive" if not volumes else "missing" if len(volumes) == 1 else "missing_some"
    return _TEXTS[locale][key].format(names=_listed(locale, volumes))


def _listed(locale: Locale, names: tuple[str, ...]) -> str:
    return _TEXTS[locale]["and"].join(filter(None, (", ".join(names[:-1]), *names[-1:])))

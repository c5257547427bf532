"""Runs of a text that can be trusted: complete ones, with what belongs together put together."""

import re
from typing import NamedTuple

from restorekit.timewords.grammar import Run, merged
from restorekit.timewords.reading import Tokens, at, skip, unknown
from restorekit.timewords.tokens import Token
from restorekit.timewords.vocabulary import suggestion, words

_MARKS = frozenset(",()[]\"'")
_FAR = 8
_FARTHEST_DENIAL = 5
_WORDS_TOO = frozenset({"so", "do", "sat", "sun", "may", "march", "jan", "mar"})
"""Names of days and months that are also something else."""
_TIMELY = re.compile(r"abend|nacht|mittag|morgen|wochen|monat|jahr|stunde|uhr$|night|morning|noon|evening|week|rzeit$")


class Found(NamedTuple):
    """A run and the tokens it was read from, which may have others between them."""

    run: Run
    pieces: tuple[tuple[int, int], ...]


class Search(NamedTuple):
    """What can be trusted, and why something else cannot: a slip of the pen, or a part that nothing explains."""

    found: tuple[Found, ...]
    typo: tuple[str, str] | None
    partly: bool


def search(ts: Tokens, all_runs: list[Run], clause_of: list[int]) -> Search:
    """Runs whose neighbours do not change what they say."""
    typo: tuple[str, str] | None = None
    partly = False
    kept: list[Found] = []
    taken = {i for run in all_runs for i in range(run.start, run.end)}
    for run in all_runs:
        word = _misspelled(ts, run, taken)
        if word is not None:
            typo = typo or word
        elif _incomplete(ts, run, taken):
            partly = True
        else:
            kept.append(Found(run, ((run.start, run.end),)))
    if not all_runs:
        typo = next(((t.raw, s) for t in ts if unknown(t) and (s := suggestion(t.text)) and len(ts) < 8), None)
    return Search(tuple(_together(kept, clause_of)), typo, partly)


def _neighbours(ts: Tokens, run: Run) -> tuple[int, int]:
    before, after = run.start - 1, run.end
    while before >= 0 and (ts[before].text in _MARKS or _only_filler(ts[before]) or _joins(ts[before])):
        before -= 1
    while (
        at(ts, after).text in _MARKS | {"-", "/"}
        or at(ts, after).has("upto")
        or (at(ts, after).text and _only_filler(at(ts, after)))
    ):
        after += 1
    return before, after


def _only_filler(token: Token) -> bool:
    return token.has("filler")


def _joins(token: Token) -> bool:
    return token.has("and") or token.value("number") == 1 or token.text in ("-", "/", "than", "als") or token.has("or")


def _misspelled(ts: Tokens, run: Run, taken: set[int]) -> tuple[str, str] | None:
    for i in _neighbours(ts, run):
        token = at(ts, i)
        if i not in taken and unknown(token):
            correct = suggestion(token.text)
            if correct is not None:
                return token.raw, correct
    return None


def _timely(ts: Tokens, i: int) -> bool:
    """An unknown word made of known ones: `Vorabend`, `spätabends`; a greeting is none."""
    token = at(ts, i)
    return unknown(token) and token.text not in words() and _TIMELY.search(token.text) is not None


def _incomplete(ts: Tokens, run: Run, taken: set[int]) -> bool:
    """A denial, a number, a unit or the like beside it, which nothing explains."""
    before, after = _neighbours(ts, run)
    if _refused(ts, run.start - 1):
        return True
    if at(ts, before).has("denial") and before not in taken and not _spans(ts, before):
        return True
    return any(i not in taken and (_dangling(ts, i) or _timely(ts, i)) for i in (before, after))


def _refused(ts: Tokens, i: int) -> bool:
    """`not the backup from Monday`, `nicht den Stand vom 17.01.`: what is not wanted."""
    last = max(-1, i - _FARTHEST_DENIAL)
    while i > last and (at(ts, i).has("filler", "from", "backup") or at(ts, i).text in ("the", "one")):
        i -= 1
    return at(ts, i).text in ("not", "nicht", "kein", "keinen", "keine")


def _spans(ts: Tokens, i: int) -> bool:
    """`over the weekend`: over more than a number is no comparison."""
    return at(ts, i).text in ("over", "ueber", "uber") and at(ts, skip(ts, i + 1)).has("unit")


def _dangling(ts: Tokens, i: int) -> bool:
    token, after = at(ts, i), at(ts, i + 1)
    if token.kind in ("number", "decimal", "point", "numeric", "date", "clock", "stamp"):
        return not (unknown(after) and after.kind == "word" and token.kind == "number")
    if token.has("part", "unit", "part_of", "ago", "halb", "viertel") and len(token.text) > 1:
        return token.text not in ("back", "her", "zurueck", "minute", "second", "time")
    if token.has("weekday", "shift", "month"):
        return token.text not in _WORDS_TOO
    number = token.value("number")
    return isinstance(number, int) and number > 1 and not unknown(after)


def _together(found: list[Found], clause_of: list[int]) -> list[Found]:
    """`gestern habe ich um 14 Uhr …`: the day and the time of one clause are one moment."""
    out: list[Found] = []
    for one in found:
        both = _pair(out[-1], one, clause_of) if out else None
        if both is not None:
            out[-1] = both
        else:
            out.append(one)
    return out


def _pair(first: Found, second: Found, clause_of: list[int]) -> Found | None:
    a, b = first.run, second.run
    if clause_of[a.start] != clause_of[b.start] or b.start - a.end > _FAR:
        return None
    left, right = (all(f.has_day and not (f.has_time or f.related) for f in r.frames) for r in (a, b))
    left_time, right_time = (all(f.has_time and not f.has_day for f in r.frames) for r in (a, b))
    if not ((left and right_time) or (left_time and right)):
        return None
    frames = tuple(m for x in a.frames for y in b.frames if (m := merged(x, y)) is not None)
    return Found(Run(a.start, b.end, frames), first.pieces + second.pieces) if frames else None

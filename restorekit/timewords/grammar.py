"""The grammar: items in any order, each slot at most once; all derivations of the longest run are kept."""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from restorekit.timewords.items import AFTERWARDS, items, joint, opener
from restorekit.timewords.reading import (
    Item,
    Tokens,
    at,
    skip,
)
from restorekit.timewords.said import (
    DayRange,
    DaysAgo,
    Frame,
    Month,
    Period,
    Shift,
)
from restorekit.timewords.tokens import Token
from restorekit.timewords.vocabulary import phrase_starts

_MOST = 64
_MOST_RUNS = 40
_MOST_TRIES = 1000
_EMPTY = Frame()


class Run(NamedTuple):
    """Tokens [start, end) and everything they can say."""

    start: int
    end: int
    frames: tuple[Frame, ...]


def merged(frame: Frame, item: Frame) -> Frame | None:
    """Both together, or None where a slot would be said twice or the parts do not go together."""
    if item.zone is not None and item.clock is None and not (frame.clock or frame.instant):
        return None
    if item.related is not None and frame.clock is not None:
        return None
    day = item.day
    if isinstance(frame.day, Shift) and isinstance(day, DaysAgo) and not frame.vague:
        return frame._replace(day=day._replace(base=frame.day.days))
    if isinstance(day, Shift) and isinstance(frame.day, DaysAgo):
        return frame._replace(day=frame.day._replace(base=day.days))
    said = {name: value for name, value in item._asdict().items() if value}
    if any(getattr(frame, name) for name in said):
        return None
    both = frame._replace(**said)
    return both if _goes_together(both) else None


def _goes_together(frame: Frame) -> bool:
    many = isinstance(frame.day, DayRange | Period | Month) and frame.weekday is None
    if many and frame.has_time:
        return False
    if isinstance(frame.day, DayRange) and frame.weekday is not None:
        return False
    if frame.recent and (frame.has_day or frame.has_time):
        return False
    if frame.elapsed and (frame.has_day or frame.has_time):
        return False
    if frame.latest and frame.vague:
        return False
    alone_only = frame.latest or frame.position or frame.instant
    return not (alone_only and (frame.has_day or frame.has_time))


class _State(NamedTuple):
    """How far a derivation is. `turned`: a relation came after the day. `pending`: nothing came after the relation."""

    i: int
    frame: Frame
    turned: bool = False
    pending: bool = False


def derive(ts: Tokens, start: int) -> Run | None:
    """The longest run that begins at `start`, with all its derivations; None if nothing can be read there."""
    best, found = start, dict[Frame, None]()
    stack = [_State(start, _EMPTY)]
    seen: set[_State] = set()
    at_place: dict[int, list[Item]] = {}
    while stack and len(seen) < 40 * _MOST:
        state = stack.pop()
        if state in seen:
            continue
        seen.add(state)
        if _says(state.frame) and not state.pending:
            if state.i > best:
                best, found = state.i, {}
            if state.i == best:
                found[state.frame] = None
        for place in _places(ts, state.i, start):
            if place not in at_place:
                at_place[place] = items(ts, place)
            stack.extend(_steps(ts, state, at_place[place]))
    frames = tuple(islice(found, _MOST))
    return Run(start, best, frames) if frames else None


def _places(ts: Tokens, i: int, start: int) -> set[int]:
    """Where the next item may begin: here, or after fillers, or after a hyphen."""
    if i == start:
        return {i}
    places = set(range(i, skip(ts, i) + 1))
    return places | {skip(ts, k + 1) for k in places if at(ts, k).text in ("-", "/")}


def _steps(ts: Tokens, state: _State, found: list[Item]) -> Iterator[_State]:
    for item, end in found:
        # "Freitag vor dem 17.01.": what stands before the relation does not date what stands after it
        if state.turned and (item.has_day or (item.daypart and not state.frame.clock)):
            continue
        both = merged(state.frame, item)
        if both is not None:
            related = item.related is not None and not (item.has_day or item.elapsed)
            turned = related and (state.frame.has_day or state.frame.daypart is not None)
            pending = related and at(ts, end - 1).text not in AFTERWARDS
            yield _State(end, both, state.turned or turned, pending)


def _says(frame: Frame) -> bool:
    """A relation, a zone or a filler alone says nothing."""
    return any((*frame[1:5], *frame[6:13]))


def runs(ts: Tokens) -> tuple[list[Run], bool]:
    """Runs of a text from left to right, none inside another; False if there was too much to look at all of it."""
    found: list[Run] = []
    i = tries = 0
    while i < len(ts):
        if len(found) >= _MOST_RUNS or tries >= _MOST_TRIES:
            return found, False
        run = None
        if _can_begin(ts[i]):
            run, tries = _run(ts, i), tries + 1
        if run is not None:
            found.append(run)
        i = run.end if run is not None else i + 1
    return found, True


def _can_begin(token: Token) -> bool:
    if token.kind == "word":
        return any(m.kind not in _NEVER_FIRST for m in token.meanings) or token.text in phrase_starts()
    return token.kind != "mark"


_NEVER_FIRST = frozenset(
    {"filler", "decoy", "denial", "and", "to", "upto", "uhr", "ago", "meridiem", "past", "backup", "event"}
)


def _run(ts: Tokens, i: int) -> Run | None:
    """`von gestern Abend bis heute früh`: two moments and the words that make one interval of them; or one moment."""
    begun, k = opener(ts, i)
    plain = derive(ts, i)
    first = derive(ts, k) if begun else plain
    if first is None or (not begun and at(ts, i).has("relation", "vor")):
        return plain
    j = joint(ts, first.end, begun)
    last = derive(ts, j) if j is not None else None
    frames = [a._replace(last=b) for a in first.frames for b in (last.frames if last else ()) if _both_open(a, b)]
    if last is None or not frames or (plain is not None and plain.end >= last.end):
        return plain
    return Run(i, last.end, tuple(frames[:_MOST]))


def _both_open(first: Frame, last: Frame) -> bool:
    return _can_open(first) and _can_open(last)


def _can_open(frame: Frame) -> bool:
    if frame.related or frame.event or frame.vague or frame.latest or frame.position or frame.recent:
        return False
    return bool(frame.has_day or frame.has_time or frame.elapsed or frame.instant)

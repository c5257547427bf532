"""Items: what can be read at one place, as a frame with one or two slots filled, and where it ends."""

from collections.abc import Callable, Iterator
from typing import cast

from restorekit.model.resolution import Relation
from restorekit.timewords import counted, events
from restorekit.timewords.clocks import HALVES, clocks, dayparts, range_end, zones
from restorekit.timewords.dates import days, year_tail
from restorekit.timewords.reading import (
    Item,
    Tokens,
    alone,
    at,
    fits_here,
    lone_number,
    phrase,
    skip,
    unknown,
)
from restorekit.timewords.said import (
    Clock,
    ClockRange,
    Containing,
    Dated,
    Daypart,
    DayRange,
    DaySaid,
    Frame,
    Related,
    Shift,
    Weekday,
)

_NIGHT_JOINTS = ("auf", "zu", "zum")
AFTERWARDS = frozenset({"herum", "rum"})
"""`um den 17.01. herum`: relations that stand last."""


def _stamp(ts: Tokens, i: int) -> Iterator[Item]:
    stamp = at(ts, i).stamp
    if stamp is not None and fits_here(ts, i, strict=stamp.bare):
        yield stamp.frame, i + 1


def _day(ts: Tokens, i: int) -> Iterator[Item]:
    for day, end in days(ts, i):
        yield (Frame(weekday=day) if isinstance(day, Weekday) else Frame(day=day)), end


def _clock(ts: Tokens, i: int) -> Iterator[Item]:
    for clock, end in clocks(ts, i):
        yield Frame(clock=clock), end


def _daypart(ts: Tokens, i: int) -> Iterator[Item]:
    if next(_night_to(ts, i), None) is not None:
        return
    yield from _half_of(ts, i)
    which = at(ts, i).value("which")
    k = i + 1 if which else i
    for part, end in dayparts(ts, k):
        if part.name in _LAST_NIGHTS and (which == "before_last" or _before_last(ts, end)):
            stop = end if which else end + 2
            yield Frame(day=Shift(-2), daypart=Daypart(_LAST_NIGHTS[part.name])), stop
            return

        if which in (None, "this"):
            shift = Shift(0) if which or part.name == "en_tonight" else None
            yield Frame(day=shift, daypart=part), end
        elif which == "last" and part.name in _LAST_NIGHTS:
            yield Frame(day=Shift(-1), daypart=Daypart(_LAST_NIGHTS[part.name])), end
        elif which == "last" and part.name.endswith("evening"):
            yield Frame(day=Shift(-1), daypart=part), end


_LAST_NIGHTS = {"de_night": "last_night_de", "en_night": "last_night_en"}


def _before_last(ts: Tokens, i: int) -> bool:
    return (at(ts, i).text, at(ts, i + 1).text) == ("before", "last")


def _half_of(ts: Tokens, i: int) -> Iterator[Item]:
    """`early yesterday morning`, `late last night`."""
    half = HALVES.get(at(ts, i).text)
    if half is None:
        return
    k = skip(ts, i + 1)
    found = [*_daypart(ts, k)] if at(ts, k).has("which") else []
    for day, end in days(ts, k):
        if isinstance(day, Shift | Weekday):
            said = Frame(weekday=day) if isinstance(day, Weekday) else Frame(day=day)
            found += [(said._replace(daypart=part), stop) for part, stop in dayparts(ts, skip(ts, end))]
    for frame, stop in found:
        if frame.has_day and frame.daypart is not None:
            yield frame._replace(daypart=frame.daypart._replace(half=half)), stop


def _night_to(ts: Tokens, i: int) -> Iterator[Item]:
    """`Nacht auf Sonntag`, `Nacht von Freitag auf Samstag`, `Nacht vom 16. zum 17.01.`: the night that ends there."""
    part = at(ts, i).value("daypart")
    if part not in ("de_night", "en_night"):
        return
    k = skip(ts, i + 1)
    k = k + 1 if at(ts, k).text == "from" else k
    firsts = {end for _, end in _ends(ts, k)}
    joints = {end for end in firsts if at(ts, end).text in (*_NIGHT_JOINTS, "to", "/", "-")}
    joints |= {i + 1} if at(ts, i + 1).text in _NIGHT_JOINTS else set()
    night = Daypart(str(part), until=True)
    for joined in joints:
        for day, end in _ends(ts, skip(ts, joined + 1)):
            said = Frame(weekday=day) if isinstance(day, Weekday) else Frame(day=day)
            yield said._replace(daypart=night), end


def _relation(ts: Tokens, i: int) -> Iterator[Item]:
    if at(ts, i).text in AFTERWARDS:
        yield Frame(related=Related("around")), i + 1
    shortly = at(ts, i).has("shortly")
    k = i + 1 if shortly else i
    long = phrase(ts, k)
    said = long[0].value if long and long[0].kind == "relation" else at(ts, k).value("relation")
    said = "until" if said is None and _by(ts, k) else said
    end = long[1] if long and long[0].kind == "relation" else k + 1
    if said in ("before", "after"):
        yield Frame(related=Related(cast(Relation, said), shortly=shortly)), end
    elif said in ("until", "since") and not shortly:
        yield Frame(related=Related("before" if said == "until" else "after", inclusive=True)), end
    elif said == "around" and not shortly:
        again = end + 1 if at(ts, end).value("relation") == "around" else end
        yield Frame(related=Related("around")), again


def _by(ts: Tokens, i: int) -> bool:
    """`by 9am`, `by Friday`; `by 9` may count anything."""
    if at(ts, i).text != "by":
        return False
    after = at(ts, skip(ts, i + 1))
    dated = after.kind in ("date", "clock", "stamp", "numeric") or after.has("weekday", "shift", "month", "named")
    return dated or next((c for c, _ in clocks(ts, i + 1) if not c.bare), None) is not None


def _other(ts: Tokens, i: int) -> Iterator[Item]:
    """Words that name no moment: vague ones, and the newest state."""
    long = phrase(ts, i)
    if long is not None and long[0].kind == "vague":
        yield Frame(vague=long[0].value), long[1]
    elif long is not None and long[0].kind == "latest" and alone(ts, i, long[1]):
        yield Frame(latest=True), long[1]
    vague = at(ts, i).value("vague")
    if vague is not None and not at(ts, i + 1).has("relation", "vor"):
        yield Frame(vague=cast(str, vague)), i + 1
    newest = at(ts, i).has("latest") or at(ts, i).value("which") == "last"
    if (at(ts, i).text, at(ts, i + 1).text) == ("most", "recent"):
        newest, i = True, i + 1
    k = i + 2 if unknown(at(ts, i + 1)) and at(ts, i + 2).has("backup") else i + 1
    if newest and at(ts, k).has("backup"):
        yield Frame(latest=True), k + 1
    elif at(ts, i).has("latest") and alone(ts, i, i + 1):
        yield Frame(latest=True), i + 1


def _zone(ts: Tokens, i: int) -> Iterator[Item]:
    for zone, end in zones(ts, i):
        yield Frame(zone=zone), end


def _ends(ts: Tokens, i: int) -> Iterator[tuple[DaySaid, int]]:
    """Days as ends of ranges, where a lone number will do."""
    yield from days(ts, i)
    lone = lone_number(ts, i)
    if lone is not None and 1 <= lone <= 31 and not at(ts, i + 1).has("uhr", "unit", "month", "meridiem"):
        year, shift, end = year_tail(ts, i + 1)
        yield Dated(lone, year=year, year_shift=shift), end


def opener(ts: Tokens, i: int) -> tuple[str, int]:
    """("between" | "from" | "", where the first end begins)."""
    if at(ts, i).has("between"):
        return "between", skip(ts, i + 1)
    return ("from", skip(ts, i + 1)) if at(ts, i).has("from") else ("", i)


def joint(ts: Tokens, i: int, begun: str) -> int | None:
    """Where the second end begins, if the right word for it stands here."""
    token = at(ts, i)
    fits = token.has("and") if begun == "between" else token.has("upto")
    if fits or token.text == "-":
        k = i + 1 if at(ts, i + 1).has("weekday") else skip(ts, i + 1)
        return skip(ts, k + 1) if at(ts, k).text == "einschliesslich" else k
    return None


def _day_range(ts: Tokens, i: int) -> Iterator[Item]:
    begun, k = opener(ts, i)
    for first, end in _ends(ts, k):
        j = end + 1 if at(ts, end).text == "/" and not begun else joint(ts, end, begun)
        if j is None:
            continue
        for last, stop in _ends(ts, j):
            joined = _joined_days(first, last)
            if joined is not None:
                yield Frame(day=joined), stop


def _containing(ts: Tokens, i: int) -> Iterator[Item]:
    """`Woche vom 12.01.`, `weekend of Jan 17`, `Wochenende 17./18.01.`."""
    unit = at(ts, i).value("unit")
    if unit not in ("week", "weekend"):
        return
    k = skip(ts, i + 1)
    ranges = [(frame.day, end) for frame, end in _day_range(ts, k)]
    for day, end in (*ranges, *days(ts, k)):
        if isinstance(day, Dated | DayRange):
            yield Frame(day=Containing(unit, day)), end


def _joined_days(first: DaySaid, last: DaySaid) -> DayRange | None:
    """Ends lend each other month and year: `17.-19.01.`, `Jan 17-19`."""
    if isinstance(first, Dated) and isinstance(last, Dated):
        if first.month is None and last.month is None and not (first.day and last.day):
            return None
        year = first.year
        month = first.month or last.month
        if last.month is None:
            last = last._replace(month=first.month)
            if last.year is None and last.year_shift is None:
                last = last._replace(year=first.year, year_shift=first.year_shift)
        if year is None and last.year is not None:
            year = last.year - 1 if (month or 0) > (last.month or 0) else last.year
        shift = first.year_shift if first.year_shift is not None else last.year_shift
        return DayRange(first._replace(month=month, year=year, year_shift=shift), last)
    if isinstance(first, Dated) and first.month is None:
        return None
    if isinstance(last, Dated) and last.month is None:
        return None
    return DayRange(first, last)


def _clock_range(ts: Tokens, i: int) -> Iterator[Item]:
    begun, k = opener(ts, i)
    for first, end in range_end(ts, k):
        j = joint(ts, end, begun)
        if j is None:
            continue
        for last, stop in range_end(ts, j):
            if isinstance(first, Clock) and (begun or not (first.bare and last.bare)):
                yield Frame(clock=ClockRange(_like(first, last), last)), stop


def _like(first: Clock, last: Clock) -> Clock:
    """`8 bis 9 Uhr`: the hour that was said exactly makes the other one exact, unless am/pm has to be found."""
    exact = len(last.hours) == 1 and not last.named and first.bare
    if exact and last.hours[0] <= 12 and last.minute is None and first.hours[0] < last.hours[0]:
        return first._replace(hours=first.hours[:1])
    return first


_DAYS = frozenset(
    [
        "date",
        "point",
        "numeric",
        "number",
        "ordinal",
        "month",
        "shift",
        "phrase",
        "weekday",
        "which",
        "unit",
        "part",
        "part_of",
        "calendar_week",
        "feast",
        "quartal",
    ]
)
_CLOCKS = frozenset({"clock", "point", "number", "halb", "half", "viertel", "quarter", "named"})
RULES: tuple[tuple[frozenset[str], Callable[[Tokens, int], Iterator[Item]]], ...] = (
    (frozenset({"stamp"}), _stamp),
    (_DAYS | {"between", "from", "stamp"}, _day_range),
    (_CLOCKS | {"between", "from"}, _clock_range),
    (frozenset({"daypart"}), _night_to),
    *counted.RULES,
    (frozenset({"unit"}), _containing),
    (_DAYS, _day),
    (_CLOCKS, _clock),
    (frozenset({"daypart", "which", "part", "edge", "phrase"}), _daypart),
    *events.RULES,
    (frozenset({"relation", "shortly", "phrase", "afterwards", "by"}), _relation),
    (frozenset({"vague", "latest", "which", "phrase", "most"}), _other),
    (frozenset({"word", "mark"}), _zone),
)
"""Each rule with the kinds of tokens it can begin with."""


def items(ts: Tokens, i: int) -> list[Item]:
    """All items that begin there."""
    if i >= len(ts):
        return []
    kinds = ts.kinds[i]
    return [item for first, rule in RULES if not kinds.isdisjoint(first) for item in rule(ts, i)]

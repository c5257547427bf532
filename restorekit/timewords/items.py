"""Items: what can be read at one place, as a frame with one or two slots filled, and where it ends."""

from collections.abc import Callable, Iterator
from typing import cast

from restorekit.model.resolution import Relation
from restorekit.timewords.clocks import clocks, dayparts, range_end, zones
from restorekit.timewords.dates import days, year_tail
from restorekit.timewords.reading import (
    Quantity,
    Tokens,
    alone,
    at,
    duration,
    fits_here,
    lone_number,
    phrase,
    skip,
    unknown,
)
from restorekit.timewords.said import (
    Clock,
    ClockRange,
    Dated,
    Daypart,
    DayRange,
    DaysAgo,
    DaySaid,
    Elapsed,
    Event,
    Frame,
    Recent,
    Related,
    Shift,
    Weekday,
)

Item = tuple[Frame, int]
AFTERWARDS = frozenset({"herum", "rum"})
"""`um den 17.01. herum`: relations that stand last."""
_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_SIZES = _SECONDS | {"day": 86_400, "week": 604_800}
_CONJUNCTIONS = frozenset({"bevor", "ehe", "nachdem", "seitdem", "before", "after", "since", "als", "when"})
_DAMAGE_STEMS = (
    "geloesch",
    "delet",
    "dropp",
    "truncat",
    "ueberschr",
    "overwr",
    "wiped",
    "broke",
    "destroy",
    "zerschoss",
)


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
    which = at(ts, i).value("which")
    k = i + 1 if which else i
    for part, end in dayparts(ts, k):
        if which in (None, "this"):
            shift = Shift(0) if which or part.name == "en_tonight" else None
            yield Frame(day=shift, daypart=part), end
        elif which == "last" and part.name in ("de_night", "en_night"):
            yield (
                Frame(day=Shift(-1), daypart=Daypart("last_night_en" if part.name == "en_night" else "last_night_de")),
                end,
            )
        elif which == "last" and part.name.endswith("evening"):
            yield Frame(day=Shift(-1), daypart=part), end


def _night_to(ts: Tokens, i: int) -> Iterator[Item]:
    """`Nacht auf Sonntag`, `Nacht von Freitag auf Samstag`, `Nacht vom 16. zum 17.01.`: the night that ends there."""
    if at(ts, i).value("daypart") != "de_night":
        return
    k = i + 1
    if at(ts, k).has("from"):
        first = next(iter(_ends(ts, skip(ts, k + 1))), None)
        k = first[1] if first else k
    if at(ts, k).text not in ("auf", "zu", "zum"):
        return
    for day, end in _ends(ts, skip(ts, k)):
        night = Daypart("de_night", until=True)
        yield (Frame(weekday=day, daypart=night) if isinstance(day, Weekday) else Frame(day=day, daypart=night)), end


def _ago(ts: Tokens, i: int) -> Iterator[Item]:
    """`vor 3 Stunden`, `3 hours ago`, `vor etwa zwei Wochen`, `seit 2 Tagen`."""
    token = at(ts, i)
    leading = token.has("vor") or (token.value("relation") == "since")
    k = i + 1 if leading else i
    k = k + 1 if at(ts, k).value("relation") == "around" or at(ts, k).has("shortly", "roughly") else k
    found = duration(ts, k)
    if found is None or not (leading or at(ts, found[1]).has("ago")):
        return
    end = found[1] if leading else found[1] + 1
    related = Related("after", inclusive=True) if token.value("relation") == "since" else None
    frame = _long_ago(found[0])
    if frame is not None:
        yield frame._replace(related=related), end


def _ahead(ts: Tokens, i: int) -> Iterator[Item]:
    """`in 3 Tagen`: understood, to be refused."""
    found = duration(ts, i + 1) if at(ts, i).text == "in" else None
    if found is not None and not found[0][0].few:
        frame = _long_ago(tuple(q._replace(amount=-q.amount) for q in found[0]))
        if frame is not None:
            yield frame, found[1]


def _long_ago(parts: tuple[Quantity, ...]) -> Frame | None:
    """None where the precision is anybody's guess: one and a half weeks."""
    first, few = parts[0], any(q.few for q in parts)
    if any(q.unit in _SECONDS for q in parts) and all(q.unit in _SIZES for q in parts):
        amount = sum(q.amount * _SIZES[q.unit] for q in parts)
        if few:
            return Frame(elapsed=Elapsed(_SECONDS[first.unit], 0, hourly=first.unit == "hour", few=True))
        hourly = parts[-1].unit == "hour" and all(q.amount == int(q.amount) for q in parts)
        return Frame(elapsed=Elapsed(amount, 1800 if hourly else max(60, amount / 10), hourly=hourly))
    if len(parts) > 1 or first.amount != int(first.amount):
        return None
    return Frame(day=DaysAgo(int(first.amount), first.unit, few))


def _recent(ts: Tokens, i: int) -> Iterator[Item]:
    """`die letzten 3 Tage`, `the past 24 hours`."""
    if at(ts, i).value("which") != "last":
        return
    found = duration(ts, i + 1)
    if found is not None and len(found[0]) == 1 and not found[0][0].few:
        yield Frame(recent=Recent(found[0][0].amount, found[0][0].unit)), found[1]


def _relation(ts: Tokens, i: int) -> Iterator[Item]:
    if at(ts, i).text in AFTERWARDS:
        yield Frame(related=Related("around")), i + 1
    shortly = at(ts, i).has("shortly")
    k = i + 1 if shortly else i
    long = phrase(ts, k)
    said = long[0].value if long and long[0].kind == "relation" else at(ts, k).value("relation")
    end = long[1] if long and long[0].kind == "relation" else k + 1
    if said in ("before", "after"):
        yield Frame(related=Related(cast(Relation, said), shortly=shortly)), end
    elif said in ("until", "since") and not shortly:
        yield Frame(related=Related("before" if said == "until" else "after", inclusive=True)), end
    elif said == "around" and not shortly:
        again = end + 1 if at(ts, end).value("relation") == "around" else end
        yield Frame(related=Related("around")), again


def _event(ts: Tokens, i: int) -> Iterator[Item]:
    """`vor dem Deploy`, `before the last migration`, `right before I deleted the table`."""
    shortly = at(ts, i).has("shortly")
    k = i + 1 if shortly else i
    said = at(ts, k).value("relation")
    if said not in ("before", "after", "since", "until", "during"):
        return
    relation = cast(Relation, {"since": "after", "until": "before", "during": "in"}.get(str(said), said))
    k = deed = skip(ts, k + 1)
    while at(ts, k).has("which", "number", "filler") or at(ts, k).text in (
        "my",
        "our",
        "your",
        "mein",
        "meinem",
        "unserem",
    ):
        k += 1
    k = k + 1 if unknown(at(ts, k)) and at(ts, k + 1).has("event") else k
    if at(ts, k).has("event"):
        yield Frame(event=Event(relation, known=True)), k + 1
        return
    done = _deed(ts, deed) if at(ts, i + shortly).text in _CONJUNCTIONS else None
    if done is not None:
        yield Frame(event=Event(relation, known=True)), done
        return
    determined = k > deed or deed > i + 1 + shortly
    if (
        determined
        and unknown(at(ts, k))
        and at(ts, k).kind == "word"
        and said != "during"
        and at(ts, k).text not in ("i", "ich", "wir", "we")
    ):
        yield Frame(event=Event(relation, known=False)), k + 1


def _deed(ts: Tokens, i: int) -> int | None:
    """Where `I deleted the table` says what was done; None if a time comes first."""
    for j in range(i, min(i + 8, len(ts))):
        if at(ts, j).kind != "word" or at(ts, j).has("unit", "shift", "weekday", "daypart", "uhr"):
            return None
        if at(ts, j).text.startswith(_DAMAGE_STEMS):
            return j + 1
    return None


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
        j = joint(ts, end, begun)
        if j is None:
            continue
        for last, stop in _ends(ts, j):
            joined = _joined_days(first, last)
            if joined is not None:
                yield Frame(day=joined), stop


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
    ]
)
_CLOCKS = frozenset({"clock", "point", "number", "halb", "half", "viertel", "quarter", "named"})
RULES: tuple[tuple[frozenset[str], Callable[[Tokens, int], Iterator[Item]]], ...] = (
    (frozenset({"stamp"}), _stamp),
    (_DAYS | {"between", "from", "stamp"}, _day_range),
    (_CLOCKS | {"between", "from"}, _clock_range),
    (frozenset({"daypart"}), _night_to),
    (
        frozenset(
            {"vor", "relation", "number", "few", "seconds", "fortnight", "half", "quarter", "junk", "decimal", "point"}
        ),
        _ago,
    ),
    (frozenset({"filler"}), _ahead),
    (frozenset({"which"}), _recent),
    (_DAYS, _day),
    (_CLOCKS, _clock),
    (frozenset({"daypart", "which", "part", "edge"}), _daypart),
    (frozenset({"relation", "shortly"}), _event),
    (frozenset({"relation", "shortly", "phrase", "afterwards"}), _relation),
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

"""Rules for times of day, parts of days and zones."""

from collections.abc import Iterator
from typing import Literal, cast

from restorekit.timewords.reading import Tokens, at, fits_here, lone_number, number, options, phrase, skip
from restorekit.timewords.said import Clock, Daypart, Zone
from restorekit.timewords.zones import AMBIGUOUS_WORDS, PLACES, known

Found = Iterator[tuple[Clock, int]]
_O_CLOCK = frozenset({"o'clock", "oclock"})
_ARTICLES = frozenset({"a", "an", "ein", "eine", "einen", "einem", "einer", "eines", "ne", "ner", "nem"})
_HOUR_PREPOSITIONS = frozenset({"um", "at"})


def both_halves(hour: int) -> tuple[int, ...]:
    """What a twelve-hour number can mean: 9 is 9 and 21, 12 is noon and midnight, 14 is itself."""
    if hour == 12:
        return (12, 0)
    return (hour, hour + 12) if 0 < hour < 12 else (hour,)


def _meridiem(ts: Tokens, i: int) -> tuple[Literal["am", "pm"], int] | None:
    """`am`, `p.m.`; a German `am` before a day is none."""
    token = at(ts, i)
    if token.text in ("a", "p") and token.dot and at(ts, i + 1).text == "m":
        end = i + 3 if at(ts, i + 2).text == "." and not at(ts, i + 2).spaced else i + 2
        return cast(Literal["am", "pm"], token.text + "m"), end
    said = token.value("meridiem")
    if said is None:
        return None
    after = at(ts, i + 1)
    if said == "am" and (after.has("weekday", "ordinal", "daypart") or after.kind == "date" or after.dot):
        return None
    return cast(Literal["am", "pm"], said), i + 1


def _halved(hour: int, half: str) -> tuple[int, ...]:
    """12am is 0, 12pm is 12; 13pm stays what it is."""
    if hour > 12 or hour == 0:
        return (hour,) if half == "pm" and hour > 12 else (hour + 100,)
    return (hour % 12 + (12 if half == "pm" else 0),)


def written(ts: Tokens, i: int) -> Found:
    """`14:30`, `14:30:05`, `8:15 pm`, `14h30`, `8.30 Uhr`."""
    token = at(ts, i)
    if token.kind not in ("clock", "point") or not fits_here(ts, i):
        return
    parts = [int(p) for p in token.text.replace("h", ":").replace(".", ":").replace(",", ":").split(":")]
    if token.kind == "point" and (len(token.text.rpartition(".")[2]) != 2 or parts[0] > 24 or parts[1] > 59):
        return
    second = parts[2] if len(parts) > 2 else None
    half = _meridiem(ts, i + 1)
    if half is not None:
        yield Clock(_halved(parts[0], half[0]), parts[1], second), half[1]
        return
    uhr = at(ts, i + 1).has("uhr")
    if token.kind == "point" and not uhr and at(ts, i - 1).text not in _HOUR_PREPOSITIONS:
        if at(ts, i - 1).text not in ("am", "den", "vom") and fits_here(ts, i, strict=True):
            yield Clock((parts[0],), parts[1], second, doubt="order"), i + 1
        return
    yield Clock((parts[0],), parts[1], second), i + 2 if uhr else i + 1


def hours(ts: Tokens, i: int) -> Found:
    """`14 Uhr`, `14 Uhr 30`, `14h`, `2pm`, `9 o'clock`, `um 9`, `8 in the evening`."""
    hour = _hour_number(ts, i)
    if hour is None or not fits_here(ts, i):
        return
    after = at(ts, i + 1)
    half = _meridiem(ts, i + 1)
    if half is not None:
        yield Clock(_halved(hour, half[0])), half[1]
    if after.has("uhr") or (after.text == "h" and not at(ts, i + 2).has("ago") and not at(ts, i - 1).has("vor")):
        minute = _minute_after(ts, i + 2) if after.has("uhr") else None
        yield Clock((hour,), minute and minute[0]), minute[1] if minute else i + 2
    elif after.text in _O_CLOCK:
        yield Clock(both_halves(hour)), i + 2
    elif _said_as_hour(ts, i):
        yield Clock(both_halves(hour), bare=True), i + 1


def digits(ts: Tokens, i: int) -> Found:
    """`2030 Uhr`, `um 1430`, `0930 hours`; what may be a year needs the word."""
    token, after = at(ts, i), at(ts, i + 1)
    if token.kind != "number" or len(token.text) != 4 or not fits_here(ts, i):
        return
    hour, minute = divmod(token.number, 100)
    said = after.has("uhr") or after.text == "hours"
    if hour > 24 or minute > 59 or not (said or _may_be_clock(ts, i)):
        return
    yield Clock((hour,), minute), i + 2 if said else i + 1


def _may_be_clock(ts: Tokens, i: int) -> bool:
    before = at(ts, i - 1)
    return before.text in _HOUR_PREPOSITIONS and not 1970 <= at(ts, i).number < 2060


def _hour_number(ts: Tokens, i: int) -> int | None:
    token = at(ts, i)
    if token.kind == "number":
        return token.number if len(token.text) <= 2 else None
    value = token.value("number")
    if token.text in _ARTICLES and not (token.text == "ein" and at(ts, i + 1).has("uhr")):
        return None
    return value if isinstance(value, int) and value <= 24 else None


def _minute_after(ts: Tokens, i: int) -> tuple[int, int] | None:
    joined = at(ts, i).has("and")
    found = number(ts, i + 1 if joined else i)
    if found is None or found[0] != int(found[0]) or not 0 <= found[0] < 60:
        return None
    after = at(ts, found[1])
    if after.value("unit") == "minute":
        return int(found[0]), found[1] + 1
    if joined:
        return None
    if after.kind == "word" and not after.has("daypart", "zone", "filler", "weekday", "shift"):
        return None
    return int(found[0]), found[1]


def _said_as_hour(ts: Tokens, i: int) -> bool:
    """A lone number is an hour after `um`, `gegen`, `before` …, or before a part of the day."""
    token, before, after = at(ts, i), at(ts, i - 1), at(ts, i + 1)
    if after.kind in ("number", "decimal", "clock") or after.has("unit", "month", "uhr", "calendar_week", "past", "to"):
        return False
    if after.has("daypart") or (after.text in ("in", "this", "at") and at(ts, skip(ts, i + 2)).has("daypart")):
        return not token.dot  # "am 20. abends" is a day
    if not (
        before.text in _HOUR_PREPOSITIONS or before.value("relation") in ("before", "after", "around", "until", "since")
    ):
        return False
    # "nach 3 Versuchen", "um 5 Artikel" count things
    noun = before.text not in _HOUR_PREPOSITIONS or (len(after.raw) > 1 and after.raw[:1].isupper() and not token.dot)
    return not (after.kind == "word" and not after.meanings and noun)


def spoken(ts: Tokens, i: int) -> Found:
    """`halb neun`, `half past nine`, `Viertel nach acht`, `quarter to ten`, `fünf vor zwölf`, `zehn vor halb neun`."""
    yield from _half(ts, i)
    yield from _quarter(ts, i)
    minutes = number(ts, i)
    if minutes is None or not 0 < minutes[0] < 30 or minutes[0] != int(minutes[0]):
        return
    k = minutes[1] + 1 if at(ts, minutes[1]).value("unit") == "minute" else minutes[1]
    sign = _direction(ts, k)
    if sign is None:
        return
    for clock, end in (*_half(ts, k + 1), *_full(ts, k + 1)):
        yield _moved(clock, sign * int(minutes[0])), end


def _direction(ts: Tokens, i: int) -> int | None:
    token = at(ts, i)
    if token.text in ("nach", "past", "after"):
        return 1
    return -1 if token.text in ("vor", "to", "before", "till") else None


def _full(ts: Tokens, i: int) -> Found:
    hour = _hour_number(ts, i)
    if hour is None or at(ts, i + 1).has("unit"):
        return
    half = _meridiem(ts, i + 1)
    if half is not None:
        yield Clock(_halved(hour, half[0])), half[1]
        return
    if at(ts, i + 1).has("uhr"):
        yield Clock((hour,)), i + 2
        return
    yield Clock(both_halves(hour)), i + 2 if at(ts, i + 1).text == "o'clock" else i + 1


def _half(ts: Tokens, i: int) -> Found:
    token = at(ts, i)
    if token.has("halb"):
        for clock, end in _full(ts, i + 1):
            yield _moved(clock, -30), end
    elif token.has("half"):
        for clock, end in _full(ts, i + 2 if at(ts, i + 1).has("past") else i + 1):
            yield _moved(clock, 30), end


def _quarter(ts: Tokens, i: int) -> Found:
    k = i + 1 if at(ts, i).text == "a" else i
    token = at(ts, k)
    part = token.value("viertel") if k == i else None
    if isinstance(part, int) and _direction(ts, k + 1) is None:
        for clock, end in _full(ts, k + 1):
            yield _moved(clock, part - 60), end
    if part == 15 or token.has("quarter"):
        sign = _direction(ts, k + 1)
        if sign is not None:
            for clock, end in _full(ts, k + 2):
                yield _moved(clock, 15 * sign), end


def _moved(clock: Clock, minutes: int) -> Clock:
    moved = [h * 60 + (clock.minute or 0) + minutes for h in clock.hours]
    return clock._replace(hours=tuple(m // 60 % 24 for m in moved), minute=moved[0] % 60)


def named(ts: Tokens, i: int) -> Found:
    """`Mitternacht`, `noon`."""
    k = i + 1 if at(ts, i).text == "12" else i
    for meaning in options(ts, k, "named"):
        yield Clock((0,) if meaning.value == "midnight" else (12,), 0, named=meaning.value), k + 1


def clocks(ts: Tokens, i: int) -> Found:
    """Every time of day that can be read here."""
    for rule in (written, hours, digits, spoken, named):
        yield from rule(ts, i)


def range_end(ts: Tokens, i: int) -> Found:
    """A time as the end of a range, where a lone number will do."""
    yield from clocks(ts, i)
    hour = lone_number(ts, i)
    if hour is not None and 0 <= hour <= 24 and not at(ts, i).dot and not at(ts, i + 1).has("month", "unit"):
        yield Clock(both_halves(hour), bare=True), i + 1


HALVES: dict[str, Literal["early", "late"]] = {"frueh": "early", "fruehen": "early", "early": "early", "late": "late"}
HALVES |= {"spaet": "late", "spaeten": "late", "spaeter": "late", "frueher": "early", "spat": "late"}


def dayparts(ts: Tokens, i: int) -> Iterator[tuple[Daypart, int]]:
    """`abends`, `early morning`, `spät am Abend`, `this afternoon` without its `this`."""
    half = HALVES.get(at(ts, i).text)
    k = skip(ts, i + 1) if half else i
    if half and at(ts, k).has("daypart") and at(ts, k).text != "frueh":
        for meaning in options(ts, k, "daypart"):
            yield Daypart(meaning.value, half), k + 1
        return
    before = at(ts, i - 1)
    if at(ts, i).text == "morgen" and not (
        before.has("shift", "weekday", "filler", "which", "feast") or before.kind in ("date", "number", "stamp")
    ):
        return
    long = phrase(ts, i)
    if long is not None and long[0].kind == "daypart":
        yield Daypart(long[0].value), long[1]
        return
    for meaning in options(ts, i, "daypart"):
        end = i + 2 if at(ts, i + 1).has("daypart") and at(ts, i + 1).text in ("frueh", "fruh") and i else i + 1
        yield Daypart(meaning.value), end


def zones(ts: Tokens, i: int) -> Iterator[tuple[Zone, int]]:
    """`MEZ`, `UTC+2`, `+01:00`, `Europe/Berlin`."""
    token = at(ts, i)
    if token.kind == "word":
        yield from _zone_of_place(ts, i)
        if at(ts, i + 1).text == "/" and at(ts, i + 2).kind == "word":
            name = f"{token.raw}/{at(ts, i + 2).raw}"
            if known(name):
                yield Zone(name), i + 3
        if token.text in ("utc", "gmt") and at(ts, i + 1).text in ("+", "-") and not at(ts, i + 2).spaced:
            yield Zone(at(ts, i + 1).text + at(ts, i + 2).text), i + 3
        elif known(token.text) and (token.text not in AMBIGUOUS_WORDS or token.raw.isupper()):
            yield Zone(token.text), i + 1
    elif token.text in ("+", "-") and token.spaced and _offset(ts, i + 1):
        yield Zone(token.text + at(ts, i + 1).text), i + 2


def _zone_of_place(ts: Tokens, i: int) -> Iterator[tuple[Zone, int]]:
    """`Berliner Zeit`, `New York time`."""
    for length in (1, 2):
        place = PLACES.get(" ".join(t.text for t in ts[i : i + length]))
        if place is not None and at(ts, i + length).text in ("zeit", "time"):
            yield Zone(place), i + length + 1


def _offset(ts: Tokens, i: int) -> bool:
    token = at(ts, i)
    return token.kind in ("clock", "number") and not token.spaced and len(token.text) in (2, 4, 5)

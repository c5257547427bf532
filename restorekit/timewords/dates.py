"""Rules for days: each yields what can be read at one place, and where that ends."""

from collections.abc import Iterator
from typing import cast

from restorekit.timewords.reading import Tokens, alone, at, fits_here, options, phrase, skip, unknown
from restorekit.timewords.said import (
    Dated,
    DaySaid,
    Holiday,
    Month,
    PartOf,
    Period,
    PeriodUnit,
    Quarter,
    Shift,
    Week,
    Weekday,
    Which,
    Year,
)

Found = Iterator[tuple[DaySaid, int]]
_PERIODS = ("week", "weekend", "month", "year")
_DAY_PREPOSITIONS = frozenset({"am", "den", "dem", "vom", "zum", "der", "the"})
_MONTH_PREPOSITIONS = frozenset(
    {
        "im",
        "in",
        "of",
        "since",
        "seit",
        "until",
        "bis",
        "till",
        "vor",
        "nach",
        "before",
        "after",
        "ab",
        "during",
        "anfang",
        "mitte",
    }
)
# Two letters that are also ordinary words, or first names: they need company to be a day.
_RISKY = frozenset({"so", "do", "mi", "di", "mo", "sa", "fr", "mon", "sun", "sat", "wed", "thu", "fri"})


def year_tail(ts: Tokens, i: int) -> tuple[int | None, int | None, int]:
    """(year, shift, end) of what follows a date: `2009`, `'09`, `of last year`, `letzten Jahres`."""
    k = i + 1 if at(ts, i).text in (",", "'") else i
    year = at(ts, k)
    if year.kind == "number" and not year.dot and not _counts(ts, k):
        if len(year.text) == 4:
            return year.number, None, k + 1
        if len(year.text) == 2 and at(ts, i).text == "'":
            return _short(year.number), None, k + 1
    k = skip(ts, i)
    which = at(ts, k).value("which")
    if which is not None and at(ts, k + 1).value("unit") == "year":
        return None, SHIFTS[cast(Which, which)], k + 2
    return None, None, i


SHIFTS: dict[Which, int] = {"": 0, "this": 0, "last": -1, "before_last": -2, "next": 1}


def _short(year: int) -> int:
    return 2000 + year if year < 70 else 1900 + year


def _counts(ts: Tokens, i: int) -> bool:
    """True if the number there belongs to what follows: an hour, a unit, a clock."""
    after = at(ts, i + 1)
    return after.has("uhr", "unit", "meridiem") or after.text in (":", "o'clock") or after.kind == "decimal"


def dotted(ts: Tokens, i: int) -> Found:
    """`17.01.`, `17.1.2009`, `17.01.09`, and `17.01` which may be a time."""
    token = at(ts, i)
    if token.kind == "point":
        yield from _undotted(ts, i)
    if token.kind != "date":
        return
    parts = [p.strip() for p in token.text.rstrip(".").split(".")]
    short = len(parts) == 3 and len(parts[2]) == 2
    if not fits_here(ts, i, strict=short):
        return
    if len(parts) == 3:
        year = _short(int(parts[2])) if short else int(parts[2])
        yield Dated(int(parts[0]), int(parts[1]), year, short_year=short), i + 1
    else:
        _, shift, end = year_tail(ts, i + 1)
        yield Dated(int(parts[0]), int(parts[1]), year_shift=shift), end


def _undotted(ts: Tokens, i: int) -> Found:
    """The dot at the end is missing: a date after `am`, else a date or a time."""
    day, month = (int(p) for p in at(ts, i).text.split("."))
    sure = at(ts, i - 1).text in _DAY_PREPOSITIONS
    if month > 12 or not 1 <= day <= 31 or _counts(ts, i) or at(ts, i - 1).text in ("um", "at", "-"):
        return
    if fits_here(ts, i, strict=True):
        year, shift, end = year_tail(ts, i + 1)
        doubt = None if sure or year or shift is not None or at(ts, i + 1).kind == "clock" else "order"
        yield Dated(day, month, year, shift, doubt), end  # type: ignore[arg-type]


def numeric(ts: Tokens, i: int) -> Found:
    """`12/01`, `01-02-2008`, `09-01-17`, `12-01`: every order that the numbers allow."""
    token = at(ts, i)
    end = i + 1
    if token.text == "24/7":
        return
    if token.kind == "numeric":
        parts = token.text.replace("-", "/").split("/")
    elif _dashed_pair(ts, i):
        parts, end = [token.text, at(ts, i + 2).text], i + 3
    else:
        return
    if not fits_here(ts, i, strict=True):
        return
    readings = _three(parts) if len(parts) == 3 else _two(parts)
    doubt = "order" if at(ts, i + 1).text == "-" and end == i + 3 else None
    for reading in dict.fromkeys(readings):
        yield reading._replace(doubt=doubt), end  # type: ignore[arg-type]


def _dashed_pair(ts: Tokens, i: int) -> bool:
    """`12-01` alone; `8-9 Uhr` and `17-19 January` are ranges."""
    first, dash, second = (at(ts, i + n) for n in range(3))
    if not (first.kind == second.kind == "number" and dash.text == "-" and not dash.spaced and not second.spaced):
        return False
    return not first.dot and not second.dot and len(second.text) == len(first.text) == 2 and alone(ts, i, i + 3)


def _two(parts: list[str]) -> Iterator[Dated]:
    a, b = int(parts[0]), int(parts[1])
    if b <= 12 or a > 12:
        yield Dated(a, b, order="dmy")
    if a <= 12:
        yield Dated(b, a, order="mdy")


def _three(parts: list[str]) -> Iterator[Dated]:
    a, b, c = (int(p) for p in parts)
    if len(parts[0]) == 4:
        yield Dated(c, b, a)
        return
    short = len(parts[2]) <= 2
    year = _short(c) if short else c
    if b <= 12 or a > 12:
        yield Dated(a, b, year, short_year=short, order="dmy")
    if a <= 12:
        yield Dated(b, a, year, short_year=short, order="mdy")
    if short and len(parts[0]) == 2 and b <= 12:
        yield Dated(c, b, _short(a), short_year=True, order="ymd")


def named_month(ts: Tokens, i: int) -> Found:
    """`17. Januar 2009`, `17th of January`, `January 17th, 2009`, `Januar 2009`, `im Januar`."""
    day = _ordinal(ts, i)
    if day is not None:
        k = day[1] + 1 if at(ts, day[1]).text == "of" else day[1]
        for month in options(ts, k, "month"):
            year, shift, end = year_tail(ts, k + 1)
            yield Dated(day[0], month.value, year, shift), end
    for month in options(ts, i, "month"):
        yield from _month_first(ts, i, month.value)


def _ordinal(ts: Tokens, i: int) -> tuple[int, int] | None:
    token = at(ts, i)
    if token.kind == "number" and len(token.text) <= 2:
        return token.number, i + 1
    word = token.value("ordinal")
    tens = token.value("number")
    if tens in (20, 30) and isinstance(tens, int):
        k = i + 2 if at(ts, i + 1).text == "-" else i + 1
        ones = at(ts, k).value("ordinal")
        return (tens + ones, k + 1) if isinstance(ones, int) and ones < 10 else None
    return (word, i + 1) if isinstance(word, int) else None


def _month_first(ts: Tokens, i: int, month: int) -> Found:
    k = i + 2 if at(ts, i + 1).text == "the" else i + 1
    day = _ordinal(ts, k)
    if day is not None and not _counts(ts, day[1] - 1):
        year, shift, end = year_tail(ts, day[1])
        yield Dated(day[0], month, year, shift), end
        if at(ts, k).text.startswith("0") and not year:
            yield Month(month, _short(day[0])), day[1]
    year, shift, end = year_tail(ts, i + 1)
    before = at(ts, i - 1)
    if (
        year
        or shift is not None
        or before.text in _MONTH_PREPOSITIONS
        or before.has("part", "which")
        or alone(ts, i, end)
    ):
        yield Month(month, year, shift), end


def day_alone(ts: Tokens, i: int) -> Found:
    """`am 17.`, `the 17th`, `am siebzehnten`: the most recent one."""
    day = _ordinal(ts, i)
    if day is None or _counts(ts, day[1] - 1) or at(ts, day[1]).has("month", "event", "backup", "calendar_week"):
        return
    token, before, after = at(ts, i), at(ts, i - 1), at(ts, day[1])
    if after.has("daypart") and not (token.dot and before.text in _DAY_PREPOSITIONS):  # "am 20. abends", not "8 abends"
        return
    said = (
        before.text in _DAY_PREPOSITIONS or before.has("upto", "and") or before.value("relation") in ("until", "since")
    )
    if after.kind in ("decimal", "number", "point") or not (said or (token.dot and alone(ts, i, day[1]))):
        return
    if not token.dot and (unknown(after) or not said):
        return
    noun = unknown(after) and after.raw[:1].isupper() and not token.suffix
    yield Dated(day[0], doubt="vague" if noun else None), day[1]


def shifted(ts: Tokens, i: int) -> Found:
    """`gestern`, `the day before yesterday`."""
    long = phrase(ts, i)
    if long is not None and long[0].kind == "shift":
        yield Shift(long[0].value), long[1]
    before = at(ts, i - 1)
    if at(ts, i).text == "morgen" and (before.has("shift", "weekday") or before.text in ("am", "diesem", "der", "den")):
        return
    for meaning in options(ts, i, "shift"):
        yield Shift(meaning.value), i + 2 if at(ts, i + 1).text in ("tag", "tages", "tage") else i + 1


def weekdays(ts: Tokens, i: int) -> Found:
    """`Freitag`, `letzten Freitag`, `friday before last`."""
    which = cast(Which, at(ts, i).value("which") or "")
    k = i + 1 if which else i
    for meaning in options(ts, k, "weekday"):
        if at(ts, k + 1).text == "before" and at(ts, k + 2).text == "last":
            yield Weekday(meaning.value, "before_last"), k + 3
        elif which or _in_company(ts, k):
            yield Weekday(meaning.value, which), k + 1


def _in_company(ts: Tokens, i: int) -> bool:
    """Short names of days are also words: they need a dot, or a date, time or range beside them."""
    token = at(ts, i)
    if token.text not in _RISKY:
        return True
    after = at(ts, skip(ts, i + 1))
    if token.text == "so" and after.has("relation", "vor"):
        return token.raw[:1].isupper() and i > 0 and after.has("vor")
    timely = after.kind in ("date", "point", "clock", "numeric", "stamp", "number")
    timely = timely or after.has("daypart", "upto", "month") or (token.text != "so" and after.has("which", "vor"))
    before = at(ts, i - 1)
    if (
        timely
        or at(ts, i + 1).text in ("-", "/")
        or before.has("upto", "from", "relation")
        or before.text in ("-", "/", "am", "on")
    ):
        return True
    return all(t.kind == "mark" for t in (*ts[:i], *ts[i + 1 :]))


def periods(ts: Tokens, i: int) -> Found:
    """`letzte Woche`, `the week before last`, `am Wochenende`, `this month`."""
    which = at(ts, i).value("which")
    k = i + 1 if which else i
    unit = at(ts, k).value("unit")
    if unit not in _PERIODS:
        return
    if at(ts, k + 1).text == "before" and at(ts, k + 2).text == "last":
        yield Period(cast(PeriodUnit, unit), "before_last"), k + 3
    elif which or unit == "weekend":
        yield Period(cast(PeriodUnit, unit), cast(Which, which or "")), k + 1


def parts(ts: Tokens, i: int) -> Found:
    """`Anfang Januar`, `Mitte letzter Woche`, `end of the month`, `Monatsende`."""
    compound = at(ts, i).value("part_of")
    if isinstance(compound, tuple):
        yield PartOf(compound[0], Period(compound[1], "this")), i + 1
    part = at(ts, i).value("part")
    if part is None:
        return
    k = skip(ts, i + 1)
    k = skip(ts, k + 1) if at(ts, k).text == "-" else k
    for of, end in (*named_month(ts, k), *periods(ts, k), *weeks(ts, k)):
        if isinstance(of, Month | Period | Week):
            yield PartOf(part, of), end  # type: ignore[arg-type]
    if at(ts, k).value("unit") in _PERIODS:
        yield PartOf(part, Period(at(ts, k).value("unit"), "this")), k + 1  # type: ignore[arg-type]
    if at(ts, k).kind == "number" and len(at(ts, k).text) == 4:
        yield PartOf(part, Year(at(ts, k).number)), k + 1  # type: ignore[arg-type]


def weeks(ts: Tokens, i: int) -> Found:
    """`KW 3`, `3. KW 2009`, `week 3`, `Kalenderwoche 3/2009`."""
    token = at(ts, i)
    k, week = i + 1, None
    if token.kind == "number" and at(ts, i + 1).has("calendar_week"):
        week, k = token.number, i + 2
    elif token.has("calendar_week") or (token.value("unit") == "week" and not at(ts, i - 1).has("number")):
        k = k + 1 if at(ts, k).text in ("nr", "no", "number") else k
        if at(ts, k).kind == "number" and len(at(ts, k).text) <= 2:
            week, k = at(ts, k).number, k + 1
    if week is None:
        return
    year = at(ts, k + 1)
    if at(ts, k).text in "/-" and year.kind == "number" and len(year.text) == 4:
        yield Week(week, year.number), k + 2
        return
    said, _, end = year_tail(ts, k)
    yield Week(week, said), end


def years(ts: Tokens, i: int) -> Found:
    """`im Jahr 2008`, `in 2008`; four digits alone may be a time."""
    said = at(ts, i).value("unit") == "year"
    i = i + 1 if said else i
    token = at(ts, i)
    if token.kind != "number" or len(token.text) != 4 or _counts(ts, i):
        return
    before = at(ts, i - 1)
    said = said or before.text in ("in", "since", "seit", "of")
    if said or (alone(ts, i, i + 1) and not before.text and not at(ts, i + 1).text):
        yield Year(token.number, None if said else "vague"), i + 1


def quarters(ts: Tokens, i: int) -> Found:
    """`Q3 2026`, `3. Quartal`, `last quarter`, `im dritten Quartal`."""
    token, after = at(ts, i), at(ts, i + 1)
    named = after.has("quartal") or (after.text == "quarter" and not at(ts, i + 2).has("past", "to"))
    if token.has("quartal") and after.kind == "number":
        number, end = after.number, i + 2
    elif named and (ordinal := _ordinal(ts, i)) and ordinal[1] == i + 1:
        number, end = ordinal[0], i + 2
    elif named and token.has("which"):
        yield Quarter(which=cast(Which, token.value("which"))), i + 2
        return
    else:
        return
    end = end + 1 if at(ts, end).text in ("/", "of") else end
    year, shift, stop = year_tail(ts, end)
    if 1 <= number <= 4:
        yield Quarter(number, "", year, shift), stop


def feasts(ts: Tokens, i: int) -> Found:
    """`Heiligabend`, `Silvester 2008`, `Easter`."""
    found = phrase(ts, i)
    if found is not None and found[0].kind == "feast":
        year, shift, end = year_tail(ts, found[1])
        yield Holiday(found[0].value, year, shift), end


RULES = (dotted, numeric, named_month, day_alone, shifted, weekdays, periods, parts, weeks, years, quarters, feasts)


def days(ts: Tokens, i: int) -> Found:
    """Every day that can be read here."""
    for rule in RULES:
        yield from rule(ts, i)

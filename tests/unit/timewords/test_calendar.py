"""Whole families of expressions against an oracle that counts on its own."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from restorekit.model.resolution import Resolution
from restorekit.timewords import resolve

ZONE = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 22, 10, 15, tzinfo=ZONE)  # a Sunday
MONTHS = {
    1: "Januar Jänner Jan January",
    2: "Februar Feb February",
    3: "März Maerz Mrz March Mar",
    4: "April Apr",
    5: "Mai May",
    6: "Juni June Jun",
    7: "Juli July Jul",
    8: "August Aug",
    9: "September Sept Sep",
    10: "Oktober Okt October Oct",
    11: "November Nov",
    12: "Dezember Dez December Dec",
}
NAMES = [(number, name) for number, names in MONTHS.items() for name in names.split()]
WEEKDAYS = {
    0: "Montag Mo Mo. MONTAG Monday Mon mon.",
    1: "Dienstag Di Di. Tuesday Tue Tues",
    2: "Mittwoch Mi Mi. Wednesday Wed",
    3: "Donnerstag Do Do. Thursday Thu Thurs",
    4: "Freitag Fr Fr. Friday Fri",
    5: "Samstag Sonnabend Sa Sa. Saturday Sat",
}
COUNTS = ["zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf"]
ENGLISH = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def ask(text: str, now: datetime = NOW) -> Resolution:
    return resolve(text, now=now, tz="Europe/Berlin", locale="de")


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), ZONE)


def is_day(answer: Resolution, day: date) -> None:
    assert answer.status == "ok"
    assert [(c.start, c.end) for c in answer.candidates] == [(midnight(day), min(midnight(day + timedelta(1)), NOW))]


def recent(month: int, day: int) -> date:
    found = date(2026, month, day)
    return found if found <= NOW.date() else date(2025, month, day)


@pytest.mark.parametrize(("number", "name"), NAMES)
@pytest.mark.parametrize("form", ["17. {m}", "17 {m}", "{m} 17", "{m} 17th", "am 17. {m}", "the 17th of {m}"])
def test_day_and_month(number: int, name: str, form: str) -> None:
    answer = ask(form.format(m=name))
    day = recent(number, 17)
    if (NOW.date() - day).days > 183:
        assert answer.status == "needs_choice"
        assert answer.candidates[0].start == midnight(day)
    else:
        is_day(answer, day)
    assert "year" in {a.code for a in answer.assumptions}
    is_day(ask(f"17. {name} 2025"), date(2025, number, 17))


@pytest.mark.parametrize(("number", "name"), [(n, name) for n, names in WEEKDAYS.items() for name in names.split()])
def test_weekdays(number: int, name: str) -> None:
    days = 6 - number  # now is a Sunday
    is_day(ask(name), NOW.date() - timedelta(days))
    day = NOW.date() - timedelta(days)
    answer = ask(f"{name} 14:30")
    assert answer.candidates[0].start == datetime(day.year, day.month, day.day, 14, 30, tzinfo=ZONE)
    wrong = ask(f"{name} {day + timedelta(1):%d.%m.%Y}" if number < 5 else f"{name} {day - timedelta(1):%d.%m.%Y}")
    assert wrong.status == "needs_choice", "the weekday is a checksum"
    is_day(ask(f"{name} {day:%d.%m.%Y}"), day)
    is_day(ask(f"{name} letzter Woche"), day - timedelta(7))
    assert ask(f"letzten {name}").status == "needs_choice", "it lies in this week"


@pytest.mark.parametrize(("number", "german", "english"), list(zip(range(2, 13), COUNTS, ENGLISH, strict=True)))
def test_spelled_counts(number: int, german: str, english: str) -> None:
    day = NOW.date() - timedelta(number)
    for text in (f"vor {german} Tagen", f"vor {number} Tagen", f"{english} days ago", f"{number}d ago"):
        is_day(ask(text), day)
    week = NOW.date() - timedelta(7 * number)
    for text in (f"vor {german} Wochen", f"{english} weeks ago"):
        is_day(ask(text), week)
    centre = NOW - timedelta(hours=number)
    for text in (f"vor {german} Stunden", f"vor {number} Std.", f"{english} hours ago", f"{number}h ago"):
        answer = ask(text)
        assert answer.status == "ok"
        half = timedelta(minutes=30)
        assert (answer.candidates[0].start, answer.candidates[0].end) == (centre - half, centre + half)


@pytest.mark.parametrize("day", range(1, 31))
def test_day_of_the_month(day: int) -> None:
    expected = date(2026, 11, day) if day <= 22 else date(2026, 10, day)
    for text in (f"am {day}.", f"am {day}", f"the {day}th" if 3 < day < 21 else f"am {day}."):
        is_day(ask(text), expected)


@pytest.mark.parametrize("hour", range(24))
def test_hours(hour: int) -> None:
    yesterday = NOW.date() - timedelta(1)
    start = datetime(yesterday.year, yesterday.month, yesterday.day, hour, tzinfo=ZONE)
    half = "am" if hour < 12 else "pm"
    for text in (
        f"gestern {hour} Uhr",
        f"gestern um {hour} Uhr",
        f"{hour}h gestern",
        f"yesterday {(hour - 1) % 12 + 1}{half}",
    ):
        answer = ask(text)
        assert answer.status == "ok", text
        assert (answer.candidates[0].start, answer.candidates[0].end) == (start, start + timedelta(hours=1)), text
    for text in (
        f"gestern {hour}:05",
        f"yesterday at {hour:02}:05",
        f"gestern um {hour}.05 Uhr",
        f"gestern {hour} Uhr 5",
    ):
        answer = ask(text)
        assert answer.status == "ok", text
        assert answer.candidates[0].start == start + timedelta(minutes=5), text
    lone = ask(f"gestern um {hour}")
    assert lone.status == ("needs_choice" if 1 <= hour <= 12 else "ok")


@pytest.mark.parametrize("week", range(1, 48))
def test_weeks(week: int) -> None:
    monday = date.fromisocalendar(2026, week, 1)
    for text in (f"KW {week}", f"KW{week}", f"{week}. KW", f"Kalenderwoche {week}", f"week {week}"):
        answer = ask(text)
        assert answer.candidates[0].start == midnight(monday)
        assert answer.candidates[0].end == min(midnight(monday + timedelta(7)), NOW)
        assert answer.status == ("ok" if (NOW.date() - monday).days - 6 <= 183 else "needs_choice")

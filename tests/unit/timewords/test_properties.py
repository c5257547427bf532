"""What must hold for every text and every moment."""

import csv
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restorekit.model.resolution import Resolution
from restorekit.timewords import echo, resolve

BERLIN = ZoneInfo("Europe/Berlin")
HERE = Path(__file__).parent
with (HERE / "expressions.csv").open(newline="", encoding="utf-8") as file:
    TEXTS = sorted({row["text"] for row in csv.DictReader(file)})
WORDS = sorted({word for text in TEXTS for word in text.split()})
nows = st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
zones = st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC"])
garbage = st.one_of(
    st.text(max_size=80),
    st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join),
    st.text(alphabet="0123456789.:-/ TZ+,", max_size=40),
)


def sound(answer: Resolution) -> None:
    """True of every answer."""
    for candidate in answer.candidates:
        assert candidate.end <= answer.now
        assert candidate.start is None or candidate.start < candidate.end
        assert candidate.why
    assert len(answer.candidates) <= 3
    if answer.status == "ok":
        assert len(answer.candidates) == 1
    elif answer.status == "needs_choice":
        assert answer.candidates
        assert answer.question
    elif answer.status != "event":
        assert not answer.candidates
    for start, end in answer.spans:
        assert answer.text[start:end].strip()
    assert echo(answer, "de")
    assert echo(answer, "en")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(text=st.sampled_from(TEXTS), now=nows, tz=zones)
def test_expressions_at_any_time(text: str, now: datetime, tz: str) -> None:
    german, english = (resolve(text, now=now, tz=tz, locale=locale) for locale in ("de", "en"))
    sound(german)
    assert german.status == english.status
    if german.status == "ok":
        assert [(c.start, c.end) for c in german.candidates] == [(c.start, c.end) for c in english.candidates]


@settings(max_examples=400, deadline=None, derandomize=True)
@given(text=garbage, now=nows)
def test_garbage_never_raises(text: str, now: datetime) -> None:
    sound(resolve(text, now=now, tz="Europe/Berlin", locale="en"))


def rendered(at: datetime) -> list[str]:
    month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][at.month - 1]
    return [
        f"{at:%Y-%m-%d %H:%M:%S}",
        f"{at:%Y-%m-%dT%H:%M:%S}",
        f"{at:%Y%m%dT%H%M%S}",
        f"{at:%d.%m.%Y %H:%M:%S}",
        f"{at:%d.%m.%Y, %H:%M:%S} Uhr",
        f"{at:%y%m%d %H:%M:%S}",
        f"{at.day} {month} {at:%Y %H:%M:%S}",
        f"{at:%d}/{month}/{at:%Y:%H:%M:%S}",
        f"{at:%Y/%m/%d %H:%M:%S}",
    ]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(at=st.datetimes(datetime(2001, 1, 1), datetime(2026, 1, 1)))  # noqa: DTZ001 - a wall clock
def test_what_is_rendered_is_read_again(at: datetime) -> None:
    at = at.replace(microsecond=0)
    first, second = at.replace(tzinfo=BERLIN), at.replace(tzinfo=BERLIN, fold=1)
    for text in rendered(at):
        answer = resolve(text, now=datetime(2026, 6, 1, tzinfo=UTC), tz="Europe/Berlin")
        if first.utcoffset() != second.utcoffset():
            assert answer.status == "needs_choice", text
            continue
        assert answer.status == "ok", text
        assert answer.candidates[0].start == first.astimezone(UTC), text
        assert answer.candidates[0].end == first.astimezone(UTC) + timedelta(seconds=1), text
        again = resolve(answer.candidates[0].start.isoformat(), now=answer.now, tz="Europe/Berlin")
        assert [(c.start, c.end) for c in again.candidates] == [(c.start, c.end) for c in answer.candidates]


@pytest.mark.parametrize("change", [date(2026, 3, 29), date(2026, 10, 25)])
def test_days_around_a_change_of_clocks(change: date) -> None:
    for offset in range(-400, 401):
        day = change + timedelta(offset)
        now = datetime(day.year, day.month, day.day, 12, tzinfo=BERLIN)
        yesterday = resolve("gestern", now=now, tz="Europe/Berlin").candidates[0]
        before = day - timedelta(1)
        assert yesterday.start == datetime(before.year, before.month, before.day, tzinfo=BERLIN).astimezone(UTC)
        hours = (yesterday.end - yesterday.start) / timedelta(hours=1)
        assert hours == {
            date(2026, 3, 29): 23,
            date(2026, 10, 25): 25,
            date(2025, 3, 30): 23,
            date(2025, 10, 26): 25,
        }.get(before, {date(2027, 3, 28): 23, date(2027, 10, 31): 25}.get(before, 24))
        for text in ("vor 24 Stunden", "24 hours ago"):
            centre = now.astimezone(UTC) - timedelta(hours=24)
            assert resolve(text, now=now, tz="Europe/Berlin").candidates[0].start == centre - timedelta(minutes=30)
        half_past = resolve("gestern 2:30", now=now, tz="Europe/Berlin")
        assert half_past.status == ("ok" if hours == 24 else "needs_choice")
        if hours != 24:
            assert len(half_past.candidates) == 2
            assert half_past.candidates[0].start < half_past.candidates[1].start


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", "none"),
        (" \n\t", "none"),
        ("31.12.9999", "invalid"),
        ("0000-00-00", "invalid"),
        ("vor 9999999 Jahren", "invalid"),
    ],
)
def test_nothing_and_absurd(text: str, status: str) -> None:
    answer = resolve(text, now=datetime(2026, 6, 1, tzinfo=UTC), tz="Europe/Berlin")
    assert answer.status == status
    assert answer.question


@pytest.mark.parametrize(
    "piece",
    [
        "17.01. ",
        "8-",
        "vor ",
        "a@",
        "a://",
        "x.",
        ":",
        "1.",
        "am um der ",
        "um 9 ",
        "gestern bis ",
        "ein halb und ",
        "9" * 50,
    ],
)
def test_ten_kilobytes_of_it(piece: str) -> None:
    text = (piece * 10_000)[:10_000]
    begun = time.process_time()
    sound(resolve(text, now=datetime(2026, 6, 1, tzinfo=UTC), tz="Europe/Berlin"))
    assert time.process_time() - begun < 2, "bounded; a quiet machine needs less than a tenth of it"


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        resolve("gestern", now=datetime(2026, 6, 1), tz="Europe/Berlin")  # noqa: DTZ001 - that is the test

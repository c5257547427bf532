from datetime import UTC, datetime, timedelta

import pytest

from restorekit.cli import words

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.52, "0.5 s"),
        (5, "5 s"),
        (45.4, "45 s"),
        (119, "119 s"),
        (720, "12 min"),
        (26 * 3600, "26 h"),
        (17 * 86400, "17 d"),
        (364 * 86400, "364 d"),
        (500 * 86400, "1.4 years"),
        (17.8 * 365.25 * 86400, "18 years"),
    ],
)
def test_span(seconds: float, said: str) -> None:
    assert words.span(seconds) == said


def test_moments_say_everything() -> None:
    at = datetime(2009, 1, 17, 15, 41, 7, tzinfo=UTC)
    said = words.moment(at, "Europe/Berlin", at + timedelta(days=4, seconds=9))
    assert said == "Sat 2009-01-17 16:41:07 +01:00 (4 d ago)"
    assert words.age(NOW + timedelta(days=7, seconds=1), NOW) == "in 7 d"


def test_counts() -> None:
    assert words.count(1, "row") == "1 row"
    assert words.count(1251, "row") == "1,251 rows"
    assert words.count(2, "copy", "copies") == "2 copies"

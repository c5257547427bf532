"""A second table, written from the rules alone and before the grammar was read: other times, zones, words."""

import csv
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from restorekit.model.resolution import Resolution
from restorekit.timewords import resolve

with Path(__file__).with_name("second_opinion.csv").open(newline="", encoding="utf-8") as file:
    ROWS = list(csv.DictReader(file))
NAMED = {"event", "latest", "position", "future", "invalid", "vague", "none"}
POLICY = timedelta(hours=2)
"""How far the limits of vague words may be from what somebody else takes them for."""
Interval = tuple[datetime | None, datetime | None]


def moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def policy(kind: str) -> bool:
    return kind in {"daypart", "weekend"} or kind.startswith(("part-of", "around"))


def near(found: datetime | None, expected: datetime | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return abs(found - expected) <= POLICY


def read(row: dict[str, str], locale: str | None = None) -> Resolution:
    now = datetime.fromisoformat(row["now"])
    return resolve(row["expression"], now=now, tz=row["tz"], locale="de" if (locale or row["locale"]) == "de" else "en")


def intervals(answer: Resolution) -> tuple[Interval, ...]:
    return tuple((c.start, c.end) for c in answer.candidates)


def check(row: dict[str, str], answer: Resolution) -> None:
    expected: Interval = (moment(row["expected_start"]), moment(row["expected_end"]))
    found = intervals(answer)
    if row["kind"] in NAMED:
        assert answer.status == row["kind"]
    elif row["kind"] == "unclear":
        assert answer.status != "ok"
    elif row["ambiguous"] == "yes":
        assert answer.status == "needs_choice"
        assert expected[1] is None or expected in found
    else:
        assert answer.status == "ok"
        close = [near(a, b) for a, b in zip(found[0], expected, strict=True)]
        assert all(close) if policy(row["kind"]) else found == (expected,)


def test_there_are_enough() -> None:
    assert len(ROWS) >= 1000
    assert sum(r["locale"] == "en" for r in ROWS) >= 250


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r['expression'][:40]!r} @{r['now'][:16]}")
def test_row(row: dict[str, str]) -> None:
    answer = read(row)
    check(row, answer)
    assert (answer.question is None) == (answer.status in {"ok", "latest", "position"})
    other = read(row, "en" if row["locale"] == "de" else "de")
    if answer.status == "ok":
        assert (other.status, intervals(other)) in {("ok", intervals(answer)), ("needs_choice", intervals(other))}

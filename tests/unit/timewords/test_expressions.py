"""Our own table: every row was read by hand against the rules before it was written down."""

import csv
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from restorekit.timewords import resolve

with Path(__file__).with_name("expressions.csv").open(newline="", encoding="utf-8") as file:
    ROWS = list(csv.DictReader(file))


def interval(text: str) -> tuple[datetime | None, datetime]:
    start, _, end = text.partition("/")
    return datetime.fromisoformat(start) if start else None, datetime.fromisoformat(end)


def test_there_are_enough() -> None:
    assert len(ROWS) >= 300
    assert sum(r["status"] == "ok" for r in ROWS) >= 150
    assert sum(r["status"] == "needs_choice" for r in ROWS) >= 50


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r['text'][:40]!r} @{r['now'][:16]}")
def test_row(row: dict[str, str]) -> None:
    now = datetime.fromisoformat(row["now"])
    answer = resolve(row["text"], now=now, tz="Europe/Berlin", locale="de")
    expected = [interval(c) for c in row["candidates"].split(" | ") if c]
    assert (answer.status, answer.relation, answer.role) == (row["status"], row["relation"], row["role"])
    assert [(c.start, c.end) for c in answer.candidates] == expected
    loss = timedelta(seconds=int(row["tolerance_s"])) if row["tolerance_s"] else None
    assert answer.tolerance == loss
    assert (answer.question is None) == (answer.status in {"ok", "latest", "position"})


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r['text'][:40]!r} @{r['now'][:16]}")
def test_the_other_locale_never_changes_what_is_sure(row: dict[str, str]) -> None:
    now = datetime.fromisoformat(row["now"])
    german, english = (resolve(row["text"], now=now, tz="Europe/Berlin", locale=at) for at in ("de", "en"))
    assert german.status == english.status
    assert {(c.start, c.end) for c in german.candidates} == {(c.start, c.end) for c in english.candidates}
    if german.status == "ok":
        assert german.assumptions == () or german.assumptions != english.assumptions

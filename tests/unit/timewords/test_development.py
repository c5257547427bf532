"""The development table: every exact row right, every ambiguous one asked, none guessed."""

import csv
from datetime import datetime
from pathlib import Path

import pytest

from restorekit.timewords import resolve

ROWS = list(csv.DictReader(Path(__file__).with_name("development.csv").read_text(encoding="utf-8").splitlines()))
NAMED = {"event", "latest", "position", "future", "invalid", "vague", "none"}


def moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@pytest.mark.parametrize("locale", ["as given", "the other"])
@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r['expression'][:40]} @{r['now'][:10]}")
def test_row(row: dict[str, str], locale: str) -> None:
    said = row["locale"] if locale == "as given" else {"de": "en", "en": "de"}[row["locale"]]
    answer = resolve(row["expression"], now=datetime.fromisoformat(row["now"]), tz=row["tz"], locale=said)
    expected = (moment(row["expected_start"]), moment(row["expected_end"]))
    found = [(c.start, c.end) for c in answer.candidates]
    if row["ambiguous"] == "yes":
        assert answer.status in {"needs_choice", row["kind"] if row["kind"] in NAMED else "needs_choice"}
        assert answer.question
        if expected[1] is not None and "DST" not in row["comment"] and "hour happens twice" not in row["comment"]:
            assert expected in found
    elif row["kind"] in NAMED:
        assert answer.status == row["kind"]
        assert not found
    else:
        assert answer.status == "ok"
        assert found == [expected]

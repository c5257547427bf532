"""The history at the keyboard: eighty columns, one document, a picture, and honest where nothing is known."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from cli.test_moments import NOW, SHOP, by_the_minute, remember, story, taken  # noqa: F401 - a fixture
from unit.timeline.lives import BERLIN, Life

from restorekit.bootstrap import open_service
from restorekit.model.database import DatabaseId, Lineage


def columns(text: str) -> int:
    return max(map(len, text.splitlines()))


@pytest.mark.parametrize("language", ["de", "en"])
def test_in_eighty_columns_without_colour(story: Any, language: str) -> None:  # noqa: F811
    answer = story.ok("timeline", SHOP, *NOW, "--locale", language)
    assert columns(answer.out) <= 80
    assert "✖" in answer.out
    assert "2009-01-22 08:52" in answer.out
    assert "\x1b" not in answer.out
    assert ("Die letzten" if language == "de" else "Latest") in answer.out


def test_narrow_and_wide(story: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    widths = []
    for wide in ("20", "60", "200", "10000"):
        monkeypatch.setenv("COLUMNS", wide)
        widths.append(columns(story.ok("timeline", SHOP, *NOW).out))
    assert widths[0] <= 40
    assert widths[1] <= 60
    assert 100 < widths[2] <= 200
    assert widths[3] <= 200


def test_one_document(story: Any) -> None:  # noqa: F811
    told = story.ok("timeline", SHOP, *NOW, "--json").json
    assert set(told) == {
        "database", "timezone", "accident", "last_serious", "restless", "episodes", "last_change", "routine",
        "coverage", "baseline_days", "caution", "problems", "points",
    }  # fmt: skip
    assert told["accident"]["start"] == "2009-01-22T08:52:00+01:00"
    assert told["last_serious"]["end"] == "2009-01-17T16:41:59+01:00"
    assert set(told["accident"]) == {"kind", "start", "end", "score", "tables", "why", "position"}
    assert told["accident"] in told["episodes"]
    assert told["routine"]
    assert told["baseline_days"] > 14
    coverages = {c["coverage"] for c in told["coverage"]}
    assert "rows" in coverages
    assert all(datetime.fromisoformat(at).utcoffset() is not None for at in told["last_change"].values())


def test_points_stand_in_it_once_they_are_known(story: Any) -> None:  # noqa: F811
    story.ok("inventory")
    points = story.ok("timeline", SHOP, *NOW, "--json").json["points"]
    assert len(points) == 9
    assert {p["state"] for p in points} == {"usable"}
    assert not any(p["proven"] for p in points)
    assert points[0]["at"].endswith("+01:00")


def test_a_picture(story: Any, tmp_path: Path) -> None:  # noqa: F811
    picture = tmp_path / "acme.svg"
    answer = story.ok("timeline", SHOP, *NOW, "--svg", str(picture), "--locale", "de")
    assert str(picture) in answer.err
    root = ET.fromstring(picture.read_text(encoding="utf-8"))  # noqa: S314 - our own
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "Unfall" in "".join(root.itertext())


def test_since_words(story: Any) -> None:  # noqa: F811
    first = story.ok("timeline", SHOP, *NOW, "--since", "2009-01-20T00:00").out.splitlines()[0]
    assert first.startswith("2009-01-20 00:00")
    asked = story.type("timeline", SHOP, *NOW, "--since", "gegen 8")
    assert asked.code == 3
    assert "--since" in asked.err


def test_nothing_known(desk: Any) -> None:
    answer = desk.ok("timeline", SHOP)
    assert columns(answer.out) <= 80
    assert "What happened is not known." in answer.out
    assert "Nothing stands out" not in answer.out
    told = desk.ok("timeline", SHOP, "--json").json
    assert (told["accident"], told["episodes"]) == (None, [])


def test_a_database_that_is_no_longer_live(story: Any) -> None:  # noqa: F811
    story.ok("inventory")
    (story.live / "acme_shop.db").unlink()
    told = story.ok("timeline", SHOP, *NOW, "--json").json
    assert told["accident"]["start"] == "2009-01-22T08:52:00+01:00"
    plan = story.ok("plan", SHOP, "--contains", "17.01.", *NOW)
    assert "will be created" in " ".join(plan.out.split())


def test_what_the_future_brought_is_not_looked_at(story: Any) -> None:  # noqa: F811
    told = story.ok("timeline", SHOP, "--now", "2009-01-22T08:00:00+01:00", "--json").json
    assert told["accident"] is None
    assert told["last_serious"]["end"] == "2009-01-17T16:41:59+01:00"


def test_a_restore_mends_the_accident_and_its_undo_brings_it_back(desk: Any) -> None:
    def accident() -> str:
        told = desk.ok("timeline", SHOP, "--json").json
        assert "accident" in {e["kind"] for e in told["episodes"]}
        return str(told["accident"] and told["accident"]["start"])

    now = datetime.now(BERLIN)
    at = now - timedelta(hours=2)
    minute = at.replace(second=0, microsecond=0).isoformat()
    life = Life(f"{now - timedelta(days=15):%Y-%m-%dT%H:%M}", f"{now:%Y-%m-%dT%H:%M}")
    life.heartbeat()
    life.mass(int(at.timestamp()), "orders", 500)
    by_the_minute(desk)
    taken(desk, now - timedelta(hours=5))
    remember(desk, life)
    assert accident() == minute
    desk.sql("DELETE FROM orders WHERE id = 1")
    assert desk.ok("plan", SHOP, "--json").json["reasons"], "nobody named a moment: before the accident"
    run = desk.ok("restore", SHOP, "--yes", "--json").json["id"]
    assert accident() == "None"
    desk.ok("undo", run)
    assert accident() == minute


def test_a_picture_in_a_folder_that_is_not_there(desk: Any) -> None:
    answer = desk.type("timeline", "files/acme_shop", "--svg", "/nowhere/a.svg")
    assert answer.code == 2
    assert "/nowhere/a.svg" in answer.err


def test_a_database_nobody_knows(desk: Any) -> None:
    assert desk.type("timeline", "files/nope").code == 2


def test_a_beginning_after_the_end(desk: Any) -> None:
    answer = desk.type("timeline", "files/acme_shop", "--since", "2009-02-01", "--now", "2009-01-22T10:15")
    assert answer.code == 2
    assert "--since" in answer.err


def test_what_happened_under_a_name_before_it_had_its_owner_is_not_told(story: Any) -> None:  # noqa: F811
    since = datetime(2009, 1, 18, tzinfo=BERLIN)
    fact = Lineage(database=DatabaseId.parse(SHOP), owner="bolt", since=since)
    open_service(story.house.config).house.catalog.record_lineage(fact)
    told = story.ok("timeline", SHOP, *NOW, "--since", "2009-01-08", "--json").json
    said = (
        [e["start"] for e in told["episodes"]]
        + [c["start"] for c in told["coverage"]]
        + [*told["last_change"].values()]
    )
    assert said
    assert all(datetime.fromisoformat(at) >= since for at in said), said


def test_an_event_in_a_mail_is_asked_about(story: Any, tmp_path: Path) -> None:  # noqa: F811
    """An update that somebody names is not passed over for what the history finds by itself."""
    letter = tmp_path / "mail.txt"
    letter.write_text("Bitte die Datenbank auf den Stand vor dem Update letzten Freitag bringen.", encoding="utf-8")
    answer = story.type("plan", SHOP, "--mail", str(letter), *NOW)
    assert answer.code == 3, answer
    assert "--mail" in answer.err

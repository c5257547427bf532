"""The heat view: columns as long as they were, holes that do not look like silence, and 80 columns of plain text."""

import json
import re
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.timeline.lives import BERLIN, POINTS, Life, Nights, clock, founding_story, story

from restorekit.model.changes import Stretch
from restorekit.timeline import View, heat, render_heat
from restorekit.timeline.axis import cells
from restorekit.timeline.heatmap import HOLE, SOMEWHERE

DASH = "\N{EN DASH}"


def row(lines: list[str], name: str) -> str:
    return next(line for line in lines if line.startswith(name))


def test_the_founding_story_in_80_columns() -> None:
    lines = render_heat(story())
    assert all(len(line) <= 80 for line in lines)
    assert lines[0] == f"2009-01-07 00:00 {DASH} 2009-01-22 10:15 Europe/Berlin, one column = 6 h"
    assert "2009-01" in lines[1]
    assert lines[2].split() == [f"{day:02}" for day in range(7, 23)]
    column = lines[2].index("17") + 2  # 12:00 to 18:00
    assert row(lines, "serious")[column] == "●"
    assert row(lines, "wp_posts")[column] in "▁▂▃▄▅▆▇█"
    assert row(lines, "serious")[lines[2].index("22") + 1] == "✖"
    assert f"✖ Accident Thu 2009-01-22 08:52{DASH}08:54: wp_posts: 919 rows deleted at once;" in "\n".join(lines)
    assert f"● Sat 2009-01-17 15:15{DASH}16:41  " in "\n".join(lines)


def test_rare_tables_are_on_top_and_routine_is_one_row() -> None:
    picture = story()
    assert [r.label for r in picture.rows] == ["shop_products", "wp_posts", "orders"]
    assert picture.routine is not None
    assert set(picture.folded) == {"cache", "log", "search_index", "sessions"}
    assert picture.routine.label == "routine (4)"


def test_points_and_what_is_proven_stand_below_each_other() -> None:
    lines = render_heat(story())
    at = lines[2].index
    letters, proofs = row(lines, "points"), row(lines, "proven")
    assert (letters[at("10")], proofs[at("10")]) == ("S", "*")
    assert (letters[at("13")], proofs[at("13")]) == ("T", "x")
    assert (letters[at("14")], proofs[at("14") : at("14") + 1].strip()) == ("S", "")


def test_unknown_looks_different_from_silence() -> None:
    life, _ = founding_story()
    life.stretches.append(Stretch(start=clock("2009-01-12T00:00"), end=clock("2009-01-14T00:00"), coverage="none"))
    view = View(life.since - timedelta(days=1), life.until, BERLIN)
    picture = heat(life.history(), life.tallies, life.blows, (), view)
    posts = next(r for r in picture.rows if r.label == "wp_posts")
    by_start = dict(zip((cell.start for cell in picture.cells), posts.levels, strict=True))
    assert by_start[clock("2009-01-07T12:00")] == HOLE
    assert by_start[clock("2009-01-12T12:00")] == HOLE
    assert by_start[clock("2009-01-11T12:00")] == 0
    assert [(hole.start, hole.end) for hole in picture.holes] == [
        (clock("2009-01-07T00:00"), clock("2009-01-08T00:00")),
        (clock("2009-01-12T00:00"), clock("2009-01-14T00:00")),
    ]
    text = "\n".join(render_heat(picture))
    assert "????" in text
    assert "? nothing is known" in text


def test_without_any_coverage_all_is_unknown() -> None:
    life, _ = founding_story()
    life.stretches = []
    picture = heat(life.history(), life.tallies, (), (), View(life.since, life.until, BERLIN))
    assert {level for r in picture.rows for level in r.levels} & {0} == set()


def test_a_change_between_two_states_is_somewhere() -> None:
    nights = Nights()
    nights.differs(16, "wp_posts")
    nights.lost(18, "shop_products", "drop_table", 76)
    found = nights.history()
    view = View(nights.first, nights.first + timedelta(days=20), BERLIN, 200)
    picture = heat(found, nights.tallies, nights.blows, (), view)
    posts = next(r for r in picture.rows if r.label == "wp_posts")
    assert set(posts.levels) == {0, SOMEWHERE}
    products = next(r for r in picture.rows if r.label == "shop_products")
    assert products.levels.count(SOMEWHERE) > 1
    assert set(products.levels) == {0, SOMEWHERE}
    assert "serious?" in picture.marks
    assert "serious" not in picture.marks
    text = "\n".join(render_heat(picture))
    assert "○ serious, somewhere in here" in text
    assert "○ Some time between Sat 2009-01-17 02:00 and Sun 2009-01-18 02:00: wp_posts:" in text
    assert "~ changed, somewhere in here" in text


def test_where_a_log_is_nothing_is_drawn_as_somewhere() -> None:
    life, _ = founding_story()
    nights = Nights("2009-01-08", 15)
    nights.differs(9, "wp_posts", "I", 48)
    view = View(life.since, life.until, BERLIN)
    alone = heat(life.history(), life.tallies, life.blows, (), view)
    both = heat(life.history(), [*life.tallies, *nights.tallies], life.blows, (), view)
    assert both.rows == alone.rows


def test_many_tables_fold_into_one_row_more() -> None:
    life = Life("2009-01-08T00:00", "2009-01-22T00:00")
    for number in range(30):
        life.edits("2009-01-15T11:00", "2009-01-15T11:20", tables=(f"table_{number:02}",))
    picture = heat(life.history(), life.tallies, (), (), View(life.since, life.until, BERLIN))
    assert len(picture.rows) == 13
    assert picture.rows[-1].label == "18 more"


def test_restless_says_so_and_lists_the_last_change_per_table() -> None:
    nights = Nights()
    for night in range(20):
        nights.differs(night, "articles")
    picture = heat(
        nights.history(), nights.tallies, (), (), View(nights.first, nights.first + timedelta(days=20), BERLIN)
    )
    text = "\n".join(render_heat(picture))
    assert "It changes all the time and nothing stands out. Last change per table:" in text
    assert "  Wed 2009-01-21 01:59  articles" in text


def test_german() -> None:
    text = "\n".join(render_heat(story("de")))
    assert "eine Spalte = 6 h" in text
    assert f"✖ Unfall Do 2009-01-22 08:52{DASH}08:54: wp_posts: 919 Zeilen auf einmal gelöscht;" in text
    for line in text.splitlines():
        assert len(line) <= 80


def test_names_that_would_drive_the_terminal() -> None:
    life = Life("2009-01-08T00:00", "2009-01-22T00:00")
    life.edits("2009-01-15T11:00", "2009-01-15T11:20", tables=("\x1b]0;x\x07\n" + "y" * 90,))
    lines = render_heat(heat(life.history(), life.tallies, (), (), View(life.since, life.until, BERLIN)))
    assert all(line.isprintable() and len(line) <= 80 for line in lines)


def test_wide_letters_and_long_zones_keep_the_columns() -> None:
    life = Life("2009-01-08T00:00", "2009-01-22T00:00")
    life.edits("2009-01-15T11:00", "2009-01-15T11:20", tables=("商品の在庫と価格の表", "products"))
    zone = ZoneInfo("America/Argentina/ComodRivadavia")
    lines = render_heat(heat(life.history(), life.tallies, (), (), View(life.since, life.until, zone)))
    assert all(len(line) <= 80 for line in lines)
    assert row(lines, "商品の在庫と価…").index("█") + 7 == row(lines, "products").index("█")


def test_it_is_json_too() -> None:
    said = json.loads(story().model_dump_json())
    assert len(said["cells"]) == len(said["marks"]) == len(said["rows"][0]["levels"])


@pytest.mark.parametrize("hours", [0, 1, 7, 30, 24 * 3, 24 * 40, 24 * 400, 24 * 4000])
def test_any_window_fits(hours: int) -> None:
    life, _ = founding_story()
    view = View(life.until - timedelta(hours=hours), life.until, BERLIN)
    lines = render_heat(heat(life.history(), life.tallies, life.blows, POINTS, view))
    assert all(len(line) <= 80 for line in lines)
    assert re.search(r"\b(199|200)\d\b", lines[1])


@pytest.mark.parametrize(
    ("night", "hours"), [("2009-03-29", {6: 5.0, 1: 1.0}), ("2009-10-25", {6: 7.0, 1: 1.0})], ids=["short", "long"]
)
def test_a_dst_night_has_its_real_length(night: str, hours: dict[int, float]) -> None:
    midnight = clock(f"{night}T00:00")
    wide, step = cells(midnight - timedelta(days=5), midnight + timedelta(days=5), 45, BERLIN)
    assert step == "6 h"
    first = next(cell for cell in wide if cell.start == midnight)
    assert (first.end.timestamp() - first.start.timestamp()) / 3600 == hours[6]
    narrow, step = cells(midnight, clock(f"{night}T23:59"), 30, BERLIN)
    assert step == "1 h"
    assert len(narrow) == (23 if night == "2009-03-29" else 25)


def _zones() -> st.SearchStrategy[ZoneInfo]:
    return st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Africa/Cairo", "UTC"]).map(
        ZoneInfo
    )


@settings(max_examples=60, deadline=None)
@given(
    since=st.datetimes(datetime(2007, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001
    minutes=st.integers(5, 60 * 24 * 900),
    most=st.integers(8, 200),
    zone=_zones(),
)
def test_columns_hold_the_window_without_gap(since: datetime, minutes: int, most: int, zone: ZoneInfo) -> None:
    begin = since.replace(tzinfo=ZoneInfo("UTC"))
    end = begin + timedelta(minutes=minutes)
    columns, _ = cells(begin, end, most, zone)
    assert 0 < len(columns) <= most
    assert columns[0].start <= begin
    assert columns[-1].end >= end
    assert all(one.end == other.start for one, other in pairwise(columns))
    assert all(cell.start.timestamp() < cell.end.timestamp() for cell in columns)

"""What stands out: each rule of the score, and for each the case in which it would be a lie."""

import time
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from unit.timeline.lives import BERLIN, Life, clock, fortnight, founding_story, seconds

from restorekit.model.changes import Stretch, Tally
from restorekit.timeline import Labels, history
from restorekit.timeline.surprise import surprise


def test_the_founding_story_to_the_minute() -> None:
    life, first = founding_story()
    found = life.history()
    assert found.accident is not None
    assert found.last_serious is not None
    assert f"{found.last_serious.start:%a %Y-%m-%d %H:%M}" == "Sat 2009-01-17 15:15"
    assert found.last_serious.end == clock("2009-01-17T16:41:59")
    assert found.accident.start == clock("2009-01-22T08:52")
    assert f"{found.accident.end:%H:%M}" == "08:54"
    assert found.accident.position == first
    assert found.accident.tables == {"wp_posts": "919 rows deleted at once", "shop_products": "table dropped"}
    assert set(found.last_serious.tables) == {"wp_posts", "shop_products"}
    assert [e.kind for e in found.episodes if e.kind == "accident"] == ["accident"]
    assert {"sessions", "cache", "search_index"} <= set(found.routine)
    assert not found.restless
    assert not found.caution
    assert found.baseline_days == pytest.approx(14.43, abs=0.01)
    assert found.last_change["wp_posts"] == clock("2009-01-19T11:11:59")


def test_a_typo_is_a_tick_and_not_the_last_serious_change() -> None:
    life, _ = founding_story()
    found = life.history()
    typo = next((e for e in found.episodes if e.start == clock("2009-01-19T11:11")), None)
    assert typo is None or typo.kind == "minor"


def test_sentences_in_german_and_in_english() -> None:
    life, _ = founding_story()
    german = life.history(Labels(locale="de_DE", names={"wp_posts": "Beiträge"}))
    english = life.history()
    assert german.accident is not None
    assert english.accident is not None
    assert german.accident.why.startswith("Beiträge (wp_posts): 919 Zeilen auf einmal gelöscht; shop_products: Tabelle")
    assert english.accident.why.startswith("wp_posts: 919 rows deleted at once; shop_products: table dropped.")
    assert [e.start for e in german.episodes] == [e.start for e in english.episodes]


def test_work_right_up_to_the_accident_is_not_swallowed_by_it() -> None:
    life = fortnight()
    life.edits("2009-01-21T15:00", "2009-01-21T15:51")
    life.mass("2009-01-21T15:52:10", "wp_posts", 400)
    found = life.history()
    assert found.accident is not None
    assert found.accident.start == clock("2009-01-21T15:52")
    assert found.last_serious is not None
    assert found.last_serious.end == clock("2009-01-21T15:51:59")


def test_panic_after_the_accident_is_not_the_last_serious_change() -> None:
    life, _ = founding_story()
    life.edits("2009-01-22T09:10", "2009-01-22T10:00", every_min=1)
    found = life.history()
    assert found.episodes[-1].kind == "serious"
    assert found.last_serious is not None
    assert found.last_serious.start < clock("2009-01-18T00:00")


def test_definitions_alone_are_minor() -> None:
    life = fortnight()
    for minute in range(4):
        life.blow(f"2009-01-20T02:0{minute}", "wp_options", "alter", None, f"ALTER TABLE wp_options ADD c{minute} INT")
    found = life.history()
    assert found.last_serious is None
    assert [(e.kind, e.score) for e in found.episodes] == [("minor", 32.0)]
    assert "Only definitions" in found.episodes[0].why


def test_what_is_usual_at_noon_is_serious_at_night() -> None:
    def with_burst(when: str) -> str:
        life = fortnight()
        for number, day in enumerate(life.days()[:-1]):
            for hour in range(9, 17):
                life.change(f"{day}T{hour:02}:{(number * 3) % 15:02}", "orders", "I")
                life.change(f"{day}T{hour:02}:{30 + (number * 3) % 15:02}", "orders", "I")
        life.change(when, "orders", "I", 9, 9)
        return next((e.kind for e in life.history().episodes if e.start == clock(when)), "nothing")

    assert with_burst("2009-01-20T03:05") == "serious"
    assert with_burst("2009-01-20T12:20") != "serious"


def test_work_in_a_table_that_otherwise_only_the_clock_changes() -> None:
    life = fortnight()
    for day in life.days()[:-1]:
        for minute in range(0, 20, 2):
            life.change(f"{day}T02:{minute:02}", "products", "U", 5, 5)
    life.edits("2009-01-20T15:15", "2009-01-20T15:45", tables=("products",))
    found = life.history()
    assert found.last_serious is not None
    assert (found.last_serious.start, found.last_serious.end) == (
        clock("2009-01-20T15:15"),
        clock("2009-01-20T15:45:59"),
    )
    assert "products" not in found.routine


def test_one_order_in_seven_linked_tables_is_one_order() -> None:
    life = fortnight()
    for number in range(7):
        life.change("2009-01-20T23:05", f"order_part_{number}", "I")
    assert not [e for e in life.history().episodes if e.kind == "serious"]


def test_repairs_at_once_do_not_join_the_work_before_the_accident() -> None:
    life = fortnight()
    life.edits("2009-01-21T15:00", "2009-01-21T15:51")
    life.mass("2009-01-21T15:52:10", "wp_posts", 400)
    life.edits("2009-01-21T15:54", "2009-01-21T16:30", every_min=1)
    found = life.history()
    assert [(e.kind, f"{e.start:%H:%M}", f"{e.end:%H:%M}") for e in found.episodes] == [
        ("serious", "15:00", "15:51"),
        ("accident", "15:52", "15:52"),
        ("serious", "15:54", "16:30"),
    ]
    assert found.last_serious == found.episodes[0]


def test_muted_tables_never_make_an_episode() -> None:
    life = fortnight()
    life.edits("2009-01-20T11:00", "2009-01-20T12:00", tables=("shop_session_data",))
    life.mass("2009-01-20T12:00", "shop_session_data", 4000)
    life.blow("2009-01-20T12:10", "shop_session_data", "drop_table")
    assert life.history().accident is not None
    found = life.history(Labels(mute=("*_session*",)))
    assert found.episodes == ()
    assert "shop_session_data" in found.routine


def test_a_label_is_a_word_and_changes_no_judgement() -> None:
    life, _ = founding_story()
    plain = life.history()
    named = life.history(Labels(names={"*": "contents", "sessions": "content"}))
    assert [(e.kind, e.start, e.score) for e in plain.episodes] == [(e.kind, e.start, e.score) for e in named.episodes]


def test_transients_of_wordpress_are_heartbeat_by_data() -> None:
    life = Life("2009-01-08T00:00", "2009-01-22T10:15")
    for quarter in range(0, 14 * 96, 3):
        life.change(seconds("2009-01-08T00:03") + quarter * 900, "wp_options", "U", 2, 2)
    for minute in range(40):
        life.change(seconds("2009-01-20T11:00") + minute * 60, "wp_options", "I")
    found = life.history()
    assert not [e for e in found.episodes if e.kind == "serious"]
    assert "wp_options" in found.routine


def test_the_first_day_is_grey_but_its_accident_is_not() -> None:
    life = fortnight()
    life.edits("2009-01-08T10:00", "2009-01-08T11:00")
    found = life.history()
    assert [e.kind for e in found.episodes] == ["minor"]
    assert "first 24 hours" in found.episodes[0].why
    assert found.last_serious is None
    life.mass("2009-01-08T15:00", "wp_posts", 700)
    assert life.history().accident is not None


def test_a_short_past_says_so() -> None:
    life = Life("2009-01-17T10:15", "2009-01-22T10:15")
    life.heartbeat()
    assert life.history().caution.startswith("Only 5 days of the past are known; below 14 days")
    assert "Nur 5 Tage" in life.history(Labels(locale="de")).caution


def test_a_hole_is_no_quiet_time() -> None:
    """Orders every day; the log misses nine of fourteen days. As quiet time they would make an order look rare."""
    life = Life("2009-01-08T00:00", "2009-01-22T00:00")
    hole = (clock("2009-01-10T00:00"), clock("2009-01-19T00:00"))
    for day in life.days()[:-1]:
        if not hole[0] <= clock(day) < hole[1]:
            for hour in range(9, 18):
                life.change(f"{day}T{hour:02}:{int(day[-2:]) + 7}", "orders", "I")
                life.change(f"{day}T{hour:02}:{int(day[-2:]) + 27}", "orders", "I")
    quiet = life.history()
    life.stretches = [
        Stretch(start=life.since, end=life.until, coverage="rows"),
        Stretch(start=hole[0], end=hole[1], coverage="none", why="log purged"),
    ]
    known = life.history()
    assert known.baseline_days == 5.0
    assert quiet.baseline_days == 14.0
    assert sum(e.score for e in known.episodes) <= sum(e.score for e in quiet.episodes)
    assert known.caution


@pytest.mark.parametrize("zone", [BERLIN, ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe"), UTC])
@pytest.mark.parametrize("month", ["2009-03", "2009-10"])
def test_jobs_keep_their_time_of_day_through_a_dst_night(zone: ZoneInfo, month: str) -> None:
    life = Life(f"{month}-16T00:00", f"{month}-30T12:00", zone)
    for day in life.days():
        life.mass(f"{day}T03:20", "cache", 300)
        life.blow(f"{day}T04:30", "search_index", "truncate")
        life.change(f"{day}T04:30", "search_index", "I", 2000, 60)
    found = life.history()
    assert found.episodes == ()
    assert set(found.routine) == {"cache", "search_index"}


def test_nothing_after_now_is_known() -> None:
    life, _ = founding_story()
    found = life.history(now=clock("2009-01-22T08:52"))
    assert found.accident is None
    assert found.last_serious is not None
    assert found.last_serious.end == clock("2009-01-17T16:41:59")


def test_always_changing_and_nothing_standing_out() -> None:
    life = Life("2009-01-08T00:00", "2009-01-22T00:00")
    for day in life.days()[:-1]:
        for hour in range(8, 20):
            for minute in (3, 19, 33, 48):
                life.change(f"{day}T{hour:02}:{minute + int(day[-1]):02}", "articles", "U", 2, 2)
    found = life.history()
    assert found.restless
    assert found.last_serious is None
    assert found.last_change == {"articles": clock("2009-01-21T19:49:59")}


def test_work_that_went_on_afterwards_is_not_called_the_last() -> None:
    life = fortnight()
    life.edits("2009-01-20T10:00", "2009-01-20T10:40")
    for day, hours in (("2009-01-20", range(12, 20)), ("2009-01-21", range(7, 20))):
        for hour in hours:
            life.change(f"{day}T{hour:02}:{hour * 7 % 60:02}", "wp_posts", "U", 2, 2)
    found = life.history()
    assert any(e.kind == "serious" for e in found.episodes)
    assert found.last_serious is None
    assert found.last_change["wp_posts"] == clock("2009-01-21T19:13:59")


def test_a_silent_database_is_not_restless() -> None:
    life = Life("2009-01-08T00:00", "2009-01-22T00:00")
    life.change("2009-01-15T11:00", "articles")
    found = life.history()
    assert not found.restless
    assert found.last_serious is None


def test_nothing_at_all() -> None:
    found = history([], [], [], zone=BERLIN, labels=Labels(), now=clock("2009-01-22T10:00"))
    assert found.episodes == ()
    assert found.baseline_days == 0
    assert found.caution


def test_names_of_tables_cannot_drive_a_terminal_and_digests_stay_out() -> None:
    life = fortnight()
    name = "wp\x1b[2J\nposts\u202e" + "x" * 100
    life.mass("2009-01-20T11:00", name, 800)
    life.blow("2009-01-20T11:01", name, "drop_table", None, "DROP TABLE canary_7f3a")
    found = life.history()
    assert found.accident is not None
    assert found.accident.why.isprintable()
    assert len(found.accident.why) < 200
    assert name in found.accident.tables
    assert "canary_7f3a" not in found.model_dump_json()


def test_surprise_is_the_tail_of_poisson() -> None:
    assert surprise(0.1, 1) == pytest.approx(1.0216, abs=1e-3)
    assert surprise(2.0, 1) == 0
    assert surprise(0.07, 48) > 90
    assert surprise(1e-9, 1) == pytest.approx(9, abs=1e-6)


def test_a_fortnight_of_a_busy_site_is_judged_within_a_second() -> None:
    begin = seconds("2009-01-08T00:00")
    tallies = [
        Tally(begin + 60 * minute, begin + 60 * minute + 60, f"t{table}", "IUD"[table % 3], 2, 2, 100)
        for minute in range(14 * 1440)
        for table in range(5)
        if (minute * (table + 3)) % 11 != 0
    ]
    stretches = [Stretch(start=clock("2009-01-08T00:00"), end=clock("2009-01-22T00:00"), coverage="rows")]
    assert len(tallies) > 90_000
    started = time.process_time()
    found = history(tallies, [], stretches, zone=BERLIN, labels=Labels(), now=clock("2009-01-22T00:00"))
    assert time.process_time() - started < 1.0
    assert len(found.routine) == 5

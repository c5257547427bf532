"""What destroyed something, and what only looks so: jobs of the clock, scratch tables, small things."""

import time
from datetime import timedelta

import pytest
from unit.timeline.lives import Life, clock, fortnight, seconds

from restorekit.model.changes import Blow, BlowKind


def test_the_last_of_two_accidents_counts_and_two_hours_make_one() -> None:
    life = fortnight()
    life.mass("2009-01-12T16:20", "wp_posts", 500)
    first = life.mass("2009-01-20T11:00", "wp_posts", 500)
    life.blow("2009-01-20T12:40", "shop_products", "drop_table")
    found = life.history()
    accidents = [e for e in found.episodes if e.kind == "accident"]
    assert [e.start.day for e in accidents] == [12, 20]
    assert found.accident == accidents[-1]
    assert f"{accidents[-1].end:%H:%M}" == "12:40"
    assert accidents[-1].position == first


def test_of_one_second_the_lowest_offset_is_where_to_stop() -> None:
    life = fortnight()
    at = seconds("2009-01-20T11:00:09")
    for offset in (1000, 999):
        life.blows.append(Blow(at, at, "wp_posts", "mass_delete", 90, "", f"log.000007:{offset}", ""))
    accident = life.history().accident
    assert accident is not None
    assert accident.position == "log.000007:999"


@pytest.mark.parametrize(
    ("kind", "digest", "destroys"),
    [
        ("alter", "ALTER TABLE t ADD COLUMN x INT", False),
        ("alter", "ALTER TABLE t DROP INDEX x", False),
        ("alter", "ALTER TABLE t DROP FOREIGN KEY x", False),
        ("alter", "ALTER TABLE t DROP COLUMN x", True),
        ("alter", "alter table t drop x", True),
        ("alter", "ALTER TABLE t DROP PARTITION p3", True),
        ("create", "CREATE TABLE t (x INT)", False),
        ("create", "CREATE OR REPLACE TABLE t (x INT)", True),
        ("rename", "RENAME TABLE t TO u", False),
        ("other_ddl", "ANALYZE TABLE t", False),
        ("truncate", "TRUNCATE TABLE t", True),
        ("drop_database", "DROP DATABASE d", True),
        ("mass_update", "UPDATE t SET x = ?", True),
    ],
)
def test_what_destroys(kind: BlowKind, digest: str, *, destroys: bool) -> None:
    life = fortnight()
    life.blow("2009-01-20T11:00", "t", kind, None, digest)
    assert (life.history().accident is not None) == destroys


def test_a_scratch_table_is_no_accident_but_an_import_is() -> None:
    life = fortnight()
    life.blow("2009-01-20T11:00", "copy_of_t", "create")
    life.blow("2009-01-20T11:05", "copy_of_t", "drop_table")
    assert life.history().accident is None
    life.blow("2009-01-20T12:00", "t", "drop_table")
    life.blow("2009-01-20T12:00", "t", "create")
    accident = life.history().accident
    assert accident is not None
    assert list(accident.tables) == ["t"]


def test_the_same_job_by_hand_at_noon_is_an_accident() -> None:
    life = fortnight()
    for day in life.days()[:-1]:
        life.blow(f"{day}T03:30", "search_index", "truncate")
        life.mass(f"{day}T02:30", "products", 400, "U")
    assert life.history().accident is None
    life.blow("2009-01-20T12:00", "search_index", "truncate")
    life.mass("2009-01-20T12:01", "products", 700, "U")
    accident = life.history().accident
    assert accident is not None
    assert set(accident.tables) == {"search_index", "products"}


def test_a_job_that_suddenly_takes_everything_is_an_accident() -> None:
    life = fortnight()
    for day in life.days()[:-1]:
        life.mass(f"{day}T03:30", "orders", 60 if day != "2009-01-20" else 80_000)
    accident = life.history().accident
    assert accident is not None
    assert accident.start == clock("2009-01-20T03:30")


def test_caches_emptied_by_people_on_most_days_are_no_accident() -> None:
    life = fortnight()
    for number, day in enumerate(life.days()[:-1]):
        life.blow(f"{day}T{8 + number % 9:02}:{(number * 17) % 60:02}", "cf_cache_pages", "truncate")
    assert life.history().accident is None


def test_hourly_and_jittered_jobs_are_no_accident() -> None:
    life = fortnight()
    for number, day in enumerate(life.days()[:-1]):
        for hour in range(24):
            life.mass(f"{day}T{hour:02}:{7 + (number * 5 + hour) % 11:02}", "sessions", 60 + hour)
        life.mass(f"{day}T02:{10 + number * 7 % 20:02}", "products", 400, "U")
    assert life.history().accident is None


def test_an_import_that_starts_when_it_can_is_no_accident_and_no_work_of_a_person() -> None:
    life = fortnight()
    for number, day in enumerate(life.days()[:-1]):
        life.change(f"{day}T02:{number * 3:02}", "products", "U", 60, 60)
        life.mass(f"{day}T02:{number * 3:02}", "prices", 400, "U")
    assert life.history().episodes == ()


def test_a_queue_emptied_every_hour_for_three_days_is_no_accident() -> None:
    life = fortnight()
    for number, day in enumerate(("2009-01-12", "2009-01-13", "2009-01-14")):
        for hour in range(24):
            life.mass(f"{day}T{hour:02}:{number * 20:02}", "queue", 500)
    assert life.history().accident is None


def test_a_weekly_job_keeps_its_wall_clock_over_a_dst_night() -> None:
    life = Life("2009-03-16T00:00", "2009-03-31T00:00")
    life.mass("2009-03-22T04:00", "log", 9000)
    life.mass("2009-03-29T04:00", "log", 12000)
    assert life.history().accident is None


def test_few_rows_are_no_mass_and_unknown_rows_are() -> None:
    life = fortnight()
    life.blow("2009-01-20T11:00", "t", "mass_delete", 49)
    assert life.history().accident is None
    life.blow("2009-01-20T15:00", "t", "mass_delete", None, "DELETE FROM t")
    accident = life.history().accident
    assert accident is not None
    assert accident.tables == {"t": "many rows deleted at once"}


@pytest.mark.parametrize("start", ["2009-01-20T11:00", "2009-01-20T11:07", "2009-01-20T10:53"])
def test_one_by_one_is_an_accident_wherever_a_slot_ends(start: str) -> None:
    life = fortnight()
    life.edits("2009-01-19T14:00", "2009-01-19T15:00")
    for minute in range(12):
        life.change(seconds(start) + minute * 60, "wp_posts", "D", 3, 3)
    found = life.history()
    assert found.accident is not None
    assert found.accident.start == clock(start)
    assert found.accident.end == clock(start) + timedelta(minutes=11, seconds=59)
    assert found.accident.tables == {"wp_posts": "36 rows deleted one by one"}
    assert not found.accident.position
    assert found.last_serious is not None
    assert found.last_serious.start.day == 19


def test_ten_deletes_are_no_accident() -> None:
    life = fortnight()
    for minute in range(10):
        life.change(seconds("2009-01-20T11:00") + minute * 60, "wp_posts", "D")
    assert life.history().accident is None


def test_thousands_of_blows_are_judged_within_a_second() -> None:
    life = fortnight()
    for number in range(4000):
        at = seconds("2009-01-08T00:30") + number * 293
        life.blow(at, f"scratch_{number}", "create")
        life.blow(at + 60, f"scratch_{number}", "drop_table")
        life.blow(at, "queue", "mass_delete", 50 + number * number % 977)
    started = time.process_time()
    assert life.history().accident is None
    assert time.process_time() - started < 1.0

"""Where only states are known: honest about "between", and the log wins where there is one."""

from datetime import timedelta

from unit.timeline.lives import Life, Nights, clock, founding_story

from restorekit.model.changes import Stretch


def test_a_table_that_rarely_changes_makes_an_interval_serious() -> None:
    nights = Nights()
    nights.differs(16, "wp_posts")
    nights.differs(16, "shop_products", "I", 40)
    found = nights.history()
    assert found.last_serious is not None
    assert (found.last_serious.start, found.last_serious.end) == (clock("2009-01-17T02:00"), clock("2009-01-18T02:00"))
    assert found.last_serious.why == (
        "Some time between Sat 2009-01-17 02:00 and Sun 2009-01-18 02:00: shop_products: 40 inserts; "
        "wp_posts: changes of unknown number. These tables rarely change."
    )
    assert found.last_serious.tables == {"shop_products": "40 inserts", "wp_posts": "changes of unknown number"}
    assert {"orders", "sessions"} <= set(found.routine)
    assert found.accident is None
    assert not found.caution


def test_one_row_is_minor() -> None:
    nights = Nights()
    nights.differs(16, "wp_posts", "I", 3)
    found = nights.history()
    assert found.last_serious is None
    assert [e.kind for e in found.episodes] == ["minor"]


def test_a_loss_between_two_states_is_an_accident_and_bounds_the_serious_change() -> None:
    nights = Nights()
    nights.differs(12, "wp_posts")
    nights.lost(18, "wp_posts", "mass_delete", 919)
    nights.lost(18, "shop_products", "drop_table", 76)
    found = nights.history("de")
    assert found.accident is not None
    assert (found.accident.start, found.accident.end) == (clock("2009-01-19T02:00"), clock("2009-01-20T02:00"))
    assert found.accident.tables == {
        "wp_posts": "919 Zeilen verschwunden",
        "shop_products": "Tabelle gelöscht (76 Zeilen)",
    }
    assert found.accident.why.startswith("Irgendwann zwischen Mo 2009-01-19 02:00 und Di 2009-01-20 02:00: wp_posts")
    assert found.last_serious is not None
    assert found.last_serious.start == clock("2009-01-13T02:00")


def test_what_shrinks_every_few_nights_is_a_habit() -> None:
    nights = Nights()
    for night in (3, 8, 13, 18):
        nights.lost(night, "queue", "mass_delete", 800)
    assert nights.history().accident is None


def test_a_site_edited_every_day_is_restless() -> None:
    nights = Nights()
    for night in range(20):
        nights.differs(night, "articles", "?", None)
    found = nights.history()
    assert found.restless
    assert found.last_serious is None
    assert found.last_change["articles"] == clock("2009-01-21T01:59:59")


def test_two_states_are_no_past_to_compare_with() -> None:
    nights = Nights(nights=2)
    nights.differs(0, "wp_posts", "?", None)
    found = nights.history()
    assert found.last_serious is None
    assert found.caution


def test_where_both_are_known_the_log_counts() -> None:
    life, first = founding_story()
    nights = Nights("2009-01-08", 15)
    nights.differs(9, "wp_posts", "I", 48)
    nights.lost(12, "wp_posts", "mass_delete", 919)
    alone = life.history()
    life.tallies += nights.tallies
    life.blows += nights.blows
    both = life.history()
    assert both.episodes == alone.episodes
    assert both.accident is not None
    assert both.accident.position == first


def test_one_night_outside_the_log_is_judged_by_all_nights() -> None:
    nights = Nights()
    logged = (nights.first + timedelta(days=1), nights.first + timedelta(days=20))
    nights.stretches_more = [Stretch(start=logged[0], end=logged[1], coverage="rows")]
    found = nights.history()
    assert found.episodes == ()


def test_states_tell_of_the_time_before_the_log_began() -> None:
    life = Life("2009-01-15T00:00", "2009-01-22T10:00")
    life.heartbeat()
    nights = Nights("2009-01-01", 15)
    nights.differs(5, "wp_posts", "I", 48)
    life.tallies += nights.tallies
    life.stretches += nights.stretches
    found = life.history()
    assert found.last_serious is not None
    assert found.last_serious.start == clock("2009-01-06T02:00")
    assert found.baseline_days > 20
    assert not found.caution

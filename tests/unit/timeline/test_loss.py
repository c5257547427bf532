"""What a restore gives up: routine left out, and what is not known never counted as nothing."""

from datetime import timedelta

import pytest
from unit.timeline.lives import Life, Nights, clock, founding_story

from restorekit.model.changes import Stretch
from restorekit.timeline import Labels
from restorekit.timeline.loss import covered, lost


def stretch(since: str, until: str, coverage="rows") -> Stretch:
    return Stretch(start=clock(since), end=clock(until), coverage=coverage)


LONG = stretch("2009-01-09T00:00", "2009-01-13T00:00")


def known_days(*stretches: Stretch) -> bool:
    return covered(stretches, clock("2009-01-10T00:00"), clock("2009-01-12T00:00"))


def between(life: Life, since: str, until: str, **labels):
    return lost(life.history(Labels(**labels)), life.tallies, clock(since), clock(until))


def test_rows_per_table_without_routine() -> None:
    life, _ = founding_story()
    found = between(life, "2009-01-17T02:00", "2009-01-22T08:52")
    assert (found.serious, found.known) == (1, True)
    assert list(found.rows)[:2] == ["shop_products", "wp_posts"] or list(found.rows)[:2] == [
        "wp_posts",
        "shop_products",
    ]
    assert "sessions" not in found.rows
    assert "cache" not in found.rows
    assert found.hours == pytest.approx(126.87, abs=0.01)


def test_muted_tables_are_no_loss() -> None:
    life, _ = founding_story()
    assert "wp_posts" not in between(life, "2009-01-17T02:00", "2009-01-22T08:52", mute=("wp_*",)).rows


def test_a_moment_is_within_a_change_that_goes_on_over_it() -> None:
    life, _ = founding_story()
    assert between(life, "2009-01-17T16:00", "2009-01-22T08:52").serious == 1
    assert between(life, "2009-01-17T16:42", "2009-01-22T08:52").serious == 0


def test_nothing_is_lost_at_the_moment_itself_and_never_backwards() -> None:
    life, _ = founding_story()
    found = between(life, "2009-01-20T02:00", "2009-01-20T02:00")
    assert (found.rows, found.serious, found.known) == ({}, 0, True)
    back = between(life, "2009-01-20T02:00", "2009-01-19T02:00")
    assert (back.rows, back.hours) == ({}, 0)


@pytest.mark.parametrize(
    ("stretches", "known"),
    [
        ((), False),
        ((stretch("2009-01-10T00:00", "2009-01-12T00:00"),), True),
        ((stretch("2009-01-09T00:00", "2009-01-13T00:00", "states"),), True),
        ((stretch("2009-01-10T00:00", "2009-01-12T00:00", "none"),), False),
        ((stretch("2009-01-11T00:00", "2009-01-12T00:00"), stretch("2009-01-10T00:00", "2009-01-11T00:00")), True),
        ((stretch("2009-01-10T00:00", "2009-01-11T00:00"), stretch("2009-01-11T00:00:40", "2009-01-12T00:00")), True),
        ((stretch("2009-01-10T00:00", "2009-01-11T00:00"), stretch("2009-01-11T00:05", "2009-01-12T00:00")), False),
        ((stretch("2009-01-10T00:00", "2009-01-11T23:00"),), False),
        ((LONG, stretch("2009-01-11T04:00", "2009-01-11T05:00", "none")), False),
        ((LONG, stretch("2009-01-12T04:00", "2009-01-12T05:00", "none")), True),
    ],
)
def test_a_hole_anywhere_inside_means_that_nobody_knows(stretches, known) -> None:
    assert known_days(*stretches) == known


def test_what_two_states_say_counts_if_any_of_it_may_lie_inside() -> None:
    nights = Nights()
    nights.differs(5, "wp_posts", "U", 7)
    history = nights.history()
    start = nights.first + timedelta(days=5)
    found = lost(history, nights.tallies, start + timedelta(hours=20), start + timedelta(hours=22))
    assert found.rows["wp_posts"] == 7
    assert found.serious == 1
    assert found.known
    before = lost(history, nights.tallies, start - timedelta(hours=4), start)
    assert "wp_posts" not in before.rows


def test_a_change_without_a_number_is_named_and_not_known() -> None:
    nights = Nights()
    nights.differs(5, "wp_posts")
    start = nights.first + timedelta(days=5)
    found = lost(nights.history(), nights.tallies, start, start + timedelta(hours=1))
    assert found.rows["wp_posts"] == 0
    assert not found.known

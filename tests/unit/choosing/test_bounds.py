"""Vague wishes become bounds, by what happened inside them; nothing is invented where nothing is known."""

import pytest
from unit.choosing.shop import (
    ACCIDENT,
    BERLIN,
    LAST_SERIOUS,
    Life,
    clock,
    day,
    histories,
    life,
    request,
    told,
    wish,
)
from unit.timeline.lives import founding_story

from restorekit.choosing import settled
from restorekit.choosing.sentences import Locale
from restorekit.model.request import Wish


def bounds(*wishes: Wish, locale: Locale = "en", of: Life | None = None) -> list[tuple[str, str]]:
    """Role and moment of each."""
    known = (told(of) if of is not None else histories())[locale]
    found = settled(request(*wishes, locale=locale), known, BERLIN)
    return [(w.role, f"{w.at.astimezone(BERLIN):%Y-%m-%d %H:%M:%S}") for w in found.wishes]


def reasons(*wishes: Wish, locale: Locale = "en") -> str:
    return " | ".join(settled(request(*wishes, locale=locale), histories()[locale], BERLIN).reasons)


BEFORE_ACCIDENT = ("before_damage", "2009-01-22 08:52:00")


def test_the_last_change_of_a_day_is_the_end_of_its_last_serious_episode() -> None:
    assert bounds(day("must_contain", 17)) == [("must_contain", "2009-01-17 16:41:59"), BEFORE_ACCIDENT]
    english, german = reasons(day("must_contain", 17)), reasons(day("must_contain", 17), locale="de")
    assert "“17.01.” ended Sat 2009-01-17 16:41" in english
    assert "„17.01.“ endete Sa 2009-01-17 16:41" in german
    assert "began Thu 2009-01-22 08:52 (wp_posts: 919 rows deleted at once; shop_products: table dropped)" in english
    assert "begann Do 2009-01-22 08:52" in german
    assert "the last larger change before it was Sat 2009-01-17 15:15" in english


def test_the_last_of_two_serious_episodes_counts() -> None:
    assert bounds(wish("must_contain", "2009-01-15T00:00", "2009-01-18T00:00"))[0][1] == "2009-01-17 16:41:59"
    assert bounds(wish("must_contain", "2009-01-15T00:00", "2009-01-16T00:00"))[0][1] == "2009-01-15 09:49:59"


def test_a_day_on_which_nothing_larger_is_known_has_to_be_held_whole() -> None:
    assert bounds(day("must_contain", 19)) == [("must_contain", "2009-01-20 00:00:00"), BEFORE_ACCIDENT]
    assert "no larger change is known in “19.01.”" in reasons(day("must_contain", 19))
    assert "„19.01.“ ist keine größere Änderung bekannt" in reasons(day("must_contain", 19), locale="de")


def test_without_any_history_the_safe_ends_stay() -> None:
    wishes = (day("must_contain", 17), day("before_damage", 22))
    found = settled(request(*wishes), None, BERLIN)
    assert found.wishes[1] == wishes[1]
    assert found.wishes[0].at == clock("2009-01-18T00:00")


def test_a_day_of_damage_begins_with_the_accident() -> None:
    assert bounds(day("before_damage", 22)) == [BEFORE_ACCIDENT]
    assert "the accident in “22.01.” began Thu 2009-01-22 08:52" in reasons(day("before_damage", 22))
    assert "der Unfall in „22.01.“ begann Do 2009-01-22 08:52" in reasons(day("before_damage", 22), locale="de")


def test_a_day_of_damage_without_a_known_accident_is_not_touched_at_all() -> None:
    assert bounds(day("before_damage", 20)) == [("before_damage", "2009-01-20 00:00:00")]
    assert reasons(day("before_damage", 20)) == ""


def test_nobody_named_an_upper_end() -> None:
    assert bounds() == [BEFORE_ACCIDENT]
    assert bounds(wish("must_contain", "2009-01-20T12:00")) == [
        ("must_contain", "2009-01-20 12:00:00"),
        BEFORE_ACCIDENT,
    ]


@pytest.mark.parametrize("role", ["as_of", "before_damage"])
def test_an_upper_end_that_was_named_stays(role) -> None:
    assert bounds(wish(role, "2009-01-20T12:00")) == [(role, "2009-01-20 12:00:00")]
    assert bounds(wish(role, "2009-01-22T09:30")) == [(role, "2009-01-22 09:30:00")]


def test_what_is_wanted_from_after_the_accident_is_not_kept_before_it() -> None:
    assert bounds(wish("must_contain", "2009-01-22T09:20")) == [("must_contain", "2009-01-22 09:20:00")]


def test_work_after_the_accident_is_no_reason_to_restore_the_damage() -> None:
    """The last change was "on the 22nd", and then somebody began to type it all in again."""
    again, _ = founding_story()
    again.edits("2009-01-22T09:00", "2009-01-22T10:00")
    assert bounds(day("must_contain", 22), of=again) == [("must_contain", "2009-01-22 08:52:00"), BEFORE_ACCIDENT]
    week = wish("must_contain", "2009-01-16T00:00", "2009-01-22T10:15")
    assert bounds(week, of=again) == [("must_contain", "2009-01-17 16:41:59"), BEFORE_ACCIDENT]
    said = reasons(day("must_contain", 22))
    assert "before the accident of Thu 2009-01-22 08:52" in said


def test_a_point_by_its_id_needs_no_bounds() -> None:
    found = settled(request(point_id="p1"), histories()["en"], BERLIN)
    assert found == ((), ())


def test_bounds_are_exact() -> None:
    found = settled(request(day("must_contain", 17)), histories()["en"], BERLIN)
    assert [w.at for w in found.wishes] == [LAST_SERIOUS, ACCIDENT]
    assert life().history().accident is not None

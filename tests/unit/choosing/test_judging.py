"""Each point against the bounds, with its reason in the customer's language; then the order, each step sayable."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.choosing.shop import ACCIDENT, LAST_SERIOUS, NOW, clock, day, night, outlook, point, wish
from unit.timeline.lives import Nights, fortnight

from restorekit.choosing import doubt, judged, nearest, ranked
from restorekit.model.point import PointState, Quality
from restorekit.model.request import Wish

BOTH = (Wish(at=LAST_SERIOUS, role="must_contain"), Wish(at=ACCIDENT, role="before_damage"))
NIGHTS = [night(number) for number in range(14, 23)]


def order(look, points=NIGHTS):
    return [c.point.id for c in ranked([c for c in (judged(p, look) for p in points) if c.accepted], look)]


def test_the_founding_story() -> None:
    look = outlook(*BOTH)
    assert order(look) == ["22", "21", "20", "19", "18"]
    assert judged(night(17), look).reason == (
        "its data is of Sat 2009-01-17 02:00:00 +01:00, which is before Sat 2009-01-17 16:41:59 +01:00: "
        "it would miss what happened until then"
    )
    german = outlook(*BOTH, locale="de")
    assert judged(night(17), german).reason.endswith("was bis dahin geschah, würde fehlen")
    late = point("2009-01-22T09:30")
    assert judged(late, look).reason == (
        "already holds the accident that began Thu 2009-01-22 08:52: its data are of Thu 2009-01-22 09:30:00 +01:00"
    )
    assert judged(late, german).reason.startswith("enthält schon den Unfall, der Do 2009-01-22 08:52 begann")


def test_a_proven_point_goes_first_only_within_what_may_be_lost() -> None:
    proofs = {"20": 5}
    assert order(outlook(*BOTH, proofs=proofs))[0] == "22"
    assert order(outlook(*BOTH, proofs=proofs, tolerance_s=86400))[0] == "22"
    assert order(outlook(*BOTH, proofs=proofs, tolerance_s=2 * 86400)) == ["20", "22", "21", "19", "18"]


def test_what_is_not_equal_to_its_backup_is_not_called_proven() -> None:
    assert order(outlook(*BOTH, proofs={"20": 4}, tolerance_s=9e9))[0] == "22"


def test_why_an_older_one_goes_first_is_said() -> None:
    look = outlook(*BOTH, proofs={"20": 6}, tolerance_s=3 * 86400)
    first, second, *_ = ranked([judged(p, look) for p in NIGHTS[4:]], look)
    assert first.reason == "the latest proven state that loses no more than was said not to matter"
    assert second.reason == "the latest state between the two moments"


def test_of_twins_the_better_proven() -> None:
    twins = [night(22, id="a"), night(22, id="b"), night(22, id="c")]
    assert order(outlook(*BOTH, proofs={"b": 5, "c": 6}), twins) == ["c", "b", "a"]
    assert order(outlook(*BOTH, proofs={"b": 3}), twins)[0] == "b"
    assert order(outlook(BOTH[0], histories={}, proofs={"b": 3}), twins)[0] == "b"


def test_with_a_lower_bound_only_the_earliest_that_holds_it() -> None:
    look = outlook(BOTH[0], histories={}, tallies=())
    assert order(look)[0] == "18"
    assert judged(night(18), look).reason == "the earliest state that contains that moment"


def test_an_earlier_point_never_loses_less() -> None:
    look = outlook(Wish(at=ACCIDENT, role="before_damage"))
    lost = [judged(p, look).loss for p in NIGHTS]
    assert [found.serious for found in lost if found] == [2, 2, 1, 1, 0, 0, 0, 0, 0]
    rows = [sum(found.rows.values()) for found in lost if found]
    assert rows == sorted(rows, reverse=True)


def test_loss_until_the_accident_until_the_moment_named_and_until_now() -> None:
    def until(look, at="2009-01-22T02:00"):
        found = judged(point(at), look).loss
        return found and found.until

    assert until(outlook(wish("as_of", "2009-01-22T09:30"))) == ACCIDENT
    assert until(outlook(wish("as_of", "2009-01-22T07:00"))) == clock("2009-01-22T07:00")
    assert until(outlook(wish("as_of", "2009-01-22T09:30")), "2009-01-22T09:10") == clock("2009-01-22T09:30")
    assert until(outlook(), "2009-01-22T09:10") == NOW, "named by its id, with the damage: what came after it is lost"
    assert until(outlook(), "2009-01-22T08:52") == ACCIDENT, "right up to it: nothing is lost"
    assert until(outlook(of=fortnight())) == NOW
    assert judged(point("2009-01-22T12:00"), outlook()).loss is None


def test_loss_is_counted_from_the_earliest_moment_that_the_data_may_be_of() -> None:
    wide = night(22, quality=Quality.BOUNDED, earliest=clock("2009-01-17T12:00"), latest=clock("2009-01-22T02:00"))
    found = judged(wide, outlook(wish("before_damage", "2009-01-22T08:52"))).loss
    assert found is not None
    assert (found.serious, found.known) == (1, True)
    open_below = night(22, quality=Quality.BOUNDED, latest=clock("2009-01-22T02:00"))
    found = judged(open_below, outlook(wish("before_damage", "2009-01-22T08:52"))).loss
    assert found is not None
    assert not found.known, "it may be much older than its file says"


@pytest.mark.parametrize(
    ("point", "sure", "possible"),
    [
        (point("2009-01-22T08:52"), False, False),
        (point("2009-01-22T08:52:01"), True, False),
        (point("2009-01-22T09:00", earliest=clock("2009-01-22T08:00"), quality=Quality.BOUNDED), False, True),
        (point("2009-01-22T09:00", earliest=clock("2009-01-22T08:53"), quality=Quality.BOUNDED), True, False),
        (point("2009-01-22T09:00", quality=Quality.BOUNDED), False, True),
        (point("2009-01-22T08:00", quality=Quality.BOUNDED), False, False),
        (point("2009-01-22T09:00", quality=Quality.CLAIMED), True, False),
        (point("2009-01-22T09:00", quality=Quality.NONE, consistent_at=None), False, True),
        (point("2009-01-22T09:00", quality=Quality.NONE, consistent_at=None, latest=ACCIDENT), False, False),
    ],
)
def test_damage_is_sure_or_only_possible(point, sure, possible) -> None:
    look = outlook()
    assert bool(judged(point, look).damage) == sure
    assert bool(doubt(point, look)) == possible
    calm = outlook(of=fortnight())
    assert not judged(point, calm).damage
    assert not doubt(point, calm)


def test_what_may_hold_the_damage_is_refused_at_its_worst_end_without_claiming_that_it_does() -> None:
    wide = point("2009-01-22T09:00", earliest=clock("2009-01-22T08:00"), quality=Quality.BOUNDED)
    assert judged(wide, outlook(*BOTH)).reason.startswith("holds changes up to Thu 2009-01-22 09:00:00")


@pytest.mark.parametrize(
    ("point", "english", "german"),
    [
        (night(20, state=PointState.EXPIRED, why="pruned"), "expired: pruned", "abgelaufen: pruned"),
        (night(20, state=PointState.DAMAGED, why="cut"), "damaged: cut", "beschädigt: cut"),
        (night(20, state=PointState.SUSPICIOUS, why="small"), "suspicious: small", "verdächtig: small"),
        (night(20, state=PointState.AMBIGUOUS), "ambiguous", "nicht eindeutig"),
        (night(20, quality=Quality.NONE), "its moment is not known", "sein Zeitpunkt ist nicht bekannt"),
        (night(20, consistent_at=None, quality=Quality.NONE), "its moment is not known", "sein Zeitpunkt ist nicht"),
        (night(20, quality=Quality.BOUNDED), "not known to hold", "ob enthalten ist"),
        (night(14), "its data is of Wed 2009-01-14", "die Daten sind von Mi 2009-01-14"),
    ],
)
def test_refusals_are_said_in_both_languages(point, english, german) -> None:
    for locale, start in (("en", english), ("de", german)):
        choice = judged(point, outlook(*BOTH, locale=locale))
        assert not choice.accepted
        assert choice.reason.startswith(start)


def test_of_the_refused_those_come_first_that_only_miss_something() -> None:
    look = outlook(*BOTH)
    late = [point("2009-01-22T10:00"), point("2009-01-22T09:00")]
    gone = night(20, id="gone", state=PointState.EXPIRED)
    refused = [judged(p, look) for p in [gone, *late, *NIGHTS[:4]]]
    assert [c.point.id for c in nearest(refused, look)] == ["17", "16", "15", "14", "22T09:00", "22T10:00", "gone"]


def test_nothing_known_is_no_quiet_time() -> None:
    found = judged(night(20), outlook(histories={}, tallies=())).loss
    assert found is not None
    assert (found.rows, found.known) == ({}, False)


def test_manifests_alone_tell_coarsely() -> None:
    nights = Nights()
    nights.differs(16, "wp_posts")
    known = {"de": nights.history("de"), "en": nights.history("en")}
    look = outlook(wish("as_of", "2009-01-20T02:00"), histories=known, tallies=nights.tallies)
    found = judged(night(17), look).loss
    assert found is not None
    assert found.rows["wp_posts"] == 0, "changed, nobody knows how many rows"
    assert not found.known


MOMENTS = st.integers(-9, 24 * 24).map(lambda hours: clock("2009-01-01T00:00") + timedelta(hours=hours))
WISHES = st.builds(lambda at, role: Wish(at=at, role=role), MOMENTS, st.sampled_from(["as_of", "must_contain"]))


@settings(max_examples=60, deadline=None)
@given(wishes=st.lists(WISHES, max_size=3), moments=st.lists(MOMENTS, max_size=6), open_below=st.booleans())
def test_whatever_is_wanted_there_is_an_answer(wishes, moments, open_below) -> None:
    quality = Quality.BOUNDED if open_below else Quality.EXACT
    look = outlook(*wishes, proofs={"p1": 5}, tolerance_s=86400)
    points = [night(1, id=f"p{n}", consistent_at=at, quality=quality) for n, at in enumerate(moments)]
    choices = [judged(p, look) for p in points]
    accepted = ranked([c for c in choices if c.accepted], look)
    assert {c.point.id for c in accepted} | {c.point.id for c in nearest(choices, look)} == {p.id for p in points}
    for choice in accepted:
        assert choice.reason
        for one in wishes:
            at = choice.point.consistent_at
            assert at >= one.at if one.role == "must_contain" else at <= one.at


def test_days_are_not_needed_for_bounds() -> None:
    assert order(outlook(day("as_of", 20)))[0] == "20"

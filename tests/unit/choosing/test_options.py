"""At most three ways to go, only where they differ, each with its sentence in both languages."""

from datetime import datetime
from string import Formatter

from unit.choosing.shop import ACCIDENT, LAST_SERIOUS, clock, night, outlook, point, wish
from unit.timeline.lives import fortnight

from restorekit.choosing import judged, options, ranked, sentences
from restorekit.model.changes import Loss
from restorekit.model.plan import Option
from restorekit.model.point import PointState, Quality
from restorekit.model.request import Wish

BOTH = (Wish(at=LAST_SERIOUS, role="must_contain"), Wish(at=ACCIDENT, role="before_damage"))
KEPT = {"de": "Die jetzigen Daten bleiben aufbewahrt.", "en": "The current data is kept."}


def offered(look, points, takes=None) -> tuple[Option, ...]:
    choices = [judged(p, look) for p in points]
    accepted = ranked([c for c in choices if c.accepted], look)
    return options(
        [*accepted, *(c for c in choices if not c.accepted)], look, lambda c: (takes or {}).get(c.point.id, 720)
    )


def kinds(found) -> dict[str, str]:
    return {o.kind: o.point_id for o in found}


def test_one_that_is_best_in_everything_is_offered_alone() -> None:
    assert kinds(offered(outlook(*BOTH), [night(n) for n in range(14, 23)])) == {"recommended": "22"}


def test_three_where_they_differ() -> None:
    look = outlook(*BOTH, proofs={"20": 5}, tolerance_s=3 * 86400)
    found = offered(look, [night(n) for n in range(18, 23)], {"20": 3600, "22": 3000, "19": 60})
    assert kinds(found) == {"recommended": "20", "least_loss": "22", "fastest": "19"}
    assert [o.kind for o in found] == ["recommended", "least_loss", "fastest"]
    for option in found:
        for locale, sentence in option.sentences.items():
            assert sentence.endswith(KEPT[locale])


def test_least_loss_and_fastest_may_be_one() -> None:
    look = outlook(*BOTH, proofs={"20": 5}, tolerance_s=3 * 86400)
    found = offered(look, [night(n) for n in range(18, 23)], {"20": 3600, "22": 60})
    assert kinds(found) == {"recommended": "20", "least_loss": "22"}


def test_a_little_faster_is_not_another_way() -> None:
    found = offered(outlook(*BOTH), [night(n) for n in range(18, 23)], {"19": 700})
    assert kinds(found) == {"recommended": "22"}


def test_what_is_refused_is_never_offered() -> None:
    look = outlook(*BOTH)
    gone = night(22, state=PointState.EXPIRED)
    assert offered(look, [gone, night(14)]) == ()
    assert kinds(offered(look, [gone, night(21)], {"14": 1})) == {"recommended": "21"}


def test_the_founding_sentence() -> None:
    (best,) = offered(outlook(*BOTH, proofs={"22": 5}), [night(22)])
    assert best.sentences["en"].startswith(
        "We will restore the state of Thu 2009-01-22 02:00:00 +01:00 (nightly, restored successfully in a test: level "
        "5). It contains the last larger change (Sat 2009-01-17 15:15\N{EN DASH}16:41: "
    )
    assert " Lost would be: 6 h 52 min before the accident at Thu 2009-01-22 08:52" in best.sentences["en"]
    assert best.sentences["en"].endswith(" It takes about 12 min. The current data is kept.")
    assert "Er enthält die letzte größere Änderung (Sa 2009-01-17 15:15" in best.sentences["de"]
    assert " Verloren gingen: 6 h 52 min vor dem Unfall um Do 2009-01-22 08:52" in best.sentences["de"]


def test_a_state_that_may_be_older_is_not_said_to_hold_the_last_change() -> None:
    look = outlook(wish("before_damage", "2009-01-22T08:52"))
    wide = night(22, quality=Quality.BOUNDED, earliest=clock("2009-01-16T02:00"), latest=clock("2009-01-22T02:00"))
    for unclear in (wide, night(22, quality=Quality.BOUNDED)):
        (only,) = offered(look, [unclear])
        assert "Whether it contains the last larger change is not known" in only.sentences["en"]
        assert "Ob er die letzte größere Änderung enthält, ist nicht bekannt" in only.sentences["de"]
    (only,) = offered(look, [night(17)])
    assert "It does not contain the last larger change" in only.sentences["en"]
    assert "with " in only.sentences["en"]


def test_the_damage_is_said() -> None:
    (only,) = offered(outlook(wish("as_of", "2009-01-22T10:00")), [point("2009-01-22T09:30")])
    assert "It already contains the accident of Thu 2009-01-22 08:52." in only.sentences["en"]
    assert "Er enthält schon den Unfall von Do 2009-01-22 08:52." in only.sentences["de"]
    assert "30 min before Thu 2009-01-22 10:00:00 +01:00" in only.sentences["en"]


def test_routine_is_nothing_and_the_unknown_is_not_nothing() -> None:
    quiet = outlook(wish("as_of", "2009-01-20T12:00"), of=fortnight())
    (only,) = offered(quiet, [night(20)])
    assert (
        "10 h 0 min before Tue 2009-01-20 12:00:00 +01:00, in which nothing but routine happened."
        in (only.sentences["en"])
    )
    (only,) = offered(outlook(wish("as_of", "2009-01-20T12:00"), histories={}, tallies=()), [night(20)])
    assert "what happened in it is not fully known" in only.sentences["en"]
    assert "was darin geschah, ist nicht vollständig bekannt" in only.sentences["de"]


def test_rows_are_named_with_their_tables_and_holes_with_them() -> None:
    at = datetime.fromisoformat("2009-01-22T02:00:00+01:00")
    loss = Loss(since=at, until=ACCIDENT, rows={"a": 1250, "b": 1, "c": 0, "d": 7}, known=False)
    assert sentences.lost("en", loss, "now") == (
        " Lost would be: 6 h 52 min before now, with 1,250 rows in a, 1 row in b, changes in c and 1 more; "
        "there may be more."
    )
    assert "1.250 Zeilen in a" in sentences.lost("de", loss, "jetzt")


def test_spans() -> None:
    said = {20: "1 min", 47 * 60: "47 min", 24420: "6 h 47 min", 47.99 * 3600: "47 h 59 min", 76 * 3600: "3 days 4 h"}
    for seconds, english in said.items():
        assert sentences.span("en", seconds) == english
    assert sentences.span("de", 76 * 3600) == "3 Tage 4 h"


def test_both_languages_say_the_same_things() -> None:
    texts = sentences._TEXTS
    assert texts["de"].keys() == texts["en"].keys()
    for key, german in texts["de"].items():
        names = [{name for _, name, _, _ in Formatter().parse(t) if name} for t in (german, texts["en"][key])]
        assert names[0] == names[1], key

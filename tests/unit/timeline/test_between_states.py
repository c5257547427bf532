"""What two states say, and what they must not be made to say."""

from datetime import datetime, timedelta

import pytest
from unit.timeline.lives import BERLIN, clock

from restorekit.model.changes import History, Stretch
from restorekit.model.contents import Contents, Fingerprint, TableContents
from restorekit.timeline import Labels, history
from restorekit.timeline.states import between

MONDAY, TUESDAY = clock("2009-01-12T02:00"), clock("2009-01-13T02:00")
SPAN = (int(MONDAY.timestamp()), int(TUESDAY.timestamp()))


def table(name: str, rows: int | None = 100, value: str | None = "v", algorithm: str = "sum", schema: str = "s"):
    fingerprint = None if value is None else Fingerprint(algorithm=algorithm, rows=rows or 0, value=value)
    return TableContents(name=name, rows=rows, fingerprint=fingerprint, schema_hash=schema)


def state(at: datetime, *tables: TableContents) -> Contents:
    return Contents(origin="measured", taken_at=at, tables=tables)


def told(before: list[TableContents], after: list[TableContents]) -> tuple[list[tuple], list[tuple], Stretch]:
    """(op, table, rows) and (kind, table, rows), all of them over the whole interval, and what is known of it."""
    tallies, blows, stretches = between([state(MONDAY, *before), state(TUESDAY, *after)])
    assert {(t.start, t.end) for t in tallies} | {(b.began_at, b.ended_at) for b in blows} <= {SPAN}
    assert all((b.position, b.gtid, b.digest) == ("", "", "") for b in blows)
    (stretch,) = stretches
    assert (stretch.start, stretch.end) == (MONDAY, TUESDAY)
    return [(t.op, t.table, t.rows) for t in tallies], [(b.kind, b.table, b.rows) for b in blows], stretch


@pytest.mark.parametrize(
    ("after", "tallies", "blows"),
    [
        (table("t"), [], []),
        (table("t", 148, "w"), [("I", "t", 48)], []),
        (table("t", 97, "w"), [("D", "t", 3)], []),
        (table("t", 100, "w"), [("?", "t", None)], []),
        (table("t", 50, "w"), [("D", "t", 50)], [("mass_delete", "t", 50)]),
        (table("t", 51, "w"), [("D", "t", 49)], []),
        (table("t", 0, "w"), [("D", "t", 100)], [("mass_delete", "t", 100)]),
        (table("t", schema="other"), [], [("alter", "t", None)]),
        (table("t", 0, "w", schema="other"), [("D", "t", 100)], [("alter", "t", None), ("mass_delete", "t", 100)]),
    ],
    ids=["same", "more", "fewer", "as many", "half", "less than half", "emptied", "altered", "altered and emptied"],
)
def test_what_became_of_a_table(after: TableContents, tallies: list[tuple], blows: list[tuple]) -> None:
    found = told([table("t"), table("other")], [after, table("other")])
    assert found[:2] == (tallies, blows)
    assert (found[2].coverage, found[2].why) == ("states", "")


def test_a_few_rows_less_are_nobodys_accident() -> None:
    assert told([table("t", 9)], [table("t", 0, "w")])[:2] == ([("D", "t", 9)], [])
    assert told([table("t", 10)], [table("t", 0, "w")])[1] == [("mass_delete", "t", 10)]


def test_a_table_that_is_gone_took_its_rows_with_it() -> None:
    assert told([table("t", 76), table("u")], [table("u")])[:2] == ([], [("drop_table", "t", 76)])
    assert told([table("t", 76)], [])[1:] == (
        [("drop_table", "t", 76)],
        Stretch(start=MONDAY, end=TUESDAY, coverage="states"),
    )


def test_a_new_table_brings_its_rows() -> None:
    new = [table("t"), table("u", 12), table("v", 0)]
    assert told([table("t")], new)[:2] == ([("I", "u", 12)], [("create", "u", None), ("create", "v", None)])


def test_a_table_under_another_name_is_not_gone() -> None:
    before = [table("posts", 300, "p"), table("empty", 0, "0")]
    after = [table("posts_old", 300, "p"), table("posts", 0, "0"), table("blank", 0, "0")]
    assert told(before[:1], after[:1])[:2] == ([], [("rename", "posts", None)])
    kinds = {(kind, name) for kind, name, _ in told(before, after[:1])[1]}
    assert kinds == {("rename", "posts"), ("drop_table", "empty")}
    # The same name with nothing in it: whoever looks for the posts misses them all the same.
    assert ("mass_delete", "posts", 300) in told(before, after)[1]
    # One copy of it cannot stand for two that are gone.
    twins = [table("a", 300, "p"), table("b", 300, "p")]
    assert sorted(kind for kind, *_ in told(twins, after[:1])[1]) == ["drop_table", "rename"]
    # Fingerprints of another kind prove nothing.
    assert ("drop_table", "posts", 300) in told(before[:1], [table("x", 300, "p", "other")])[1]


# what is not known


@pytest.mark.parametrize("after", [table("t", 100, "v", "other"), table("t", 100, None), table("t", None, None)])
def test_what_does_not_compare_is_a_hole(after: TableContents) -> None:
    for found in (told([table("t")], [after]), told([after], [table("t")])):
        assert found[:2] == ([], [])
        assert found[2].coverage == "none"
        assert found[2].why.startswith("the two states do not compare")


def test_rows_count_in_any_algorithm() -> None:
    tallies, blows, stretch = told([table("t")], [table("t", 0, "v", "other")])
    assert (tallies, blows) == ([("D", "t", 100)], [("mass_delete", "t", 100)])
    assert stretch.coverage == "none"  # what else was changed nobody knows


def test_a_table_that_cannot_be_read_is_named() -> None:
    before = [table("t"), *(table(f"words{n}", None, None) for n in range(7))]
    tallies, blows, stretch = told(before, [table("t", 101, "w"), *before[1:]])
    assert (tallies, blows) == ([("I", "t", 1)], [])
    assert stretch.coverage == "states"
    assert stretch.why == "not compared: words0, words1, words2, words3, words4 and 2 more"


def test_empty_tables_are_the_same_without_a_fingerprint() -> None:
    assert told([table("t", 0, None)], [table("t", 0, "0")]) == (
        [],
        [],
        Stretch(start=MONDAY, end=TUESDAY, coverage="states"),
    )


# which states are held against each other


def test_one_state_says_nothing_and_no_state_less() -> None:
    assert between([]) == ([], [], [])
    assert between([state(MONDAY, table("t"))]) == ([], [], [])
    assert between([state(MONDAY, table("t")), state(MONDAY, table("t", 0))]) == ([], [], [])


def test_states_are_taken_in_the_order_of_time() -> None:
    states = [state(MONDAY + timedelta(days=n), table("t", 100 + n, f"v{n}")) for n in range(4)]
    forth, back = between(states), between(states[::-1])
    assert forth == back
    assert [(t.op, t.rows) for t in forth[0]] == [("I", 1)] * 3


def test_two_states_within_a_second_make_no_empty_interval() -> None:
    start = MONDAY.replace(microsecond=100_000)
    tallies, _, _ = between([state(start, table("t")), state(start.replace(microsecond=900_000), table("t", 101, "w"))])
    assert [(t.start, t.end) for t in tallies] == [(SPAN[0], SPAN[0] + 1)]


@pytest.mark.parametrize(
    ("known", "silent"),
    [
        ([(-1, 25, "rows")], True),
        ([(0, 24, "statements")], True),
        ([(-1, 12, "rows"), (12, 25, "statements")], True),
        ([(-1, 12, "rows"), (13, 25, "rows")], False),
        ([(1, 25, "rows")], False),
        ([(-1, 25, "states")], False),
        ([(-1, 25, "none")], False),
        ([(-1, 25, "rows"), (10, 11, "none")], False),
        ([], False),
    ],
)
def test_states_are_silent_where_logs_know_all_of_it(known: list[tuple], silent: bool) -> None:
    stretches = [
        Stretch(start=MONDAY + timedelta(hours=a), end=MONDAY + timedelta(hours=b), coverage=kind)
        for a, b, kind in known
    ]
    found = between([state(MONDAY, table("t")), state(TUESDAY, table("t", 0, "w"))], stretches)
    assert (found == ([], [], [])) is silent


# the whole way


def nights(count: int = 20) -> list[Contents]:
    """Sessions and orders move every night, posts are edited each Saturday, and on Monday the 19th comes the accident.

    The edits of the 3rd, 10th and 17th are seen in the states of the next night, the accident in that of the 20th.
    """
    states = []
    for night in range(count):
        at = clock("2009-01-01T02:00") + timedelta(days=night)
        edits = sum(at.date().day > day for day in (3, 10, 17))
        gone = at.date().day >= 20
        tables = [
            table("sessions", 40, f"s{night}"),
            table("orders", 500 + 12 * night, f"o{night}"),
            table("wp_posts", 0 if gone else 919, "0" if gone else f"p{edits}"),
            table("wp_users", 3, "u"),
        ]
        states.append(state(at, *tables, *([] if gone else [table("shop_products", 76, "x")])))
    return states


def past(states: list[Contents]) -> History:
    tallies, blows, stretches = between(states)
    now = states[-1].taken_at + timedelta(hours=8)
    return history(tallies, blows, stretches, zone=BERLIN, labels=Labels(), now=now)


def test_the_accident_lies_between_the_right_two_nights() -> None:
    found = past(nights())
    assert found.accident is not None
    assert (found.accident.start, found.accident.end) == (clock("2009-01-19T02:00"), clock("2009-01-20T02:00"))
    assert set(found.accident.tables) == {"wp_posts", "shop_products"}
    assert found.last_serious is not None
    assert (found.last_serious.start, found.last_serious.end) == (clock("2009-01-17T02:00"), clock("2009-01-18T02:00"))
    assert {"sessions", "orders"} <= set(found.routine)
    assert not found.restless


def test_without_an_accident_there_is_none() -> None:
    found = past(nights(19))
    assert found.accident is None
    assert found.last_serious is not None
    assert found.last_serious.start == clock("2009-01-17T02:00")


def test_a_night_that_does_not_compare_is_a_hole_in_the_history() -> None:
    states = nights()
    states[10] = state(states[10].taken_at, *(table(t.name, t.rows, "y", "other") for t in states[10].tables))
    found = past(states)
    holes = [(s.start, s.end) for s in found.stretches if s.coverage == "none"]
    assert holes == [(states[n].taken_at, states[n + 1].taken_at) for n in (9, 10)]
    assert found.accident is not None


def test_looks_a_few_minutes_apart_hide_nothing_of_the_nights_between_them() -> None:
    """Somebody looked twice on the 5th and twice on the 20th, and each time an order came in between."""
    states = nights()
    for last in (states[4], states[-1]):
        tables = [t if t.name != "orders" else table("orders", t.rows + 1, "more") for t in last.tables]
        states.append(state(last.taken_at + timedelta(minutes=5), *tables))
    found, plain = past(states), past(nights())
    assert found.accident == plain.accident
    assert found.last_serious is not None
    assert plain.last_serious is not None
    assert found.last_serious.start == plain.last_serious.start


def test_an_accident_between_two_looks_a_few_minutes_apart() -> None:
    states = nights(19)
    at = states[-1].taken_at + timedelta(minutes=5)
    states.append(state(at, *(table(t.name, 0, "0") if t.name == "wp_posts" else t for t in states[-1].tables)))
    found = past(states)
    assert found.accident is not None
    assert (found.accident.start, found.accident.end) == (states[-2].taken_at, at)


def test_an_empty_table_that_is_dropped_is_no_accident() -> None:
    states = [state(s.taken_at, *s.tables, table("cache", 0, "0")) for s in nights(18)] + nights(19)[18:]
    assert past(states).accident is None

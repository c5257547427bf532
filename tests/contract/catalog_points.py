"""What every catalog must do with points, owners and names."""

from datetime import UTC, datetime, timedelta

import pytest
from contract.catalog_values import (
    DB,
    EARLIER,
    NOON,
    OTHER,
    act,
    contents,
    nothing,
    point,
    request,
    scan,
)

from restorekit.errors import (
    ConfigError,
    NeedsChoice,
    RestorekitError,
    UnknownName,
)
from restorekit.model.database import DatabaseId, Lineage, LiveDatabase
from restorekit.model.point import PointState, Quality

DAY = timedelta(days=1)


def ids(points):
    return [p.id for p in points]


class Points:
    def test_points_come_newest_first_and_undated_ones_last(self, store):
        undated = point("c", at=None, quality=Quality.NONE)
        store.record_scan(scan(point("a", at=EARLIER), undated, point("b", at=NOON)))
        assert ids(store.points(DB)) == ["b", "a", "c"]
        assert ids(store.points()) == ["b", "a", "c"]
        assert store.points(OTHER) == []

    def test_a_point_comes_back_as_it_was_found(self, store):
        berlin = datetime.fromisoformat("2026-01-17T03:00:00+01:00")
        found = point("a", at=berlin, earliest=berlin - DAY, latest=berlin, locator={"snapshot": "7f", "path": "/ä'\""})
        store.record_scan(scan(found))
        assert store.point("a") == found
        assert store.point("a").digest == found.digest

    def test_the_same_scan_twice_is_the_same_as_once(self, store):
        for _ in range(2):
            store.record_scan(scan(point("a"), point("b"), gone=("b",)))
        assert [(p.id, p.state) for p in store.points(DB)] == [("b", "expired"), ("a", "usable")]

    def test_a_gone_point_is_kept_as_expired_until_it_is_seen_again(self, store):
        store.record_scan(scan(point("a")))
        store.record_scan(scan(gone=("a",)))
        assert store.point("a").state == PointState.EXPIRED
        assert "no longer in nightly" in store.point("a").why
        store.record_scan(scan(point("a")))
        assert store.point("a").state == PointState.USABLE

    def test_one_source_cannot_expire_points_of_another(self, store):
        store.record_scan(scan(point("a")))
        store.record_scan(scan(source="tape", gone=("a",)))
        assert store.point("a").state == PointState.USABLE

    def test_a_medium_configured_twice_is_refused_and_nothing_of_it_kept(self, store):
        store.record_scan(scan(point("a")))
        with pytest.raises(ConfigError, match=r"sources\.tape: recovery point a already belongs to source nightly"):
            store.record_scan(scan(point("new", source="tape"), point("a", source="tape"), source="tape"))
        assert ids(store.points()) == ["a"]

    def test_two_points_of_one_id_are_not_made_one(self, store):
        with pytest.raises(RestorekitError, match="two recovery points the id a"):
            store.record_scan(scan(point("a", at=NOON), point("a", at=EARLIER)))
        assert store.points() == []

    def test_a_first_scan_of_thousands_and_a_second_with_changes(self, store):
        first = [point(f"p{number}") for number in range(1200)]
        store.record_scan(scan(*first))
        store.record_scan(scan(*(p.model_copy(update={"size_bytes": 7}) for p in first), point("new")))
        found = store.points(DB)
        assert len(found) == 1201
        assert [p.id for p in found if p.size_bytes != 7] == ["new"]

    def test_a_damaged_point_is_kept_with_its_reason(self, store):
        store.record_scan(scan(point("a", state=PointState.DAMAGED, why="pack 3f is missing")))
        assert (store.point("a").state, store.point("a").why) == (PointState.DAMAGED, "pack 3f is missing")

    def test_what_a_restore_found_outlives_scans_until_a_proof(self, store, run_id):
        store.record_scan(scan(point("a")))
        store.flag_point("a", PointState.SUSPICIOUS, "cut at a statement boundary")
        store.record_scan(scan(point("a", size_bytes=2)))
        assert (store.point("a").state, store.point("a").why) == ("suspicious", "cut at a statement boundary")
        store.record_proof(run_id, "a", 1, contents())
        assert store.point("a").state == PointState.SUSPICIOUS
        store.record_proof(run_id, "a", 2, contents())
        assert store.point("a").state == PointState.USABLE

    def test_a_finding_does_not_hide_that_the_point_is_gone(self, store):
        store.record_scan(scan(point("a")))
        store.flag_point("a", PointState.SUSPICIOUS, "short")
        store.record_scan(scan(gone=("a",)))
        assert store.point("a").state == PointState.EXPIRED

    def test_a_point_is_found_by_a_unique_beginning_of_its_id(self, store):
        store.record_scan(scan(point("abc"), point("abcd"), point("xyz")))
        assert store.point("x").id == "xyz"
        assert store.point("abc").id == "abc"
        with pytest.raises(NeedsChoice) as choice:
            store.point("ab")
        assert set(choice.value.details) == {"abc", "abcd"}
        for word in ("", "%", "_", "y"):
            with pytest.raises(UnknownName):
                store.point(word)

    def test_problems_of_the_last_scan_are_kept(self, store):
        store.record_scan(scan(point("a"), problems=("snapshot 3 unreadable",), unparsed=7))
        kept = store.scans()[0]
        assert (kept.source, kept.problems, kept.unparsed, kept.points) == (
            "nightly",
            ("snapshot 3 unreadable",),
            7,
            (),
        )

    def test_the_highest_proof_and_the_contents_of_the_last_one(self, store, clock):
        store.record_scan(scan(point("a"), point("b")))
        first = store.request(request(), (), act(), nothing)
        second = store.request(request(OTHER), (), act(), nothing)
        store.record_proof(first, "a", 5, contents(rows=5))
        clock.tick()
        store.record_proof(second, "a", 3, contents(rows=6))
        store.record_proof(second, "a", 3, contents(rows=6))
        assert store.proofs(DB) == {"a": 5}
        assert store.last_proof("a") == contents(rows=6)
        assert store.last_proof("b") is None


class Owners:
    """A reused name must never offer A's data to B."""

    def test_while_no_owner_is_known_a_named_one_sees_nothing(self, store):
        store.record_scan(scan(point("a")))
        assert ids(store.points_for(DB, None, NOON)) == ["a"]
        assert store.points_for(DB, "acme", NOON) == []

    def test_a_new_owner_does_not_see_what_the_name_held_before(self, store):
        store.record_scan(scan(point("old", at=NOON - 2 * DAY), point("new", at=NOON)))
        store.record_lineage(Lineage(database=DB, owner="a", since=datetime(1970, 1, 1, tzinfo=UTC)))
        store.record_lineage(Lineage(database=DB, owner="b", since=NOON - DAY))
        assert ids(store.points(DB)) == ["new"]
        assert ids(store.points_for(DB, "b", NOON)) == ["new"]
        assert ids(store.points_for(DB, "a", NOON)) == ["old"]
        assert ids(store.points_for(DB, None, NOON - 2 * DAY)) == ["old"]
        assert store.points_for(DB, "c", NOON) == []

    def test_a_first_known_owner_does_not_inherit_the_time_before(self, store):
        store.record_scan(scan(point("before", at=NOON - DAY), point("at", at=NOON)))
        store.record_lineage(Lineage(database=DB, owner="b", since=NOON))
        assert ids(store.points_for(DB, None, NOON)) == ["at"]

    def test_bounds_count_at_their_worst_end(self, store):
        across = point("across", at=NOON, earliest=NOON - 2 * DAY, latest=NOON, quality=Quality.BOUNDED)
        upper_only = point("upper", at=None, latest=NOON, quality=Quality.BOUNDED)
        undated = point("undated", at=None, quality=Quality.NONE)
        store.record_scan(scan(across, upper_only, undated, point("inside", at=NOON)))
        store.record_lineage(Lineage(database=DB, owner="a", since=NOON - 9 * DAY))
        store.record_lineage(Lineage(database=DB, owner="b", since=NOON - DAY))
        assert ids(store.points_for(DB, "b", NOON)) == ["inside"]
        assert store.points_for(DB, "a", NOON) == []

    def test_a_moved_database_keeps_its_points_and_gets_none_of_its_successor(self, store):
        old = DatabaseId(engine="db3", name="acme")
        mine, theirs = point("mine", database=old, at=NOON - DAY), point("theirs", database=old, at=NOON + DAY)
        nobodys = point("nobodys", database=old, at=NOON + timedelta(minutes=30))
        store.record_scan(scan(mine, nobodys, theirs, point("here", at=NOON + DAY)))
        store.record_lineage(Lineage(database=old, owner="a", since=NOON - 9 * DAY))
        store.record_lineage(Lineage(database=DB, owner="a", since=NOON, moved_from=old))
        store.record_lineage(Lineage(database=old, owner="b", since=NOON + timedelta(hours=1)))
        later = NOON + 2 * DAY
        assert ids(store.points_for(DB, None, later)) == ["here", "mine"]
        assert ids(store.points_for(old, None, later)) == ["theirs"]

    def test_two_moves_in_a_row_and_a_name_taken_back(self, store):
        first, second = DatabaseId(engine="db1", name="x"), DatabaseId(engine="db2", name="x")
        days = {"one": NOON - 5 * DAY, "two": NOON - 3 * DAY, "three": NOON - DAY}
        where = {"one": first, "two": second, "three": first}
        store.record_scan(scan(*(point(name, at=days[name], database=where[name]) for name in days)))
        store.record_lineage(Lineage(database=first, owner="a", since=NOON - 6 * DAY))
        store.record_lineage(Lineage(database=second, owner="a", since=NOON - 4 * DAY, moved_from=first))
        store.record_lineage(Lineage(database=first, owner="a", since=NOON - 2 * DAY, moved_from=second))
        assert ids(store.points_for(first, "a", NOON)) == ["three", "two", "one"]

    def test_a_chain_of_names_is_followed_to_its_beginning(self, store):
        names = [DatabaseId(engine=f"db{number}", name="x") for number in range(4)]
        store.record_scan(scan(*(point(f"p{n}", at=NOON + n * DAY, database=name) for n, name in enumerate(names))))
        for number, name in enumerate(names):
            before = names[number - 1] if number else None
            store.record_lineage(Lineage(database=name, owner="a", since=NOON + number * DAY, moved_from=before))
        assert ids(store.points_for(names[3], "a", NOON + 9 * DAY)) == ["p3", "p2", "p1", "p0"]

    def test_names_that_changed_places_do_not_turn_in_circles(self, store):
        store.record_scan(scan(point("a"), point("b", database=OTHER)))
        store.record_lineage(Lineage(database=DB, owner="a", since=EARLIER, moved_from=OTHER))
        store.record_lineage(Lineage(database=OTHER, owner="a", since=EARLIER, moved_from=DB))
        assert ids(store.points_for(DB, "a", NOON)) == ["a"]

    def test_an_old_name_of_which_nothing_else_is_known_counts_up_to_the_move(self, store):
        old = DatabaseId(engine="db3", name="acme")
        store.record_scan(scan(point("before", database=old, at=NOON - DAY), point("after", database=old, at=NOON)))
        store.record_lineage(Lineage(database=DB, owner="a", since=NOON, moved_from=old))
        assert ids(store.points_for(DB, "a", NOON)) == ["before"]

    def test_the_same_fact_again_changes_nothing(self, store):
        fact = Lineage(database=DB, owner="a", since=NOON, moved_from=OTHER)
        for _ in range(2):
            store.record_lineage(fact)
        assert store.lineage(DB) == [fact]


class Names:
    def test_databases_are_found_by_name_customer_host_and_earlier_name(self, store):
        live = [LiveDatabase(database=DB, size_bytes=5_000_000_000, tables=3)]
        store.record_live("db1", "host-7.example", live)
        store.record_lineage(Lineage(database=DB, owner="customer 4711", since=EARLIER, moved_from=OTHER))
        for words in ("ACME", "4711", "host-7", "db1 shop", "db9/other"):
            (found,) = store.find(words)
            assert (found.database, found.owner, found.live, found.moved_at) == (DB, "customer 4711", True, EARLIER)
            assert found.size_bytes == 5_000_000_000
        assert store.find("acme 4712") == []

    def test_a_database_that_is_gone_or_only_backed_up_is_still_found(self, store):
        store.record_live("db1", "h", [LiveDatabase(database=DB, size_bytes=1, tables=1)])
        store.record_scan(scan(point("a", database=OTHER), point("b", database=OTHER)))
        store.record_live("db1", "h", [])
        assert [(str(k.database), k.live, k.points) for k in store.find("")] == [
            ("db1/acme_shop", False, 0),
            ("db9/other", False, 2),
        ]

    def test_one_engine_says_nothing_about_another(self, store):
        store.record_live("db1", "h", [LiveDatabase(database=DB, size_bytes=1, tables=1)])
        store.record_live("db2", "h", [])
        assert store.find("acme")[0].live

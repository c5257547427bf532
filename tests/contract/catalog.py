"""What every catalog must do, whatever it keeps its tables in. A subclass gives `store` and `clock`."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from contract.catalog_values import (
    DB,
    EARLIER,
    NOON,
    OTHER,
    Bang,
    act,
    approval,
    contents,
    explode,
    nothing,
    plan,
    point,
    request,
    scan,
)

from restorekit.errors import (
    ApprovalNeeded,
    Cancelled,
    ConfigError,
    NeedsChoice,
    Refused,
    RestoreActive,
    RestorekitError,
    UndoImpossible,
    UnknownName,
)
from restorekit.model.database import DatabaseId, Lineage, LiveDatabase
from restorekit.model.plan import Approval, Plan
from restorekit.model.point import PointState, Quality
from restorekit.model.receipt import Receipt
from restorekit.model.run import Failure, Progress, State

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
        store.record_scan(scan(mine, theirs, point("here", at=NOON + DAY)))
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


class Requests:
    def test_a_request_keeps_its_values_and_its_audit_entry(self, store):
        seen = []
        run_id = store.request(request(), (plan(),), act("restore"), lambda _, new: seen.append(new))
        assert seen == [run_id]
        assert len(run_id) == 12
        assert set(run_id) <= set("abcdefghijklmnopqrstuvwxyz234567")
        run = store.run(run_id)
        assert (run.state, run.request, run.point_id, run.kind) == (State.REQUESTED, request(), "a", "restore")
        assert store.kept(run_id, Plan) == plan()
        (entry,) = store.audit_entries()
        assert (entry.act.verb, entry.act.restore_id, entry.act.database) == ("restore", run_id, str(DB))
        assert entry.act.caller == "admin@example"

    def test_when_queueing_fails_nothing_happened(self, store):
        with pytest.raises(Bang):
            store.request(request(), (plan(),), act(), explode)
        assert store.runs() == []
        assert store.audit_head()[1] == 0
        assert store.audit_verify() == 0

    def test_what_is_queued_and_what_is_kept_are_one_transaction(self, store):
        """A row of somebody else, written through the given connection, comes and goes with ours."""

        def queue(connection, run_id):
            connection.exec_driver_sql(f"INSERT INTO jobs VALUES ('{run_id}')")

        def queue_and_fail(connection, run_id):
            queue(connection, run_id)
            raise Bang

        with store.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE jobs (id text)")
        with pytest.raises(Bang):
            store.request(request(), (), act(), queue_and_fail)
        run_id = store.request(request(), (), act(), queue)
        with store.engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT id FROM jobs").scalars().all() == [run_id]

    def test_one_active_restore_per_target(self, store, run_id):
        with pytest.raises(RestoreActive, match=run_id):
            store.request(request(), (), act(), nothing)
        renamed = request(OTHER, target=DB)
        with pytest.raises(RestoreActive, match=run_id):
            store.request(renamed, (), act(), nothing)
        assert store.request(request(DB, target=OTHER), (), act(), nothing)
        assert store.audit_head()[1] == 2
        store.advance(run_id, State.FAILED)
        assert store.request(request(), (), act(), nothing)

    def test_the_database_itself_refuses_a_second_active_restore(self, store, run_id):
        other = store.request(request(DB, target=OTHER), (), act(), nothing)
        with pytest.raises(RestorekitError, match="refused"), store._db.write() as connection:
            connection.exec_driver_sql(
                f"UPDATE rk_runs SET target_engine = 'db1', target_name = 'acme_shop' WHERE id = '{other}'"
            )
        assert store.run(other).request.target == OTHER

    def test_a_drill_holds_nothing(self, store, run_id):
        drill = store.request(request(), (), act(), nothing, kind="drill")
        assert {r.id for r in store.runs(active=True)} == {run_id, drill}

    def test_of_many_requests_at_once_one_is_taken(self, store):
        taken, refused = at_once(8, lambda _: store.request(request(), (), act(), nothing))
        assert len(taken) == 1
        assert [type(error) for error in refused] == [RestoreActive] * 7
        assert store.audit_verify() == 1

    def test_a_run_is_found_by_a_unique_beginning(self, store):
        first = store.request(request(), (), act(), nothing)
        assert store.run(first[:5]).id == first
        assert store.run(first.upper()).id == first
        ensure_ambiguous(store, first[0])
        with pytest.raises(NeedsChoice):
            store.run(first[0])
        for word in ("", "%", "zzzzzzzzzzzzz", "ä"):
            with pytest.raises(UnknownName):
                store.run(word)

    def test_runs_come_newest_first_and_by_either_name(self, store, clock):
        first = store.request(request(DB, target=OTHER), (), act(), nothing)
        clock.tick()
        second = store.request(request(), (), act(), nothing)
        store.advance(first, State.FAILED)
        assert [r.id for r in store.runs()] == [second, first]
        assert [r.id for r in store.runs(limit=1)] == [second]
        assert [r.id for r in store.runs(OTHER)] == [first]
        assert [r.id for r in store.runs(active=True)] == [second]

    def test_the_quota_counts_from_a_moment_on(self, store, clock):
        since = clock.now()
        store.advance(store.request(request(), (), act(), nothing), State.FAILED)
        clock.tick()
        store.request(request(), (), act(), nothing)
        store.request(request(), (), act(), nothing, kind="drill")
        assert store.count_runs(DB, since) == 2
        assert store.count_runs(DB, clock.now()) == 1
        assert store.count_runs(OTHER, since) == 0


class Life:
    def test_a_restore_from_request_to_undo(self, store, run_id):
        walk(store, run_id, State.AWAITING_APPROVAL)
        store.approve(approval(run_id), act("approve"), nothing)
        store.advance(run_id, State.SWAPPING)
        store.advance(run_id, State.SWAPPED, level=5, act=act("swapped", caller="worker"))
        store.ask_undo(run_id, act("undo"), nothing)
        store.advance(run_id, State.UNDONE)
        assert (store.run(run_id).state, store.run(run_id).level) == (State.UNDONE, 5)
        assert [e.act.verb for e in store.audit_entries()] == ["restore", "approve", "swapped", "undo"]

    def test_an_illegal_step_changes_nothing(self, store, run_id):
        with pytest.raises(Refused, match="requested; it cannot become swapping"):
            store.advance(run_id, State.SWAPPING, level=6, act=act("swap"))
        run = store.run(run_id)
        assert (run.state, run.level) == (State.REQUESTED, None)
        assert store.audit_head()[1] == 1

    def test_a_failure_is_kept_and_cleared_by_the_next_step(self, store, run_id):
        walk(store, run_id, State.AWAITING_APPROVAL)
        failure = Failure(code="gate_timeout", exit_code=8, message="busy", details=("a", "b"))
        store.advance(run_id, State.AWAITING_APPROVAL, failure=failure)
        assert store.run(run_id).failure == failure
        store.approve(approval(run_id), act(), nothing)
        assert store.run(run_id).failure is None

    def test_a_step_that_runs_again_is_audited_once(self, store, run_id):
        walk(store, run_id, State.VERIFYING)
        for _ in range(2):
            store.advance(run_id, State.VERIFYING, level=5, act=act("verified", details={"level": "5"}))
        store.advance(run_id, State.VERIFYING, level=4, act=act("verified", details={"level": "4"}))
        assert [e.act.details for e in store.audit_entries(restore_id=run_id)] == [{}, {"level": "5"}, {"level": "4"}]

    def test_a_finished_restore_cannot_be_made_active_beside_another(self, store, run_id):
        walk(store, run_id, State.AWAITING_APPROVAL)
        store.approve(approval(run_id), act(), nothing)
        store.advance(run_id, State.SWAPPING)
        store.advance(run_id, State.SWAPPED)
        second = store.request(request(), (), act(), nothing)
        with pytest.raises(RestoreActive, match=second):
            store.ask_undo(run_id, act(), explode)
        assert store.run(run_id).state == State.SWAPPED

    def test_of_a_swap_and_a_cancel_at_once_one_wins(self, store):
        for _ in range(5):
            run_id = store.request(request(), (), act(), nothing)
            walk(store, run_id, State.AWAITING_APPROVAL)
            store.approve(approval(run_id), act(), nothing)
            moves = [
                lambda run_id=run_id: store.advance(run_id, State.SWAPPING),
                lambda run_id=run_id: store.ask_cancel(run_id, act(), nothing),
            ]
            done, refused = at_once(2, lambda number, moves=moves: moves[number]())
            assert len(done) == 1
            if store.run(run_id).state == State.SWAPPING:
                assert [type(e) for e in refused] == [Refused]
                assert not store.cancel_asked(run_id)
            else:
                assert [type(e) for e in refused] == [Cancelled]
            store.advance(run_id, State.FAILED)

    def test_an_unknown_run_is_nobody(self, store):
        for move in (
            lambda: store.advance("nobody", State.STAGING),
            lambda: store.ask_cancel("nobody", act(), nothing),
            lambda: store.ask_undo("nobody", act(), nothing),
            lambda: store.approve(approval("nobody"), act(), nothing),
            lambda: store.cancel_asked("nobody"),
        ):
            with pytest.raises(UnknownName):
                move()
        assert store.audit_head()[1] == 0


class Approvals:
    @pytest.fixture
    def waiting(self, store, run_id):
        walk(store, run_id, State.AWAITING_APPROVAL)
        return run_id

    def test_an_approval_is_kept_with_its_entry_and_its_work(self, store, waiting):
        seen = []
        given = approval(waiting)
        store.approve(given, act("approve", shown="3 tables", confirmed="yes"), seen.append)
        assert len(seen) == 1
        assert store.run(waiting).state == State.APPROVED
        assert store.kept(waiting, Approval) == given
        assert store.approvals(waiting) == [given]
        entry = store.audit_entries()[-1]
        assert (entry.act.verb, entry.act.shown, entry.act.confirmed) == ("approve", "3 tables", "yes")

    def test_the_same_approval_again_queues_nothing(self, store, waiting):
        store.approve(approval(waiting), act(), nothing)
        before = store.audit_head()
        store.approve(approval(waiting), act(), explode)
        assert store.audit_head() == before

    def test_an_approval_of_something_else_is_refused(self, store, waiting):
        store.approve(approval(waiting), act(), nothing)
        with pytest.raises(ApprovalNeeded):
            store.approve(approval(waiting, over="something else"), act(), explode)
        assert store.kept(waiting, Approval).over == "digest"

    def test_too_early_is_refused(self, store, run_id):
        with pytest.raises(ApprovalNeeded, match="requested, not waiting"):
            store.approve(approval(run_id), act(), explode)

    def test_when_queueing_fails_nobody_has_approved(self, store, waiting):
        with pytest.raises(Bang):
            store.approve(approval(waiting), act(), explode)
        assert store.run(waiting).state == State.AWAITING_APPROVAL
        assert store.approvals(waiting) == []
        assert store.kept(waiting, Approval) is None
        assert store.audit_head()[1] == 1

    def test_a_second_approval_after_live_has_changed(self, store, waiting):
        store.approve(approval(waiting, over="first"), act(), nothing)
        store.advance(waiting, State.AWAITING_APPROVAL)
        store.approve(approval(waiting, over="second"), act(), nothing)
        assert [a.over for a in store.approvals(waiting)] == ["first", "second"]
        assert store.kept(waiting, Approval).over == "second"


class Cancelling:
    def test_a_run_that_rests_is_cleaned_up_by_new_work(self, store, run_id):
        walk(store, run_id, State.AWAITING_APPROVAL)
        seen = []
        store.ask_cancel(run_id, act("cancel"), seen.append)
        store.ask_cancel(run_id, act("cancel"), explode)
        assert len(seen) == 1
        assert store.run(run_id).state == State.CANCELLING
        store.advance(run_id, State.CANCELLED)
        assert [e.act.verb for e in store.audit_entries()] == ["restore", "cancel"]

    def test_a_run_at_work_sees_the_wish(self, store, run_id):
        walk(store, run_id, State.VERIFYING)
        assert not store.cancel_asked(run_id)
        for _ in range(2):
            store.ask_cancel(run_id, act("cancel"), explode)
        assert store.cancel_asked(run_id)
        assert store.run(run_id).state == State.VERIFYING
        assert store.audit_head()[1] == 2

    def test_a_wish_is_not_lost_where_work_ends(self, store, run_id):
        walk(store, run_id, State.COMPARING)
        store.ask_cancel(run_id, act(), explode)
        for rest in (State.AWAITING_APPROVAL, State.COMPARED):
            with pytest.raises(Cancelled):
                store.advance(run_id, rest)
        assert store.run(run_id).state == State.COMPARING

    def test_a_wish_during_a_swap_that_did_not_happen(self, store, run_id):
        walk(store, run_id, State.AWAITING_APPROVAL)
        store.approve(approval(run_id), act(), nothing)
        store.ask_cancel(run_id, act(), explode)
        store.advance(run_id, State.AWAITING_APPROVAL)
        with pytest.raises(Refused, match="a cancel"):
            store.approve(approval(run_id, over="again"), act(), explode)
        store.ask_cancel(run_id, act(), nothing)
        assert store.run(run_id).state == State.CANCELLING

    def test_past_the_point_of_no_return_it_is_refused(self, store, run_id):
        walk(store, run_id, State.AWAITING_APPROVAL)
        store.approve(approval(run_id), act(), nothing)
        for state in (State.SWAPPING, State.SWAPPED):
            store.advance(run_id, state)
            with pytest.raises(Refused):
                store.ask_cancel(run_id, act(), explode)
        store.ask_undo(run_id, act(), nothing)
        with pytest.raises(Refused, match="undoing"):
            store.ask_cancel(run_id, act(), explode)
        assert not store.cancel_asked(run_id)


class Undoing:
    def test_only_what_was_swapped_can_be_undone(self, store, run_id):
        with pytest.raises(UndoImpossible):
            store.ask_undo(run_id, act(), explode)

    def test_asked_twice_it_is_queued_once_and_may_fail_and_be_asked_again(self, store, run_id):
        walk(store, run_id, State.AWAITING_APPROVAL)
        store.approve(approval(run_id), act(), nothing)
        store.advance(run_id, State.SWAPPING)
        store.advance(run_id, State.SWAPPED)
        seen = []
        store.ask_undo(run_id, act(), seen.append)
        store.ask_undo(run_id, act(), explode)
        store.advance(run_id, State.SWAPPED, failure=Failure(code="gate_timeout", exit_code=8, message="busy"))
        store.ask_undo(run_id, act(), seen.append)
        assert len(seen) == 2


class Parts:
    def test_a_value_is_kept_by_its_class_and_replaced(self, store, run_id):
        assert store.kept(run_id, Plan) is None
        store.keep(run_id, plan())
        store.keep(run_id, plan(reasons=("because",)))
        store.keep(run_id, contents())
        assert store.kept(run_id, Plan).reasons == ("because",)
        assert store.kept(run_id, Plan).digest == plan(reasons=("because",)).digest
        assert store.kept(run_id, Receipt) is None

    def test_nothing_is_kept_for_a_run_that_does_not_exist(self, store):
        with pytest.raises(RestorekitError):
            store.keep("nobody", plan())

    def test_every_attempt_of_a_step_is_kept(self, store, run_id, clock):
        store.note_step(run_id, "stage", None)
        clock.tick()
        store.note_step(run_id, "stage", None)
        clock.tick()
        store.note_step(run_id, "stage", "done")
        store.note_step(run_id, "verify", None)
        steps = store.steps(run_id)
        assert [(s.step, s.outcome, s.ended_at is None) for s in steps] == [
            ("stage", "", True),
            ("stage", "done", False),
            ("verify", "", True),
        ]
        assert steps[1].ended_at - steps[1].began_at == clock.second

    def test_progress_is_one_row(self, store, run_id):
        for done in (1, 2):
            store.note_progress(run_id, Progress(phase="stage", done=done, total=None, at=NOON))
        assert store.run(run_id).progress.done == 2


class CatalogContract(Points, Owners, Names, Requests, Life, Approvals, Cancelling, Undoing, Parts):
    """All of it. Give `store` and `clock` (with `tick()`)."""

    @pytest.fixture
    def run_id(self, store) -> Iterator[str]:
        return store.request(request(), (), act("restore"), nothing)


def walk(store, run_id, until):
    """The way of every restore."""
    way = [State.STAGING, State.VERIFYING, State.COMPARING, State.AWAITING_APPROVAL]
    for state in way[: way.index(until) + 1]:
        store.advance(run_id, state)


def ensure_ambiguous(store, letter):
    """Requests until another id begins with the same letter; ids are random."""
    for number in range(2000):
        if store.request(request(DatabaseId(engine="e", name=f"n{number}")), (), act(), nothing).startswith(letter):
            return
    pytest.fail("ids do not look random")


def at_once(count, call):
    """Results and errors of `count` threads that start together."""
    results, errors, gate = [], [], threading.Barrier(count)

    def one(number):
        gate.wait(30)
        try:
            results.append(call(number))
        except RestorekitError as error:
            errors.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results, errors

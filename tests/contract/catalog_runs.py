"""What every catalog must do with restores: who asked, who agreed, what state, what is kept."""

import threading

import pytest
from contract.catalog_values import (
    DB,
    NOON,
    OTHER,
    Bang,
    act,
    approval,
    contents,
    explode,
    nothing,
    plan,
    request,
)

from restorekit.errors import (
    ApprovalNeeded,
    Cancelled,
    NeedsChoice,
    Refused,
    RestoreActive,
    RestorekitError,
    UndoImpossible,
    UnknownName,
)
from restorekit.model.database import DatabaseId
from restorekit.model.plan import Approval, Plan
from restorekit.model.receipt import Receipt
from restorekit.model.run import Failure, Progress, State


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

    def test_a_waiting_run_goes_on_once_and_only_with_its_order(self, store, run_id):
        store.advance(run_id, State.WAITING)
        with pytest.raises(Bang):
            store.resume(run_id, State.WARMING, explode)
        assert store.run(run_id).state == State.WAITING
        assert store.resume(run_id, State.WARMING, nothing)
        assert store.run(run_id).state == State.WARMING
        assert not store.resume(run_id, State.WARMING, explode), "it waits no more: a second order would run it twice"

    def test_a_waiting_run_is_cancelled_at_once_and_does_not_go_on(self, store, run_id):
        store.advance(run_id, State.WAITING)
        seen = []
        store.ask_cancel(run_id, act("cancel"), seen.append)
        assert store.run(run_id).state == State.CANCELLING
        assert seen
        assert not store.resume(run_id, State.REQUESTED, explode)

    def test_a_cancel_wish_is_not_lost_by_beginning_to_wait(self, store, run_id):
        store.ask_cancel(run_id, act("cancel"), nothing)
        with pytest.raises(Cancelled):
            store.advance(run_id, State.WAITING)

    def test_progress_is_one_row(self, store, run_id):
        for done in (1, 2):
            store.note_progress(run_id, Progress(phase="stage", done=done, total=None, at=NOON))
        assert store.run(run_id).progress.done == 2


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

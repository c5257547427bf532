"""The audit chain under attack: every edit, hole and cut must be seen, and it must be said what cannot be."""

import json
import os
import random
import signal
import subprocess
import sys

import pytest
from contract.catalog_runs import at_once, walk
from contract.catalog_values import DB, PERSON, act, approval, nothing, plan, request
from sqlalchemy import func, insert, select, update

from restorekit.catalog import open_store
from restorekit.catalog.chain import GENESIS, canonical, seal, verify_export
from restorekit.catalog.tables import approvals, audit, audit_head, metadata, runs
from restorekit.errors import AuditBroken, UnknownName
from restorekit.model.plan import Approval, Plan

FULL = act("approve", database="db1/acme_shop", restore_id="abc", shown="3 tables", confirmed="yes", details={"k": "v"})


@pytest.fixture
def log(store):
    """Five entries, all columns filled."""
    for _ in range(5):
        store.audit(FULL)
    assert store.audit_verify() == 5
    return store


def change(store, statement):
    with store.engine.begin() as connection:
        connection.execute(statement)


def broken(store, words, against=None):
    with pytest.raises(AuditBroken, match=words) as error:
        store.audit_verify(against)
    assert error.value.exit_code == 5


class TestEdits:
    @pytest.mark.parametrize("column", [c.name for c in audit.columns if c.name != "sequence"])
    def test_one_changed_byte_in_any_column_is_seen(self, log, column):
        with log.engine.connect() as connection:
            before = connection.execute(select(audit.c[column]).where(audit.c.sequence == 3)).scalar_one()
        for position in {0, len(before) // 2, len(before) - 1}:
            byte = "x" if before[position] != "x" else "y"
            edited = before[:position] + byte + before[position + 1 :]
            change(log, update(audit).where(audit.c.sequence == 3).values({column: edited}))
            broken(log, "audit entry 3 ")
        change(log, update(audit).where(audit.c.sequence == 3).values({column: before}))
        assert log.audit_verify() == 5

    def test_a_space_in_the_details_is_seen_although_json_does_not_care(self, log):
        change(log, update(audit).where(audit.c.sequence == 2).values(details='{"k": "v"}'))
        broken(log, "audit entry 2 was changed")

    def test_words_moved_from_one_column_to_its_neighbour_are_seen(self, log):
        change(log, update(audit).where(audit.c.sequence == 2).values(shown="3 tablesyes", confirmed=""))
        broken(log, "audit entry 2 was changed")

    def test_an_entry_sealed_again_is_seen_at_the_next_one(self, log):
        reseal(log, 3, {"verb": "look"}, until=3)
        broken(log, "audit entry 4 does not continue")


class TestHoles:
    @pytest.mark.parametrize("number", [1, 3])
    def test_a_removed_entry_is_seen(self, log, number):
        change(log, audit.delete().where(audit.c.sequence == number))
        broken(log, f"audit entry {number} is missing")

    def test_a_removed_entry_is_seen_when_the_others_move_up(self, log):
        change(log, audit.delete().where(audit.c.sequence == 3))
        for number in (4, 5):
            change(log, update(audit).where(audit.c.sequence == number).values(sequence=number - 1))
        broken(log, "audit entry 3 does not continue")

    def test_two_entries_that_changed_places_are_seen(self, log):
        for old, new in ((2, 99), (3, 2), (99, 3)):
            change(log, update(audit).where(audit.c.sequence == old).values(sequence=new))
        broken(log, "audit entry 2 ")

    @pytest.mark.parametrize("number", [0, -7])
    def test_an_entry_put_before_the_first_is_seen(self, log, number):
        with log.engine.begin() as connection:
            first = dict(connection.execute(select(audit).where(audit.c.sequence == 1)).mappings().one())
            connection.execute(insert(audit).values(first | {"sequence": number}))
        broken(log, "audit entry 1 ")

    def test_a_log_longer_than_a_page_is_read_to_its_end(self, log, monkeypatch):
        monkeypatch.setattr("restorekit.catalog.audit._PAGE", 2)
        assert log.audit_verify() == 5
        assert len(list(log.audit_export())) == 5
        change(log, update(audit).where(audit.c.sequence == 5).values(verb="look"))
        broken(log, "audit entry 5 was changed")

    def test_an_entry_added_behind_the_catalogs_back_is_seen(self, log):
        with log.engine.begin() as connection:
            last = dict(connection.execute(select(audit).where(audit.c.sequence == 5)).mappings().one())
            forged = last | {"sequence": 6, "previous": last["hash"]}
            connection.execute(insert(audit).values(forged | {"hash": seal(as_entry(forged))}))
        broken(log, "audit entry 6 is not what the head")


class TestCuts:
    def test_a_cut_tail_is_seen(self, log):
        change(log, audit.delete().where(audit.c.sequence > 3))
        broken(log, "audit entry 4 is missing: the log ends there, but the head of the log refers to entry 5")

    def test_an_emptied_log_is_seen(self, log):
        change(log, audit.delete())
        broken(log, "audit entry 1 is missing")

    def test_a_cut_tail_whose_head_was_bent_is_seen_by_the_restores_that_refer_to_it(self, log):
        log.request(request(), (), act(), nothing)
        cut(log, 5)
        broken(log, "the log ends there, but restore .* refers to entry 6")

    def test_approvals_and_every_later_act_on_a_restore_refer_to_it_too(self, log):
        run_id = log.request(request(), (), act(), nothing)
        walk_to_approval(log, run_id)
        change(log, update(runs).values(audit_sequence=6))
        cut(log, 6)
        broken(log, f"but an approval of restore {run_id} refers to entry 7")
        change(log, approvals.delete())
        assert log.audit_verify() == 6

    def test_a_remark_about_a_restore_is_referred_to(self, log):
        run_id = log.request(request(), (), act(), nothing)
        log.audit(act("note", restore_id=run_id))
        cut(log, 6)
        broken(log, f"restore {run_id} refers to entry 7")

    def test_a_tail_cut_with_all_that_refers_to_it_is_seen_only_by_somebody_who_remembers(self, log):
        """What a receipt is good for; without one this log looks whole."""
        remembered = log.audit_head()
        cut(log, 3)
        assert log.audit_verify() == 3
        broken(log, "audit entry 4 is missing: the log ends there, 5 entries were seen earlier", remembered)

    def test_a_log_rewritten_to_its_end_is_seen_only_by_somebody_who_remembers(self, log):
        remembered = log.audit_head()
        reseal(log, 2, {"confirmed": "no"}, until=5)
        log.audit(FULL)
        assert log.audit_verify() == 6
        broken(log, "audit entry 5 is not the one that was seen earlier", remembered)

    def test_what_was_seen_earlier_holds_while_the_log_grows(self, log):
        heads = [(GENESIS, 0), log.audit_head()]
        log.audit(FULL)
        for head in [*heads, log.audit_head()]:
            assert log.audit_verify(head) == 6


class TestExport:
    def test_an_export_is_verified_without_a_database_and_holds_no_name(self, log):
        lines = list(log.audit_export())
        assert verify_export(lines) == log.audit_head()
        assert PERSON not in "".join(lines)
        first = json.loads(lines[0])
        assert first["at"] == "2026-01-20T12:00:00.000000+00:00"
        assert (first["sequence"], first["act"]["shown"], first["previous"]) == (1, "3 tables", GENESIS)

    def test_any_changed_byte_is_seen(self, log):
        text = "\n".join(log.audit_export())
        dice = random.Random(7)
        for position in dice.sample(range(len(text)), 150):
            edited = text[:position] + chr(ord(text[position]) ^ 1) + text[position + 1 :]
            with pytest.raises(AuditBroken):
                verify_export(edited.split("\n"), log.audit_head())

    def test_a_space_is_seen_although_json_does_not_care(self, log):
        lines = list(log.audit_export())
        with pytest.raises(AuditBroken, match="entry 2 was changed"):
            verify_export([lines[0], lines[1].replace(":", ": ", 1), *lines[2:]])

    def test_a_cut_export_is_seen_with_a_receipt(self, log):
        lines = list(log.audit_export())[:4]
        assert verify_export(lines)[1] == 4
        with pytest.raises(AuditBroken, match="entry 5 is missing"):
            verify_export(lines, log.audit_head())


class TestPersons:
    def test_a_person_can_be_forgotten_and_the_chain_still_holds(self, store):
        run_id = store.request(request(), (plan(),), act("restore"), nothing)
        before = store.audit_head()
        store.erase_person(PERSON, act("erase", caller="officer@example"))
        assert store.audit_verify(before) == 2
        assert [e.act.caller for e in store.audit_entries()] == ["(erased)", "officer@example"]
        assert store.run(run_id).request.requested_by == "(erased)"
        assert store.kept(run_id, Plan).request.requested_by == "(erased)"
        assert PERSON not in everything(store)

    def test_names_stand_in_one_table_only(self, store):
        run_id = store.request(request(), (plan(),), act("restore"), nothing)
        walk_to_approval(store, run_id)
        for name in (PERSON, "customer@example"):
            assert everything(store).count(name) == 1
        assert store.kept(run_id, Approval).approved_by == "customer@example"

    def test_a_forgotten_person_who_comes_back_is_somebody_new(self, store):
        store.audit(act())
        store.erase_person(PERSON, act("erase", caller="officer@example"))
        store.audit(act())
        assert [e.act.caller for e in store.audit_entries()] == ["(erased)", "officer@example", PERSON]

    def test_an_unknown_person_is_not_forgotten(self, store):
        with pytest.raises(UnknownName) as error:
            store.erase_person("nobody@example", act("erase"))
        assert "nobody@example" not in str(error.value)
        assert store.audit_head()[1] == 0


class TestReading:
    def test_the_last_entries_of_a_database_or_a_restore(self, store):
        for number in range(4):
            store.audit(act(f"v{number}", database="db1/a" if number % 2 else "db1/b", restore_id=f"r{number}"))
        assert [e.act.verb for e in store.audit_entries(limit=3)] == ["v1", "v2", "v3"]
        assert [e.act.verb for e in store.audit_entries("db1/a")] == ["v1", "v3"]
        assert [e.act.verb for e in store.audit_entries(restore_id="r2")] == ["v2"]
        assert [e.sequence for e in store.audit_entries(limit=2)] == [3, 4]

    def test_an_act_on_a_restore_names_its_database(self, store):
        run_id = store.request(request(), (), act(), nothing)
        store.ask_cancel(run_id, act("cancel"), nothing)
        assert {(e.act.restore_id, e.act.database) for e in store.audit_entries()} == {(run_id, str(DB))}

    def test_a_reader_sees_one_moment_however_long_it_reads(self, store):
        store.audit(act())
        reading = store.audit_export()
        first = next(reading)
        other = open_store(store.engine.url.render_as_string(hide_password=False))
        other.audit(act())
        other.close()
        assert verify_export([first, *reading])[1] == 1
        assert store.audit_verify() == 2

    def test_many_writers_leave_one_chain_without_gaps(self, store):
        done, failed = at_once(8, lambda _: [store.audit(act(caller=f"p{n}")) for n in range(5)])
        assert (len(done), failed) == (8, [])
        assert store.audit_verify() == 40


WRITER = """
import sys
from contract.catalog_values import act, request
from restorekit.catalog import open_store
from restorekit.model.database import DatabaseId
store = open_store(sys.argv[1])
def tell(connection, run_id):
    connection.exec_driver_sql(f"INSERT INTO jobs VALUES ('{run_id}')")
for number in range(100_000):
    store.request(request(DatabaseId(engine="e", name=str(number))), (), act(), tell)
    print(number, flush=True)
"""


def test_a_killed_writer_leaves_all_of_an_act_or_nothing(url):
    """The row, its entry, its job: acknowledged ones are all there, and no part exists alone."""
    store = open_store(url)
    change(store, text_of("CREATE TABLE jobs (id text)"))
    told = kill_after(url, 15)
    with store.engine.connect() as connection:
        counts = {connection.execute(select(func.count()).select_from(t)).scalar_one() for t in (runs, audit)}
        counts.add(connection.execute(text_of("SELECT count(*) FROM jobs")).scalar_one())
    assert len(counts) == 1
    assert counts.pop() >= told
    store.audit(act())
    assert store.audit_verify() > told
    store.close()


def kill_after(url, lines):
    """How many acts the writer acknowledged before it was killed in the middle of a later one."""
    command = [sys.executable, "-c", WRITER, url]
    paths = {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | paths) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline() for _ in range(lines)]
        os.kill(writer.pid, signal.SIGKILL)
        told += writer.stdout.readlines()
    return len([line for line in told if line.endswith(b"\n")])


def text_of(sql):
    from sqlalchemy import text

    return text(sql)


def as_entry(row):
    words = ("caller", "door", "verb", "database", "restore_id", "shown", "confirmed")
    acted = {word: row[word] for word in words} | {"details": json.loads(row["details"])}
    return {"sequence": row["sequence"], "at": row["at"], "act": acted, "previous": row["previous"]}


def reseal(store, first, changes, until):
    """Change entry `first` and compute the hashes again up to `until`; at the log's end, bend its head, too."""
    with store.engine.begin() as connection:
        rows = connection.execute(select(audit).order_by(audit.c.sequence)).mappings().all()
        previous = rows[first - 2]["hash"]
        for row in rows[first - 1 : until]:
            new = dict(row) | (changes if row["sequence"] == first else {}) | {"previous": previous}
            new["hash"] = previous = seal(as_entry(new))
            connection.execute(update(audit).where(audit.c.sequence == row["sequence"]).values(new))
        if until == len(rows):
            connection.execute(update(audit_head).values(hash=previous))


def cut(store, last):
    """Remove everything after `last` and make the head say so."""
    with store.engine.begin() as connection:
        connection.execute(audit.delete().where(audit.c.sequence > last))
        digest = connection.execute(select(audit.c.hash).where(audit.c.sequence == last)).scalar_one()
        connection.execute(update(audit_head).values(count=last, hash=digest))


def walk_to_approval(store, run_id):
    from restorekit.model.run import State

    walk(store, run_id, State.AWAITING_APPROVAL)
    store.approve(approval(run_id), act("approve"), nothing)


def everything(store):
    """All rows of all tables as text."""
    with store.engine.connect() as connection:
        return "\n".join(
            canonical(list(map(str, r))) for t in metadata.sorted_tables for r in connection.execute(t.select())
        )

"""The logs of a running server: incremental, never a half transaction, and a hole where nothing is known."""

import contextlib
import os
import random
import socket
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from servers.binlog import blows, counts, files, rotated, tool_counts
from servers.mariadb import LiveServer
from servers.mariadb_live import live_on

from restorekit.engines.mariadb import MariaDB
from restorekit.engines.mariadb.binlog import Place, changes, scan_files
from restorekit.engines.mariadb.binlog import live as reading_live
from restorekit.errors import EngineUnavailable, UsageError

OPTIONS = ("--binlog-format=ROW", "--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0")


@pytest.fixture
def fresh():
    with LiveServer.running(log_bin=True, args=OPTIONS) as running:
        running.script("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)")
        yield running


def coverages(reading):
    return [s.coverage for s in reading.stretches]


def purged(server):
    """Everything but the newest file goes; the server keeps a file until its background thread is done with it."""
    end = time.monotonic() + 20
    while len(files(server)) > 1:
        assert time.monotonic() < end
        server.rows(f"PURGE BINARY LOGS TO '{files(server)[-1].name}'")


def test_many_passes_find_what_one_finds_whatever_happens_between_them(server):
    live, dice = live_on(server), random.Random(7)
    table = "(id INT PRIMARY KEY AUTO_INCREMENT, v INT)"
    server.script(f"CREATE DATABASE steps; CREATE TABLE steps.t {table}; CREATE TABLE steps.u {table}")
    begun = Place.parsed(changes(live, "").cursor)
    cursor, passes = str(begun), []
    with server.connect("steps") as held, held.cursor() as slow:
        for number in range(40):
            if dice.random() < 0.3:
                slow.execute(dice.choice(("BEGIN", "COMMIT", "ROLLBACK")))
            slow.execute(f"INSERT INTO t (v) VALUES {', '.join(['(1)'] * dice.randrange(1, 90))}")
            if dice.random() < 0.4:
                server.rows("INSERT INTO steps.u (v) VALUES (1)")
            if number % 9 == 5:
                server.rows("FLUSH BINARY LOGS")
            if dice.random() < 0.6:
                passes.append(changes(live, cursor))
                cursor = passes[-1].cursor
        slow.execute("COMMIT")
    passes.append(changes(live, cursor))
    paths = [path for path in files(server) if path.name >= begun.file]
    whole = scan_files(paths, begun)
    assert counts(*passes) == counts(whole)
    rows = {table: server.one(f"SELECT COUNT(*) FROM steps.{table}") for table in "tu"}
    assert {table: counts(whole)["steps", table, "I"] for table in "tu"} == rows
    assert not [problem for reading in passes for problem in reading.problems]
    told = [reading.stretches for reading in passes if reading.stretches]  # within one second there may be none
    assert all(a[-1].end == b[0].start for a, b in pairwise(told))
    assert counts(changes(live, passes[-1].cursor)) == {}


def test_quiet_time_is_known_time(fresh):
    engine = MariaDB("db1", live_on(fresh).settings, live_on(fresh).home)
    first = engine.changes("")
    assert first.cursor.startswith("binlog.000001:")
    now = fresh.one("SELECT UNIX_TIMESTAMP()")
    second = engine.changes(first.cursor)
    assert second.stretches == () or second.stretches[-1].end.timestamp() >= now
    assert (second.changes, second.problems) == ((), ())


def test_a_sessions_clock_in_the_future_is_no_knowledge_of_the_future(fresh):
    live = live_on(fresh)
    fresh.script("SET TIMESTAMP=2000000000; INSERT INTO shop.t (v) VALUES (1)")
    first = changes(live, "")
    assert [t.start for c in first.changes for t in c.tallies] == [1999999980]
    assert Place.parsed(first.cursor).until <= fresh.one("SELECT UNIX_TIMESTAMP()") + 1
    assert scan_files(files(fresh)).stretches[-1].end.timestamp() <= fresh.one("SELECT UNIX_TIMESTAMP()") + 2


def test_a_transaction_that_is_still_open_counts_when_it_is_committed(fresh):
    live = live_on(fresh)
    with fresh.connect("shop") as session, session.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO t (v) VALUES (1)")
        before = changes(live, "")
        cursor.execute("COMMIT")
    after = changes(live, before.cursor)
    assert (counts(before), counts(after)) == ({}, {("shop", "t", "I"): 1})


def test_a_server_that_is_down_is_unavailable(fresh):
    fresh.stop()
    with pytest.raises(EngineUnavailable):
        changes(live_on(fresh), "")


def test_purged_files_leave_a_hole(fresh):
    live = live_on(fresh)
    first = changes(live, "")
    fresh.script("INSERT INTO shop.t (v) VALUES (1); FLUSH BINARY LOGS; FLUSH BINARY LOGS")
    purged(fresh)
    fresh.script("INSERT INTO shop.t (v) VALUES (2)")
    second = changes(live, first.cursor)
    assert (coverages(second), counts(second)) == (["none", "rows"], {("shop", "t", "I"): 1})
    assert second.problems == ("binlog.000001 is gone, and it had not been read to its end",)
    assert second.stretches[0].start == first.stretches[-1].end
    assert coverages(changes(live, second.cursor)) in (["rows"], [])


def test_files_that_were_read_may_be_purged(fresh):
    live = live_on(fresh)
    fresh.rows("FLUSH BINARY LOGS")
    first = changes(live, "")
    purged(fresh)
    fresh.rows("INSERT INTO shop.t (v) VALUES (2)")
    second = changes(live, first.cursor)
    assert (second.problems, counts(second)) == ((), {("shop", "t", "I"): 1})


def test_a_log_that_was_begun_anew_is_not_mistaken_for_the_old_one(fresh):
    live = live_on(fresh)
    first = changes(live, "")
    born = Place.parsed(first.cursor).born
    while fresh.one("SELECT UNIX_TIMESTAMP()") <= born:
        fresh.rows("SELECT SLEEP(0.05)")  # a file's birth has a resolution of one second
    fresh.script("RESET MASTER; INSERT INTO shop.t (v) VALUES (1); INSERT INTO shop.t (v) VALUES (2)")
    second = changes(live, first.cursor)
    assert (counts(second), coverages(second)) == ({("shop", "t", "I"): 2}, ["none", "rows"])
    assert "begun anew" in second.problems[0]


def test_restarts_and_crashes_lose_nothing_that_was_acknowledged(fresh):
    live = live_on(fresh)
    cursor, found = "", []
    for end in (fresh.stop, fresh.kill, fresh.kill):
        fresh.rows("INSERT INTO shop.t (v) VALUES (1), (2)")
        found.append(changes(live, cursor))
        cursor = found[-1].cursor
        fresh.rows("INSERT INTO shop.t (v) VALUES (3)")
        end()
        fresh.start()
    found.append(changes(live, cursor))
    assert counts(*found) == {("shop", "t", "I"): 9}
    assert not [p for reading in found for p in reading.problems]


def test_without_a_log_nothing_is_known():
    with LiveServer.running() as silent:
        first = changes(live_on(silent), "")
        later = changes(live_on(silent), "binlog.000001:500:1232206897:1232206897")
    assert (first.changes, first.cursor, first.stretches) == ((), "", ())
    assert "off" in first.problems[0]
    assert (coverages(later), later.cursor) == (["none"], "binlog.000001:500:1232206897:1232206897")


def test_without_the_right_nothing_is_known_and_the_grant_is_named(server):
    server.script("CREATE OR REPLACE USER nobody_special; GRANT SELECT ON *.* TO nobody_special")
    reading = changes(live_on(server, user="nobody_special"), "")
    assert "GRANT BINLOG MONITOR" in reading.problems[0]
    server.script("GRANT BINLOG MONITOR ON *.* TO nobody_special")
    assert changes(live_on(server, user="nobody_special"), "").problems == ()


def test_files_of_another_server_are_not_taken_for_this_ones(server):
    path = files(server)[0]
    reading_live._check(path, path.stat().st_size)
    with pytest.raises(reading_live._Silent, match="not this server's"):
        reading_live._check(path, path.stat().st_size + 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_files_that_we_may_not_read_are_named_with_the_remedy(fresh):
    first = changes(live_on(fresh), "")
    os.seteuid(54321)  # nobody in particular: the server itself may be `nobody`
    try:
        reading = changes(live_on(fresh), first.cursor)
    finally:
        os.seteuid(0)
    assert reading.cursor == first.cursor
    assert coverages(reading) in (["none"], [])  # nothing to say of a second that is covered already
    assert "run as a system user" in reading.problems[0]
    fresh.rows("INSERT INTO shop.t (v) VALUES (1)")
    assert counts(changes(live_on(fresh), reading.cursor)) == {("shop", "t", "I"): 1}


def test_a_server_elsewhere_is_not_read_here():
    with contextlib.closing(socket.create_server(("127.0.0.2", 0))) as probe:
        port = probe.getsockname()[1]
    with LiveServer.running(log_bin=True, port=port, args=(*OPTIONS, "--bind-address=127.0.0.2")) as running:
        running.script("CREATE USER far; GRANT ALL ON *.* TO far")
        near = live_on(running, user="far")
        there = near.settings.model_copy(update={"socket": None, "host": "127.0.0.2", "port": port})
        assert "another machine" in changes(replace(near, settings=there), "").problems[0]


def test_what_the_server_does_not_log_is_not_taken_for_no_change():
    with LiveServer.running(log_bin=True, args=(*OPTIONS, "--binlog-ignore-db=hidden")) as running:
        running.script("CREATE DATABASE hidden; USE hidden; CREATE TABLE t (id INT); INSERT INTO t VALUES (1)")
        reading = changes(live_on(running), "")
    assert counts(reading) == {}
    assert reading.problems == ("the server does not log hidden: nothing is known of that",)
    assert {s.why for s in reading.stretches} == set(reading.problems)


def test_a_cursor_of_something_else_is_refused(server):
    with pytest.raises(UsageError):
        changes(live_on(server), "17")


def test_a_file_that_is_being_written_while_it_is_read(fresh):
    live = live_on(fresh)
    fresh.rows("INSERT INTO shop.t (v) SELECT seq FROM seq_1_to_2000", "shop")
    path = rotated(fresh)
    fresh.rows("DELETE FROM t", "shop")
    reading = changes(live, "")
    assert counts(reading) == tool_counts(files(fresh)) == {("shop", "t", "I"): 2000, ("shop", "t", "D"): 2000}
    (blow,) = [b for b in blows(reading, "shop") if b[0].startswith("mass")]
    assert blow == ("mass_delete", "t", 2000)
    assert path.name in reading.cursor

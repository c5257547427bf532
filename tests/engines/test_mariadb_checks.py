"""Doctor names what is missing and what it costs, with the statement that helps."""

import pytest
from servers.mariadb import LiveServer
from servers.mariadb_live import live_on

from restorekit.engines.mariadb.binlog import changes
from restorekit.engines.mariadb.checks import check


@pytest.fixture(scope="module")
def server():
    with LiveServer.running(log_bin=True, args=("--binlog-format=ROW",)) as running:
        yield running


def findings(live):
    return {(f.code, f.severity): f for f in check(live)}


def test_a_good_server_has_nothing_to_warn_of(server):
    found = check(live_on(server))
    assert {f.severity for f in found} == {"ok"}
    assert {"tool", "version", "log_bin", "event_scheduler", "names", "rights", "clock"} == {f.code for f in found}


def test_each_missing_right_comes_with_its_grant(server):
    server.script("CREATE USER part; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, PROCESS ON *.* TO part")
    live = live_on(server, user="part")
    found = check(live)
    missing = [f for f in found if f.code == "right"]
    assert all(f.severity == "warn" for f in missing)
    drop = next(f for f in missing if "lacks DROP" in f.text)
    assert (drop.hint, "no undo" in drop.text) == ("GRANT DROP ON *.* TO 'part'@'%';", True)
    every = next(f for f in found if f.code == "rights")
    server.script(every.hint)
    assert not [f for f in check(live) if f.code == "right"]


def test_a_log_without_rows_is_said_and_how_little_it_then_knows(server):
    live = live_on(server)
    server.script("SET GLOBAL binlog_format = MIXED")
    try:
        found = findings(live)["log_bin", "warn"]
    finally:
        server.script("SET GLOBAL binlog_format = ROW")
    assert "how many rows" in found.text
    assert "binlog_format=ROW" in found.hint
    assert ("log_bin", "ok") in findings(live)


def test_a_server_without_a_log_knows_only_its_backups():
    with LiveServer.running(log_bin=False) as silent:
        found = findings(live_on(silent))["log_bin", "warn"]
    assert "from backup to backup only" in found.text


def test_who_may_not_see_the_logs_learns_what_that_costs(server):
    server.script("CREATE USER historian; GRANT SELECT ON *.* TO historian")
    live = live_on(server, user="historian")
    (found,) = [f for f in check(live) if "BINLOG MONITOR" in f.text and f.code == "right"]
    assert found.hint == "GRANT BINLOG MONITOR ON *.* TO 'historian'@'%';"
    assert "what happened" in found.text
    assert "GRANT BINLOG MONITOR" in changes(live, "").problems[0]
    server.script(found.hint)
    assert not changes(live, "").problems


def test_without_reading_nothing_works(server):
    server.script("CREATE USER blind")
    assert findings(live_on(server, user="blind"))["right", "refuse"].text.startswith("blind@% lacks SELECT")


def test_a_missing_tool_and_a_silent_server_are_said(server, tmp_path):
    live = live_on(server, dump="no-such-dump", user="nobody")
    found = findings(live)
    assert found["tool", "refuse"].text == "no-such-dump is not installed here"
    assert "nobody" in found["server", "refuse"].text
    gone = LiveServer(folder=tmp_path)
    assert "cannot connect" in findings(live_on(gone))["server", "refuse"].text

"""The manifest says exactly what its dump delivers, whatever goes on meanwhile."""

import contextlib
import io
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from servers.mariadb import LiveServer
from servers.mariadb_live import Quiet, live_on
from servers.zoo import TABLES, ZOO

from restorekit.engines.mariadb import MariaDB
from restorekit.engines.mariadb.capture import capture, export
from restorekit.engines.mariadb.contents import contents
from restorekit.engines.mariadb.manifest import BEGIN, END, decode
from restorekit.errors import Cancelled, DumpIncomplete, EngineUnavailable, RestorekitError, Temporary, UnknownName
from restorekit.model.database import Where
from restorekit.model.staged import SandboxSpec

FAST = ("--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0", "--log-bin-trust-function-creators=1")
SHOP = """
CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_german2_ci;
USE shop;
CREATE TABLE accounts (id INT PRIMARY KEY AUTO_INCREMENT, n INT, note TEXT);
CREATE TABLE ledger LIKE accounts;
INSERT INTO accounts (n, note) SELECT seq, CONCAT('grün 😀 ', seq) FROM seq_1_to_2000;
INSERT INTO ledger SELECT * FROM accounts;
CREATE TABLE `odd ``name``` (`a b` FLOAT, b BIT(9), g POINT, t TIMESTAMP(3) NULL, x BLOB, v INT AS (b+1) VIRTUAL);
INSERT INTO `odd ``name``` (`a b`, b, g, t, x) VALUES (1.2345678, b'101', POINT(1,2), '2026-03-29 03:30:00', 0x00FF27);
CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES accounts (id) ON DELETE CASCADE);
CREATE TABLE past (id INT PRIMARY KEY, a INT) WITH SYSTEM VERSIONING;
INSERT INTO past VALUES (1,1); UPDATE past SET a=2; DELETE FROM past;
CREATE TABLE old (a INT) ENGINE=MyISAM; INSERT INTO old VALUES (1),(1);
CREATE SEQUENCE sq START 5 INCREMENT 3;
CREATE VIEW v AS SELECT id FROM accounts; CREATE VIEW a_first AS SELECT * FROM v;
CREATE TRIGGER t1 BEFORE INSERT ON child FOR EACH ROW SET NEW.p=NEW.p;
CREATE TRIGGER t0 BEFORE INSERT ON child FOR EACH ROW PRECEDES t1 SET NEW.p=NEW.p+0;
CREATE FUNCTION f() RETURNS VARCHAR(9) RETURN 'ä';
CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01' DISABLE DO DELETE FROM past;
"""
LIMITED = (
    "CREATE USER small IDENTIFIED BY 'p\"\\\\ #x';"
    "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES ON *.* TO small; GRANT SELECT ON mysql.proc TO small"
)


@pytest.fixture(scope="module", params=[True, False], ids=["log_bin", "no_log_bin"])
def server(request):
    with LiveServer.running(log_bin=request.param, args=FAST) as running:
        running.script(SHOP)
        running.script(LIMITED)
        running.script("CREATE DATABASE target CHARACTER SET utf8mb4 COLLATE utf8mb4_german2_ci")
        yield running


def captured(live, watch=None, schema="shop"):
    out = io.BytesIO()
    manifest = capture(live, schema, out, watch or Quiet())
    return out.getvalue(), manifest


def limited(server):
    (server.folder / "pw").write_text('p"\\ #x\n')
    return live_on(server, user="small", password_file=server.folder / "pw")


def loaded(server, dump):
    """What the dump really delivers, into an empty schema of another name."""
    server.script(
        "DROP DATABASE IF EXISTS target; CREATE DATABASE target CHARACTER SET utf8mb4 COLLATE utf8mb4_german2_ci"
    )
    server.script(b"SET SESSION system_versioning_insert_history=1;\n" + dump, "target")
    return contents(live_on(server), Where(schema_name="target"))


def assert_equal(manifest, found):
    for wanted in manifest.tables:
        have = found.table(wanted.name)
        assert (have.fingerprint, have.schema_hash, have.history) == (
            wanted.fingerprint,
            wanted.schema_hash,
            wanted.history,
        ), wanted.name
    assert {(o.kind, o.name): o.hash for o in manifest.objects} == {(o.kind, o.name): o.hash for o in found.objects}


@contextlib.contextmanager
def writing(server):
    """Four sessions that change two tables alike, as fast as they can."""
    stop = threading.Event()
    written = [0] * 4

    def write(number):
        with contextlib.closing(server.connect("shop")) as connection, connection.cursor() as cursor:
            while not stop.is_set():
                written[number] += 1
                connection.begin()
                for table in ("accounts", "ledger"):
                    row = number * 500 + written[number] % 500 + 1
                    cursor.execute(f"UPDATE {table} SET n=n+1 WHERE id=%s", (row,))
                connection.commit()

    writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for writer in writers:
        writer.start()
    try:
        yield written
    finally:
        stop.set()
        for writer in writers:
            writer.join()


def test_the_manifest_is_what_the_dump_delivers(server):
    dump, manifest = captured(live_on(server))
    assert_equal(manifest, loaded(server, dump))
    assert manifest.settings["consistency"] == "snapshot"
    assert (manifest.origin, bool(manifest.position)) == ("captured", server.log_bin)
    assert manifest.table("past").history.rows == 2
    assert {o.kind for o in manifest.objects} == {"view", "trigger", "function", "event", "sequence"}
    block = dump.rpartition(BEGIN)[2].partition(END)[0].strip().split(b"\n")
    assert decode(block) == manifest
    assert dump.index(b"-- Dump completed") < dump.index(BEGIN)


@pytest.mark.parametrize("rights", ["all", "limited"])
def test_it_is_so_while_others_write(server, rights):
    live = live_on(server) if rights == "all" else limited(server)
    with writing(server) as written:
        taken = []
        for _ in range(3):
            before = sum(written)
            taken.append(captured(live))
            assert sum(written) > before, "nobody wrote meanwhile: the test shows nothing"
    assert len({m.table("ledger").fingerprint.value for _, m in taken}) > 1
    for dump, manifest in taken:
        assert_equal(manifest, loaded(server, dump))
        accounts, ledger = (manifest.table(n).fingerprint for n in ("accounts", "ledger"))
        assert accounts == ledger


def test_a_table_without_transactions_that_is_written_meanwhile_is_not_claimed(server):
    class Writes(Quiet):
        def progress(self, phase, done, total, unit="bytes"):
            server.script("INSERT INTO shop.old VALUES (2)")

    dump, manifest = captured(live_on(server), Writes())
    old = manifest.table("old")
    assert (old.rows, old.fingerprint, old.transactional) == (None, None, False)
    assert manifest.settings["consistency"] == "per_table"
    assert manifest.table("accounts").fingerprint is not None
    assert b"-- Dump completed" in dump


def test_its_moment_is_that_of_the_snapshot(server):
    """What is committed while the dump is written is not in it, however long the measuring takes."""
    seen = []

    class Clock(Quiet):
        def progress(self, phase, done, total, unit="bytes"):
            seen.append(datetime.now(UTC))
            server.script("INSERT INTO shop.ledger (n) VALUES (0)")

    began_at = datetime.now(UTC)
    dump, manifest = captured(live_on(server), Clock())
    assert began_at < manifest.taken_at < seen[0]
    assert_equal(manifest, loaded(server, dump))


def test_a_definition_that_changes_meanwhile_makes_it_worthless(server):
    class Alters(Quiet):
        def progress(self, phase, done, total, unit="bytes"):
            server.script("CREATE OR REPLACE VIEW shop.v AS SELECT id+0 AS id FROM shop.accounts")

    try:
        with pytest.raises(Temporary, match=r"changed during the dump|SHOW CREATE TABLE"):
            captured(live_on(server), Alters())
    finally:
        server.script("CREATE OR REPLACE VIEW v AS SELECT id FROM accounts", "shop")


def script(folder, text):
    path = folder / "tool"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_dump_tool_that_lies_is_found_out(server, tmp_path):
    cut = script(tmp_path, "mariadb-dump \"$@\" | grep -v '^-- Dump completed'")
    with pytest.raises(DumpIncomplete):
        captured(live_on(server, dump=cut))
    died = script(tmp_path, 'mariadb-dump "$@"; exit 3')
    with pytest.raises(RestorekitError, match="exit code 3"):
        captured(live_on(server, dump=died))
    silent = script(tmp_path, "exit 0")
    with pytest.raises(RestorekitError):
        captured(live_on(server, dump=silent))
    with pytest.raises(EngineUnavailable):
        captured(live_on(server, dump=str(tmp_path / "none")))


def test_cancel_leaves_no_dump_running(server):
    class Stops(Quiet):
        def check(self):
            raise Cancelled

    with pytest.raises(Cancelled):
        captured(live_on(server), Stops())
    others = (
        "SELECT COUNT(*) FROM information_schema.processlist WHERE id<>CONNECTION_ID() AND info LIKE '%SQL_NO_CACHE%'"
    )
    assert server.one(others) == 0


def test_the_password_is_on_no_command_line(server):
    seen, done = [], threading.Event()

    def look():  # all the time: a small dump is over before anybody hears of it
        while not done.is_set():
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    seen.append(entry.read_bytes())

    looking = threading.Thread(target=look)
    looking.start()
    try:
        captured(limited(server), Quiet())
    finally:
        done.set()
        looking.join()
    assert any(b"--defaults-file=/dev/fd/" in line for line in seen)
    assert not any(b"#x" in line and b'p"' in line for line in seen)


def test_unknown_database(server):
    with pytest.raises(UnknownName):
        captured(live_on(server), schema="nowhere")


def test_all_that_customers_have_comes_back_as_the_manifest_says(server):
    """Captured, staged the way restores are, measured, compared with live: the same everywhere."""
    server.script("CREATE DATABASE zoo")
    server.script(ZOO, "zoo")
    live = live_on(server)
    engine = MariaDB("db1", live.settings, live.home)
    out = io.BytesIO()
    manifest = engine.capture("zoo", out, Quiet())
    box = engine.open_sandbox(SandboxSpec(id="zoo", schema_name="zoo", settings=engine.settings("zoo")))
    try:
        loaded = engine.load(box, iter([out.getvalue()]), ("sql", "none"), Quiet())
        where = Where(schema_name="zoo", sandbox=box.folder)
        found = engine.contents(where)
        assert {t.name for t in found.tables} == set(TABLES)
        assert loaded.manifest == manifest
        assert_equal(manifest, found)
        assert {c.name: c.outcome for c in engine.sound(where)} == dict.fromkeys(
            ("integrity of tables", "foreign keys", "counters", "definers exist on live", "views"), "passed"
        )
        differing = engine.compare(where, Where(schema_name="zoo"), TABLES, 5, Quiet())
        assert [d.name for d in differing if not d.same] == []
        server.script(
            "UPDATE child SET n=n-1; UPDATE times SET fl=fl+0.25 WHERE id=1; DELETE FROM nokey LIMIT 1", "zoo"
        )
        differing = {d.name: d for d in engine.compare(where, Where(schema_name="zoo"), TABLES, 5, Quiet())}
        assert [n for n, d in differing.items() if not d.same] == ["child", "nokey", "times"]
        assert [(d.changed, d.missing) for d in differing.values() if not d.same] == [(3, 0), (0, 1), (1, 0)]
    finally:
        engine.discard(box)
        server.script("DROP DATABASE zoo")


def test_export_is_a_plain_dump(server):
    out = io.BytesIO()
    export(live_on(server), Where(schema_name="shop"), out, Quiet())
    found = loaded(server, out.getvalue())
    assert BEGIN not in out.getvalue()
    live = contents(live_on(server), Where(schema_name="shop"))
    assert found.table("past").history == live.table("past").history
    assert [t.rows for t in found.tables] == [t.rows for t in live.tables]

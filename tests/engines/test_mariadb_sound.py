"""Level 4, and questions by a user who can do nothing."""

import contextlib
import time

import pytest
from servers.mariadb import LiveServer
from servers.mariadb_live import live_on

from restorekit.engines.mariadb import sandbox
from restorekit.engines.mariadb.query import ask, masked, peek, samples
from restorekit.engines.mariadb.soundness import sound
from restorekit.errors import ProofFailed, Refused
from restorekit.model.database import Where
from restorekit.model.staged import SandboxSpec

GOOD = """
CREATE TABLE p (a INT, b VARCHAR(9), PRIMARY KEY (a, b));
CREATE TABLE c (id INT PRIMARY KEY AUTO_INCREMENT, a INT, b VARCHAR(9), up INT,
  CONSTRAINT whole FOREIGN KEY (a, b) REFERENCES p (a, b), CONSTRAINT self FOREIGN KEY (up) REFERENCES c (id));
INSERT INTO p VALUES (1,'x'),(2,'y');
INSERT INTO c (a, b, up) VALUES (1,'x',NULL),(NULL,'nobody',1),(9,NULL,1);
CREATE SEQUENCE sq START 100;
CREATE TABLE q (id INT PRIMARY KEY DEFAULT NEXTVAL(sq), t TEXT);
INSERT INTO q (t) VALUES ('Müllers Straße 12'),('canary plain'),('schön');
CREATE TABLE m (a INT, KEY (a)) ENGINE=MyISAM;
INSERT INTO m SELECT seq FROM seq_1_to_2000;
CREATE DEFINER=known@localhost VIEW v AS SELECT a FROM p;
"""


class Lab:
    """A live server and one sandbox of it whose schema is filled by hand."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.live = live_on(server)
        self.where = None
        self.opened = None

    def fill(self, name, sql):
        spec = SandboxSpec(id=name, schema_name="shop", settings={})
        self.opened = sandbox.open_sandbox(self.live.settings, self.live.home, spec)
        self.where = Where(schema_name="shop", sandbox=self.opened.folder)
        self.run("CREATE OR REPLACE DATABASE shop", schema=None)
        # what the loader does for definers that only live knows
        self.run("CREATE USER IF NOT EXISTS known@localhost ACCOUNT LOCK", schema=None)
        self.run("GRANT SELECT ON shop.* TO known@localhost", schema=None)
        self.run(sql)

    def run(self, sql, schema="shop"):
        with contextlib.closing(sandbox.admin(self.opened, schema)) as session, session.cursor() as cursor:
            for statement in filter(str.strip, sql.split(";")):
                cursor.execute(statement)

    def outcomes(self):
        return {c.name: c for c in sound(self.live, self.where)}


@pytest.fixture(scope="module")
def lab():
    with LiveServer.running() as server:
        server.script("CREATE USER known@localhost; CREATE USER `odd@name`@`%`; CREATE DATABASE shop")
        lab = Lab(server)
        try:
            lab.fill("one", GOOD)
            yield lab
        finally:
            if lab.opened is not None:
                sandbox.discard(lab.opened)


@pytest.fixture
def good(lab):
    lab.fill("one", GOOD)
    return lab


def test_a_whole_database_is_sound(good):
    found = good.outcomes()
    assert {n: c.outcome for n, c in found.items()} == dict.fromkeys(
        ("integrity of tables", "foreign keys", "counters", "definers exist on live", "views"), "passed"
    )
    assert {c.level for c in found.values()} == {4}


def test_indexes_that_were_just_built_are_not_checked(good):
    good.run("DROP TABLE m")
    check = good.outcomes()["integrity of tables"]
    assert (check.outcome, check.reason) == ("not_applicable", "all rows and indexes were written by this load")


def test_orphans_are_counted_per_key(good):
    good.run("SET foreign_key_checks=0; DELETE FROM p WHERE a=1; UPDATE c SET up=77 WHERE id=3")
    check = good.outcomes()["foreign keys"]
    assert check.outcome == "failed"
    assert check.evidence == ("c.self: 1 rows name no row of c", "c.whole: 1 rows name no row of p")


def test_a_parent_in_another_database_is_not_claimed(good):
    good.run("CREATE DATABASE IF NOT EXISTS other; CREATE TABLE IF NOT EXISTS other.o (id INT PRIMARY KEY)")
    good.run("CREATE TABLE far (o INT, CONSTRAINT away FOREIGN KEY (o) REFERENCES other.o (id))")
    check = good.outcomes()["foreign keys"]
    assert (check.outcome, "far.away" in check.reason) == ("skipped", True)
    good.run("DROP TABLE far")


def test_a_sequence_that_stands_too_low_is_found(good):
    good.run("INSERT INTO q VALUES (5000,'')")
    check = good.outcomes()["counters"]
    assert (check.outcome, check.evidence) == ("failed", ("q.id: the next value is in use already",))


def test_definers_that_live_does_not_know_are_named(good):
    good.run("CREATE USER IF NOT EXISTS gone@nowhere; CREATE USER IF NOT EXISTS `odd@name`@`%`")
    good.run("CREATE DEFINER=gone@nowhere FUNCTION f() RETURNS INT RETURN 1")
    good.run("CREATE DEFINER=`odd@name`@`%` FUNCTION g() RETURNS INT RETURN 1")
    check = good.outcomes()["definers exist on live"]
    assert (check.outcome, check.evidence) == ("failed", ("gone@nowhere",))


def test_a_view_that_cannot_be_opened_is_named(good):
    good.run("CREATE VIEW broken AS SELECT t FROM q; ALTER TABLE q DROP t")
    check = good.outcomes()["views"]
    assert (check.outcome, check.evidence) == ("failed", ("view broken: server error 1356",))


def test_a_damaged_file_of_an_old_engine_is_found(good):
    good.run("FLUSH TABLES")
    (data,) = (sandbox.Path(good.opened.folder) / "data" / "shop").glob("m.MYD")
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    assert good.outcomes()["integrity of tables"].outcome == "failed"


def test_questions_are_answered(lab):
    lab.fill("one", GOOD)
    assert ask(lab.live, lab.where, "SELECT COUNT(*) FROM q WHERE t LIKE '%a%'", 5) == [(2,)]
    assert len(ask(lab.live, lab.where, "SELECT * FROM p CROSS JOIN m", 5)) == 1000
    names, rows = peek(lab.live, lab.where, "q", "t LIKE 'can%' -- the plain one", 5)
    assert (names, [r[1] for r in rows]) == (["id", "t"], ["canary plain"])
    assert len(peek(lab.live, lab.where, "m", "1) UNION ALL (SELECT a FROM m", 7)[1]) == 7
    assert peek(lab.live, lab.where, "q", "", 1)[1][0][1] == "Müllers Straße 12"


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM q",
        "SELECT 1; DROP TABLE q",
        "SELECT * FROM q INTO OUTFILE 'x'",
        "SELECT LOAD_FILE('/etc/passwd') IS NOT NULL AS readable FROM nowhere",
        "SELECT * FROM mysql.global_priv",
        "SET GLOBAL max_connections=1",
        "CREATE TEMPORARY TABLE x (a INT)",
        "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE q",
        "GRANT ALL ON *.* TO rk_reader@localhost",
        "SHUTDOWN",
        "KILL 1",
        "SELECT canary_missing FROM q",
        "CALL nothing()",
        "SELECT * FROM q FOR UPDATE",
    ],
)
def test_the_powerless_user_can_do_no_harm(lab, sql):
    with pytest.raises(ProofFailed) as caught:
        ask(lab.live, lab.where, sql, 5)
    assert "canary" not in caught.value.message
    assert ask(lab.live, lab.where, "SELECT COUNT(*) FROM q", 5) == [(3,)]


def test_a_file_of_the_host_is_not_read(lab):
    assert ask(lab.live, lab.where, "SELECT LOAD_FILE('/etc/hostname')", 5) == [(None,)]


@pytest.mark.parametrize(
    "sql", ["SELECT SLEEP(60) FROM q", "SET STATEMENT max_statement_time=0 FOR SELECT SLEEP(60) FROM q"]
)
def test_a_question_ends_in_time(lab, sql):
    began = time.monotonic()
    with contextlib.suppress(ProofFailed):
        # an interrupted SLEEP answers 1, which is no error
        ask(lab.live, lab.where, sql, 0.2)
    assert time.monotonic() - began < 15


def test_questions_to_live_are_refused(lab):
    with pytest.raises(Refused):
        ask(lab.live, Where(schema_name="shop"), "SELECT 1", 1)


def test_samples_show_the_encoding_and_nothing_else(lab):
    found = samples(lab.live, lab.where, 5)
    assert found == ["q.t: xüxxxxx xxxxßx 00", "q.t: xxxöx"]
    assert masked("Geheim 42 § Ü") == "xxxxxx 00 § Ü"

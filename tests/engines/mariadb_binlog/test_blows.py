"""What destroyed much at once, where it begins, and who said so: never with a customer's value in it."""

import random
import time

import pytest
from servers.binlog import blows, counts, rotated

from restorekit.engines.mariadb.binlog import scan_files
from restorekit.engines.mariadb.binlog.deeds import Deed, deeds
from restorekit.engines.mariadb.binlog.text import Mode, digest


def of(reading, database):
    return [b for changes in reading.changes if changes.database == database for b in changes.blows]


def definitions(reading, database):
    return [(kind, table) for kind, table, rows in blows(reading, database) if rows is None]


def test_a_delete_of_919_rows_is_one_blow_that_begins_before_it(server):
    path = rotated(server)
    server.script(
        "CREATE DATABASE b919; USE b919; CREATE TABLE wp_posts (id INT PRIMARY KEY, body VARCHAR(7000));"
        "INSERT INTO wp_posts SELECT seq, REPEAT('x', 6900) FROM seq_1_to_919;"
    )
    position = server.rows("SHOW MASTER STATUS")[0][1]
    server.script("SET TIMESTAMP=1232614333; DELETE /* top secret */ FROM b919.wp_posts WHERE body <> 'canary-7f';")
    server.script("DELETE FROM b919.wp_posts")
    reading = scan_files([path])
    (blow,) = of(reading, "b919")[2:]
    assert (blow.kind, blow.table, blow.rows, blow.began_at) == ("mass_delete", "wp_posts", 919, 1232614333)
    assert (blow.position, blow.gtid) == (f"{path.name}:{position}", server.one("SELECT @@gtid_binlog_pos"))
    assert blow.digest == "DELETE FROM b919.wp_posts WHERE body <> ?"
    assert "canary" not in reading.model_dump_json()
    assert "secret" not in reading.model_dump_json()
    # good is what lies before it: a file read up to there knows nothing of the delete
    good = path.with_name("until")
    good.write_bytes(path.read_bytes()[:position])
    assert counts(scan_files([good])) == {("b919", "wp_posts", "I"): 919}


def test_many_small_deletes_are_judged_per_transaction_and_table(server):
    path = rotated(server)
    server.script(
        "CREATE DATABASE bsum; USE bsum; CREATE TABLE a (id INT PRIMARY KEY); CREATE TABLE b (id INT PRIMARY KEY);"
        "INSERT INTO a SELECT seq FROM seq_1_to_200; INSERT INTO b SELECT seq FROM seq_1_to_200;"
        "BEGIN; DELETE FROM a WHERE id < 40; DELETE FROM b WHERE id < 40; DELETE FROM a WHERE id < 51; COMMIT;"
        "BEGIN; UPDATE b SET id = id + 1000 WHERE id < 89; COMMIT;"
        "BEGIN; UPDATE b SET id = id + 2000 WHERE id BETWEEN 89 AND 138; COMMIT; INSERT INTO a SELECT seq + 9000 "
        "FROM seq_1_to_999;"
    )
    reading = scan_files([path])
    assert [b for b in blows(reading, "bsum") if b[2]] == [("mass_delete", "a", 50), ("mass_update", "b", 50)]
    assert of(reading, "bsum")[3].digest == "DELETE FROM a WHERE id < ?"


def test_a_drop_from_another_default_database_is_found_where_it_hurts(server):
    path = rotated(server)
    server.script(
        "CREATE DATABASE hit; CREATE DATABASE bystander; USE bystander;"
        "CREATE TABLE hit.shop_products (id INT); CREATE TABLE hit.`it's, a ``name` (id INT);"
        "CREATE TABLE mine (id INT); CREATE VIEW hit.v AS SELECT 1;"
        "DROP TABLE hit.shop_products, /* and */ `hit`.`it's, a ``name`, mine; DROP VIEW hit.v;"
        "CREATE TABLE hit.again (id INT); TRUNCATE hit.again; RENAME TABLE hit.again TO bystander.moved;"
        "ALTER TABLE bystander.moved ADD x INT, RENAME TO hit.back; DROP DATABASE hit;"
    )
    reading = scan_files([path])
    assert definitions(reading, "hit") == [
        ("create", ""),
        ("create", "shop_products"),
        ("create", "it's, a `name"),
        ("other_ddl", "v"),
        ("drop_table", "shop_products"),
        ("drop_table", "it's, a `name"),
        ("other_ddl", "v"),
        ("create", "again"),
        ("truncate", "again"),
        ("rename", "again"),
        ("rename", "back"),
        ("drop_database", ""),
    ]
    assert definitions(reading, "bystander") == [
        ("create", ""),
        ("create", "mine"),
        ("drop_table", "mine"),
        ("rename", "moved"),
        ("rename", "moved"),
        ("alter", "moved"),
    ]


def test_an_exchange_with_a_schema_of_ours_is_seen_on_the_customers_side_only(server):
    path = rotated(server)
    server.script(
        "CREATE DATABASE rk_hold_7; CREATE DATABASE rk_undo_7; CREATE DATABASE swapped; CREATE TABLE swapped.t (a INT);"
        "CREATE TABLE rk_hold_7.t (a INT); INSERT INTO rk_hold_7.t VALUES (1);"
        "RENAME TABLE swapped.t TO rk_undo_7.t, rk_hold_7.t TO swapped.t; DROP DATABASE rk_undo_7;"
    )
    reading = scan_files([path])
    assert [changes.database for changes in reading.changes] == ["swapped"]
    assert definitions(reading, "swapped")[2:] == [("rename", "t"), ("rename", "t")]


def test_an_alter_in_two_phases_is_one_blow(server):
    path = rotated(server)
    server.script(
        "CREATE DATABASE phases; CREATE TABLE phases.t (id INT); INSERT INTO phases.t VALUES (1), (1);"
        "SET binlog_alter_two_phase=1; ALTER TABLE phases.t ADD c INT;"
    )
    with pytest.raises(AssertionError, match="Duplicate"):
        server.script("SET binlog_alter_two_phase=1; ALTER TABLE phases.t ADD UNIQUE (id);")
    assert definitions(scan_files([path]), "phases")[2:] == [("alter", "t")]


def test_statements_without_rows_are_marked_unknown(server, tmp_path):
    (tmp_path / "in").write_text("77\n")
    path = rotated(server)
    server.script(
        "CREATE DATABASE mixed; USE mixed; CREATE TABLE p (id INT, c TEXT); SET binlog_format=STATEMENT, "
        "TIMESTAMP=1232614333; INSERT INTO p VALUES (1, 'canary-7f'); UPDATE p SET c='x WHERE y'; "
        "UPDATE p SET c='\\' WHERE' WHERE id = 5; DELETE FROM p WHERE 1; UPDATE p a JOIN p b SET a.c=1;"
        "SET TIMESTAMP=1232614393; REPLACE INTO p VALUES (2,'');"
        f"LOAD DATA LOCAL INFILE '{tmp_path / 'in'}' INTO TABLE p (id);"
        "SET TIMESTAMP=1232614453; SET STATEMENT max_statement_time=9 FOR DELETE FROM p LIMIT 1;"
        "ANALYZE DELETE FROM p WHERE id=7; DELETE p FROM p JOIN p b; DELETE FROM p;"
    )
    reading = scan_files([path])
    (changes,) = reading.changes
    minute = 1232614320
    found = {(t.start - minute, t.table, t.op): (t.rows, t.statements) for t in changes.tallies}
    assert found == {
        (0, "p", "I"): (None, 1),
        (0, "p", "U"): (None, 2),
        (0, "p", "D"): (None, 1),
        (0, "", "U"): (None, 1),
        (60, "p", "I"): (None, 2),
        (120, "p", "D"): (None, 3),
        (120, "", "D"): (None, 1),
    }
    masses = [(b.kind, b.table, b.digest) for b in changes.blows if b.kind.startswith("mass")]
    assert masses == [
        ("mass_update", "p", "UPDATE p SET c=?"),
        ("mass_delete", "p", "DELETE FROM p WHERE ?"),
        ("mass_delete", "p", "DELETE FROM p"),
    ]
    assert [s.coverage for s in reading.stretches] == ["statements"]
    assert "canary" not in reading.model_dump_json()


def test_what_may_have_been_taken_back_has_no_number(server):
    path = rotated(server)
    server.script(
        "CREATE DATABASE back; USE back; CREATE TABLE i (id INT PRIMARY KEY); CREATE TABLE m (id INT) ENGINE=MyISAM;"
        "BEGIN; INSERT INTO i VALUES (1); ROLLBACK;"  # leaves no trace
        "SET TIMESTAMP=1232614333; BEGIN; INSERT INTO i VALUES (2); SAVEPOINT a; INSERT INTO i VALUES (3);"
        "ROLLBACK TO a; COMMIT;"
        "XA START 'x'; INSERT INTO i SELECT seq + 100 FROM seq_1_to_60; XA END 'x'; XA PREPARE 'x'; XA ROLLBACK 'x';"
        "SET TIMESTAMP=1232614393; XA START 'y'; INSERT INTO i VALUES (7); XA END 'y'; XA COMMIT 'y' ONE PHASE;"
    )
    reading = scan_files([path])
    (changes,) = reading.changes
    assert [(t.table, t.op, t.rows) for t in changes.tallies] == [("i", "I", None), ("i", "I", 1)]
    assert [s.coverage for s in reading.stretches] == ["statements"]


def test_a_rolled_back_transaction_with_tables_that_cannot_roll_back(server):
    path = rotated(server)
    server.script(
        "CREATE DATABASE half; USE half; CREATE TABLE i (id INT PRIMARY KEY); CREATE TABLE m (id INT) ENGINE=MyISAM;"
        "SET binlog_format=STATEMENT; BEGIN; INSERT INTO i VALUES (2); INSERT INTO m VALUES (2); ROLLBACK;"
    )
    reading = scan_files([path])
    (changes,) = reading.changes
    assert {t.rows for t in changes.tallies} == {None}
    assert "m" in {t.table for t in changes.tallies}


def test_compressed_statements_are_read(server):
    path = rotated(server)
    server.script("SET GLOBAL log_bin_compress=ON, log_bin_compress_min_len=10")
    columns = ", ".join(f"column_{n} VARCHAR(20) COMMENT 'canary-7f'" for n in range(30))
    server.script(f"CREATE DATABASE packed; CREATE TABLE packed.t ({columns}); DROP TABLE packed.t")
    server.script("SET GLOBAL log_bin_compress=OFF")
    reading = scan_files([path])
    assert definitions(reading, "packed") == [("create", ""), ("create", "t"), ("drop_table", "t")]
    assert b"column_17" not in path.read_bytes()
    assert "canary" not in reading.model_dump_json()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DROP TABLE IF EXISTS a, `b`.c RESTRICT", [("d", "a", "drop_table"), ("b", "c", "drop_table")]),
        ("DROP /*!40005 TEMPORARY */ TABLE IF EXISTS `a`", []),
        ("drop schema if exists `x`", [("x", "", "drop_database")]),
        ("CREATE OR REPLACE TABLE a.b (id INT)", [("a", "b", "drop_table"), ("a", "b", "create")]),
        ("CREATE TEMPORARY TABLE a (id INT)", []),
        ("CREATE TABLE IF NOT EXISTS a LIKE b.c", [("d", "a", "create")]),
        ("ALTER TABLE a DROP PARTITION p1", [("d", "a", "truncate")]),
        ("ALTER TABLE a DROP COLUMN p1", [("d", "a", "alter")]),
        ("ALTER TABLE a RENAME COLUMN x TO y, RENAME INDEX i TO j", [("d", "a", "alter")]),
        ("ALTER DATABASE CHARACTER SET utf8mb4", [("d", "", "alter")]),
        (
            "CREATE DEFINER=`a`@`b` TRIGGER x.tr AFTER DELETE ON x.t FOR EACH ROW DELETE FROM y",
            [("x", "tr", "other_ddl")],
        ),
        ("CREATE UNIQUE INDEX i USING BTREE ON x.t (a)", [("x", "t", "other_ddl")]),
        ("RENAME TABLE a TO x.b, c TO e", [(*n, "rename") for n in (("d", "a"), ("x", "b"), ("d", "c"), ("d", "e"))]),
        ("GRANT ALL ON *.* TO x", []),
        ("SET sql_mode = ''", []),
        ("ANALYZE TABLE t", []),
        ("SET STATEMENT lock_wait_timeout=1 FOR DROP TABLE x.t", [("x", "t", "drop_table")]),
        ("CREATE USER x IDENTIFIED BY 'DROP TABLE a'", []),
        ("DROP USER view", []),
        ("TRUNCATE TABLE `a b`", [("d", "a b", "truncate")]),
        ("/* DROP TABLE x */ # DROP TABLE y\n-- DROP TABLE z\nTRUNCATE t", [("d", "t", "truncate")]),
        ('DROP TABLE "a"', [("d", "a", "drop_table")]),
    ],
)
def test_definitions(text, expected):
    found = deeds(text.encode(), "d", Mode(escapes=True, ansi=True))
    assert found == [Deed(database, table, kind=kind) for database, table, kind in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("INSERT INTO x.t VALUES ('a')", Deed("x", "t", "I")),
        ("INSERT IGNORE t SET a = 1", Deed("d", "t", "I")),
        ("UPDATE t SET a = 'x WHERE'", Deed("d", "t", "U", "mass_update")),
        ("UPDATE t AS x SET x.a = 1 -- WHERE", Deed("d", "t", "U", "mass_update")),
        ("UPDATE t SET a = 1 WHERE 1 = 1", Deed("d", "t", "U", "mass_update")),
        ("UPDATE t SET a = 1 WHERE 0", Deed("d", "t", "U")),
        ("UPDATE t SET `where` = 1", Deed("d", "t", "U", "mass_update")),
        ("UPDATE t, u SET t.a = 1", Deed("d", "", "U")),
        ("UPDATE t SET a = 'unfinished", Deed("d", "t", "U")),
        ("DELETE QUICK FROM x.t", Deed("x", "t", "D", "mass_delete")),
        ("DELETE FROM t ORDER BY a LIMIT 5", Deed("d", "t", "D")),
        ("DELETE x.t FROM x.t JOIN u", Deed("x", "", "D")),
        ("DELETE FROM t.* USING t JOIN u", Deed("d", "", "D")),
        ("SELECT `d`.`f`()", Deed("d", "", "?")),
        ("SET STATEMENT max_statement_time=9 FOR DELETE FROM x.t", Deed("x", "t", "D", "mass_delete")),
        ("ANALYZE FORMAT=JSON DELETE FROM t WHERE a", Deed("d", "t", "D")),
        ("/*" + "x" * 9999 + "*/ UPDATE t SET a = 1", Deed("d", "t", "U", "mass_update")),
        ("UPDATE t SET a = 1 WHERE 1 " + " " * 99999 + "AND b", Deed("d", "t", "U")),
        ("UPDATE t SET a = '" + "x" * 99999 + "'", Deed("d", "t", "U")),
        ("NEWVERB t", Deed("d", "", "?")),
    ],
)
def test_statements(text, expected):
    assert deeds(text.encode(), "d", Mode(escapes=True)) == [expected]


CANARIES = [
    "SELECT 'canary'",
    'SELECT "canary"',
    "SELECT 'it''s canary'",
    r"SELECT 'it\'s canary'",
    r"SELECT 'a\' canary 'b'",
    r'SELECT "a\" canary "b"',
    "SELECT 'a' 'canary'",
    "SELECT 'canary",
    "SELECT 1 -- canary",
    "SELECT 1 # canary\n+ 1",
    "SELECT 1 /* canary */",
    "SELECT 1 /* canary",
    "SELECT 2*/* canary */3",
    "SELECT /*! 'canary' */ 1",
    "SELECT /*!50000 '*/ canary */ 'x'",
    "SELECT _utf8'canary', N'canary', x'63616e617279', 0x63616e617279",
    "SELECT `a'b`, 'canary', `c'd`",
]


PIECES = [
    *(
        "'",
        '"',
        "`",
        "\\",
        "/*",
        "*/",
        "/*!50000 ",
        "--",
        "-- ",
        "#",
        "\n",
        ";",
        ".",
        ",",
        "(",
        ")",
        "=",
        "1",
        "0x",
        "\xff",
    ),
    *(" UPDATE ", " DELETE ", " FROM ", " SET ", " WHERE ", " TABLE ", " DROP ", " ALTER ", " RENAME ", " TO ", " t "),
]


def test_no_text_is_too_strange():
    dice = random.Random(11)
    for _ in range(3000):
        text = "".join(dice.choices(PIECES, k=dice.randrange(1, 30))).encode("latin-1")
        mode = Mode(dice.choice((None, True, False)), dice.random() < 0.5)
        assert isinstance(deeds(text, "d", mode), list)
        assert len(digest(text, mode)) <= 500


@pytest.mark.parametrize("piece", [p.encode("latin-1") for p in PIECES])
def test_no_text_takes_long(piece):
    """A minute of somebody else's history must not cost an hour of ours."""
    for verb in (b"UPDATE t SET a=1 WHERE 1 ", b"DROP TABLE ", b"ALTER TABLE t "):
        text = verb + piece * (20000 // len(piece))
        began = time.process_time()
        deeds(text, "d", Mode(escapes=True))
        digest(text)
        assert time.process_time() - began < 1


MODES = [
    (text, escapes) for text in CANARIES for escapes in (None, True, False) if escapes is not False or "\\" not in text
]


@pytest.mark.parametrize(("text", "escapes"), MODES)
def test_no_literal_survives_in_a_digest(text, escapes):
    found = digest(text.encode(), Mode(escapes))
    assert "canary" not in found
    assert "63616e617279" not in found
    assert found.startswith("SELECT")


def test_a_digest_is_readable_and_bounded():
    text = "UPDATE  wp_2_posts p\nSET p.a=1,b = -2.5e3, c='x'  WHERE id IN (1, 2,3 , 4) AND t.`x y`>=.5"
    assert digest(text.encode()) == "UPDATE wp_2_posts p SET p.a=?,b = -?, c=? WHERE id IN (?, …) AND t.`x y`>=.?"
    assert len(digest(b"SELECT " + b"a, " * 9999)) == 500

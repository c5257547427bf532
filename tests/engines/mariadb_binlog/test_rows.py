"""Rows are counted exactly, for every type and image, and from nothing but the frames of row events."""

import random
import uuid

import pytest
from servers.binlog import counts, newest, rotated, tool_counts

from restorekit.engines.mariadb.binlog import scan_files
from restorekit.engines.mariadb.connect import quoted

TYPES = {
    "a": "TINYINT UNSIGNED",
    "b": "SMALLINT",
    "c": "MEDIUMINT",
    "d": "BIGINT UNSIGNED",
    "e": "FLOAT",
    "f": "DOUBLE",
    "g": "DECIMAL(30,11)",
    "h": "DECIMAL(9,0)",
    "i": "DATE",
    "j": "TIME(3)",
    "k": "DATETIME(6)",
    "l": "TIMESTAMP(6) NULL",
    "m": "YEAR",
    "n": "CHAR(20)",
    "o": "CHAR(200) CHARACTER SET utf8mb4",
    "p": "VARCHAR(60) CHARACTER SET latin1",
    "q": "VARCHAR(3000)",
    "r": "TINYTEXT",
    "s": "TEXT",
    "t": "MEDIUMBLOB",
    "u": "LONGTEXT",
    "v": "ENUM('x','y','it''s')",
    "w": "SET('a','b','c','d','e','f','g','h','i','j')",
    "x": "BIT(11)",
    "y": "JSON",
    "z": "UUID",
    "aa": "INET6",
    "bb": "BINARY(16)",
    "cc": "VARBINARY(300)",
    "dd": "POINT",
    "ee": "VARCHAR(500) COMPRESSED",
    "ff": "TEXT COMPRESSED",
    "gg": "BOOLEAN",
    "hh": "INT",
    "ii": "BIT(8)",
    "jj": "DATETIME",
    "kk": "INET4",
}


def value(name: str, dice: random.Random) -> str:
    if dice.random() < 0.2:
        return "NULL"
    text = "'" + "".join(dice.choices("abcdefghij ÄÖ€", k=dice.choice((0, 1, 19)))) + "'"
    long = f"REPEAT('ü{dice.random()}', {dice.choice((0, 3, 12))})"
    exact = {
        "i": "'2009-01-17'",
        "j": "'16:41:37.123'",
        "k": "'2009-01-17 16:41:37.123456'",
        "l": "'2009-01-17 16:41:37.123456'",
        "jj": "'2009-01-17 16:41:37'",
        "m": "2009",
        "n": text,
        "o": text,
        "p": "'caf\u00e9'",
        "q": long,
        "r": text,
        "s": long,
        "t": f"REPEAT('x', {dice.choice((0, 255, 256, 70000))})",
        "u": long,
        "v": "'it''s'",
        "w": "'a,c,j'",
        "x": "b'10110111011'",
        "y": """'{"a": [1, 2]}'""",
        "z": f"'{uuid.UUID(int=dice.getrandbits(128), version=4)}'",
        "aa": "'2001:db8::ff00:42:8329'",
        "bb": "UNHEX('00ff')",
        "cc": "REPEAT('y', 290)",
        "dd": "POINT(1, 2)",
        "ee": "REPEAT('z', 400)",
        "ff": "REPEAT('z', 900)",
        "kk": "'10.1.2.3'",
    }
    return exact.get(name, str(dice.randrange(1, 100)))


def traffic(schema: str, seed: int) -> str:
    """Inserts, updates and deletes on a table of all types, on one of a single column, and with a trigger."""
    dice = random.Random(seed)
    s = quoted(schema)
    columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    lines = [f"CREATE DATABASE {s}; USE {s}", f"CREATE TABLE {s}.every (id INT PRIMARY KEY AUTO_INCREMENT, {columns})"]
    lines += [f"CREATE TABLE {s}.few (id INT PRIMARY KEY, name VARCHAR(40))", f"CREATE TABLE {s}.log (what INT)"]
    lines += [f"CREATE TRIGGER {s}.tr AFTER DELETE ON {s}.few FOR EACH ROW INSERT INTO {s}.log VALUES (OLD.id)"]
    for _ in range(20):
        row = ", ".join(value(name, dice) for name in TYPES)
        lines.append(f"INSERT INTO {s}.every ({', '.join(TYPES)}) VALUES ({row}), ({row})")
    for name in TYPES:
        lines.append(f"UPDATE {s}.every SET {name} = {value(name, dice)} WHERE id % 3 = 1")
    lines += [f"INSERT INTO {s}.few SELECT seq, MD5(seq) FROM seq_1_to_700", "BEGIN"]
    lines += [f"UPDATE {s}.few SET name = '' WHERE id % 7 = 1", f"DELETE FROM {s}.few WHERE id % 5 = 1", "COMMIT"]
    lines += [f"REPLACE INTO {s}.few VALUES (1, 'x'), (2, 'y'), (9999, 'z')", f"DELETE FROM {s}.every WHERE id > 9"]
    return "SET NAMES utf8mb4; " + ";\n".join(lines) + ";"


@pytest.mark.parametrize("compress", ["OFF", "ON"])
@pytest.mark.parametrize("image", ["FULL", "MINIMAL", "NOBLOB"])
def test_every_type_image_and_compression_counts_like_the_servers_own_tool(server, image, compress):
    schema = f"rows_{image}_{compress}".lower()
    path = rotated(server)
    settings = f"SET GLOBAL log_bin_compress={compress}, log_bin_compress_min_len=10; SET binlog_row_image={image};"
    server.script(settings + traffic(schema, seed=1))
    server.script("SET GLOBAL log_bin_compress=OFF")
    reading = scan_files([path])
    assert counts(reading) == tool_counts([path])
    assert sum(counts(reading).values()) > 1000
    assert (reading.problems, [s.coverage for s in reading.stretches]) == ((), ["rows"])


def test_statements_are_statements(server):
    path = rotated(server)
    server.script(
        "CREATE DATABASE stmts; USE stmts; CREATE TABLE stmts.t (id INT PRIMARY KEY, pad CHAR(250));"
        "CREATE TABLE stmts.log (n INT);"
        "CREATE TRIGGER stmts.tr AFTER UPDATE ON stmts.t FOR EACH ROW INSERT INTO stmts.log VALUES (1);"
        "INSERT INTO stmts.t SELECT seq, '' FROM seq_1_to_3000;"  # hundreds of kilobytes, many events
        "SET TIMESTAMP=1232206897;"
        "BEGIN; UPDATE stmts.t SET pad='a' WHERE id<4; UPDATE stmts.t SET pad='b' WHERE id=9; COMMIT;"
    )
    (changes,) = scan_files([path]).changes
    found = {(t.table, t.op): (t.rows, t.statements) for t in changes.tallies}
    assert found == {("t", "I"): (3000, 1), ("t", "U"): (4, 2), ("log", "I"): (4, 2)}
    minutes = {t.start for t in changes.tallies if t.op == "U"}
    assert minutes == {1232206860}


def test_text_that_looks_like_rows_adds_none(server):
    path = rotated(server)
    spoof = "\n### DELETE FROM `spoof`.`posts`\n### WHERE\n###   @1=1\n"
    server.script(
        f"CREATE DATABASE spoof; CREATE TABLE spoof.posts (id INT PRIMARY KEY, body TEXT COMMENT '{spoof}');"
        f"INSERT INTO spoof.posts VALUES (1, '{spoof}'); UPDATE spoof.posts SET body='x' /*{spoof}*/ WHERE id=1;"
        f"SET binlog_format=STATEMENT, TIMESTAMP=1232206897; INSERT INTO spoof.posts VALUES (2, '{spoof}');"
    )
    reading = scan_files([path])
    assert counts(reading) == {("spoof", "posts", "I"): 1, ("spoof", "posts", "U"): 1}
    assert tool_counts([path]).get(("spoof", "posts", "D"), 0) > 0  # what counting its text would say


def test_systems_and_our_own_schemas_are_left_out(server):
    path = rotated(server)
    server.script(
        "CREATE DATABASE _restorekit; CREATE TABLE _restorekit.m (id INT); INSERT INTO _restorekit.m VALUES (1);"
        "CREATE DATABASE rk_hold_1; CREATE TABLE rk_hold_1.m (id INT); INSERT INTO rk_hold_1.m VALUES (1);"
        "CREATE USER somebody IDENTIFIED BY 'secret'; INSERT INTO mysql.help_topic VALUES (9999,'a',1,'b','c','d');"
        "CREATE DATABASE mine; CREATE TABLE mine.m (id INT); INSERT INTO mine.m VALUES (1);"
        "DROP DATABASE _restorekit; DROP DATABASE rk_hold_1;"
    )
    reading = scan_files([path])
    assert [changes.database for changes in reading.changes] == ["mine"]
    assert "secret" not in reading.model_dump_json()


def test_an_insert_without_columns_is_a_row(server):
    path = rotated(server)
    server.script(
        "CREATE DATABASE nothing; CREATE TABLE nothing.t (a INT DEFAULT 5);"
        "SET binlog_row_image=MINIMAL; INSERT INTO nothing.t () VALUES ();"
    )
    assert counts(scan_files([path])) == {("nothing", "t", "I"): 1}


def test_what_the_log_does_not_describe_is_unknown_and_not_guessed(server):
    """In the format before the present one a log does not say how long a TIME(6) is; the server's tool gives up."""
    path = rotated(server)
    server.script(
        "SET GLOBAL mysql56_temporal_format=OFF; CREATE DATABASE oldies; USE oldies;"
        "CREATE TABLE t (id INT, at TIME(6)); SET GLOBAL mysql56_temporal_format=ON; CREATE TABLE u (id INT);"
        "INSERT INTO t SELECT seq, NOW(6) FROM seq_1_to_8; INSERT INTO u VALUES (1);"
    )
    reading = scan_files([path])
    (changes,) = reading.changes
    assert [(t.table, t.rows) for t in changes.tallies] == [("t", None), ("u", 1)]
    assert reading.problems == (f"{path.name}: rows of oldies.t changed, and cannot be counted",)
    assert [s.coverage for s in reading.stretches] == ["statements"]


def test_a_cascade_is_not_in_the_log_so_no_proof_may_rest_on_it(server):
    path = rotated(server)
    server.script(
        "CREATE DATABASE cascading; USE cascading; CREATE TABLE p (id INT PRIMARY KEY);"
        "CREATE TABLE c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE);"
        "INSERT INTO p VALUES (1); INSERT INTO c SELECT seq, 1 FROM seq_1_to_200; DELETE FROM p;"
    )
    assert server.one("SELECT COUNT(*) FROM cascading.c") == 0
    found = counts(scan_files([path]))
    assert found == {("cascading", "p", "I"): 1, ("cascading", "c", "I"): 200, ("cascading", "p", "D"): 1}


def test_the_newest_file_of_a_running_server_can_be_read(server):
    server.script("CREATE DATABASE IF NOT EXISTS running; CREATE OR REPLACE TABLE running.t (id INT)")
    server.script("INSERT INTO running.t VALUES (1)")
    assert counts(scan_files([newest(server)]))["running", "t", "I"] >= 1

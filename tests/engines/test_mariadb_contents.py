"""Fingerprints see every change and nothing else; contents are of one moment."""

import contextlib
import hashlib
import struct
import threading
import zlib
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers.mariadb import LiveServer
from servers.mariadb_live import live_on

from restorekit.engines.mariadb import server as server_facts
from restorekit.engines.mariadb.contents import contents, table_sums
from restorekit.engines.mariadb.definitions import grants
from restorekit.engines.mariadb.fingerprint import fingerprint, sums
from restorekit.engines.mariadb.ranges import parts
from restorekit.engines.mariadb.tables import schema_hash, tables
from restorekit.errors import EngineUnavailable, RestorekitError, UnknownName
from restorekit.model.database import Where

WEIRD = [None, "", "#", "a", "1#a", "N", "0", "N#N", "#1#", "a'b", "\\", "😀", "ä", "A", " ", "a "]
TEXTS = st.sampled_from(WEIRD)
FLOATS = st.sampled_from([None, 0.0, -0.0, 1.2345678, 1.2345679, 1e-30, 3.4e38, 16777217.0])
ROWS = st.lists(st.tuples(TEXTS, TEXTS, st.sampled_from([None, 0, 1, -1, 2**31 - 1]), FLOATS), min_size=1, max_size=8)
BOUNDED = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def server():
    with LiveServer.running(log_bin=True, args=("--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0")) as running:
        running.script("CREATE DATABASE p; CREATE DATABASE q")
        # names that an alias of ours might bear; the order of columns differs
        running.script(
            "CREATE TABLE p.t (rk_chunk TEXT, `a``b` VARCHAR(20) CHARACTER SET utf8mb4, rk_row INT, f FLOAT);"
            "CREATE TABLE q.t (f FLOAT, rk_row INT, `a``b` VARCHAR(20) CHARACTER SET utf16, rk_chunk TEXT)"
        )
        yield running


def summed(session, schema, rows):
    """The fingerprint of these rows in `schema.t`; the table is empty again afterwards."""
    (table,) = tables(session, schema, frozenset({"t"}))
    session.begin()
    with session.cursor() as cursor:
        sql = f"INSERT INTO {schema}.t (rk_chunk, `a``b`, rk_row, f) VALUES (%s,%s,%s,%s)"
        cursor.executemany(sql, rows)
        cursor.execute(f"SELECT {sums(table.stored)} FROM {table.full}")
        answer = cursor.fetchall()[0]
    session.rollback()
    return fingerprint(answer)


@pytest.fixture(scope="module")
def session(server):
    with live_on(server).connect() as connection:
        yield connection


def exact(rows):
    """What the server keeps of these rows: FLOAT has 32 bits."""
    return Counter((*row[:3], None if row[3] is None else struct.pack("f", row[3])) for row in rows)


@given(rows=ROWS, others=ROWS, seed=st.randoms(use_true_random=False))
@BOUNDED
def test_a_fingerprint_is_that_of_the_bag_of_rows(session, rows, others, seed):
    shuffled = list(rows)
    seed.shuffle(shuffled)
    assert summed(session, "p", rows) == summed(session, "q", shuffled)
    assert (summed(session, "p", rows) == summed(session, "p", others)) == (exact(rows) == exact(others))


@given(rows=ROWS, old=TEXTS, new=TEXTS, pairs=st.integers(1, 3))
@BOUNDED
def test_the_same_change_on_an_even_number_of_rows_is_seen(session, rows, old, new, pairs):
    before = rows + [(old, "x", n, 1.5) for n in range(2 * pairs)]
    after = rows + [(new, "x", n, 1.5) for n in range(2 * pairs)]
    assert (summed(session, "p", before) == summed(session, "p", after)) == (old == new)


@given(rows=ROWS, one=TEXTS, two=TEXTS)
@BOUNDED
def test_values_swapped_between_rows_or_columns_are_seen(session, rows, one, two):
    base = [*rows, (one, "l", 1, None), (two, "r", 2, None)]
    swapped = [*rows, (two, "l", 1, None), (one, "r", 2, None)]
    assert (summed(session, "p", base) == summed(session, "p", swapped)) == (one == two)
    assert (summed(session, "p", [(one, two, 1, None)]) == summed(session, "p", [(two, one, 1, None)])) == (one == two)


@given(rows=ROWS, row=st.tuples(TEXTS, TEXTS, st.just(7), FLOATS))
@BOUNDED
def test_pairs_of_equal_rows_do_not_cancel(session, rows, row):
    assert summed(session, "p", rows) != summed(session, "p", [*rows, row, row])
    assert summed(session, "p", [*rows, row, row]).rows == len(rows) + 2


def crc32c(data):
    """Castagnoli's, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_the_algorithm_is_pinned(session):
    """Manifests outlive releases: these are the bytes that are hashed, whatever the code looks like."""
    texts = ("2#ä#1.5#3#x#y#12", "N#N#N#N")  # by name: a`b, f, rk_chunk, rk_row; lengths in bytes
    digests = [hashlib.md5(t.encode(), usedforsecurity=False).hexdigest().encode() for t in texts]
    wanted = str(sum(zlib.crc32(d) << 32 | crc32c(d) for d in digests))
    found = summed(session, "p", [("x#y", "ä", 12, 1.5), (None, None, None, None)])
    assert (found.algorithm, found.rows, found.value) == ("mariadb-md5crc64-v1", 2, wanted)


TYPES = {
    "FLOAT": ("1.2345678", "1.2345679"),
    "DOUBLE": ("0.1", "0.10000000000000002"),
    "DOUBLE(20,2)": ("1.50", "1.51"),
    "FLOAT(9,2)": ("1.50", "1.51"),
    "DECIMAL(30,10)": ("1.0000000001", "1.0000000002"),
    "BIT(64)": ("0xFFFFFFFFFFFFFFFF", "0xFFFFFFFFFFFFFFFE"),
    "BINARY(4)": ("'a'", "0x61002000"),
    "BLOB": ("0xFF", "0xFE"),
    "GEOMETRY": ("POINT(1,2)", "POINT(1,3)"),
    "POINT": ("ST_GeomFromText('POINT(1 2)', 4326)", "ST_GeomFromText('POINT(1 2)', 0)"),
    "JSON": ("'{\"a\":1}'", "'{\"a\": 1}'"),
    "ENUM('a','b')": ("'a'", "'b'"),
    "SET('a','b')": ("'a'", "'a,b'"),
    "TIMESTAMP(3) NULL": ("'2026-10-25 00:30:00.001'", "'2026-10-25 00:30:00.002'"),
    "DATETIME": ("'0000-00-00'", "'0001-01-01'"),
    "TIME(2)": ("'-00:00:00.50'", "'00:00:00.50'"),
    "YEAR": ("1999", "2000"),
    "INT ZEROFILL": ("5", "50"),
    "UUID": ("'123e4567-e89b-12d3-a456-426655440000'", "'123e4567-e89b-12d3-a456-426655440001'"),
    "INET6": ("'::1'", "'::2'"),
    "VARCHAR(9) CHARACTER SET latin1": ("'ä'", "'ö'"),
    "VARCHAR(9) CHARACTER SET utf16": ("'😀'", "'😁'"),
    "CHAR(9) COLLATE utf8mb4_general_ci": ("'a'", "'A'"),
    "TEXT COMPRESSED": ("REPEAT('a',2000)", "CONCAT(REPEAT('a',1999),'b')"),
    "LONGTEXT": ("REPEAT('a',99999)", "CONCAT(REPEAT('a',99998),'b')"),
    "INT INVISIBLE DEFAULT 7": ("1", "2"),
}


def test_every_type_shows_its_smallest_change(server, session):
    with session.cursor() as cursor:
        cursor.execute("CREATE DATABASE types")
        cursor.execute("SET SESSION sql_mode=''")
        for n, (kind, (one, two)) in enumerate(TYPES.items()):
            cursor.execute(f"CREATE TABLE types.t{n}a (id INT, v {kind})")
            cursor.execute(f"CREATE TABLE types.t{n}b LIKE types.t{n}a")
            cursor.execute(f"CREATE TABLE types.t{n}c LIKE types.t{n}a")
            # the same value comes back another way: the fingerprint must be that of the value
            cursor.execute(f"INSERT INTO types.t{n}a (id,v) VALUES (1,{one}),(2,NULL)")
            cursor.execute(f"INSERT INTO types.t{n}b (id,v) SELECT id, v FROM types.t{n}a ORDER BY id DESC")
            cursor.execute(f"INSERT INTO types.t{n}c (id,v) VALUES (1,{two}),(2,NULL)")
    found = contents(live_on(server), Where(schema_name="types"))
    for n, kind in enumerate(TYPES):
        a, b, c = (found.table(f"t{n}{x}").fingerprint for x in "abc")
        assert a == b, kind
        assert a != c, kind


def test_a_row_larger_than_the_packet_limit_is_still_seen(small):
    """CONCAT_WS answers NULL above max_allowed_packet: such a row would drop out of the sum without a word."""
    small.script("CREATE DATABASE big; CREATE TABLE big.t (id INT, a LONGTEXT, b LONGTEXT)")
    small.script("INSERT INTO big.t VALUES (1,REPEAT('x',900000),'')")
    small.script("UPDATE big.t SET b=REPEAT('y',900000)")
    before = contents(live_on(small), Where(schema_name="big")).tables[0].fingerprint
    small.script("UPDATE big.t SET b=CONCAT(LEFT(b,899999),'z')")
    assert contents(live_on(small), Where(schema_name="big")).tables[0].fingerprint != before


@pytest.mark.parametrize("large", [1, 2, 3])
def test_a_row_too_large_to_be_read_is_an_error(small, large):
    """Wherever it stands among the others: the value of the row before must not stand for it."""
    with small.connect() as session, live_on(small).connect() as ours:
        fetched(session, f"UPDATE wide.t SET {','.join(f'c{n}=0' for n in range(20))}")
        before = contents(live_on(small), Where(schema_name="wide")).tables[0].rows
        for n in range(20):
            fetched(session, f"UPDATE wide.t SET c{n}=REPEAT('x',60000) WHERE id={large}")
        assert before == 3
        with pytest.raises(RestorekitError, match="max_allowed_packet"):
            table_sums([ours], tables(session, "wide"))


@pytest.fixture(scope="module")
def small():
    with LiveServer.running(args=("--max-allowed-packet=1M",)) as running:
        columns = ",".join(f"c{n} MEDIUMTEXT NOT NULL DEFAULT ''" for n in range(20))
        running.script(f"CREATE DATABASE wide; CREATE TABLE wide.t (id INT PRIMARY KEY, {columns})")
        running.script("INSERT INTO wide.t (id) VALUES (1),(2),(3)")
        yield running


def test_a_fingerprint_does_not_hang_on_the_session(server, session):
    """A server in a lax mode believes some values to be never NULL, and counts them without looking."""
    server.script("CREATE OR REPLACE DATABASE lax; CREATE TABLE lax.t (id INT PRIMARY KEY, n INT NOT NULL)")
    server.script("INSERT INTO lax.t VALUES (1,1),(2,2),(3,3)")
    with live_on(server).connect() as ours, contextlib.closing(server.connect()) as other:
        found = tables(ours, "lax")
        wanted = table_sums([ours], found)
        for mode in ("", "NO_AUTO_VALUE_ON_ZERO", "TRADITIONAL"):
            fetched(other, f"SET SESSION sql_mode='{mode}'")
            assert table_sums([other], found) == wanted


def test_the_schema_hash_ignores_names_counters_and_order_of_keys_only():
    one = (
        "CREATE TABLE `t` (\n  `id` int(11) NOT NULL AUTO_INCREMENT,\n  `a` int(11) DEFAULT nextval(`shop`.`s`),\n"
        "  PRIMARY KEY (`id`),\n  KEY `x` (`a`),\n  CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `p` (`id`)\n"
        ") ENGINE=InnoDB AUTO_INCREMENT=17 DEFAULT CHARSET=utf8mb4 COMMENT='AUTO_INCREMENT=5'"
    )
    two = (
        "CREATE TABLE `t` (\n  `id` int(11) NOT NULL AUTO_INCREMENT,\n  `a` int(11) DEFAULT nextval(`new`.`s`),\n"
        "  CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `p` (`id`),\n  PRIMARY KEY (`id`),\n  KEY `x` (`a`)\n"
        ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='AUTO_INCREMENT=5'"
    )
    assert schema_hash(one, "shop") == schema_hash(two, "new")
    for change in (("int(11) DEFAULT", "int(10) DEFAULT"), ("InnoDB", "Aria"), ("=5'", "=6'"), ("KEY `x`", "KEY `y`")):
        assert schema_hash(one.replace(*change), "shop") != schema_hash(one, "shop"), change


def test_definitions_say_what_changed_and_ignore_the_schema_name(server):
    parts = (
        "CREATE TABLE {s}.p (id INT PRIMARY KEY, n INT, u INT NOT NULL, UNIQUE KEY (u)) ENGINE=InnoDB;"
        "CREATE TABLE {s}.c (id INT PRIMARY KEY AUTO_INCREMENT, p INT, g INT AS (p+1) STORED, KEY k (g),"
        " CONSTRAINT f FOREIGN KEY (p) REFERENCES {s}.p (id));"
        "CREATE TABLE {s}.m (u INT NOT NULL, n INT, UNIQUE KEY (n), UNIQUE KEY (u)) ENGINE=MyISAM;"
        "CREATE VIEW {s}.v AS SELECT id FROM {s}.p; CREATE DEFINER=nobody@nowhere VIEW {s}.w AS SELECT * FROM {s}.v;"
        "CREATE SEQUENCE {s}.sq START 5; CREATE FUNCTION {s}.f() RETURNS INT DETERMINISTIC RETURN 1;"
        "CREATE TRIGGER {s}.t1 BEFORE INSERT ON {s}.p FOR EACH ROW SET NEW.n=1;"
        "CREATE TRIGGER {s}.t2 BEFORE INSERT ON {s}.p FOR EACH ROW {order} SET NEW.n=2;"
        "CREATE EVENT {s}.e ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01' DISABLE DO SET @x=1;"
        "INSERT INTO {s}.c (p) VALUES (NULL),(NULL);"
    )
    for name, order in (("d1", ""), ("d2", ""), ("d3", "PRECEDES t1")):
        server.script(f"CREATE DATABASE {name};" + parts.replace("{s}", name).replace("{order}", order))
    server.script("DELETE FROM d2.c WHERE id=2; ALTER TABLE d2.c DROP KEY k, ADD KEY k (g); SELECT NEXTVAL(d2.sq)")
    live = live_on(server)
    one, two, three = (contents(live, Where(schema_name=s)) for s in ("d1", "d2", "d3"))
    assert {t.name: t.schema_hash for t in one.tables} == {t.name: t.schema_hash for t in two.tables}
    assert {(o.kind, o.name): o.hash for o in one.objects} == {(o.kind, o.name): o.hash for o in two.objects}
    kinds = [(o.kind, o.name) for o in one.objects]
    assert kinds == sorted(kinds)
    assert {k for k, _ in kinds} == {"view", "sequence", "function", "trigger", "event"}
    assert next(o for o in one.objects if o.name == "w").definer == "nobody@nowhere"
    assert [next(o.next_value for o in c.objects if o.kind == "sequence") for c in (one, two)] == [5, 1005]
    other = {o.name for a, o in zip(one.objects, three.objects, strict=True) if a.hash != o.hash}
    assert other == {"t1", "t2"}
    child, bag = one.table("c"), one.table("m")
    assert (child.key, child.references, child.next_id, child.rows) == (("id",), ("p",), 3, 2)
    assert (bag.key, bag.transactional, child.transactional) == (("u",), False, True)
    assert one.table("c").fingerprint != two.table("c").fingerprint


def test_history_counts_apart_from_the_rows_of_now(server):
    server.script("CREATE DATABASE h; CREATE TABLE h.v (id INT PRIMARY KEY, a INT) WITH SYSTEM VERSIONING")
    server.script("INSERT INTO h.v VALUES (1,1)")
    before = contents(live_on(server), Where(schema_name="h")).tables[0]
    server.script("UPDATE h.v SET a=2; UPDATE h.v SET a=1")
    after = contents(live_on(server), Where(schema_name="h")).tables[0]
    assert (before.fingerprint, before.key) == (after.fingerprint, ("id",))
    assert (before.history.rows, after.history.rows) == (1, 3)
    assert before.history != after.history


def test_only_the_named_tables_and_no_rows_without_fingerprints(server):
    server.script("CREATE DATABASE o; CREATE TABLE o.a (i INT); CREATE TABLE o.b (i INT); CREATE VIEW o.v AS SELECT 1")
    live, where = live_on(server), Where(schema_name="o")
    some = contents(live, where, frozenset({"b", "gone"}))
    assert ([t.name for t in some.tables], some.objects) == (["b"], ())
    bare = contents(live, where, fingerprints=False)
    assert [(t.rows, t.fingerprint) for t in bare.tables] == [(None, None)] * 2
    with pytest.raises(UnknownName, match="no database gone on db1"):
        contents(live, Where(schema_name="gone"))


@pytest.mark.parametrize("log_bin", [True, False])
def test_contents_are_of_one_moment_while_others_write(log_bin):
    """Each transaction changes both tables alike: in every true snapshot they are equal."""
    with LiveServer.running(log_bin=log_bin, args=("--sync-binlog=0", "--innodb-flush-log-at-trx-commit=0")) as busy:
        busy.script("CREATE DATABASE b; CREATE TABLE b.x (id INT PRIMARY KEY AUTO_INCREMENT, n INT)")
        # far enough apart that a table is shared by several sessions
        busy.script("CREATE TABLE b.y LIKE b.x; INSERT INTO b.x SELECT seq*100, seq FROM seq_1_to_3000", "b")
        busy.script("INSERT INTO b.y SELECT * FROM b.x")
        stop = threading.Event()

        def write():
            with contextlib.closing(busy.connect("b")) as connection, connection.cursor() as cursor:
                n = 0
                while not stop.is_set():
                    n += 1
                    connection.begin()
                    for table in "xy":
                        cursor.execute(f"UPDATE {table} SET n=n+1 WHERE id=%s", ((n % 3000 + 1) * 100,))
                    connection.commit()

        writer = threading.Thread(target=write)
        writer.start()
        try:
            live = live_on(busy)
            seen = [contents(live, Where(schema_name="b")) for _ in range(15)]
        finally:
            stop.set()
            writer.join()
        pairs = [[t.fingerprint for t in c.tables] for c in seen]
        assert all(x == y for x, y in pairs)
        assert len({x.value for x, _ in pairs}) > 5
        assert bool(seen[0].position) == log_bin


CUT = {
    "gaps": ("BIGINT", (-(2**63), -(2**62), -7, 0, 5, 10**12, 2**63 - 1)),
    "unsigned": ("BIGINT UNSIGNED", (0, 1, 2**63 - 1, 2**63, 2**64 - 1)),
    "negative": ("INT", (-900_000, -500_001, -500_000, -2)),
    "edges": ("MEDIUMINT", tuple(range(-80_000, 80_001, 20_000))),
    "rising": ("INT", (1, *range(10**9, 10**9 + 50))),
}


@pytest.mark.parametrize("case", CUT)
def test_a_table_summed_in_parts_is_the_table(server, session, case):
    kind, keys = CUT[case]
    server.script(f"CREATE OR REPLACE DATABASE parts; CREATE TABLE parts.t (`i``d` {kind} PRIMARY KEY, v TEXT)")
    server.script("INSERT INTO parts.t VALUES " + ",".join(f"({k},'{k}')" for k in keys))
    (table,) = tables(session, "parts")
    cut = parts(session, table, 16)
    assert 2 <= len(cut) <= 16
    assert sorted(i for part in cut for (i,) in fetched(session, f"SELECT `i``d` FROM {part}")) == list(keys)
    alone, shared = (contents(live_on(server, workers=n), Where(schema_name="parts")).tables for n in (1, 3))
    assert shared == alone
    assert shared[0].rows == len(keys)


def fetched(session, sql):
    with session.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


UNCUT = {
    "empty": "CREATE TABLE t (id INT PRIMARY KEY)",
    "small": "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1),(39999)",
    "text": "CREATE TABLE t (id VARCHAR(9) PRIMARY KEY, n INT); INSERT INTO t VALUES ('1',1),('9999999',2)",
    "second": "CREATE TABLE t (a CHAR(1), id INT, PRIMARY KEY (a,id)); INSERT INTO t VALUES ('a',1),('a',9999999)",
    "another key": "CREATE TABLE t (id INT NOT NULL, UNIQUE KEY (id)); INSERT INTO t VALUES (1),(9999999)",
    "torn": "CREATE TABLE t (id INT PRIMARY KEY) ENGINE=MyISAM; INSERT INTO t VALUES (1),(9999999)",
}


@pytest.mark.parametrize("case", UNCUT)
def test_what_cannot_be_cut_is_summed_at_once(server, session, case):
    """Rows of a table without transactions might move from one part to another between two statements."""
    server.script("CREATE OR REPLACE DATABASE uncut")
    server.script(UNCUT[case], "uncut")
    (table,) = tables(session, "uncut")
    assert parts(session, table, 16) == [table.full]
    alone, shared = (contents(live_on(server, workers=n), Where(schema_name="uncut")).tables for n in (1, 2))
    assert shared == alone


def test_parts_go_by_the_first_column_of_the_key(server, session):
    server.script("CREATE OR REPLACE DATABASE two; CREATE TABLE two.t (a INT, b INT, PRIMARY KEY (a,b))")
    server.script("INSERT INTO two.t SELECT seq % 7 * 10000, seq FROM seq_1_to_100", "two")
    (table,) = tables(session, "two")
    assert len(parts(session, table, 16)) == 3
    alone, shared = (contents(live_on(server, workers=n), Where(schema_name="two")).tables for n in (1, 2))
    assert shared == alone


def test_history_of_a_cut_table(server, session):
    server.script("CREATE OR REPLACE DATABASE hist; CREATE TABLE hist.t (id INT PRIMARY KEY) WITH SYSTEM VERSIONING")
    server.script("INSERT INTO hist.t VALUES (1),(9999999); UPDATE hist.t SET id=id+1")
    (table,) = tables(session, "hist")
    assert len(parts(session, table, 16)) == 16
    alone, shared = (contents(live_on(server, workers=n), Where(schema_name="hist")).tables for n in (1, 2))
    assert shared == alone
    assert (shared[0].rows, shared[0].history.rows) == (2, 4)


def test_parts_in_a_transaction_show_what_is_not_committed(server, session):
    """Whoever holds the gate may prove his own writes with several sessions before he commits them."""
    server.script("CREATE OR REPLACE DATABASE unc; CREATE TABLE unc.t (id INT PRIMARY KEY, n INT) ENGINE=InnoDB")
    server.script("INSERT INTO unc.t VALUES (1,1),(5000000,2),(9999999,3)")
    (table,) = tables(session, "unc")
    before = table_sums([session], [table])
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(contextlib.closing(server.connect("unc"))) for _ in range(2)]
        for other in others:
            fetched(other, "SET SESSION tx_isolation='READ-UNCOMMITTED'")
        session.begin()
        fetched(session, "UPDATE unc.t SET n=4 WHERE id=9999999")
        fetched(session, "INSERT INTO unc.t VALUES (10000000,5)")
        own = table_sums([session], [table])
        assert table_sums(others, [table]) == own != before
        session.rollback()
        assert table_sums(others, [table]) == before


def test_databases_are_those_of_customers(server):
    server.script("CREATE DATABASE rk_hold_abc; CREATE DATABASE _restorekit; CREATE DATABASE rk_shop")
    found = {d.database.name: d.tables for d in server_facts.databases(live_on(server))}
    assert found["p"] == 1
    assert "rk_shop" in found
    assert not found.keys() & {"rk_hold_abc", "_restorekit", "mysql", "information_schema"}


def test_settings_hold_for_a_schema_that_does_not_exist(server):
    server.script("CREATE DATABASE lat CHARACTER SET latin1 COLLATE latin1_german1_ci")
    live = live_on(server)
    assert server_facts.settings(live, "lat")["schema_collation"] == "latin1_german1_ci"
    unknown = server_facts.settings(live, "nowhere")
    assert unknown["schema_collation"] == unknown["collation_server"] == "utf8mb4_general_ci"
    assert unknown["time_zone"][0] in "+-"
    assert unknown["gtid_binlog_pos"]
    assert unknown["sql_mode"] == server.one("SELECT @@global.sql_mode")


def test_grants_are_shown_but_are_no_contents(server):
    server.script("CREATE DATABASE g; CREATE USER u; GRANT SELECT, INSERT ON g.* TO u; GRANT DELETE ON `_`.* TO u")
    with live_on(server).connect() as session:
        assert [g.name for g in grants(session, "g")] == ["'u'@'%'"]
    assert not contents(live_on(server), Where(schema_name="g")).objects


def test_a_stopped_server_is_said_to_be_unavailable(tmp_path):
    gone = LiveServer(folder=tmp_path)
    with pytest.raises(EngineUnavailable, match="cannot connect"):
        contents(live_on(gone), Where(schema_name="p"))

"""Every differing row is counted, with any kind of key and without one; values stay on their servers."""

import contextlib
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers.mariadb import QUICK, LiveServer
from servers.mariadb_lab import FAST
from servers.mariadb_live import Quiet, live_on

from restorekit.engines.mariadb import chunks
from restorekit.engines.mariadb.compare import compare
from restorekit.engines.mariadb.connect import quoted
from restorekit.engines.mariadb.contents import contents
from restorekit.engines.mariadb.delta import names
from restorekit.engines.mariadb.fingerprint import row_value
from restorekit.engines.mariadb.tables import tables
from restorekit.errors import Cancelled
from restorekit.model.database import Where


@pytest.fixture(scope="module")
def server():
    with LiveServer.running(args=(*FAST, *QUICK)) as running:
        yield running


@pytest.fixture
def schemas(server):
    """Two empty schemas, live and staging; both lie on one server, which makes no difference to the comparison."""
    server.script("DROP DATABASE IF EXISTS l; DROP DATABASE IF EXISTS s; CREATE DATABASE l; CREATE DATABASE s")
    return server


def differences(server, *names: str, most=10):
    live = live_on(server)
    return compare(live, Where(schema_name="s"), Where(schema_name="l"), names, most, Quiet())


def both(server, sql):
    """Run it for each side, `{s}` being the schema."""
    for schema in "ls":
        server.script(sql.replace("{s}", schema), schema)


KEYS = {
    "dense integers": ("id INT PRIMARY KEY", "n"),
    "negative and sparse integers": ("id BIGINT PRIMARY KEY", "(CAST(n AS SIGNED)-2000)*1000003"),
    "dense integers around zero": ("id INT PRIMARY KEY", "CAST(n AS SIGNED)-3000"),
    "large unsigned": ("id BIGINT UNSIGNED PRIMARY KEY", "18446744073709551615-n"),
    "text": ("id VARCHAR(40) CHARACTER SET latin1 PRIMARY KEY", "CONCAT('ü#',n)"),
    "binary": ("id VARBINARY(40) PRIMARY KEY", "UNHEX(MD5(n))"),
    "unique, no primary": ("id INT NOT NULL UNIQUE", "n"),
    "composite with names of ours": (
        "rk_chunk INT NOT NULL, rk_text DATETIME NOT NULL, id INT, PRIMARY KEY (rk_chunk, rk_text)",
        "n DIV 3, '2026-01-01' + INTERVAL n SECOND, n",
    ),
    "none": ("id INT", "n"),
    "nullable unique only": ("id INT UNIQUE", "n"),
}


@pytest.mark.parametrize("kind", KEYS)
def test_each_kind_of_key(schemas, kind):
    definition, values = KEYS[kind]
    both(schemas, f"CREATE TABLE t ({definition}, rk_row VARCHAR(20), f DOUBLE)")
    both(schemas, f"INSERT INTO t SELECT {values}, CONCAT('row ',n), n/3 FROM (SELECT seq n FROM seq_1_to_6000) AS q")
    # the same change on an even number of rows, rows that are gone, one that is new
    schemas.script("UPDATE l.t SET rk_row='x' WHERE rk_row IN ('row 10','row 11')")
    schemas.script("DELETE FROM l.t WHERE rk_row IN ('row 2000','row 2001','row 5999')")
    schemas.script("INSERT INTO l.t SELECT * FROM s.t WHERE rk_row='row 7'") if kind == "none" else None
    (found,) = differences(schemas, "t")
    assert (found.live_rows, found.staging_rows) == (6000 - 3 + (kind == "none"), 6000)
    if kind in ("none", "nullable unique only"):
        # without a key a change is one row fewer and one more
        assert (found.missing, found.changed, found.extra) == (5, 0, 2 + (kind == "none"))
    else:
        assert (found.missing, found.changed, found.extra) == (3, 2, 0)
        assert {r.columns for r in found.rows if r.kind == "changed"} == {("rk_row",)}
    assert 0 < found.chunks_changed <= found.chunks
    assert not found.same


def test_equal_tables_are_equal(schemas):
    both(
        schemas,
        "CREATE TABLE t (id INT PRIMARY KEY, a TEXT); CREATE TABLE e (id INT PRIMARY KEY); CREATE TABLE k (a INT)",
    )
    both(schemas, "INSERT INTO t SELECT seq, MD5(seq) FROM seq_1_to_5000; INSERT INTO k VALUES (1),(1),(NULL)")
    found = differences(schemas, "t", "e", "k", "nowhere")
    assert [(t.name, t.same, t.chunks_changed) for t in found] == [("t", True, 0), ("e", True, 0), ("k", True, 0)]


def test_a_table_on_one_side_only(schemas):
    schemas.script("CREATE TABLE l.new (a INT); CREATE TABLE s.dropped (a INT); INSERT INTO s.dropped VALUES (1),(2)")
    new, dropped = differences(schemas, "new", "dropped")
    assert (new.in_live, new.in_staging, new.same) == (True, False, False)
    assert (dropped.in_live, dropped.in_staging, dropped.missing, dropped.extra) == (False, True, 2, 0)


def test_a_new_column_changes_the_schema_not_every_row(schemas):
    both(schemas, "CREATE TABLE t (id INT PRIMARY KEY, a INT); INSERT INTO t SELECT seq, seq FROM seq_1_to_10")
    schemas.script("ALTER TABLE l.t ADD b INT DEFAULT 5 FIRST; UPDATE l.t SET a=0 WHERE id=3")
    (found,) = differences(schemas, "t")
    assert (found.schema_changed, found.changed, found.missing, found.extra) == (True, 1, 0, 0)


def test_another_key_on_live_is_compared_as_a_bag(schemas):
    both(schemas, "CREATE TABLE t (id INT, a INT); INSERT INTO t VALUES (1,1),(2,2)")
    schemas.script("ALTER TABLE s.t ADD PRIMARY KEY (id); UPDATE l.t SET a=3 WHERE id=2")
    (found,) = differences(schemas, "t")
    assert (found.schema_changed, found.missing, found.extra) == (True, 1, 1)


def test_float_with_the_digits_of_a_dump_is_no_difference(schemas):
    """A dump writes FLOAT with 6 digits: without care every row of such a table would look changed."""
    both(schemas, "CREATE TABLE t (id INT PRIMARY KEY, f FLOAT)")
    schemas.script("INSERT INTO l.t SELECT seq, 1.2345678*seq FROM seq_1_to_100", "l")
    schemas.script("INSERT INTO s.t SELECT id, CAST(f AS CHAR) FROM l.t; UPDATE l.t SET f=f*1.001 WHERE id=50")
    (found,) = differences(schemas, "t")
    assert (found.changed, found.rows[0].columns) == (1, ("f",))
    # a copy with all digits is compared with all digits
    schemas.script("DELETE FROM s.t; INSERT INTO s.t SELECT * FROM l.t; UPDATE l.t SET f=1.2345679 WHERE id=1")
    (found,) = differences(schemas, "t")
    assert found.changed == 1


def test_totals_are_exact_and_rows_bounded_and_hashed(schemas):
    both(schemas, "CREATE TABLE t (id INT PRIMARY KEY, secret TEXT)")
    schemas.script("INSERT INTO s.t SELECT seq, CONCAT('canary-',seq) FROM seq_1_to_9000", "s")
    (found,) = differences(schemas, "t", most=7)
    assert (found.missing, len(found.rows)) == (9000, 7)
    assert "canary" not in found.model_dump_json()
    other = live_on(schemas)
    unkeyed = other.home.model_copy(update={"row_key": b"another house"})
    again = compare(
        type(other)(other.name, other.settings, unkeyed),
        Where(schema_name="s"),
        Where(schema_name="l"),
        ["t"],
        7,
        Quiet(),
    )
    assert {r.key for r in again[0].rows}.isdisjoint(r.key for r in found.rows)


@given(seed=st.integers(0, 2**32), kind=st.sampled_from(["INT", "VARCHAR(20)", "none"]))
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_damage_is_found_exactly(schemas, seed, kind):
    rng = random.Random(seed)
    key = "id INT" if kind == "none" else f"id {kind} PRIMARY KEY"
    both(schemas, f"DROP TABLE IF EXISTS t; CREATE TABLE t ({key}, v VARCHAR(5) NULL)")
    values = [None, "", "a", "#", "😀"]
    staging = {n: rng.choice(values) for n in rng.sample(range(-50, 50), 40)}
    live = {n: v if rng.random() < 0.8 else rng.choice(values) for n, v in staging.items() if rng.random() < 0.9}
    live |= {n: rng.choice(values) for n in rng.sample(range(50, 99), rng.randrange(4))}
    for schema, content in (("l", live), ("s", staging)):
        with schemas.connect(schema) as connection, connection.cursor() as cursor:
            cursor.executemany("INSERT INTO t VALUES (%s,%s)", list(content.items()))
    (found,) = differences(schemas, "t", most=100)
    changed = {n for n in live.keys() & staging.keys() if live[n] != staging[n]}
    missing, extra = len(staging.keys() - live.keys()), len(live.keys() - staging.keys())
    if kind == "none":
        assert (found.missing, found.extra) == (missing + len(changed), extra + len(changed))
    else:
        assert (found.missing, found.changed, found.extra) == (missing, len(changed), extra)
        assert len(found.rows) == missing + len(changed) + extra


def test_clustered_damage_stays_in_few_chunks(schemas):
    both(schemas, "CREATE TABLE t (id INT PRIMARY KEY, a INT); INSERT INTO t SELECT seq, 1 FROM seq_1_to_40000")
    schemas.script("DELETE FROM l.t WHERE id BETWEEN 10000 AND 10411")
    (found,) = differences(schemas, "t")
    assert (found.missing, found.chunks_changed) == (412, 412 // chunks.ROWS + 1)
    assert found.chunks == 40000 // chunks.ROWS + 1


def test_cancel_ends_the_statements_on_the_servers(schemas):
    both(schemas, "CREATE TABLE t (id INT PRIMARY KEY)")
    waiting = "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table metadata lock%'"

    class Hurried(Quiet):
        def progress(self, phase, done, total, unit="bytes"):
            # from here on the statement on live waits, and would for three seconds
            with blocker.cursor() as cursor:
                cursor.execute("LOCK TABLES l.t WRITE")

        def check(self):
            if schemas.one(waiting):
                raise Cancelled

    with schemas.connect() as blocker:
        with pytest.raises(Cancelled):
            compare(live_on(schemas), Where(schema_name="s"), Where(schema_name="l"), ["t"], 5, Hurried())
        assert schemas.one(waiting) == 0


FINDINGS = KEYS | {
    "decimal, date": ("a DECIMAL(12,3), b DATE, PRIMARY KEY (a, b)", "n/8, '2026-01-01'+INTERVAL n DAY"),
    "timestamp, bits": ("a TIMESTAMP(3), b BIT(40), PRIMARY KEY (b, a)", "'2026-03-29'+INTERVAL n SECOND, n*n"),
    "names of ours": ("rk_op INT, RK_Live INT, rk_proven INT, rk_no INT, PRIMARY KEY (rk_op, rk_no)", "n, n, n, n"),
    "enum, odd name": ("`a ``b%s` ENUM('x','y'), c INT, PRIMARY KEY (c, `a ``b%s`)", "1 + n % 2, n"),
}


@pytest.mark.parametrize("kind", sorted(FINDINGS.keys() - {"none", "nullable unique only"}))
def test_what_differs_is_remembered_with_the_value_of_both_sides(schemas, kind):
    """A fingerprint is the sum of row values: so the findings must make up exactly for the two fingerprints."""
    definition, values = FINDINGS[kind]
    both(schemas, f"CREATE TABLE t ({definition}, v VARCHAR(20), d DOUBLE)")
    both(schemas, f"INSERT INTO t SELECT {values}, CONCAT('row ',n), n/3 FROM (SELECT seq n FROM seq_1_to_900) AS q")
    schemas.script("UPDATE l.t SET v='x' WHERE v IN ('row 10','row 11'); DELETE FROM l.t WHERE v IN ('row 20','row 9')")
    schemas.script("DELETE FROM s.t WHERE v='row 30'")
    (found,) = differences(schemas, "t")
    assert (found.missing, found.changed, found.extra, found.no_delta) == (2, 2, 1, "")
    with contextlib.closing(schemas.connect()) as connection:
        connection.query("SET time_zone='+00:00'")
        (ours,) = tables(connection, "s")
        (theirs,) = tables(connection, "l")
    mine = names.own(ours.columns)
    assert {mine.op.casefold(), mine.live.casefold()}.isdisjoint(c.name.casefold() for c in ours.columns)
    same = " AND ".join(f"f.{quoted(k)}=t.{quoted(k)}" for k in ours.key)
    for side, column, ops in ((ours, mine.proven, {"I": 2, "U": 2}), (theirs, mine.live, {"D": 1, "U": 2})):
        value = f"(SELECT {row_value(side.stored)} FROM {side.full} AS t WHERE {same})"
        there = f"SELECT {mine.op},COUNT(*) FROM {names.found('t')} AS f WHERE {column}={value} GROUP BY 1"
        assert dict(schemas.rows(f"SET STATEMENT time_zone='+00:00' FOR {there}")) == ops
    left, right = (contents(live_on(schemas), Where(schema_name=s)).tables[0].fingerprint for s in "ls")
    change = schemas.one(f"SELECT IFNULL(SUM({mine.proven}),0)-IFNULL(SUM({mine.live}),0) FROM {names.found('t')}")
    assert int(right.value) - int(left.value) == int(change)


def test_keys_that_the_collation_takes_for_equal_are_one_row(schemas):
    both(schemas, "CREATE TABLE t (k VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT)")
    both(schemas, "INSERT INTO t VALUES ('a', 1), ('B', 2), ('c', 3)")
    schemas.script("UPDATE l.t SET k='A' WHERE v=1; DELETE FROM l.t WHERE v=2; INSERT INTO l.t VALUES ('D', 4)")
    (found,) = differences(schemas, "t")
    assert (found.missing, found.changed, found.extra) == (1, 1, 1)
    kept = schemas.rows("SELECT rk_op, k, rk_live IS NULL, rk_proven IS NULL FROM rk_found.t ORDER BY k")
    assert kept == [("U", "a", 0, 0), ("I", "B", 1, 0), ("D", "D", 0, 1)]


def test_a_float_is_remembered_with_the_digits_of_a_dump(schemas):
    both(schemas, "CREATE TABLE t (id INT PRIMARY KEY, f FLOAT, v INT)")
    schemas.script("INSERT INTO l.t VALUES (1,1.2345678,1),(2,7.6543217,2)", "l")
    schemas.script("INSERT INTO s.t SELECT id, CAST(f AS CHAR), 5 FROM l.t WHERE id=1", "s")
    differences(schemas, "t")
    assert schemas.rows("SELECT carried FROM rk_noted.tables") == [(1,)]
    with contextlib.closing(schemas.connect()) as connection:
        (theirs,) = tables(connection, "l")
    for carried, agree in ((True, 2), (False, 0)):
        value = row_value(theirs.stored, carried=carried)
        sql = f"SELECT COUNT(*) FROM rk_found.t AS f WHERE rk_live=(SELECT {value} FROM l.t AS t WHERE t.id=f.id)"
        assert schemas.one(sql) == agree


def test_findings_are_those_of_the_last_comparison(schemas):
    both(schemas, "CREATE TABLE t (id INT PRIMARY KEY); CREATE TABLE u (id INT PRIMARY KEY)")
    schemas.script("INSERT INTO s.t VALUES (1); INSERT INTO s.u VALUES (1)")
    differences(schemas, "t", "u")
    schemas.script("DELETE FROM s.t")
    differences(schemas, "t")
    assert schemas.rows("SELECT table_name FROM information_schema.tables WHERE table_schema='rk_found'") == [("t",)]
    assert schemas.one("SELECT COUNT(*) FROM rk_found.t") == 0
    assert schemas.rows("SELECT name, carried, no_delta, recorded FROM rk_noted.tables") == [("t", 0, "", 1)]


AGAINST = {
    "no key": ("a INT", "", "no key"),
    "only a nullable unique key": ("a INT UNIQUE", "", "no key"),
    "a key of a part of a text": ("a TEXT NOT NULL, UNIQUE (a(10))", "", "no key"),
    "a float for a key": ("a FLOAT PRIMARY KEY", "", "no key"),
    "no transactions": ("a INT PRIMARY KEY", "ENGINE=MyISAM", "MyISAM tables know no transactions"),
    "history": ("a INT PRIMARY KEY", "WITH SYSTEM VERSIONING", "history"),
    "fine": ("a INT PRIMARY KEY, g INT AS (a+1) VIRTUAL, j JSON, p POINT, b BIT(3), i INT INVISIBLE", "", ""),
    "partitioned": ("a INT PRIMARY KEY", "PARTITION BY HASH (a) PARTITIONS 3", ""),
}


@pytest.mark.parametrize("kind", AGAINST)
def test_why_rows_cannot_be_written_one_by_one(schemas, kind):
    columns, options, reason = AGAINST[kind]
    both(schemas, f"CREATE TABLE t ({columns}) {options}; INSERT INTO t (a) VALUES (1),(2)")
    schemas.script("DELETE FROM l.t WHERE a=1")
    (found,) = differences(schemas, "t")
    assert (found.missing, found.extra) == (1, 0)
    assert reason in found.no_delta if reason else not found.no_delta


def test_more_reasons(schemas):
    both(schemas, "CREATE TABLE t (a INT PRIMARY KEY, b INT); CREATE TABLE u (a INT PRIMARY KEY)")
    schemas.script("ALTER TABLE l.t ADD c INT; INSERT INTO s.t VALUES (1,1); INSERT INTO s.u VALUES (1)")
    schemas.script("CREATE DATABASE IF NOT EXISTS o; CREATE TABLE o.c (u INT, FOREIGN KEY (u) REFERENCES l.u (a))")
    schemas.script("CREATE TRIGGER l.x BEFORE INSERT ON l.t FOR EACH ROW SET NEW.b=1")
    try:
        t, u = differences(schemas, "t", "u")
    finally:
        schemas.script("DROP DATABASE o")
    assert (t.no_delta, t.triggers, t.schema_changed) == ("its definition differs", True, True)
    assert (u.no_delta, u.triggers) == ("foreign keys of other databases point at it", False)


def test_a_row_too_large_to_travel(schemas):
    both(schemas, "CREATE TABLE t (a INT PRIMARY KEY, b LONGTEXT)")
    schemas.script("INSERT INTO s.t VALUES (1, REPEAT('x', 9000000)), (2, 'short')")
    assert "larger" in differences(schemas, "t")[0].no_delta
    schemas.script("DELETE FROM s.t WHERE a=1")
    assert differences(schemas, "t")[0].no_delta == ""


def test_too_many_rows_are_counted_and_not_remembered(schemas):
    both(schemas, "CREATE TABLE t (id INT PRIMARY KEY)")
    schemas.script("INSERT INTO t SELECT seq FROM seq_1_to_100001", "s")
    (found,) = differences(schemas, "t")
    assert (found.missing, found.no_delta) == (100_001, "more than 100,000 rows differ")
    assert schemas.rows("SELECT recorded FROM rk_noted.tables") == [(0,)]
    schemas.script("DELETE FROM s.t WHERE id=7")
    (found,) = differences(schemas, "t")
    assert (found.missing, found.no_delta) == (100_000, "")
    assert schemas.one("SELECT COUNT(DISTINCT id) FROM rk_found.t") == 100_000


def test_costs_follow_the_difference(schemas):
    both(
        schemas, "CREATE TABLE t (id INT PRIMARY KEY, a INT, KEY (a)); INSERT INTO t SELECT seq, 1 FROM seq_1_to_20000"
    )
    schemas.script("UPDATE l.t SET a=2 WHERE id=5")
    few = differences(schemas, "t")[0].costs
    schemas.script("UPDATE l.t SET a=2")
    many = differences(schemas, "t")[0].costs
    assert few.delta_s < few.exchange_s
    assert few.delta_bytes < few.exchange_bytes / 100
    assert many.delta_s > many.exchange_s
    assert many.delta_blocked_s > many.exchange_blocked_s

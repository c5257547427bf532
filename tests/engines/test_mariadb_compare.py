"""Every differing row is counted, with any kind of key and without one; values stay on their servers."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers.mariadb import LiveServer
from servers.mariadb_live import Quiet, live_on

from restorekit.engines.mariadb import chunks
from restorekit.engines.mariadb.compare import compare
from restorekit.errors import Cancelled
from restorekit.model.database import Where


@pytest.fixture(scope="module")
def server():
    with LiveServer.running(args=("--innodb-flush-log-at-trx-commit=0",)) as running:
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

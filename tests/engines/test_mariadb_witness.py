"""How would we know if the load were a lie? Each lie here has to be found, and nothing that is true called one."""

import contextlib
import re

import pytest
from servers.mariadb import LiveServer, shared_data
from servers.mariadb_sandbox import staged
from servers.zoo import ZOO

from restorekit.engines.mariadb import spool
from restorekit.engines.mariadb.rowsum import RAW
from restorekit.engines.mariadb.typed import TYPED
from restorekit.model.verdict import Level

ALL = ("--default-character-set=utf8mb4", "--routines", "--events", "--triggers", "--single-transaction")


@pytest.fixture(scope="module")
def dumps():
    with LiveServer.running(args=("--default-time-zone=+02:00",)) as live:
        live.load_chinook("zoo")
        chinook = live.dumped(*ALL, "zoo")
        live.script("DROP DATABASE zoo; CREATE DATABASE zoo CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
        live.script(ZOO, "zoo")
        yield {
            "mariadb-dump": chinook,
            "foreign": shared_data("Chinook_MySql.sql").read_bytes(),
            "zoo": live.dumped(*ALL, "--hex-blob", "zoo"),
        }


@pytest.fixture(scope="module")
def stage():
    with staged() as made:
        yield made


@pytest.fixture(scope="module", params=["mariadb-dump", "foreign"])
def loaded(stage, dumps, request):
    found = stage.load(dumps[request.param])
    stage.rows("CREATE DATABASE IF NOT EXISTS spare")
    return found


def outcomes(stage, loaded):
    checks = stage.witness(loaded)
    assert [c.name for c in checks] == ["witness.tables", "witness.rows", "witness.contents"]
    assert {c.level for c in checks} == {Level.EQUAL}
    return tuple(c.outcome for c in checks)


LIES = {
    "one value": "UPDATE Customer SET City='Ulm' WHERE CustomerId=5",
    "the same change on two rows": "UPDATE Invoice SET BillingCity='Ulm' WHERE InvoiceId IN (5,6)",
    "the same change on forty rows": "UPDATE Track SET UnitPrice=UnitPrice+1 WHERE TrackId<=40",
    "a number by a cent": "UPDATE InvoiceLine SET UnitPrice=UnitPrice+0.01 WHERE InvoiceLineId=7",
    "a time by a second": "UPDATE Invoice SET InvoiceDate=InvoiceDate+INTERVAL 1 SECOND WHERE InvoiceId=7",
    "values swapped between two rows": "UPDATE Artist a JOIN Artist b ON a.ArtistId+b.ArtistId=3 SET a.Name=b.Name",
    "values swapped between two columns": "UPDATE Employee SET FirstName='Adams', LastName='Andrew' WHERE EmployeeId=1",
    "NULL became empty": "UPDATE Customer SET Company='' WHERE Company IS NULL AND CustomerId=2",
    "a space at the end": "UPDATE Artist SET Name=CONCAT(Name,' ') WHERE ArtistId=3",
    "upper case": "UPDATE Artist SET Name=UPPER(Name) WHERE ArtistId=3",
}
MISSING = {
    "a row is missing": "DELETE FROM PlaylistTrack LIMIT 1",
    "a row too many": "INSERT INTO Genre VALUES (99,'x')",
    "a table is empty": "DELETE FROM PlaylistTrack",
}


@contextlib.contextmanager
def lying(stage, table, sql):
    """The sandbox with this change in it; the table's rows are put back afterwards."""
    stage.rows(f"CREATE OR REPLACE TABLE spare.kept AS SELECT * FROM {table}")
    stage.script(f"SET foreign_key_checks=0; {sql}")
    yield
    stage.script(f"SET foreign_key_checks=0; DELETE FROM {table}; INSERT INTO {table} SELECT * FROM spare.kept")


@pytest.mark.parametrize("lie", LIES)
def test_changed_rows_are_found(stage, loaded, lie):
    table = re.search(r"UPDATE (\w+)", LIES[lie]).group(1)
    with lying(stage, table, LIES[lie]):
        checks = stage.witness(loaded)
    assert [c.outcome for c in checks] == ["passed", "passed", "failed"]
    assert checks[2].evidence == (f"{table}: rows differ from the stream ({TYPED})",)


def test_the_truth_is_not_called_a_lie(stage, loaded):
    assert outcomes(stage, loaded) == ("passed", "passed", "passed")


@pytest.mark.parametrize("lie", MISSING)
def test_missing_and_additional_rows_are_found(stage, loaded, lie):
    table = re.search(r"(?:FROM|INTO) (\w+)", MISSING[lie]).group(1)
    with lying(stage, table, MISSING[lie]):
        assert outcomes(stage, loaded) == ("passed", "failed", "failed")


def test_a_row_doubled_while_another_is_missing_is_found(stage, dumps):
    loaded = stage.load(dumps["zoo"])
    assert outcomes(stage, loaded) == ("passed", "passed", "passed")
    stage.script("DELETE FROM nokey WHERE a=2; INSERT INTO nokey VALUES (1,'x')")
    assert outcomes(stage, loaded) == ("passed", "passed", "failed")


def test_a_missing_and_an_additional_table_are_found(stage, dumps):
    loaded = stage.load(dumps["zoo"])
    stage.script("DROP TABLE isam; CREATE TABLE more (a INT)")
    assert outcomes(stage, loaded)[0] == "failed"
    assert set(stage.witness(loaded)[0].evidence) == {
        "isam: announced, not in the sandbox",
        "more: in the sandbox, never announced",
    }


def test_what_the_server_changed_while_loading_is_found(stage):
    rows = b"INSERT INTO t VALUES (1,'abc'),(2,'abcdef');\n"
    loaded = stage.load(b"SET sql_mode='';\nCREATE TABLE t (a INT, b VARCHAR(3));\n" + rows)
    assert outcomes(stage, loaded) == ("passed", "passed", "failed")


def test_rows_that_the_server_ignored_are_found(stage):
    dump = b"CREATE TABLE t (a INT PRIMARY KEY);\nINSERT IGNORE INTO t VALUES (1),(1),(2);\n"
    assert outcomes(stage, stage.load(dump)) == ("passed", "failed", "failed")


@pytest.mark.parametrize(
    ("dump", "why"),
    [
        ("CREATE TABLE t (a DATETIME);\nINSERT INTO t VALUES (NOW());", "not a literal"),
        ("CREATE TABLE t (a INT);\nINSERT INTO t VALUES (1+1);", "not a literal"),
        ("CREATE TABLE t (a ENUM('x','y'));\nINSERT INTO t VALUES (2);", "text of another kind"),
        ("CREATE TABLE t (a DATE);\nINSERT INTO t VALUES ('21-2-3');", "text of another kind"),
        (
            "CREATE TABLE t (a INT, b INT);\nINSERT INTO t (a) VALUES (1);\nINSERT INTO t (b) VALUES (2);",
            "different columns",
        ),
        ("CREATE TABLE t (a INT PRIMARY KEY);\nINSERT INTO t SELECT 1;", "rows come from a query"),
        ("CREATE TABLE t (a INT PRIMARY KEY);\nINSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a=2;", "not rows only"),
        ("CREATE TABLE t (a INT);\nINSERT INTO t VALUES (1);\nTRUNCATE TABLE t;", "changed after"),
    ],
)
def test_what_cannot_be_compared_is_skipped_with_its_reason_never_equal(stage, dump, why):
    loaded = stage.load(dump.encode() + b"\n")
    check = stage.witness(loaded)[2]
    assert check.outcome == "skipped"
    assert why in check.evidence[0]


def test_rows_that_were_not_kept_are_no_proof(stage, dumps, monkeypatch):
    loaded = stage.load(dumps["foreign"])
    monkeypatch.setattr(spool, "_path", lambda folder, _: folder / "gone")
    check = stage.witness(loaded)[2]
    assert check.outcome == "skipped"
    assert "were not kept" in check.evidence[0]


MEANT = [
    ("INT", "'7'", "7"),
    ("INT", "007", "7"),
    ("INT", "TRUE", "1"),
    ("BIGINT UNSIGNED", "0xFF", "255"),
    ("DECIMAL(10,3)", "1.5", "'1.500'"),
    ("DECIMAL(5,2)", "-0.00", "0"),
    ("DOUBLE", "1e3", "1000.0"),
    ("FLOAT", "0.10000000149", "0.1"),
    ("DATETIME", "'2009/1/1'", "'2009-01-01 00:00:00'"),
    ("DATETIME(3)", "'2009-01-01T10:11:12.5'", "'2009-01-01 10:11:12.500'"),
    ("DATE", "'2009-1-2'", "'2009-01-02'"),
    ("TIME(2)", "'-1:02:03'", "'-01:02:03.00'"),
    ("BIT(10)", "b'101'", "5"),
    ("BIT(16)", "'ab'", "0x6162"),
    ("CHAR(5)", "'x  '", "'x'"),
    ("BINARY(3)", "'x'", "0x780000"),
    ("VARBINARY(9)", "_binary 'a\\0b'", "0x610062"),
    ("BLOB", "x'6100'", "'a\\0'"),
    ("TEXT", "N'it''s'", "'it\\'s'"),
    ("TEXT", "_utf8mb4'\\%\\_\\q'", "'\\\\%\\\\_q'"),
    ("YEAR", "'2021'", "2021"),
    ("JSON", "'{\\\"a\\\": 1}'", "'{\"a\": 1}'"),
]


@pytest.mark.parametrize(("kind", "one", "other"), MEANT)
def test_two_ways_to_write_the_same_value_are_equal_by_meaning(stage, kind, one, other):
    for text in (one, other):
        dump = f"CREATE TABLE t (id INT PRIMARY KEY, v {kind});\nINSERT INTO t VALUES (1, {text});\n"
        loaded = stage.load(dump.encode())
        check = stage.witness(loaded)[2]
        assert check.outcome == "passed", check
        assert f"1 equal ({TYPED})" in check.reason
        assert f"0 tables equal ({RAW})" in check.reason

"""Is a delivered file or dump whole, and did all of it arrive? Each answer is tried with a lie."""

import gzip
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
import zstandard
from contract.engine import QUIET, Impatient, live, open_box, pieces, stage
from servers.sqlite import SQLiteLab

from restorekit.engines.sqlite.script import statements
from restorekit.errors import (
    Cancelled,
    DumpIncomplete,
    DumpRefused,
    LoadFailed,
    RestorekitError,
    SourceDamaged,
)
from restorekit.model.artifact import Loaded
from restorekit.model.database import Where
from restorekit.model.staged import Sandbox

CANARY = "k4n4rie-Wert"


@pytest.fixture
def lab(tmp_path: Path) -> SQLiteLab:
    made = SQLiteLab(tmp_path, journal="wal")
    made.create("shop")
    made.run(
        "shop",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, b BLOB)",
        "WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 400) "
        "INSERT INTO t SELECT i, 'value ' || i, randomblob(300) FROM c",
    )
    return made


def load(lab: SQLiteLab, data: bytes, form: str = "sqlite", size: int = 999) -> tuple[Sandbox, Loaded]:
    box = open_box(lab)
    return box, lab.engine.load(box, pieces(data, size), (form, "none"), QUIET)  # type: ignore[arg-type]


def where(box: Sandbox) -> Where:
    return Where(schema_name="shop", sandbox=box.folder)


# database files


def test_a_truncated_file_is_no_database(lab: SQLiteLab) -> None:
    data = lab.backup("shop")
    for cut in (100, 4096, len(data) // 2, len(data) - 1):
        box, loaded = load(lab, data[:cut])
        assert loaded.complete == "no"
        with pytest.raises(DumpIncomplete, match="header counts"):
            lab.engine.contents(where(box))
    assert stage(lab, data).loaded.complete == "yes"


def test_a_file_that_grew_is_not_whole_either(lab: SQLiteLab) -> None:
    assert load(lab, lab.backup("shop") + b"\0" * 4096)[1].complete == "no"


@pytest.mark.parametrize("data", [b"", b"SQLite format 3\0", b"-- not a file\n" * 100])
def test_what_is_not_a_database_file(lab: SQLiteLab, data: bytes) -> None:
    with pytest.raises((LoadFailed, DumpIncomplete)):
        load(lab, data)


def test_a_copy_of_a_wal_database_without_its_wal_is_never_called_whole(lab: SQLiteLab) -> None:
    """`cp live copy`: every check of SQLite says ok, and acknowledged rows are missing."""
    with closing(lab.connect("shop")) as shop:
        shop.execute("PRAGMA wal_autocheckpoint=0")
        shop.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shop.execute("INSERT INTO t (v) VALUES ('acknowledged')")
        data = lab.path("shop").read_bytes()
        box, loaded = load(lab, data)
        assert loaded.complete == "unknown"
        assert "-wal" in loaded.complete_why
        assert all(c.outcome in ("passed", "not_applicable") for c in lab.engine.sound(where(box)))
        assert lab.engine.count(where(box), "t", "v = 'acknowledged'") == 0


def test_a_copy_in_the_middle_of_a_transaction_is_not_whole(tmp_path: Path) -> None:
    lab = SQLiteLab(tmp_path, journal="delete")
    lab.create("shop")
    lab.run("shop", "CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)")
    with closing(lab.connect("shop")) as shop:
        shop.execute("PRAGMA cache_size=5")
        shop.execute("BEGIN")
        shop.executemany("INSERT INTO t (v) VALUES (?)", [(b"x" * 3000,) for _ in range(200)])
        data = lab.path("shop").read_bytes()  # spilled, uncommitted, without its journal
        shop.execute("ROLLBACK")
    assert load(lab, data)[1].complete == "no"


def test_a_torn_copy_is_not_sound(lab: SQLiteLab) -> None:
    data = lab.backup("shop")
    torn = data[: len(data) // 2] + b"\xa5" * 4096 + data[len(data) // 2 + 4096 :]
    box, _ = load(lab, torn)
    assert [c.outcome for c in lab.engine.sound(where(box)) if c.name == "integrity_check"] == ["failed"]


def test_the_witness_sees_a_bit_that_no_check_of_sqlite_sees(lab: SQLiteLab) -> None:
    staged = stage(lab, lab.backup("shop"))
    file = Path(staged.sandbox.folder) / "database.sqlite"
    data = bytearray(file.read_bytes())
    at = data.index(b"value 77")
    data[at] ^= 1
    file.write_bytes(data)
    assert all(c.outcome in ("passed", "not_applicable") for c in lab.engine.sound(staged.where))
    assert [c.outcome for c in lab.engine.witness(staged.sandbox, staged.loaded)] == ["failed"]


def test_nothing_that_reads_changes_the_staged_file(lab: SQLiteLab) -> None:
    staged = stage(lab, lab.path("shop").read_bytes())  # in WAL mode: a normal opening would leave traces
    lab.engine.contents(staged.where)
    lab.engine.sound(staged.where)
    lab.engine.samples(staged.where, 3)
    lab.engine.compare(staged.where, live(), ["t"], 3, QUIET)
    assert [c.outcome for c in lab.engine.witness(staged.sandbox, staged.loaded)] == ["passed"]
    names = sorted(p.name for p in Path(staged.sandbox.folder).iterdir())
    assert names == ["database.sqlite", "found.db", "sandbox.json"]


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("form", ["sqlite", "sql"])
def test_compressed(lab: SQLiteLab, compression: str, form: str) -> None:
    lab.form = (form, compression)  # type: ignore[assignment]
    plain = lab.backup("shop")
    packed = gzip.compress(plain) if compression == "gzip" else zstandard.compress(plain)
    assert stage(lab, packed).proven.tables == lab.engine.contents(live()).tables
    box = open_box(lab)
    with pytest.raises(DumpIncomplete):
        lab.engine.load(box, pieces(packed[:-9]), lab.form, QUIET)
    with pytest.raises(RestorekitError):
        lab.engine.contents(where(box))


# dumps

DUMP = f"""PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
/* a comment; with a semicolon */ CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, n, "x;y" REAL, g AS (id * 2));
INSERT INTO t VALUES(1,'{CANARY}; -- no comment',X'00ff',1.5);
INSERT INTO t VALUES(2,replace(replace('a\\r\\nb','\\r',char(13)),'\\n',char(10)),NULL,1e999);
INSERT INTO t VALUES(3,'it''s
two lines;',-9223372036854775808,-0.0),(4,'',9223372036854775808,2);
INSERT INTO t(id,n,v,"x;y") VALUES(5,6,'seven',8);
INSERT INTO t VALUES(6,unistr('\\u00fc\\u000a\\\\'),TRUE,.5);
CREATE TABLE w(k TEXT PRIMARY KEY, v) WITHOUT ROWID; -- a comment at the end; with a semicolon
INSERT INTO w VALUES('k',1);
CREATE TABLE IF NOT EXISTS "empty" (a);
CREATE TABLE c(id INTEGER PRIMARY KEY AUTOINCREMENT, v);
INSERT INTO c VALUES(7,'x');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('c',9);
CREATE TRIGGER tr AFTER INSERT ON t BEGIN UPDATE t SET v = ';' WHERE 0; DELETE FROM w WHERE 0; END;
CREATE VIEW "vi;ew" AS SELECT [id] FROM t WHERE v <> ';';
COMMIT;
""".encode()


def test_every_form_of_literal_arrives(lab: SQLiteLab) -> None:
    box, loaded = load(lab, DUMP, "sql")
    assert (loaded.complete, loaded.dropped, loaded.warnings) == ("yes", (), ())
    found = lab.engine.ask(where(box), 'SELECT id, v, typeof(n), n, "x;y" FROM t ORDER BY id', 5)
    assert found[1][1:] == ("a\r\nb", "null", None, float("inf"))
    assert found[2][1:] == ("it's\ntwo lines;", "integer", -(2**63), 0.0)
    assert found[3][1:] == ("", "real", float(2**63), 2.0)
    assert found[4][1:] == ("seven", "integer", 6, 8.0)
    assert found[5][1:] == ("ü\n\\", "integer", 1, 0.5)
    checks = lab.engine.witness(box, loaded)
    assert [c.outcome for c in checks] == ["passed"], checks
    assert {t.name: t.witness.rows for t in loaded.tables if t.witness} == {"t": 6, "w": 1, "empty": 0, "c": 1}
    contents = lab.engine.contents(where(box))
    assert {(o.kind, o.name) for o in contents.objects} == {("trigger", "tr"), ("view", "vi;ew")}
    table = contents.table("c")
    assert table
    assert table.next_id == 10


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_chunk_borders_do_not_matter(lab: SQLiteLab, size: int) -> None:
    assert list(statements(pieces(DUMP, size))) == list(statements([DUMP]))
    box, loaded = load(lab, DUMP, "sql", size)
    assert loaded == load(lab, DUMP, "sql")[1]
    assert [c.outcome for c in lab.engine.witness(box, loaded)] == ["passed"]


def test_a_dump_cut_anywhere_is_never_called_whole(lab: SQLiteLab) -> None:
    seen = set()
    for cut in range(0, len(DUMP) - len("COMMIT;\n"), 11):
        try:
            seen.add(load(lab, DUMP[:cut], "sql")[1].complete)
        except DumpIncomplete as error:
            seen.add(error.message)
    assert "yes" not in seen
    assert {"no", "the dump ends inside a string", "the dump ends inside a comment"} <= seen


def test_a_dump_cut_at_a_statement_is_loaded_and_called_cut(lab: SQLiteLab) -> None:
    box, loaded = load(lab, DUMP[: DUMP.index(b"CREATE TABLE w")], "sql")
    assert loaded.complete == "no"
    assert lab.engine.count(where(box), "t", "") == 6


def test_a_dump_of_a_damaged_database_is_refused(lab: SQLiteLab) -> None:
    with pytest.raises(SourceDamaged, match="damaged"):
        load(lab, DUMP.replace(b"COMMIT;", b"ROLLBACK; -- due to errors"), "sql")


def test_text_after_the_end_mark_takes_it_away(lab: SQLiteLab) -> None:
    assert load(lab, DUMP + b"CREATE TABLE late (a);\n", "sql")[1].complete == "unknown"


def test_statements_without_a_transaction_have_no_end(lab: SQLiteLab) -> None:
    assert load(lab, b"CREATE TABLE a (b); INSERT INTO a VALUES (1);", "sql")[1].complete == "unknown"


@pytest.mark.parametrize(
    "evil",
    [
        "ATTACH '{elsewhere}' AS x;",
        "DETACH main;",
        "SELECT load_extension('{elsewhere}');",
        "CREATE TEMP TABLE gone (a);",
        "CREATE TEMP TRIGGER gone AFTER INSERT ON t BEGIN SELECT 1; END;",
        "CREATE VIRTUAL TABLE d USING dbstat;",
        "SAVEPOINT a; ROLLBACK TO a; RELEASE a; ATTACH '{elsewhere}' AS y;",
    ],
)
def test_what_a_dump_must_not_do(lab: SQLiteLab, tmp_path: Path, evil: str) -> None:
    text = DUMP.replace(b"COMMIT;", evil.format(elsewhere=tmp_path / "elsewhere.db").encode() + b"\nCOMMIT;")
    with pytest.raises(DumpRefused, match="refused") as raised:
        load(lab, text, "sql")
    assert CANARY not in str(raised.value)
    assert not (tmp_path / "elsewhere.db").exists()
    assert not (Path(open_box(lab).folder) / "database.sqlite").exists()


@pytest.mark.parametrize(
    "evil",
    [
        "VACUUM INTO '{elsewhere}';",
        ".shell touch {elsewhere}\n;",
        "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = 'x';",
        "INSERT INTO sqlite_schema VALUES ('table','a','a',0,'CREATE TABLE a(b)');",
        "INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table','a','a',3,'CREATE TABLE a(b)');",
        f"INSERT INTO t VALUES (1, '{CANARY}', 1, 1);",
        f"INSERT INTO nowhere VALUES ('{CANARY}');",
        f"INSERT INTO t VALUES ({CANARY});",
        f"CREATE TABLE x (a CHECK (a <> '{CANARY}')); INSERT INTO x VALUES ('{CANARY}');",
        "INSERT INTO t VALUES (?, 1, 2, 3);",
    ],
)
def test_what_cannot_work_fails_without_showing_values(lab: SQLiteLab, tmp_path: Path, evil: str) -> None:
    text = DUMP.replace(b"COMMIT;", evil.format(elsewhere=tmp_path / "elsewhere.db").encode() + b"\nCOMMIT;")
    with pytest.raises(LoadFailed) as raised:
        load(lab, text, "sql")
    assert CANARY not in repr((raised.value.message, raised.value.hint, raised.value.details))
    assert "statement" in raised.value.message
    assert not (tmp_path / "elsewhere.db").exists()


def test_other_pragmas_are_dropped_and_reported(lab: SQLiteLab) -> None:
    text = DUMP.replace(b"BEGIN", b"PRAGMA journal_mode=WAL; PRAGMA user_version=42; BEGIN", 1)
    box, loaded = load(lab, text, "sql")
    assert loaded.dropped == ("PRAGMA journal_mode (1 times)",)
    assert lab.engine.contents(where(box)).settings["user_version"] == "42"


def test_what_a_dump_does_not_carry_is_taken_from_live_and_said(lab: SQLiteLab) -> None:
    lab.run("shop", "PRAGMA user_version=7")
    lab.form = ("sql", "none")
    staged = stage(lab, lab.backup("shop"))
    assert staged.proven.settings["user_version"] == "7"
    assert any("user_version" in line for line in staged.loaded.translated)


@pytest.mark.parametrize(
    "lie",
    [
        "UPDATE t SET v = 'other' WHERE id = 1",
        "UPDATE t SET v = 'x' WHERE id IN (3, 4)",
        "DELETE FROM w",
        "INSERT INTO empty VALUES (1)",
        "UPDATE t SET n = CAST(n AS TEXT) WHERE id = 5",
        "CREATE TABLE more (a)",
        "DROP TABLE w",
    ],
)
def test_the_witness_sees_what_did_not_arrive(lab: SQLiteLab, lie: str) -> None:
    box, loaded = load(lab, DUMP, "sql")
    with closing(sqlite3.connect(Path(box.folder) / "database.sqlite")) as staged, staged:
        staged.execute("DROP TRIGGER tr")
        staged.execute(lie)
    assert [c.outcome for c in lab.engine.witness(box, loaded)] == ["failed"]


def test_what_the_witness_cannot_follow_is_said(lab: SQLiteLab) -> None:
    text = b"""CREATE TABLE a (v); CREATE TABLE b (v TEXT); CREATE TABLE c (v); CREATE TABLE d (v NUMERIC);
    INSERT INTO a VALUES (CURRENT_TIMESTAMP); INSERT INTO b VALUES (1.5); INSERT INTO c VALUES (1);
    UPDATE c SET v = 2; INSERT INTO d VALUES ('12');"""
    box, loaded = load(lab, text, "sql")
    assert {t.name for t in loaded.tables if t.witness is None} == {"a", "b", "c", "d"}
    assert [(c.outcome, len(c.evidence)) for c in lab.engine.witness(box, loaded)] == [("skipped", 4)]


def test_values_take_the_form_of_their_column(lab: SQLiteLab) -> None:
    text = b"CREATE TABLE a (r REAL, n NUMERIC, t TEXT); INSERT INTO a VALUES (1, 2.0, 3), ('x', 'y', x'00');"
    box, loaded = load(lab, text, "sql")
    assert [c.outcome for c in lab.engine.witness(box, loaded)] == ["passed"]


def test_text_that_is_not_utf8_arrives_byte_by_byte(lab: SQLiteLab) -> None:
    text = b"BEGIN; CREATE TABLE a (t TEXT, n); INSERT INTO a VALUES ('M\xfcller', 1);\nCOMMIT;"
    box, loaded = load(lab, text, "sql")
    assert lab.engine.ask(where(box), "SELECT hex(t), n FROM a", 5) == [(b"M\xfcller".hex().upper(), 1)]
    assert [c.outcome for c in lab.engine.witness(box, loaded)] == ["passed"]
    with pytest.raises(LoadFailed):
        load(lab, b"CREATE TABLE a (t DEFAULT '\xfc');", "sql")


def test_full_text_and_other_virtual_tables(lab: SQLiteLab) -> None:
    lab.form = ("sql", "none")
    lab.run(
        "shop",
        "CREATE VIRTUAL TABLE words USING fts5(body)",
        "INSERT INTO words VALUES ('hello world'), ('good bye')",
        "CREATE VIRTUAL TABLE boxes USING rtree(id, a, b)",
        "INSERT INTO boxes VALUES (1, 0, 2)",
    )
    staged = stage(lab, lab.backup("shop"))
    assert {t.name for t in staged.proven.tables} == {"t", "words", "boxes"}
    assert staged.proven.tables == lab.engine.contents(live()).tables
    assert lab.engine.ask(staged.where, "SELECT body FROM words WHERE words MATCH 'bye'", 5) == [("good bye",)]
    assert [c.outcome for c in lab.engine.witness(staged.sandbox, staged.loaded)] == ["passed"]


def test_a_long_statement_takes_time_in_proportion(lab: SQLiteLab) -> None:
    def seconds(lines: int) -> float:
        text = b"CREATE TABLE a (t);\nINSERT INTO a VALUES ('" + b"no end;\n" * lines + b"');\n"
        began = time.process_time()
        assert len(list(statements(pieces(text, 4096)))) == 2
        return time.process_time() - began

    seconds(1000)
    assert seconds(400_000) < 30 * max(seconds(40_000), 0.01)


def test_a_stop_is_heard_inside_one_long_statement(lab: SQLiteLab) -> None:
    text = (
        b"CREATE TABLE a (t); WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) "
        b"INSERT INTO a SELECT i FROM c LIMIT 100000000;"
    )
    with pytest.raises(Cancelled):
        lab.engine.load(open_box(lab), [text], ("sql", "none"), Impatient(3))


def test_a_table_of_many_small_statements_is_reported(lab: SQLiteLab) -> None:
    seen: list[int] = []

    class Watching(Impatient):
        def progress(self, phase: str, done: int, total: int | None, unit: str = "bytes") -> None:
            seen.append(done)

    text = b"CREATE TABLE a (t);" + b"INSERT INTO a VALUES (1);" * 3500
    lab.engine.load(open_box(lab), pieces(text), ("sql", "none"), Watching(10**9))
    assert seen == [1000, 2000, 3000]


def test_dumps_of_the_command_line_tool_and_of_python_read_the_same(lab: SQLiteLab) -> None:
    with closing(lab.connect("shop")) as shop:
        text = "\n".join(shop.iterdump()).encode()
    assert re.match(rb"BEGIN TRANSACTION;", text)
    box, loaded = load(lab, text, "sql")
    assert loaded.complete == "yes"
    assert lab.engine.contents(where(box)).tables == lab.engine.contents(live()).tables
    assert [c.outcome for c in lab.engine.witness(box, loaded)] == ["passed"]

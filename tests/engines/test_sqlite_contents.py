"""What a SQLite database holds, and how two of them differ: the traps of its type system."""

import random
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from contract.engine import QUIET, live, order, stage, swap
from servers.sqlite import SQLiteLab

from restorekit.engines.sqlite import rows
from restorekit.errors import NeedsChoice, ProofFailed, UsageError
from restorekit.model.contents import TableContents
from restorekit.model.difference import TableDifference


@pytest.fixture
def lab(tmp_path: Path) -> SQLiteLab:
    made = SQLiteLab(tmp_path)
    made.create("shop")
    return made


def table(lab: SQLiteLab, name: str) -> TableContents:
    found = lab.engine.contents(live()).table(name)
    assert found
    return found


VALUES = [
    "NULL",
    "1",
    "'1'",
    "1.0",
    "x'31'",
    "''",
    "x''",
    "0",
    "-0.0",
    "0.0",
    "'a'",
    "'A'",
    "1.5",
    "char(65,0,66)",
    "'A'||x'00'",
]


def test_every_value_and_storage_class_has_its_own_fingerprint(lab: SQLiteLab) -> None:
    seen: dict[str, str] = {}
    lab.run("shop", "CREATE TABLE t (v)")
    for value in VALUES:
        lab.run("shop", "DELETE FROM t", f"INSERT INTO t VALUES ({value})")
        found = table(lab, "t").fingerprint
        assert found
        assert found.algorithm == "xxh3sum-sqlite-v1"
        assert found.value not in seen, f"{value} reads as {seen[found.value]}"
        seen[found.value] = value


def test_bytes_behind_a_nul_count(lab: SQLiteLab) -> None:
    lab.run("shop", "CREATE TABLE t (v TEXT)", "INSERT INTO t VALUES ('A' || char(0) || 'B')")
    before = table(lab, "t").fingerprint
    lab.run("shop", "UPDATE t SET v = 'A' || char(0) || 'C'")
    assert table(lab, "t").fingerprint != before


def test_the_encoding_is_injective() -> None:
    chance = random.Random(7)
    pool: list[Any] = [None, 0, 1, -1, 2**63 - 1, 0.0, -0.0, 1.0, 1.5, bytearray(b""), bytearray(b"1"), b"", b"1", b"N"]
    pool += [bytearray(b"T1:"), b"T1:a", bytearray(b"a"), bytearray(b"I1,"), float("inf")]
    seen: dict[bytes, list[tuple[str, str]]] = {}
    for _ in range(20_000):
        row = [chance.choice(pool) for _ in range(chance.randrange(1, 4))]
        shape = [(type(v).__name__, repr(v)) for v in row]
        assert seen.setdefault(rows.encoded(row), shape) == shape


def test_shadow_tables_are_not_counted_twice_and_virtual_ones_are_counted(lab: SQLiteLab) -> None:
    lab.run("shop", "CREATE VIRTUAL TABLE words USING fts5(body)", "INSERT INTO words VALUES ('hello')")
    found = lab.engine.contents(live())
    assert [(t.name, t.rows) for t in found.tables] == [("words", 1)]
    lab.run("shop", "UPDATE words SET body = 'other'")
    assert table(lab, "words").fingerprint != found.tables[0].fingerprint


def test_generated_columns_are_covered_by_the_definition(lab: SQLiteLab) -> None:
    lab.run("shop", "CREATE TABLE t (a, b AS (a + 1), c AS (a * 2) STORED)", "INSERT INTO t VALUES (1)")
    before = table(lab, "t")
    lab.run("shop", "DROP TABLE t", "CREATE TABLE t (a, b AS (a + 2), c AS (a * 2) STORED)", "INSERT INTO t VALUES (1)")
    after = table(lab, "t")
    assert before.fingerprint == after.fingerprint
    assert before.schema_hash != after.schema_hash


def test_an_index_belongs_to_the_definition(lab: SQLiteLab) -> None:
    lab.run("shop", "CREATE TABLE t (a)")
    before = table(lab, "t").schema_hash
    lab.run("shop", "CREATE UNIQUE INDEX i ON t (a)")
    assert table(lab, "t").schema_hash != before


def test_the_counter_is_state(lab: SQLiteLab) -> None:
    lab.run(
        "shop", "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT)", "INSERT INTO t VALUES (41)", "DELETE FROM t"
    )
    assert table(lab, "t").next_id == 42


def test_our_marker_is_in_no_contents(lab: SQLiteLab) -> None:
    lab.run("shop", "CREATE TABLE t (a)")
    before = lab.engine.contents(live())
    lab.run("shop", "CREATE TABLE _restorekit (id TEXT)")
    assert lab.engine.contents(live()).tables == before.tables
    assert lab.engine.databases()[0].tables == 1


def test_keys_and_references(lab: SQLiteLab) -> None:
    lab.run(
        "shop",
        "CREATE TABLE p (id INTEGER PRIMARY KEY)",
        "CREATE TABLE c (a, b, p REFERENCES p, PRIMARY KEY (b, a)) WITHOUT ROWID",
    )
    assert (table(lab, "c").key, table(lab, "c").references) == (("b", "a"), ("p",))


def test_a_name_that_fits_two_files(lab: SQLiteLab) -> None:
    (lab.live / "shop.sqlite").write_bytes(lab.path("shop").read_bytes())
    with pytest.raises(NeedsChoice, match=r"shop\.db, shop\.sqlite"):
        lab.engine.contents(live())
    assert lab.engine.databases() == []
    assert [f.code for f in lab.engine.check()] == ["ambiguous"]


def test_what_is_no_database_is_not_listed(lab: SQLiteLab) -> None:
    (lab.live / "notes.txt").write_text("x")
    (lab.live / "fake.db").write_text("this is not a database" * 50)
    (lab.live / "empty").touch()
    (lab.live / "bare").write_bytes(lab.path("shop").read_bytes())
    (lab.live / "x.y").write_bytes(lab.path("shop").read_bytes())
    assert [d.database.name for d in lab.engine.databases()] == ["bare", "shop"]


@pytest.mark.parametrize("name", ["../shop", "a/b", "", ".", "..", ".restorekit", "rk_undo_r1x/..", "x" * 300])
def test_names_that_would_lead_elsewhere(lab: SQLiteLab, name: str) -> None:
    with pytest.raises(UsageError):
        lab.engine.contents(live(name))


def test_a_live_in_need_of_recovery_is_read(lab: SQLiteLab) -> None:
    """A program died in a transaction: its journal is rolled back by whoever comes next."""
    lab.run("shop", "CREATE TABLE t (v BLOB)", "INSERT INTO t VALUES (zeroblob(100000))")
    before = lab.engine.contents(live()).tables
    with closing(lab.connect("shop")) as shop:
        shop.execute("PRAGMA cache_size=2")
        shop.execute("BEGIN")
        shop.execute("UPDATE t SET v = randomblob(100000)")
        data, journal = lab.path("shop").read_bytes(), Path(f"{lab.path('shop')}-journal").read_bytes()
        shop.execute("ROLLBACK")
    lab.path("shop").write_bytes(data)
    Path(f"{lab.path('shop')}-journal").write_bytes(journal)
    assert lab.engine.contents(live()).tables == before


# checks


def test_orphans_are_not_sound_unless_the_engine_is_told_so(lab: SQLiteLab) -> None:
    lab.run(
        "shop",
        "CREATE TABLE p (id INTEGER PRIMARY KEY)",
        "CREATE TABLE c (p REFERENCES p)",
        "INSERT INTO c VALUES (1), (2)",
    )
    staged = stage(lab, lab.backup("shop"))
    found = {c.name: c for c in lab.engine.sound(staged.where)}
    assert found["foreign keys"].outcome == "failed"
    assert found["foreign keys"].evidence == ("2 rows of c without its row in p",)
    lenient = type(lab.engine)("files", lab.engine.Settings(directory=lab.live, orphans="report"), lab.home)
    assert {c.outcome for c in lenient.sound(staged.where) if c.name == "foreign keys"} == {"not_applicable"}


def test_a_counter_behind_its_table_is_not_sound(lab: SQLiteLab) -> None:
    lab.run(
        "shop",
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT)",
        "INSERT INTO t VALUES (9)",
        "UPDATE sqlite_sequence SET seq = 3",
    )
    staged = stage(lab, lab.backup("shop"))
    assert {c.name: c.outcome for c in lab.engine.sound(staged.where)}["counters"] == "failed"


def test_a_check_that_never_ends_is_ended(lab: SQLiteLab) -> None:
    lab.run("shop", "CREATE TABLE t (a)")
    staged = stage(lab, lab.backup("shop"))
    endless = "WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT SUM(i) FROM c"
    with pytest.raises(ProofFailed, match=r"within 0\.2 s"):
        lab.engine.ask(staged.where, endless, 0.2)


@pytest.mark.parametrize(
    "evil",
    ["ATTACH '/tmp/x' AS x", "PRAGMA query_only=OFF", "SELECT load_extension('x')", "VACUUM INTO '/tmp/x'", "BEGIN"],
)
def test_a_check_can_only_read(lab: SQLiteLab, evil: str) -> None:
    lab.run("shop", "CREATE TABLE t (a)")
    staged = stage(lab, lab.backup("shop"))
    with pytest.raises(ProofFailed):
        lab.engine.ask(staged.where, evil, 5)


# differences

SCHEMAS = {
    "integer key": "CREATE TABLE t (k INTEGER PRIMARY KEY, v)",
    "text key": "CREATE TABLE t (k TEXT PRIMARY KEY, v)",
    "nocase key": "CREATE TABLE t (k TEXT COLLATE NOCASE PRIMARY KEY, v)",
    "any key": "CREATE TABLE t (k PRIMARY KEY, v)",
    "two columns": "CREATE TABLE t (k, v, PRIMARY KEY (v, k)) WITHOUT ROWID",
    "no key": "CREATE TABLE t (k, v)",
}


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
@pytest.mark.parametrize("shape", SCHEMAS)
def test_differences_are_those_of_two_multisets(tmp_path: Path, shape: str, encoding: str) -> None:
    lab = SQLiteLab(tmp_path)
    with closing(lab.connect("shop")) as shop:
        shop.execute(f"PRAGMA encoding='{encoding}'")
        shop.execute(SCHEMAS[shape])
    chance = random.Random(f"{shape}{encoding}")
    pool: list[Any] = [1, 1.5, "1", "a", "A", "ä", "\U0001f600", "\uffee", b"a", "a\0b", b"", "", 2**60, -3]
    pool += [None] if shape in ("any key", "no key") else []
    pool += list(range(10, 40))

    def fill(count: int) -> None:
        with closing(lab.connect("shop")) as shop:
            shop.execute("BEGIN")
            for _ in range(count):
                key = chance.choice(pool) if shape != "integer key" else chance.randrange(60)
                try:
                    shop.execute("INSERT OR REPLACE INTO t VALUES (?, ?)", (key, chance.choice(pool[:6])))
                except sqlite3.IntegrityError:
                    continue
            shop.execute("COMMIT")

    def everything() -> Counter[bytes]:
        with closing(lab.connect("shop")) as shop:
            rows.typed(shop)
            return Counter(rows.encoded(r) for r in shop.execute("SELECT k, v FROM t"))

    fill(60)
    staged = stage(lab, lab.backup("shop"))
    before = everything()
    lab.run("shop", "DELETE FROM t WHERE abs(random()) % 3 = 0")
    fill(15)
    after = everything()
    (found,) = lab.engine.compare(staged.where, live(), ["t"], 1000, QUIET)
    missing, extra = (before - after).total(), (after - before).total()
    assert (found.missing + found.changed, found.extra + found.changed) == (missing, extra)
    assert (found.staging_rows, found.live_rows) == (before.total(), after.total())
    assert len(found.rows) == found.missing + found.changed + found.extra
    if shape == "no key":
        assert found.changed == 0


def compared(lab: SQLiteLab, before: list[str], change: list[str]) -> TableDifference:
    lab.run("shop", *before)
    staged = stage(lab, lab.backup("shop"))
    lab.run("shop", *change)
    (found,) = lab.engine.compare(staged.where, live(), ["t"], 5, QUIET)
    return found


def test_the_same_key_in_another_storage_class_is_a_change(lab: SQLiteLab) -> None:
    found = compared(
        lab, ["CREATE TABLE t (k PRIMARY KEY, v)", "INSERT INTO t VALUES (1, 'x')"], ["UPDATE t SET k = 1.0"]
    )
    assert (found.missing, found.changed, found.extra) == (0, 1, 0)


def test_keys_of_rows_are_keyed_hashes(lab: SQLiteLab) -> None:
    found = compared(
        lab, ["CREATE TABLE t (k PRIMARY KEY)", "INSERT INTO t VALUES ('secret'), ('other')"], ["DELETE FROM t"]
    )
    other = type(lab.engine)(
        "files", lab.engine.Settings(directory=lab.live), lab.home.model_copy(update={"row_key": b"2"})
    )
    staged = live().model_copy(update={"sandbox": str(lab.folder / "staging" / "r1")})
    (again,) = other.compare(staged, live(), ["t"], 5, QUIET)
    assert len({r.key for r in (*found.rows, *again.rows)}) == 4
    assert "secret" not in repr(found)


def test_columns_that_moved_are_found_by_name(lab: SQLiteLab) -> None:
    found = compared(
        lab,
        ["CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)", "INSERT INTO t VALUES (1, 'a', 'b'), (2, 'c', 'd')"],
        [
            "DROP TABLE t",
            "CREATE TABLE t (b, id INTEGER PRIMARY KEY, a, n)",
            "INSERT INTO t VALUES ('b', 1, 'a', 9), ('x', 2, 'c', 9)",
        ],
    )
    assert (found.missing, found.changed, found.extra, found.schema_changed) == (0, 1, 0, True)
    assert found.rows[0].columns == ("b",)


def test_tables_with_nothing_in_common_but_the_name(lab: SQLiteLab) -> None:
    found = compared(
        lab,
        ["CREATE TABLE t (a)", "INSERT INTO t VALUES (1), (2)"],
        ["DROP TABLE t", "CREATE TABLE t (b)", "INSERT INTO t VALUES (1)"],
    )
    assert (found.missing, found.changed, found.extra, found.schema_changed) == (2, 0, 1, True)


def test_a_damaged_table_of_live_can_be_brought_back(lab: SQLiteLab) -> None:
    """Live is damaged: it is described as far as it goes, replaced as a whole, and kept as it was."""
    lab.run(
        "shop",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v)",
        "CREATE TABLE fine (a)",
        "INSERT INTO fine VALUES (1)",
        "WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 500) "
        "INSERT INTO t SELECT i, hex(randomblob(40)) FROM c",
    )
    staged = stage(lab, lab.backup("shop"))
    with closing(lab.connect("shop")) as shop:
        root = shop.execute("SELECT rootpage FROM sqlite_schema WHERE name = 't'").fetchone()[0]
    data = bytearray(lab.path("shop").read_bytes())
    data[(root - 1) * 4096 : (root - 1) * 4096 + 50] = b"\xff" * 50
    lab.path("shop").write_bytes(data)

    shown = lab.engine.contents(live())
    assert {t.name: t.rows for t in shown.tables} == {"t": None, "fine": 1}
    (found,) = lab.engine.compare(staged.where, live(), ["t"], 5, QUIET)
    assert (found.missing, found.live_rows, found.same) == (500, 0, False)
    _, done = swap(staged, order(staged))
    assert lab.engine.contents(live()).tables == staged.proven.tables
    lab.engine.undo(done, "r1u", 60, QUIET)
    assert lab.engine.contents(live()).tables == shown.tables

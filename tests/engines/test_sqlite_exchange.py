"""What an exchange does to a live file, to those who use it, and what it refuses."""

import contextlib
import multiprocessing
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from contract.engine import DAMAGE, QUIET, Stage, facts, live, make_shop, order, order_new, policy, stage, swap
from servers.sqlite import SQLiteLab

from restorekit.errors import EngineUnavailable, GateTimeout, PreflightRefused, ProofFailed, RestoreActive
from restorekit.model.database import Where
from restorekit.model.difference import TableAction
from restorekit.model.exchange import ExchangeOrder

FORK = multiprocessing.get_context("fork")


@pytest.fixture(params=["wal", "delete"])
def lab(tmp_path: Path, request: pytest.FixtureRequest) -> SQLiteLab:
    return SQLiteLab(tmp_path, journal=request.param)


@pytest.fixture
def wal(tmp_path: Path) -> SQLiteLab:
    return SQLiteLab(tmp_path, journal="wal")


def whole(wanted: ExchangeOrder) -> ExchangeOrder:
    """The same order with every table exchanged: then pages are copied, not tables."""
    everything = tuple(a.model_copy(update={"method": "exchange"}) if a.method == "same" else a for a in wanted.actions)
    return wanted.model_copy(update={"actions": everything})


def damaged_shop(lab: SQLiteLab) -> Stage:
    staged = stage(lab, make_shop(lab))
    lab.run("shop", *DAMAGE)
    return staged


def pragma(lab: SQLiteLab, name: str) -> Any:
    return lab.rows("shop", f"PRAGMA {name}")[0][0]


def own_files(lab: SQLiteLab) -> list[str]:
    return sorted(p.name for p in (lab.live / ".restorekit").iterdir() if p.suffix != ".lock")


@pytest.mark.parametrize("way", ["pages", "tables"])
def test_open_connections_go_on_with_the_new_data(lab: SQLiteLab, way: str) -> None:
    staged = damaged_shop(lab)
    wanted = whole(order(staged)) if way == "pages" else order(staged)
    with closing(lab.connect("shop")) as open_one:
        assert open_one.execute("SELECT COUNT(*) FROM order_lines").fetchone() == (40,)
        inode = lab.path("shop").stat().st_ino
        _, done = swap(staged, wanted)
        assert open_one.execute("SELECT COUNT(*) FROM order_lines").fetchone() == (80,)
        open_one.execute("INSERT INTO order_lines VALUES (1, 9, 'after', 1)")
        assert lab.path("shop").stat().st_ino == inode
    assert lab.rows("shop", "SELECT COUNT(*) FROM order_lines") == [(81,)]
    assert pragma(lab, "integrity_check") == "ok"
    assert done.gate == "file_lock"
    assert 0 < done.blocked_s < 30
    assert own_files(lab) == ["order_r1.json", "undo_r1.db"]
    assert (lab.live / ".restorekit").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("backup_mode", ["wal", "delete"])
@pytest.mark.parametrize("live_mode", ["wal", "delete"])
def test_live_keeps_its_journal_mode(tmp_path: Path, live_mode: str, backup_mode: str) -> None:
    lab = SQLiteLab(tmp_path, journal=backup_mode)
    make_shop(lab)
    staged = stage(lab, lab.path("shop").read_bytes())  # nobody has it open: it is whole without a -wal
    lab.run("shop", *DAMAGE)
    with closing(lab.connect("shop")) as shop:
        assert shop.execute(f"PRAGMA journal_mode={live_mode}").fetchone() == (live_mode,)
    swap(staged, whole(order(staged)))
    assert pragma(lab, "journal_mode") == live_mode
    assert facts(lab.engine.contents(live())) == facts(staged.proven)


@pytest.mark.parametrize(("setting", "other"), [("page_size", 8192), ("auto_vacuum", 1)])
def test_live_keeps_its_layout(lab: SQLiteLab, setting: str, other: int) -> None:
    staged = damaged_shop(lab)
    with closing(lab.connect("shop")) as shop:
        shop.execute("PRAGMA journal_mode=DELETE")
        shop.execute(f"PRAGMA {setting}={other}")
        shop.execute("VACUUM")
        shop.execute(f"PRAGMA journal_mode={lab.journal}")
    wanted = whole(order(staged))
    assert [f.code for f in lab.engine.preflight(wanted)] == [setting]
    swap(staged, wanted)
    assert pragma(lab, setting) == other
    assert facts(lab.engine.contents(live())) == facts(staged.proven)


def test_another_text_encoding_is_refused(wal: SQLiteLab) -> None:
    with closing(wal.connect("shop")) as shop:
        shop.execute("PRAGMA encoding='UTF-16le'")
        shop.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT)")
    data = wal.backup("shop")
    wal.path("shop").unlink()
    make_shop(wal)
    staged = stage(wal, data)
    before = facts(wal.engine.contents(live()))
    with pytest.raises(PreflightRefused, match="encoding"):
        wal.engine.compare(staged.where, live(), ["customers"], 5, QUIET)
    wanted = ExchangeOrder(
        id="r1",
        target="shop",
        staging=staged.where,
        actions=(TableAction(name="customers", method="exchange", why=""),),
        objects=True,
        proven=staged.proven,
        live=wal.engine.contents(live()),
        policy=policy(),
    )
    assert [f.code for f in wal.engine.preflight(wanted) if f.severity == "refuse"] == ["encoding"]
    promoted = wal.engine.promote(wanted, QUIET)
    with pytest.raises(PreflightRefused, match="UTF-16le"):
        wal.engine.exchange(wanted, promoted, QUIET)
    assert facts(wal.engine.contents(live())) == before


def test_versions_of_the_application_come_with_the_whole_database_and_go_back(lab: SQLiteLab) -> None:
    lab.create("shop")
    lab.run("shop", "CREATE TABLE t (a)", "CREATE TABLE u (a)", "PRAGMA user_version=3", "PRAGMA application_id=77")
    staged = stage(lab, lab.backup("shop"))
    lab.run("shop", "INSERT INTO t VALUES (1)", "PRAGMA user_version=4")
    _, done = swap(staged, order(staged))
    assert (pragma(lab, "user_version"), pragma(lab, "application_id")) == (3, 77)
    lab.engine.undo(done, "r1u", 60, QUIET)
    assert pragma(lab, "user_version") == 4


def test_a_backup_without_any_table(lab: SQLiteLab) -> None:
    """The smallest backup: its first page must not be committed before the undo copy is made."""
    lab.create("shop")
    staged = stage(lab, lab.backup("shop"))
    lab.run("shop", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
    before = facts(lab.engine.contents(live()))
    _, done = swap(staged, order(staged))
    assert lab.engine.contents(live()).tables == ()
    lab.engine.undo(done, "r1u", 60, QUIET)
    assert facts(lab.engine.contents(live())) == before


def test_what_belongs_to_a_table_comes_with_it(lab: SQLiteLab) -> None:
    """Rowids, counters, statistics, indexes, triggers, full text, generated columns; others are left alone."""
    lab.create("shop")
    lab.run(
        "shop",
        "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, v, w AS (v * 2), x AS (v * 3) STORED)",
        "INSERT INTO a (id, v) VALUES (5, 1), (9, 2)",
        "DELETE FROM a WHERE id = 9",
        "CREATE TABLE bare (v)",
        "INSERT INTO bare (rowid, v) VALUES (100, 'x'), (7, 'y')",
        "CREATE TABLE taken (rowid, _rowid_, oid)",
        "INSERT INTO taken VALUES (1, 2, 3)",
        "CREATE TABLE w (k PRIMARY KEY, v) WITHOUT ROWID",
        "INSERT INTO w VALUES ('k', 1)",
        "CREATE INDEX a_v ON a (v)",
        "CREATE UNIQUE INDEX bare_part ON bare (v) WHERE v > 'a'",
        "CREATE VIRTUAL TABLE words USING fts5(body)",
        "INSERT INTO words VALUES ('hello world'), ('good bye')",
        "CREATE TRIGGER a_in AFTER INSERT ON a BEGIN INSERT INTO bare VALUES (new.v); END",
        "CREATE TABLE other (v)",
        "CREATE TRIGGER other_in AFTER INSERT ON other BEGIN DELETE FROM a; END",
        "CREATE VIEW both_ AS SELECT a.id FROM a, bare",
        "ANALYZE",
    )
    staged = stage(lab, lab.backup("shop"))
    queries = [
        "SELECT * FROM a",
        "SELECT rowid, v FROM bare ORDER BY rowid",
        "SELECT * FROM taken",
        "SELECT name, seq FROM sqlite_sequence ORDER BY name",
        "SELECT tbl, idx, stat FROM sqlite_stat1 ORDER BY 1, 2",
        "SELECT rowid, body FROM words WHERE words MATCH 'hello'",
        "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'words%' ORDER BY type, name",
        "SELECT * FROM both_",
    ]
    before = [lab.rows("shop", q) for q in queries]
    schema_only = [q for q in queries if "v FROM bare" not in q]  # the damage takes that column away
    lab.run(
        "shop",
        "INSERT INTO a (v) VALUES (8)",
        "DROP TABLE bare",
        "CREATE TABLE bare (other)",
        "DELETE FROM taken",
        "UPDATE w SET v = 2",
        "UPDATE words SET body = 'gone'",
        "INSERT INTO words VALUES ('more')",
        "DROP TRIGGER a_in",
    )
    damaged = [lab.rows("shop", q) for q in schema_only]
    _, done = swap(staged, order(staged))
    assert {a.name for a in done.actions if a.method == "same"} == {"other"}
    assert [lab.rows("shop", q) for q in queries] == before
    assert pragma(lab, "integrity_check") == "ok"
    lab.run("shop", "INSERT INTO words VALUES ('hello again')")
    assert len(lab.rows("shop", "SELECT 1 FROM words WHERE words MATCH 'hello'")) == 2
    lab.engine.undo(done, "r1u", 60, QUIET)
    assert [lab.rows("shop", q) for q in schema_only] == damaged


def test_single_tables_bring_their_triggers_and_leave_views(lab: SQLiteLab) -> None:
    staged = damaged_shop(lab)
    lab.run("shop", "DROP TRIGGER one", "DROP VIEW names", "DROP VIEW open_orders")
    only = (TableAction(name="customers", method="exchange", why="asked for"),)
    swap(staged, order(staged, actions=only, objects=False))
    names = {r[0] for r in lab.rows("shop", "SELECT name FROM sqlite_schema WHERE type IN ('view', 'trigger')")}
    assert names == {"one", "two"}


def test_a_table_and_a_view_that_change_places(lab: SQLiteLab) -> None:
    lab.create("shop")
    lab.run("shop", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)", "CREATE VIEW v AS SELECT * FROM t")
    staged = stage(lab, lab.backup("shop"))
    lab.run("shop", "DROP VIEW v", "CREATE TABLE v (a)", "INSERT INTO v VALUES (2)", "DROP TABLE t")
    lab.run("shop", "CREATE VIEW t AS SELECT * FROM v")
    before = facts(lab.engine.contents(live()))
    _, done = swap(staged, order(staged))
    assert facts(lab.engine.contents(live())) == facts(staged.proven)
    lab.engine.undo(done, "r1u", 60, QUIET)
    assert facts(lab.engine.contents(live())) == before


def test_a_new_database_belongs_to_those_who_own_the_folder(wal: SQLiteLab) -> None:
    if os.geteuid() == 0:
        os.chown(wal.live, 12345, 12346)
    wal.live.chmod(0o750)
    staged = stage(wal, make_shop(wal))
    swap(staged, order_new(staged, "copy"))
    state = (wal.live / "copy.db").stat()
    owner = wal.live.stat()
    assert (state.st_uid, state.st_gid, state.st_mode & 0o777) == (owner.st_uid, owner.st_gid, 0o640)
    assert state.st_nlink == 1
    assert wal.rows("copy", "SELECT name FROM sqlite_schema WHERE name = '_restorekit'") == []


# what is refused, and what is taken back


@contextlib.contextmanager
def held_by_another(lab: SQLiteLab, statement: str) -> Iterator[None]:
    """Another process is in the middle of something."""
    ready, over = FORK.Event(), FORK.Event()

    def hold() -> None:
        with closing(lab.connect("shop")) as shop:
            shop.execute(statement)
            shop.execute("SELECT COUNT(*) FROM orders").fetchone()
            ready.set()
            over.wait(60)

    process = FORK.Process(target=hold)
    process.start()
    try:
        assert ready.wait(30)
        yield
    finally:
        over.set()
        process.join(30)


@pytest.mark.parametrize("way", ["pages", "tables"])
def test_a_lock_that_is_not_to_be_had_ends_in_time_and_changes_nothing(lab: SQLiteLab, way: str) -> None:
    staged = damaged_shop(lab)
    wanted = order(staged, policy=policy(lock_wait_s=0.3))
    wanted = whole(wanted) if way == "pages" else wanted
    promoted = lab.engine.promote(wanted, QUIET)
    before = facts(lab.engine.contents(live()))
    with held_by_another(lab, "BEGIN IMMEDIATE"):
        began = time.monotonic()
        with pytest.raises(GateTimeout, match="live is as before"):
            lab.engine.exchange(wanted, promoted, QUIET)
        assert time.monotonic() - began < 10
    assert facts(lab.engine.contents(live())) == before
    assert own_files(lab) == ["hold_r1.db"]
    lab.engine.exchange(wanted, promoted, QUIET)
    assert facts(lab.engine.contents(live())) == facts(staged.proven)


def commit_when_told(lab: SQLiteLab, ready: Any, over: Any, took: Any) -> None:
    with closing(lab.connect("shop")) as shop:
        shop.execute("BEGIN IMMEDIATE")
        shop.execute("INSERT INTO orders VALUES (777, 1, 'open', 'in the middle')")
        ready.set()
        over.wait(60)
        began = time.monotonic()
        shop.execute("COMMIT")
        took.value = time.monotonic() - began


@pytest.mark.parametrize("way", ["pages", "tables"])
def test_waiting_for_the_lock_does_not_hold_up_whoever_has_it(lab: SQLiteLab, way: str) -> None:
    """An attempt that failed must leave nothing behind: a commit would wait for it until its busy timeout ends."""
    staged = damaged_shop(lab)
    wanted = order(staged, policy=policy(lock_wait_s=30))
    wanted = whole(wanted) if way == "pages" else wanted
    promoted = lab.engine.promote(wanted, QUIET)
    ready, over, took = FORK.Event(), FORK.Event(), FORK.Value("d", -1.0)
    customer = FORK.Process(target=commit_when_told, args=(lab, ready, over, took))
    swapping = FORK.Process(target=lab.engine.exchange, args=(wanted, promoted, QUIET))
    customer.start()
    assert ready.wait(30)
    swapping.start()
    while not (lab.live / ".restorekit" / "undo_r1.db").exists():
        assert swapping.is_alive()
        time.sleep(0.005)  # another process's progress can only be polled
    time.sleep(0.1)  # some failed attempts: nothing shows them from outside
    over.set()
    for process in (customer, swapping):
        process.join(60)
        assert process.exitcode == 0
    assert 0 <= took.value < 2
    kept = Where(schema_name="rk_undo_r1")
    assert lab.engine.count(kept, "orders", "id = 777") == 1


@pytest.mark.parametrize("way", ["pages", "tables"])
def test_a_reader_does_not_keep_a_wal_database_from_being_exchanged(wal: SQLiteLab, way: str) -> None:
    staged = damaged_shop(wal)
    wanted = whole(order(staged)) if way == "pages" else order(staged)
    with held_by_another(wal, "BEGIN"):
        swap(staged, wanted)
        assert facts(wal.engine.contents(live())) == facts(staged.proven)


@pytest.mark.parametrize("way", ["pages", "tables"])
def test_over_budget_nothing_begins(lab: SQLiteLab, way: str) -> None:
    staged = damaged_shop(lab)
    wanted = order(staged, policy=policy(gate_max_s=1e-6))
    wanted = whole(wanted) if way == "pages" else wanted
    before = facts(lab.engine.contents(live()))
    promoted = lab.engine.promote(wanted, QUIET)
    with pytest.raises(PreflightRefused, match="would be held"):
        lab.engine.exchange(wanted, promoted, QUIET)
    assert facts(lab.engine.contents(live())) == before
    assert own_files(lab) == ["hold_r1.db"]
    assert lab.engine.settle() == []


@pytest.mark.parametrize("way", ["pages", "tables"])
def test_what_cannot_be_read_after_the_swap_is_taken_back_by_itself(lab: SQLiteLab, way: str) -> None:
    """The lie: the copy beside live is damaged after it was proven."""
    staged = damaged_shop(lab)
    wanted = whole(order(staged)) if way == "pages" else order(staged)
    promoted = lab.engine.promote(wanted, QUIET)
    before = facts(lab.engine.contents(live()))
    held = lab.live / ".restorekit" / "hold_r1.db"
    with closing(sqlite3.connect(held)) as copy:
        root = copy.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'order_lines'").fetchone()[0]
    data = bytearray(held.read_bytes())
    data[(root - 1) * 4096 : (root - 1) * 4096 + 64] = b"\xff" * 64
    held.write_bytes(data)
    with pytest.raises(ProofFailed):
        lab.engine.exchange(wanted, promoted, QUIET)
    assert facts(lab.engine.contents(live())) == before
    assert lab.rows("shop", "SELECT 1 FROM sqlite_schema WHERE name = '_restorekit'") == []
    assert lab.engine.settle() == []
    promoted = lab.engine.promote(wanted, QUIET)
    lab.engine.exchange(wanted, promoted, QUIET)
    assert facts(lab.engine.contents(live())) == facts(staged.proven)


def test_a_table_of_the_customer_with_our_markers_name(wal: SQLiteLab) -> None:
    staged = damaged_shop(wal)
    wal.run("shop", "CREATE TABLE _restorekit (id TEXT)", "INSERT INTO _restorekit VALUES ('theirs')")
    wanted = order(staged)
    assert [f.code for f in wal.engine.preflight(wanted) if f.severity == "refuse"] == ["marker_name"]
    promoted = wal.engine.promote(wanted, QUIET)
    with pytest.raises(PreflightRefused):
        wal.engine.exchange(wanted, promoted, QUIET)
    assert wal.rows("shop", "SELECT id FROM _restorekit") == [("theirs",)]


def test_two_processes_with_one_order(wal: SQLiteLab) -> None:
    staged = damaged_shop(wal)
    wanted = order(staged, policy=policy(lock_wait_s=30))
    promoted = wal.engine.promote(wanted, QUIET)
    with held_by_another(wal, "BEGIN IMMEDIATE"):
        first = FORK.Process(target=wal.engine.exchange, args=(wanted, promoted, QUIET))
        first.start()
        while not (wal.live / ".restorekit" / "order_r1.json").exists():
            assert first.is_alive()
            time.sleep(0.005)  # another process's progress can only be polled
        with pytest.raises(RestoreActive):
            wal.engine.exchange(wanted, promoted, QUIET)
    first.join(30)
    assert first.exitcode == 0
    assert wal.engine.exchange(wanted, promoted, QUIET).target == "shop"


def test_staging_that_is_gone_and_live_that_is_gone(wal: SQLiteLab) -> None:
    staged = damaged_shop(wal)
    wanted = order(staged)
    promoted = wal.engine.promote(wanted, QUIET)
    wal.engine.discard(staged.sandbox)
    assert [f.code for f in wal.engine.preflight(wanted)] == ["staging_gone"]
    staged = stage(wal, wal.backup("shop"))
    wal.path("shop").unlink()
    assert [f.code for f in wal.engine.preflight(wanted)] == ["live_gone"]
    with pytest.raises(PreflightRefused):
        wal.engine.exchange(wanted, promoted, QUIET)


def test_live_deleted_in_the_middle_keeps_the_only_copy(wal: SQLiteLab) -> None:
    staged = damaged_shop(wal)
    wanted = whole(order(staged))
    promoted = wal.engine.promote(wanted, QUIET)

    def die() -> None:
        os.environ["RESTOREKIT_CRASH_AT"] = "sqlite.exchange.gated"
        wal.engine.exchange(wanted, promoted, QUIET)

    process = FORK.Process(target=die)
    process.start()
    process.join(30)
    for path in wal.live.glob("shop.db*"):
        path.unlink()
    (settled,) = wal.engine.settle()
    assert "undo_r1.db" in settled.note
    assert "undo_r1.db" in own_files(wal)


def test_no_reader_ever_sees_both_sides(lab: SQLiteLab) -> None:
    """A reader that never rests: every answer is all old or all new, and none is an error."""
    lab.create("shop")
    lab.run(
        "shop", *(f"CREATE TABLE t{i} (v)" for i in range(3)), *(f"INSERT INTO t{i} VALUES ('new')" for i in range(3))
    )
    lab.run("shop", "CREATE TABLE filler (b)", *("INSERT INTO filler VALUES (randomblob(2000))" for _ in range(300)))
    staged = stage(lab, lab.backup("shop"))
    lab.run("shop", *(f"UPDATE t{i} SET v = 'old'" for i in range(3)), "DELETE FROM filler WHERE rowid % 2")
    wanted = whole(order(staged, policy=policy(lock_wait_s=30)))
    promoted = lab.engine.promote(wanted, QUIET)
    answers: list[tuple[Any, ...]] = []
    stop = threading.Event()

    def read() -> None:
        with closing(lab.connect("shop", timeout=30)) as shop:
            while not stop.wait(0.001):
                answers.append(shop.execute("SELECT t0.v, t1.v, t2.v FROM t0, t1, t2").fetchone())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        done = lab.engine.exchange(wanted, promoted, QUIET)
        lab.engine.undo(done, "r1u", 60, QUIET)
    finally:
        stop.set()
        reader.join()
    assert set(answers) <= {("old",) * 3, ("new",) * 3}


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    lab = SQLiteLab(tmp_path)
    lab.live.rmdir()
    assert [f.severity for f in lab.engine.check()] == ["refuse"]
    with pytest.raises(EngineUnavailable):
        lab.engine.databases()
    assert lab.engine.settle() == []

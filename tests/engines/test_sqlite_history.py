"""SQLite has no log: a look gives the state of every database touched, and never calls a changed one unchanged."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from contract.engine import facts, live
from servers.sqlite import SQLiteLab

from restorekit.catalog import open_store
from restorekit.engines.sqlite import connect, history, marks
from restorekit.errors import EngineUnavailable, UsageError
from restorekit.model.changes import LogReading
from restorekit.model.database import DatabaseId
from restorekit.timeline.states import between

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)"


@pytest.fixture(params=["delete", "wal"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> SQLiteLab:
    return made(SQLiteLab(tmp_path, journal=request.param))


@pytest.fixture
def wal(tmp_path: Path) -> SQLiteLab:
    return made(SQLiteLab(tmp_path, journal="wal"))


@pytest.fixture
def plain(tmp_path: Path) -> SQLiteLab:
    return made(SQLiteLab(tmp_path))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_PATIENCE_S", 0.05)


def made(lab: SQLiteLab) -> SQLiteLab:
    for name in ("shop", "other"):
        lab.create(name)
        lab.run(name, TABLE, "INSERT INTO t (v) VALUES ('a'), ('b'), ('c')")
    return lab


def at_rest(lab: SQLiteLab, cursor: str = "") -> LogReading:
    """Look until nothing is in doubt any more: a file written a moment ago is read once more."""
    end = time.monotonic() + 10
    while True:
        found = lab.engine.changes(cursor)
        if not found.states:
            return found
        assert time.monotonic() < end
        cursor = found.cursor


def later(lab: SQLiteLab, cursor: str) -> LogReading:
    """A look when the shop's file is no longer in doubt: its mark alone must tell."""
    end = time.monotonic() + 10
    while not marks.looked(str(lab.path("shop")))[1]:
        assert time.monotonic() < end
    return lab.engine.changes(cursor)


def truth(lab: SQLiteLab, name: str = "shop") -> dict[str, object]:
    return facts(lab.engine.contents(live(name)))


def test_the_first_look_tells_what_everything_holds(lab: SQLiteLab) -> None:
    found = lab.engine.changes("")
    assert set(found.states) == {"shop", "other"}
    assert {name: facts(state) for name, state in found.states.items()} == {n: truth(lab, n) for n in ("shop", "other")}
    assert (found.unchanged, found.problems, found.changes, found.stretches) == ((), (), (), ())
    assert found.looked_at is not None
    assert all(found.looked_at <= state.taken_at for state in found.states.values())


def test_what_nobody_touched_is_unchanged_and_not_read(lab: SQLiteLab, impatient: None) -> None:
    first = at_rest(lab)
    with closing(lab.connect("shop")) as session:
        session.execute("PRAGMA locking_mode=EXCLUSIVE")
        session.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError), connect.reader(lab.path("shop"), 0):
            pytest.fail("the lock does not keep readers out: the test would prove nothing")
        second = lab.engine.changes(first.cursor)
        session.execute("COMMIT")
    assert (set(second.unchanged), second.states, second.problems) == ({"shop", "other"}, {}, ())
    assert second.looked_at is not None
    assert first.looked_at is not None
    assert second.looked_at > first.looked_at


@pytest.mark.parametrize(
    "change",
    [
        ("UPDATE t SET v = 'A' WHERE id = 1",),
        ("INSERT INTO t (v) VALUES ('d')",),
        ("DELETE FROM t WHERE id = 2", "INSERT INTO t VALUES (2, 'B')"),
        ("CREATE INDEX i ON t (v)",),
        ("DROP TABLE t",),
        ("UPDATE t SET v = 'A' WHERE id = 1", "UPDATE t SET v = 'a' WHERE id = 1"),
        ("DELETE FROM t",),
    ],
)
def test_a_change_is_seen_in_its_database_only(lab: SQLiteLab, change: tuple[str, ...]) -> None:
    first = at_rest(lab)
    for statement in change:
        lab.run("shop", statement)
    second = later(lab, first.cursor)
    assert set(second.states) == {"shop"}
    assert second.unchanged == ("other",)
    assert facts(second.states["shop"]) == truth(lab)


def test_vacuum_is_the_same_state_again(lab: SQLiteLab) -> None:
    before, first = truth(lab), at_rest(lab)
    with closing(lab.connect("shop")) as session:
        session.execute("VACUUM")
    second = later(lab, first.cursor)
    assert facts(second.states["shop"]) == before
    assert set(at_rest(lab, second.cursor).unchanged) == {"shop", "other"}


def test_two_writers_between_two_looks(lab: SQLiteLab) -> None:
    first = at_rest(lab)
    with closing(lab.connect("shop")) as one, closing(lab.connect("shop")) as two:
        one.execute("INSERT INTO t (v) VALUES ('one')")
        two.execute("INSERT INTO t (v) VALUES ('two')")
        second = later(lab, first.cursor)
    found = second.states["shop"].table("t")
    assert found is not None
    assert found.rows == 5
    assert facts(second.states["shop"]) == truth(lab)


def test_what_is_not_committed_is_not_there(lab: SQLiteLab) -> None:
    before, first = truth(lab), at_rest(lab)
    with closing(lab.connect("shop")) as session:
        session.execute("BEGIN")
        session.execute("DELETE FROM t")
        during = lab.engine.changes(first.cursor)
        session.execute("ROLLBACK")
    assert "shop" not in during.problems
    assert all(facts(state) == before for state in during.states.values())
    after = lab.engine.changes(during.cursor)
    assert all(facts(state) == before for state in after.states.values())


def test_a_look_keeps_every_lock_that_this_process_holds(lab: SQLiteLab) -> None:
    """Closing any descriptor of the file would let other processes in, in the middle of an exchange."""
    attempt = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
    with closing(lab.connect("shop")) as session:
        session.execute("BEGIN IMMEDIATE")
        lab.engine.changes(at_rest(lab).cursor)
        tried = subprocess.run([sys.executable, "-c", attempt, lab.path("shop")], capture_output=True, check=False)
    assert b"database is locked" in tried.stderr


DIES = """
import os, sqlite3, sys
session = sqlite3.connect(sys.argv[1], isolation_level=None)
session.execute("PRAGMA cache_size=2")
session.execute("INSERT INTO t (v) VALUES ('kept')")
session.execute("BEGIN")
session.executemany("INSERT INTO t (v) VALUES (?)", [("x" * 900,)] * 200)
os._exit(9)
"""


def test_a_writer_that_died_left_what_it_had_committed(lab: SQLiteLab) -> None:
    """Half a transaction lies in the files; the look is the first to open them."""
    first, sizes = at_rest(lab), sum(f.stat().st_size for f in lab.live.glob("shop*"))
    assert subprocess.run([sys.executable, "-c", DIES, lab.path("shop")], check=False).returncode == 9
    assert sum(f.stat().st_size for f in lab.live.glob("shop*")) > sizes + 100_000
    second = later(lab, first.cursor)
    found = second.states["shop"].table("t")
    assert found is not None
    assert found.rows == 4
    assert facts(second.states["shop"]) == truth(lab)
    assert "shop" in at_rest(lab, second.cursor).unchanged


# what the files do not tell by themselves


def test_a_checkpoint_that_leaves_all_sizes_as_they_were(wal: SQLiteLab) -> None:
    """The -wal is empty before and after, and the change counter does not move with each commit."""
    with closing(wal.connect("shop")) as session:
        session.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        first = at_rest(wal)
        size = wal.path("shop").stat().st_size
        session.execute("UPDATE t SET v = 'A' WHERE id = 1")
        session.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert (wal.path("shop").stat().st_size, Path(f"{wal.path('shop')}-wal").stat().st_size) == (size, 0)
        second = later(wal, first.cursor)
    assert facts(second.states["shop"]) == truth(wal)


def test_a_wal_begun_anew_with_the_same_size(wal: SQLiteLab) -> None:
    log = Path(f"{wal.path('shop')}-wal")
    with closing(wal.connect("shop")) as session:
        session.execute("UPDATE t SET v = 'A' WHERE id = 1")
        session.execute("PRAGMA wal_checkpoint(RESTART)")
        first, size = at_rest(wal), log.stat().st_size
        session.execute("UPDATE t SET v = 'B' WHERE id = 1")
        assert log.stat().st_size == size
        second = later(wal, first.cursor)
        assert facts(second.states["shop"]) == truth(wal)


def test_a_second_commit_into_the_middle_of_an_old_wal(wal: SQLiteLab) -> None:
    """Header, size and last frame of the -wal stay what they were."""
    with closing(wal.connect("shop")) as session:
        for value in "ABCDEFGH":
            session.execute("UPDATE t SET v = ?", (value,))
        session.execute("PRAGMA wal_checkpoint(RESTART)")
        session.execute("UPDATE t SET v = 'I'")
        first = at_rest(wal)
        session.execute("UPDATE t SET v = 'J'")
        assert facts(later(wal, first.cursor).states["shop"]) == truth(wal)


def test_a_commit_in_the_tick_of_the_last_one_is_not_missed(lab: SQLiteLab) -> None:
    """Two writes may bear the same time: a file written just now is in doubt."""
    name = str(lab.path("shop"))
    with closing(lab.connect("shop")) as session:
        session.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        session.execute("UPDATE t SET v = 'A'")
        session.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert marks.looked(name) == ("database", "")


@pytest.mark.parametrize("how", ["moved in", "written over"])
def test_a_file_copied_in_with_the_same_counter_and_times(plain: SQLiteLab, how: str) -> None:
    shop, twin = plain.path("shop"), plain.folder / "twin.db"
    shutil.copy2(shop, twin)
    plain.run("shop", "UPDATE t SET v = 'A' WHERE id = 1")
    with closing(sqlite3.connect(twin)) as session:
        session.execute("UPDATE t SET v = 'Z' WHERE id = 1")
        session.commit()
    found = shop.stat()
    first = at_rest(plain)
    assert shop.read_bytes()[24:28] == twin.read_bytes()[24:28]
    if how == "moved in":
        os.utime(twin, ns=(found.st_atime_ns, found.st_mtime_ns))
        twin.replace(shop)
    else:
        shop.write_bytes(twin.read_bytes())
        os.utime(shop, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert (shop.stat().st_size, shop.stat().st_mtime_ns) == (found.st_size, found.st_mtime_ns)
    assert facts(later(plain, first.cursor).states["shop"]) == truth(plain)


def test_the_wal_of_a_linked_database_lies_beside_the_file_itself(wal: SQLiteLab) -> None:
    elsewhere = wal.folder / "elsewhere.db"
    wal.path("shop").replace(elsewhere)
    wal.path("shop").symlink_to(elsewhere)
    with closing(wal.connect("shop")) as session:
        first = at_rest(wal)
        session.execute("UPDATE t SET v = 'A'")
        assert Path(f"{elsewhere}-wal").stat().st_size > 0
        assert set(later(wal, first.cursor).states) == {"shop"}


def test_a_large_wal_is_in_doubt(wal: SQLiteLab, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(wal.connect("shop")) as session:
        session.execute("UPDATE t SET v = 'A'")
        at_rest(wal)
        assert marks.looked(str(wal.path("shop")))[1]
        monkeypatch.setattr(marks, "MOST", 1000)
        assert marks.looked(str(wal.path("shop"))) == ("database", "")


def test_a_fifo_in_the_place_of_a_wal_keeps_nobody_waiting(plain: SQLiteLab) -> None:
    os.mkfifo(f"{plain.path('shop')}-wal")
    assert set(plain.engine.changes("").states) == {"shop", "other"}


# nothing is claimed


def test_a_locked_database_is_a_sentence_and_no_claim(plain: SQLiteLab, impatient: None) -> None:
    first = at_rest(plain)
    with closing(plain.connect("shop")) as session:
        session.execute("UPDATE t SET v = 'A'")
        session.execute("BEGIN EXCLUSIVE")
        second = plain.engine.changes(first.cursor)
        third = plain.engine.changes(second.cursor)
        session.execute("COMMIT")
    for found in (second, third):
        assert (found.states, found.unchanged) == ({}, ("other",))
        assert len(found.problems) == 1
        assert found.problems[0].startswith(
            "database shop is locked by another process: nothing is known of it since 2"
        )
    assert facts(plain.engine.changes(third.cursor).states["shop"]) == truth(plain)


@pytest.mark.parametrize("offset", [0, 4096], ids=["header", "rows"])
def test_a_damaged_database_is_a_sentence_until_it_is_whole_again(plain: SQLiteLab, offset: int) -> None:
    first, whole = at_rest(plain), plain.path("shop").read_bytes()
    plain.path("shop").write_bytes(whole[:offset] + b"damage! " * 512 + whole[offset + 4096 :])
    second = plain.engine.changes(first.cursor)
    third = at_rest(plain, second.cursor)
    for found in (second, third):
        assert (found.states, found.unchanged) == ({}, ("other",))
        assert len(found.problems) == 1
        assert "shop" in found.problems[0]
        assert "damage!" not in found.problems[0]
    plain.path("shop").write_bytes(whole)
    assert facts(plain.engine.changes(third.cursor).states["shop"]) == truth(plain)


def test_a_database_comes_and_goes(lab: SQLiteLab) -> None:
    first = at_rest(lab)
    lab.create("new")
    second = lab.engine.changes(first.cursor)
    assert set(second.states) == {"new"}
    assert set(second.unchanged) == {"shop", "other"}
    rested = at_rest(lab, second.cursor)
    lab.path("shop").unlink()
    third = lab.engine.changes(rested.cursor)
    assert (third.states, set(third.unchanged)) == ({}, {"new", "other"})
    assert len(third.problems) == 1
    assert third.problems[0].startswith("the database shop is no longer in ")
    fourth = lab.engine.changes(third.cursor)
    assert (fourth.problems, set(fourth.unchanged)) == ((), {"new", "other"})


def test_names_that_lead_nowhere_for_sure(plain: SQLiteLab) -> None:
    first = at_rest(plain)
    shutil.copy(plain.path("shop"), plain.live / "shop.sqlite")
    shutil.copy(plain.path("shop"), os.fsencode(plain.live) + b"/caf\xe9.db")
    (plain.live / "notes.db").write_text("not a database")
    second = plain.engine.changes(first.cursor)
    assert (second.states, second.unchanged) == ({}, ("other",))
    assert [p for p in second.problems if "'shop' fits several files: nothing is known of it since" in p]
    assert [p for p in second.problems if "caf\\udce9" in p]
    assert len(second.problems) == 2
    second.model_dump_json()
    (plain.live / "shop.sqlite").unlink()
    assert set(plain.engine.changes(second.cursor).states) == {"shop"}


def test_an_emptied_file_is_a_database_without_tables(plain: SQLiteLab) -> None:
    first = at_rest(plain)
    plain.path("shop").write_bytes(b"")
    assert plain.engine.changes(first.cursor).states["shop"].tables == ()


def test_a_folder_that_is_gone_says_nothing_of_its_databases(plain: SQLiteLab) -> None:
    first = at_rest(plain)
    plain.live.rename(plain.folder / "away")
    with pytest.raises(EngineUnavailable):
        plain.engine.changes(first.cursor)


@pytest.mark.parametrize("cursor", ["binlog.000001:4", "{}x", '{"kind": "other"}', '{"marks": [1]}', "[]", "\udcff"])
def test_a_foreign_cursor_is_refused(plain: SQLiteLab, cursor: str) -> None:
    with pytest.raises(UsageError):
        plain.engine.changes(cursor)


def test_a_cursor_of_another_folder_fits_nothing(plain: SQLiteLab, tmp_path: Path) -> None:
    first = at_rest(plain)
    copied = SQLiteLab(tmp_path / "copied")
    for name in ("shop", "other"):
        shutil.copy2(plain.path(name), copied.path(name))
    assert set(copied.engine.changes(first.cursor).states) == {"shop", "other"}


def test_what_looks_tell_becomes_a_past_without_holes(plain: SQLiteLab) -> None:
    """Quiet looks do not pile up, and their time is known time all the same."""
    store = open_store(f"sqlite:///{plain.folder / 'state.db'}")
    shop = DatabaseId(engine="files", name="shop")

    def look() -> LogReading:
        since = store.log_cursor("files")
        found = plain.engine.changes(since)
        assert store.record_log("files", found, since)
        return found

    with closing(store):
        look()
        plain.run("shop", "INSERT INTO t (v) VALUES ('d')")
        look()
        for _ in range(6):
            quiet = look()
        assert quiet.unchanged
        states = store.past(shop).states
        assert len(states) <= 4
        plain.run("shop", "DROP TABLE t")
        look()
        past = store.past(shop)
    tallies, blows, stretches = between(past.states, past.stretches)
    assert [(t.table, t.op, t.rows) for t in tallies] == [("t", "I", 1)]
    assert [(b.kind, b.table, b.rows) for b in blows] == [("drop_table", "t", 4)]
    assert states[-1].taken_at == quiet.looked_at == stretches[-1].start  # the loss lies after the last quiet look
    assert all(a.end == b.start for a, b in pairwise(stretches))
    assert {s.coverage for s in stretches} == {"states"}


# never a false "unchanged"


Step = Callable[[SQLiteLab, str, sqlite3.Connection, random.Random], None]


def sql(*statements: str) -> Step:
    def step(lab: SQLiteLab, name: str, session: sqlite3.Connection, dice: random.Random) -> None:
        for statement in statements:
            session.execute(statement.replace("?", str(dice.randrange(3))))

    return step


def swapped(lab: SQLiteLab, name: str, session: sqlite3.Connection, dice: random.Random) -> None:
    session.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with closing(sqlite3.connect(lab.folder / "next.db")) as copy:
        session.backup(copy)
    with (
        closing(sqlite3.connect(lab.folder / "next.db", isolation_level=None)) as copy,
        closing(lab.connect(name)) as old,
    ):
        copy.execute("UPDATE t SET v = ?", (dice.choice("xyz"),))
        copy.backup(old)


def visited(lab: SQLiteLab, name: str, session: sqlite3.Connection, dice: random.Random) -> None:
    lab.run(name, f"UPDATE t SET v = 'v{dice.randrange(3)}' WHERE id = 2")


def touched(lab: SQLiteLab, name: str, session: sqlite3.Connection, dice: random.Random) -> None:
    os.utime(lab.path(name), (0, 0))


STEPS: list[Step] = [
    sql("UPDATE t SET v = 'u?' WHERE id = ?"),
    sql("INSERT INTO t (v) VALUES ('i?')"),
    sql("BEGIN", "UPDATE t SET v = 'r?'", "ROLLBACK"),
    sql("BEGIN", "DELETE FROM t WHERE id > 20", "COMMIT"),
    sql("VACUUM"),
    sql("PRAGMA wal_checkpoint(TRUNCATE)"),
    sql("PRAGMA wal_checkpoint(RESTART)"),
    sql("CREATE TABLE IF NOT EXISTS u (a)", "DROP TABLE u"),
    sql("CREATE INDEX IF NOT EXISTS i? ON t (v)"),
    swapped,
    visited,
    touched,
]


@pytest.mark.parametrize("journal", ["delete", "truncate", "persist", "wal"])
def test_whatever_happens_unchanged_means_unchanged(tmp_path: Path, journal: str) -> None:
    lab = made(SQLiteLab(tmp_path, journal=journal))
    dice, names = random.Random(journal), ("shop", "other")
    found = lab.engine.changes("")
    told = {name: facts(state) for name, state in found.states.items()}
    unchanged = 0
    sessions = {name: lab.connect(name) for name in names}
    for _ in range(20):
        for _ in range(dice.randrange(3)):
            name = dice.choice(names)
            dice.choice(STEPS)(lab, name, sessions[name], dice)
            if dice.random() < 0.2:
                sessions[name].close()
                sessions[name] = lab.connect(name)
        found = lab.engine.changes(found.cursor)
        assert found.problems == ()
        assert {*found.states, *found.unchanged} == set(names)
        told |= {name: facts(state) for name, state in found.states.items()}
        unchanged += len(found.unchanged)
        assert told == {name: truth(lab, name) for name in names}
    for session in sessions.values():
        session.close()
    assert unchanged


def test_writers_that_never_rest_are_caught_up_with(wal: SQLiteLab) -> None:
    """Each burst goes on during several looks; the first look after it knows everything."""
    told: dict[str, object] = {}
    cursor = ""

    def burst(number: int) -> None:
        with closing(wal.connect("shop")) as session:
            for turn in range(150):
                session.execute("UPDATE t SET v = ?", (f"{number} {turn}",))
                session.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    for number in range(5):
        writer = threading.Thread(target=burst, args=(number,))
        writer.start()
        going = True
        while going:
            going = writer.is_alive()
            found = wal.engine.changes(cursor)
            assert found.problems == ()
            cursor = found.cursor
            told |= {name: facts(state) for name, state in found.states.items()}
        writer.join()
        assert told["shop"] == truth(wal)

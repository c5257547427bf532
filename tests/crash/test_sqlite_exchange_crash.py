"""kill -9 at every place between "done" and "recorded", and at random, while a customer keeps writing.

After each death: live is whole, one side or the other; a settle or a rerun ends the story; and no write that was
acknowledged is missing from both live and the copies kept for undo.
"""

import contextlib
import multiprocessing
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from contract.engine import QUIET, Stage, order, pieces, policy, stage
from servers.sqlite import SQLiteLab

from restorekit.engines.sqlite import CRASH_POINTS
from restorekit.model.difference import TableAction
from restorekit.model.exchange import Exchanged, ExchangeOrder, Promoted

FORK = multiprocessing.get_context("fork")
EXCHANGE_POINTS = [p for p in CRASH_POINTS if p.startswith("sqlite.exchange.")]
WAYS = [(journal, way) for journal in ("wal", "delete") for way in ("pages", "tables")]
QUICK = {
    ("wal", "pages"): EXCHANGE_POINTS,
    ("wal", "tables"): ["sqlite.exchange.gated", "sqlite.exchange.committed"],
    ("delete", "pages"): ["sqlite.exchange.undo_copied", "sqlite.exchange.gated", "sqlite.exchange.committed"],
    ("delete", "tables"): ["sqlite.exchange.gated", "sqlite.exchange.committed"],
}


def crashing(point: str, work: Callable[[], object]) -> int:
    """Run `work` in a process of its own that dies at `point`; its exit code."""

    def child() -> None:
        os.environ["RESTOREKIT_CRASH_AT"] = point
        work()

    process = FORK.Process(target=child)
    process.start()
    process.join(60)
    assert process.exitcode is not None, "the child hangs"
    return process.exitcode


def write_until_stopped(lab: SQLiteLab, log: Path) -> None:
    """A customer: one commit after the other, each noted only after it was acknowledged."""
    number = 0
    with log.open("a", buffering=1) as acknowledged, closing(lab.connect("shop")) as shop:
        while True:
            number += 1
            with contextlib.suppress(sqlite3.OperationalError):  # not acknowledged, not noted
                shop.execute("INSERT INTO writes VALUES (?, hex(randomblob(40)))", (number,))
                acknowledged.write(f"{number}\n")
            time.sleep(0.002)  # in rollback mode a writer that never rests starves every reader, ours and the test's


@dataclass
class Scene:
    lab: SQLiteLab
    staged: Stage
    order: ExchangeOrder
    promoted: Promoted
    log: Path

    def exchange(self) -> Exchanged:
        return self.lab.engine.exchange(self.order, self.promoted, QUIET)

    def side(self) -> str:
        """Which side live is: `backup` or `live`, the same in every table, or the test fails."""
        with closing(self.lab.connect("shop", timeout=20)) as shop:
            assert shop.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            shop.execute("BEGIN")
            sides = {shop.execute(f"SELECT v FROM {t}").fetchone()[0] for t in ("side_a", "side_b")}
        assert len(sides) == 1, f"live is mixed: {sides}"
        return str(sides.pop())

    def numbers(self, path: Path) -> set[int]:
        if not path.exists():
            return set()
        with closing(sqlite3.connect(path, timeout=20)) as some:
            return {row[0] for row in some.execute("SELECT n FROM writes")}

    def lost(self) -> set[int]:
        """Acknowledged, and neither in live nor in any copy kept for undo."""
        acknowledged = {int(line) for line in self.log.read_text().splitlines() if line}  # before looking at live
        kept = self.numbers(self.lab.path("shop"))
        for copy in (self.lab.live / ".restorekit").glob("undo_*.db"):
            kept |= self.numbers(copy)
        return acknowledged - kept

    def marked(self) -> bool:
        return bool(self.lab.rows("shop", "SELECT 1 FROM sqlite_schema WHERE name = '_restorekit'"))


def scene(folder: Path, journal: str, way: str, filler: int = 300) -> Scene:
    lab = SQLiteLab(folder, journal=journal)
    lab.create("shop")
    lab.run(
        "shop",
        *(f"CREATE TABLE {t} (v TEXT)" for t in ("side_a", "side_b", "kept")),
        *(f"INSERT INTO {t} VALUES ('backup')" for t in ("side_a", "side_b", "kept")),
        "CREATE TABLE writes (n INTEGER PRIMARY KEY, t TEXT)",
        "CREATE TABLE filler (id INTEGER PRIMARY KEY, b BLOB)",
        "WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < "
        f"{filler}) INSERT INTO filler SELECT i, randomblob(3000) FROM c",
    )
    staged = stage(lab, lab.backup("shop"))
    changed = ["UPDATE side_a SET v = 'live'", "UPDATE side_b SET v = 'live'", "DELETE FROM filler WHERE id % 2"]
    lab.run("shop", *changed)
    wanted = order(staged, policy=policy(lock_wait_s=20, gate_max_s=60))
    method = "exchange"
    everything = tuple(TableAction(name=a.name, method=method, why="test") for a in wanted.actions)
    if way == "pages":
        wanted = wanted.model_copy(update={"actions": everything})
    else:
        some = tuple(a for a in everything if a.name != "kept")
        wanted = wanted.model_copy(update={"actions": (*some, TableAction(name="kept", method="same", why="test"))})
    log = lab.folder / "acknowledged"
    log.touch()
    return Scene(lab, staged, wanted, lab.engine.promote(wanted, QUIET), log)


@contextlib.contextmanager
def writing(one: Scene) -> Iterator[None]:
    """A customer writes inside; it has begun when this begins."""
    writer = FORK.Process(target=write_until_stopped, args=(one.lab, one.log))
    writer.start()
    try:
        while one.log.stat().st_size < 20:
            assert writer.is_alive()
            time.sleep(0.005)  # another process's progress can only be polled
        yield
    finally:
        writer.kill()
        writer.join()


def judge(one: Scene, *, dead: bool) -> None:
    """What must hold after a death, then after settling, then after a rerun."""
    assert one.side() in ("live", "backup")
    settled = one.lab.engine.settle()
    assert one.lab.engine.settle() == []
    assert not one.marked()
    assert one.side() == ("backup" if any(s.outcome == "finished" for s in settled) else one.side())
    done = one.exchange()
    assert one.side() == "backup"
    assert not one.marked()
    assert one.exchange() == done
    assert one.lost() == set()
    assert dead or not settled


@pytest.mark.parametrize(
    ("journal", "way", "point"), [(journal, way, point) for journal, way in WAYS for point in QUICK[journal, way]]
)
def test_killed_at_a_named_point(tmp_path: Path, journal: str, way: str, point: str) -> None:
    one = scene(tmp_path, journal, way)
    with writing(one):
        assert crashing(point, one.exchange) == -signal.SIGKILL
        judge(one, dead=True)
    assert one.lost() == set()


@pytest.mark.long
@pytest.mark.parametrize(
    ("journal", "way", "point"),
    [(j, w, p) for j, w in WAYS for p in EXCHANGE_POINTS if p not in QUICK[j, w]],
)
def test_killed_at_every_other_named_point(tmp_path: Path, journal: str, way: str, point: str) -> None:
    test_killed_at_a_named_point(tmp_path, journal, way, point)


@pytest.mark.parametrize("point", ["sqlite.exchange.gated", "sqlite.exchange.committed", "sqlite.exchange.unmarked"])
def test_killed_in_an_undo(tmp_path: Path, point: str) -> None:
    one = scene(tmp_path, "wal", "tables")
    done = one.exchange()
    with writing(one):
        assert crashing(point, lambda: one.lab.engine.undo(done, "r1u", 60, QUIET)) == -signal.SIGKILL
        assert one.side() in ("live", "backup")
        one.lab.engine.settle()
        undone = one.lab.engine.undo(done, "r1u", 60, QUIET)
        assert one.side() == "live"
        assert one.lab.engine.undo(done, "r1u", 60, QUIET) == undone
    assert one.lost() == set()


@pytest.mark.parametrize("point", ["sqlite.exchange.undo_copied", "sqlite.exchange.gated", "sqlite.exchange.committed"])
def test_killed_while_a_database_is_made(tmp_path: Path, point: str) -> None:
    one = scene(tmp_path, "wal", "pages")
    new = one.order.model_copy(update={"id": "n1", "target": "copy", "live": None})
    promoted = one.lab.engine.promote(new, QUIET)
    assert crashing(point, lambda: one.lab.engine.exchange(new, promoted, QUIET)) == -signal.SIGKILL
    one.lab.engine.settle()
    done = one.lab.engine.exchange(new, promoted, QUIET)
    assert done.created
    assert one.lab.rows("copy", "SELECT v FROM side_a") == [("backup",)]
    one.lab.run("copy", "INSERT INTO writes VALUES (1, 'x')")
    assert one.lab.engine.exchange(new, promoted, QUIET) == done
    assert one.lab.rows("copy", "SELECT COUNT(*) FROM writes") == [(1,)]


def test_killed_while_loading(tmp_path: Path) -> None:
    one = scene(tmp_path, "delete", "pages")
    data = one.lab.backup("shop")
    again = lambda: one.lab.engine.load(one.staged.sandbox, pieces(data), ("sqlite", "none"), QUIET)  # noqa: E731
    assert crashing("sqlite.load.written", again) == -signal.SIGKILL
    with pytest.raises(Exception, match="nothing is staged"):
        one.lab.engine.contents(one.staged.where)
    again()
    assert one.lab.engine.contents(one.staged.where).table("side_a")


def test_killed_while_promoting(tmp_path: Path) -> None:
    one = scene(tmp_path, "delete", "pages")
    assert crashing("sqlite.promote.copied", lambda: one.lab.engine.promote(one.order, QUIET)) == -signal.SIGKILL
    assert one.side() == "live"
    one.promoted = one.lab.engine.promote(one.order, QUIET)
    one.exchange()
    assert one.side() == "backup"


def test_killed_while_settling(tmp_path: Path) -> None:
    one = scene(tmp_path, "delete", "pages")
    assert crashing("sqlite.exchange.gated", one.exchange) == -signal.SIGKILL
    assert crashing("sqlite.settle.discarded", one.lab.engine.settle) == -signal.SIGKILL
    judge(one, dead=True)


def test_killed_while_retiring(tmp_path: Path) -> None:
    one = scene(tmp_path, "delete", "pages")
    done = one.exchange()
    assert crashing("sqlite.retire.deleted", lambda: one.lab.engine.retire(done)) == -signal.SIGKILL
    one.lab.engine.retire(done)
    assert not list((one.lab.live / ".restorekit").iterdir())
    assert one.side() == "backup"


def test_every_crash_point_is_tested() -> None:
    here = Path(__file__)
    text = here.read_text() + here.with_name("test_sqlite_delta_crash.py").read_text()
    assert all(point in EXCHANGE_POINTS or point in text for point in CRASH_POINTS)


def hold_until_told(lab: SQLiteLab, held: object, release: object) -> None:
    with closing(lab.connect("shop")) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        held.set()
        release.wait(30)


def test_settling_leaves_a_living_exchange_alone(tmp_path: Path) -> None:
    """Somebody holds live for a moment; meanwhile another worker starts and settles."""
    one = scene(tmp_path, "wal", "tables")
    held, release = FORK.Event(), FORK.Event()
    blocker = FORK.Process(target=hold_until_told, args=(one.lab, held, release))
    alive = FORK.Process(target=one.exchange)
    record = one.lab.live / ".restorekit" / "order_r1.json"
    blocker.start()
    try:
        assert held.wait(30)
        alive.start()
        while not record.exists():
            assert alive.is_alive()
            time.sleep(0.005)  # another process's progress can only be polled
        assert one.lab.engine.settle() == []
        assert record.exists()
        release.set()
        alive.join(30)
    finally:
        blocker.kill()
        blocker.join()
    assert alive.exitcode == 0
    assert one.side() == "backup"


@pytest.mark.long
@pytest.mark.parametrize(("journal", "way"), WAYS)
def test_killed_at_random(tmp_path: Path, journal: str, way: str) -> None:
    """60 deaths per way and journal, spread over the whole time that an exchange takes."""
    seed = int(os.environ.get("RESTOREKIT_SEED", time.time_ns() % 2**32))
    print(f"RESTOREKIT_SEED={seed}")
    chance = random.Random(seed)
    one = scene(tmp_path / "timing", journal, way, filler=1500)
    began = time.monotonic()
    with writing(one):
        one.exchange()
    usual = time.monotonic() - began
    for attempt in range(60):
        one = scene(tmp_path / str(attempt), journal, way, filler=1500)
        with writing(one):
            child = FORK.Process(target=one.exchange)
            child.start()
            child.join(chance.random() * usual)
            child.kill()
            child.join()
            judge(one, dead=True)
        assert one.lost() == set(), f"attempt {attempt} of seed {seed}"

"""kill -9 while rows are written one by one, alone or beside tables that change places, forward and back.

After each death: all the rows are there or none is; a settle or a rerun ends the story, with one answer; and no write
that a customer had acknowledged is missing from live.
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
from contract.engine import QUIET, facts, live, policy, stage
from servers.sqlite import SQLiteLab

from restorekit.engines.sqlite import CRASH_POINTS
from restorekit.model.difference import TableAction
from restorekit.model.exchange import Exchanged, ExchangeOrder, Promoted
from restorekit.model.pick import Pick

FORK = multiprocessing.get_context("fork")
POINTS = [*(p for p in CRASH_POINTS if p.startswith("sqlite.exchange.")), "sqlite.delta.written"]
AFTER = ("sqlite.exchange.committed", "sqlite.exchange.unmarked", "sqlite.exchange.done")
KINDS = ("open", "whole", "mixed")
ALL = [(journal, kind, point) for journal in ("wal", "delete") for kind in KINDS for point in POINTS]
QUICK = [
    *(("wal", "open", point) for point in POINTS),
    *(
        ("delete", "open", point)
        for point in ("sqlite.exchange.gated", "sqlite.delta.written", "sqlite.exchange.committed")
    ),
    *(("wal", "whole", point) for point in ("sqlite.delta.written", "sqlite.exchange.committed")),
    *(("wal", "mixed", f"sqlite.exchange.{point}") for point in ("undo_copied", "gated", "committed")),
    ("wal", "mixed", "sqlite.delta.written"),
    *(("delete", "mixed", point) for point in ("sqlite.delta.written", "sqlite.exchange.committed")),
]


def crashing(point: str, work: Callable[[], object]) -> int | None:
    """Run `work` in a process of its own that dies at `point`; its exit code."""

    def child() -> None:
        os.environ["RESTOREKIT_CRASH_AT"] = point
        work()

    process = FORK.Process(target=child)
    process.start()
    process.join(60)
    return process.exitcode


def write_until_stopped(lab: SQLiteLab, table: str, log: Path) -> None:
    """A customer: one commit after the other, each noted only after it was acknowledged."""
    number = 1_000_000
    with log.open("a", buffering=1) as acknowledged, closing(lab.connect("shop", timeout=20)) as shop:
        while True:
            number += 1
            with contextlib.suppress(sqlite3.OperationalError):  # not acknowledged, not noted
                shop.execute(f"INSERT INTO {table} VALUES (?, 'customer')", (number,))
                acknowledged.write(f"{number}\n")
            time.sleep(0.002)  # in rollback mode a writer that never rests starves every reader


@dataclass
class Scene:
    """Half of 200 orders are gone, three are changed; in a mixed restore another table is exchanged as a whole."""

    lab: SQLiteLab
    kind: str
    order: ExchangeOrder
    promoted: Promoted
    log: Path

    @property
    def written(self) -> str:
        """Where the customer writes: with an open gate into the very table that is restored."""
        return "orders" if self.kind == "open" else "beside"

    def exchange(self) -> Exchanged:
        return self.lab.engine.exchange(self.order, self.promoted, QUIET)

    def undo(self, done: Exchanged) -> Exchanged:
        return self.lab.engine.undo(done, "r1u", 60, QUIET)

    def side(self) -> str:
        """Which side live is, the same everywhere, or the test fails."""
        with closing(self.lab.connect("shop", timeout=20)) as shop:
            assert shop.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            shop.execute("BEGIN")
            orders = shop.execute("SELECT COUNT(*) FROM orders WHERE id <= 200").fetchone()[0]
            changed = shop.execute("SELECT COUNT(*) FROM orders WHERE v = 'damaged'").fetchone()[0]
            other = shop.execute("SELECT v FROM other").fetchone()[0]
        wanted = {(100, 3, "damaged"): "damaged", (200, 0, "damaged"): "backup", (200, 0, "backup"): "backup"}
        side = wanted.get((orders, changed, other))
        assert side is not None, f"live is mixed: {orders} orders, {changed} changed ones, the other table {other}"
        assert side == "damaged" or other == ("backup" if self.kind == "mixed" else "damaged")
        return side

    def lost(self) -> set[int]:
        acknowledged = {int(line) for line in self.log.read_text().splitlines() if line}  # before looking at live
        rows = self.lab.rows("shop", f"SELECT id FROM {self.written} WHERE v = 'customer'")
        return acknowledged - {row[0] for row in rows}

    def marked(self) -> bool:
        return bool(self.lab.rows("shop", "SELECT 1 FROM sqlite_schema WHERE name = '_restorekit'"))

    def own_files(self) -> list[str]:
        return sorted(p.name for p in (self.lab.live / ".restorekit").iterdir() if p.suffix != ".lock")


def scene(folder: Path, journal: str, kind: str) -> Scene:
    lab = SQLiteLab(folder, journal=journal)
    lab.create("shop")
    lab.run(
        "shop",
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, v TEXT)",
        "CREATE TABLE beside (id INTEGER PRIMARY KEY, v TEXT)",
        "CREATE TABLE other (v TEXT)",
        "INSERT INTO other VALUES ('backup')",
        "WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 200) "
        "INSERT INTO orders SELECT i, 'order ' || i FROM c",
        "CREATE TRIGGER seen AFTER INSERT ON orders BEGIN INSERT INTO beside (v) VALUES ('trigger'); END",
    )
    staged = stage(lab, lab.backup("shop"))
    lab.run("shop", "DROP TRIGGER seen")  # it would see what the customer writes
    lab.run("shop", "DELETE FROM orders WHERE id % 2", "UPDATE orders SET v = 'damaged' WHERE id IN (2, 4, 6)")
    lab.run("shop", "UPDATE other SET v = 'damaged'")
    lab.run("shop", "CREATE TRIGGER seen AFTER UPDATE ON orders BEGIN DELETE FROM beside; DELETE FROM orders; END")
    names = sorted(t.name for t in staged.proven.tables)
    lab.engine.compare(staged.where, live(), names, 5, QUIET)
    pick = Pick(tables=("orders",), keep_new=kind == "open")
    choice = lab.engine.choose(staged.where, live(), pick, {}, QUIET)
    methods = {"orders": "delta", "other": "exchange" if kind == "mixed" else "same"}
    order = ExchangeOrder(
        id="r1",
        target="shop",
        staging=staged.where,
        actions=tuple(TableAction(name=n, method=methods.get(n, "same"), why="test") for n in names),  # type: ignore[arg-type]
        objects=False,
        proven=staged.proven,
        live=lab.engine.contents(live()),
        policy=policy(lock_wait_s=20, gate_max_s=60),
        selection=choice.selection,
        gate="open" if kind == "open" else "closed",
    )
    log = lab.folder / "acknowledged"
    log.touch()
    return Scene(lab, kind, order, lab.engine.promote(order, QUIET), log)


@contextlib.contextmanager
def writing(one: Scene) -> Iterator[None]:
    """A customer writes inside; he has begun when this begins."""
    writer = FORK.Process(target=write_until_stopped, args=(one.lab, one.written, one.log))
    writer.start()
    try:
        while one.log.stat().st_size < 20:
            assert writer.is_alive()
            time.sleep(0.005)  # another process's progress can only be polled
        yield
    finally:
        writer.kill()
        writer.join()


def judge(one: Scene) -> Exchanged:
    """What must hold after a death, then after settling, then after a rerun."""
    one.side()
    settled = one.lab.engine.settle()
    assert one.lab.engine.settle() == []
    assert not one.marked()
    assert one.side() == ("backup" if any(s.outcome == "finished" for s in settled) else one.side())
    done = one.exchange()
    assert one.side() == "backup"
    assert not one.marked()
    assert one.exchange() == done
    assert one.lab.engine.outcome("r1") == done
    (applied,) = done.applied
    assert (applied.inserted, applied.changed, applied.removed, applied.moved) == (100, 3, 0, 0)
    return done


@pytest.mark.parametrize(("journal", "kind", "point"), QUICK)
def test_killed_while_rows_are_written(tmp_path: Path, journal: str, kind: str, point: str) -> None:
    one = scene(tmp_path, journal, kind)
    with writing(one):
        assert crashing(point, one.exchange) == -signal.SIGKILL
        done = judge(one)
    assert one.lost() == set()
    one.undo(done)
    assert one.side() == "damaged"
    assert one.lost() == set()


@pytest.mark.long
@pytest.mark.parametrize(("journal", "kind", "point"), [p for p in ALL if p not in QUICK])
def test_killed_at_every_other_point(tmp_path: Path, journal: str, kind: str, point: str) -> None:
    test_killed_while_rows_are_written(tmp_path, journal, kind, point)


@pytest.mark.parametrize("kind", ["open", "mixed"])
@pytest.mark.parametrize("point", ["sqlite.exchange.intent", "sqlite.exchange.gated", "sqlite.delta.written", *AFTER])
def test_killed_while_rows_are_taken_back(tmp_path: Path, kind: str, point: str) -> None:
    one = scene(tmp_path, "wal", kind)
    before = facts(one.lab.engine.contents(live()))
    done = one.exchange()
    with writing(one):
        assert crashing(point, lambda: one.undo(done)) == -signal.SIGKILL
        assert one.side() == ("damaged" if point in AFTER else "backup")
        one.lab.engine.settle()
        undone = one.undo(done)
        assert one.side() == "damaged"
        assert one.undo(done) == undone
    assert one.lost() == set()
    one.lab.run("shop", "DROP TRIGGER seen", f"DELETE FROM {one.written} WHERE v = 'customer'")
    one.lab.run("shop", "CREATE TRIGGER seen AFTER UPDATE ON orders BEGIN DELETE FROM beside; DELETE FROM orders; END")
    assert facts(one.lab.engine.contents(live())) == before


def test_killed_while_rows_are_carried(tmp_path: Path) -> None:
    one = scene(tmp_path, "wal", "open")
    one.lab.engine.drop_holding("r1")
    assert crashing("sqlite.delta.carried", lambda: one.lab.engine.promote(one.order, QUIET)) == -signal.SIGKILL
    assert one.side() == "damaged"
    one.promoted = one.lab.engine.promote(one.order, QUIET)
    one.exchange()
    assert one.side() == "backup"


def test_killed_while_an_undo_of_rows_is_discarded_or_retired(tmp_path: Path) -> None:
    one = scene(tmp_path, "wal", "open")
    assert crashing("sqlite.exchange.gated", one.exchange) == -signal.SIGKILL
    assert crashing("sqlite.settle.discarded", one.lab.engine.settle) == -signal.SIGKILL
    done = judge(one)
    assert crashing("sqlite.retire.deleted", lambda: one.lab.engine.retire(done)) == -signal.SIGKILL
    one.lab.engine.retire(done)
    assert one.own_files() == []
    assert one.side() == "backup"


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_killed_at_random(tmp_path: Path, journal: str, kind: str) -> None:
    """40 deaths per kind and journal, spread over the whole time that it takes."""
    seed = int(os.environ.get("RESTOREKIT_SEED", time.time_ns() % 2**32))
    print(f"RESTOREKIT_SEED={seed}")
    chance = random.Random(seed)
    one = scene(tmp_path / "timing", journal, kind)
    began = time.monotonic()
    with writing(one):
        one.exchange()
    usual = time.monotonic() - began
    for attempt in range(40):
        one = scene(tmp_path / str(attempt), journal, kind)
        with writing(one):
            child = FORK.Process(target=one.exchange)
            child.start()
            child.join(chance.random() * usual)
            child.kill()
            child.join()
            judge(one)
        assert one.lost() == set(), f"attempt {attempt} of seed {seed}"

"""Whoever dies while rows are written one by one: every row is as it was or as proven, and the way back is complete.

The work runs in a forked process which is killed, or loses its server, at a named place.
"""

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from crash.test_mariadb_exchange_crash import alone, ended, forked, grieved_at, killed_at
from servers.exchange_lab import SHOP, Lab, lab
from servers.mariadb import LiveServer
from servers.mariadb_live import Quiet

from restorekit.engines.mariadb import exchange
from restorekit.engines.mariadb.exchange import CRASH_POINTS
from restorekit.model.difference import TableAction
from restorekit.model.exchange import Exchanged, ExchangeOrder

COMMITTED = CRASH_POINTS[CRASH_POINTS.index("mariadb.delta_committed") :]
RENAMED = CRASH_POINTS[CRASH_POINTS.index("mariadb.renamed") :]
NEW = ("new", 200, "note 5", True)
OLD = ("old", 172, "x", False)
MIXED_OLD, MIXED_NEW = ("old", 172, "x", False), ("new", 200, "note 5", True)
TEXT = SHOP.split("CREATE DEFINER")[0] + (
    "CREATE TABLE created (id INT PRIMARY KEY); INSERT INTO created VALUES (1);"
    "INSERT INTO settings VALUES ('state', 'new');"
)
FIRES = "CREATE DEFINER=owner@localhost TRIGGER fires BEFORE UPDATE ON orders FOR EACH ROW SET NEW.note = 'fired'"
DAMAGE = (
    "UPDATE orders SET note='x' WHERE id=5; DELETE FROM orders WHERE id % 7 = 0; DROP TABLE created;"
    "UPDATE settings SET v='old' WHERE k='state';"
)


def points(*quick: str, of: tuple[str, ...] = CRASH_POINTS) -> Any:
    """All of these places; only the quick ones each time."""
    marked = [p if p in quick else pytest.param(p, marks=pytest.mark.long) for p in of]
    return pytest.mark.parametrize("point", marked)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[LiveServer, LiveServer]]:
    with LiveServer.running(log_bin=True) as live, LiveServer.running() as staging:
        yield live, staging


@pytest.fixture
def shop(servers) -> Iterator[Lab]:
    with lab("shop", TEXT, server=servers[0], staging=servers[1]) as made:
        made.sql(DAMAGE)
        yield made


def rows_only(shop: Lab, name: str, gate: str = "closed") -> ExchangeOrder:
    return shop.by_rows(name, ["orders", "settings"], gate=gate)


def mixed(shop: Lab, name: str) -> ExchangeOrder:
    """Rows of one table, another one exchanged, a third created."""
    more = [TableAction(name=n, method=m, why="test") for n, m in (("settings", "exchange"), ("created", "create"))]
    return shop.by_rows(name, ["orders"], actions=more)


def state(shop: Lab) -> tuple[Any, ...]:
    (one,) = shop.rows(
        "SELECT (SELECT v FROM settings WHERE k='state'), COUNT(*), MAX(IF(id=5,note,'')), "
        "(SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='shop' AND table_name='created') "
        "FROM orders"
    )
    return (*one[:3], bool(one[3]))


def with_table(state: tuple[Any, ...], there: bool) -> tuple[Any, ...]:
    return (*state[:3], there)


@points("mariadb.delta_written", "mariadb.delta_committed")
def test_killed_while_rows_are_written_and_while_they_go_back(shop: Lab, point: str):
    grants, old = shop.grants(), shop.state()
    order = rows_only(shop, "aaa1")
    before, after = with_table(OLD, False), with_table(NEW, False)
    promoted = exchange.promote(shop.live, order, Quiet())
    killed_at(point, lambda: exchange.exchange(shop.live, order, promoted, Quiet()))
    found = ended(shop, "aaa1")
    assert found.phase == ("done" if point in COMMITTED else "taken_back")
    assert state(shop) == (after if point in COMMITTED else before)
    assert shop.grants() == grants
    if point not in COMMITTED:
        assert shop.server.rows("SHOW DATABASES LIKE 'rk\\_undo%'") == []
    done = exchange.exchange(shop.live, order, promoted, Quiet())
    assert found.journal.exchanged in (None, done)
    assert state(shop) == after
    assert shop.contents().table("orders").fingerprint == order.proven.table("orders").fingerprint
    assert shop.server.rows("SHOW DATABASES LIKE 'rk\\_hold%'") == []

    killed_at(point, lambda: exchange.undo(shop.live, done, "aaa2", 60.0, Quiet()))
    ended(shop, "aaa2")
    assert state(shop) == (before if point in COMMITTED else after)
    shop.undo(done, "aaa2")
    assert [t.fingerprint for t in shop.state()[0]] == [t.fingerprint for t in old[0]]
    assert shop.state()[1:] == old[1:]
    assert shop.server.rows("SHOW DATABASES LIKE 'rk\\_undo\\_aaa1'") == []


@points("mariadb.delta_committed", "mariadb.renamed")
def test_killed_in_a_mixed_exchange_it_is_all_or_nothing(shop: Lab, point: str):
    shop.sql(FIRES)
    grants, old = shop.grants(), shop.state()
    order = mixed(shop, "bbb1")
    promoted = exchange.promote(shop.live, order, Quiet())
    killed_at(point, lambda: exchange.exchange(shop.live, order, promoted, Quiet()))
    found = ended(shop, "bbb1")
    assert found.phase == ("done" if point in RENAMED else "taken_back")
    assert state(shop) == (MIXED_NEW if point in RENAMED else MIXED_OLD)
    assert shop.grants() == grants
    done = exchange.exchange(shop.live, order, promoted, Quiet())
    assert state(shop) == MIXED_NEW
    assert [(a.name, a.inserted, a.changed) for a in done.applied] == [("orders", 28, 1)]
    assert {t.name for t in done.undo_contents.tables} == {"orders", "settings"}

    killed_at(point, lambda: exchange.undo(shop.live, done, "bbb2", 60.0, Quiet()))
    ended(shop, "bbb2")
    assert state(shop) == (MIXED_OLD if point in RENAMED else MIXED_NEW)
    shop.undo(done, "bbb2")
    assert [t.fingerprint for t in shop.state()[0]] == [t.fingerprint for t in old[0]]
    assert shop.state()[1:] == old[1:]


OPEN_POINTS = (
    "mariadb.gated",
    "mariadb.delta_written",
    "mariadb.delta_committed",
    "mariadb.exchanged",
    "mariadb.finished",
)


@points("mariadb.delta_committed", of=OPEN_POINTS)
def test_killed_without_a_gate_whoever_comes_next_gives_the_same_answer(shop: Lab, point: str):
    old = shop.state()
    order = rows_only(shop, "ccc1", gate="open")
    promoted = exchange.promote(shop.live, order, Quiet())
    killed_at(point, lambda: exchange.exchange(shop.live, order, promoted, Quiet()))
    settled = [(s.order_id, s.outcome) for s in exchange.settle(shop.live)]
    outcome = "finished" if point in COMMITTED else "taken_back"
    assert settled == ([] if point == "mariadb.finished" else [("ccc1", outcome)])
    assert state(shop) == with_table(NEW if point in COMMITTED else OLD, False)
    done = exchange.exchange(shop.live, order, promoted, Quiet())
    assert (done.gate, state(shop)) == ("row_locks", with_table(NEW, False))
    killed_at(point, lambda: exchange.undo(shop.live, done, "ccc2", 60.0, Quiet()))
    back = shop.undo(done, "ccc2")
    assert [(a.name, a.removed, a.changed) for a in back.applied] == [("orders", 28, 1), ("settings", 0, 1)]
    assert [t.fingerprint for t in shop.state()[0]] == [t.fingerprint for t in old[0]]
    assert exchange.settle(shop.live) == []


@points("mariadb.delta_committed", of=("mariadb.delta_written", "mariadb.delta_committed"))
@pytest.mark.parametrize("kind", [rows_only, mixed])
def test_the_server_dies_in_the_middle(shop: Lab, point: str, kind: Any):
    grants = shop.grants()
    order = kind(shop, "ddd1")
    promoted = exchange.promote(shop.live, order, Quiet())
    number = shop.server.pid
    pid = grieved_at(
        point,
        lambda: exchange.exchange(shop.live, order, promoted, Quiet()),
        lambda: os.kill(number, signal.SIGKILL),
    )
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    shop.server.kill()
    shop.server.start()
    ended(shop, "ddd1")
    happened = kind is rows_only and point in COMMITTED
    assert state(shop) == with_table(NEW if happened else OLD, False)
    assert shop.grants() == grants
    done = exchange.exchange(shop.live, order, promoted, Quiet())
    assert state(shop) == with_table(NEW, kind is mixed)
    shop.undo(done, "ddd2")
    assert state(shop) == with_table(OLD, False)


def test_standing_still_with_rows_locked_the_server_lets_them_go(shop: Lab):
    """Without a gate there is no second process: the server itself ends a transaction in which nothing happens."""
    before = shop.state()
    order = shop.by_rows("eee1", ["orders"], gate="open", dead_man_s=1.0)
    promoted = exchange.promote(shop.live, order, Quiet())
    pid = grieved_at(
        "mariadb.delta_written",
        lambda: exchange.exchange(shop.live, order, promoted, Quiet()),
        lambda: os.kill(os.getpid(), signal.SIGSTOP),
    )
    os.waitpid(pid, os.WUNTRACED)
    try:
        shop.sql("SET innodb_lock_wait_timeout=20; UPDATE orders SET total=total WHERE id=5")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    assert ended(shop, "eee1").phase == "taken_back"
    assert shop.state() == before


@pytest.mark.long
def test_stopped_with_the_gate_closed_the_second_process_takes_it_back(shop: Lab):
    before = shop.state()
    order = shop.by_rows("fff1", ["orders"], dead_man_s=1.0)
    promoted = exchange.promote(shop.live, order, Quiet())
    pid = grieved_at(
        "mariadb.delta_written",
        lambda: exchange.exchange(shop.live, order, promoted, Quiet()),
        lambda: os.kill(os.getpid(), signal.SIGSTOP),
    )
    os.waitpid(pid, os.WUNTRACED)
    try:
        assert ended(shop, "fff1").phase == "taken_back"
        assert shop.state() == before
    finally:
        os.kill(pid, signal.SIGCONT)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    assert shop.state() == before


@pytest.mark.long
@pytest.mark.parametrize("kind", [rows_only, mixed])
def test_random_kills_of_the_swapper_and_of_its_guard(shop: Lab, kind: Any):
    """Kills at random moments, a third of them of the second process, too; every order ends by itself or by settle."""
    dice = random.Random(4712)
    grants = shop.grants()
    current: Exchanged | None = None
    for number in range(30):
        name = f"k{number}"
        if current is None:
            order = kind(shop, name)
            promoted = exchange.promote(shop.live, order, Quiet())
            work = lambda order=order, promoted=promoted: exchange.exchange(shop.live, order, promoted, Quiet())  # noqa: E731
        else:
            work = lambda name=name, current=current: exchange.undo(shop.live, current, name, 60.0, Quiet())  # noqa: E731
        lonely = dice.random() < 0.33
        pid = forked(alone(work) if lonely else work)
        time.sleep(dice.uniform(0.0, 0.8))
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        if lonely:
            exchange.settle(shop.live)
        done = work()
        assert isinstance(done, Exchanged)
        assert state(shop) == with_table(NEW if current is None else OLD, kind is mixed and current is None)
        assert shop.grants() == grants
        current = done if current is None else None
    assert exchange.settle(shop.live) == []

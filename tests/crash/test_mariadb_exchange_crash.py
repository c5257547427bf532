"""Whoever dies, wherever: live is entirely old or entirely new, the gate is open, and no acknowledged write is lost.

The exchange runs in a forked process which is killed, stopped, or loses its server at a named place, while the
customer keeps writing and somebody keeps looking.
"""

import contextlib
import os
import random
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import pymysql
import pytest
from servers.exchange_lab import SHOP, Lab, lab
from servers.mariadb import LiveServer
from servers.mariadb_live import Quiet

from restorekit.engines.mariadb import connect, exchange
from restorekit.engines.mariadb.exchange import CRASH_POINTS, guard, marker, swap
from restorekit.engines.mariadb.exchange.swap import DELTA_POINTS
from restorekit.model.exchange import Exchanged

EXCHANGING = tuple(p for p in CRASH_POINTS if p not in DELTA_POINTS)
BEFORE_THE_RENAME = CRASH_POINTS[: CRASH_POINTS.index("mariadb.renamed")]
TEXT = SHOP + "INSERT INTO settings VALUES ('state', 'new'); INSERT INTO log (what) VALUES ('new');"
DAMAGE = (
    "UPDATE settings SET v='old' WHERE k='state'; UPDATE log SET what='old'; DELETE FROM orders WHERE id > 100;"
    "DROP TRIGGER a_third; CREATE DEFINER=owner@localhost PROCEDURE ours() SELECT 1;"
)
IN_TIME_S = 60.0


@dataclass
class Traffic:
    """A customer who writes all the time, and a look at two tables at once, as often as it goes."""

    shop: Lab
    acked: list[int] = field(default_factory=list)
    seen: set[tuple[str, str]] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._write, self._look)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _session(self, user: str, password: str) -> Any:
        return connect.to_socket(self.shop.server.socket, user, password, schema=self.shop.schema)

    def _write(self) -> None:
        number, session = 100_000, None
        while not self._stop.wait(0.002):
            number += 1
            try:
                session = session or self._session("owner", "pw")
                connect.rows(session, "INSERT INTO orders (id, customer, note) VALUES (%s, 1, '')", [number])
                self.acked.append(number)
            except Exception:
                if session is not None and session.open:
                    session.close()
                session = None

    def _look(self) -> None:
        session = None
        look = "SELECT (SELECT v FROM settings WHERE k='state'), (SELECT what FROM log ORDER BY id LIMIT 1)"
        while not self._stop.wait(0.002):
            try:
                session = session or self._session("root", "")
                self.seen.add(connect.rows(session, look)[0])
            except pymysql.err.ProgrammingError as error:
                self.problems.append(str(error))
            except Exception:  # the server itself may be down in some tests
                session = None

    def wait_for_a_write(self) -> None:
        """The gate is open: the customer's writes are acknowledged again."""
        count, end = len(self.acked), time.monotonic() + IN_TIME_S
        while len(self.acked) == count:
            assert time.monotonic() < end, "the gate stayed closed"
            time.sleep(0.005)  # the other thread's next success can only be polled


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[LiveServer, LiveServer]]:
    with LiveServer.running(log_bin=True) as live, LiveServer.running() as staging:
        yield live, staging


@pytest.fixture
def shop(servers) -> Iterator[Lab]:
    with lab("shop", TEXT, server=servers[0], staging=servers[1]) as made:
        made.sql(DAMAGE)
        yield made


@pytest.fixture
def traffic(shop: Lab) -> Iterator[Traffic]:
    with Traffic(shop) as running:
        yield running


def forked(work: Callable[[], object]) -> int:
    """Run it in a process of its own."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            os.write(2, traceback.format_exc().encode())
            os._exit(1)
        os._exit(0)
    return pid


def killed_at(point: str, work: Callable[[], object]) -> None:
    """Run it in a process that is killed at that place."""

    def doomed() -> None:
        os.environ["RESTOREKIT_CRASH_AT"] = point
        work()

    assert os.waitstatus_to_exitcode(os.waitpid(forked(doomed), 0)[1]) == -signal.SIGKILL


def grieved_at(point: str, work: Callable[[], object], grief: Callable[[], object]) -> int:
    """A process to which that happens at that place."""

    def doomed() -> None:
        swap.here = lambda name: grief() if name == point else None
        work()

    return forked(doomed)


def ended(shop: Lab, order_id: str) -> marker.Marked:
    """The marker once nothing is unfinished any more, by whomever."""
    end = time.monotonic() + IN_TIME_S
    while time.monotonic() < end:
        with contextlib.suppress(Exception), contextlib.closing(shop.live.connect()) as session:
            found = marker.read(session, order_id)
            if found is not None and found.phase not in marker.UNFINISHED:
                return found
        time.sleep(0.01)  # another process's work can only be polled
    raise AssertionError("nobody settled it")


def triggers(shop: Lab) -> set[str]:
    return {n for (n,) in shop.rows("SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema='shop'")}


def routines(shop: Lab) -> set[str]:
    return {n for (n,) in shop.rows("SELECT routine_name FROM information_schema.routines WHERE routine_schema='shop'")}


OLD = ({"t_first", "t_second"}, {"tidy", "twice", "ours"}, "old")
NEW = ({"t_first", "t_second", "a_third"}, {"tidy", "twice"}, "new")


def state(shop: Lab) -> tuple[set[str], set[str], str]:
    return triggers(shop), routines(shop), shop.rows("SELECT v FROM settings WHERE k='state'")[0][0]


def nothing_lost(shop: Lab, traffic: Traffic) -> None:
    """Every acknowledged write is in live or in a copy; what was seen was whole."""
    places = ["shop", *(n for (n,) in shop.server.rows("SHOW DATABASES LIKE 'rk\\_undo\\_%'"))]
    with shop.server.connect() as root, root.cursor() as cursor:
        acked = set(traffic.acked)
        kept: set[int] = set()
        for place in places:
            cursor.execute("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema=%s", [place])
            if cursor.fetchone()[0]:
                cursor.execute(f"SELECT id FROM `{place}`.orders")
                kept |= {i for (i,) in cursor.fetchall()}
    assert acked <= kept
    assert traffic.problems == []
    assert traffic.seen <= {("old", "old"), ("new", "new")}


@pytest.mark.parametrize("point", EXCHANGING)
def test_killed_while_exchanging_and_while_undoing(shop: Lab, traffic: Traffic, point: str):
    grants = shop.grants()
    order = shop.order("aaa1", on_live_change="keep_and_report", lock_wait_s=10.0)
    promoted = exchange.promote(shop.live, order, Quiet())
    killed_at(point, lambda: exchange.exchange(shop.live, order, promoted, Quiet()))
    found = ended(shop, "aaa1")
    assert found.phase == ("taken_back" if point in BEFORE_THE_RENAME else "done")
    assert state(shop) == (OLD if point in BEFORE_THE_RENAME else NEW)
    traffic.wait_for_a_write()
    assert shop.grants() == grants
    done = exchange.exchange(shop.live, order, promoted, Quiet())
    assert found.journal.exchanged in (None, done)
    assert state(shop) == NEW
    nothing_lost(shop, traffic)

    killed_at(point, lambda: exchange.undo(shop.live, done, "aaa2", 60.0, Quiet()))
    ended(shop, "aaa2")
    assert state(shop) == (NEW if point in BEFORE_THE_RENAME else OLD)
    shop.undo(done, "aaa2")
    assert state(shop) == OLD
    traffic.wait_for_a_write()
    assert shop.grants() == grants
    nothing_lost(shop, traffic)


@pytest.mark.parametrize("point", ["mariadb.gated", "mariadb.renamed"])
def test_stopped_in_the_middle_the_second_process_opens_the_gate(shop: Lab, traffic: Traffic, point: str):
    grants = shop.grants()
    order = shop.order("bbb1", on_live_change="keep_and_report", dead_man_s=1.0, lock_wait_s=10.0)
    promoted = exchange.promote(shop.live, order, Quiet())
    pid = grieved_at(
        point,
        lambda: exchange.exchange(shop.live, order, promoted, Quiet()),
        lambda: os.kill(os.getpid(), signal.SIGSTOP),
    )
    os.waitpid(pid, os.WUNTRACED)
    try:
        found = ended(shop, "bbb1")
        assert state(shop) == (OLD if point in BEFORE_THE_RENAME else NEW)
        traffic.wait_for_a_write()
        before = (shop.grants(), state(shop))
    finally:
        os.kill(pid, signal.SIGCONT)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code == (1 if found.phase == "taken_back" else 0), "it tells the truth when it wakes up"
    assert (shop.grants(), state(shop)) == before
    assert shop.grants() == grants
    assert shop.server.rows("SELECT IS_USED_LOCK('restorekit:bbb1')") == [(None,)]
    nothing_lost(shop, traffic)


def alone(work: Callable[[], object]) -> Callable[[], object]:
    """Without a second process, as if it had died, too."""

    def run() -> object:
        guard.watching = lambda *_: contextlib.nullcontext(lambda: None)
        return work()

    return run


@pytest.mark.parametrize("point", ["mariadb.gate_closed", "mariadb.objects_dropped", "mariadb.exchanged"])
def test_settle_ends_what_both_processes_left(shop: Lab, traffic: Traffic, point: str):
    grants = shop.grants()
    order = shop.order("ccc1", on_live_change="keep_and_report", lock_wait_s=10.0)
    promoted = exchange.promote(shop.live, order, Quiet())
    killed_at(point, alone(lambda: exchange.exchange(shop.live, order, promoted, Quiet())))
    answers: list[Any] = []
    both = [threading.Thread(target=lambda: answers.extend(exchange.settle(shop.live))) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    outcome = "taken_back" if point in BEFORE_THE_RENAME else "finished"
    assert [(a.order_id, a.outcome) for a in answers] == [("ccc1", outcome)]
    assert exchange.settle(shop.live) == []
    assert state(shop) == (OLD if point in BEFORE_THE_RENAME else NEW)
    assert shop.grants() == grants
    traffic.wait_for_a_write()
    nothing_lost(shop, traffic)


@pytest.mark.parametrize("point", ["mariadb.gated", "mariadb.renamed"])
def test_the_server_dies_in_the_middle(shop: Lab, traffic: Traffic, point: str):
    grants = shop.grants()
    order = shop.order("ddd1", on_live_change="keep_and_report", lock_wait_s=10.0)
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
    assert state(shop) == (OLD if point in BEFORE_THE_RENAME else NEW)
    traffic.wait_for_a_write()
    assert shop.grants() == grants
    nothing_lost(shop, traffic)


@pytest.mark.long
def test_random_kills_of_the_swapper_and_of_its_guard(shop: Lab, traffic: Traffic):
    """Kills at random moments, a third of them of the second process, too; every order ends by itself or by settle."""
    dice = random.Random(4711)
    grants = shop.grants()
    current: Exchanged | None = None
    for number in range(60):
        name = f"k{number}"
        if current is None:
            order = shop.order(name, on_live_change="keep_and_report", lock_wait_s=10.0)
            promoted = exchange.promote(shop.live, order, Quiet())
            work = lambda order=order, promoted=promoted: exchange.exchange(shop.live, order, promoted, Quiet())  # noqa: E731
        else:
            work = lambda name=name, current=current: exchange.undo(shop.live, current, name, 60.0, Quiet())  # noqa: E731
        lonely = dice.random() < 0.33
        pid = forked(alone(work) if lonely else work)
        time.sleep(dice.uniform(0.0, 1.2))
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        if lonely:
            exchange.settle(shop.live)
        traffic.wait_for_a_write()
        done = work()
        assert isinstance(done, Exchanged)
        assert state(shop) == (NEW if current is None else OLD)
        assert shop.grants() == grants
        nothing_lost(shop, traffic)
        current = done if current is None else None
    assert exchange.settle(shop.live) == []

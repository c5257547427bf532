"""What made a restore by difference go wrong before: each kind of table and column, each trap, on real servers."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, Self

import pymysql
import pytest
from servers.exchange_lab import OTHER_KINDS, SHOP, Lab, lab
from servers.mariadb import QUICK, LiveServer
from servers.mariadb_live import Quiet

from restorekit.engines.mariadb import connect, exchange
from restorekit.engines.mariadb.delta import changeset, working
from restorekit.engines.mariadb.exchange import marker
from restorekit.errors import GateTimeout, LiveChanged, PreflightRefused, UndoImpossible
from restorekit.model.difference import TableAction

PLAIN = SHOP.split("CREATE DEFINER")[0]
KINDS = (
    PLAIN
    + OTHER_KINDS
    + """
CREATE TABLE swapped (id INT PRIMARY KEY, code VARCHAR(10) NOT NULL UNIQUE, n INT);
INSERT INTO swapped VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3);
CREATE TABLE stamped (id INT PRIMARY KEY, x INT,
  t TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO stamped VALUES (1, 1, '2001-01-01 01:01:01'), (2, 2, '2002-02-02 02:02:02');
CREATE TABLE by_time (t TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP PRIMARY KEY, x INT);
INSERT INTO by_time VALUES ('2001-01-01 01:01:01', 1), ('2002-02-02 02:02:02', 2);
CREATE TABLE ours (rk_op INT, RK_LIVE INT, rk_key_0 INT, rk_now INT, `%s` INT, `b``q` INT, PRIMARY KEY (rk_op, `b``q`));
INSERT INTO ours VALUES (1, 2, 3, 4, 5, 6), (2, 3, 4, 5, 6, 7);
CREATE TABLE folded (k VARCHAR(10) PRIMARY KEY, x INT) COLLATE utf8mb4_general_ci;
INSERT INTO folded VALUES ('a', 1), ('Straße', 2);
CREATE TABLE checked (id INT PRIMARY KEY, n INT CHECK (n > 0), d DATE, f FLOAT);
INSERT INTO checked VALUES (1, 1, '2020-01-01', 0.1);
CREATE TABLE zeroed (id INT PRIMARY KEY AUTO_INCREMENT, x INT);
INSERT INTO zeroed VALUES (5, 5); UPDATE zeroed SET id = 0;
CREATE TABLE counted (id INT PRIMARY KEY, n INT NOT NULL AUTO_INCREMENT, KEY (n)); INSERT INTO counted VALUES (1, 900);
CREATE TABLE node (id INT PRIMARY KEY, up INT, CONSTRAINT node_up FOREIGN KEY (up) REFERENCES node (id));
INSERT INTO node VALUES (1, NULL), (2, 1), (3, 2);
CREATE TABLE left_one (id INT PRIMARY KEY, r INT); CREATE TABLE right_one (id INT PRIMARY KEY, l INT);
INSERT INTO left_one VALUES (1, 1); INSERT INTO right_one VALUES (1, 1);
ALTER TABLE left_one ADD CONSTRAINT lr FOREIGN KEY (r) REFERENCES right_one (id) ON DELETE CASCADE;
ALTER TABLE right_one ADD CONSTRAINT rl FOREIGN KEY (l) REFERENCES left_one (id) ON DELETE CASCADE;
"""
)
BLOWS = {
    "places": "DELETE FROM places WHERE id=1; UPDATE places SET at=POINT(7,7), hidden=1, j='{\"b\":2}', e='a', s='y' "
    "WHERE id=2; INSERT INTO places (id, at, words) VALUES (3, POINT(3,3), 'ü')",
    "parts": "DELETE FROM parts WHERE id=1; INSERT INTO parts VALUES (3, 3), (4, 40)",
    "numbered": "DELETE FROM numbered; INSERT INTO numbered (x) VALUES (7)",
    "swapped": "UPDATE swapped SET code='z' WHERE id=1; UPDATE swapped SET code='a' WHERE id=2;"
    "UPDATE swapped SET code='b' WHERE id=1",
    "stamped": "UPDATE stamped SET x=7; DELETE FROM stamped WHERE id=2",
    "by_time": "UPDATE by_time SET x=7, t=t; DELETE FROM by_time WHERE x=2; INSERT INTO by_time VALUES (NOW(), 3)",
    "ours": "UPDATE ours SET rk_now=1; INSERT INTO ours VALUES (3, 3, 3, 3, 3, 3); DELETE FROM ours WHERE rk_op=1",
    "checked": "SET check_constraint_checks=0; UPDATE checked SET n=-5, f=0.123456789",
    "zeroed": "DELETE FROM zeroed; INSERT INTO zeroed VALUES (7, 7)",
    "counted": "UPDATE counted SET n=1",
    "node": "DELETE FROM node WHERE id=3; DELETE FROM node WHERE id=2; INSERT INTO node VALUES (9, 1)",
    "customers": "UPDATE customers SET score=0.123456 WHERE id=1",
}
"""What happens to each table on live."""


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[LiveServer, LiveServer]]:
    with LiveServer.running(log_bin=True, args=QUICK) as live, LiveServer.running(args=QUICK) as staging:
        yield live, staging


@pytest.fixture
def shop(servers) -> Iterator[Lab]:
    with lab("shop", PLAIN, server=servers[0], staging=servers[1]) as made:
        yield made


def test_every_kind_of_table_becomes_the_proven_one_and_goes_back(servers):
    with lab("shop", KINDS, server=servers[0], staging=servers[1]) as shop:
        for blow in BLOWS.values():
            shop.sql(blow)
        before = {t.name: t.fingerprint for t in shop.contents().tables}
        order = shop.by_rows("aaa1", sorted(BLOWS))
        assert {a.name for a in order.actions} == set(BLOWS)
        done = shop.swap(order)
        now, proven = shop.contents(), order.proven
        for name in BLOWS:
            assert now.table(name).fingerprint == proven.table(name).fingerprint != before[name], name
        assert shop.rows("SELECT t FROM stamped WHERE id=1")[0][0].year == 2001
        shop.sql("INSERT INTO numbered (x) VALUES (8); INSERT INTO counted (id) VALUES (2)")
        assert shop.rows("SELECT n > 900 FROM counted WHERE id=2") == [(1,)]
        shop.sql("DELETE FROM numbered WHERE x=8; DELETE FROM counted WHERE id=2")
        shop.undo(done, "aaa2")
        assert {t.name: t.fingerprint for t in shop.contents().tables} == before


def test_keys_that_only_the_collation_takes_for_equal_are_one_row(servers):
    with lab("shop", KINDS, server=servers[0], staging=servers[1]) as shop:
        shop.sql("UPDATE folded SET k='A' WHERE k='a'; UPDATE folded SET k='STRASSE' WHERE x=2")
        before = shop.contents().table("folded").fingerprint
        order = shop.by_rows("aaa3", ["folded"])
        done = shop.swap(order)
        assert shop.contents().table("folded").fingerprint == order.proven.table("folded").fingerprint
        shop.undo(done, "aaa4")
        assert shop.contents().table("folded").fingerprint == before


def test_rows_that_need_each_other_come_back_in_any_order_and_nothing_cascades(servers):
    with lab("shop", KINDS, server=servers[0], staging=servers[1]) as shop:
        shop.sql("DELETE FROM left_one; INSERT INTO left_one VALUES (2, NULL); INSERT INTO right_one VALUES (2, 2);")
        shop.sql("UPDATE left_one SET r=2")
        before = shop.state()[0]
        order = shop.by_rows("aaa5", ["left_one", "right_one"])
        done = shop.swap(order)
        assert shop.rows("SELECT l.id, r.id FROM left_one l JOIN right_one r ON r.l=l.id AND l.r=r.id") == [(1, 1)]
        assert [(a.inserted, a.removed) for a in done.applied] == [(1, 1), (1, 1)]
        shop.undo(done, "aaa6")
        assert [t.fingerprint for t in shop.state()[0]] == [t.fingerprint for t in before]


def test_floats_of_a_dump_are_compared_with_its_digits_and_the_others_keep_theirs(shop: Lab):
    shop.staging.script("UPDATE customers SET score=CAST(CAST(score AS CHAR) AS FLOAT)", "shop")
    shop.sql("UPDATE customers SET name='x' WHERE id=1; DELETE FROM customers WHERE id=99")
    exact = "SELECT CAST(score AS DOUBLE) FROM customers WHERE id=2"
    kept, before = shop.rows(exact), shop.contents().table("customers").fingerprint
    order = shop.by_rows("bbb1", ["customers"])
    done = shop.swap(order)
    assert [(a.changed, a.moved) for a in done.applied] == [(1, 0)]
    assert shop.rows(exact) == kept, "its digits beyond those of the dump stay"
    shop.undo(done, "bbb2")
    assert shop.contents().table("customers").fingerprint == before
    shop.staging.script("DROP DATABASE shop; CREATE DATABASE shop")
    shop.staging.script(PLAIN, "shop")


def test_triggers_do_not_fire_on_rows_that_are_written_and_are_there_again_afterwards(servers):
    with lab("shop", SHOP, server=servers[0], staging=servers[1]) as shop:
        shop.sql("DELETE FROM orders WHERE id <= 10")
        before = shop.state()
        order = shop.by_rows("ccc1", ["orders"], rows="missing", keep_new=True)
        done = shop.swap(order)
        assert shop.rows("SELECT note FROM orders WHERE id=7") == shop.staging.rows(
            "SELECT note FROM orders WHERE id=7", "shop"
        )
        assert shop.rows("SELECT COUNT(*) FROM log") == shop.staging.rows("SELECT COUNT(*) FROM log", "shop")
        assert shop.state()[2] == before[2], "the triggers, byte for byte and in their order"
        shop.undo(done, "ccc2")
        after = shop.state()
        assert ([t.fingerprint for t in after[0]], after[1:]) == ([t.fingerprint for t in before[0]], before[1:])
        opened = shop.by_rows("ccc3", ["orders"], rows="missing", keep_new=True, gate="open")
        with pytest.raises(PreflightRefused, match="triggers of orders would change"):
            shop.swap(opened)
        assert shop.state()[1:] == before[1:]


def test_a_unique_value_that_another_row_has_now_is_never_taken_from_it(servers):
    with lab("shop", KINDS, server=servers[0], staging=servers[1]) as shop:
        shop.sql("DELETE FROM swapped WHERE id IN (1, 2)")
        order = shop.by_rows("ddd1", ["swapped"], rows="missing", keep_new=True, gate="open")
        promoted = exchange.promote(shop.live, order, Quiet())
        shop.sql("INSERT INTO swapped VALUES (9, 'b', 99)")
        before = shop.state()
        with pytest.raises(LiveChanged, match="other rows of swapped have unique values now that 1 rows need"):
            exchange.exchange(shop.live, order, promoted, Quiet())
        assert shop.state() == before
        accepted = order.model_copy(update={"accept_changes": True})
        done = exchange.exchange(shop.live, accepted, promoted, Quiet())
        assert shop.rows("SELECT id, code, n FROM swapped ORDER BY id") == [(1, "a", 1), (3, "c", 3), (9, "b", 99)]
        assert [(a.inserted, a.moved) for a in done.applied] == [(1, 1)]
        assert [s.note for s in done.slipped] == ["1 rows had changed since they were shown and were left as they are"]
        shop.sql("DELETE FROM swapped WHERE id=3")
        back = shop.undo(done, "ddd2")
        shop.sql("INSERT INTO swapped VALUES (11, 'a', 5)")
        with pytest.raises(UndoImpossible, match="other rows of swapped have unique values"):
            shop.undo(back, "ddd3")


# ---- nobody is held back ----


class Shopping:
    """Customers who go on changing and adding orders."""

    def __init__(self, shop: Lab) -> None:
        self._shop = shop
        self._stop = threading.Event()
        self.added: list[int] = []
        self.raised: dict[int, int] = {}
        self.errors: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        while not self.added:
            self._stop.wait(0.002)  # the other thread's first success can only be polled
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        session = connect.to_socket(self._shop.server.socket, "owner", "pw", schema="shop")
        with contextlib.closing(session):
            number = 0
            while not self._stop.is_set():
                number += 1
                order = 1 + number * 7 % 200
                try:
                    connect.rows(session, "INSERT INTO orders (id, customer) VALUES (%s, 1)", [1000 + number])
                    self.added.append(1000 + number)
                    with session.cursor() as cursor:
                        if cursor.execute("UPDATE orders SET total=total+1 WHERE id=%s", [order]):
                            self.raised[order] = self.raised.get(order, 0) + 1
                except Exception as error:
                    self.errors.append(repr(error))


def test_with_the_gate_open_missing_rows_come_back_while_everybody_goes_on(shop: Lab):
    shop.sql("DELETE FROM orders WHERE id % 3 = 0; UPDATE orders SET note='x' WHERE id % 50 = 1")
    policy: dict[str, Any] = {"on_live_change": "keep_and_report"}
    order = shop.by_rows("eee1", ["orders"], keep_new=True, gate="open", **policy)
    before = dict(shop.rows("SELECT id, total FROM orders"))
    with Shopping(shop) as customers:
        promoted = exchange.promote(shop.live, order, Quiet())
        done = exchange.exchange(shop.live, order, promoted, Quiet())
    assert done.gate == "row_locks"
    assert customers.errors == []
    now = dict(shop.rows("SELECT id, total FROM orders"))
    assert set(customers.added) <= set(now), "no new order is lost"
    assert set(range(1, 201)) <= set(now), "every missing one is back"
    (applied,) = done.applied
    assert applied.inserted == 66
    assert applied.changed + applied.moved == 3
    proven = dict(shop.staging.rows("SELECT id, total FROM orders", "shop"))
    for number, times in customers.raised.items():
        base = before.get(number, proven[number])
        assert now[number] == base + times, "no acknowledged write is lost"


def test_a_lock_that_is_not_given_up_ends_it_in_time_and_rows_stay(shop: Lab):
    shop.sql("UPDATE orders SET note='x' WHERE id=5")
    before = shop.state()
    order = shop.by_rows("fff1", ["orders"], gate="open", lock_wait_s=1.0)
    promoted = exchange.promote(shop.live, order, Quiet())
    with contextlib.closing(shop.server.connect("shop")) as other:
        other.begin()
        connect.rows(other, "SELECT * FROM orders WHERE id=5 FOR UPDATE")
        with pytest.raises(GateTimeout, match="other transactions hold rows of shop"):
            exchange.exchange(shop.live, order, promoted, Quiet())
        other.rollback()
    assert shop.state() == before
    exchange.exchange(shop.live, order, promoted, Quiet())
    assert shop.rows("SELECT note FROM orders WHERE id=5") == [("note 5",)]


def test_rows_are_locked_from_the_first_look_on(shop: Lab):
    """Nobody can change a row between the comparison and our own write, nor take a key that is to be inserted."""
    shop.sql("UPDATE orders SET note='x' WHERE id=5; DELETE FROM orders WHERE id=7")
    exchange.promote(shop.live, shop.by_rows("ggg1", ["orders"], gate="open"), Quiet())
    with contextlib.closing(shop.live.connect()) as ours, contextlib.closing(shop.server.connect("shop")) as other:
        marker.prepare(ours)
        (shape,) = changeset.shapes(ours, "shop", ["orders"]).values()
        delta = changeset.Delta(table="orders", definition=shape.table.schema_hash)
        connect.rows(ours, "SET SESSION tx_isolation='REPEATABLE-READ'")
        work = working.open_working(ours, delta, shape, "rk_hold_ggg1", 0)
        connect.rows(ours, "START TRANSACTION")
        assert working.lock(ours, work) == 0
        connect.rows(other, "SET innodb_lock_wait_timeout=1")
        for sql in (
            "SELECT * FROM orders WHERE id=5 LOCK IN SHARE MODE",
            "INSERT INTO orders (id, customer) VALUES (7, 1)",
        ):
            with pytest.raises(pymysql.err.OperationalError, match="1205"):
                connect.rows(other, sql)
        connect.rows(other, "UPDATE orders SET note='free' WHERE id=100")
        connect.rows(ours, "ROLLBACK")


def test_more_than_the_log_of_one_transaction_can_take_is_refused_before_anything(shop: Lab):
    shop.sql("UPDATE orders SET note='x'")
    shop.server.script("SET GLOBAL max_binlog_cache_size=8192")
    try:
        order = shop.by_rows("hhh1", ["orders"])
        found = exchange.preflight(shop.live, order)
        assert [f.code for f in found if f.severity == "refuse"] == ["binlog_cache"]
    finally:
        shop.server.script("SET GLOBAL max_binlog_cache_size=18446744073709547520")


def test_an_empty_choice_writes_nothing_and_says_so(shop: Lab):
    order = shop.by_rows("iii1", ["orders"])
    before = shop.state()
    done = shop.swap(order)
    assert [(a.name, a.inserted, a.changed, a.removed) for a in done.applied] == [("orders", 0, 0, 0)]
    assert shop.state() == before
    back = shop.undo(done, "iii2")
    assert (back.slipped, shop.state()) == ((), before)


def test_over_the_gate_budget_nothing_happens_at_all(shop: Lab):
    shop.sql("DELETE FROM orders WHERE id=7")
    before = shop.state()
    order = shop.by_rows("jjj1", ["orders"], gate_max_s=2.0)
    actions = tuple(a.model_copy(update={"blocked_s": 9.5}) for a in order.actions)
    with pytest.raises(GateTimeout, match=r"about 9\.\d s, the policy allows 2 s"):
        shop.swap(order.model_copy(update={"actions": actions}))
    assert shop.state() == before


def test_a_volatile_table_is_written_whatever_it_holds_now(shop: Lab):
    shop.sql("DELETE FROM settings")
    order = shop.by_rows("kkk1", ["settings"], volatile=("set*",))
    promoted = exchange.promote(shop.live, order, Quiet())
    shop.sql("INSERT INTO settings VALUES ('siteurl', 'moved'), ('new', 'x')")
    done = exchange.exchange(shop.live, order, promoted, Quiet())
    assert shop.rows("SELECT v FROM settings WHERE k IN ('new', 'siteurl') ORDER BY k") == [("x",), ("http://x",)]
    assert [a.moved for a in done.applied] == [1]


def test_a_created_table_and_single_rows_go_together(shop: Lab):
    shop.sql("DROP TABLE log; DELETE FROM orders WHERE id=7")
    create = TableAction(name="log", method="create", why="test")
    done = shop.swap(shop.by_rows("lll1", ["orders"], rows="missing", actions=[create]))
    assert shop.rows("SELECT COUNT(*) FROM orders") == [(200,)]
    assert shop.contents().table("log") is not None
    shop.undo(done, "lll2")
    assert (shop.rows("SELECT COUNT(*) FROM orders"), shop.contents().table("log")) == ([(199,)], None)


def test_a_missing_uuid_in_one_column_is_not_one_missing_in_the_other(shop: Lab):
    shop.sql("CREATE TABLE u (id INT PRIMARY KEY, a UUID, b UUID); INSERT INTO u VALUES (1, UUID(), NULL)")
    before = shop.contents().table("u").fingerprint
    shop.sql("UPDATE u SET b=a, a=NULL")
    assert shop.contents().table("u").fingerprint != before

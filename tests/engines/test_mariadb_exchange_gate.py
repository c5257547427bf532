"""Writers are held back by the narrowest means, and everything they had comes back exactly."""

import threading
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
from servers.exchange_lab import SHOP, Lab, lab
from servers.mariadb import LiveServer
from servers.mariadb_live import Quiet

from restorekit.engines.mariadb import exchange
from restorekit.engines.mariadb.exchange import gate, marker
from restorekit.engines.mariadb.exchange.accounts import escaped, matches, survey
from restorekit.engines.mariadb.live import Live
from restorekit.errors import GateTimeout, Temporary

QUICK = ("--innodb-flush-method=nosync",)
USERS = ("acme", "shared", "reader", "suspended", "admin2", "op")


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[LiveServer, LiveServer]]:
    with LiveServer.running(args=QUICK) as live, LiveServer.running(args=QUICK) as staging:
        yield live, staging


@pytest.fixture
def shop(servers) -> Iterator[Lab]:
    with lab("cust_shop", SHOP, server=servers[0], staging=servers[1]) as made:
        made.server.script("CREATE DATABASE cust_blog; CREATE TABLE cust_blog.posts (id INT)")
        for user in USERS:
            made.server.script(f"CREATE USER {user}@localhost IDENTIFIED BY 'pw'")
        yield made
        for user in USERS:
            made.server.script(f"DROP USER {user}@localhost")
        made.server.script("DROP DATABASE cust_blog; DROP ROLE IF EXISTS team; DROP ROLE IF EXISTS crew")


def tries(connection: Any, sql: str) -> int:
    """0, or the server's error number."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
    except pymysql.err.Error as error:
        return error.args[0]
    return 0


WRITE = "INSERT INTO cust_shop.log (what) VALUES ('w')"
GRANTS = """
GRANT SELECT, INSERT, UPDATE ON `cust_shop`.* TO acme@localhost WITH GRANT OPTION;
GRANT ALL ON `cust\\_%`.* TO shared@localhost;
GRANT SELECT (id), UPDATE (what) ON cust_shop.log TO reader@localhost;
GRANT INSERT ON cust_shop.log TO reader@localhost WITH GRANT OPTION;
GRANT EXECUTE ON PROCEDURE cust_shop.tidy TO reader@localhost;
CREATE ROLE team; CREATE ROLE crew;
GRANT ALL ON `cust\\_shop`.* TO team; GRANT team TO crew; GRANT crew TO op@localhost;
GRANT SELECT, INSERT ON cust_shop.* TO PUBLIC;
GRANT ALL ON cust_shop.* TO suspended@localhost; ALTER USER suspended@localhost ACCOUNT LOCK;
"""


def test_every_way_in_is_closed_and_each_grant_comes_back_exactly(shop: Lab):
    shop.server.script(GRANTS)
    before = shop.grants()
    sessions = {u: shop.server.connect(user=u, password="pw") for u in ("acme", "shared", "reader", "op", "owner")}
    for user, session in sessions.items():
        tries(session, "SET ROLE crew")
        assert tries(session, "USE cust_blog" if user == "shared" else "USE cust_shop") == 0, user
        assert tries(session, WRITE) == 0, user
    plan = survey(shop.live.connect(), "cust_shop")
    assert plan.kind == "schema_revoke"
    assert not plan.locks
    with shop.live.connect() as ours:
        try:
            gate.close(ours, plan, 5)
            assert tries(sessions["shared"], WRITE) != 0
            assert tries(sessions["shared"], "INSERT INTO posts VALUES (1)") == 0, "the other database is not touched"
            for user in ("acme", "reader", "op", "owner"):
                assert tries(sessions[user], WRITE) in (2006, 2013), user
                with shop.server.connect(user=user, password="pw") as again:
                    tries(again, "SET ROLE crew")
                    assert tries(again, WRITE) in (1142, 1044), user
        finally:
            lost = gate.reopen(ours, plan)
        gate.reopen(ours, plan)
    assert lost == ()
    assert shop.grants() == before
    for user in ("acme", "shared", "reader", "op", "owner"):
        with shop.server.connect(user=user, password="pw") as again:
            tries(again, "SET ROLE crew")
            assert tries(again, WRITE) == 0, user
    for session in sessions.values():
        session.close() if session.open else None
    with pytest.raises(pymysql.err.OperationalError, match="locked"):
        shop.server.connect(user="suspended", password="pw")
    shop.server.script("REVOKE ALL ON cust_shop.* FROM PUBLIC")


def test_grants_on_routines_and_tables_that_go_and_come_back(shop: Lab):
    shop.sql("CREATE PROCEDURE extra_p() SELECT 1; CREATE TABLE extra_t (id INT PRIMARY KEY, x INT);")
    shop.server.script(
        "GRANT EXECUTE ON PROCEDURE cust_shop.extra_p TO acme@localhost;"
        "GRANT INSERT ON cust_shop.extra_t TO acme@localhost; "
        "GRANT UPDATE (x) ON cust_shop.extra_t TO reader@localhost;"
    )
    before = shop.grants()
    done = shop.swap(shop.order("aaa1"))
    assert sorted(n.partition(" ")[0] for n in done.notes) == ["`acme`@`localhost`", "`reader`@`localhost`"]
    shop.undo(done, "aaa2")
    assert shop.grants() == before


def test_without_the_right_to_revoke_only_accounts_of_this_one_database_are_locked(shop: Lab):
    shop.server.script(
        "GRANT ALL ON cust_shop.* TO acme@localhost; GRANT ALL ON cust_shop.* TO shared@localhost;"
        "GRANT ALL ON cust_blog.* TO shared@localhost; GRANT ALL ON cust_shop.* TO suspended@localhost;"
        "ALTER USER suspended@localhost ACCOUNT LOCK; GRANT ALL ON *.* TO op@localhost;"
    )
    before = shop.grants()
    session = shop.server.connect("cust_shop", user="acme", password="pw")
    with shop.server.connect(user="op", password="pw") as ours:
        plan = survey(ours, "cust_shop")
        assert (plan.kind, plan.locks) == ("account_lock", ("`acme`@`localhost`", "`owner`@`localhost`"))
        assert "`shared`@`localhost`" in plan.ungated
        gate.close(ours, plan, 5)
        assert tries(session, WRITE) in (2006, 2013)
        with pytest.raises(pymysql.err.OperationalError, match="locked"):
            shop.server.connect(user="acme", password="pw")
        gate.reopen(ours, plan)
    assert shop.grants() == before
    shop.server.script("REVOKE ALL ON *.* FROM op@localhost")


MINIMAL = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, TRIGGER, EVENT, EXECUTE, LOCK TABLES, "
    "CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, DELETE HISTORY, RELOAD, PROCESS, CREATE USER, "
    "CONNECTION ADMIN, SET USER, CREATE TEMPORARY TABLES"
)


@pytest.mark.parametrize(("option", "kind"), [("WITH GRANT OPTION", "schema_revoke"), ("", "account_lock")])
def test_an_account_with_no_more_than_doctor_asks_for_can_exchange_and_undo(shop: Lab, option: str, kind: str):
    shop.sql("DELETE FROM orders; DROP VIEW big; DROP TRIGGER t_first;")
    shop.server.script(f"GRANT {MINIMAL} ON *.* TO op@localhost {option}; ALTER USER op@localhost IDENTIFIED BY ''")
    before = shop.state()
    op = LesserLab(shop.server, shop.staging, shop.schema)
    assert [f.code for f in exchange.preflight(op.live, shop.order("eee1")) if f.severity == "refuse"] == []
    done = op.swap(shop.order("eee1"))
    assert done.gate == kind
    assert shop.contents().objects == shop.order("eee1").proven.objects
    assert shop.state()[3] == before[3]
    op.undo(done, "eee2")
    assert shop.state() == before


class LesserLab(Lab):
    """The same with an account of few rights."""

    @property
    def live(self) -> Live:
        full = super().live
        return type(full)(full.name, full.settings.model_copy(update={"user": "op"}), full.home)


def test_patterns_in_grants_mean_what_the_server_means():
    assert matches("cust\\_%", "cust_shop")
    assert not matches("cust\\_%", "custxshop")
    assert matches("a_b", "axb")
    assert not matches("a\\_b", "axb")
    assert matches("%", "anything")
    assert escaped("a_b%c\\d") == "a\\_b\\%c\\\\d"


def test_a_writer_who_never_stops_loses_nothing_unnamed(shop: Lab):
    shop.sql("DELETE FROM orders")
    stop, started, acked, refused = threading.Event(), threading.Event(), [], []

    def write() -> None:
        number, session = 0, None
        while not stop.is_set():
            number += 1
            try:
                session = session or shop.server.connect("cust_shop", user="owner", password="pw")
                with session.cursor() as cursor:
                    cursor.execute("INSERT INTO orders (id, customer, note) VALUES (%s, 1, '')", [10_000 + number])
                acked.append(10_000 + number)
                started.set()
            except pymysql.err.Error as error:
                refused.append(error.args[0])
                if session is not None and session.open:
                    session.close()
                session = None
                stop.wait(0.01)

    writer = threading.Thread(target=write)
    order = shop.order("bbb1", on_live_change="keep_and_report")
    writer.start()
    try:
        assert started.wait(10)
        done = shop.swap(order)
    finally:
        count = len(acked)
        while len(acked) < count + 5 and writer.is_alive():
            threading.Event().wait(0.01)
        stop.set()
        writer.join()
    kept = {i for (i,) in shop.server.rows("SELECT id FROM rk_undo_bbb1.orders")}
    now = {i for (i,) in shop.rows("SELECT id FROM orders")}
    assert set(acked) <= kept | now
    assert kept & set(acked)
    assert now & set(acked)
    assert not kept & now & set(acked)
    assert done.gate == "schema_revoke"
    assert {s.name for s in done.slipped} >= {"orders"}
    assert len(kept) == done.undo_contents.table("orders").rows
    assert refused, "the writer was held back"


def test_a_root_session_that_writes_past_the_gate_is_named(shop: Lab, monkeypatch):
    shop.sql("DELETE FROM orders")
    order = shop.order("ccc1")
    promoted = exchange.promote(shop.live, order, Quiet())
    saved = marker.save

    def save_and_let_root_write(connection, phase, journal):
        saved(connection, phase, journal)
        if phase == "gated":
            shop.sql("INSERT INTO customers (id, name) VALUES (999, '')")
        return journal

    monkeypatch.setattr(marker, "save", save_and_let_root_write)
    done = exchange.exchange(shop.live, order, promoted, Quiet())
    assert [(s.name, s.live_rows_shown, s.live_rows_found) for s in done.slipped] == [("customers", 3, 4)]
    assert shop.server.one("SELECT COUNT(*) FROM rk_undo_ccc1.customers WHERE id=999") == 1


class Meddling(Quiet):
    """Somebody opens a transaction at the last moment, after everything was looked at."""

    def __init__(self, shop: Lab) -> None:
        self.shop, self.session, self.calls = shop, None, 0

    def check(self) -> None:
        self.calls += 1
        if self.calls == 2:
            self.session = self.shop.server.connect("cust_shop")
            tries(self.session, "BEGIN")
            tries(self.session, "SELECT * FROM orders FOR UPDATE")


def test_a_transaction_that_holds_a_table_ends_in_a_clear_error_and_everything_as_before(shop: Lab):
    shop.sql("DELETE FROM orders WHERE id > 100")
    before = shop.state()
    order = shop.order("ddd1", lock_wait_s=1.0)
    promoted = exchange.promote(shop.live, order, Quiet())
    meddling = Meddling(shop)
    try:
        with pytest.raises(GateTimeout, match="live is as before"):
            exchange.exchange(shop.live, order, promoted, meddling)
        with pytest.raises(Temporary, match=r"of cust_shop (is held|for longer)"):
            exchange.exchange(shop.live, order, promoted, Quiet())
    finally:
        meddling.session.close()
    assert shop.state() == before
    assert exchange.settle(shop.live) == []
    exchange.exchange(shop.live, order, promoted, Quiet())
    assert shop.rows("SELECT COUNT(*) FROM orders") == [(200,)]

"""A proven database becomes live and goes back again, on real servers."""

from collections.abc import Iterator

import pytest
from servers.exchange_lab import OTHER_KINDS, SHOP, Lab, lab
from servers.mariadb import LiveServer
from servers.mariadb_live import Quiet

from restorekit.engines.mariadb import exchange
from restorekit.errors import Cancelled, GateTimeout, LiveChanged, ProofFailed, Refused, UndoImpossible, UsageError

QUICK = ("--innodb-flush-method=nosync", "--sync-binlog=0")
WHOLE = SHOP + OTHER_KINDS


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[LiveServer, LiveServer]]:
    with LiveServer.running(log_bin=True, args=QUICK) as live, LiveServer.running(args=QUICK) as staging:
        yield live, staging


@pytest.fixture
def shop(servers) -> Iterator[Lab]:
    with lab("shop", SHOP, server=servers[0], staging=servers[1]) as made:
        yield made


@pytest.fixture
def whole(servers) -> Iterator[Lab]:
    with lab("shop", WHOLE, server=servers[0], staging=servers[1]) as made:
        yield made


def test_exchange_makes_the_proven_state_live_and_undo_gives_back_the_identical_one(shop: Lab):
    shop.sql("DELETE FROM orders WHERE id < 50; UPDATE customers SET name='x'; DROP VIEW big; DROP TRIGGER t_first;")
    shop.sql(
        "CREATE PROCEDURE new_one() SELECT 1; CREATE TABLE extra (id INT PRIMARY KEY); INSERT INTO extra VALUES (1);"
    )
    shop.sql("INSERT INTO log (id, what) VALUES (7, 'before')")
    before = shop.state()
    order = shop.order("aaa1")
    done = shop.swap(order)

    assert done.gate == "schema_revoke"
    assert done.slipped == ()
    now = shop.contents()
    assert [(t.name, t.fingerprint, t.schema_hash) for t in now.tables] == [
        (t.name, t.fingerprint, t.schema_hash) for t in order.proven.tables
    ]
    assert now.objects == order.proven.objects
    assert done.undo_contents.table("orders") == shop.contents("rk_undo_aaa1").table("orders")
    assert shop.state()[3] == before[3], "grants and locks are exactly as before"
    assert shop.server.rows("SHOW DATABASES LIKE 'rk\\_hold%'") == []
    shop.sql("INSERT INTO orders (customer, total, note) VALUES (1, 1, 'n')")
    assert shop.rows("SELECT note FROM orders ORDER BY id DESC LIMIT 1") == [("n12",)]
    assert shop.rows("SELECT what FROM log") == [("neu ü",)]
    shop.sql("DELETE FROM orders WHERE note='n12'")

    back = shop.undo(done, "aaa2")
    assert shop.state() == before
    assert back.undo.schema_name == "rk_undo_aaa2"
    assert {s.name for s in back.slipped} == {"log"}, "what was written after the exchange is named and kept"
    assert shop.server.one("SELECT COUNT(*) FROM rk_undo_aaa2.log") == 1
    assert shop.server.rows("SHOW DATABASES LIKE 'rk\\_undo\\_aaa1'") == []


def test_every_kind_of_table_arrives_exactly_and_goes_back(whole: Lab):
    whole.sql(
        "UPDATE plain SET raw='x'; UPDATE aria SET a=9; DELETE FROM past; DELETE FROM parts; DELETE FROM places;"
        "DELETE FROM latin; DELETE FROM `we``ird; na'me`; DROP TABLE nothing; INSERT INTO numbered (x) VALUES (3);"
        "SELECT NEXTVAL(numbers);"
    )
    before = whole.state()
    order = whole.order("bbb1")
    done = whole.swap(order)
    now = whole.contents()
    assert [(t.name, t.fingerprint, t.history, t.schema_hash) for t in now.tables] == [
        (t.name, t.fingerprint, t.history, t.schema_hash) for t in order.proven.tables
    ]
    assert now.objects == order.proven.objects
    whole.sql("INSERT INTO numbered (x) VALUES (4)")
    whole.sql("DELETE FROM numbered WHERE x=4")
    assert whole.rows("SELECT x FROM past FOR SYSTEM_TIME ALL ORDER BY 1") == [(1,), (2,), (10,)]
    whole.undo(done, "bbb2")
    assert whole.state() == before


def test_a_dropped_database_comes_back_and_undo_removes_only_what_was_created(shop: Lab):
    shop.server.script("DROP DATABASE shop")
    order = shop.order("ccc1")
    done = shop.swap(order)
    assert (done.created, done.gate, done.blocked_s >= 0) == (True, "none", True)
    assert shop.contents().objects == order.proven.objects
    shop.sql("CREATE TABLE later (id INT PRIMARY KEY)")
    back = shop.undo(done, "ccc2")
    assert shop.server.rows("SHOW DATABASES LIKE 'shop'") == []
    assert shop.contents("rk_undo_ccc2").table("later") is not None
    again = shop.undo(back, "ccc3")
    assert shop.contents().table("orders").fingerprint == order.proven.table("orders").fingerprint
    assert again.created
    assert {o.name for o in shop.contents().objects} == {o.name for o in order.proven.objects}


def test_under_another_name_qualified_text_follows(servers):
    text = SHOP + "CREATE TRIGGER q BEFORE UPDATE ON orders FOR EACH ROW INSERT INTO shop.log (what) VALUES ('shop.x');"
    text = text.replace("'shop.x'", "'q'")
    with lab("shop", text, server=servers[0], staging=servers[1]) as shop:
        *before, grants = shop.state()
        done = shop.swap(shop.order("ddd1", target="rk2_acme_shop"))
        assert done.notes == ("`owner`@`localhost` owns views of rk2_acme_shop and has no rights on it yet",)
        assert shop.state()[3] == grants
        shop.server.script("GRANT SELECT ON rk2_acme_shop.* TO owner@localhost")
        assert shop.server.one("SELECT COUNT(*) FROM rk2_acme_shop.big") == 100
        shop.server.script("UPDATE rk2_acme_shop.orders SET total=1 WHERE id=1")
        assert shop.server.one("SELECT COUNT(*) FROM rk2_acme_shop.log") == 1
        assert [*shop.state()[:3]] == before, "the original is untouched"
        shop.undo(done, "ddd2")
        assert shop.server.rows("SHOW DATABASES LIKE 'rk2%'") == []


def test_only_some_tables_are_exchanged_with_their_foreign_keys_and_the_rest_stays(shop: Lab):
    shop.sql("DELETE FROM orders; DELETE FROM settings; CREATE VIEW own AS SELECT 1 AS x; DROP TRIGGER t_first;")
    order = shop.order("eee1", tables=["orders"])
    assert {a.name for a in order.actions} == {"orders"}
    order = order.model_copy(
        update={"actions": (*order.actions, order.actions[0].model_copy(update={"name": "customers"}))}
    )
    done = shop.swap(order)
    assert shop.rows("SELECT COUNT(*) FROM orders") == [(200,)]
    assert shop.rows("SELECT COUNT(*) FROM settings") == [(0,)]
    assert shop.rows("SELECT x FROM own") == [(1,)]
    triggers = [
        n for (n,) in shop.rows("SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema='shop'")
    ]
    assert sorted(triggers) == ["a_third", "t_second"], "live keeps its own triggers"
    with pytest.raises(Exception, match="foreign key constraint fails"):
        shop.server.rows("INSERT INTO orders (customer) VALUES (99)", "shop")
    shop.undo(done, "eee2")
    assert shop.rows("SELECT COUNT(*) FROM orders") == [(0,)]


def test_a_dropped_table_comes_back_with_its_triggers(shop: Lab):
    shop.sql("DROP TABLE orders")
    shop.swap(shop.order("fff1", tables=["orders", "customers"]))
    names = "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema='shop' ORDER BY action_order, 1"
    assert [n for (n,) in shop.rows(names)] == ["a_third", "t_first", "t_second"]


def test_a_rerun_gives_the_identical_answer_and_does_nothing_twice(shop: Lab):
    shop.sql("DELETE FROM orders")
    order = shop.order("ggg1")
    promoted = exchange.promote(shop.live, order, Quiet())
    first = exchange.exchange(shop.live, order, promoted, Quiet())
    shop.sql("DELETE FROM settings")
    state = shop.state()
    assert exchange.exchange(shop.live, order, promoted, Quiet()) == first
    assert shop.state() == state
    back = shop.undo(first, "ggg2")
    assert shop.undo(first, "ggg2") == back
    assert shop.rows("SELECT COUNT(*) FROM orders") == [(0,)]
    assert exchange.settle(shop.live) == []


def test_promote_finds_the_same_change_on_two_rows_of_staging(shop: Lab):
    shop.sql("DELETE FROM orders")
    order = shop.order("hhh1")
    shop.staging.script("UPDATE orders SET note='same' WHERE id IN (3, 4)", "shop")
    with pytest.raises(ProofFailed, match="orders"):
        exchange.promote(shop.live, order, Quiet())
    exchange.drop_holding(shop.live, "hhh1")
    assert shop.server.rows("SHOW DATABASES LIKE 'rk\\_%'") == []
    assert shop.rows("SELECT COUNT(*) FROM orders") == [(0,)]
    shop.staging.script("DROP DATABASE shop; CREATE DATABASE shop;")
    shop.staging.script(SHOP, "shop")


def test_live_changed_is_refused_and_live_is_as_before(shop: Lab):
    shop.sql("DELETE FROM orders WHERE id > 100")
    order = shop.order("iii1")
    promoted = exchange.promote(shop.live, order, Quiet())
    shop.sql("UPDATE orders SET note='same' WHERE id IN (3, 4)")
    before = shop.state()
    with pytest.raises(LiveChanged) as caught:
        exchange.exchange(shop.live, order, promoted, Quiet())
    assert caught.value.details == ("orders: 100 rows shown, 100 found",)
    assert shop.state() == before
    accepted = order.model_copy(update={"accept_changes": True})
    done = exchange.exchange(shop.live, accepted, promoted, Quiet())
    assert [s.name for s in done.slipped] == ["orders"]
    assert shop.server.one("SELECT COUNT(*) FROM rk_undo_iii1.orders WHERE note='same'") == 2


def test_volatile_tables_never_matter_and_keep_and_report_names_the_rest(shop: Lab):
    shop.sql("DELETE FROM orders; DELETE FROM settings; INSERT INTO log (what) VALUES ('x')")
    order = shop.order("jjj1", on_live_change="keep_and_report", volatile=("set*",))
    promoted = exchange.promote(shop.live, order, Quiet())
    shop.sql("INSERT INTO settings VALUES ('new', 'x'); INSERT INTO log (what) VALUES ('y')")
    done = exchange.exchange(shop.live, order, promoted, Quiet())
    assert [(s.name, s.live_rows_shown, s.live_rows_found) for s in done.slipped] == [("log", 1, 2)]
    assert shop.server.one("SELECT COUNT(*) FROM rk_undo_jjj1.settings") == 1


def test_over_the_gate_budget_nothing_happens_at_all(shop: Lab):
    shop.sql("DELETE FROM orders")
    before = shop.state()
    order = shop.order("kkk1", gate_max_s=0.0)
    promoted = exchange.promote(shop.live, order, Quiet())
    with pytest.raises(GateTimeout, match=r"about \d+\.\d s, the policy allows 0 s"):
        exchange.exchange(shop.live, order, promoted, Quiet())
    assert shop.state() == before
    assert shop.server.rows("SHOW DATABASES LIKE '\\_restorekit'") == []


def test_an_object_that_live_refuses_takes_the_exchange_back_by_itself(shop: Lab):
    shop.staging.script("CREATE DATABASE other; CREATE TABLE other.t (id INT);")
    try:
        shop.staging.script("CREATE VIEW strange AS SELECT * FROM other.t", "shop")
        shop.sql("DELETE FROM orders WHERE id > 100; DROP VIEW big;")
        before = shop.state()
        order = shop.order("lll1")
        promoted = exchange.promote(shop.live, order, Quiet())
        with pytest.raises(ProofFailed, match="taken back, live is as before"):
            exchange.exchange(shop.live, order, promoted, Quiet())
        assert shop.state() == before
        assert shop.contents("rk_hold_lll1").table("orders").rows == 200, "the proven copy still waits"
        assert shop.server.rows("SHOW DATABASES LIKE 'rk\\_undo%'") == []
    finally:
        shop.staging.script("DROP DATABASE other")


def test_a_view_that_did_not_work_before_does_not_stop_an_exchange(servers):
    text = SHOP + "CREATE TABLE gone (id INT); CREATE VIEW stale AS SELECT * FROM gone; DROP TABLE gone;"
    with lab("shop", text, server=servers[0], staging=servers[1]) as shop:
        shop.sql("DELETE FROM orders")
        before = shop.state()
        shop.undo(shop.swap(shop.order("mmm1")), "mmm2")
        assert shop.state() == before


def test_a_view_that_broke_with_the_accident_survives_exchange_and_undo(shop: Lab):
    shop.sql("CREATE TABLE keepsake (id INT); CREATE VIEW odd AS SELECT * FROM keepsake; DROP TABLE keepsake;")
    shop.sql(
        "DROP TABLE settings; SET foreign_key_checks=0; DROP TABLE orders; CREATE OR REPLACE VIEW big AS SELECT 1;"
    )
    names = [v.name for v in shop.contents().objects]
    before = shop.state()[0]
    order = shop.order("mmm3")
    done = shop.swap(order)
    assert shop.contents().objects == order.proven.objects
    assert shop.rows("SELECT COUNT(*) FROM big")[0][0] == 100
    back = shop.undo(done, "mmm4")
    assert shop.state()[0] == before
    assert [v.name for v in shop.contents().objects] == [n for n in names if n != "odd"]
    assert back.notes == ("the view odd did not work before and was not made (server error 1146)",)


def test_undo_refuses_a_copy_that_is_not_what_was_put_there(shop: Lab):
    shop.sql("DELETE FROM orders WHERE id > 100")
    done = shop.swap(shop.order("nnn1"))
    state = shop.state()
    shop.server.script("UPDATE rk_undo_nnn1.orders SET note='same' WHERE id IN (3, 4)")
    with pytest.raises(UndoImpossible, match="orders"):
        shop.undo(done, "nnn2")
    assert shop.state() == state


def test_retire_deletes_exactly_one_undo_copy_and_undo_says_so(shop: Lab):
    shop.sql("DELETE FROM orders WHERE id > 100")
    done = shop.swap(shop.order("ooo1"))
    foreign = done.model_copy(update={"undo": done.undo.model_copy(update={"schema_name": "shop"})})
    with pytest.raises(Refused, match="nothing was removed"):
        exchange.retire(shop.live, foreign)
    never = done.model_copy(
        update={"order_id": "zzz", "undo": done.undo.model_copy(update={"schema_name": "rk_undo_zzz"})}
    )
    shop.server.script("CREATE DATABASE rk_undo_zzz")
    with pytest.raises(Refused, match="no record"):
        exchange.retire(shop.live, never)
    exchange.drop_holding(shop.live, "ooo1")
    assert shop.contents("rk_undo_ooo1").table("orders").rows == 100
    exchange.retire(shop.live, done)
    exchange.retire(shop.live, done)
    assert shop.server.rows("SHOW DATABASES LIKE 'rk\\_undo\\_ooo1'") == []
    with pytest.raises(UndoImpossible, match="retired or undone"):
        shop.undo(done, "ooo2")


def test_no_value_of_a_row_is_kept_in_the_marker(shop: Lab):
    shop.sql("UPDATE customers SET name='canary-4711'; DELETE FROM orders;")
    shop.undo(shop.swap(shop.order("ppp1")), "ppp2")
    kept = shop.server.rows("SELECT journal FROM _restorekit.exchange_marker")
    assert len(kept) == 2
    assert not any("canary-4711" in text or "note 17" in text for (text,) in kept)


def test_an_id_that_is_no_plain_word_is_refused(shop: Lab):
    order = shop.order("aaa1").model_copy(update={"id": "x`; DROP DATABASE shop"})
    with pytest.raises(UsageError):
        exchange.promote(shop.live, order, Quiet())


def test_cancelling_during_promote_leaves_live_alone(shop: Lab):
    class Impatient(Quiet):
        def check(self) -> None:
            raise Cancelled

    shop.sql("DELETE FROM orders")
    before = shop.state()
    with pytest.raises(Cancelled):
        exchange.promote(shop.live, shop.order("qqq1"), Impatient())
    exchange.drop_holding(shop.live, "qqq1")
    assert shop.state() == before
    assert shop.server.rows("SHOW DATABASES LIKE 'rk\\_%'") == []

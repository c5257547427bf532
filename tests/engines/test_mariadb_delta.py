"""Rows are written one by one in one transaction, and go back again, on real servers."""

import contextlib
from collections.abc import Callable, Iterator

import pytest
from servers.exchange_lab import SHOP, Lab, lab
from servers.mariadb import QUICK, LiveServer
from servers.mariadb_live import Quiet

from restorekit.engines.mariadb import connect, exchange
from restorekit.engines.mariadb.exchange import swap
from restorekit.errors import LiveChanged, ProofFailed, UndoImpossible
from restorekit.model.pick import Selection

PLAIN = SHOP.split("CREATE DEFINER")[0]


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[LiveServer, LiveServer]]:
    with LiveServer.running(log_bin=True, args=QUICK) as live, LiveServer.running(args=QUICK) as staging:
        yield live, staging


@pytest.fixture
def shop(servers) -> Iterator[Lab]:
    with lab("shop", PLAIN, server=servers[0], staging=servers[1]) as made:
        yield made


def test_whole_tables_become_the_proven_ones_and_undo_gives_back_the_identical_ones(shop: Lab):
    shop.sql(
        "DELETE FROM orders WHERE id % 7 = 0; UPDATE orders SET note='x' WHERE id % 5 = 0;"
        "INSERT INTO orders (customer, note) VALUES (2, 'new'); INSERT INTO customers (name, score) VALUES ('Eve', 1);"
        "INSERT INTO orders (customer, note) VALUES (4, 'hers'); UPDATE customers SET name='ada' WHERE id=1;"
    )
    before = shop.state()
    order = shop.by_rows("aaa1", ["customers", "orders"])
    done = shop.swap(order)
    now = shop.contents()
    assert [(t.name, t.fingerprint, t.schema_hash) for t in now.tables] == [
        (t.name, t.fingerprint, t.schema_hash) for t in order.proven.tables
    ]
    assert done.gate == "schema_revoke"
    assert [(a.name, a.inserted, a.changed, a.removed, a.moved) for a in done.applied] == [
        ("customers", 0, 1, 1, 0),
        ("orders", 28, 35, 2, 0),
    ]
    assert all(a.keyed for a in done.applied)
    assert shop.server.rows("SHOW DATABASES LIKE 'rk\\_hold%'") == []
    assert shop.state()[3] == before[3], "grants and locks are exactly as before"

    back = shop.undo(done, "aaa2")
    after = shop.state()
    assert [t.fingerprint for t in after[0]] == [t.fingerprint for t in before[0]]
    assert after[1:] == before[1:]
    assert [(a.name, a.inserted, a.changed, a.removed) for a in back.applied] == [
        ("customers", 1, 1, 0),
        ("orders", 2, 35, 28),
    ]
    assert shop.server.rows("SHOW DATABASES LIKE 'rk\\_undo\\_aaa1'") == []
    again = shop.undo(back, "aaa3")
    assert shop.contents().table("orders").fingerprint == order.proven.table("orders").fingerprint
    assert again.slipped == ()


DAMAGE = "DELETE FROM orders WHERE id % 7 = 0; UPDATE orders SET note='x' WHERE id % 5 = 0;"


def at(point: str, what: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let that happen at that place."""
    monkeypatch.setattr(swap, "here", lambda name: what() if name == point else None)


def test_somebody_who_writes_past_the_gate_is_seen_even_before_he_commits(shop: Lab, monkeypatch):
    shop.sql(DAMAGE)
    order = shop.by_rows("bbb1", ["orders"], on_live_change="keep_and_report")
    promoted = exchange.promote(shop.live, order, Quiet())
    before = shop.state()
    with contextlib.closing(shop.server.connect("shop")) as root:
        root.begin()
        at("mariadb.gated", lambda: connect.rows(root, "UPDATE orders SET note='canary' WHERE id=1"), monkeypatch)
        with pytest.raises(LiveChanged, match="orders would not be what was proven") as caught:
            exchange.exchange(shop.live, order, promoted, Quiet())
        assert "canary" not in str(caught.value)
        root.rollback()
    assert shop.state() == before
    assert shop.server.rows("SHOW DATABASES LIKE 'rk\\_undo%'") == []
    monkeypatch.undo()
    exchange.exchange(shop.live, order, promoted, Quiet())
    assert shop.contents().table("orders").fingerprint == order.proven.table("orders").fingerprint


def test_a_proof_that_fails_on_live_as_shown_is_called_ours(shop: Lab):
    shop.sql(DAMAGE)
    order = shop.by_rows("bbb2", ["orders"], only=lambda key: key != (7,))
    assert order.selection is not None
    wrong = order.selection.tables[0].model_copy(update={"whole": True})
    order = order.model_copy(update={"selection": Selection(tables=(wrong,))})
    before = shop.state()
    with pytest.raises(ProofFailed, match="does not make orders what was proven; live is as before"):
        shop.swap(order)
    assert shop.state() == before


def test_rows_that_moved_are_refused_or_overwritten_with_what_they_were_kept(shop: Lab):
    shop.sql(DAMAGE)
    order = shop.by_rows("ccc1", ["orders"])
    promoted = exchange.promote(shop.live, order, Quiet())
    shop.sql(
        "UPDATE orders SET note='moved' WHERE id=5; INSERT INTO orders (id, customer, note) VALUES (7, 2, 'taken')"
    )
    before = shop.state()
    with pytest.raises(LiveChanged, match="2 rows changed since they were shown") as caught:
        exchange.exchange(shop.live, order, promoted, Quiet())
    assert caught.value.details == ("orders: 2 rows",)
    assert shop.state() == before
    accepted = order.model_copy(update={"accept_changes": True})
    done = exchange.exchange(shop.live, accepted, promoted, Quiet())
    assert shop.contents().table("orders").fingerprint == order.proven.table("orders").fingerprint
    assert [(a.inserted, a.changed, a.moved) for a in done.applied] == [(27, 36, 2)]
    assert [(s.name, s.note) for s in done.slipped] == [
        ("orders", "2 rows had changed since they were shown; what they were then is in the undo copy")
    ]
    shop.undo(done, "ccc2")
    assert shop.state()[0][2].fingerprint == before[0][2].fingerprint
    assert shop.rows("SELECT note FROM orders WHERE id IN (5, 7)") == [("moved",), ("taken",)]


def test_only_missing_rows_come_back_new_ones_stay_and_undo_takes_exactly_these_away(shop: Lab):
    shop.sql(DAMAGE + "INSERT INTO orders (id, customer, note) VALUES (1000, 1, 'mine')")
    before = shop.contents().table("orders")
    order = shop.by_rows("ddd1", ["orders"], rows="missing", keep_new=True)
    done = shop.swap(order)
    assert shop.rows("SELECT COUNT(*), SUM(note='x'), SUM(note='mine') FROM orders") == [(201, 35, 1)]
    assert shop.rows("SELECT note FROM orders WHERE id=14") == [("note 14",)]
    shop.sql(
        "INSERT INTO orders (id, customer, note) VALUES (1001, 1, 'later'); UPDATE orders SET note='hers' WHERE id=14"
    )
    back = shop.undo(done, "ddd2")
    assert shop.rows("SELECT note FROM orders WHERE id=1001") == [("later",)], "written beside the set"
    shop.sql("DELETE FROM orders WHERE id=1001")
    assert shop.contents().table("orders").fingerprint == before.fingerprint
    assert [(a.removed, a.moved) for a in back.applied] == [(28, 1)]
    assert "what they were then is in the undo copy" in back.slipped[0].note
    shop.undo(back, "ddd3")
    assert shop.rows("SELECT note FROM orders WHERE id=14") == [("hers",)]
    with pytest.raises(UndoImpossible, match="retired or undone"):
        shop.undo(done, "ddd4")


def test_undo_refuses_where_other_rows_came_to_need_those_that_were_brought_back(shop: Lab):
    shop.sql("SET foreign_key_checks=0; DELETE FROM customers WHERE id=3;")
    before = shop.contents().table("customers")
    done = shop.swap(shop.by_rows("eee1", ["customers"], rows="missing"))
    shop.sql("INSERT INTO orders (customer, note) VALUES (3, 'new'), (3, 'newer')")
    state = shop.state()
    with pytest.raises(UndoImpossible, match="69 rows of orders need rows of customers") as caught:
        shop.undo(done, "eee2")
    assert "live is as before" in caught.value.message
    assert shop.state() == state
    shop.sql("DELETE FROM orders WHERE note LIKE 'new%'")
    shop.undo(done, "eee2")
    assert shop.contents().table("customers").fingerprint == before.fingerprint, "its orders hang loose as they did"


def test_children_that_would_cascade_away_stop_it(shop: Lab):
    shop.sql("INSERT INTO customers (id, name) VALUES (9, 'new'); INSERT INTO orders (customer) VALUES (9), (9)")
    before = shop.state()
    with pytest.raises(LiveChanged, match="2 rows of orders need rows of customers that would not be there"):
        shop.swap(shop.by_rows("fff1", ["customers"]))
    assert shop.state() == before


def test_a_row_whose_parent_is_not_there_is_not_brought_back(shop: Lab):
    shop.sql("DELETE FROM orders WHERE customer=3; DELETE FROM customers WHERE id=3;")
    before = shop.state()
    with pytest.raises(LiveChanged, match="67 rows of orders need rows of customers"):
        shop.swap(shop.by_rows("fff2", ["orders"]))
    assert shop.state() == before
    done = shop.swap(shop.by_rows("fff3", ["orders", "customers"]))
    assert [(a.name, a.inserted) for a in done.applied] == [("customers", 1), ("orders", 67)]


def test_promote_refuses_what_is_not_the_choice_or_not_what_was_proven(shop: Lab):
    shop.sql(DAMAGE)
    order = shop.by_rows("ggg1", ["orders"])
    shop.staging.script("UPDATE rk_chosen.orders SET rk_proven=rk_proven+1 WHERE id=7")
    with pytest.raises(ProofFailed, match="others than those chosen"):
        exchange.promote(shop.live, order, Quiet())
    shop.by_rows("ggg1", ["orders"], rows="missing")
    with pytest.raises(ProofFailed, match="not the 63 that were chosen"):
        exchange.promote(shop.live, order, Quiet())
    order = shop.by_rows("ggg1", ["orders"])
    shop.staging.script("UPDATE orders SET total=total+1 WHERE id IN (7, 14)", "shop")
    with pytest.raises(ProofFailed, match="2 rows of orders beside live are not what was proven"):
        exchange.promote(shop.live, order, Quiet())
    shop.sql("ALTER TABLE orders ADD more INT")
    with pytest.raises(LiveChanged, match="definition of orders"):
        exchange.promote(shop.live, order, Quiet())


def test_a_definition_that_changed_since_is_refused_both_ways(shop: Lab):
    shop.sql(DAMAGE)
    order = shop.by_rows("hhh1", ["orders"])
    promoted = exchange.promote(shop.live, order, Quiet())
    shop.sql("ALTER TABLE orders ADD more INT")
    with pytest.raises(LiveChanged, match="definition of orders"):
        exchange.exchange(shop.live, order, promoted, Quiet())
    shop.sql("ALTER TABLE orders DROP more")
    done = exchange.exchange(shop.live, order, promoted, Quiet())
    shop.sql("ALTER TABLE orders ADD more INT")
    with pytest.raises(UndoImpossible, match="definition of orders"):
        shop.undo(done, "hhh2")


def test_a_rerun_gives_the_identical_answer_and_writes_nothing_twice(shop: Lab):
    shop.sql(DAMAGE)
    order = shop.by_rows("iii1", ["orders", "settings"])
    promoted = exchange.promote(shop.live, order, Quiet())
    first = exchange.exchange(shop.live, order, promoted, Quiet())
    shop.sql("DELETE FROM orders WHERE id=7")
    assert exchange.exchange(shop.live, order, promoted, Quiet()) == first
    assert shop.rows("SELECT COUNT(*) FROM orders") == [(199,)]
    assert [(a.name, a.inserted + a.changed) for a in first.applied] == [("orders", 63), ("settings", 0)]
    assert exchange.settle(shop.live) == []


def test_undo_refuses_a_copy_that_is_not_what_was_put_there(shop: Lab):
    shop.sql(DAMAGE)
    done = shop.swap(shop.by_rows("jjj1", ["orders"]))
    state = shop.state()
    shop.server.script("UPDATE rk_undo_jjj1.orders SET note='same' WHERE id IN (5, 10)")
    with pytest.raises(UndoImpossible, match="orders"):
        shop.undo(done, "jjj2")
    assert shop.state() == state
    exchange.retire(shop.live, done)
    assert shop.server.rows("SHOW DATABASES LIKE 'rk\\_undo\\_jjj1'") == []


def test_a_set_beside_live_that_somebody_changed_is_refused(shop: Lab, monkeypatch):
    shop.sql(DAMAGE)
    order = shop.by_rows("jjj3", ["orders"], rows="missing", keep_new=True)
    promoted = exchange.promote(shop.live, order, Quiet())
    before = shop.state()
    forge = "UPDATE rk_hold_jjj3.orders SET note='forged' WHERE id=7"
    at("mariadb.gated", lambda: shop.server.script(forge), monkeypatch)
    with pytest.raises(ProofFailed, match="1 rows of orders would not be what was proven"):
        exchange.exchange(shop.live, order, promoted, Quiet())
    monkeypatch.undo()
    assert shop.state() == before
    with pytest.raises(ProofFailed, match="1 rows of orders beside live are not what was proven"):
        exchange.exchange(shop.live, order, promoted, Quiet())
    shop.server.script("DELETE FROM rk_hold_jjj3.orders WHERE id=7")
    with pytest.raises(ProofFailed, match="not the 28 that were chosen"):
        exchange.exchange(shop.live, order, promoted, Quiet())
    assert shop.state() == before


def test_no_value_of_a_row_is_kept_in_the_marker(shop: Lab):
    shop.sql("UPDATE orders SET note='canary-4711' WHERE id=5; DELETE FROM orders WHERE id=17")
    shop.undo(shop.swap(shop.by_rows("kkk1", ["orders"])), "kkk2")
    kept = shop.server.rows("SELECT journal FROM _restorekit.exchange_marker")
    assert len(kept) == 2
    assert not any("canary-4711" in text or "note 17" in text for (text,) in kept)

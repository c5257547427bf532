"""A proven database becomes live and goes back again, on real servers."""

from collections.abc import Iterator

import pytest
from servers.exchange_lab import OTHER_KINDS, SHOP, Lab, lab
from servers.mariadb import LiveServer

WHOLE = SHOP + OTHER_KINDS


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[LiveServer, LiveServer]]:
    with LiveServer.running(log_bin=True) as live, LiveServer.running() as staging:
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

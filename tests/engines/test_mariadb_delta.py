"""Rows are written one by one in one transaction, and go back again, on real servers."""

from collections.abc import Iterator

import pytest
from servers.exchange_lab import SHOP, Lab, lab
from servers.mariadb import QUICK, LiveServer

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

"""An accident that left children without their parents, and sequences that the backup does not know."""

import contextlib
from collections.abc import Iterator

import pytest
from servers.exchange_lab import OTHER_KINDS, SHOP, Lab, lab
from servers.mariadb import LiveServer
from servers.mariadb_live import Quiet

from restorekit.engines.mariadb import exchange
from restorekit.errors import Temporary


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[LiveServer, LiveServer]]:
    with LiveServer.running(log_bin=True) as live, LiveServer.running() as staging:
        yield live, staging


@pytest.fixture
def torn(servers) -> Iterator[Lab]:
    """`customers` is dropped, as by a dump that was loaded over it and ended too early; the orders stay behind."""
    cascading = SHOP.replace("REFERENCES customers (id)", "REFERENCES customers (id) ON DELETE CASCADE")
    with lab("shop", cascading, server=servers[0], staging=servers[1]) as shop:
        shop.sql("SET foreign_key_checks = 0; DROP TABLE customers; UPDATE orders SET total = 0 WHERE id < 9")
        yield shop


def keys(shop: Lab, schema: str = "shop") -> list[str]:
    (text,) = [t for _, t in shop.server.rows(f"SHOW CREATE TABLE `{schema}`.orders")]
    return [line.strip() for line in text.splitlines() if "FOREIGN KEY" in line]


def test_a_dropped_parent_comes_back_and_the_undo_copy_stands_alone(torn: Lab):
    before, key = torn.state(), keys(torn)
    done = torn.swap(torn.order("kkk1"))
    assert keys(torn) == key
    assert keys(torn, "rk_undo_kkk1") == []
    torn.sql("DELETE FROM customers WHERE id = 1")
    assert torn.server.one("SELECT COUNT(*) FROM rk_undo_kkk1.orders") == 200, "it must not reach into the copy"
    assert torn.server.one("SELECT COUNT(*) FROM shop.orders") < 200
    torn.undo(done, "kkk2")
    assert torn.state() == before
    assert keys(torn) == key
    assert torn.server.one("SELECT COUNT(*) FROM rk_undo_kkk2.customers") == 2


@pytest.mark.parametrize("place", ["mariadb.objects_dropped", "mariadb.renamed", "mariadb.objects_created"])
@pytest.mark.parametrize("way", ["there", "back"])
def test_whatever_is_left_in_the_middle_is_settled_with_its_keys(torn: Lab, monkeypatch, place: str, way: str):
    before, key = torn.state(), keys(torn)
    order = torn.order("mmm1")
    promoted = exchange.promote(torn.live, order, Quiet())
    done = exchange.exchange(torn.live, order, promoted, Quiet()) if way == "back" else None
    with monkeypatch.context() as patch, contextlib.suppress(Temporary):
        _lose_session_at(patch, torn, place)
        if done is None:
            exchange.exchange(torn.live, order, promoted, Quiet())
        else:
            torn.undo(done, "mmm2")
    exchange.settle(torn.live)
    assert keys(torn) == key
    swapped = exchange.outcome(torn.live, "mmm1")
    undone = exchange.outcome(torn.live, "mmm2")
    if swapped is None or undone is not None:
        assert torn.state() == before
    else:
        assert torn.server.one("SELECT COUNT(*) FROM shop.customers") == 3
        assert keys(torn, "rk_undo_mmm1") == []


def _lose_session_at(patch: pytest.MonkeyPatch, shop: Lab, place: str) -> None:
    """The server ends the exchange's session there, once."""
    lost = []

    def here(name: str) -> None:
        if name == place and not lost:
            lost.append(name)
            ask = "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user = 'root'"
            for (session,) in shop.server.rows(ask):
                with contextlib.suppress(Exception):
                    shop.server.rows(f"KILL {session}")

    patch.setattr("restorekit.engines.mariadb.exchange.swap.here", here)


def test_a_sequence_that_the_backup_does_not_know_leaves_and_comes_back(servers):
    with lab("shop", SHOP + OTHER_KINDS, server=servers[0], staging=servers[1]) as shop:
        shop.sql("CREATE SEQUENCE later START 7; CREATE TABLE drawn (id INT PRIMARY KEY DEFAULT NEXTVAL(later), x INT)")
        shop.sql("INSERT INTO drawn (x) VALUES (1), (2)")
        before = shop.state()
        done = shop.swap(shop.order("sss1"))
        assert [n for n, _ in shop.server.rows("SHOW FULL TABLES FROM shop WHERE Table_type='SEQUENCE'")] == ["numbers"]
        shop.undo(done, "sss2")
        assert shop.state() == before
        shop.sql("INSERT INTO drawn (x) VALUES (3)")
        assert shop.rows("SELECT MAX(id) FROM drawn") > [(8,)]

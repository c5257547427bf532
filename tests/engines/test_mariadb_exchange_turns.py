"""Two customers on one server: their exchanges take turns, and neither is taken for a backup."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from servers.exchange_lab import SHOP, Lab, lab
from servers.mariadb import LiveServer
from servers.mariadb_live import Quiet

from restorekit.engines.mariadb import exchange
from restorekit.engines.mariadb.exchange.lease import lease


@pytest.fixture
def shops() -> Iterator[list[Lab]]:
    with contextlib.ExitStack() as stack:
        live, staging = (stack.enter_context(LiveServer.running(log_bin=log)) for log in (True, False))
        made = [stack.enter_context(lab(n, SHOP, server=live, staging=staging)) for n in ("north", "south")]
        for shop in made:
            shop.sql("DELETE FROM orders")
        yield made


def test_two_at_once_both_get_there(shops: list[Lab]):
    """The order of north waits while another exchange holds the server; preflight meanwhile sees no backup."""
    orders = [shop.order(f"{shop.schema[0]}1") for shop in shops]
    promoted = [exchange.promote(s.live, o, Quiet()) for s, o in zip(shops, orders, strict=True)]
    waits = "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User lock'"
    with ThreadPoolExecutor(2) as pool:
        with lease(shops[0].live):
            running = [
                pool.submit(exchange.exchange, s.live, o, p, Quiet())
                for s, o, p in zip(shops, orders, promoted, strict=True)
            ]
            while shops[0].server.one(waits) < 2:
                assert not any(r.done() for r in running)
            assert [f.code for f in exchange.preflight(shops[0].live, orders[0]) if f.severity == "wait"] == []
            assert shops[0].rows("SELECT COUNT(*) FROM orders") == [(0,)]
        done = [r.result(60) for r in running]
    assert [s.rows("SELECT COUNT(*) FROM orders") for s in shops] == [[(200,)], [(200,)]]
    for shop, one in zip(shops, done, strict=True):
        shop.undo(one, f"{shop.schema[0]}2")
        assert shop.rows("SELECT COUNT(*) FROM orders") == [(0,)]

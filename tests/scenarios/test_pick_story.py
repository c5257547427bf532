"""Orders are deleted while new ones keep coming: exactly the deleted ones come back, nothing of today is lost.

MariaDB: a customer's own account writes all the time, from before the accident until after the swap.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymysql
import pytest
from scenarios.hoster import Hoster
from servers.mariadb import LiveServer
from servers.mariadb_live import Quiet

from restorekit.bootstrap import open_service
from restorekit.bootstrap.picking import Part, Pick
from restorekit.model.request import Act

SCHEMA = """
CREATE TABLE customers (id INT PRIMARY KEY AUTO_INCREMENT, email VARCHAR(80) NOT NULL UNIQUE) ENGINE=InnoDB;
CREATE TABLE orders (
  id INT PRIMARY KEY AUTO_INCREMENT, customer INT NOT NULL, code VARCHAR(20) NOT NULL UNIQUE, amount DECIMAL(9,2),
  note VARCHAR(60), KEY (amount), FOREIGN KEY (customer) REFERENCES customers (id)) ENGINE=InnoDB;
CREATE TABLE items (
  id INT PRIMARY KEY AUTO_INCREMENT, order_id INT NOT NULL, what VARCHAR(40),
  FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE) ENGINE=InnoDB;
INSERT INTO customers SELECT seq, CONCAT('müller', seq, '@example.org') FROM seq_1_to_50;
INSERT INTO orders SELECT seq, 1 + seq MOD 50, CONCAT('A-', seq), seq / 7, CONCAT('Straße ', seq)
  FROM seq_1_to_{orders};
INSERT INTO items SELECT seq, 1 + (seq DIV 2) MOD {orders}, CONCAT('Käse ', seq) FROM seq_1_to_{items};
"""
GONE = "id BETWEEN {first} AND {last}"
REST = (
    "SELECT COUNT(*), SUM(CRC32(CONCAT_WS('#', id, customer, code, amount, note))) FROM orders "
    "WHERE id <= {orders} AND NOT ({gone}) AND id NOT IN (7, 8, 9, 10)"
)
SUM = "SELECT COUNT(*), SUM(CRC32(CONCAT_WS('#', {columns}))) FROM {table} WHERE {rows}"
COLUMNS = {"orders": "id, customer, code, amount, note", "items": "id, order_id, what", "customers": "id, email"}


def total(live: LiveServer, table: str, rows: str = "TRUE") -> Any:
    return live.rows(SUM.format(columns=COLUMNS[table], table=table, rows=rows), "shop")[0]


@contextmanager
def customers_buying(live: LiveServer) -> Iterator[list[int]]:
    """New orders, one after the other, with the customer's own rights; those acknowledged."""
    acknowledged: list[int] = []
    over = threading.Event()

    def buy() -> None:
        with pymysql.connect(unix_socket=str(live.socket), user="shop", database="shop", autocommit=True) as session:
            while not over.wait(0.005):
                with session.cursor() as cursor:
                    code = f"N-{time.monotonic_ns()}"
                    cursor.execute("INSERT INTO orders (customer, code, amount) VALUES (1, %s, 5)", [code])
                    acknowledged.append(int(cursor.lastrowid))
                    cursor.execute("INSERT INTO items (order_id, what) VALUES (%s, 'neu')", [cursor.lastrowid])

    thread = threading.Thread(target=buy)
    thread.start()
    try:
        yield acknowledged
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def hoster(live: LiveServer) -> Iterator[Hoster]:
    live.script("CREATE USER shop@localhost; GRANT ALL ON shop.* TO shop@localhost")
    with Hoster.open(live) as hoster:
        yield hoster


@pytest.fixture
def shop(hoster: Hoster) -> Iterator[Hoster]:
    with hoster.database("shop"):
        yield hoster


def backed_up(shop: Hoster, orders: int, items: int) -> str:
    """The shop, and the id of a point with all of it."""
    shop.live.script(SCHEMA.format(orders=orders, items=items), "shop")
    return shop.file("shop", shop.live.dump("shop"))


def accident(live: LiveServer, gone: str) -> None:
    live.script(f"DELETE FROM orders WHERE {gone}; UPDATE orders SET amount = 0 WHERE id IN (7, 8, 9, 10)", "shop")


def missing_rows_come_back(shop: Hoster, orders: int, gone: tuple[int, int]) -> None:
    live, house, lost = shop.live, shop.house, GONE.format(first=gone[0], last=gone[1])
    point = backed_up(shop, orders, 2 * orders)
    before = {t: total(live, t, rows) for t, rows in (("orders", lost), ("items", f"order_{lost}"))}
    rest = REST.format(orders=orders, gone=lost)
    with customers_buying(live) as bought:
        accident(live, lost)
        untouched = live.rows(rest, "shop")
        told = house.run("restore", "db1/shop", "--point", point, "--json")
        assert told.code == 6, told
        run_id = told.json["id"]
        words = ("swap", run_id, "--only", "orders,items", "--rows", "missing", "--keep-new")
        seen = house.ok(*words, "--dry-run", "--json").json
        assert total(live, "orders", lost) == (0, None)
        swapped = house.ok(*words, "--json").json
    count = gone[1] - gone[0] + 1
    chosen = {t["name"]: t for t in seen["selection"]["tables"]}
    assert (chosen["orders"]["insert"], chosen["orders"]["change"], chosen["orders"]["remove"]) == (count, 0, 0)
    assert chosen["orders"]["left"] == 4
    assert swapped["state"] == "swapped"
    applied = {a["name"]: a for a in swapped["applied"]}
    assert (applied["orders"]["inserted"], applied["orders"]["changed"], applied["orders"]["removed"]) == (count, 0, 0)

    assert {t: total(live, t, rows) for t, rows in (("orders", lost), ("items", f"order_{lost}"))} == before
    assert live.rows(rest, "shop") == untouched
    assert live.one("SELECT SUM(amount) FROM orders WHERE id IN (7, 8, 9, 10)", "shop") == 0
    assert bought
    assert {i for (i,) in live.rows(f"SELECT id FROM orders WHERE id > {orders}", "shop")} == set(bought)
    orphans = "SELECT COUNT(*) FROM items LEFT JOIN orders o ON o.id = order_id WHERE o.id IS NULL"
    assert live.one(orphans, "shop") == 0
    with customers_buying(live) as later:
        while not later:
            time.sleep(0.01)  # a customer can only be watched
    assert min(later) > max(bought)

    house.ok("undo", run_id)
    assert total(live, "orders", lost) == (0, None)
    assert live.rows(rest, "shop") == untouched
    assert {i for (i,) in live.rows(f"SELECT id FROM orders WHERE id > {orders}", "shop")} == {*bought, *later}
    house.ok("audit", "verify")


def test_deleted_orders_come_back_while_new_ones_keep_coming(shop: Hoster) -> None:
    missing_rows_come_back(shop, 3000, (1001, 1400))


@pytest.mark.long
def test_four_thousand_of_a_million(shop: Hoster) -> None:
    missing_rows_come_back(shop, 1_200_000, (500_001, 504_000))


def test_changed_rows_only_and_undo_is_identical(shop: Hoster) -> None:
    live, house = shop.live, shop.house
    point = backed_up(shop, 500, 1000)
    whole = {t: total(live, t) for t in COLUMNS}
    accident(live, "id BETWEEN 100 AND 120")
    damaged = {t: total(live, t) for t in COLUMNS}
    run_id = house.run("restore", "db1/shop", "--point", point, "--json").json["id"]
    house.ok("swap", run_id, "--only", "orders", "--rows", "changed", "--json")
    assert total(live, "orders", "id IN (7, 8, 9, 10)") != (4, None)
    assert live.one("SELECT COUNT(*) FROM orders WHERE amount = 0", "shop") == 0
    assert live.one("SELECT COUNT(*) FROM orders", "shop") == 500 - 21
    house.ok("undo", run_id)
    assert {t: total(live, t) for t in COLUMNS} == damaged
    told = shop.restore("shop", "--point", point)
    assert {t: total(live, t) for t in COLUMNS} == whole
    assert {a["name"] for a in told["applied"]} == {"orders", "items"}
    shop.undo(told)
    assert {t: total(live, t) for t in COLUMNS} == damaged


def test_a_condition_and_the_parents_a_row_needs(shop: Hoster) -> None:
    live, house = shop.live, shop.house
    point = backed_up(shop, 300, 600)
    live.script("SET foreign_key_checks=0; DELETE FROM customers WHERE id IN (4, 5); DELETE FROM orders", "shop")
    run_id = house.run("restore", "db1/shop", "--point", point, "--json").json["id"]
    words = ("swap", run_id, "--only", "orders", "--where", "customer = 4", "--keep-new")
    answer = house.ok(*words, "--dry-run")
    assert "customers" in answer.out
    assert "not asked for" in answer.out
    house.ok(*words)
    assert live.rows("SELECT DISTINCT customer FROM orders", "shop") == [(4,)]
    assert live.rows("SELECT id FROM customers WHERE id IN (4, 5)", "shop") == [(4,)]
    status = house.ok("status", run_id).out
    assert "customers: 1 row inserted" in status


def test_an_id_that_another_order_bears_now_is_asked_about(shop: Hoster) -> None:
    live, house = shop.live, shop.house
    point = backed_up(shop, 300, 0)
    live.script("SET foreign_key_checks=0; TRUNCATE orders; TRUNCATE items", "shop")
    live.script("INSERT INTO orders (customer, code, amount) VALUES (9, 'N-1', 1), (9, 'N-2', 2)", "shop")
    new = live.rows("SELECT * FROM orders ORDER BY id", "shop")
    run_id = house.run("restore", "db1/shop", "--point", point, "--json").json["id"]
    words = ("swap", run_id, "--only", "orders", "--rows", "missing", "--keep-new")
    asked = house.run(*words)
    assert asked.code == 3, asked
    assert "another row of live bears its key" in asked.out
    assert "live untouched" in asked.err
    assert "Straße" not in asked.out + asked.err
    assert live.rows("SELECT * FROM orders ORDER BY id", "shop") == new
    house.ok(*words, "--on-conflict", "theirs")
    assert live.one("SELECT COUNT(*) FROM orders", "shop") == 300
    assert live.rows("SELECT * FROM orders WHERE id < 3 ORDER BY id", "shop") == new
    house.ok("undo", run_id)
    assert live.rows("SELECT * FROM orders ORDER BY id", "shop") == new


def test_what_was_chosen_and_is_not_possible_any_more_ends_it_with_live_untouched(shop: Hoster) -> None:
    live, house = shop.live, shop.house
    point = backed_up(shop, 100, 0)
    live.script("DELETE FROM orders WHERE id = 5", "shop")
    run_id = house.run("restore", "db1/shop", "--point", point, "--json").json["id"]
    service = open_service(house.config)
    part = Part(Pick(tables=("orders",), rows="missing"))
    service.picking.choose(run_id, part, Act(caller="somebody", door="cli", verb="choose"), Quiet())
    live.script("ALTER TABLE orders ADD COLUMN later INT", "shop")
    answer = house.run("approve", run_id, "--json")
    assert (answer.code, answer.json["state"], answer.json["error"]["code"]) == (9, "failed", "preflight_refused"), (
        answer
    )
    assert answer.json["error"]["live"] == "live untouched"
    assert live.one("SELECT COUNT(*) FROM orders", "shop") == 99
    assert not [s for (s,) in live.rows("SHOW DATABASES") if s.startswith("rk_hold")]

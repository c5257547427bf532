"""Which of the differing rows are written: what was asked for, what it needs, and nothing that cannot be."""

from collections.abc import Iterator
from typing import Any

import pytest
from servers.mariadb import LiveServer
from servers.mariadb_live import Quiet, live_on

from restorekit.engines.mariadb.compare import compare
from restorekit.engines.mariadb.delta import choosing, names
from restorekit.model.database import Where
from restorekit.model.pick import Pick
from restorekit.model.shown import Choice

STAGING, LIVE = Where(schema_name="s"), Where(schema_name="l")


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer.running(args=("--innodb-flush-log-at-trx-commit=0",)) as running:
        yield running


class Two:
    """The same schema twice on one server: `s` is the backup's, `l` is live's."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        server.script("DROP DATABASE IF EXISTS l; DROP DATABASE IF EXISTS s; CREATE DATABASE l; CREATE DATABASE s")

    def both(self, sql: str) -> None:
        for schema in "ls":
            self.server.script(sql, schema)

    def live(self, *statements: str) -> None:
        self.server.script(";".join(("SET foreign_key_checks=0", *statements)), "l")

    def backup(self, *statements: str) -> None:
        self.server.script(";".join(("SET foreign_key_checks=0", *statements)), "s")

    def compare(self) -> dict[str, Any]:
        tables = [
            n for (n,) in self.server.rows("SELECT table_name FROM information_schema.tables WHERE table_schema='s'")
        ]
        found = compare(live_on(self.server), STAGING, LIVE, tables, 10, Quiet())
        return {t.name: t for t in found}

    def choose(self, *tables: str, conditions: Any = None, again: bool = False, **pick: Any) -> Choice:
        if not again:
            self.compare()
        asked = Pick(tables=tables or None, filtered=bool(conditions), **pick)
        said = None if again else conditions or {}
        return choosing.choose(live_on(self.server), (STAGING, LIVE), asked, said, Quiet())

    def chosen(self, table: str, key: str = "id") -> list[Any]:
        """Operation and key of what lies in the sandbox."""
        rows = self.server.rows(f"SELECT * FROM {names.chosen(table)}")
        return sorted((op, *rest) for op, _, _, *rest in rows)


@pytest.fixture
def two(server: LiveServer) -> Two:
    return Two(server)


SHOP = """
CREATE TABLE customers (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(40) NOT NULL, born DATE);
CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, customer INT NOT NULL, total INT, note VARCHAR(30),
  FOREIGN KEY (customer) REFERENCES customers (id));
CREATE TABLE items (`order` INT, line INT, what VARCHAR(20), n INT, PRIMARY KEY (`order`, line),
  FOREIGN KEY (`order`) REFERENCES orders (id) ON DELETE CASCADE);
INSERT INTO customers SELECT seq, CONCAT('c', seq), '2000-01-01' FROM seq_1_to_10;
INSERT INTO orders SELECT seq, 1 + seq % 10, seq, CONCAT('n', seq) FROM seq_1_to_50;
INSERT INTO items SELECT seq, 1, 'thing', 1 FROM seq_1_to_50;
"""


def counts(choice: Choice) -> dict[str, tuple[int, ...]]:
    return {t.name: (t.insert, t.change, t.remove) for t in choice.selection.tables}


def test_everything_that_differs(two: Two) -> None:
    two.both(SHOP)
    two.live("DELETE FROM orders WHERE id IN (3,4,50); UPDATE orders SET total=0 WHERE id IN (7,8)")
    two.live("INSERT INTO orders VALUES (60,1,1,'new')")
    choice = two.choose("orders")
    (table,) = choice.selection.tables
    assert (table.insert, table.change, table.remove, table.whole) == (3, 2, 1, True)
    assert (table.keep, table.left, table.pulled, choice.selection.conflict_count) == (0, 0, 0, 0)
    assert two.chosen("orders") == [("D", 60), ("I", 3), ("I", 4), ("I", 50), ("U", 7), ("U", 8)]
    assert len(table.keyed) == 32


def test_only_what_is_missing_and_what_it_needs(two: Two) -> None:
    two.both(SHOP)
    two.live(
        "DELETE FROM items WHERE `order` IN (3,4)",
        "DELETE FROM orders WHERE id IN (3,4)",
        "UPDATE orders SET total=0 WHERE id=7",
        "INSERT INTO orders VALUES (60,1,1,'new')",
        "DELETE FROM customers WHERE id=4",
        "UPDATE customers SET name='other' WHERE id=5",
    )
    choice = two.choose("items", rows="missing", keep_new=True)
    assert counts(choice) == {"customers": (1, 0, 0), "items": (2, 0, 0), "orders": (2, 0, 0)}
    orders = choice.selection.table("orders")
    assert orders is not None
    assert (orders.pulled, orders.keep, orders.left, orders.skipped, orders.whole) == (2, 1, 1, 0, False)
    assert two.chosen("orders") == [("I", 3), ("I", 4)]
    assert two.chosen("items") == [("I", 3, 1), ("I", 4, 1)]

"""The customers' databases of the lab: made-up shops whose days differ, so that every backup does."""

import random
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

_SCHEMA = """
PRAGMA journal_mode=WAL;
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT);
CREATE TABLE products (id INTEGER PRIMARY KEY, title TEXT NOT NULL, price REAL NOT NULL);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  customer_id INTEGER NOT NULL REFERENCES customers (id),
  placed_at TEXT NOT NULL,
  state TEXT NOT NULL
);
CREATE TABLE order_items (
  order_id INTEGER NOT NULL REFERENCES orders (id),
  product_id INTEGER NOT NULL REFERENCES products (id),
  pieces INTEGER NOT NULL,
  PRIMARY KEY (order_id, product_id)
);
CREATE TABLE sessions (token TEXT PRIMARY KEY, seen_at TEXT);
CREATE VIEW open_orders AS SELECT id, customer_id FROM orders WHERE state = 'open';
"""
_NAMES = ("Jürgen Öztürk", "Zoë Gruß", "Anna Müller", "Émile Zola", "Søren Kjær", "Łukasz Nowak", "Ute Weiß", "Bo Li")
_CITIES = ("Köln", "Gießen", "Wien", "Zürich", "Århus", "Łódź")
_GOODS = ("Teekanne", "Bücherregal", "Lampe", "Stuhl", "Vase", "Käsebrett", "Wanduhr", "Décor № 5", "Schlüssel", "Tür")


def open_shop(path: Path, seed: int, size: int) -> None:
    """A shop with `size` customers and ten goods."""
    dice = random.Random(seed)  # noqa: S311 - made-up data
    with closing(sqlite3.connect(path)) as shop, shop:
        shop.executescript(_SCHEMA)
        people = [(f"{dice.choice(_NAMES)} {n}", dice.choice(_CITIES)) for n in range(size)]
        shop.executemany("INSERT INTO customers (name, city) VALUES (?, ?)", people)
        goods = [(f"{title} {n}", round(dice.uniform(3, 300), 2)) for n, title in enumerate(_GOODS * 5)]
        shop.executemany("INSERT INTO products (title, price) VALUES (?, ?)", goods)


def trade(path: Path, day: datetime, orders: int) -> None:
    """One day of orders, and the sessions that come with it."""
    dice = random.Random(day.toordinal())  # noqa: S311 - made-up data
    with closing(sqlite3.connect(path)) as shop, shop:
        people = shop.execute("SELECT COUNT(*) FROM customers").fetchone()[0]
        for n in range(orders):
            placed = day + timedelta(hours=8, minutes=n % 600)
            cursor = shop.execute(
                "INSERT INTO orders (customer_id, placed_at, state) VALUES (?, ?, ?)",
                (dice.randint(1, people), placed.isoformat(), dice.choice(("open", "paid", "sent"))),
            )
            for product in dice.sample(range(1, 51), dice.randint(1, 4)):
                row = (cursor.lastrowid, product, dice.randint(1, 5))
                shop.execute("INSERT INTO order_items VALUES (?, ?, ?)", row)
        shop.execute("DELETE FROM sessions")
        shop.executemany(
            "INSERT INTO sessions VALUES (?, ?)", [(f"{dice.random():.12f}", day.isoformat()) for _ in range(20)]
        )


def shred(path: Path) -> None:
    """The accident: an UPDATE and a DELETE without the right WHERE, and a table dropped."""
    with closing(sqlite3.connect(path)) as shop, shop:
        shop.execute("DELETE FROM order_items WHERE order_id % 3 = 0")
        shop.execute("UPDATE products SET price = 0 WHERE id <= 20")
        shop.execute("DROP VIEW open_orders")


def count(path: Path, sql: str) -> int:
    """One number out of a database."""
    with closing(sqlite3.connect(path)) as shop:
        return int(shop.execute(sql).fetchone()[0])

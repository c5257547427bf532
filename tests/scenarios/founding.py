"""The traffic of a small shop for a fortnight, as its server's log keeps it, and what one customer does to it."""

import random
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from servers.mariadb import LiveServer

BERLIN = ZoneInfo("Europe/Berlin")
SHOP = "acme_shop"
POSTS = 919
PRODUCTS = 120
SCHEMA = """
CREATE TABLE wp_posts (ID INT PRIMARY KEY AUTO_INCREMENT, title VARCHAR(80), body TEXT, changed DATETIME);
CREATE TABLE wp_postmeta (id INT PRIMARY KEY AUTO_INCREMENT, post INT, word VARCHAR(40));
CREATE TABLE wp_comments (id INT PRIMARY KEY AUTO_INCREMENT, post INT, said VARCHAR(80));
CREATE TABLE wp_sessions (id INT PRIMARY KEY, seen DATETIME);
CREATE TABLE counter (day DATE PRIMARY KEY, hits INT);
CREATE TABLE shop_products (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(60), price DECIMAL(9,2));
CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, product INT, placed DATETIME);
"""
FILL = f"""
INSERT INTO wp_posts (title, body) SELECT CONCAT('Beitrag ', seq), REPEAT('Text ', 20) FROM seq_1_to_{POSTS};
INSERT INTO shop_products (name, price) SELECT CONCAT('Ware ', seq), seq FROM seq_1_to_{PRODUCTS};
INSERT INTO wp_sessions SELECT seq, NULL FROM seq_1_to_200;
"""


def at(text: str) -> datetime:
    """A time of day in Berlin."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


class Deed(NamedTuple):
    """One statement and when it was done; `schema` is the default database of the session."""

    when: datetime
    sql: str
    schema: str = SHOP


EDITED = (at("2009-01-17 15:15:20"), at("2009-01-17 16:41:37"))
DELETED = at("2009-01-22 08:52:13")
DROPPED = at("2009-01-22 08:54:02")
MAIL = """Hallo,

ich habe gerade Teile der Inhalte der Datenbank acme_shop zerschossen, im Glauben, heute morgen ein Backup gemacht zu
haben. Können Sie die Inhalte von irgendeinem Band zurückholen? Es macht nichts, wenn ein paar Tage verloren gehen, die
letzte "ernsthafte" Änderung war am 17.01.

Viele Grüße
"""


def heartbeat(begin: datetime, end: datetime) -> Iterator[Deed]:
    """Sessions, a counter, some orders and comments, a job every night: what happens without anybody doing it."""
    chance = random.Random(17)
    when = begin
    while when < end:
        yield Deed(when, f"UPDATE wp_sessions SET seen = NOW() WHERE id = {chance.randint(1, 200)}")
        yield Deed(
            when + timedelta(seconds=40),
            "INSERT INTO counter VALUES (CURDATE(), 1) ON DUPLICATE KEY UPDATE hits = hits + 1",
        )
        if 8 <= when.hour < 23 and chance.random() < 0.12:
            product, placed = chance.randint(1, PRODUCTS), when + timedelta(minutes=3)
            yield Deed(placed, f"INSERT INTO orders (product, placed) VALUES ({product}, NOW())")
        if 8 <= when.hour < 23 and chance.random() < 0.05:
            yield Deed(when + timedelta(minutes=5), "INSERT INTO wp_comments (post, said) VALUES (1, 'Toll!')")
        if (when.hour, when.minute) == (4, 0):
            yield Deed(when + timedelta(minutes=1), "DELETE FROM wp_sessions WHERE id > 100")
            yield Deed(
                when + timedelta(minutes=1, seconds=5),
                "INSERT IGNORE INTO wp_sessions SELECT seq, NULL FROM seq_101_to_200",
            )
        when += timedelta(minutes=15)


def edits(begin: datetime, end: datetime, posts: int, products: int) -> Iterator[Deed]:
    """Somebody works: posts with their details, and prices."""
    step = (end - begin) / (posts + products - 1)
    for number in range(posts + products):
        when = begin + number * step
        if number % (posts + products) < posts:
            yield Deed(when, f"UPDATE wp_posts SET changed = NOW(), body = 'neu {number}' WHERE ID = {number * 7 + 1}")
            yield Deed(when, f"INSERT INTO wp_postmeta (post, word) VALUES ({number * 7 + 1}, 'x')")
        else:
            yield Deed(when, f"UPDATE shop_products SET price = price + 1 WHERE id = {number - posts + 1}")


def story() -> list[Deed]:
    """Everything from 8 to 22 January 2009, in order."""
    deeds = [
        *heartbeat(at("2009-01-08 00:00"), at("2009-01-22 10:00")),
        *edits(at("2009-01-12 10:02"), at("2009-01-12 10:50"), 12, 6),
        *edits(at("2009-01-14 19:31"), at("2009-01-14 20:20"), 9, 4),
        *edits(*EDITED, 48, 76),
        Deed(at("2009-01-19 11:20"), "UPDATE wp_posts SET title = 'Tippfehler' WHERE ID = 5"),
        Deed(DELETED, "DELETE FROM wp_posts"),
        # Out of another default database: a filter by that would never see it.
        Deed(DROPPED, f"DROP TABLE {SHOP}.shop_products", schema="mysql"),
    ]
    return sorted(deeds, key=lambda deed: deed.when)


def happens(live: LiveServer, deeds: list[Deed]) -> None:
    """On a real server, each at its time of day."""
    with closing(live.connect(SHOP)) as session, closing(live.connect("mysql")) as other:
        for connection in (session, other):
            with connection.cursor() as cursor:
                cursor.execute("SET time_zone = 'Europe/Berlin'" if _zones(live) else "SET time_zone = '+01:00'")
        for deed in deeds:
            connection = other if deed.schema != SHOP else session
            with connection.cursor() as cursor:
                cursor.execute(f"SET timestamp = {deed.when.timestamp():.0f}")
                cursor.execute(deed.sql)


def _zones(live: LiveServer) -> bool:
    return bool(live.one("SELECT COUNT(*) FROM mysql.time_zone_name WHERE Name = 'Europe/Berlin'"))

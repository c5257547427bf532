"""Views, triggers, routines and events survive byte for byte, under their own settings and under another name."""

from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
from servers.mariadb import LiveServer
from servers.mariadb_live import live_on

from restorekit.engines.mariadb import objects
from restorekit.engines.mariadb.objects import Definitions, Stored, under_name
from restorekit.errors import PreflightRefused

TEXT = r"""
CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(90), shop INT);
CREATE TABLE u (id INT);
CREATE VIEW z_base AS SELECT t.id, t.a, 'ü€' AS lit FROM shop.t;
CREATE VIEW a_on_it AS SELECT * FROM z_base;
CREATE TRIGGER x1 BEFORE INSERT ON t FOR EACH ROW SET NEW.a = CONCAT(NEW.a, '1');
CREATE TRIGGER x3 BEFORE INSERT ON t FOR EACH ROW SET NEW.a = CONCAT(NEW.a, '3');
CREATE TRIGGER x2 BEFORE INSERT ON t FOR EACH ROW PRECEDES x3 SET NEW.a = CONCAT(NEW.a, '2');
CREATE TRIGGER x0 AFTER INSERT ON shop.t FOR EACH ROW INSERT INTO shop.u VALUES (NEW.shop);
CREATE FUNCTION f(p VARCHAR(10)) RETURNS VARCHAR(20) DETERMINISTIC RETURN CONCAT(p, 'ß');
SET time_zone = '+02:00';
CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DISABLE DO INSERT INTO shop.u VALUES (2);
SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT';
CREATE PROCEDURE p() SELECT 'a\' || a FROM "shop"."t";
SET sql_mode = 'ORACLE';
CREATE PACKAGE k AS FUNCTION z RETURN INT; END;
"""


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer.running(event_scheduler=True) as running:
        yield running


@pytest.fixture
def session(server: LiveServer) -> Iterator[Any]:
    server.script("CREATE DATABASE shop; CREATE DATABASE acme")
    delimited = TEXT.replace("; END;", "; END//").replace("CREATE PACKAGE", "DELIMITER //\nCREATE PACKAGE")
    server.script(delimited, "shop")
    latin = pymysql.connect(unix_socket=str(server.socket), user="root", charset="latin1", database="shop")
    with latin, latin.cursor() as cursor:
        cursor.execute("CREATE VIEW latin AS SELECT 'ü' AS x")
        cursor.execute("CREATE PROCEDURE latin_p() SELECT 'ü' AS ü")
    with live_on(server).connect() as connection:
        yield connection
    server.script("DROP DATABASE shop; DROP DATABASE acme")


def test_dropped_and_created_again_everything_is_the_same(server: LiveServer, session):
    there = objects.harvest(session, "shop")
    assert Definitions.model_validate_json(there.model_dump_json()) == there
    assert [s.name for s in there.of("trigger")] == ["x0", "x1", "x2", "x3"]
    objects.drop(session, "shop", there)
    assert objects.harvest(session, "shop").stored == ()
    objects.create(session, "shop", there)
    objects.create(session, "shop", there)
    assert objects.harvest(session, "shop") == there
    assert server.rows("SELECT HEX(x) FROM latin", "shop") == [("FC",)]
    assert server.rows("CALL latin_p()", "shop") == [("ü",)]
    server.script("INSERT INTO t VALUES (1, '', 5)", "shop")
    assert server.rows("SELECT a, lit FROM a_on_it", "shop") == [("123", "ü€")]
    assert server.rows("SELECT id FROM u", "shop") == [(5,)]
    assert server.rows("SELECT definer, time_zone, status FROM information_schema.events WHERE event_name='e'") == [
        ("root@localhost", "+02:00", "DISABLED")
    ]
    assert session.query("SELECT 1") == 1
    assert server.one("SELECT @@sql_mode LIKE '%ORACLE%'") == 0


def test_under_another_name_all_of_it_works_there_and_the_original_is_left_alone(server: LiveServer, session):
    server.script("CREATE TABLE acme.t LIKE shop.t; CREATE TABLE acme.u LIKE shop.u")
    objects.create(session, "acme", objects.harvest(session, "shop"))
    server.script("INSERT INTO t VALUES (1, '', 7)", "acme")
    assert server.rows("SELECT id FROM u", "acme") == [(7,)]
    assert server.rows("SELECT a FROM a_on_it", "acme") == [("123",)]
    assert server.rows("CALL p()", "acme") == [("a\\123",)]
    assert server.rows("SELECT COUNT(*) FROM u", "shop") == [(0,)]
    assert not [s.name for s in objects.harvest(session, "acme").stored if b"shop`." in s.sql or b'"shop"' in s.sql]


def stored(sql: str, mode: str = "") -> Definitions:
    one = Stored(
        kind="procedure", name="p", sql=sql.encode(), sql_mode=mode, charset="utf8mb4", collation="utf8mb4_general_ci"
    )
    return Definitions(schema_name="shop", stored=(one,))


@pytest.mark.parametrize(
    ("before", "after", "mode"),
    [
        ("SELECT * FROM shop.t", "SELECT * FROM `acme`.t", ""),
        ("SELECT * FROM `shop` . `t`", "SELECT * FROM `acme` . `t`", ""),
        ("SELECT 'shop', a.shop, myshop.x -- shop.t", None, ""),
        ("SELECT /* shop.t */ 1 # shop.t", None, ""),
        ("CREATE DEFINER=`shop`@`%` PROCEDURE p() SELECT 1 FROM shop.t", None, ""),
        ('SELECT "shop"."t".x', 'SELECT `acme`."t".x', "ANSI_QUOTES"),
        ("SELECT 'it''s', 'a\\'shop', shop.t.x", "SELECT 'it''s', 'a\\'shop', `acme`.t.x", ""),
        ("SELECT 'a\\', shop.t.x", "SELECT 'a\\', `acme`.t.x", "NO_BACKSLASH_ESCAPES"),
        ("SELECT Shop.t.x", None, ""),
    ],
)
def test_names_of_the_schema_follow_and_nothing_else_does(before: str, after: str | None, mode: str):
    expected = before if after is None else after
    if "DEFINER" in before:
        expected = before.replace("FROM shop.t", "FROM `acme`.t")
    assert under_name(stored(before, mode), "acme").stored[0].sql.decode() == expected


@pytest.mark.parametrize(
    "text",
    [
        "SELECT shop.id FROM orders shop",
        "SELECT shop.id, x.y FROM shop.t AS x JOIN orders AS shop",
        "EXECUTE IMMEDIATE 'SELECT * FROM shop.t'",
        "EXECUTE IMMEDIATE 'SELECT * FROM `shop`.`t`'",
    ],
)
def test_text_that_may_mean_something_else_is_refused(text: str):
    with pytest.raises(PreflightRefused, match="procedure p uses the word shop"):
        under_name(stored(text), "acme")
    assert under_name(stored(text), "shop") == stored(text)

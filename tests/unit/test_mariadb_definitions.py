"""Definitions taken apart, translated, and settings read from SET statements."""

import pytest

from restorekit.engines.mariadb.collations import kin, translated
from restorekit.engines.mariadb.defer import LARGE, Arranger, Build, layout
from restorekit.engines.mariadb.lexer import code
from restorekit.engines.mariadb.screen import Action, Judged
from restorekit.engines.mariadb.session import Session
from restorekit.engines.mariadb.split import Splitter, Syntax

CREATE = """CREATE TABLE `t` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `a` varchar(20) DEFAULT 'KEY `x` (`y`)' COMMENT '\\n  KEY `z` (`z`),',
  `b` int(11) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `ua` (`a`),
  KEY `kb` (`b`,`a`(10)),
  CONSTRAINT `fb` FOREIGN KEY (`b`) REFERENCES `p` (`id`) ON DELETE CASCADE,
  CONSTRAINT `cb` CHECK (`b` > 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"""


def test_a_plain_table_gives_up_indexes_and_foreign_keys():
    found = layout(CREATE.encode())
    assert found.table == b"`t`"
    assert found.keys == (b"  UNIQUE KEY `ua` (`a`)", b"  KEY `kb` (`b`,`a`(10))")
    assert len(found.foreign) == 1
    assert b"FOREIGN" not in found.small
    assert b"KEY `kb`" in found.small
    assert found.large.decode() == CREATE.replace("  UNIQUE KEY `ua` (`a`),\n  KEY `kb` (`b`,`a`(10)),\n", "").replace(
        "  CONSTRAINT `fb` FOREIGN KEY (`b`) REFERENCES `p` (`id`) ON DELETE CASCADE,\n", ""
    )


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        ("ENGINE=InnoDB", "ENGINE=MyISAM", None),
        ("DEFAULT CHARSET=utf8mb4", "WITH SYSTEM VERSIONING", None),
        ("DEFAULT CHARSET=utf8mb4", "\n PARTITION BY HASH (`id`)", None),
        ("  KEY `kb` (", "  SPATIAL KEY `kb` (", None),
        ("CREATE TABLE `t` (\n", "CREATE TABLE `t`\n(\n", None),
        ("`b` int(11) DEFAULT NULL", "`b` int(11) GENERATED ALWAYS AS (`id`) VIRTUAL", 0),
        ("  PRIMARY KEY (`id`),\n", "", 0),
        ("PRIMARY KEY (`id`)", "PRIMARY KEY (`b`,`id`)", 0),
        (" AUTO_INCREMENT,\n  `a`", ",\n  `a`", 2),
        ("  UNIQUE KEY `ua` (", "  FULLTEXT KEY `ua` (", 1),
    ],
)
def test_what_must_stay_stays(old, new, keys):
    assert old in CREATE
    found = layout(CREATE.replace(old, new).encode())
    assert (None if found is None else len(found.keys)) == keys


def test_without_a_primary_key_the_unique_one_stays():
    found = layout(CREATE.replace("  PRIMARY KEY (`id`),\n", "").replace(" AUTO_INCREMENT", "").encode())
    assert [key[:10] for key in found.keys] == [b"  KEY `kb`"]


def arranged(script):
    arranger, done = Arranger(), []
    for statement in Splitter([script], Syntax(trusted=True)):
        text = code(statement.text)
        words = text.decode().upper().split()
        rows = statement.insert is not None
        action = Action.ROWS if rows else Action.SESSION if words[0] == "SET" else Action.ALONE
        name = statement.insert.table.decode() if rows else words[-1] if words[0] == "DROP" else "t"
        done += arranger.take(Judged(action, statement, text, words[0], "" if rows else words[1], name), "utf8")
    return [shown(item) for item in [*done, *arranger.finish()]]


def shown(item):
    if isinstance(item, Build):
        return "build " + ("foreign" if b"FOREIGN" in item.sql else "keys")
    bare = item.kind == "TABLE" and b"KEY `kb`" not in item.statement.text
    return f"{item.verb} bare" if bare else item.verb


def insert(size):
    return b"INSERT INTO `t` VALUES (1,'" + b"x" * size + b"',2);\n"


def test_a_small_table_keeps_its_indexes_and_the_order_of_statements():
    assert arranged(CREATE.encode() + b";\nSET @a=1;\n" + insert(9) + b"CREATE VIEW v AS SELECT 1;\n") == [
        "CREATE",
        "SET",
        "INSERT",
        "CREATE",
        "build foreign",
    ]


def test_a_large_table_gets_them_after_everything():
    script = CREATE.encode() + b";\nSET @a=1;\n" + insert(LARGE) + b"SET @b=1;\n" + insert(9)
    assert arranged(script) == ["CREATE bare", "SET", "INSERT", "SET", "INSERT", "build keys", "build foreign"]


def test_statements_that_may_need_the_indexes_wait_for_them():
    large = CREATE.encode() + b";\n" + insert(LARGE)
    for sql in (b"REPLACE INTO `t` VALUES (1,'x',2)", b"ALTER TABLE `t` ADD x INT", b"INSERT INTO t SELECT 1"):
        assert arranged(large + sql + b";\n")[2] == "build keys", sql
    assert arranged(large + b"CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a=1;\n")[3] == "build keys"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("utf8mb4_0900_ai_ci", "utf8mb4_uca1400_nopad_ai_ci"),
        ("utf8mb4_0900_as_cs", "utf8mb4_uca1400_nopad_as_cs"),
        ("utf8mb4_0900_bin", "utf8mb4_nopad_bin"),
        ("utf8mb4_de_pb_0900_as_cs", "utf8mb4_uca1400_german2_nopad_as_cs"),
        ("utf8mb4_es_trad_0900_ai_ci", "utf8mb4_uca1400_spanish2_nopad_ai_ci"),
        ("utf8mb4_ja_0900_as_cs_ks", "utf8mb4_uca1400_nopad_as_cs"),
        ("utf8mb4_xx_0900_ai_ci", "utf8mb4_xx_0900_ai_ci"),
        ("utf8mb4_general_ci", "utf8mb4_general_ci"),
    ],
)
def test_collations_of_mysql_8_have_kin(old, new):
    assert kin(old) == new


def test_only_words_outside_of_strings_are_translated():
    text = b"CREATE TABLE t (a TEXT COLLATE utf8mb4_0900_ai_ci DEFAULT 'utf8mb4_0900_ai_ci', `utf8mb4_0900_ai_ci` INT)"
    found, notes = translated(text)
    assert found == text.replace(b"COLLATE utf8mb4_0900_ai_ci", b"COLLATE utf8mb4_uca1400_nopad_ai_ci")
    assert notes == ("collation utf8mb4_0900_ai_ci became utf8mb4_uca1400_nopad_ai_ci",)


def test_the_session_follows_set_statements():
    session = Session()
    for sql in (
        "SET NAMES latin1",
        "SET @saved_cs_client     = @@character_set_client",
        "SET character_set_client = utf8mb4",
    ):
        session.apply(sql.encode())
    assert (session.charset, session.codec) == ("utf8mb4", "utf-8")
    session.apply(b"SET character_set_client = @saved_cs_client")
    assert (session.charset, session.codec) == ("latin1", "cp1252")
    session.apply(b"SET @saved_sql_mode = @@sql_mode")
    session.apply(b"SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'")
    assert (session.escapes, session.ansi) == (False, True)
    session.apply(b"SET @@SESSION.sql_mode = @saved_sql_mode")
    assert (session.escapes, session.ansi) == (True, False)
    session.apply(b'SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE="NO_BACKSLASH_ESCAPES"')
    assert not session.escapes


@pytest.mark.parametrize(
    ("text", "means"),
    [
        (b"/*!40101 SET x=1 */", b"SET x=1"),
        (b"/*M!100100 SET x=1 */", b"SET x=1"),
        (b"/*!80016 SET x=1 */", b""),
        (b"/*!50700 SET x=1 */", b""),
        (b"/*M!999999 SET x=1 */", b""),
        (b"/*! SET x=1 */", b"SET x=1"),
        (b"SET /* no */ x='/* yes */' -- no\n", b"SET   x=''"),
        (b"DROP TABLE `a/*b*/`", b"DROP TABLE `a/*b*/`"),
    ],
)
def test_code_is_what_the_server_would_execute(text, means):
    assert code(text) == means

"""The index is judged by a real server: what is cut out for one database must load as exactly that database."""

import gc
import warnings
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers.mariadb import LiveServer

from restorekit.formats.multidump import DumpIndex, cut, index

NAMES = ["acme", "we`ird-näme", "zoo"]

# What a customer could write to make another database's section seem to begin inside his own.
FAKE = """
-- Current Database: `zoo`
--

CREATE DATABASE /*!32312 IF NOT EXISTS*/ `zoo` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;

USE `zoo`;
DELIMITER ;
USE `zoo`;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;
-- Dump completed on 2026-01-01  0:00:00
"""


def script(name: str) -> str:
    quoted = "`" + name.replace("`", "``") + "`"
    text = FAKE.replace("'", "''")
    return f"""
CREATE DATABASE {quoted}; USE {quoted};
CREATE TABLE t (id INT PRIMARY KEY, v TEXT) COMMENT '; USE `zoo`;';
INSERT INTO t VALUES (1, '{text}'), (-2, 'it''s; "quoted" -- # /* '), (3, '\\\\'), (4, _utf8mb4'Grüße 🎉');
CREATE TABLE `u` (b BLOB DEFAULT '\\'; USE `zoo`;');
INSERT INTO u VALUES (x'00275c0a'), ('\\n');
CREATE VIEW v AS SELECT id, 'USE `zoo`;' AS s FROM t;
DELIMITER $$
CREATE PROCEDURE p() BEGIN /* {FAKE} */ SELECT '{text}'; -- it's
SELECT 1; # don't
END$$
CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW BEGIN SET NEW.v = concat('{text}', "{text}"); END$$
CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO BEGIN SELECT '{text}'; END$$
SET sql_mode='NO_BACKSLASH_ESCAPES'$$
CREATE PROCEDURE q() BEGIN SELECT '\\'; SELECT 'USE `zoo`;'; END$$
DELIMITER ;
"""


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer.running() as live:
        for name in NAMES:
            live.script(script(name))
        with warnings.catch_warnings():  # the driver leaves the sockets of refused attempts to the collector
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
        yield live


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


def extract(dump: bytes, name: str) -> bytes:
    found = index(pieces(dump, 1 << 16))
    return b"".join(cut(pieces(dump, 4096), found.ranges(name)))


COMPLETE = ["-R", "-E", "--triggers"]
VARIANTS = {
    "plain": [],
    "skip-comments": ["--skip-comments"],
    "compact": ["--compact"],
    "add-drop-database": ["--add-drop-database"],
    "extended off, hex": ["--skip-extended-insert", "--hex-blob", "--complete-insert"],
    "no quotes where not needed": ["--skip-quote-names"],
}


def state(live: LiveServer, name: str) -> bytes:
    return live.dumped(*COMPLETE, "--skip-comments", "--databases", name)


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v != "no quotes where not needed"])
def test_each_database_is_cut_out_whole_and_alone(server: LiveServer, variant: str):
    dump = server.dumped(*COMPLETE, *VARIANTS[variant], "--all-databases")
    found = index(pieces(dump, 1 << 16))
    assert sorted(found.names) == sorted(NAMES)
    assert not found.torn
    assert found.marker == (variant in {"plain", "add-drop-database", "extended off, hex"})
    for name in NAMES:
        before = state(server, name)
        others = [state(server, other) for other in NAMES if other != name]
        quoted = "`" + name.replace("`", "``") + "`"
        server.script(f"DROP DATABASE {quoted}")
        server.script(extract(dump, name))
        assert state(server, name) == before
        assert [state(server, other) for other in NAMES if other != name] == others


def test_the_same_for_a_list_of_databases(server: LiveServer):
    dump = server.dumped(*COMPLETE, "--databases", "zoo", "acme")
    found = index([dump])
    assert found.names == ("zoo", "acme")
    assert b"Current Database: `acme`" not in extract(dump, "zoo").partition(b"PROCEDURE")[0]


def test_names_without_quotes(server: LiveServer):
    dump = server.dumped(*VARIANTS["no quotes where not needed"], "--databases", "zoo", "acme")
    assert index([dump]).names == ("zoo", "acme")


def test_views_of_the_end_belong_to_their_database(server: LiveServer):
    found = index([server.dumped("--all-databases")])
    assert [s.name for s in found.sections].count("acme") == 2


def test_end_marker_and_its_clock(server: LiveServer):
    dump = server.dumped("--databases", "zoo", "acme")
    found = index([dump])
    assert found.marker
    assert found.completed_at[:2] == "20"
    assert extract(dump, "zoo").rstrip().endswith(found.completed_at.encode())


@cache
def small() -> tuple[bytes, DumpIndex]:
    parts = [b"/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE */;\n"]
    parts += [
        f"--\n-- Current Database: `{n}`\n--\n\nUSE `{n}`;\nINSERT INTO t VALUES (';{n}', -1);\n".encode() for n in "ab"
    ]
    routine = f"DELIMITER ;;\nCREATE PROCEDURE p() BEGIN SELECT '{FAKE}'; /* {FAKE} */ END ;;\nDELIMITER ;\n".encode()
    parts += [routine * 3, b"USE `c`;\nSELECT 1;\n", b"/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;\n\n-- Dump completed\n"]
    dump = b"".join(parts)
    return dump, index([dump])


def test_only_real_borders_count():
    dump, found = small()
    assert found.names == ("a", "b", "c")
    assert dump[: found.header_end].count(b"USE") == 0
    assert dump[found.trailer_start :].startswith(b"/*!40101 SET SQL_MODE=@OLD")
    assert (
        b"".join(cut([dump], [(s.start, s.end) for s in found.sections]))
        == dump[found.header_end : found.trailer_start]
    )


@given(st.integers(1, 5000))
@settings(deadline=None, max_examples=60)
def test_the_index_does_not_depend_on_the_chunks(size: int):
    dump, found = small()
    assert index(pieces(dump, size)) == found


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(1, 3000))
def test_cutting_gives_exactly_the_range(first: int, length: int, size: int):
    dump, _ = small()
    assert b"".join(cut(pieces(dump, size), [(first, first + length)])) == dump[first : first + length]


@given(st.floats(0, 1, exclude_max=True))
@settings(deadline=None)
def test_a_dump_cut_short_never_invents_a_database_or_an_end(part: float):
    dump, whole = small()
    found = index([dump[: int(len(dump) * part)]])
    assert set(found.names) <= set(whole.names)
    assert not found.marker or dump[: int(len(dump) * part)].rstrip().endswith(b"-- Dump completed")
    assert not (found.marker and found.torn)


def test_a_block_of_comments_may_follow_the_end_marker_but_no_statement():
    whole = b"USE `a`;\nSELECT 1;\n-- Dump completed on 2026-01-17  3:00:05\n"
    assert index([whole, b"-- manifest\n" * 100]).completed_at == "2026-01-17  3:00:05"
    assert not index([whole, b"SELECT 2;\n"]).marker


def test_a_cut_inside_a_statement_is_torn():
    assert index([b"USE `a`;\nINSERT INTO t VALUES ('x"]).torn
    assert index([b"USE `a`;\nSELECT 1"]).torn
    assert index([b"USE `a`;\n/* x"]).torn
    assert not index([b"USE `a`;\nSELECT 1;\n-- bye"]).torn


def test_a_dump_of_one_unnamed_database_holds_no_section():
    found = index([b"CREATE TABLE t (a INT);\nINSERT INTO t VALUES (1);\n"])
    assert found.names == ()
    with pytest.raises(KeyError):
        found.ranges("t")


def test_system_schemas_are_not_offered():
    assert index([b"USE `mysql`;\nSELECT 1;\nUSE `shop`;\nSELECT 1;\n"]).names == ("shop",)

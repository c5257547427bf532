"""The splitter: fast where it can prove what it does, exact everywhere."""

import random

import pytest

from restorekit.engines.mariadb.rowsum import RowSum, row_texts
from restorekit.engines.mariadb.split import Comment, Splitter, Statement, Syntax
from restorekit.errors import DumpIncomplete, DumpRefused

SCRIPT = rb"""/*M!999999\- enable the sandbox mode */
-- MariaDB dump 10.19
/* a comment; with 'quotes" ` */ SELECT 'a;''b\';c', "d;""e\"", `f;``g` # it's; over
  , 1 -- don't; stop
  /* ; ' */ -1 - -2 / 3;
/*!50003 CREATE TABLE t (a INT) /* ; */ */ ;
--
#
DELIMITER ;;
CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW BEGIN
  SET @a = ';;'; -- it's;;
  SET @b = 1;
END;;
CREATE PROCEDURE p() SELECT 1 ;;
delimiter $$
SELECT '$$', $1$, 2 $$
DELIMITER ;
INSERT INTO `t` VALUES
(1,'a'),
(2,'b;\nc');
INSERT INTO `t` VALUES (3,'d'),(4,'e\\');
INSERT INTO `t` VALUES (5,'f),(g');
REPLACE INTO `t` (`a`, `b`) VALUES (6,'h');
INSERT INTO t VALUES (7,"it's"); INSERT INTO t VALUES (8,'x');
INSERT INTO t VALUES (9,'raw;
line'),
(10, 'y');
SELECT 'the end' ;
-- Dump completed"""


def chunks(data, size):
    return (data[at : at + size] for at in range(0, len(data), size))


def pieces(data, size=1 << 20, *, trusted=False, escapes=True):
    return list(Splitter(chunks(data, size), Syntax(escapes=escapes, trusted=trusted)))


def texts(data, size=1 << 20):
    return [p.text for p in pieces(data, size)]


def sums(data, size=1 << 20, *, trusted):
    total = RowSum()
    for piece in pieces(data, size, trusted=trusted):
        if isinstance(piece, Statement) and piece.insert:
            total.add(row_texts(piece))
    return total


def test_every_kind_of_statement_is_cut_where_it_ends():
    found = texts(SCRIPT)
    assert found[0] == b"-- MariaDB dump 10.19"
    assert found[1].startswith(b"SELECT 'a;''b")
    assert found[1].endswith(b"-2 / 3")
    assert found[2] == b"/*!50003 CREATE TABLE t (a INT) /* ; */ */"
    assert found[5].endswith(b"SET @b = 1;\nEND")
    assert found[6:8] == [b"CREATE PROCEDURE p() SELECT 1", b"SELECT '$$', $1$, 2"]
    assert found[12] == b'INSERT INTO t VALUES (7,"it\'s")'
    assert found[14] == b"INSERT INTO t VALUES (9,'raw;\nline'),\n(10, 'y')"
    assert found[-1] == b"-- Dump completed"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 64, 1000])
def test_chunk_borders_change_nothing(size):
    assert pieces(SCRIPT, size) == pieces(SCRIPT)


def test_offsets_and_numbers_lead_back_to_the_statement():
    for piece in pieces(SCRIPT, 13):
        if isinstance(piece, Statement):
            assert SCRIPT[piece.offset :].startswith(piece.text)
    numbers = [p.number for p in pieces(SCRIPT) if isinstance(p, Statement)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_rows_on_one_line_on_many_lines_and_one_per_statement_have_the_same_sum():
    values = [
        b"1,'a'",
        b"2,'),('",
        b"3,'),\\n('",
        b"4,'\\\\'",
        b"5,'it\\'s'",
        b"6,'''quoted'''",
        b"7,');'",
        b"8,NULL",
        b"9,''",
    ]
    wide = b"INSERT INTO `t` VALUES\n(" + b"),\n(".join(values) + b");\n"
    narrow = b"INSERT INTO `t` VALUES (" + b"),(".join(values) + b");\n"
    single = b"".join(b"INSERT INTO `t` VALUES (" + value + b");\n" for value in values)
    expected = RowSum()
    expected.add(values)
    for text in (wide, narrow, single, single + narrow):
        wanted = RowSum()
        wanted.add(values * (2 if text == single + narrow else 1))
        assert sums(text, trusted=True) == wanted
        assert sums(text, 37, trusted=False) == wanted


def test_random_strings_never_confuse_the_fast_way():
    rng = random.Random(7)
    alphabet = [
        b"'",
        b"\\",
        b"a",
        b"),(",
        b"),\\n(",
        b");",
        b";",
        b"--",
        b"/*",
        b"#",
        b'"',
        b"`",
        b"\\n",
        "ü😀".encode(),
    ]
    for _ in range(300):
        values = []
        for n in range(rng.randint(1, 12)):
            raw = b"".join(rng.choice(alphabet) for _ in range(rng.randint(0, 8)))
            values.append(
                b"%d,'" % n
                + raw.replace(b"\\n", b"\n").replace(b"\\", b"\\\\").replace(b"'", b"\\'").replace(b"\n", b"\\n")
                + b"'"
            )
        text = b"INSERT INTO `t` VALUES " + b",".join(b"(" + v + b")" for v in values) + b";\n"
        text += b"INSERT INTO `t` VALUES (0,'after');\n"
        expected = RowSum()
        expected.add([*values, b"0,'after'"])
        assert sums(text, rng.choice([5, 50, 5000]), trusted=True) == expected
        assert sums(text, rng.choice([5, 50, 5000]), trusted=False) == expected


def test_single_row_inserts_of_a_known_producer_become_one_statement():
    text = b"".join(b"INSERT INTO `t` VALUES (%d,'x');\n" % n for n in range(1000))
    (statement,) = pieces(text, trusted=True)
    assert statement.merged == 1000
    assert len(row_texts(statement)) == 1000
    assert len(pieces(text, trusted=False)) == 1000
    assert len(pieces(text.replace(b"INSERT", b"REPLACE"), trusted=True)) == 1000


def test_backslashes_are_letters_when_the_session_says_so():
    text = b"INSERT INTO `t` VALUES ('\\'),('b');\nSELECT '\\';\n"
    assert [p.text for p in pieces(text, escapes=False)] == [b"INSERT INTO `t` VALUES ('\\'),('b')", b"SELECT '\\'"]


def test_windows_line_ends():
    text = b"-- x\r\nINSERT INTO t VALUES (1,'a');\r\nINSERT INTO t VALUES (2,'b');\r\n"
    assert [p.text for p in pieces(text)] == [b"-- x", b"INSERT INTO t VALUES (1,'a')", b"INSERT INTO t VALUES (2,'b')"]


@pytest.mark.parametrize(
    ("rest", "where"),
    [
        (b"INSERT INTO `t` VALUES (1,'abc", "inside a string of an INSERT into t"),
        (b"INSERT INTO `t` VALUES (1,'abc')", "in the middle of an INSERT into t"),
        (b"INSERT INTO `t` VALUES (1,'abc'),", "in the middle of an INSERT into t"),
        (b'SELECT "x', "inside a string of a statement"),
        (b"DROP TABLE `x", "inside a quoted name"),
        (b"SELECT 1 /* never", "inside a comment"),
        (b"/* never", "inside a comment"),
        (b"DELIMITER ;;\nCREATE PROCEDURE p() BEGIN SELECT 1; END;", "in the middle"),
    ],
)
@pytest.mark.parametrize("size", [3, 1 << 20])
def test_an_unfinished_statement_is_never_handed_out(rest, where, size):
    seen = []
    with pytest.raises(DumpIncomplete, match=where) as caught:
        seen.extend(Splitter(chunks(b"SELECT 0;\n" + rest, size), Syntax(trusted=True)))
    assert [s.text for s in seen] == [b"SELECT 0"]
    assert "abc" not in str(caught.value)
    assert "live is untouched" in str(caught.value)


def test_a_client_command_is_refused_even_at_the_end():
    with pytest.raises(DumpRefused, match="command of the client"):
        pieces(b"SELECT 1;\n\\! touch /tmp/owned\n")


def test_what_the_stream_raises_passes_through():
    def broken():
        yield b"SELECT 1;\nINSERT INTO t VALUES (1"
        raise OSError("medium")

    seen = []
    with pytest.raises(OSError, match="medium"):
        seen.extend(Splitter(broken(), Syntax()))
    assert not any(isinstance(s, Statement) and s.insert for s in seen)


def test_comments_reach_the_reader():
    assert [p.text for p in pieces(b"-- a\n#b\nSELECT 1;\n--\n-- c") if isinstance(p, Comment)] == [
        b"-- a",
        b"#b",
        b"--",
        b"-- c",
    ]

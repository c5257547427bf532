"""The manifest inside a dump comes back whole or not at all; what is complete is known by its marker."""

from datetime import UTC, datetime

import pytest

from restorekit.engines.mariadb.dialect import Dialect
from restorekit.engines.mariadb.manifest import BEGIN, END, decode, encode
from restorekit.engines.mariadb.split import Syntax
from restorekit.errors import SourceDamaged
from restorekit.model.contents import Contents, Fingerprint, TableContents

TABLE = TableContents(
    name="ü`\n", rows=3, fingerprint=Fingerprint(algorithm="x", rows=3, value="ab"), schema_hash="c" * 64
)
CONTENTS = Contents(origin="captured", taken_at=datetime(2026, 1, 2, tzinfo=UTC), tables=(TABLE,) * 20)


def lines(block):
    return block.splitlines()


def test_it_comes_back_and_every_line_is_a_comment():
    block = lines(encode(CONTENTS))
    assert (block[0], block[-1]) == (BEGIN, END)
    assert all(line.startswith(b"-- ") and len(line) < 120 for line in block)
    assert decode(block[1:-1]) == CONTENTS


def test_a_changed_block_is_damage():
    block = lines(encode(CONTENTS))[1:-1]
    for bad in (block[1:], block[:-1], [*block, b"-- !"], [b"-- AAAA"], [block[0].replace(b"K", b"Q", 1), *block[1:]]):
        with pytest.raises(SourceDamaged, match="live is untouched"):
            decode(bad)


def watched(*comments: bytes):
    dialect = Dialect(Syntax())
    for comment in (b"-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB, for x", *comments):
        dialect.comment(comment)
    return dialect


def test_the_dialect_finds_it_after_the_trailer():
    dialect = watched(b"-- Dump completed on 2026-11-22  9:05:01", *lines(encode(CONTENTS)))
    assert dialect.contents() == CONTENTS
    assert dialect.complete()[0] == "yes"
    assert dialect.facts["moment"] == "2026-11-22T09:05:01"


def test_half_a_manifest_is_not_complete():
    dialect = watched(b"-- Dump completed", *lines(encode(CONTENTS))[:-1])
    assert dialect.contents() is None
    assert dialect.complete() == ("no", "the manifest after the trailer ends too early")


def test_an_announced_table_that_never_came():
    dialect = watched(b"-- Table structure for table `a``b`", b"-- Dump completed")
    assert dialect.complete() == ("no", "announced but not in the dump: a`b")
    dialect = watched(b"-- Table structure for table `a``b`")
    dialect.table("a`b")
    assert dialect.complete()[0] == "no"
    dialect.comment(b"-- Dump completed")
    assert dialect.complete()[0] == "yes"

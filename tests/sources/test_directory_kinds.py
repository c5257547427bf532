import gzip
import os
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from contract.source import delivered, only
from sources.directory_lab import Folder

from restorekit.errors import DumpIncomplete, SourceDamaged
from restorekit.model.point import PointState

MANY = {"layout": ["{engine}/all.sql#{database}", "{engine}/all.sql.gz#{database}"]}
HEAD = b"/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE */;\n"
TAIL = b"/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;\n-- Dump completed on 2026-01-17  3:00:05\n"


def section(name: str) -> bytes:
    return f"\n--\n-- Current Database: `{name}`\n--\n\nUSE `{name}`;\nINSERT INTO t VALUES ('{name}');\n".encode()


@pytest.mark.parametrize("name", ["db1/all.sql", "db1/all.sql.gz"])
def test_one_file_of_many_databases(folder: Callable[..., Folder], name: str):
    lab = folder(**MANY)
    whole = HEAD + section("shop") + section("blog") + section("mysql") + TAIL
    lab.write(name, gzip.compress(whole) if name.endswith("gz") else whole)
    source = lab.source()
    points = {p.database.name: p for p in source.scan([]).points}
    assert set(points) == {"shop", "blog"}
    for database, point in points.items():
        text = delivered(source, point)
        assert text == HEAD + section(database) + TAIL
        assert (point.size_bytes, point.compression) == (len(text), "none")
        assert point.latest == datetime(2026, 1, 17, 2, 0, 6, tzinfo=UTC)
    assert source.scan(list(points.values())).points == ()
    shutil.rmtree(lab.base / "cache")  # a lost index costs only time
    assert delivered(lab.source(), points["blog"]) == HEAD + section("blog") + TAIL


def test_many_databases_cut_short(folder: Callable[..., Folder]):
    lab = folder(**MANY)
    whole = HEAD + section("shop") + section("blog") + TAIL
    lab.write("db1/all.sql", whole[: whole.index(b"('blog") + 3])
    assert {p.state for p in lab.source().scan([]).points} == {PointState.SUSPICIOUS}
    lab.write("db1/all.sql.gz", gzip.compress(whole)[:-9])
    scan = lab.source().scan([])
    assert any("ends before its end marker" in p for p in scan.problems)
    assert {p.locator["path"] for p in scan.points} == {"/db1/all.sql"}


def test_a_part_of_a_compressed_file_that_got_damaged_is_not_finished(folder: Callable[..., Folder]):
    lab = folder(**MANY)
    whole = HEAD + section("shop") + section("blog") + TAIL
    path = lab.write("db1/all.sql.gz", gzip.compress(whole))
    source = lab.source()
    (shop,) = (p for p in source.scan([]).points if p.database.name == "shop")
    facts = path.stat()
    with path.open("r+b") as file:  # same inode, size and time: only the content tells
        file.seek(-8, os.SEEK_END)
        file.write(b"\0\0\0\0")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    with pytest.raises((SourceDamaged, DumpIncomplete)):
        delivered(source, shop)


SQLITE = {"layout": ["{engine}/{database}.db", "{engine}/{database}.sql"]}


@pytest.fixture
def database(tmp_path: Path) -> Callable[..., bytes]:
    def make(mode: str = "DELETE") -> bytes:
        path = tmp_path / f"{mode}.db"
        path.unlink(missing_ok=True)
        connection = sqlite3.connect(path)
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.execute("CREATE TABLE t (v)")
        connection.executemany("INSERT INTO t VALUES (?)", [(i,) for i in range(2000)])
        connection.commit()
        connection.close()
        return path.read_bytes()

    return make


def test_sqlite_is_known_by_its_content(folder: Callable[..., Folder], database: Callable[..., bytes]):
    lab = folder(**SQLITE)
    lab.write("db1/a.db", database())
    lab.write("db1/b.sql", database())
    lab.write("db1/c.db", b"this is text")
    source = lab.source()
    assert (only(source, "a").format, only(source, "b").format) == ("sqlite", "sqlite")
    assert only(source, "a").consistency == "unknown"
    assert delivered(source, only(source, "a")) == database()
    assert only(source, "c").state == PointState.DAMAGED


def test_a_sqlite_file_shorter_than_its_header_says(folder: Callable[..., Folder], database: Callable[..., bytes]):
    lab = folder(**SQLITE)
    lab.write("db1/a.db", database()[:-4096])
    point = only(lab.source(), "a")
    assert point.state == PointState.DAMAGED
    assert "its header says" in point.why


@pytest.mark.parametrize("side", ["-wal", "-journal"])
def test_a_sqlite_file_with_side_files_is_never_offered_as_whole(
    folder: Callable[..., Folder], database: Callable[..., bytes], side: str
):
    lab = folder(**SQLITE)
    lab.write("db1/a.db", database())
    clean = only(lab.source(), "a")
    lab.write(f"db1/a.db{side}", b"something")
    (point,) = lab.source().scan([clean]).points
    assert (point.id, point.state) == (clean.id, PointState.SUSPICIOUS)
    assert side in point.why
    lab.write(f"db1/a.db{side}", b"")
    assert only(lab.source(), "a", [point]).state == PointState.USABLE


def test_a_copy_in_wal_mode_says_what_may_be_missing(folder: Callable[..., Folder], database: Callable[..., bytes]):
    lab = folder(**SQLITE)
    lab.write("db1/a.db", database("WAL"))
    assert "WAL mode" in only(lab.source(), "a").why

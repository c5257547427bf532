"""One database out of a copied folder, caught in the middle of everything."""

import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from contract.source import Quiet
from servers.btrfs import Disk, btrfs_disk, snapshot, subvolume
from servers.sqlite import SQLiteLab

from restorekit.discovery import provider
from restorekit.errors import PointUnusable, SourceDamaged, UsageError
from restorekit.model.database import Where
from restorekit.model.home import Home
from restorekit.model.staged import SandboxSpec
from restorekit.relay import Relay

__all__ = ["btrfs_disk"]

WRITER = textwrap.dedent("""
    import sqlite3, sys
    c = sqlite3.connect(sys.argv[1], isolation_level=None)
    c.execute(f"PRAGMA journal_mode={sys.argv[2]}")
    c.execute("PRAGMA wal_autocheckpoint=0")
    c.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT)")
    c.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<900) "
              "INSERT INTO t (x) SELECT 'acknowledged' FROM n")
    c.execute("PRAGMA cache_size=1")
    c.execute("BEGIN IMMEDIATE")
    c.execute("UPDATE t SET x='torn'")
    c.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<3000) "
              "INSERT INTO t (x) SELECT printf('%0400d', i) FROM n")
    print("in the middle", flush=True)
    sys.stdin.read()
""")


ACKNOWLEDGED = [(i, "acknowledged") for i in range(1, 901)]


@contextmanager
def writing(path: Path, journal: str) -> Iterator[None]:
    """A program in the middle of a large transaction, of which a part has reached the file."""
    argv = [sys.executable, "-c", WRITER, str(path), journal]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


@pytest.fixture
def lab(tmp_path: Path) -> SQLiteLab:
    return SQLiteLab(tmp_path)


@pytest.fixture(params=["wal", "delete"])
def caught(lab: SQLiteLab, request: pytest.FixtureRequest) -> Path:
    """The copy of a folder with `shop.db`, taken while it was written to."""
    with writing(lab.live / "shop.db", request.param):
        copy = Path(shutil.copytree(lab.live, lab.folder / "copy"))
    side = {"wal": "shop.db-wal", "delete": "shop.db-journal"}[request.param]
    assert (copy / side).stat().st_size > 4096
    return copy


def streamed(lab: SQLiteLab, copy: Path, name: str = "shop") -> bytes:
    with lab.engine.extract(copy, name, Quiet()) as extraction:
        assert extraction.form == ("sqlite", "none")
        return b"".join(Relay(extraction, Quiet()))


def test_what_was_acknowledged_and_nothing_else_comes_out(lab: SQLiteLab, caught: Path):
    stream = streamed(lab, caught)
    sandbox = lab.engine.open_sandbox(SandboxSpec(id="r1", schema_name="shop"))
    loaded = lab.engine.load(sandbox, [stream], ("sqlite", "none"), Quiet())
    where = Where(schema_name="shop", sandbox=sandbox.folder)
    assert loaded.complete == "yes"
    assert [c.outcome for c in lab.engine.witness(sandbox, loaded)] == ["passed"]
    assert lab.engine.peek(where, "t", "", 1000)[1] == ACKNOWLEDGED
    assert {c.outcome for c in lab.engine.sound(where)} <= {"passed", "not_applicable"}
    assert streamed(lab, caught) == stream


def test_without_its_side_file_it_would_have_been_a_lie(lab: SQLiteLab, caught: Path):
    """The reason for all this: the file alone is another state, or none."""
    alone = lab.folder / "alone"
    alone.mkdir()
    shutil.copy(caught / "shop.db", alone)
    with closing(sqlite3.connect(alone / "shop.db")) as c:
        try:
            rows = c.execute("SELECT id, x FROM t").fetchall()
        except sqlite3.DatabaseError:
            rows = []
    assert rows != ACKNOWLEDGED


def test_what_is_not_there_or_not_clear(lab: SQLiteLab, caught: Path):
    with pytest.raises(PointUnusable, match="in the copy of the folder, there is no database 'blog'"):
        streamed(lab, caught, "blog")
    shutil.copy(caught / "shop.db", caught / "shop.sqlite")
    with pytest.raises(PointUnusable, match="fits several files"):
        streamed(lab, caught)
    (caught / "linked.db").symlink_to(caught / "shop.db")
    with pytest.raises(PointUnusable, match="is a link"):
        streamed(lab, caught, "linked")


def test_a_broken_file_is_damage(lab: SQLiteLab):
    copy = lab.folder / "copy"
    copy.mkdir()
    (copy / "shop.db").write_bytes(b"no database, but long enough for one" * 100)
    with pytest.raises(SourceDamaged):
        streamed(lab, copy)


def test_live_itself_is_never_recovered(lab: SQLiteLab):
    with pytest.raises(UsageError, match="live's own folder"):
        streamed(lab, lab.live / ".." / "live")


def test_a_transaction_over_several_databases_is_not_guessed(lab: SQLiteLab):
    with writing(lab.live / "shop.db", "delete"):
        copy = Path(shutil.copytree(lab.live, lab.folder / "copy"))
    name = os.fsencode(lab.live / "shop.db-mj0123")  # the record that SQLite appends right before such a commit
    record = b"\0\0\0\1" + name + len(name).to_bytes(4, "big") + sum(name).to_bytes(4, "big")
    journal = copy / "shop.db-journal"
    journal.write_bytes(journal.read_bytes() + record + bytes.fromhex("d9d505f920a163d7"))
    before = (copy / "shop.db").read_bytes()
    with pytest.raises(PointUnusable, match="over several databases"):
        streamed(lab, copy)
    assert (copy / "shop.db").read_bytes() == before


def test_from_a_snapshot_of_a_folder_in_use(btrfs_disk: Disk, lab: SQLiteLab, tmp_path: Path):
    room = btrfs_disk.room()
    live = subvolume(room / "live")
    with writing(live / "shop.db", "wal"):
        taken = snapshot(live, room / "snapshots/1")
    home = Home(staging=tmp_path, cache=tmp_path / "cache", base=room, timezone="UTC")
    section = {"path": "live", "snapshots": "snapshots", "holds": "datadir", "layout": "{database}.db"}
    source = provider("restorekit.sources", "snaps", {"kind": "btrfs", "engine": "files", **section}, home)
    (point,) = source.scan([]).points
    with source.clone(point, Quiet()) as copy:
        stream = streamed(lab, copy)
    (tmp_path / "out.db").write_bytes(stream)
    with closing(sqlite3.connect(tmp_path / "out.db")) as c:
        assert c.execute("SELECT id, x FROM t").fetchall() == ACKNOWLEDGED
    assert (taken / "shop.db-wal").exists()

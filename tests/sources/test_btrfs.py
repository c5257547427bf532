"""Dumps in snapshots of a real btrfs file system in a file. Skipped where none can be mounted."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from contract.source import Quiet, SourceContract, delivered, dump, only
from servers.btrfs import Disk, btrfs_disk, delete, forget, said, set_writable, snapshot, subvolume
from sources.btrfs_lab import LONG_AGO, Lab

from restorekit.errors import ConfigError, PointExpired, SourceDamaged, SourceUnavailable
from restorekit.model.point import PointState, Quality
from restorekit.sources.btrfs.subvolume import subvolume_of

__all__ = ["btrfs_disk"]

PLAIN = {"layout": "{engine}/{database}.sql"}


@pytest.fixture
def lab(btrfs_disk: Disk, tmp_path: Path) -> Lab:
    return Lab(btrfs_disk, tmp_path)


@pytest.fixture
def make(btrfs_disk: Disk, tmp_path: Path) -> Callable[..., Lab]:
    return lambda **settings: Lab(btrfs_disk, tmp_path, **settings)


class TestBtrfs(SourceContract):
    pass


_SCANDIRS: list[str] = []
sys.addaudithook(lambda event, args: _SCANDIRS.append(str(args[0])) if event == "os.scandir" else None)


def test_one_dump_in_many_snapshots_is_one_point(make: Callable[..., Lab]):
    lab = make(**PLAIN)
    lab.write("db1/shop.sql", dump(100))
    for _ in range(4):
        newest = lab.snapshot()
    (point,) = lab.source().scan([]).points
    assert point.locator["snapshot"] == subvolume_of(newest).uuid
    again = lab.snapshot()
    assert lab.source().scan([point]).points == ()
    lab.write("db1/shop.sql", dump(100, 2), LONG_AGO + timedelta(days=1))
    lab.snapshot()
    second = lab.source().scan([point])
    assert [p.latest for p in second.points] == [LONG_AGO + timedelta(days=1)]
    assert second.gone == ()
    delete(again)


def test_known_snapshots_are_listed_and_not_walked(make: Callable[..., Lab]):
    lab = make(**PLAIN)
    lab.write("db1/shop.sql", dump(100))
    lab.write("db1/deep/er/readme", b"x")
    taken = [lab.snapshot() for _ in range(60)]
    first = lab.source().scan([])
    _SCANDIRS.clear()
    began = time.monotonic()
    assert lab.source().scan(first.points).points == ()
    took_s = time.monotonic() - began
    assert [p for p in _SCANDIRS if str(lab.room) in p] == [str(lab.medium)]
    assert took_s < 0.3
    assert lab.source().scan(first.points).unparsed == 60
    shutil.rmtree(lab.base / "cache")  # losing the memory costs time, and nothing else
    _SCANDIRS.clear()
    again = lab.source().scan(first.points)
    assert (again.points, again.unparsed, again.gone) == ((), 60, ())
    assert {str(t) for t in taken} <= set(_SCANDIRS)


def test_a_catalog_that_was_lost_is_filled_again(make: Callable[..., Lab]):
    lab = make(**PLAIN)
    lab.write("db1/shop.sql", dump(100))
    lab.snapshot()
    first = lab.source().scan([])
    lab.source().scan(first.points)
    assert lab.source().scan([]).points == first.points


def test_thinning_moves_a_point_to_another_snapshot_of_the_same_file(make: Callable[..., Lab]):
    lab = make(**PLAIN)
    lab.write("db1/shop.sql", dump(1000))
    older, newest = lab.snapshot(), lab.snapshot()
    source = lab.source()
    (point,) = source.scan([]).points
    delete(newest)
    assert delivered(source, point) == dump(1000)
    (moved,) = (scan := source.scan([point])).points
    assert (moved.id, moved.locator["snapshot"], scan.gone) == (point.id, subvolume_of(older).uuid, ())
    (lab.live / "db1/shop.sql").unlink()
    lab.snapshot()
    delete(older)
    with pytest.raises(PointExpired, match="no longer there"):
        delivered(source, moved)
    assert lab.source().scan([moved]).gone == (point.id,)


def test_the_moment_is_the_dumps_and_not_the_snapshots(make: Callable[..., Lab]):
    lab = make(**PLAIN)
    lab.write("db1/said.sql", b"SELECT 1;\n-- Dump completed on 2026-01-01  3:00:05\n", LONG_AGO + timedelta(days=9))
    lab.write("db1/unsaid.sql", b"SELECT 1;\n")
    lab.snapshot()
    points = {p.database.name: p for p in lab.source().scan([]).points}
    assert points["said"].latest == datetime(2026, 1, 1, 2, 0, 6, tzinfo=UTC)
    assert (points["unsaid"].latest, points["unsaid"].quality) == (LONG_AGO, Quality.NONE)


def test_a_dump_caught_while_it_was_written_is_not_offered(make: Callable[..., Lab]):
    lab = make(**PLAIN)
    path = lab.write("db1/shop.sql", dump(10), datetime.now(UTC))
    lab.snapshot()
    scan = lab.source().scan([])
    assert scan.points == ()
    assert "before the snapshot, perhaps still being written" in scan.problems[0]
    os.utime(path, (1, 1))
    lab.snapshot()
    assert only(lab.source(), "shop").state == PointState.USABLE


def test_writable_snapshots_are_suspicious_and_the_others_preferred(make: Callable[..., Lab]):
    lab = make(**PLAIN)
    lab.write("db1/both.sql", dump(10))
    clean = lab.snapshot()
    lab.write("db1/shop.sql", dump(10))
    snapshot(lab.live, lab.medium / "open", writable=True)
    points = {p.database.name: p for p in lab.source().scan([]).points}
    assert (points["shop"].state, points["shop"].why[:24]) == (PointState.SUSPICIOUS, "the snapshot is writable")
    assert points["both"].locator["snapshot"] == subvolume_of(clean).uuid


def test_a_snapshot_that_was_opened_changed_and_closed_again_is_noticed(make: Callable[..., Lab]):
    lab = make(**PLAIN)
    lab.write("db1/shop.sql", dump(1000))
    taken = lab.snapshot()
    source = lab.source()
    (point,) = source.scan([]).points
    set_writable(taken, writable=True)
    facts = (taken / "db1/shop.sql").stat()
    with (taken / "db1/shop.sql").open("r+b") as file:
        file.write(b"DROP")
    os.utime(taken / "db1/shop.sql", ns=(facts.st_atime_ns, facts.st_mtime_ns))  # size, inode and times are the same
    set_writable(taken, writable=False)
    os.sync()
    (changed,) = source.scan([point]).points
    assert (changed.id, changed.state) == (point.id, PointState.SUSPICIOUS)
    assert "written to after it was taken" in changed.why


def test_snapshots_of_another_subvolume_are_not_ours(make: Callable[..., Lab]):
    lab = make(**PLAIN)
    lab.write("db1/shop.sql", dump(10))
    lab.snapshot()
    other = subvolume(lab.room / "other")
    (other / "db1").mkdir()
    (other / "db1" / "blog.sql").write_bytes(dump(10))
    snapshot(other, lab.medium / "of other")
    scan = lab.source().scan([])
    assert ([p.database.name for p in scan.points], scan.unparsed) == (["shop"], 1)
    (finding,) = lab.source().check()
    assert finding.severity == "ok"
    assert finding.text.endswith("1 snapshots, 1 of other subvolumes")


def test_after_live_was_brought_back_from_a_snapshot_the_older_ones_still_count(make: Callable[..., Lab]):
    lab = make(**PLAIN)
    lab.write("db1/first.sql", dump(10))
    lab.snapshot()
    lab.write("db1/second.sql", dump(10))
    between = lab.snapshot()
    before = subvolume_of(lab.live).uuid
    known = lab.source().scan([]).points
    lab.live.rename(lab.room / "broken")
    snapshot(between, lab.live, writable=True)
    assert {p.database.name for p in lab.source().scan([]).points} == {"first", "second"}
    delete(between)  # now nothing connects the old snapshots with the new live one
    kept = lab.source().scan(known)
    states = {p.database.name: p.state for p in kept.points}
    assert states == {"first": PointState.USABLE, "second": PointState.EXPIRED}
    assert lab.source().scan([]).points == ()
    assert {p.database.name for p in lab.source(formerly=[before]).scan([]).points} == {"first"}


def test_without_live_nothing_expires_and_nothing_new_is_assigned(make: Callable[..., Lab]):
    lab = make(**PLAIN)
    lab.write("db1/shop.sql", dump(10))
    lab.snapshot()
    source = lab.source()
    known = source.scan([]).points
    lab.write("db1/blog.sql", dump(10))
    lab.snapshot()
    lab.live.rename(lab.room / "gone")
    scan = source.scan(known)
    assert (scan.points, scan.gone, scan.unparsed) == ((), (), 1)
    assert delivered(source, known[0]) == dump(10)
    (finding,) = source.check()
    assert finding.severity == "warn"


def test_a_bad_sector_is_never_delivered(make: Callable[..., Lab], btrfs_disk: Disk):
    lab = make(**PLAIN)
    lab.write("db1/shop.sql", dump(1 << 20, 77))
    taken = lab.snapshot()
    source = lab.source()
    (point,) = source.scan([]).points
    btrfs_disk.rot(dump(1 << 20, 77)[600_000:600_040])
    forget(taken / "db1/shop.sql")
    with pytest.raises(SourceDamaged, match="cannot be read: Input/output error"):
        delivered(source, point)


def test_a_folder_that_is_not_on_btrfs_is_not_mounted(make: Callable[..., Lab], tmp_path: Path):
    lab = make(**PLAIN)
    lab.write("db1/shop.sql", dump(10))
    lab.snapshot()
    known = lab.source().scan([]).points
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceUnavailable, match="is not on btrfs"):
        lab.source(snapshots=str(tmp_path / "empty")).scan(known)
    (lab.room / "none yet").mkdir()
    with pytest.raises(SourceUnavailable, match="no snapshot is there, but 1 recovery points"):
        lab.source(snapshots="none yet").scan(known)


@pytest.fixture
def sent(make: Callable[..., Lab]) -> Iterator[Callable[[Lab, Path, Path], Path]]:
    def receive(lab: Lab, taken: Path, into: Path) -> Path:
        into.mkdir(parents=True)
        said("btrfs", "send", "-q", "-f", lab.base / "stream", taken)
        said("btrfs", "receive", "-q", "-f", lab.base / "stream", into)
        return into / taken.name

    return receive


def test_a_received_snapshot_is_only_known_not_to_be_later(make: Callable[..., Lab], sent: Callable[..., Path]):
    lab = make(layout="{database:mysql}/db.opt", holds="datadir", engine="db1")
    lab.write("shop/db.opt", b"")
    received = sent(lab, lab.snapshot("snapshot"), lab.room / "host/7")
    (point,) = lab.source(path=None, snapshots="host").scan([]).points
    assert (point.state, point.quality) == (PointState.USABLE, Quality.NONE)
    assert (point.consistent_at, point.latest) == (None, subvolume_of(received).created_at)
    info = "<?xml version='1.0'?><snapshot><type>single</type><num>7</num><date>2026-01-17 02:30:00</date></snapshot>"
    (lab.room / "host/7/info.xml").write_text(info)
    shutil.rmtree(lab.base / "cache")
    (dated,) = lab.source(path=None, snapshots="host").scan([]).points
    assert (dated.consistent_at, dated.quality) == (datetime(2026, 1, 17, 2, 30, tzinfo=UTC), Quality.CLAIMED)


def test_snapper_keeps_its_snapshots_below_live(make: Callable[..., Lab]):
    lab = make(**PLAIN, snapper=True, snapshots=None)
    lab.write("db1/shop.sql", dump(10))
    subvolume(lab.live / ".snapshots").chmod(0o750)
    snapshot(lab.live, lab.live / ".snapshots/1/snapshot")
    source = lab.source()
    assert delivered(source, only(source, "shop")) == dump(10)


def test_settings_without_a_place_are_refused(make: Callable[..., Lab]):
    with pytest.raises(ConfigError, match="set snapshots, or path and snapper: true"):
        make().source(snapshots=None)


def test_a_manifest_beside_it(make: Callable[..., Lab]):
    lab = make(**PLAIN)
    lab.write("db1/shop.sql", dump(10))
    lab.write("db1/shop.sql.manifest.json", b"{}")
    lab.snapshot()
    source = lab.source()
    point = only(source, "shop")
    assert source.manifest(point) == b"{}"
    with source.deliver(point, Quiet()) as delivery:
        while delivery.read(100):
            pass
        assert delivery.finish() is False

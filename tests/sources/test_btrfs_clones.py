"""Whole data directories in snapshots, and the writable copies that are made of them."""

import contextlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from contract.source import Quiet, delivered, tree
from servers.btrfs import Disk, btrfs_disk, delete, set_writable, snapshot, subvolume
from sources.btrfs_lab import Lab

from restorekit.errors import ConfigError, PointExpired, PointUnusable, Refused
from restorekit.model.point import PointState, Quality, RecoveryPoint
from restorekit.sources.btrfs.clones import Clones, Record
from restorekit.sources.btrfs.subvolume import subvolume_of

__all__ = ["btrfs_disk"]

DATADIR = {"layout": "var/mysql/{database:mysql}/db.opt", "holds": "datadir", "engine": "db1"}


@pytest.fixture
def lab(btrfs_disk: Disk, tmp_path: Path) -> Lab:
    """A subvolume that looks like a server's."""
    lab = Lab(btrfs_disk, tmp_path, **DATADIR)
    for name in (
        "acme@002dshop",
        "blog",
        "mysql",
        "sys",
        "performance_schema",
        "rk_hold_r1",
        "rk_undo_r1",
        "_restorekit",
    ):
        lab.write(f"var/mysql/{name}/db.opt", b"default-character-set=utf8mb4\n")
        lab.write(f"var/mysql/{name}/t.ibd", b"page")
    lab.write("var/mysql/ibdata1", b"system")
    return lab


def points(lab: Lab) -> dict[str, RecoveryPoint]:
    return {p.database.name: p for p in lab.source().scan([]).points}


def facts(path: Path) -> tuple[dict[str, str], str, bool]:
    """Everything of a subvolume that must stay as it is."""
    kernel = subvolume_of(path)
    return tree(path), kernel.uuid, kernel.read_only


def test_a_point_per_customers_database_and_snapshot(lab: Lab):
    before = datetime.now(UTC)
    lab.snapshot()
    after = datetime.now(UTC)
    found = points(lab)
    assert sorted(found) == ["acme-shop", "blog"]
    point = found["blog"]
    assert (point.format, point.consistency, point.state) == ("datadir", "snapshot", PointState.USABLE)
    assert (point.quality, str(point.database)) == (Quality.BOUNDED, "db1/blog")
    assert before - timedelta(milliseconds=50) <= point.consistent_at <= after  # the kernel's clock is a coarse one
    assert point.earliest < before
    assert after < point.latest + timedelta(milliseconds=1)
    lab.snapshot()
    assert len(lab.source().scan(list(found.values())).points) == 2
    with pytest.raises(PointUnusable, match="is a whole data directory"):
        delivered(lab.source(), point)
    assert lab.source().manifest(point) is None


def test_a_folder_of_sqlite_databases(btrfs_disk: Disk, tmp_path: Path):
    lab = Lab(btrfs_disk, tmp_path, layout="{database}.db", holds="datadir", engine="files")
    lab.write("shop.db", b"x")
    lab.write("shop.db-wal", b"y")
    lab.snapshot()
    (point,) = lab.source().scan([]).points
    with lab.source().clone(point, Quiet()) as copy:
        assert sorted(p.name for p in copy.iterdir()) == ["shop.db", "shop.db-wal"]


def test_a_clone_is_ours_and_the_snapshot_stays_as_it_is(lab: Lab):
    taken = lab.snapshot()
    before, live_before = facts(taken), facts(lab.live)
    with lab.source().clone(points(lab)["blog"], Quiet()) as copy:
        (copy / "blog" / "t.ibd").write_bytes(b"recovered")
        (copy / "ibdata1").unlink()
        assert copy.parts[-2:] == ("var", "mysql")
    assert not copy.exists()
    assert list((lab.medium / ".restorekit").iterdir()) == []
    assert (facts(taken), facts(lab.live)) == (before, live_before)


def test_a_clone_goes_when_its_user_fails_and_two_can_be_at_once(lab: Lab):
    lab.snapshot()
    point, source = points(lab)["blog"], lab.source()
    with source.clone(point, Quiet()) as one:
        with contextlib.suppress(ZeroDivisionError), lab.source().clone(point, Quiet()) as two:
            assert one != two
            raise ZeroDivisionError
        assert (one / "ibdata1").read_bytes() == b"system"
        assert not two.exists()
    assert list((lab.medium / ".restorekit").iterdir()) == []


WORKER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from contract.source import Quiet
    from restorekit.discovery import provider
    from restorekit.model.home import Home
    from restorekit.model.point import RecoveryPoint
    room = Path(sys.argv[1])
    home = Home(staging=room, cache=room / "cache", base=room, timezone="UTC")
    section = {"kind": "btrfs", "snapshots": "my snapshots", "holds": "datadir", "layout": "{database}"}
    source = provider("restorekit.sources", "snaps", section, home)
    with source.clone(RecoveryPoint.model_validate_json(sys.argv[2]), Quiet()) as copy:
        print(copy, flush=True)
        sys.stdin.read()
""")


@contextlib.contextmanager
def worker(lab: Lab, point: RecoveryPoint, crash_at: str = "") -> Iterator["subprocess.Popen[str]"]:
    """Another process that clones, and holds its clone until its input ends."""
    tests = Path(__file__).parents[1]
    env = os.environ | {"PYTHONPATH": f"{tests.parent}:{tests}", "RESTOREKIT_CRASH_AT": crash_at}
    argv = [sys.executable, "-c", WORKER, str(lab.room), point.model_dump_json()]
    with subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("crash_at", ["btrfs.recorded", "btrfs.cloned", ""])
def test_what_a_dead_process_left_is_swept_and_nothing_else(lab: Lab, crash_at: str):
    taken = lab.snapshot()
    before = facts(taken)
    point = points(lab)["blog"]
    with worker(lab, point, crash_at) as process:
        copy = process.stdout.readline()
        process.kill()
        process.wait()
    ours = lab.medium / ".restorekit"
    assert bool(copy) is (crash_at == "")
    assert len(list(ours.glob("rk-*.json"))) == 1
    assert len([p for p in ours.iterdir() if p.is_dir()]) == (0 if crash_at == "btrfs.recorded" else 1)
    with lab.source().clone(point, Quiet()) as mine:
        assert sorted(p.name for p in ours.iterdir()) == sorted([mine.parts[-3], f"{mine.parts[-3]}.json"])
    assert list(ours.iterdir()) == []
    assert facts(taken) == before


def test_the_clone_of_a_living_process_is_left_alone(lab: Lab):
    lab.snapshot()
    point = points(lab)["blog"]
    with worker(lab, point) as process:
        copy = Path(process.stdout.readline().strip())
        with lab.source().clone(point, Quiet()) as mine:
            assert mine.exists()
        assert (copy / "ibdata1").exists()
        process.stdin.close()
        assert process.wait(30) == 0
    assert list((lab.medium / ".restorekit").iterdir()) == []


@pytest.fixture
def clones(lab: Lab) -> Clones:
    lab.snapshot("night")
    (lab.medium / ".restorekit").mkdir()
    return Clones(lab.medium / ".restorekit", "btrfs")


def record(clones: Clones, name: str, **facts: str) -> None:
    text = Record(name=name, snapshot=facts["snapshot"]).model_dump_json()
    (clones.folder / f"{name}.json").write_text(f"{text}\n{facts.get('uuid', '')}{facts.get('end', '')}")


NAME = "rk-0123456789abcdef-0123456789abcdef"


def test_nothing_is_destroyed_that_is_not_proven_to_be_ours(lab: Lab, clones: Clones):
    night = lab.medium / "night"
    uuid = subvolume_of(night).uuid
    stranger = snapshot(night, clones.folder / NAME, writable=True)
    with pytest.raises(Refused, match="there is no record"):
        clones.destroy(NAME)
    record(clones, NAME, snapshot=uuid, uuid="11111111-1111-1111-1111-111111111111", end="\n")
    with pytest.raises(Refused, match="not the one that was recorded"):
        clones.destroy(NAME)
    record(clones, NAME, snapshot="11111111-1111-1111-1111-111111111111")
    with pytest.raises(Refused, match="not the one that was recorded"):
        clones.destroy(NAME)
    record(clones, f"{NAME}0", snapshot=uuid)
    (clones.folder / f"{NAME}.json").write_text((clones.folder / f"{NAME}0.json").read_text())
    with pytest.raises(Refused, match="no record"):
        clones.destroy(NAME)
    clones.sweep()
    assert stranger.exists()
    record(clones, NAME, snapshot=uuid, uuid=subvolume_of(stranger).uuid[:9])  # cut off by a crash: the intent counts
    clones.destroy(NAME)
    assert not stranger.exists()


@pytest.mark.parametrize("name", ["night", "../night", "rk-x"])
def test_other_names_are_never_destroyed(lab: Lab, clones: Clones, name: str):
    other = clones.folder / name
    if not other.exists():
        snapshot(lab.medium / "night", other, writable=True)
    with contextlib.suppress(OSError):
        (clones.folder / f"{name}.json").write_text(
            Record(name=other.name, snapshot=subvolume_of(lab.medium / "night").uuid).model_dump_json() + "\n"
        )
    with pytest.raises(Refused):
        clones.destroy(name)
    assert subvolume_of(other)
    assert (lab.medium / "night" / "var").exists()


def test_a_snapshot_or_a_link_under_our_name_stays(lab: Lab, clones: Clones):
    night = lab.medium / "night"
    kept = snapshot(night, clones.folder / NAME)
    record(clones, NAME, snapshot=subvolume_of(night).uuid, uuid=subvolume_of(kept).uuid, end="\n")
    with pytest.raises(Refused, match="not the one"):
        clones.destroy(NAME)
    set_writable(kept, writable=True)
    clones.destroy(NAME)
    (clones.folder / NAME).symlink_to(night)
    record(clones, NAME, snapshot=subvolume_of(night).uuid, uuid=subvolume_of(night).uuid, end="\n")
    with pytest.raises(Refused, match="is no subvolume"):
        clones.destroy(NAME)
    assert night.exists()


def test_a_subvolume_inside_the_data_directory_makes_it_unusable(lab: Lab):
    subvolume(lab.live / "var/mysql/#innodb_redo")
    subvolume(lab.live / "elsewhere")  # beside the data directory it does no harm
    taken = lab.snapshot()
    point = points(lab)["blog"]
    assert (point.state, point.why[:24]) == (PointState.DAMAGED, "/var/mysql/#innodb_redo ")
    with pytest.raises(PointUnusable, match="is a subvolume of its own"), lab.source().clone(point, Quiet()):
        pass
    assert not (taken.parent / ".restorekit").exists()


def test_snapper_in_the_data_directory_itself_does_no_harm(btrfs_disk: Disk, tmp_path: Path):
    lab = Lab(btrfs_disk, tmp_path, layout="{database:mysql}/db.opt", holds="datadir", engine="db1", snapper=True)
    lab.settings["snapshots"] = None
    lab.write("blog/db.opt", b"")
    subvolume(lab.live / ".snapshots")
    taken = snapshot(lab.live, lab.live / ".snapshots/7/snapshot")
    assert (taken / ".snapshots").exists()
    with lab.source().clone(points(lab)["blog"], Quiet()) as copy:
        assert copy.is_relative_to(lab.live / ".snapshots/.restorekit")
        assert (copy / "blog/db.opt").exists()
    again = snapshot(lab.live, lab.live / ".snapshots/8/snapshot")
    assert sorted(p.name for p in again.iterdir()) == [".snapshots", "blog"]
    assert len(lab.source().scan([]).points) == 2


@pytest.mark.parametrize(
    ("link", "target", "leaves"),
    [
        ("blog/t.MYD", "/var/lib/other/t.MYD", True),
        ("big", "../../disk2/big", True),
        ("blog/u.ibd", "../acme@002dshop/t.ibd", False),
    ],
)
def test_links_that_lead_out_of_the_data_directory(lab: Lab, link: str, target: str, leaves: bool):
    (lab.live / "var/mysql" / link).symlink_to(target)
    lab.snapshot()
    point = points(lab)["blog"]
    expected = pytest.raises(PointUnusable, match="leads out of it") if leaves else contextlib.nullcontext()
    with expected, lab.source().clone(point, Quiet()):
        pass


def test_a_snapshot_written_to_after_the_scan_is_not_cloned(lab: Lab):
    taken = lab.snapshot()
    point = points(lab)["blog"]
    set_writable(taken, writable=True)
    (taken / "var/mysql/blog/t.ibd").write_bytes(b"forged")
    os.sync()
    set_writable(taken, writable=False)
    with pytest.raises(PointUnusable, match="written to since it was scanned"), lab.source().clone(point, Quiet()):
        pass
    assert points(lab)["blog"].state == PointState.SUSPICIOUS


def test_a_snapshot_that_is_gone(lab: Lab):
    taken = lab.snapshot()
    lab.snapshot()
    known = lab.source().scan([]).points
    gone = [p for p in known if p.locator["snapshot"] == subvolume_of(taken).uuid]
    delete(taken)
    with pytest.raises(PointExpired), lab.source().clone(gone[0], Quiet()):
        pass
    assert set(lab.source().scan(known).gone) == {p.id for p in gone}


def test_clones_need_rights_and_the_same_file_system(lab: Lab, tmp_path: Path):
    lab.snapshot()
    point = points(lab)["blog"]
    refused = lab.source(clones=str(tmp_path / "elsewhere"))
    with pytest.raises(ConfigError, match="is not on the file system of the snapshots"), refused.clone(point, Quiet()):
        pass
    assert list((tmp_path / "elsewhere").iterdir()) == []
    tool = tmp_path / "powerless"
    tool.write_text('#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups btrfs "$@"\n')
    tool.chmod(0o755)
    weak = lab.source(btrfs=str(tool))
    with (
        pytest.raises(ConfigError, match=r"is refused: .* the snapshots are untouched") as raised,
        weak.clone(point, Quiet()),
    ):
        pass
    assert "CAP_SYS_ADMIN" in raised.value.hint
    assert list((lab.medium / ".restorekit").iterdir()) == []


def test_check_says_whether_a_server_can_reach_clones(lab: Lab):
    lab.snapshot()
    assert [f.severity for f in lab.source().check()] == ["ok"]
    lab.medium.chmod(0o750)
    warned = lab.source().check()[-1]
    assert (warned.severity, warned.code) == ("warn", "clones")
    assert f"chmod o+x {lab.medium}" in warned.hint

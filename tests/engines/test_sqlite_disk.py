"""Disks that are really full: small ones, mounted for the test."""

import contextlib
import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from contract.engine import DAMAGE, QUIET, facts, live, make_shop, open_box, order, pieces, policy, stage, swap
from servers.sqlite import SQLiteLab

from restorekit.errors import DiskFull, RestorekitError
from restorekit.model.database import Where
from restorekit.model.staged import SandboxSpec

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")


@contextlib.contextmanager
def small_disk(path: Path, kilobytes: int) -> Iterator[Path]:
    path.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", path], check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def fill(path: Path, leave: int) -> None:
    """Use the disk up, except for about `leave` bytes."""
    state = os.statvfs(path)
    (path / "ballast").write_bytes(bytes(max(0, state.f_bavail * state.f_frsize - leave)))


def larger(lab: SQLiteLab) -> bytes:
    make_shop(lab)
    with closing(lab.connect("shop")) as shop:
        shop.execute("CREATE TABLE filler (b)")
        shop.executemany("INSERT INTO filler VALUES (?)", [(random.randbytes(2000),) for _ in range(200)])
    return lab.backup("shop")


@pytest.mark.parametrize("form", ["sqlite", "sql"])
def test_staging_is_full(tmp_path: Path, form: str) -> None:
    lab = SQLiteLab(tmp_path, form=(form, "none"))  # type: ignore[arg-type]
    data = larger(lab)
    with small_disk(lab.home.staging, 256):
        box = open_box(lab)
        with pytest.raises(DiskFull):
            lab.engine.load(box, pieces(data), lab.form, QUIET)
        with pytest.raises(RestorekitError):
            lab.engine.contents(Where(schema_name="shop", sandbox=box.folder))
        assert [p.name for p in Path(box.folder).iterdir()] == ["sandbox.json"]


def test_a_sandbox_that_cannot_hold_its_backup_is_not_begun(tmp_path: Path) -> None:
    lab = SQLiteLab(tmp_path)
    with small_disk(lab.home.staging, 256), pytest.raises(DiskFull, match="free"):
        lab.engine.open_sandbox(SandboxSpec(id="r1", schema_name="shop", size_hint_bytes=10**6))


@pytest.mark.parametrize("journal", ["wal", "delete"])
@pytest.mark.parametrize("way", ["pages", "tables"])
@pytest.mark.parametrize("room", [0, 120_000, 600_000, 900_000])
def test_the_disk_of_live_is_full(tmp_path: Path, way: str, journal: str, room: int) -> None:
    """With no room, room for part of the undo copy, for all of it, and for it and part of the journal."""
    lab = SQLiteLab(tmp_path, journal=journal)
    with small_disk(lab.live, 6000):
        staged = stage(lab, larger(lab))
        lab.run("shop", *DAMAGE, "UPDATE filler SET b = zeroblob(2000)")
        wanted = order(staged, policy=policy(lock_wait_s=1))
        if way == "pages":
            everything = tuple(a.model_copy(update={"method": "exchange"}) for a in wanted.actions)
            wanted = wanted.model_copy(update={"actions": everything})
        promoted = lab.engine.promote(wanted, QUIET)
        fill(lab.live, room)
        before = facts(lab.engine.contents(live()))
        assert [f.severity for f in lab.engine.preflight(wanted) if f.code == "disk"] == ["wait"]
        try:
            lab.engine.exchange(wanted, promoted, QUIET)
        except DiskFull:
            assert facts(lab.engine.contents(live())) == before
        else:
            assert room > 120_000  # the undo copy alone is larger
        (lab.live / "ballast").unlink()
        lab.engine.settle()
        lab.engine.exchange(wanted, promoted, QUIET)
        assert facts(lab.engine.contents(live())) == facts(staged.proven)


def test_no_room_for_the_copy_beside_live(tmp_path: Path) -> None:
    lab = SQLiteLab(tmp_path)
    with small_disk(lab.live, 6000):
        staged = stage(lab, larger(lab))
        lab.run("shop", *DAMAGE)
        wanted = order(staged)
        fill(lab.live, 50_000)
        with pytest.raises(DiskFull):
            lab.engine.promote(wanted, QUIET)
        (lab.live / "ballast").unlink()
        swap(staged, wanted)
        assert facts(lab.engine.contents(live())) == facts(staged.proven)

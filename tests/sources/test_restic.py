import contextlib
import functools
import json
import os
import re
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from contract.source import JANUARY, Quiet, SourceContract, children, delivered, dump, only, tree
from servers.restic import Repository, flip, restic_binary, truncate  # noqa: F401

from restorekit.discovery import provider
from restorekit.errors import (
    Cancelled,
    ConfigError,
    PointExpired,
    PointUnusable,
    SourceDamaged,
    SourceUnavailable,
)
from restorekit.model.home import Home
from restorekit.model.point import PointState, Quality
from restorekit.ports import Source
from restorekit.sources.restic import tool


@pytest.fixture(scope="session")
def empty(restic_binary: str, tmp_path_factory: pytest.TempPathFactory) -> Repository:  # noqa: F811
    """A repository without snapshots, made once per binary."""
    return Repository(tmp_path_factory.mktemp("restic") / "repo", restic_binary).init()


@functools.cache
def first_backup(empty: Repository, database: str, data: bytes, at: datetime) -> Repository:
    """A repository with just this one backup."""
    made = empty.copy(Path(tempfile.mkdtemp(dir=empty.folder.parent)) / "repo")
    made.stream(f"/db1/{database}.sql", data, f"{at:%Y-%m-%d %H:%M:%S}")
    return made


class Lab:
    """A copy of the empty repository."""

    def __init__(self, empty: Repository, base: Path) -> None:
        self.base, self.empty = base, empty
        self.repository = empty.copy(base / "repo")
        self.medium = self.repository.folder
        self.section = {"kind": "restic", **self.repository.settings()}
        self.snapshots: dict[str, str] = {}
        self.packs: dict[str, list[Path]] = {}

    def source(self, **settings: Any) -> Source:
        home = Home(staging=self.base, cache=self.base / "cache", base=self.base, timezone="Europe/Berlin")
        return provider("restorekit.sources", "nightly", {**self.section, **settings}, home)  # type: ignore[no-any-return]

    def back_up(self, database: str, data: bytes, at: datetime = JANUARY) -> None:
        if self.repository.ids():
            self._stream(self.repository, database, data, at)
            return
        made = first_backup(self.empty, database, data, at)  # most tests begin with the same one
        shutil.rmtree(self.medium)
        made.copy(self.medium)
        (self.snapshots[database],) = self.repository.ids()
        self.packs[database] = self.repository.newest_packs(set())

    def _stream(self, repository: Repository, database: str, data: bytes, at: datetime) -> None:
        before = repository.packs()
        self.snapshots[database] = repository.stream(f"/db1/{database}.sql", data, f"{at:%Y-%m-%d %H:%M:%S}")
        self.packs[database] = repository.newest_packs(before)

    def folder(self, files: dict[str, bytes]) -> Path:
        for name, data in files.items():
            path = self.base / "dumps" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return self.base / "dumps"

    def add_stranger(self) -> None:
        self.repository.stream("/readme.txt", b"hello")

    def remove(self, database: str) -> None:
        self.repository.forget(self.snapshots[database], prune=True)

    def flip(self, database: str) -> None:
        flip(self.packs[database][0])

    def truncate(self, database: str) -> None:
        truncate(self.packs[database][0])

    def unmount(self) -> None:
        shutil.rmtree(self.medium)


@pytest.fixture
def lab(empty: Repository, tmp_path: Path) -> Lab:
    return Lab(empty, tmp_path)


class TestRestic(SourceContract):
    @pytest.fixture
    def lab(self, empty: Repository, tmp_path: Path) -> Lab:
        return Lab(empty, tmp_path)


# Inventory


def test_without_new_snapshots_no_restic_is_started(lab: Lab):
    lab.back_up("shop", dump(10))
    lab.add_stranger()
    known = lab.source().scan([]).points
    assert lab.source(restic="/nonexistent/restic").scan(known).points == ()


def test_a_lost_cache_changes_nothing(lab: Lab):
    lab.back_up("shop", dump(10))
    lab.add_stranger()
    first = lab.source().scan([])
    shutil.rmtree(lab.base / "cache")
    again = lab.source().scan(first.points)
    assert (again.points, again.unparsed) == ((), first.unparsed)


def test_a_lost_catalog_finds_everything_again(lab: Lab):
    lab.back_up("shop", dump(10))
    assert len(lab.source().scan([]).points) == len(lab.source().scan([]).points) == 1


def test_a_folder_of_dumps_gives_a_point_for_each(lab: Lab):
    files = {"db1/shop.sql": b"shop", "db2/shop.sql": b"other", "db1/deep/er/blog.sql": b"blog", "db1/readme.sql": b""}
    lab.repository.backup(lab.folder(files))
    source = lab.source()
    points = {str(p.database): p for p in source.scan([]).points}
    assert set(points) == {"db1/shop", "db2/shop", "er/blog", "db1/readme"}
    assert delivered(source, points["db2/shop"]) == b"other"
    assert points["db1/readme"].state == PointState.SUSPICIOUS


def test_a_backup_started_with_a_relative_path(lab: Lab):
    """restic records /…/dumps and stores /dumps or, for `.`, nothing above the files."""
    dumps = lab.folder({"db1/shop.sql": b"shop"})
    lab.repository.backup(".", cwd=dumps)
    lab.repository.backup("dumps", cwd=dumps.parent)
    lab.repository.backup("db1/shop.sql", cwd=dumps)
    source = lab.source(layout=f"{dumps}/{{engine}}/{{database}}.sql")
    points = source.scan([]).points
    assert [str(p.database) for p in points] == ["db1/shop"] * 3
    assert {delivered(source, p) for p in points} == {b"shop"}


def test_a_stream_claims_the_snapshots_time_and_a_file_is_only_bounded_by_it(lab: Lab):
    lab.back_up("shop", dump(10), JANUARY)
    dumps = lab.folder({"db1/old.sql": b"x"})
    written = datetime(2026, 1, 10, 1, 0, tzinfo=UTC)
    os.utime(dumps / "db1/old.sql", (written.timestamp(), written.timestamp()))
    lab.repository.backup(dumps / "db1/old.sql", at="2026-01-17 04:00:00")
    source = lab.source()
    shop, old = only(source, "shop"), only(source, "old")
    assert (shop.consistent_at, shop.quality) == (JANUARY, Quality.CLAIMED)
    assert (old.consistent_at, old.latest, old.earliest, old.quality) == (written, written, None, Quality.BOUNDED)


def test_a_time_in_the_name_goes_before_the_snapshots(lab: Lab):
    dumps = lab.folder({"db1/shop-2026-01-05T0300.sql": b"x"})
    lab.repository.backup(dumps)
    source = lab.source(layout="{engine}/{database}-{time:%Y-%m-%dT%H%M}.sql")
    assert only(source, "shop").consistent_at == datetime(2026, 1, 5, 2, 0, tzinfo=UTC)


def test_a_writer_in_another_zone(lab: Lab):
    abroad = Repository(lab.medium, lab.repository.binary, zone="America/New_York")
    abroad.stream("/db1/shop.sql", b"x", "2026-07-17 03:00:00")
    assert only(lab.source(), "shop").consistent_at == datetime(2026, 7, 17, 7, 0, tzinfo=UTC)


def test_an_empty_dump_is_suspicious(lab: Lab):
    """0.14 leaves a snapshot that names the file and does not hold it, newer ones may hold it with size 0."""
    lab.back_up("shop", b"")
    source = lab.source()
    point = only(source, "shop")
    assert (point.state, point.size_bytes) == (PointState.SUSPICIOUS, 0)
    with pytest.raises(PointUnusable):
        delivered(source, point)


def test_a_damaged_snapshot_file_is_reported_although_restic_ends_with_0(lab: Lab):
    lab.back_up("shop", dump(10))
    lab.back_up("blog", dump(20))
    file = lab.repository.snapshot_file(lab.snapshots["shop"])
    whole = file.read_bytes()
    flip(file)
    scan = lab.source().scan([])
    (damaged,) = (p for p in scan.points if p.state == PointState.DAMAGED)
    assert [p.database.name for p in scan.points if p.state == PointState.USABLE] == ["blog"]
    assert lab.snapshots["shop"][:8] in scan.problems[0]
    file.write_bytes(whole)  # the medium was repaired
    healed = lab.source().scan(scan.points)
    assert {(p.database.name, p.state) for p in healed.points} == {
        ("shop", PointState.USABLE),
        ("?", PointState.EXPIRED),
    }
    assert healed.gone == (damaged.id,)


def test_a_snapshot_file_cut_to_nothing(lab: Lab):
    lab.back_up("shop", dump(10))
    file = lab.repository.snapshot_file(lab.snapshots["shop"])
    file.chmod(0o600)
    file.write_bytes(b"")
    (point,) = lab.source().scan([]).points
    assert point.state == PointState.DAMAGED
    assert "restic cannot read the snapshot" in point.why


@pytest.mark.parametrize("damage", [flip, truncate, Path.unlink])
def test_damaged_trees_hide_no_snapshot(lab: Lab, damage: Callable[[Path], None]):
    """`find` skips an unreadable tree, ends with 0, and leaves out the next snapshot that shares it."""
    dumps = lab.folder({"db1/shop.sql": b"shop"})
    before = lab.repository.packs()
    first = lab.repository.backup(dumps)
    second = lab.repository.backup(dumps, words=["--force"])
    trees = lab.repository.newest_packs(before)
    lab.back_up("blog", dump(20))
    for pack in trees:
        damage(pack)
    scan = lab.source().scan([])
    damaged = {p.locator["snapshot"] for p in scan.points if p.state == PointState.DAMAGED}
    assert damaged == {first, second}
    assert [p.database.name for p in scan.points if p.state == PointState.USABLE] == ["blog"]


def test_a_tagged_snapshot_is_the_same_backup(lab: Lab):
    lab.back_up("shop", dump(10))
    source = lab.source()
    before = only(source, "shop")
    lab.repository.run("tag", "--add", "keep", lab.snapshots["shop"])
    scan = source.scan([before])
    assert ([p.id for p in scan.points], scan.gone) == ([before.id], ())
    assert delivered(source, scan.points[0]) == dump(10)


def test_a_backup_under_two_ids_is_one_point_until_both_are_gone(lab: Lab):
    lab.back_up("shop", dump(10))
    source = lab.source()
    first = only(source, "shop")
    kept = lab.repository.snapshot_file(lab.snapshots["shop"]).read_bytes()
    lab.repository.run("tag", "--add", "keep", lab.snapshots["shop"])
    (twin,) = lab.repository.ids()
    lab.repository.snapshot_file(lab.snapshots["shop"]).write_bytes(kept)  # now it is there under both
    second = only(source, "shop", [first])
    assert (second.id, second.locator["snapshot"]) == (first.id, twin)
    assert source.scan([second]).points == ()
    lab.repository.snapshot_file(twin).unlink()
    third = only(source, "shop", [second])
    assert (third.id, third.state, third.locator) == (first.id, PointState.USABLE, first.locator)


def test_only_snapshots_with_all_tags(lab: Lab):
    lab.repository.stream("/db1/a.sql", b"a", None, "--tag", "db,nightly")
    lab.repository.stream("/db1/b.sql", b"b", None, "--tag", "db")
    source = lab.source(tags=["db", "nightly"])
    first = source.scan([])
    assert ([p.database.name for p in first.points], first.unparsed) == (["a"], 0)


def test_one_name_from_two_hosts_is_not_guessed(lab: Lab):
    settings = {"layout": "{database}.sql", "engine": "db1"}
    lab.repository.stream("/shop.sql", b"one", "2026-01-17 03:00:00")
    source = lab.source(**settings)
    first = only(source, "shop")
    assert first.state == PointState.USABLE
    other = Repository(lab.medium, lab.repository.binary, host="otherhost")
    second = other.stream("/shop.sql", b"two", "2026-01-18 03:00:00")
    points = source.scan([first]).points
    assert {p.state for p in points} == {PointState.AMBIGUOUS}
    assert len(points) == 2
    assert "backuphost, otherhost" in points[0].why
    mapped = lab.source(**settings, hosts={"otherhost": "db2", "*": "db1"})
    alive = [p for p in mapped.scan(points).points if p.state == PointState.USABLE]
    assert {str(p.database) for p in alive} == {"db1/shop", "db2/shop"}
    lab.repository.forget(second)
    (back,) = (p for p in source.scan(points).points if p.state != PointState.EXPIRED)
    assert (back.id, back.state) == (first.id, PointState.USABLE)


def test_all_new_snapshots_together_cost_two_processes(lab: Lab, tmp_path: Path):
    for day in range(1, 5):
        lab.back_up(f"d{day}", dump(10, day), datetime(2026, 1, day, tzinfo=UTC))
    counting = tmp_path / "counting"
    log = tmp_path / "calls"
    counting.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec {lab.repository.binary} "$@"\n')
    counting.chmod(0o755)
    assert len(lab.source(restic=str(counting)).scan([]).points) == 4
    calls = log.read_text().splitlines()
    assert len(calls) == 2
    for call in calls:
        assert "--no-lock -q" in call
        assert "correct horse" not in call


def test_rest_of_the_world_goes_through_list(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    """What is not a local folder is listed by restic itself."""
    lab.back_up("shop", dump(10))
    monkeypatch.chdir(lab.base)
    source = lab.source(repository=f"local:{os.path.relpath(lab.medium)}")
    point = only(source, "shop")
    assert delivered(source, point) == dump(10)
    lab.remove("shop")
    with pytest.raises(PointExpired):
        delivered(source, point)


def test_a_damaged_cache_is_not_taken_for_a_damaged_medium(lab: Lab):
    lab.repository.backup(lab.folder({"db1/shop.sql": b"shop"}))
    source = lab.source()
    point = only(source, "shop")
    cached = [p for p in (lab.base / "cache").rglob("*") if re.fullmatch("[0-9a-f]{64}", p.name) and p.is_file()]
    assert len(cached) >= 3  # snapshot, index, trees
    for file in cached:
        flip(file)
    assert only(source, "shop").state == PointState.USABLE
    for file in cached:
        if file.exists():
            flip(file)
            flip(file, 8)
    with contextlib.suppress(SourceDamaged):  # restic 0.14 trusts its cache; the error throws it away
        delivered(source, point)
    assert delivered(source, point) == b"shop"


# Delivery


def test_a_missing_pack_is_noticed_at_once(lab: Lab):
    """restic 0.14 alone retries for 45 s."""
    lab.back_up("shop", dump(1 << 20))
    source = lab.source()
    point = only(source, "shop")
    lab.packs["shop"][0].unlink()
    began = time.monotonic()
    with pytest.raises(SourceDamaged, match="is missing") as caught:
        delivered(source, point)
    assert time.monotonic() - began < 10
    assert "restic:" in caught.value.details[0]


def test_a_missing_pack_while_somebody_prunes_is_temporary(lab: Lab):
    lab.back_up("shop", dump(1 << 20))
    source = lab.source()
    point = only(source, "shop")
    lab.packs["shop"][0].unlink()
    lock = lab.medium / "locks" / ("0" * 64)
    lock.write_bytes(b"")
    with pytest.raises(SourceUnavailable):
        delivered(source, point)
    old = time.time() - timedelta(hours=1).total_seconds()
    os.utime(lock, (old, old))
    with pytest.raises(SourceDamaged):
        delivered(source, point)


def test_forgotten_but_not_pruned_is_expired(lab: Lab):
    lab.back_up("shop", dump(10))
    source = lab.source()
    point = only(source, "shop")
    lab.repository.forget(lab.snapshots["shop"])
    with pytest.raises(PointExpired):
        delivered(source, point)


def test_a_deleted_index_is_damage(lab: Lab):
    lab.back_up("shop", dump(1 << 20))
    source = lab.source()
    point = only(source, "shop")
    shutil.rmtree(lab.base / "cache")
    for file in (lab.medium / "index").iterdir():
        file.unlink()
    with pytest.raises(SourceDamaged):
        delivered(source, point)


def test_an_exclusive_lock_hinders_nobody(lab: Lab):
    lab.back_up("shop", dump(10))
    holder = lab.medium / "locks" / ("f" * 64)
    holder.write_bytes(b"whatever a dead process left")
    source = lab.source()
    assert delivered(source, only(source, "shop")) == dump(10)


def test_reading_needs_no_right_to_write(lab: Lab):
    lab.back_up("shop", dump(10))
    before = tree(lab.medium)
    shutil.rmtree(lab.medium / "locks")
    source = lab.source()
    assert delivered(source, only(source, "shop")) == dump(10)
    assert not (lab.medium / "locks").exists()
    assert tree(lab.medium) == before


def test_nothing_but_the_dump_is_in_the_stream(lab: Lab):
    """restic >= 0.16 without -q writes words about locks into it."""
    lab.back_up("shop", dump(5000))
    source = lab.source()
    with source.deliver(only(source, "shop"), Quiet()) as delivery:
        text = b"".join(iter(lambda: delivery.read(64), b""))
        assert delivery.finish() is True
    assert text == dump(5000)


@pytest.fixture
def hanging(lab: Lab) -> Lab:
    """A medium that does not answer any more: opening the pack blocks, as on a dead network mount."""
    lab.back_up("shop", dump(1 << 20))
    pack = lab.packs["shop"][0]
    lab.known = only(lab.source(), "shop")  # type: ignore[attr-defined]
    pack.unlink()
    os.mkfifo(pack)
    return lab


def test_a_medium_that_hangs_is_given_up(hanging: Lab, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tool, "FIRST_BYTE_S", 0.5)
    before = children()
    with pytest.raises(SourceUnavailable, match=r"no data for 0\.5 s"):
        delivered(hanging.source(), hanging.known)  # type: ignore[attr-defined]
    assert children() == before


def test_a_medium_that_hangs_can_be_cancelled(hanging: Lab):
    before = children()
    with pytest.raises(Cancelled), hanging.source().deliver(hanging.known, Quiet(checks=2)) as delivery:  # type: ignore[attr-defined]
        delivery.read(1)
    assert children() == before


def test_a_slow_reader_does_not_run_into_the_deadline(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tool, "STALL_S", 0.8)
    lab.back_up("shop", dump(1 << 20))
    source = lab.source()
    waited = threading.Event()
    with source.deliver(only(source, "shop"), Quiet()) as delivery:
        assert delivery.read(10)
        waited.wait(1)  # nobody sets it: this is us being slow
        while delivery.read(1 << 16):
            pass
        assert delivery.finish()


def test_restic_killed_in_the_middle(lab: Lab):
    lab.back_up("shop", dump(8 << 20))
    source = lab.source()
    before = children()
    with source.deliver(only(source, "shop"), Quiet()) as delivery:
        assert delivery.read(1000)
        for pid in children() - before:
            os.kill(pid, signal.SIGKILL)
        while delivery.read(1 << 20):
            pass
        with pytest.raises(SourceDamaged):
            delivery.finish()


# Passwords


def test_a_wrong_password_is_a_matter_of_configuration(lab: Lab):
    lab.back_up("shop", dump(10))
    lab.repository.password_file.write_text("wrong")
    with pytest.raises(ConfigError, match="wrong password"):
        lab.source().scan([])
    (finding,) = lab.source().check()
    assert (finding.severity, finding.code) == ("refuse", "config")


@pytest.mark.parametrize("how", ["empty file", "no file", "command fails", "command says nothing"])
def test_a_password_that_cannot_be_had(lab: Lab, how: str):
    lab.back_up("shop", dump(10))
    settings: dict[str, Any] = {}
    if how == "empty file":
        lab.repository.password_file.write_text("\n")
    elif how == "no file":
        lab.repository.password_file.unlink()
    else:
        settings = {"password_file": None, "password_command": "false" if how == "command fails" else "true"}
    with pytest.raises(SourceUnavailable if how == "command fails" else ConfigError, match="password"):
        lab.source(**settings).scan([])


def test_a_password_command(lab: Lab):
    lab.back_up("shop", dump(10))
    command = f"cat {lab.repository.password_file}"
    source = lab.source(password_file=None, password_command=command)
    assert delivered(source, only(source, "shop")) == dump(10)


def test_exactly_one_kind_of_password(lab: Lab):
    with pytest.raises(ConfigError, match="exactly one of"):
        lab.source(password_command="x")


def test_settings_of_the_environment_do_not_change_what_restic_does(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    lab.back_up("shop", dump(10))
    for name in ("RESTIC_HOST", "RESTIC_PASSWORD", "RESTIC_REPOSITORY", "RESTIC_PROGRESS_FPS"):
        monkeypatch.setenv(name, "1")
    source = lab.source()
    assert delivered(source, only(source, "shop")) == dump(10)


def test_a_tool_that_is_missing_or_no_restic(lab: Lab):
    lab.back_up("shop", dump(10))
    with pytest.raises(ConfigError, match="restic binary cannot be started"):
        lab.source(restic="/nonexistent/restic").scan([])
    assert "does not say that it is restic" in lab.source(restic="true").check()[0].text
    assert lab.source().check()[0].severity == "ok"


# Manifests and dumps of many databases


def test_a_manifest_in_the_same_snapshot(lab: Lab):
    dumps = lab.folder({"db1/shop.sql": b"x", "db1/shop.sql.manifest.json": b"{}", "db1/blog.sql": b"x"})
    lab.repository.backup(dumps)
    source = lab.source()
    assert source.manifest(only(source, "shop")) == b"{}"
    assert source.manifest(only(source, "blog")) is None
    assert source.scan([]).unparsed == 0


def test_a_manifest_in_a_snapshot_of_its_own(lab: Lab):
    lab.back_up("shop", dump(10))
    lab.back_up("blog", dump(10))
    tag = f"manifest-of={lab.snapshots['shop'][:8]}"
    lab.repository.stream("/db1/shop.sql.manifest.json", b"{}", None, "--tag", tag)
    source = lab.source()
    first = source.scan([])
    assert ({p.database.name for p in first.points}, first.unparsed) == ({"shop", "blog"}, 0)
    assert source.manifest(only(source, "shop")) == b"{}"
    assert source.manifest(only(source, "blog")) is None


HEAD = b"/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE */;\n"
TAIL = b"/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;\n-- Dump completed\n"


def section(name: str) -> bytes:
    return f"\n--\n-- Current Database: `{name}`\n--\n\nUSE `{name}`;\nINSERT INTO t VALUES ('{name}');\n".encode()


def test_one_file_of_many_databases(lab: Lab):
    lab.repository.stream("/db1/all.sql", HEAD + section("shop") + section("blog") + TAIL, "2026-01-17 02:30:00")
    source = lab.source(layout="{engine}/all.sql#{database}")
    points = {p.database.name: p for p in source.scan([]).points}
    for name in ("shop", "blog"):
        assert points[name].consistent_at == JANUARY
        assert delivered(source, points[name]) == HEAD + section(name) + TAIL
    assert source.scan(list(points.values())).points == ()
    shutil.rmtree(lab.base / "cache")
    assert delivered(source, points["blog"]) == HEAD + section("blog") + TAIL
    stored = json.dumps([p.model_dump(mode="json") for p in points.values()])
    assert "INSERT" not in stored


def test_damage_anywhere_in_a_file_of_many_databases_refuses_all_of_them(lab: Lab):
    before = lab.repository.packs()
    lab.repository.stream("/db1/all.sql", HEAD + section("shop") + dump(4 << 20) + section("blog") + TAIL)
    source = lab.source(layout="{engine}/all.sql#{database}")
    (shop,) = (p for p in source.scan([]).points if p.database.name == "shop")
    flip(lab.repository.newest_packs(before)[0])
    with pytest.raises(SourceDamaged):
        delivered(source, shop)
    shutil.rmtree(lab.base / "cache")
    scan = source.scan([])
    assert scan.points == ()
    assert "none of its databases is offered" in scan.problems[0]

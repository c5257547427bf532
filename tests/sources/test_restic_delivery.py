import json
import os
import shutil
import signal
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from contract.source import JANUARY, Quiet, children, delivered, dump, only, tree
from servers.restic import flip
from sources.restic_lab import Lab

from restorekit.errors import (
    Cancelled,
    ConfigError,
    PointExpired,
    SourceDamaged,
    SourceUnavailable,
)
from restorekit.sources.restic import tool

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
    with pytest.raises(ConfigError, match="cannot be started"):
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

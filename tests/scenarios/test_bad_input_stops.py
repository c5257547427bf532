"""Servers and disks that give out in the middle of load, verify and swap: live is as before, and it goes on."""

import contextlib
import itertools
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from scenarios.ground import DAMAGE, Customer, Ground, Tap, small_disk, until
from scenarios.nursery import Command
from servers.mariadb import LiveServer

from restorekit.engines.mariadb.accounts import LOADER
from restorekit.engines.mariadb.connect import rows, to_socket
from restorekit.errors import EngineUnavailable

ASLEEP = "name: default\nchecks: [{name: slow, sql: 'SELECT SLEEP(60)', expect: '== 0'}]\nproof: {timeout: 90}\n"


@pytest.fixture
def point(shop: Customer) -> str:
    made = shop.file()
    shop.sql(DAMAGE)
    return made


def inside(ground: Ground, run_id: str, condition: str) -> list[tuple[Any, ...]]:
    """Which of the staging server's sessions are like that; none while it does not answer."""
    with contextlib.suppress(OSError, EngineUnavailable, ValueError):
        marker = json.loads((ground.house.folder / "staging" / run_id / "sandbox.json").read_text())
        with contextlib.closing(to_socket(Path(marker["socket"]), marker["admin"], marker["password"])) as session:
            return rows(session, f"SELECT id FROM information_schema.processlist WHERE {condition}")
    return []


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def test_staging_server_killed_during_load(ground: Ground, shop: Customer) -> None:
    with slow_source(ground, shop) as tap, ground.untouched():
        command = ground.house.start("restore", shop.database, "--at", "2026-01-18", "--yes", "--json")
        run_id = ground.run_of(command)
        until(tap.reached.exists, "half of the dump has been read")
        # Before the loader has come, a dead server is simply started again.
        until(lambda: inside(ground, run_id, f"user = '{LOADER}'"), "the loader is in the staging server")
        kill(ground.sandbox(run_id))
        tap.open()
        assert command.wait() == 8, command.said
        ground.refused("watch", run_id, code="engine_unavailable", exit_code=8, says=["server"])


def test_staging_server_killed_during_verify(ground: Ground, shop: Customer, point: str) -> None:
    with ground.untouched(), ground.configured(playbooks={"default": ASLEEP}):
        command = ground.house.start("restore", shop.database, "--point", point, "--yes", "--json")
        run_id = ground.run_of(command)
        until(lambda: inside(ground, run_id, "info LIKE 'SELECT SLEEP%%'"), "the application's check is asked")
        kill(ground.sandbox(run_id))
        assert command.wait() == 8, command.said
        ground.refused("watch", run_id, code="engine_unavailable", exit_code=8)


@pytest.fixture
def disk(ground: Ground, request: pytest.FixtureRequest) -> Iterator[Path]:
    """`staging` is a file system of that size."""
    folder = ground.house.folder / "staging"
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(small_disk(folder, request.param))
        except OSError as error:
            pytest.skip(f"no file system can be mounted here: {error}")
        yield folder


@pytest.mark.parametrize("disk", ["8m", pytest.param("60m", marks=pytest.mark.long)], indirect=True)
def test_no_room_for_a_staging_server(ground: Ground, shop: Customer, point: str, disk: Path) -> None:
    with ground.untouched():
        ground.refused("restore", shop.database, "--point", point, "--yes", code="disk_full", exit_code=8)


@pytest.mark.parametrize("disk", ["256m"], indirect=True)
def test_staging_disk_full_during_load(ground: Ground, shop: Customer, disk: Path) -> None:
    shop.sql("CREATE TABLE blobs (id INT PRIMARY KEY, b LONGBLOB)")
    shop.sql("INSERT INTO blobs SELECT seq, RANDOM_BYTES(4096) FROM seq_1_to_1000")
    with slow_source(ground, shop) as tap, ground.untouched():
        command = ground.house.start("restore", shop.database, "--at", "2026-01-18", "--yes", "--json")
        run_id = ground.run_of(command)
        until(tap.reached.exists, "the first bytes of the dump have been read")
        until(lambda: ground.sandbox(run_id), "the staging server runs")
        with (disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(1 << 16))
        tap.open()
        assert command.wait() == 8, command.said
        ground.refused("watch", run_id, code="disk_full", exit_code=8, says=["Free space"])
        (disk / "filler").unlink()


@contextlib.contextmanager
def slow_source(ground: Ground, shop: Customer) -> Iterator[Tap]:
    """A repository with the shop in it, out of which a dump comes as slowly as one wants."""
    folder = ground.folder / f"slow_{shop.name}"
    repository = ground.empty.copy(folder / "repository")
    repository.stream(f"db1/{shop.name}.sql", shop.dump(), "2026-01-17 02:00:00")
    tap = Tap(folder)
    with ground.configured(sources={"slow": {"kind": "restic", **repository.settings(), "restic": str(tap.binary)}}):
        yield tap


def waiting(shop: Customer, point: str, *words: str) -> str:
    answer = shop.restore("--point", point, *words)
    assert answer.code == 6, answer
    return str(answer.json["id"])


def test_live_server_is_down(ground: Ground, shop: Customer, point: str) -> None:
    run_id = waiting(shop, point)
    with ground.untouched():
        ground.live.stop()
        try:
            words = ("restore", shop.database, "--point", point, "--yes")
            ground.refused(*words, code="engine_unavailable", exit_code=8)
            told = ground.refused("approve", run_id, code="engine_unavailable", exit_code=8)
            assert told["state"] == "awaiting_approval"
        finally:
            ground.live.start()
        ground.house.ok("cancel", run_id)


def test_live_server_killed_during_swap(ground: Ground, shop: Customer, point: str) -> None:
    """At the RENAME, with the gate closed. Nobody may claim either side before somebody has looked."""
    before = ground.everything()
    run_id = waiting(shop, point, "--method", "exchange")
    command = ground.house.start("approve", run_id, "--json")
    _kill_at_the_rename(ground.live, f"{shop.name}.orders", command)
    assert command.wait() == 8, command.said
    text = " ".join(" ".join(command.said).split())
    assert "cannot be said now" in text
    assert "untouched" not in text
    assert f"restorekit watch {run_id}" in text
    ground.live.start()
    watched = ground.house.run("watch", run_id, "--json")
    assert (watched.code, watched.json["state"]) == (8, "awaiting_approval"), watched
    assert ground.everything() == before
    assert shop.live.one("SELECT COUNT(*) FROM mysql.global_priv WHERE user LIKE 'rk\\_%'") == 0
    again = ground.house.run("approve", run_id, "--json")
    assert (again.code, again.json["state"]) == (0, "swapped"), again


def _kill_at_the_rename(live: LiveServer, table: str, command: Command) -> None:
    """Short transactions, one beginning before the other ends, keep the table busy until the RENAME waits for them."""
    schema = table.partition(".")[0]
    renaming = f"SELECT 1 FROM information_schema.processlist WHERE info LIKE 'RENAME TABLE `{schema}`%'"
    with contextlib.ExitStack() as stack:
        look, *busy = [stack.enter_context(contextlib.closing(live.connect())) for _ in range(3)]
        for session in itertools.cycle(busy):
            with contextlib.suppress(pymysql.err.OperationalError):  # refused at once: somebody waits already
                session.query("SET SESSION lock_wait_timeout=0")
                session.begin()
                session.query(f"SELECT COUNT(*) FROM {table}")
            if look.query(renaming):
                live.kill()
                return
            assert command.poll() is None, command.said
            for other in busy:
                if other is not session:
                    other.rollback()

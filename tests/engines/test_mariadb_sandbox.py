"""A sandbox is its folder: found again, stopped, started, discarded from any state; and nobody gets out of it."""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pymysql
import pytest
from servers.mariadb import OS_USER
from servers.mariadb_sandbox import LIKE_LIVE, house, small_disk, staged

from restorekit.engines.mariadb import sandbox as sandboxes
from restorekit.engines.mariadb.connect import Settings, one, rows
from restorekit.errors import ConfigError, DiskFull, EngineUnavailable, UnknownName
from restorekit.model.staged import Sandbox, SandboxSpec

WORKER = """
import sys
from pathlib import Path
from restorekit.engines.mariadb.connect import Settings
from restorekit.engines.mariadb.sandbox import open_sandbox
from restorekit.model.home import Home
from restorekit.model.staged import SandboxSpec
base, cache = map(Path, sys.argv[1:])
home = Home(staging=base / "staging", cache=cache, base=base, timezone="UTC")
open_sandbox(Settings(), home, SandboxSpec(id="r1", schema_name="shop"))
"""


@pytest.fixture(scope="module")
def stage():
    with staged("shop") as made:
        yield made


@pytest.fixture
def home():
    _, made = house()
    yield made
    place = Sandbox(id="r1", engine="mariadb", folder=str(made.staging / "r1"), schema_name="shop")
    sandboxes.discard(place)
    shutil.rmtree(made.base)


def refused(session, sql):
    with pytest.raises(pymysql.err.MySQLError) as caught:
        rows(session, sql)
    return caught.value.args[0]


def test_opened_twice_it_is_the_same_server(stage):
    folder = Path(stage.sandbox.folder)
    pid = sandboxes.server_pid(folder)
    again = sandboxes.open_sandbox(stage.settings, stage.home, stage.spec)
    assert again == stage.sandbox
    assert sandboxes.server_pid(folder) == pid


def test_it_stops_while_people_think_and_comes_back_with_its_data(stage):
    stage_rows(stage, "CREATE DATABASE IF NOT EXISTS keep", "CREATE OR REPLACE TABLE keep.t AS SELECT 42 AS a")
    sandboxes.cool(stage.sandbox)
    sandboxes.cool(stage.sandbox)
    assert sandboxes.server_pid(Path(stage.sandbox.folder)) is None
    with contextlib.closing(sandboxes.admin(stage.sandbox)) as session:
        assert one(session, "SELECT a FROM keep.t") == 42


def stage_rows(stage, *statements: str):
    with contextlib.closing(sandboxes.admin(stage.sandbox)) as session:
        for sql in statements:
            rows(session, sql)


def test_a_killed_server_is_started_again(stage):
    pid = sandboxes.server_pid(Path(stage.sandbox.folder))
    os.kill(pid, signal.SIGKILL)
    with contextlib.closing(sandboxes.admin(stage.sandbox)) as session:
        assert one(session, "SELECT 1") == 1


def test_it_shares_what_decides_the_meaning_of_text_and_times(home):
    like = LIKE_LIVE | {
        "sql_mode": "",
        "lower_case_table_names": "1",
        "innodb_page_size": "8192",
        "explicit_defaults_for_timestamp": "0",
        "character_set_server": "latin1",
        "collation_server": "latin1_german2_ci",
        "time_zone": "America/New_York",
    }
    spec = SandboxSpec(id="r1", schema_name="shop", settings=like)
    made = sandboxes.open_sandbox(Settings(), home, spec)
    with contextlib.closing(sandboxes.admin(made)) as session:
        names = [name for name in like if not name.startswith(("schema_", "time_"))]
        found = rows(session, "SELECT " + ",".join(f"@@global.{name}" for name in names))[0]
        assert [str(value) for value in found] == [like[name] for name in names]
        rows(session, "SET time_zone=@@global.time_zone")
        assert one(session, "SELECT UNIX_TIMESTAMP('2026-07-01 12:00:00')") == 1782921600  # 16:00 UTC, in summer
        assert one(session, "SELECT UNIX_TIMESTAMP('2026-01-01 12:00:00')") == 1767286800  # 17:00 UTC, in winter


def test_the_server_is_nobody_and_lets_nobody_in(stage):
    folder = Path(stage.sandbox.folder)
    pid = sandboxes.server_pid(folder)
    assert Path(f"/proc/{pid}").owner() == OS_USER
    assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "sandbox.json").stat().st_mode) == 0o600
    marker = sandboxes.running_marker(stage.sandbox)
    assert stat.S_IMODE(Path(marker.socket).parent.stat().st_mode) == 0o700
    with contextlib.closing(sandboxes.admin(stage.sandbox)) as session:
        accounts = rows(session, "SELECT user, JSON_VALUE(priv, '$.access') FROM mysql.global_priv ORDER BY user")
        strong = [user for user, access in accounts if int(access or 0)]
        assert strong == [marker.admin]
        assert rows(session, "SELECT * FROM mysql.tables_priv") == []
        assert rows(session, "SELECT * FROM mysql.db WHERE user='mariadb.sys'") == []
        settings = "SELECT @@skip_networking, @@local_infile, @@event_scheduler, @@log_bin, @@performance_schema"
        assert rows(session, settings) == [(1, 0, "OFF", 0, 0)]
        assert Path(one(session, "SELECT @@secure_file_priv")) == folder / "files"
    for user in ("root", "mariadb.sys", ""):
        with pytest.raises(pymysql.err.OperationalError):
            pymysql.connect(unix_socket=marker.socket, user=user)


def test_the_reader_can_only_read_the_one_schema(stage):
    stage_rows(
        stage,
        "CREATE DATABASE IF NOT EXISTS shop",
        "CREATE DATABASE IF NOT EXISTS sh_p",
        "CREATE DATABASE IF NOT EXISTS shxp",
        "CREATE OR REPLACE TABLE shop.t AS SELECT 1 AS a",
    )
    with contextlib.closing(sandboxes.reader(stage.sandbox, "shop", timeout_s=0.2)) as session:
        assert one(session, "SELECT a FROM t") == 1
        assert one(session, "SELECT LOAD_FILE('/etc/hostname')") is None
        assert {name for (name,) in rows(session, "SHOW DATABASES")} == {"information_schema", "shop"}
        for sql in (
            "INSERT INTO t VALUES (2)",
            "DELETE FROM t",
            "CREATE TABLE x (a INT)",
            "CREATE TEMPORARY TABLE x (a INT)",
            "SELECT * FROM mysql.global_priv",
            "SELECT 1 INTO OUTFILE 'x'",
            "SET GLOBAL max_connections=9",
            "SELECT SLEEP(5)",
        ):
            assert refused(session, sql) in (1044, 1142, 1045, 1227, 1792, 1969, 1290), sql
    with contextlib.closing(sandboxes.reader(stage.sandbox, "sh_p")) as session:
        assert {name for (name,) in rows(session, "SHOW DATABASES")} == {"information_schema", "shop", "sh_p"}


@pytest.mark.parametrize("place", ["sandbox.copying", "sandbox.started"])
@pytest.mark.parametrize("then", ["open", "discard"])
def test_a_worker_killed_while_creating_it(home, place, then):
    env = os.environ | {"RESTOREKIT_CRASH_AT": place}
    argv = [sys.executable, "-c", WORKER, str(home.base), str(home.cache)]
    assert subprocess.run(argv, env=env, timeout=60, check=False).returncode == -signal.SIGKILL
    folder = home.staging / "r1"
    orphan = sandboxes.server_pid(folder)
    assert (orphan is not None) == (place == "sandbox.started")
    if then == "open":
        made = sandboxes.open_sandbox(Settings(), home, SandboxSpec(id="r1", schema_name="shop"))
        assert orphan in (None, sandboxes.server_pid(folder))
        with contextlib.closing(sandboxes.admin(made)) as session:
            assert one(session, "SELECT 1") == 1
    sandboxes.discard(Sandbox(id="r1", engine="mariadb", folder=str(folder), schema_name="shop"))
    assert not folder.exists()
    assert sandboxes.server_pid(folder) is None


def test_two_open_it_at_once_and_get_the_same_server(home):
    found, spec = [], SandboxSpec(id="r1", schema_name="shop")

    def opened():
        made = sandboxes.open_sandbox(Settings(), home, spec)
        found.append(sandboxes.server_pid(Path(made.folder)))

    threads = [threading.Thread(target=opened) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 3
    assert len(set(found)) == 1


def test_a_long_path_gets_a_short_socket(home):
    deep = home.model_copy(update={"staging": home.staging / ("x" * 90)})
    made = sandboxes.open_sandbox(Settings(), deep, SandboxSpec(id="r1", schema_name="shop"))
    short = Path(sandboxes.running_marker(made).socket)
    assert len(str(short)) < 100
    sandboxes.cool(made)
    shutil.rmtree(short.parent)  # /run is empty after a reboot
    with contextlib.closing(sandboxes.admin(made)) as session:
        assert one(session, "SELECT 1") == 1
    sandboxes.discard(made)
    assert not short.parent.exists()


def test_what_is_gone_or_not_ours_is_said_and_left_alone(home):
    made = sandboxes.open_sandbox(Settings(), home, SandboxSpec(id="r1", schema_name="shop"))
    sandboxes.discard(made)
    sandboxes.discard(made)
    with pytest.raises(UnknownName, match="is gone"):
        sandboxes.admin(made)
    foreign = home.staging / "precious"
    foreign.mkdir()
    (foreign / "file").write_text("x")
    with pytest.raises(EngineUnavailable, match="left alone"):
        sandboxes.discard(made.model_copy(update={"folder": str(foreign)}))
    assert (foreign / "file").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user to drop to")
def test_a_folder_the_servers_user_cannot_enter_is_named(home):
    home.staging.mkdir(parents=True)
    home.staging.chmod(0o700)
    with pytest.raises(ConfigError, match="cannot enter") as caught:
        sandboxes.open_sandbox(Settings(), home, SandboxSpec(id="r1", schema_name="shop"))
    assert str(home.staging) in caught.value.hint


def test_programs_that_are_missing_or_do_not_start(home):
    spec = SandboxSpec(id="r1", schema_name="shop")
    with pytest.raises(EngineUnavailable, match="no-such-program"):
        sandboxes.open_sandbox(Settings(mariadbd="no-such-program"), home, spec)
    bad = spec.model_copy(update={"settings": {"collation_server": "klingon_ci"}})
    with pytest.raises(EngineUnavailable, match="did not start"):
        sandboxes.open_sandbox(Settings(), home, bad)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
@pytest.mark.parametrize("size", ["8m", "60m"])
def test_a_full_disk_is_said_and_leaves_nothing_behind(home, size):
    with small_disk(home.staging, size):
        with pytest.raises(DiskFull, match="live is untouched"):
            sandboxes.open_sandbox(Settings(), home, SandboxSpec(id="r1", schema_name="shop"))
        place = Sandbox(id="r1", engine="mariadb", folder=str(home.staging / "r1"), schema_name="shop")
        sandboxes.discard(place)
        assert list(home.staging.iterdir()) == []

"""One database out of a whole data directory, as a snapshot would have caught it: in the middle of everything."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from servers.btrfs import Disk, btrfs_disk, on_subvolume, snapshot
from servers.mariadb import OS_USER, LiveServer, server_folder
from servers.mariadb_live import Quiet, cache, live_on
from servers.mariadb_sandbox import small_disk
from servers.zoo import ZOO

from restorekit.discovery import provider
from restorekit.engines.mariadb import MariaDB
from restorekit.engines.mariadb.connect import Settings
from restorekit.engines.mariadb.contents import contents
from restorekit.errors import Cancelled, DiskFull, EngineUnavailable, PointUnusable, SourceDamaged
from restorekit.model.artifact import Loaded
from restorekit.model.contents import Contents
from restorekit.model.database import Where
from restorekit.model.home import Home
from restorekit.model.staged import SandboxSpec
from restorekit.relay import Relay

__all__ = ["btrfs_disk"]

CANARY = "canary-4711-of-another-customer"
OBJECTS = """
CREATE DEFINER=web@'10.%' VIEW open_orders AS SELECT id, code FROM parent;
CREATE DEFINER=gone@nowhere VIEW of_nobody AS SELECT id FROM parent;
CREATE DEFINER=web@'10.%' TRIGGER tr BEFORE INSERT ON tags FOR EACH ROW SET NEW.tag=UPPER(NEW.tag);
CREATE DEFINER=web@'10.%' EVENT ev ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01' DO DELETE FROM tags;
CREATE DEFINER=gone@nowhere FUNCTION twice(a INT) RETURNS INT DETERMINISTIC RETURN a*2;
"""


def copied(data: Path, to: Path) -> Path:
    subprocess.run(["cp", "-a", "--reflink=auto", str(data), str(to)], check=True)
    return to


@pytest.fixture(scope="module")
def killed() -> Iterator[tuple[Path, Contents]]:
    """The data directory of a server that was killed in the middle of its work, and what the zoo in it held."""
    with LiveServer.running(log_bin=True, event_scheduler=True, args=("--innodb-log-file-size=8M",)) as live:
        live.script("CREATE DATABASE zoo; CREATE DATABASE `other-shop`; CREATE TABLE `other-shop`.t (a TEXT)")
        live.script(f"INSERT INTO `other-shop`.t VALUES ('{CANARY}')")
        live.script(ZOO, "zoo")
        live.script(OBJECTS, "zoo")
        live.script("CREATE TABLE late (a INT PRIMARY KEY); CREATE TABLE last (a INT PRIMARY KEY)", "zoo")
        live.restart()  # what was written until here needs no recovery
        with contextlib.closing(live.connect("zoo")) as session, session.cursor() as cursor:
            session.autocommit(False)
            cursor.execute("INSERT INTO late SELECT seq FROM seq_1_to_5000")  # never committed
            live.script("INSERT INTO parent (code) VALUES ('acknowledged')", "zoo")
            expected = contents(live_on(live), Where(schema_name="zoo"))
            live.rows("INSERT INTO zoo.last VALUES (1)")
            live.kill()
        yield live.data, expected


@pytest.fixture
def datadir(killed: tuple[Path, Contents]) -> Iterator[Path]:
    """A copy of it; nothing runs in it afterwards."""
    folder = server_folder("rk-clone-")
    yield copied(killed[0], folder / "data")
    assert serving(folder) == []
    shutil.rmtree(folder)


def serving(folder: Path) -> list[int]:
    """Living processes that were told of this folder."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(folder) in line.read_text(errors="replace") and int(line.parent.name) != os.getpid():
                found.append(int(line.parent.name))
    return found


@pytest.fixture
def engine() -> Iterator[MariaDB]:
    folder = server_folder("rk-home-")
    home = Home(staging=folder / "staging", cache=cache(), base=folder, timezone="Europe/Berlin")
    yield MariaDB("db1", Settings(sandbox_memory_mb=128), home)
    shutil.rmtree(folder)


def streamed(engine: MariaDB, datadir: Path, schema: str = "zoo") -> bytes:
    with engine.extract(datadir, schema, Quiet()) as extraction:
        assert (extraction.form, extraction.size) == (("sql", "none"), None)
        return b"".join(Relay(extraction, Quiet()))


@contextlib.contextmanager
def staged(engine: MariaDB, stream: bytes, schema: str = "zoo") -> Iterator[tuple[Loaded, Where]]:
    """Loaded into a sandbox by the ordinary way."""
    sandbox = engine.open_sandbox(SandboxSpec(id="r1", schema_name=schema))
    try:
        loaded = engine.load(sandbox, [stream], ("sql", "none"), Quiet())
        yield loaded, Where(schema_name=schema, sandbox=sandbox.folder)
    finally:
        engine.discard(sandbox)


def sums(found: Contents) -> dict[str, Any]:
    return {t.name: (t.rows, t.fingerprint, t.history and t.history.rows) for t in found.tables}


def test_all_that_was_acknowledged_and_nothing_else_comes_out(
    killed: tuple[Path, Contents], datadir: Path, engine: MariaDB
):
    expected = killed[1]
    stream = streamed(engine, datadir)
    with staged(engine, stream) as (loaded, where):
        assert loaded.complete == "yes"
        manifest = loaded.manifest
        found = engine.contents(where)
    assert CANARY.encode() not in stream
    assert b"other-shop" not in stream
    assert (sums(found)["late"][0], sums(found)["last"][0]) == (0, 1)
    assert {n for n, s in sums(found).items() if s != sums(expected)[n]} <= {"last", "times"}  # FLOAT loses digits
    assert sums(found) == sums(manifest)
    assert [(o.kind, o.name, o.hash, o.definer) for o in manifest.objects] == [
        (o.kind, o.name, o.hash, o.definer) for o in expected.objects
    ]
    assert {o.name: o.definer for o in found.objects if o.kind != "sequence"}.keys() >= {"open_orders", "tr", "ev"}
    assert {"gone@nowhere", "web@10.%"} <= set(loaded.definers)


def test_it_can_be_done_twice_in_the_same_copy(datadir: Path, engine: MariaDB):
    first, second = streamed(engine, datadir, "other-shop"), streamed(engine, datadir, "other-shop")
    assert first.count(CANARY.encode()) == second.count(CANARY.encode()) == 1


def test_a_database_that_is_not_in_it(datadir: Path, engine: MariaDB):
    with pytest.raises(PointUnusable, match="holds no database shop"):
        streamed(engine, datadir, "shop")


def test_another_version_is_refused_with_both_named(datadir: Path, engine: MariaDB):
    (datadir / "mysql_upgrade_info").write_text("11.4.2-MariaDB")
    with pytest.raises(PointUnusable, match=r"is of MariaDB 11\.4\.2, and mariadbd here is 10\.11\."):
        streamed(engine, datadir)
    assert not (datadir / ".restorekit").exists()
    (datadir / "mysql_upgrade_info").write_text("10.6.1-MariaDB")  # it ran here without having been upgraded
    assert streamed(engine, datadir, "other-shop")


def test_a_directory_in_which_a_server_runs_is_left_alone(engine: MariaDB):
    with LiveServer.running() as live:
        before = {p: (p.stat().st_uid, p.stat().st_gid) for p in live.data.rglob("*")}
        with pytest.raises(EngineUnavailable, match="a server runs in"):
            streamed(engine, live.data, "mysql")
        assert before == {p: (p.stat().st_uid, p.stat().st_gid) for p in live.data.rglob("*") if p in before}
        assert live.one("SELECT 1") == 1


@pytest.mark.parametrize("name", ["ibdata1", "ib_logfile0", "aria_log_control"])
def test_parts_that_lie_elsewhere_are_named(datadir: Path, engine: MariaDB, name: str):
    (datadir / name).unlink()
    with pytest.raises(PointUnusable, match=f"not whole: {name} must lie elsewhere"):
        streamed(engine, datadir)


def test_tablespaces_that_lie_elsewhere(datadir: Path, engine: MariaDB):
    (datadir / "zoo" / "parent.isl").write_text("/disk2/zoo/parent.ibd")
    with pytest.raises(PointUnusable, match=r"\(zoo/parent.isl\)"):
        streamed(engine, datadir)


def test_what_was_committed_last_stands_in_the_binary_log(datadir: Path, engine: MariaDB):
    for log in datadir.glob("binlog.*"):
        log.unlink()
    with pytest.raises(PointUnusable, match="the binary log, which says what was committed last"):
        streamed(engine, datadir)


def test_a_server_that_keeps_no_binary_log(engine: MariaDB):
    with LiveServer.running(args=("--innodb-log-file-size=8M",)) as live:
        live.script(f"CREATE DATABASE blog; CREATE TABLE blog.t (a TEXT); INSERT INTO blog.t VALUES ('{CANARY}')")
        live.kill()
        assert CANARY.encode() in streamed(engine, live.data, "blog")


def test_an_index_that_leads_to_the_logs_of_live_is_not_followed(datadir: Path, engine: MariaDB):
    newest = max(datadir.glob("binlog.0*"))
    live = copied(newest, datadir.with_name(newest.name))
    (datadir / "binlog.index").write_text(f"{live}\n")
    relayed = bytearray(newest.read_bytes())
    relayed[21] |= 0x40
    (datadir / "relay-bin.000009").write_bytes(relayed)
    before = (live.read_bytes(), live.stat().st_mtime_ns)
    assert streamed(engine, datadir)
    assert (live.read_bytes(), live.stat().st_mtime_ns) == before


def overwrite(path: Path, at: int, size: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(os.urandom(size))


def test_a_broken_system_is_damage_with_the_servers_last_words(datadir: Path, engine: MariaDB):
    overwrite(datadir / "ib_logfile0", 0x1000, 0x3000)  # both checkpoints
    with pytest.raises(SourceDamaged, match="no server can recover the data directory: InnoDB"):
        streamed(engine, datadir)


def test_a_broken_table_is_damage_and_no_shorter_dump(datadir: Path, engine: MariaDB):
    overwrite(datadir / "other@002dshop" / "t.ibd", 3 * 16384 + 40, 16384 - 40)
    with pytest.raises(SourceDamaged) as raised:
        streamed(engine, datadir, "other-shop")
    assert CANARY not in str(raised.value)
    assert streamed(engine, datadir)  # the others are not harmed


def test_a_server_that_cannot_start_for_other_reasons_is_no_damage(datadir: Path, engine: MariaDB, tmp_path: Path):
    wrapper = server_folder("rk-bin-") / "mariadbd"
    wrapper.write_text('#!/bin/sh\n[ "$2" = --version ] && exec mariadbd "$@"\nexec mariadbd "$@" --no-such-option\n')
    wrapper.chmod(0o755)
    other = MariaDB("db1", engine._settings.model_copy(update={"mariadbd": str(wrapper)}), engine._home)
    with pytest.raises(EngineUnavailable, match="no server could be started"):
        streamed(other, datadir)
    shutil.rmtree(wrapper.parent)


def test_a_full_disk_is_no_damage(killed: tuple[Path, Contents], engine: MariaDB):
    folder = server_folder("rk-small-")
    with small_disk(folder / "disk", "100m"):
        datadir = copied(killed[0], folder / "disk" / "data")
        (datadir / "ibtmp1").unlink()
        with (folder / "disk" / "filling").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(folder / "disk").free - (4 << 20))
        with pytest.raises(DiskFull, match="live is untouched"):
            streamed(engine, datadir)
    shutil.rmtree(folder)


def test_leaving_early_and_cancelling_leave_no_process(datadir: Path, engine: MariaDB):
    with engine.extract(datadir, "zoo", Quiet()) as extraction:
        assert extraction.read(10)
        assert serving(datadir)
    assert serving(datadir) == []

    class Impatient(Quiet):
        def check(self) -> None:
            raise Cancelled("cancelled by the test")

    with pytest.raises(Cancelled), engine.extract(datadir, "zoo", Impatient()):
        pass


def test_a_server_that_dies_while_it_is_read_is_no_end_of_the_dump(datadir: Path, engine: MariaDB):
    with engine.extract(datadir, "zoo", Quiet()) as extraction:
        for pid in serving(datadir):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with pytest.raises((SourceDamaged, EngineUnavailable)):
            b"".join(Relay(extraction, Quiet()))


WORKER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from servers.mariadb_live import Quiet
    from restorekit.engines.mariadb import MariaDB
    from restorekit.engines.mariadb.connect import Settings
    from restorekit.model.home import Home
    home = Home(staging=Path("/x"), cache=Path("/x"), base=Path("/"), timezone="UTC")
    with MariaDB("db1", Settings(sandbox_memory_mb=128), home).extract(Path(sys.argv[1]), "zoo", Quiet()) as extraction:
        print(len(extraction.read(10)), flush=True)
        sys.stdin.read()
""")


def test_the_server_dies_with_the_process_that_started_it(datadir: Path):
    tests = Path(__file__).parents[1]
    env = os.environ | {"PYTHONPATH": f"{tests.parent}:{tests}"}
    argv = [sys.executable, "-c", WORKER, str(datadir)]
    with subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"10\n"
        assert len(serving(datadir)) > 1
        process.kill()
    end = time.monotonic() + 10
    while serving(datadir) and time.monotonic() < end:
        time.sleep(0.01)
    assert serving(datadir) == []


def test_a_socket_path_that_is_too_long(killed: tuple[Path, Contents], engine: MariaDB):
    folder = server_folder("rk-long-")
    deep = folder / ("x" * 90)
    deep.mkdir()
    assert streamed(engine, copied(killed[0], deep / "data"), "other-shop")
    assert serving(folder) == []
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_nobody_else_can_reach_the_server(datadir: Path, engine: MariaDB):
    with engine.extract(datadir, "zoo", Quiet()):
        assert (datadir / ".restorekit").stat().st_mode & 0o077 == 0
        assert (datadir / "ibdata1").owner() == OS_USER
        root = ["mariadb", "--no-defaults", f"--socket={datadir / '.restorekit/tmp/s'}", "-e", "SELECT 1"]
        done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", *root], capture_output=True, check=False)
        assert done.returncode != 0


@pytest.mark.long
@pytest.mark.parametrize("size", ["4k", "64k"])
def test_other_page_sizes(engine: MariaDB, size: str):
    folder = server_folder("rk-page-")
    shutil.chown(folder, OS_USER)
    words = ["--no-defaults", f"--datadir={folder / 'data'}", f"--tmpdir={folder}", f"--innodb-page-size={size}"]
    words += ["--auth-root-authentication-method=normal", "--skip-test-db", f"--user={OS_USER}"]
    subprocess.run(["mariadb-install-db", *words], check=True, capture_output=True, timeout=120)
    assert b"Dump completed" in streamed(engine, folder / "data", "mysql")
    shutil.rmtree(folder)


@pytest.fixture
def on_btrfs(btrfs_disk: Disk) -> Iterator[LiveServer]:
    with on_subvolume(btrfs_disk) as live:
        yield live


def test_from_a_snapshot_taken_while_live_writes(on_btrfs: LiveServer, engine: MariaDB, tmp_path: Path):
    live = on_btrfs
    live.script("CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY AUTO_INCREMENT, n INT)")
    live.script("CREATE DATABASE blog; CREATE TABLE blog.t (a TEXT)")
    live.script(f"INSERT INTO blog.t VALUES ('{CANARY}')")
    room = live.folder.parent
    acknowledged: list[int] = []
    with _writing(live, acknowledged) as reached:
        reached(200)
        before = len(acknowledged)
        taken = snapshot(live.folder, room / "snapshots/1")
        after = len(acknowledged)
        reached(after + 50)
    live.script("DROP TABLE shop.orders")
    home = Home(staging=tmp_path, cache=tmp_path / "cache", base=room, timezone="UTC")
    section = {"path": "live", "snapshots": "snapshots", "holds": "datadir", "layout": "data/{database:mysql}/db.opt"}
    source = provider("restorekit.sources", "snaps", {"kind": "btrfs", "engine": "db1", **section}, home)
    points = {p.database.name: p for p in source.scan([]).points}
    assert sorted(points) == ["blog", "shop"]
    with source.clone(points["shop"], Quiet()) as datadir:
        stream = streamed(engine, datadir, "shop")
    assert CANARY.encode() not in stream
    with staged(engine, stream, "shop") as (loaded, where):
        ids = [row[0] for row in engine.ask(where, "SELECT id FROM orders ORDER BY id", 10)]
        assert sums(engine.contents(where)) == sums(loaded.manifest)
    assert ids[:before] == acknowledged[:before]  # all that was acknowledged before it
    assert len(ids) <= after + 1  # nothing that was committed after it
    assert live.one("SELECT COUNT(*) FROM blog.t") == 1
    assert not (taken / "data/.restorekit").exists()
    assert list((room / "snapshots/.restorekit").iterdir()) == []


@contextlib.contextmanager
def _writing(live: LiveServer, acknowledged: list[int]) -> Iterator[Callable[[int], None]]:
    """One customer who never rests; the function waits until so many of the writes were acknowledged."""
    stop, grown = threading.Event(), threading.Condition()

    def write() -> None:
        with contextlib.closing(live.connect("shop")) as session, session.cursor() as cursor:
            while not stop.is_set():
                cursor.execute("INSERT INTO orders (n) VALUES (1)")
                with grown:
                    acknowledged.append(cursor.lastrowid)
                    grown.notify_all()

    def reached(count: int) -> None:
        with grown:
            assert grown.wait_for(lambda: len(acknowledged) >= count, timeout=30)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield reached
    finally:
        stop.set()
        thread.join()

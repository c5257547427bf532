"""What real customers have goes into a sandbox and comes out the same; what is broken is said."""

import contextlib
import gzip
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zstandard
from servers.mariadb import LiveServer, shared_data
from servers.mariadb_sandbox import Quiet, chunked, staged, without_comments
from servers.zoo import TABLES, ZOO

from restorekit.engines.mariadb import defer, sandbox
from restorekit.engines.mariadb.connect import one
from restorekit.errors import Cancelled, DiskFull, DumpIncomplete, EngineUnavailable, LoadFailed

CANARY = "Geheimnis-4711"


@pytest.fixture(scope="module")
def live():
    with LiveServer.running(args=("--default-time-zone=+02:00",)) as server:
        server.script("CREATE DATABASE zoo CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
        server.script(ZOO, "zoo")
        yield server


@pytest.fixture(scope="module")
def stage():
    with staged() as made:
        yield made


ALL = ("--routines", "--events", "--triggers", "--single-transaction")
DIALECTS = {
    "plain": ("yes", ()),
    "hex": ("yes", ("--hex-blob", "--dump-history")),
    "one row each": ("yes", ("--skip-extended-insert", "--complete-insert")),
    "no comments": ("yes", ("--skip-comments",)),
    "compact": ("unknown", ("--compact",)),
    "databases": ("yes", ("--databases",)),
    "server zone": ("yes", ("--skip-tz-utc",)),
    "latin1": ("yes", ("--default-character-set=latin1",)),
    "replace": ("yes", ("--replace", "--no-autocommit", "--order-by-primary")),
}


LATER = ("plain", "compact", "databases")


@pytest.mark.parametrize(
    ("dialect", "large"), [*((name, defer.LARGE) for name in DIALECTS), *((name, 1) for name in LATER)]
)
def test_the_zoo_comes_out_as_it_went_in(live, stage, monkeypatch, dialect, large):
    monkeypatch.setattr(defer, "LARGE", large)  # 1: every table's indexes are built afterwards
    complete, words = DIALECTS[dialect]
    charset = () if dialect == "latin1" else ("--default-character-set=utf8mb4",)
    dump = live.dumped(*charset, *ALL, *words, "zoo")
    loaded = stage.load(dump)
    assert (loaded.complete, loaded.warnings) == (complete, ())
    assert [t.name for t in loaded.tables] == sorted(TABLES)
    for table in loaded.tables:
        assert table.witness.rows == counted(live, table.name, history="hex" in dialect), table.name
    assert {check.outcome for check in stage.witness(loaded)} == {"passed"}
    again = [w for w in words if w != "--databases"]
    assert without_comments(stage.dump(*charset, *ALL, *again, "zoo")) == without_comments(
        live.dumped(*charset, *ALL, *again, "zoo")
    )


def counted(live, name, *, history):
    quoted = "`" + name.replace("`", "``") + "`"
    everything = " FOR SYSTEM_TIME ALL" if history and name == "prices" else ""
    return live.one(f"SELECT COUNT(*) FROM {quoted}{everything}", "zoo")


def test_who_wrote_it_and_how_is_noticed(live, stage):
    dump = live.dumped("--default-character-set=utf8mb4", *ALL, "--hex-blob", "zoo")
    loaded = stage.load(dump)
    facts = loaded.dialect
    assert facts["producer"] == "mariadb-dump"
    assert facts["server_version"].startswith("10.11")
    assert facts["database"] == "zoo"
    assert (facts["hex_blob"], facts["tz_utc"], facts["charset"]) == ("yes", "yes", "utf8mb4")
    assert facts["moment"][:11] == time.strftime("%Y-%m-%dT")
    assert set(loaded.definers) == {"root@localhost", "web@10.%", "old@localhost"}


def test_definers_are_stood_in_for_by_accounts_that_can_only_read(live, stage):
    stage.load(live.dumped("--default-character-set=utf8mb4", *ALL, "zoo"))
    with sandbox.reader(stage.sandbox, "zoo") as session, session.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM a_view_first")
        assert cursor.fetchall() == ((3,),)
    for user in ("root@localhost", "`old`@localhost", "web@`10.%`"):
        grants = [g for (g,) in stage.rows(f"SHOW GRANTS FOR {user}")]
        assert grants[0].startswith("GRANT USAGE ON *.* ")
        assert grants[1:] == [f"GRANT SELECT, EXECUTE, SHOW VIEW ON `zoo`.* TO {grants[1].rpartition(' ')[2]}"]
    locked = stage.rows("SELECT user FROM mysql.global_priv WHERE JSON_VALUE(priv, '$.account_locked') ORDER BY user")
    assert [user for (user,) in locked] == ["mariadb.sys", "old", "rk_loader", "root", "web"]


def test_events_of_the_dump_do_not_fire(live, stage):
    stage.load(live.dumped("--default-character-set=utf8mb4", *ALL, "zoo"))
    assert stage.rows("SELECT @@event_scheduler, status FROM information_schema.events") == [("OFF", "ENABLED")]


def test_chinook_in_its_own_layout(stage):
    loaded = stage.load(shared_data("Chinook_MySql.sql").read_bytes())
    assert len(loaded.tables) == 11
    assert sum(t.witness.rows for t in loaded.tables) == 15607
    assert loaded.complete == "unknown"
    assert "CREATE DATABASE Chinook (the dump's own database)" in loaded.dropped
    assert loaded.dialect["database"] == "Chinook"
    assert stage.one("SELECT COUNT(*) FROM information_schema.referential_constraints") == 11


@pytest.mark.parametrize("kind", ["none", "gzip", "zstd"])
def test_compressed_streams(stage, kind):
    pack = {"none": bytes, "gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}[kind]
    assert stage.load(pack(b"CREATE TABLE t (a INT);\nINSERT INTO t VALUES (1);\n"), compression=kind).statements == 2
    if kind != "none":
        with pytest.raises(DumpIncomplete, match="live is untouched"):
            stage.load(pack(b"CREATE TABLE t (a INT);\n")[:-4], compression=kind)


def lines(live):
    return live.dumped("--default-character-set=utf8mb4", *ALL, "zoo").splitlines(keepends=True)


def test_cut_between_statements_loads_and_is_not_complete(live, stage):
    text = lines(live)
    end = next(i for i, line in enumerate(text) if b"Table structure for table `parted`" in line)
    loaded = stage.load(b"".join(text[: end + 2]))
    assert (loaded.complete, loaded.warnings) == ("no", ())
    assert "parted" in loaded.complete_why
    loaded = stage.load(b"".join(text[: end - 1]))
    assert loaded.complete == "no"
    assert "-- Dump completed" in loaded.complete_why


def test_something_after_the_end_marker_is_not_complete(live, stage):
    loaded = stage.load(b"".join(lines(live)) + b"CREATE TABLE more (a INT);\n")
    assert (loaded.complete, loaded.complete_why) == ("unknown", "statements follow the end marker")


@pytest.mark.parametrize("cut", ["after )", "in a string"])
def test_cut_inside_an_insert_never_takes_effect(stage, cut):
    dump = b"CREATE TABLE t (a INT, b TEXT);\nINSERT INTO t VALUES (1,'x');\nINSERT INTO t VALUES (2,'y'),(3,'zz"
    dump += b"z')" if cut == "after )" else b""
    with pytest.raises(DumpIncomplete, match="that statement was not run, live is untouched"):
        stage.load(dump)
    assert stage.one("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='zoo' AND table_rows>1") == 0


@pytest.mark.parametrize("dump", [b"", b"\n", b"-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB\n"])
def test_an_empty_dump_is_said(stage, dump):
    with pytest.raises(DumpIncomplete, match="empty"):
        stage.load(dump)


def test_a_stream_that_breaks_passes_its_error_through(stage):
    def broken():
        yield b"CREATE TABLE t (a INT);\nINSERT INTO t VALUES (1);\nINSERT INTO t VALUES (2)"
        raise EngineUnavailable("the medium broke")

    with pytest.raises(EngineUnavailable, match="the medium broke"):
        stage.load(broken())
    assert stage.load(b"CREATE TABLE t (a INT);\n").statements == 1
    assert stage.one("SELECT COUNT(*) FROM t") == 0


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        (
            f"CREATE TABLE t (a VARCHAR(50) PRIMARY KEY);\nINSERT INTO t VALUES ('{CANARY}'),('{CANARY}');",
            "duplicate key",
        ),
        (f"INSERT INTO t VALUES ('{CANARY}');", "unknown table"),
        (f"CREATE TABLE t (a INT);\nINSERT INTO t VALUES (1,'{CANARY}');", "number of values"),
        (f"CREATE TABLE t (a INT);\nINSERT INTO t VALUES ('{CANARY}' + );", "syntax"),
        (f"SET @x='{CANARY}';\nCREATE TABLE t (a INT CHECK (a>1));\nINSERT INTO t VALUES (0);", "CHECK"),
        ("CREATE TABLE t (a TEXT COLLATE klingon_ci);", "unknown collation"),
        (f"CREATE TABLE t (a TEXT COMMENT '{CANARY}' KEY);", "error 1170"),
    ],
)
def test_what_the_server_refuses_is_told_without_values(stage, sql, says):
    with pytest.raises(LoadFailed, match=says) as caught:
        stage.load(sql.encode() + b"\n")
    told = f"{caught.value} {caught.value.hint} {caught.value.details} {caught.value.__cause__}"
    assert CANARY not in told
    assert caught.value.__suppress_context__
    assert "statement " in told
    assert " at byte " in told
    assert "live is untouched" in told


def test_a_duplicate_found_by_a_later_index_names_the_table(stage, monkeypatch):
    monkeypatch.setattr(defer, "LARGE", 1)
    dump = b"-- MySQL dump 10.13  Distrib 5.7.44, for Linux\nCREATE TABLE `t` (\n  `a` int(11) NOT NULL,\n"
    dump += b"  `b` varchar(50),\n  PRIMARY KEY (`a`),\n  UNIQUE KEY `ub` (`b`)\n) ENGINE=InnoDB;\n"
    dump += f"INSERT INTO `t` VALUES (1,'{CANARY}'),(2,'{CANARY}');\n".encode()
    with pytest.raises(LoadFailed, match="an index of t: a duplicate key ub") as caught:
        stage.load(dump)
    assert CANARY not in str(caught.value)


def test_what_the_server_changed_is_a_warning_without_values(stage):
    dump = "SET SESSION sql_mode='';\n"
    dump += "CREATE TABLE t (a TINYINT, b VARCHAR(3), c VARCHAR(9) CHARACTER SET latin1, d DATE, e INT);\n"
    dump += f"INSERT INTO t VALUES (999,'{CANARY}','Ж','2021-02-31','{CANARY}'),(1,'{CANARY}','x',NULL,2);\n"
    loaded = stage.load(dump.encode())
    assert loaded.warnings == (
        "t.a: 1 times a number out of range (warning 1264)",
        "t.b: 2 times data that were truncated (warning 1265)",
        "t.d: 1 times data that were truncated (warning 1265)",
        "t.c: 1 times text that is not valid in its column (warning 1366)",
        "t.e: 1 times text that is not valid in its column (warning 1366)",
    )
    assert CANARY not in loaded.model_dump_json()


MYSQL8 = """-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: zoo
-- ------------------------------------------------------
-- Server version\t8.0.36

/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!50503 SET NAMES utf8mb4 */;
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;
SET @MYSQLDUMP_TEMP_LOG_BIN = @@SESSION.SQL_LOG_BIN;
SET @@SESSION.SQL_LOG_BIN= 0;
SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ '3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5';

--
-- Table structure for table `people`
--

DROP TABLE IF EXISTS `people`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!50503 SET character_set_client = utf8mb4 */;
CREATE TABLE `people` (
  `id` int NOT NULL AUTO_INCREMENT,
  `name` varchar(50) COLLATE utf8mb4_0900_ai_ci DEFAULT 'utf8mb4_0900_ai_ci',
  `ort` varchar(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_de_pb_0900_ai_ci DEFAULT NULL,
  `photo` varbinary(20) DEFAULT NULL,
  `at` timestamp NULL DEFAULT CURRENT_TIMESTAMP,
  `twice` int GENERATED ALWAYS AS (length(`name`)) VIRTUAL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `un` (`name`),
  KEY `ko` (`ort`) /*!80000 INVISIBLE */,
  CONSTRAINT `never` CHECK ((`ort` > 'x')) /*!80016 NOT ENFORCED */,
  CONSTRAINT `always` CHECK ((`ort` > 'A'))
) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

LOCK TABLES `people` WRITE;
/*!40000 ALTER TABLE `people` DISABLE KEYS */;
INSERT INTO `people` (`id`, `name`, `ort`, `photo`, `at`) VALUES """
MYSQL8 += r"""(1,'Anna','Köln',_binary 'a\0''\\','2024-07-01 10:00:00'),(2,'Anna ','Ulm',_binary 'x),(',NULL);
/*!40000 ALTER TABLE `people` ENABLE KEYS */;
UNLOCK TABLES;
/*!50003 SET collation_connection  = utf8mb4_0900_ai_ci */ ;
SET @@SESSION.SQL_LOG_BIN = @MYSQLDUMP_TEMP_LOG_BIN;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;

-- Dump completed on 2024-07-02  9:08:07
"""


@pytest.mark.parametrize("large", [1, 4 << 20])
def test_a_dump_of_mysql_8(stage, monkeypatch, large):
    monkeypatch.setattr(defer, "LARGE", large)
    loaded = stage.load(MYSQL8.encode())
    assert loaded.complete == "yes"
    assert loaded.dialect["moment"] == "2024-07-02T09:08:07"
    assert set(loaded.translated) == {
        "collation utf8mb4_0900_ai_ci became utf8mb4_uca1400_nopad_ai_ci",
        "collation utf8mb4_de_pb_0900_ai_ci became utf8mb4_uca1400_german2_nopad_ai_ci",
        "an INVISIBLE index became IGNORED",
        "a CHECK that is NOT ENFORCED was left out",
    }
    assert any("GTID_PURGED" in line for line in loaded.dropped)
    found = stage.one("SHOW CREATE TABLE people") and stage.rows("SHOW CREATE TABLE people")[0][1]
    assert "DEFAULT 'utf8mb4_0900_ai_ci'" in found
    assert "KEY `ko` (`ort`) IGNORED" in found
    assert "never" not in found
    assert "`always`" in found
    # 'Anna' and 'Anna ' are two keys on the source; a collation that pads would refuse the second.
    assert stage.rows("SELECT id, HEX(photo), twice FROM people") == [(1, "6100275C", 4), (2, "78292C28", 5)]
    checks = stage.witness(loaded)
    assert {c.outcome for c in checks} == {"passed"}
    assert "1 equal (xxh3sum-typed-v1)" in checks[-1].reason


PHPMYADMIN = """-- phpMyAdmin SQL Dump
-- version 5.2.1
-- Host: localhost:3306
-- Generation Time: Jul 02, 2024 at 09:08 AM
-- Server version: 10.11.6-MariaDB

SET SQL_MODE = "NO_AUTO_VALUE_ON_ZERO";
START TRANSACTION;
SET time_zone = "+00:00";

/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET NAMES utf8mb4 */;

--
-- Database: `zoo`
--
CREATE DATABASE IF NOT EXISTS `zoo` DEFAULT CHARACTER SET latin1 COLLATE latin1_german1_ci;
USE `zoo`;

DELIMITER $$
CREATE PROCEDURE `hello` ()  BEGIN
  SELECT 'it''s; $ here';
END$$
DELIMITER ;

-- Table structure for table `notes`
CREATE TABLE `notes` (
  `id` int(11) NOT NULL,
  `text` varchar(80) DEFAULT NULL,
  `at` datetime DEFAULT current_timestamp()
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

-- Dumping data for table `notes`
INSERT INTO `notes` (`id`, `text`, `at`) VALUES
(1, 'It\\'s; \\r\\n\\"quoted\\"', '2024-07-01 10:00:00'),
(2, NULL, NULL),
(3, '), (4, \\'x\\'', '2024-07-01 10:00:00');

ALTER TABLE `notes`
  ADD PRIMARY KEY (`id`),
  ADD KEY `k` (`text`);
ALTER TABLE `notes`
  MODIFY `id` int(11) NOT NULL AUTO_INCREMENT, AUTO_INCREMENT=4;
COMMIT;

/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
"""


def test_a_dump_of_phpmyadmin(stage):
    loaded = stage.load(PHPMYADMIN.encode())
    assert (loaded.complete, loaded.warnings) == ("yes", ())
    assert loaded.dialect["producer"] == "phpmyadmin"
    assert loaded.definers == ("rk_loader@localhost stands in for 1 objects without a definer",)
    assert stage.one("SELECT @@collation_database") == "latin1_german1_ci"
    checks = stage.witness(loaded)
    assert {c.outcome for c in checks} == {"passed"}, checks
    assert "1 equal (xxh3sum-typed-v1)" in checks[-1].reason
    cut = PHPMYADMIN[: PHPMYADMIN.index("ALTER TABLE")]
    assert stage.load(cut.encode()).complete == "no"


class Impatient(Quiet):
    """Cancels once a statement has been running for a moment."""

    checks = 0

    def check(self):
        self.checks += 1
        if self.checks > 3:
            raise Cancelled("enough")


def test_a_cancel_ends_a_statement_that_takes_long(stage):
    began = time.monotonic()
    with pytest.raises(Cancelled):
        stage.load(b"CREATE TABLE t AS SELECT SLEEP(100) AS a;\n", watch=Impatient())
    assert time.monotonic() - began < 10
    # KILL returns before the statement has ended; that it does can only be asked again and again.
    while stage.rows("SELECT id FROM information_schema.processlist WHERE user='rk_loader' AND info IS NOT NULL"):
        assert time.monotonic() - began < 20
    assert stage.load(b"CREATE TABLE t (a INT);\n").statements == 1


WORKER = """
import sys
from restorekit.engines.mariadb.connect import Settings
from restorekit.engines.mariadb.load import load
from restorekit.model.home import Home
from restorekit.model.staged import Sandbox
from servers.mariadb_live import Quiet
home, sandbox = Home.model_validate_json(sys.argv[1]), Sandbox.model_validate_json(sys.argv[2])
dump = b"CREATE TABLE t (a INT);\\nCREATE TABLE u AS SELECT SLEEP(100) AS a;\\n"
load(Settings(), home, sandbox, [dump], ("sql", "none"), Quiet())
"""


def test_a_worker_killed_in_the_middle_does_not_hinder_the_next(stage):
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    argv = [sys.executable, "-c", WORKER, stage.home.model_dump_json(), stage.sandbox.model_dump_json()]
    running = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'CREATE TABLE u %'"
    with contextlib.closing(sandbox.admin(stage.sandbox)) as session:
        with subprocess.Popen(argv, env=env) as worker:
            while not one(session, running):
                assert worker.poll() is None
            worker.kill()
        assert one(session, running) == 1
    began = time.monotonic()
    assert stage.load(b"CREATE TABLE u (a INT);\n").statements == 1
    assert time.monotonic() - began < 20
    assert stage.rows("SHOW TABLES") == [("u",)]


def test_a_server_killed_in_the_middle_is_temporary_and_a_rerun_works(stage):
    folder = Path(stage.sandbox.folder)

    def deadly():
        yield b"CREATE TABLE t (a INT);\n"
        for n in range(5000):
            if n == 50:
                os.kill(sandbox.server_pid(folder), signal.SIGKILL)
            yield b"INSERT INTO t VALUES (%d);\n" % n * 100

    with pytest.raises(EngineUnavailable, match="live is untouched") as caught:
        stage.load(deadly())
    assert caught.value.temporary
    assert stage.load(b"CREATE TABLE t (a INT);\nINSERT INTO t VALUES (1);\n").statements == 2
    assert stage.one("SELECT COUNT(*) FROM t") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
@pytest.mark.parametrize("engine", ["InnoDB", "MyISAM"])
def test_a_full_disk_in_the_middle_is_said(engine):
    row = os.urandom(1000).hex().encode()
    rows = b"),(".join(b"%d,'%s'" % (n, row) for n in range(500))
    insert = b"INSERT INTO t (b, c) VALUES (" + rows + b");\n"
    table = f"CREATE TABLE t (a INT AUTO_INCREMENT PRIMARY KEY, b INT, c TEXT) ENGINE={engine};\n".encode()
    with staged(disk="210m") as stage, pytest.raises(DiskFull, match="live is untouched"):
        stage.load(chunked(table + insert * 200))


def test_nothing_of_the_command_line_leaks(stage):
    marker = sandbox.running_marker(stage.sandbox)
    listed = b""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            listed += (process / "cmdline").read_bytes()
    assert b"mariadbd" in listed
    assert marker.password.encode() not in listed

"""All that real customers have, damaged in several ways and brought back; the dialects in which dumps are written."""

import subprocess
from collections.abc import Iterator

import pytest
from scenarios.hoster import Hoster, contents, everything
from servers.mariadb import QUICK, LiveServer
from servers.zoo import ZOO

RIGHTS = """
CREATE USER IF NOT EXISTS guest@localhost;
GRANT SELECT ON v_outer TO guest@localhost;
GRANT SELECT (id, t), UPDATE (t) ON texts TO guest@localhost;
GRANT EXECUTE ON FUNCTION f_mode TO guest@localhost;
GRANT SELECT, INSERT ON `zoo`.* TO guest@localhost;
"""
ROWS = """
SET foreign_key_checks = 0;
DELETE FROM child WHERE id IN (1, 2); UPDATE parent SET name = 'same' WHERE id IN (500, 501);
INSERT INTO nokey VALUES (1, 'x'), (1, 'x'); DELETE FROM nokey WHERE b = '';
UPDATE bits SET bl = 0xDEADBEEE, f = b'1' WHERE id = 1; UPDATE texts SET t = 'emoji 🎈', inv = 8 WHERE id IN (2, 4);
UPDATE prices SET price = 1; INSERT INTO prices VALUES (3, 3); DELETE FROM isam; INSERT INTO empty VALUES (1, '😀');
UPDATE parted SET y = 2001 WHERE id = 1; DELETE FROM `Ordnung ``x`` ß`; UPDATE `select` SET `from` = NULL;
UPDATE places SET p = POINT(2, 1) WHERE id = 1; UPDATE generated SET a = 6; DELETE FROM times;
INSERT INTO parent (code) VALUES ('later'); SELECT NEXTVAL(numbers); SELECT SETVAL(numbers, 500);
"""
DROPPED = """
SET foreign_key_checks = 0;
DROP TABLE parent, `Ordnung ``x`` ß`, prices, parted, isam, nokey, empty; DROP VIEW v_inner;
DROP PROCEDURE p_all; DROP EVENT e_tick; DROP SEQUENCE numbers;
CREATE TABLE later (id INT PRIMARY KEY, p INT, KEY (p)); INSERT INTO later VALUES (1, 1);
CREATE VIEW v_later AS SELECT * FROM later; CREATE SEQUENCE other_numbers;
"""
CHANGED = """
SET foreign_key_checks = 0;
ALTER TABLE child DROP FOREIGN KEY fk_code, DROP KEY k_code, ADD extra INT DEFAULT 1; TRUNCATE texts;
ALTER TABLE latin CONVERT TO CHARACTER SET utf8mb4; ALTER TABLE isam ENGINE = InnoDB;
ALTER TABLE parted REMOVE PARTITIONING;
ALTER TABLE prices DROP SYSTEM VERSIONING; ALTER TABLE generated DROP COLUMN s;
ALTER TABLE parent AUTO_INCREMENT = 9000;
CREATE OR REPLACE TRIGGER t_one BEFORE INSERT ON child FOR EACH ROW SET NEW.n = 7;
CREATE OR REPLACE VIEW v_inner AS SELECT id, code AS name FROM parent; DROP FUNCTION f_mode;
CREATE FUNCTION f_mode(s INT) RETURNS INT DETERMINISTIC RETURN s; ALTER EVENT e_tick DISABLE;
RENAME TABLE `select` TO selected; CREATE TABLE `select` (x INT);
"""
FULL = ("--dump-history", "--hex-blob")


@pytest.fixture(scope="module")
def live() -> Iterator[LiveServer]:
    """With events that fire, as at a hoster's."""
    with LiveServer.running(log_bin=True, event_scheduler=True, args=QUICK) as server:
        yield server


@pytest.fixture(scope="module")
def hoster(live: LiveServer) -> Iterator[Hoster]:
    with Hoster.open(live) as hoster:
        yield hoster


@pytest.fixture
def zoo(hoster: Hoster) -> Iterator[Hoster]:
    """A database with everything, from before the accident."""
    with hoster.database("zoo"):
        hoster.live.script(ZOO, "zoo")
        hoster.live.script(RIGHTS, "zoo")
        yield hoster


def snapshot(zoo: Hoster, dump: bytes) -> str:
    """The point of a new snapshot, however many there are of that name."""
    before = {p["id"] for p in zoo.house.ok("points", "db1/zoo", "--scan", "--json").json}
    zoo.repository.stream("zoo.sql", dump, "2026-01-17 02:00:00")
    (new,) = {p["id"] for p in zoo.house.ok("points", "db1/zoo", "--scan", "--json").json} - before
    return str(new)


@pytest.mark.parametrize("damage", [ROWS, DROPPED, CHANGED], ids=["rows", "dropped", "changed"])
def test_the_zoo_comes_back_and_goes_back(zoo: Hoster, live: LiveServer, damage: str) -> None:
    point = snapshot(zoo, live.dump("zoo", *FULL))
    whole = contents(live, "zoo")
    live.script(damage, "zoo")
    damaged = everything(live, "zoo")
    assert contents(live, "zoo") != whole
    told = zoo.restore("zoo", "--point", point)
    assert (told["state"], told["level"], told["equal_to"]) == ("swapped", 5, "witness")
    assert contents(live, "zoo") == whole
    zoo.undo(told)
    assert everything(live, "zoo") == damaged


def test_a_zoo_that_is_gone_altogether(zoo: Hoster, live: LiveServer) -> None:
    point = snapshot(zoo, live.dump("zoo", *FULL))
    whole = contents(live, "zoo")
    live.script("DROP DATABASE zoo")
    told = zoo.restore("zoo", "--point", point)
    assert contents(live, "zoo") == whole
    zoo.undo(told)
    assert not live.rows("SHOW DATABASES LIKE 'zoo'")


def in_latin1(live: LiveServer) -> bytes:
    words = ("--default-character-set=latin1", "--single-transaction", "-R", "-E")
    return live.dumped(*words, *FULL, "zoo")


def as_many(live: LiveServer) -> bytes:
    """Of all databases: one that has a table of the same name comes before, one after."""
    live.script("CREATE OR REPLACE DATABASE aaa; CREATE TABLE aaa.parent (x INT); INSERT INTO aaa.parent VALUES (1);")
    live.script("CREATE OR REPLACE DATABASE zzz; CREATE TABLE zzz.parent (x INT); INSERT INTO zzz.parent VALUES (2);")
    dump = live.dumped("--default-character-set=utf8mb4", "--single-transaction", "-R", "-E", *FULL, "--all-databases")
    live.script("DROP DATABASE aaa; DROP DATABASE zzz")
    return dump


def as_one_insert_per_row(live: LiveServer) -> bytes:
    return live.dump("zoo", *FULL, "--skip-extended-insert", "--complete-insert", "--skip-opt", "--create-options")


def in_the_manner_of_many_years(live: LiveServer) -> bytes:
    """As older mysqldump wrote it: no first line for sandboxed clients, all rows of an INSERT on one line."""
    head, _, dump = live.dump("zoo", *FULL).partition(b"\n")
    assert b"999999" in head
    return dump.replace(b"-- MariaDB dump 10.19", b"-- MySQL dump 10.13").replace(b" VALUES\n(", b" VALUES (")


DIALECTS = {
    "skip_comments": lambda live: live.dump("zoo", *FULL, "--skip-comments"),
    "one_insert_per_row": as_one_insert_per_row,
    "older": in_the_manner_of_many_years,
    "zstd": lambda live: (
        subprocess.run(["zstd"], input=live.dump("zoo", *FULL), capture_output=True, check=True).stdout
    ),
    "all_databases": as_many,
    "databases": lambda live: live.dumped(
        "--default-character-set=utf8mb4", "--single-transaction", "-R", "-E", *FULL, "--databases", "zoo"
    ),
}
FILES = {"all_databases": "all.sql", "zstd": "zoo.sql.zst"}


LONG = ("one_insert_per_row", "databases", "zstd")


@pytest.mark.parametrize("dialect", [pytest.param(d, marks=pytest.mark.long) if d in LONG else d for d in DIALECTS])
def test_dialects_come_back_whole(zoo: Hoster, live: LiveServer, dialect: str) -> None:
    whole = contents(live, "zoo")
    point = zoo.file("zoo", DIALECTS[dialect](live), into=FILES.get(dialect, ""))
    live.script("UPDATE child SET n = 5; DELETE FROM texts; DROP TRIGGER t_one; DROP VIEW a_view_first", "zoo")
    told = zoo.restore("zoo", "--point", point)
    assert (told["state"], told["level"], told["equal_to"]) == ("swapped", 5, "witness")
    assert contents(live, "zoo") == whole


def test_a_dump_in_latin1_shows_what_it_has_lost(zoo: Hoster, live: LiveServer) -> None:
    """It loads exactly as it was written; that its emoji became question marks is what the difference shows."""
    point = zoo.file("zoo", in_latin1(live))
    told = zoo.house.ok("restore", "db1/zoo", "--point", point, "--until", "diff", "--json").json
    assert (told["level"], told["equal_to"]) == (5, "witness")
    found = {t["name"]: t["changed"] for t in zoo.house.ok("diff", told["id"], "--json").json["tables"] if t["changed"]}
    assert found == {"parent": 1}


def test_without_an_end_nobody_knows_whether_it_is_whole(zoo: Hoster, live: LiveServer) -> None:
    """`--compact` writes no end marker: capped at level 3, unless a manifest says what must be in it."""
    house = zoo.house
    house.ok("capture", "db1/zoo", "--to", str(zoo.dumps / "zoo.sql"))
    manifest = (zoo.dumps / "zoo.sql.manifest.json").read_bytes()
    whole = contents(live, "zoo")
    compact = live.dump("zoo", *FULL, "--compact")
    live.script("DELETE FROM child; ALTER TABLE tags ADD later INT", "zoo")
    damaged = everything(live, "zoo")
    point = zoo.file("zoo", compact)
    answer = house.run("restore", "db1/zoo", "--point", point, "--yes", "--json")
    assert (answer.code, answer.json["error"]["code"], answer.json["level"]) == (5, "proof_failed", 3), answer
    looked = house.ok("restore", "db1/zoo", "--point", point, "--until", "verified", "--json").json
    assert (looked["state"], looked["level"]) == ("verified", 3)
    house.ok("cancel", looked["id"])
    assert everything(live, "zoo") == damaged

    cut = compact[: compact.rindex(b"INSERT INTO `times`")]
    answer = house.run("restore", "db1/zoo", "--point", zoo.file("zoo", cut, manifest), "--yes", "--json")
    assert (answer.code, answer.json["error"]["code"]) == (5, "proof_failed"), answer
    assert any("times" in line for line in answer.json["error"]["details"]), answer
    told = zoo.restore("zoo", "--point", zoo.file("zoo", compact, manifest))
    assert (told["level"], told["equal_to"]) == (5, "manifest")
    assert contents(live, "zoo") == whole

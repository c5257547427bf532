"""A hostile dump: everything that would leave the one schema fails or is neutralised, with a clear error."""

import contextlib
from pathlib import Path

import pymysql
import pytest
from servers.mariadb_sandbox import staged

from restorekit.engines.mariadb import accounts, sandbox
from restorekit.engines.mariadb.connect import rows, to_socket
from restorekit.errors import DumpRefused

TABLE = "CREATE TABLE t (a INT, b TEXT);\n"
HEADER = "-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)\n--\n"
HEADER += "-- Host: localhost    Database: shop\n"


@pytest.fixture(scope="module")
def stage():
    with staged("shop") as made:
        with contextlib.closing(sandbox.admin(made.sandbox)) as session:
            rows(session, "CREATE DATABASE neighbour")
            rows(session, "CREATE TABLE neighbour.t AS SELECT 'precious' AS v")
        yield made


@pytest.fixture(autouse=True)
def _nothing_else_was_touched(stage):
    yield
    assert stage.rows("SELECT * FROM neighbour.t") == [("precious",)]
    found = {name for (name,) in stage.rows("SHOW DATABASES")}
    assert found == {"information_schema", "mysql", "neighbour", "performance_schema", "shop", "sys"}
    assert list((Path(stage.sandbox.folder) / "files").iterdir()) == []
    strong = stage.rows("SELECT user FROM mysql.global_priv WHERE JSON_VALUE(priv, '$.access') > 0")
    assert [user for (user,) in strong] == [sandbox.running_marker(stage.sandbox).admin]


REFUSED = {
    "client command": "\\! touch /tmp/owned\n" + TABLE,
    "client command in the middle": TABLE + "\\. /etc/passwd\n" + TABLE,
    "source": "source /etc/passwd\n;" + TABLE,
    "system": "system id\n;",
    "use": HEADER + TABLE + "USE neighbour;\nDROP TABLE t;",
    "use without header": TABLE + "USE neighbour;",
    "use in a comment that runs": HEADER + "/*!50000 USE `neighbour` */;",
    "use behind comments": HEADER + "/* x */ -- y\n # z\n USE/**/neighbour;",
    "create database": HEADER + "CREATE DATABASE more;",
    "drop database": HEADER + "DROP DATABASE IF EXISTS `neighbour`;",
    "alter database": HEADER + "ALTER DATABASE neighbour CHARACTER SET latin1;",
    "qualified create": "CREATE TABLE neighbour.x (a INT);",
    "qualified create with quotes": "CREATE TABLE `neighbour` . `x` (a INT);",
    "qualified insert": TABLE + "INSERT INTO `neighbour`.`t` VALUES ('gone');",
    "qualified replace": TABLE + "REPLACE INTO neighbour.t VALUES ('gone');",
    "qualified drop": "DROP TABLE IF EXISTS neighbour.t;",
    "second table of a drop": TABLE + "DROP TABLE t, neighbour.t;",
    "qualified alter": "ALTER TABLE neighbour.t ADD x INT;",
    "qualified truncate": "TRUNCATE TABLE neighbour.t;",
    "qualified view": TABLE + "CREATE VIEW neighbour.v AS SELECT 1;",
    "insert from a neighbour": TABLE + "INSERT INTO t SELECT 1, v FROM neighbour.t;",
    "create from a neighbour": "CREATE TABLE t AS SELECT * FROM neighbour.t;",
    "create like a neighbour": "CREATE TABLE t LIKE neighbour.t;",
    "view on a neighbour": "CREATE VIEW v AS SELECT * FROM neighbour.t;",
    "load data": TABLE + "LOAD DATA INFILE '/etc/passwd' INTO TABLE t;",
    "load data local": TABLE + "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t;",
    "load xml": TABLE + "LOAD XML INFILE '/etc/passwd' INTO TABLE t;",
    "outfile": TABLE + "SELECT 1 INTO OUTFILE '/tmp/owned';",
    "outfile from an insert": TABLE + "INSERT INTO t SELECT 1, 2 INTO OUTFILE '/tmp/owned';",
    "load_file": TABLE + "INSERT INTO t VALUES (1, LOAD_FILE('/etc/passwd'));",
    "load_file in pieces": TABLE + "INSERT INTO t VALUES (1,'x'),(2,Load_File /* y */ ('/etc/passwd'));",
    "load_file in a variable": "SET @x = LOAD_FILE('/etc/passwd');",
    "query in a variable": "SET @x = (SELECT v FROM neighbour.t);",
    "grant": "GRANT ALL ON *.* TO rk_loader@localhost;",
    "revoke": "REVOKE ALL ON *.* FROM x;",
    "create user": "CREATE USER evil;",
    "alter user": "ALTER USER rk_loader@localhost IDENTIFIED BY 'x';",
    "drop user": "DROP USER IF EXISTS x;",
    "set password": "SET PASSWORD = PASSWORD('x');",
    "set role": "SET ROLE NONE;",
    "install": "INSTALL SONAME 'ha_connect';",
    "install plugin": "INSTALL PLUGIN x SONAME 'y.so';",
    "udf": "CREATE FUNCTION sys_exec RETURNS INT SONAME 'lib_mysqludf_sys.so';",
    "shutdown": "SHUTDOWN;",
    "shutdown in a comment that runs": "/*M!100000 SHUTDOWN */;",
    "kill": "KILL 1;",
    "set global": "SET GLOBAL max_connections=1;",
    "set global at": "SET @@global.general_log_file='/tmp/owned.php';",
    "set global behind another": "SET @a=1, GLOBAL general_log=1;",
    "set session needs rights": "SET SESSION sql_log_off=1;",
    "set statement": "SET STATEMENT max_statement_time=1 FOR DELETE FROM neighbour.t;",
    "call": "CREATE PROCEDURE p() SELECT 1;\nCALL p();",
    "prepare": "PREPARE s FROM 'SHUTDOWN';",
    "execute immediate": "EXECUTE IMMEDIATE 'SHUTDOWN';",
    "do": "DO SLEEP(100);",
    "update": TABLE + "UPDATE neighbour.t SET v='gone';",
    "delete": TABLE + "DELETE FROM neighbour.t;",
    "handler": "HANDLER neighbour.t OPEN;",
    "binlog": "BINLOG 'AAAA';",
    "backup": "BACKUP STAGE START;",
    "data directory": "CREATE TABLE x (a INT) ENGINE=MyISAM DATA DIRECTORY='/tmp';",
    "federated server": "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST '10.0.0.1');",
    "rename": TABLE + "RENAME TABLE t TO neighbour.x;",
    "alter rename": TABLE + "ALTER TABLE t RENAME TO neighbour.x;",
    "half letters": "SET NAMES gbk;",
    "two databases": "CREATE DATABASE a;\nUSE a;\nCREATE TABLE x (a INT);\nCREATE DATABASE b;\nUSE b;",
    "trigger as somebody else": TABLE
    + "CREATE DEFINER=`root`@`localhost` TRIGGER g BEFORE INSERT ON t FOR EACH ROW "
    + "DELETE FROM neighbour.t;\nINSERT INTO t VALUES (1,'x');",
    "trigger as a system account": TABLE
    + "CREATE DEFINER=`mariadb.sys`@`localhost` TRIGGER g BEFORE INSERT ON t FOR EACH ROW "
    + "DELETE FROM mysql.global_priv;\nINSERT INTO t VALUES (1,'x');",
    "view as somebody else": "CREATE DEFINER=root@localhost SQL SECURITY DEFINER VIEW v AS "
    "SELECT * FROM mysql.global_priv;\nCREATE TABLE t AS SELECT * FROM v;",
    "function as somebody else": "CREATE DEFINER=root@localhost FUNCTION f() RETURNS INT "
    "RETURN (SELECT COUNT(*) FROM neighbour.t);\n"
    "CREATE TABLE t (a INT DEFAULT 1);\nINSERT INTO t VALUES (f());",
}


@pytest.mark.parametrize("attack", REFUSED)
def test_attacks_are_refused(stage, attack):
    with pytest.raises(DumpRefused) as caught:
        stage.load(REFUSED[attack].encode() + b"\n")
    told = str(caught.value)
    assert "live is untouched" in told
    assert " byte " in told
    assert caught.value.hint
    assert not caught.value.temporary


NEUTRALISED = {
    "SET SQL_LOG_BIN=0;": "SQL_LOG_BIN",
    "SET @@SESSION.SQL_LOG_BIN= 0;": "SQL_LOG_BIN",
    "SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ 'a:1-5';": "GTID_PURGED",
    "SET GLOBAL gtid_slave_pos='0-1-2';": "GTID_SLAVE_POS",
    "CHANGE MASTER TO MASTER_LOG_FILE='x', MASTER_LOG_POS=4;": "CHANGE MASTER",
    "FLUSH PRIVILEGES;": "FLUSH PRIVILEGES",
    "STOP SLAVE;": "STOP SLAVE",
    "DROP DATABASE IF EXISTS `shop`; CREATE DATABASE `shop`; USE `shop`;": "USE shop (the dump's own database)",
    "/*!40000 DROP DATABASE IF EXISTS `shop`*/;": "DROP DATABASE shop",
    "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop` /*!40100 DEFAULT CHARACTER SET latin1 */;": "CREATE DATABASE shop",
}


@pytest.mark.parametrize("sql", NEUTRALISED)
def test_what_is_harmless_is_left_out_and_reported(stage, sql):
    loaded = stage.load((HEADER + sql + "\n" + TABLE + "INSERT INTO t VALUES (1,'x');\n").encode())
    assert any(NEUTRALISED[sql] in line for line in loaded.dropped), loaded.dropped
    assert stage.rows("SELECT * FROM t") == [(1, "x")]


def test_one_section_of_a_dump_of_many_databases_is_named_by_its_head(stage):
    header = HEADER.replace("shop", "another")
    section = "--\n-- Current Database: `shop`\n--\n\nCREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop`;\nUSE `shop`;\n"
    assert stage.load((header + section + TABLE).encode()).dialect["database"] == "shop"
    with pytest.raises(DumpRefused, match=r"several databases \(shop, another\)"):
        stage.load((header + section + TABLE + section.replace("shop", "another")).encode())


def test_words_in_strings_names_and_bodies_are_only_words(stage):
    dump = TABLE + "INSERT INTO t VALUES (1,'LOAD_FILE(1); USE neighbour; SHUTDOWN; \\\\! id');\n"
    dump += "CREATE TABLE `INTO OUTFILE` (`LOAD_FILE(` INT COMMENT 'GRANT ALL ON *.*; DATA DIRECTORY=');\n"
    dump += "DELIMITER ;;\nCREATE PROCEDURE p() BEGIN GRANT ALL ON *.* TO x;\n"
    dump += "SELECT LOAD_FILE('x') INTO OUTFILE 'y'; END;;\n"
    dump += "CREATE EVENT e ON SCHEDULE EVERY 1 SECOND DO SHUTDOWN;;\nDELIMITER ;\n"
    stage.load(dump.encode())
    assert stage.one("SELECT b FROM t") == "LOAD_FILE(1); USE neighbour; SHUTDOWN; \\! id"
    assert stage.one("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='shop'") == 2


def test_a_data_directory_inside_a_comment_for_mysql_is_no_way_out(stage, tmp_path):
    with pytest.raises(DumpRefused, match="DATA DIRECTORY"):
        stage.load(f"CREATE TABLE x (a INT) ENGINE=MyISAM /*!50100 DATA DIRECTORY='{tmp_path}' */;\n".encode())
    assert list(tmp_path.iterdir()) == []


WALL = [
    "USE neighbour",
    "SELECT * FROM neighbour.t",
    "DROP TABLE neighbour.t",
    "CREATE TABLE neighbour.x (a INT)",
    "SELECT * FROM mysql.global_priv",
    "SELECT 1 INTO OUTFILE 'x'",
    "LOAD DATA INFILE '/etc/passwd' INTO TABLE shop.t",
    "SET GLOBAL max_connections=1",
    "GRANT ALL ON *.* TO x IDENTIFIED BY 'x'",
    "CREATE USER evil",
    "ALTER USER rk_loader@localhost IDENTIFIED BY 'x'",
    "INSTALL SONAME 'ha_connect'",
    "SHUTDOWN",
    "CREATE DATABASE more",
    "CREATE FUNCTION f RETURNS INT SONAME 'x.so'",
    "SET SESSION sql_log_bin=0",
    "CHANGE MASTER TO MASTER_HOST='x'",
]


@pytest.mark.parametrize("sql", WALL)
def test_the_wall_behind_the_screen_is_the_accounts_rights(stage, sql):
    marker = sandbox.running_marker(stage.sandbox)
    with contextlib.closing(sandbox.admin(stage.sandbox)) as session:
        rows(session, "CREATE DATABASE IF NOT EXISTS shop")
        rows(session, "CREATE TABLE IF NOT EXISTS shop.t (a INT)")
        accounts.let_in(session, "shop", "secret")
        with contextlib.closing(to_socket(Path(marker.socket), accounts.LOADER, "secret")) as loader:
            assert rows(loader, "SELECT LOAD_FILE('/etc/hostname')") == [(None,)]
            with pytest.raises(pymysql.err.MySQLError) as caught:
                rows(loader, sql)
            assert caught.value.args[0] in (1044, 1045, 1142, 1227, 1290, 1396, 1410), caught.value
        accounts.shut_out(session, "shop")


def test_a_schema_whose_name_is_a_pattern_lets_nobody_into_its_neighbours():
    with staged("my_db") as stage, contextlib.closing(sandbox.admin(stage.sandbox)) as session:
        rows(session, "CREATE DATABASE myxdb")
        rows(session, "CREATE TABLE myxdb.t (a INT)")
        stage.load(b"CREATE DEFINER=x@localhost VIEW v AS SELECT 1;\n")
        with pytest.raises(DumpRefused):
            stage.load(b"CREATE TABLE t AS SELECT * FROM myxdb.t;\n")

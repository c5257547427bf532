"""Tables as migrations make them are the tables the code means, on both kinds of database, whoever opens first."""

import fcntl
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import traceback

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from contract.catalog_values import act, request
from sqlalchemy import create_engine, inspect, text

from restorekit.catalog import open_store
from restorekit.catalog.database import open_database
from restorekit.catalog.migrate import PLACE
from restorekit.catalog.tables import HEAD, VERSION_TABLE, metadata
from restorekit.errors import ConfigError, RestorekitError, Temporary


@pytest.fixture(params=["sqlite", "postgres"])
def fresh(request, tmp_path):
    """Addresses of empty databases, as many as wanted."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres").new_database
    names = iter(range(9))
    return lambda: f"sqlite:///{tmp_path}/new/{next(names)}.db"


def python(code, url, *, wait=True):
    """A process of its own, with the code under test on its path."""
    paths = {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", code, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | paths
    )
    return process.communicate(timeout=60) if wait else process


def ours(engine):
    return sorted(name for name in inspect(engine).get_table_names() if name.startswith("rk_"))


class TestDrift:
    def test_the_head_is_the_newest_migration(self):
        config = Config()
        config.set_main_option("script_location", str(PLACE))
        scripts = ScriptDirectory.from_config(config)
        assert scripts.get_heads() == [HEAD]

    def test_alembic_finds_nothing_to_do(self, fresh):
        database = open_database(fresh())
        with database.engine.begin() as connection:
            # The workflow engine keeps its tables beside ours; they are nobody's drift.
            connection.exec_driver_sql("CREATE TABLE workflow_status (workflow_uuid text PRIMARY KEY)")
        with database.engine.connect() as connection:
            context = MigrationContext.configure(
                connection,
                opts={
                    "version_table": VERSION_TABLE,
                    "include_name": lambda name, kind, _: kind != "table" or name.startswith("rk_"),
                    "compare_server_default": True,
                },
            )
            assert compare_metadata(context, metadata) == []
        database.engine.dispose()

    def test_constraints_and_partial_indexes_are_the_same_word_for_word(self, fresh):
        """What Alembic does not compare: conditions of indexes, keys, nullability as the database itself tells it."""
        migrated = open_database(fresh()).engine
        url = fresh()
        open_database(url).engine.dispose()
        meant = create_engine(url)
        metadata.drop_all(meant)
        metadata.create_all(meant)
        assert ours(migrated) == ours(meant)
        assert definitions(migrated) == definitions(meant)
        assert "active" in str(definitions(migrated)["rk_one_active_restore"])
        migrated.dispose()
        meant.dispose()


def definitions(engine):
    """Everything about our tables, as told by the database; the order of columns and constraints does not matter."""
    if engine.dialect.name == "sqlite":
        sql = "SELECT name, sql FROM sqlite_master WHERE tbl_name LIKE 'rk!_%' ESCAPE '!' AND sql IS NOT NULL"
    else:
        sql = """
            SELECT indexname, indexdef FROM pg_indexes WHERE tablename LIKE 'rk!_%' ESCAPE '!'
            UNION ALL SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) FROM pg_constraint
                WHERE conrelid::regclass::text LIKE 'rk!_%' ESCAPE '!'
            UNION ALL SELECT table_name || '.' || column_name, data_type || is_nullable || coalesce(column_default, '')
                FROM information_schema.columns WHERE table_name LIKE 'rk!_%' ESCAPE '!'"""
    with engine.connect() as connection:
        found = connection.execute(text(sql)).all()
    return {
        name: sorted(re.sub(r"[\s\"]+", " ", line).strip(" ,") for line in body.split("\n")) for name, body in found
    }


class TestOpening:
    def test_an_empty_database_gets_all_tables_and_keeps_them(self, fresh):
        url = fresh()
        for _ in range(2):
            store = open_store(url)
            assert ours(store.engine) == sorted([*metadata.tables, VERSION_TABLE])
            assert store.audit_head() == ("0" * 64, 0)
            store.close()

    def test_two_processes_that_open_it_first_at_once(self, fresh):
        url = fresh()
        code = "import sys; from restorekit.catalog import open_store; print(open_store(sys.argv[1]).audit_head()[1])"
        processes = [python(code, url, wait=False) for _ in range(2)]
        answers = [process.communicate(timeout=60) for process in processes]
        assert [out.strip() for out, _ in answers] == [b"0"] * 2, answers

    def test_killed_in_the_middle_of_a_migration_nothing_is_there_and_the_next_one_succeeds(self, fresh):
        url = fresh()
        code = """
import os, signal, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
from restorekit.catalog import open_store
@event.listens_for(Engine, "before_cursor_execute")
def die(conn, cursor, statement, *_):
    if "CREATE TABLE rk_steps" in statement:
        os.kill(os.getpid(), signal.SIGKILL)
open_store(sys.argv[1])
"""
        process = python(code, url, wait=False)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        engine = create_engine(url)
        assert ours(engine) == []
        engine.dispose()
        open_store(url).close()

    def test_tables_of_a_newer_program_are_left_alone(self, fresh):
        url = fresh()
        store = open_store(url)
        with store.engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
        store.close()
        with pytest.raises(ConfigError, match=r"9999.*nothing was changed"):
            open_store(url)

    def test_opening_what_is_up_to_date_loads_neither_alembic_nor_the_workflow_engine(self, sqlite_url):
        code = """
import sys
from restorekit.catalog import open_store
open_store(sys.argv[1]).points()
print(sorted({"alembic", "dbos", "mako"} & set(sys.modules)))
"""
        out, err = python(code, sqlite_url)
        assert out.strip() == b"[]", err


class TestSqlite:
    def test_only_the_owner_may_read_it(self, tmp_path):
        os.umask(0)
        try:
            open_store(f"sqlite:///{tmp_path}/a/b/state.db").audit_head()
        finally:
            os.umask(0o022)
        assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "a" / "b").iterdir()}
        assert set(modes.values()) == {0o600}, modes

    def test_every_connection_is_durable_and_patient(self, sqlite_url):
        store = open_store(sqlite_url)
        with store.engine.connect() as one, store.engine.connect() as two:
            for connection in (one, two):
                told = {
                    name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                    for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
                }
                assert told == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30000}
        store.close()

    def test_openers_wait_for_each_other(self, sqlite_url, tmp_path):
        """Without that, 5 of 450 first openings at once failed: SQLite does not wait when it switches to WAL."""
        opened = threading.Event()
        opener = threading.Thread(target=lambda: (open_store(sqlite_url).close(), opened.set()))
        folder = os.open(tmp_path, os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX)
        opener.start()
        assert not opened.wait(0.3)
        os.close(folder)
        assert opened.wait(30)
        opener.join()

    def test_a_file_that_is_no_database_is_said_to_be_none(self, tmp_path):
        (tmp_path / "state.db").write_text("something else, and long enough to be read as a header of a database file")
        with pytest.raises(RestorekitError, match="file is not a database") as error:
            open_store(f"sqlite:///{tmp_path}/state.db")
        assert not error.value.temporary

    @pytest.mark.parametrize(
        "url",
        [
            "sqlite://",
            "sqlite:///:memory:",
            "sqlite:////tmp/x?mode=ro",
            "mysql://u:pw@h/d",
            "postgresql://u:pw@h/d",
            "state.db",
        ],
    )
    def test_other_addresses_are_refused_without_showing_a_password(self, url):
        with pytest.raises(ConfigError) as error:
            open_store(url)
        assert "pw" not in f"{error.value} {error.value.hint}"

    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(ConfigError, match="cannot be used"):
            open_store(f"sqlite:///{tmp_path}/file/state.db")

    def test_a_traceback_shows_no_value(self, sqlite_url):
        store = open_store(sqlite_url)
        bad, number = text("INSERT INTO rk_persons VALUES (NULL, :name)"), 7
        with pytest.raises(RestorekitError) as error:
            store.request(request(), (), act(), lambda c, _: c.execute(bad, {"name": f"canary-{number}"}))
        assert "canary-7" not in "".join(traceback.format_exception(error.value.__cause__))
        store.close()


class TestErrors:
    def test_a_server_that_is_away_is_a_temporary_error(self, postgres, tmp_path):
        with pytest.raises(Temporary, match="does not answer") as error:
            open_store(f"postgresql+psycopg://u:secretword@/d?host={tmp_path}")
        assert "secretword" not in str(error.value)

    def test_a_connection_that_breaks_is_a_temporary_error_and_the_next_call_works(self, postgres, postgres_url):
        store = open_store(postgres_url)

        def cut_the_line(connection, _):
            number = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            with postgres.connect() as other:
                other.execute("SELECT pg_terminate_backend(%s)", (number,))

        with pytest.raises(Temporary, match="does not answer"):
            store.request(request(), (), act(), cut_the_line)
        assert store.audit_verify() == 0
        assert store.runs() == []
        store.close()

    def test_errors_name_no_value(self, store):
        """Servers like to quote what they refuse."""
        twice = text("INSERT INTO rk_persons VALUES ('canary-7f3a', 'x'), ('canary-7f3a', 'y')")
        with pytest.raises(RestorekitError) as error:
            store.request(request(), (), act(), lambda connection, _: connection.execute(twice))
        assert "canary" not in f"{error.value} {error.value.hint} {error.value.details}"

    def test_a_writer_that_waits_too_long_says_so(self, url, monkeypatch):
        monkeypatch.setattr("restorekit.catalog.database._WAIT_MS", 50)
        first, second = open_store(url), open_store(url)
        with first._db.write():
            assert second.audit_verify() == 0
            with pytest.raises(Temporary, match="state database does not answer"):
                second.audit(act())
        first.close()
        second.close()

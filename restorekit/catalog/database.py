"""One database for everything that is remembered: opening, reading in one snapshot, writing under one lock."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from restorekit.catalog.tables import HEAD, VERSION_TABLE
from restorekit.errors import ConfigError, DiskFull, RestorekitError, Temporary

_WAIT_MS = 30_000
_WRITE_LOCK = 0x7265_7374  # one number for every restorekit on the same PostgreSQL database
_URLS = "sqlite:////folder/state.db or postgresql+psycopg://user@host/database"
_SQLITE_FULL = 13
_SQLITE_TEMPORARY = frozenset({5, 6, 10, 14})  # busy, locked, input/output error, cannot open
_POSTGRES_FULL = "53100"
_POSTGRES_TEMPORARY = ("08", "53", "55", "57", "40")  # connection, resources, not available, operator, rollback


class Database:
    """An open state database, migrated to the newest tables."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view of everything, however many statements."""
        begin = "BEGIN" if self._sqlite else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
        with speaking_plainly(), self.engine.connect() as connection:
            connection.exec_driver_sql(begin)
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction; only one runs at a time, across processes. An exception undoes all of it."""
        with speaking_plainly(), self.engine.begin() as connection:
            if self._sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_WAIT_MS}ms'")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})")
            yield connection

    @property
    def _sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"


def open_database(url: str) -> Database:
    """Open and, where needed, create and migrate; two processes at once are fine.

    Raises ConfigError for a URL of another kind and for tables newer than this program, Temporary when the
    server does not answer.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        with _created(Path(str(parsed.database))):
            return _migrated(Database(_sqlite_engine(parsed)))
    return _migrated(Database(_postgres_engine(parsed)))


def tables_of(url: str) -> Literal["absent", "behind", "current", "ahead"]:
    """How the tables there stand to this program's, without creating or migrating anything; raises as opening does."""
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        if not Path(str(parsed.database)).exists():
            return "absent"
        engine = create_engine(f"sqlite:///file:{parsed.database}?mode=ro&uri=true")
    else:
        engine = _postgres_engine(parsed)
    try:
        with speaking_plainly(), engine.connect() as connection:
            current = _revision(connection)
    finally:
        engine.dispose()
    if current in ("", HEAD):
        return "current" if current else "absent"
    return "behind" if current < HEAD else "ahead"


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError(f"state: not a database URL; write {_URLS}") from error
    shown = parsed.render_as_string(hide_password=True)
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if not parsed.database or parsed.database == ":memory:" or parsed.query:
            raise ConfigError(f"state: {shown} names no file; what must survive a crash needs one")
    elif parsed.drivername != "postgresql+psycopg":
        raise ConfigError(f"state: {shown} is of a kind restorekit does not keep its state in", hint=f"Write {_URLS}.")
    return parsed


@contextlib.contextmanager
def _created(path: Path) -> Iterator[None]:
    """The file exists, readable by its owner only. Openers queue: SQLite lets a second WAL switch fail."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigError(f"state: the folder {path.parent} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        yield
    except OSError as error:
        raise ConfigError(f"state: {path} cannot be opened: {error.strerror}") from error
    finally:
        os.close(folder)


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(url, hide_parameters=True, pool_size=20, max_overflow=20)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # IMMEDIATE: a transaction that reads first and writes later would fail on the way instead of waiting.
        connection.isolation_level = "IMMEDIATE"
        for pragma in (f"busy_timeout={_WAIT_MS}", "foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _postgres_engine(url: URL) -> Engine:
    return create_engine(
        url,
        hide_parameters=True,
        pool_size=20,
        max_overflow=20,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 10, "application_name": "restorekit"},
    )


def _migrated(database: Database) -> Database:
    try:
        with speaking_plainly(), database.engine.connect() as connection:
            current = _revision(connection)
        if current != HEAD:
            _migrate(database)
    except BaseException:
        database.engine.dispose()
        raise
    return database


def _migrate(database: Database) -> None:
    from restorekit.catalog.migrate import upgrade  # noqa: PLC0415  Alembic costs start-up time; rarely needed

    with database.write() as connection:
        # Looked at again under the lock: another process may have migrated meanwhile.
        current = _revision(connection)
        if current > HEAD:
            raise ConfigError(
                f"state: the state database has tables {current}, this program knows up to {HEAD}; nothing was changed",
                hint="Update restorekit on this host.",
            )
        if current < HEAD:
            upgrade(connection)


def _revision(connection: Connection) -> str:
    if not inspect(connection).has_table(VERSION_TABLE):
        return ""
    return str(connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar() or "")


@contextlib.contextmanager
def speaking_plainly() -> Iterator[None]:
    """Errors of the driver become sentences without values; whether trying again can help is decided by code."""
    try:
        yield
    except DBAPIError as error:
        raise _sentence(error) from error
    except PoolTimeout as error:
        raise Temporary("the state database is too busy: no free connection", hint="Try again.") from error


def _sentence(error: DBAPIError) -> RestorekitError:
    text = (str(error.orig).strip() or type(error.orig).__name__).splitlines()[0]
    hint = "Nothing was changed. Is the state database up, and its disk not full?"
    number, code = getattr(error.orig, "sqlite_errorcode", None), getattr(error.orig, "sqlstate", None)
    if number == _SQLITE_FULL or code == _POSTGRES_FULL:
        return DiskFull(f"the state database's disk is full: {text}", hint="Nothing was changed. Make room.")
    if number is not None:
        temporary = number & 0xFF in _SQLITE_TEMPORARY
    else:
        temporary = error.connection_invalidated or code is None or code.startswith(_POSTGRES_TEMPORARY)
    if temporary:
        return Temporary(f"the state database does not answer: {text}", hint=hint)
    return RestorekitError(f"the state database refused: {text}", hint=hint)

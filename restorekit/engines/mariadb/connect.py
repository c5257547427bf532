"""Connections to live and to sandboxes, and quoting.

Every session of ours pins what decides the meaning of text and times: utf8mb4, UTC, strict mode, no surprises
from the server's defaults.
"""

import contextlib
import pwd
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pymysql
from pydantic import BaseModel, ConfigDict, Field
from pymysql.connections import Connection

from restorekit.errors import ConfigError, EngineUnavailable

SESSION = (
    "SET SESSION time_zone='+00:00', sql_mode='STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO', "
    "lock_wait_timeout=3, innodb_lock_wait_timeout=3, group_concat_max_len=1048576"
)
_REFUSED = frozenset({1045, 1698, 4151})
_GONE = frozenset({1053, 1317, 1927, 2003, 2006, 2013, 2055})
OWN_PREFIX = "rk_"
MARKER_SCHEMA = "_restorekit"
SYSTEM_SCHEMAS = frozenset({"mysql", "sys", "information_schema", "performance_schema", MARKER_SCHEMA})


def _nobody_special() -> str:
    """The server package's own user, or, where only its binaries are installed, nobody."""
    try:
        return pwd.getpwnam("mysql").pw_name
    except KeyError:
        return "nobody"


class Settings(BaseModel):
    """`engines.NAME` in restorekit.yaml for kind mariadb."""

    model_config = ConfigDict(extra="forbid")

    socket: Path | None = None
    host: str | None = None
    port: int = 3306
    user: str = "root"
    password_file: Path | None = None
    mariadbd: str = "mariadbd"
    install_db: str = "mariadb-install-db"
    dump: str = "mariadb-dump"
    sandbox_user: str = Field(default_factory=_nobody_special)
    sandbox_memory_mb: int = 1024
    workers: int = 2


def quoted(name: str) -> str:
    """An identifier in backticks."""
    return "`" + name.replace("`", "``") + "`"


def is_own(schema: str) -> bool:
    """True for the names of restorekit itself, which no inventory shows."""
    return schema == MARKER_SCHEMA or schema.startswith(("rk_hold_", "rk_undo_"))


def password(settings: Settings, base: Path) -> str:
    """The password from its file; raises ConfigError if it cannot be read."""
    if settings.password_file is None:
        return ""
    try:
        return (base / settings.password_file).read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise ConfigError(f"password_file: {error}") from error


def to_live(settings: Settings, base: Path, *, schema: str | None = None) -> "Connection[Any]":
    """A pinned session on live; raises EngineUnavailable, and ConfigError where the server refuses the account."""
    try:
        return as_account(settings, base, (settings.user, password(settings, base)), schema=schema)
    except EngineUnavailable as error:
        if not (isinstance(error.__cause__, pymysql.err.OperationalError) and error.__cause__.args[0] in _REFUSED):
            raise
        raise ConfigError(
            f"the database server refuses the account {settings.user}: wrong password, or it may not log in from here",
            hint="Check user and password_file of this engine in restorekit.yaml.",
        ) from error


def as_account(
    settings: Settings, base: Path, account: tuple[str, str], *, schema: str | None = None
) -> "Connection[Any]":
    """A pinned session on live as another account (name, password); raises EngineUnavailable."""
    if settings.socket is not None:
        return _open({"unix_socket": str(base / settings.socket)}, *account, schema)
    return _open({"host": settings.host or "127.0.0.1", "port": settings.port}, *account, schema)


def to_socket(
    path: Path, user: str, secret: str = "", *, schema: str | None = None, session: str = SESSION
) -> "Connection[Any]":
    """A session on a sandbox, pinned unless `session` says otherwise; raises EngineUnavailable."""
    return _open({"unix_socket": str(path)}, user, secret, schema, session)


def _open(
    place: dict[str, Any], user: str, secret: str, schema: str | None, session: str = SESSION
) -> "Connection[Any]":
    try:
        connection = pymysql.connect(
            **place,
            user=user,
            password=secret,
            database=schema,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=10,
            local_infile=False,
            defer_connect=True,
            ssl_disabled="unix_socket" in place,  # the driver would read all certificates (35 ms) for nothing
        )
        connection.connect(_reached(place))
        with connection.cursor() as cursor:
            cursor.execute(session)
    except (pymysql.err.OperationalError, OSError) as error:
        where = place.get("unix_socket") or f"{place.get('host')}:{place.get('port')}"
        raise EngineUnavailable(
            f"cannot connect to the server at {where} as {user}: {error.args[-1]}", hint="Is it up? Then try again."
        ) from error
    return connection


def _reached(place: dict[str, Any]) -> socket.socket | None:
    """A connected unix socket (the driver would leave its own open where nobody answers); None for TCP."""
    if "unix_socket" not in place:
        return None
    reached = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    reached.settimeout(10)
    try:
        reached.connect(place["unix_socket"])
    except OSError:
        reached.close()
        raise
    return reached


def rows(connection: "Connection[Any]", sql: str, args: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
    """Execute and fetch all rows."""
    with connection.cursor() as cursor:
        cursor.execute(sql, args)
        return list(cursor.fetchall())


def one(connection: "Connection[Any]", sql: str, args: Sequence[Any] | None = None) -> Any:
    """The first column of the first row, or None."""
    found = rows(connection, sql, args)
    return found[0][0] if found else None


def went_away(error: pymysql.err.MySQLError) -> bool:
    """True if the server, or this session's end of it, is no longer there."""
    return isinstance(error, pymysql.err.InterfaceError) or bool(error.args and error.args[0] in _GONE)


@contextlib.contextmanager
def told_plainly() -> Iterator[None]:
    """A server that goes away between any two statements is EngineUnavailable, whoever spoke with it."""
    try:
        yield
    except pymysql.err.MySQLError as error:
        if not went_away(error):
            raise
        raise EngineUnavailable(
            f"the database server went away in the middle ({error.args[0]})", hint="Is it up? Then try again."
        ) from None

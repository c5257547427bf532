"""After the exchange: what the application is going to read must be readable.

A temporary account with the application's reading rights asks every exchanged table and view for nothing. Views of
accounts that the gate holds back cannot be judged before it is open again.
"""

import contextlib
import secrets
from collections.abc import Iterable, Iterator
from typing import Any

import pymysql
from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import one, quoted, rows, to_socket
from restorekit.engines.mariadb.exchange.accounts import escaped
from restorekit.engines.mariadb.exchange.marker import Journal
from restorekit.engines.mariadb.live import Live, without_values
from restorekit.engines.mariadb.objects import harvest
from restorekit.errors import EngineUnavailable, ProofFailed

_READING = ("SELECT", "SHOW VIEW", "EXECUTE")
_DENIED = frozenset({1044, 1142, 1227})
_GONE = frozenset({0, 2006, 2013, 1927, 1053})


def tables(live: Live, session: "Connection[Any]", journal: Journal) -> None:
    """Under the gate: every table that came. Raises ProofFailed naming those that cannot be read."""
    _judge(live, session, journal, (t for t in journal.coming if not _is_sequence(session, journal.target, t)))


def views(live: Live, session: "Connection[Any]", journal: Journal) -> None:
    """With the gate open: every view that worked before (or in staging). Raises ProofFailed naming those that fail."""
    names = [v.name for v in harvest(session, journal.target).of("view") if v.name not in journal.broken]
    _judge(live, session, journal, names)


def broken_views(connection: "Connection[Any]", schema: str) -> tuple[str, ...]:
    """Views of the schema that do not work even for us."""
    names = [v.name for v in harvest(connection, schema).of("view")]
    return tuple(name for name in names if _answer(connection, schema, name) is not None)


def _is_sequence(connection: "Connection[Any]", schema: str, name: str) -> bool:
    kind = "SELECT table_type FROM information_schema.tables WHERE table_schema=%s AND table_name=%s"
    return bool(one(connection, kind, [schema, name]) == "SEQUENCE")


def _judge(live: Live, session: "Connection[Any]", journal: Journal, names: Iterable[str]) -> None:
    wanted = list(names)
    if not wanted:
        return
    with _application(live, session, journal) as visitor:
        failed = [f"{name}: {why}" for name in wanted if (why := _answer(visitor, journal.target, name)) is not None]
    if failed:
        raise ProofFailed(
            f"the application cannot read {len(failed)} of {len(wanted)} exchanged tables and views of "
            f"{journal.target}",
            details=tuple(failed[:20]),
        )


def _answer(connection: "Connection[Any]", schema: str, name: str) -> str | None:
    """None if it can be read, else the server's reason without values."""
    try:
        rows(connection, f"SELECT * FROM {quoted(schema)}.{quoted(name)} LIMIT 0")
    except pymysql.err.Error as error:
        if error.args[0] in _GONE:
            raise
        return f"server error {error.args[0]}: {without_values(str(error.args[-1]))}"
    return None


@contextlib.contextmanager
def _application(live: Live, session: "Connection[Any]", journal: Journal) -> Iterator["Connection[Any]"]:
    """A session of the temporary account, which is dropped at the end."""
    host = str(one(session, "SELECT SUBSTRING_INDEX(USER(),'@',-1)"))
    name = f"rk_chk_{journal.order_id}"
    account = f"{quoted(name)}@{quoted(host)}"
    secret = secrets.token_urlsafe(24) + "aA1!"
    held = {word for grant in journal.gate.grants if grant.scope.endswith(".*") for word in grant.privileges}
    words = [w for w in _READING if w in held] or ["SELECT"]
    rows(session, f"CREATE OR REPLACE USER {account} IDENTIFIED BY %s", [secret])
    try:
        try:
            rows(session, f"GRANT {', '.join(words)} ON {quoted(escaped(journal.target))}.* TO {account}")
        except pymysql.err.Error as error:
            if error.args[0] not in _DENIED:
                raise
            yield session  # not ours to grant: what we can read ourselves must do
            return
        with contextlib.closing(_open(live, name, secret)) as visitor:
            yield visitor
    finally:
        rows(session, f"DROP USER IF EXISTS {account}")


def _open(live: Live, user: str, secret: str) -> "Connection[Any]":
    """A session on live as somebody else."""
    settings = live.settings
    if settings.socket is not None:
        return to_socket(live.home.base / settings.socket, user, secret)
    host = settings.host or "127.0.0.1"
    try:
        return pymysql.connect(host=host, port=settings.port, user=user, password=secret, charset="utf8mb4")
    except pymysql.err.OperationalError as error:
        raise EngineUnavailable(f"cannot connect as {user}: server error {error.args[0]}") from error

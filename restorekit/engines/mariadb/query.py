"""Questions of customers and admins to a database, asked as a user who can do nothing but read it.

The account's rights are the wall; the statement's text is not looked at. A statement can lift its own time limit, so
a second session ends it from outside.
"""

import contextlib
import re
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import SSCursor

from restorekit.engines.mariadb import connect, sandbox
from restorekit.engines.mariadb.connect import one, quoted, rows
from restorekit.engines.mariadb.contents import must_exist
from restorekit.engines.mariadb.live import Live, reading, without_values
from restorekit.engines.mariadb.tables import tables
from restorekit.errors import EngineUnavailable, ProofFailed, Refused
from restorekit.model.database import Where

_MOST = 1000
_OUR_HOST = "SELECT SUBSTRING_INDEX(USER(),'@',-1)"
_PEEK_S = 30.0
_FRAGMENT = re.compile(r"[^\n]{0,12}[^\x00-\x7f][^\n]{0,12}")
_LOOKED_AT = 4000
"""Characters of a text that are looked at for something beyond ASCII."""


def ask(live: Live, where: Where, sql: str, timeout_s: float) -> list[tuple[Any, ...]]:
    """Up to 1000 rows of one reading statement; raises ProofFailed without any value in its text."""
    if where.sandbox is None:
        raise Refused(f"{where.schema_name} lies on live; checks ask in a sandbox only")
    return _asked(live, where, sql, timeout_s, _MOST)[1]


def peek(live: Live, where: Where, table: str, condition: str, most: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and up to `most` rows of a table or view, for showing at once; `condition` is SQL or empty."""
    sql = f"SELECT * FROM {quoted(table)}{_chosen(condition)} LIMIT {int(most)}"
    return _asked(live, where, sql, _PEEK_S, most)


def count(live: Live, where: Where, table: str, condition: str) -> int:
    """How many rows fulfil `condition` (all, if it is empty); raises ProofFailed."""
    return int(_asked(live, where, f"SELECT COUNT(*) FROM {quoted(table)}{_chosen(condition)}", _PEEK_S, 1)[1][0][0])


def which(live: Live, where: Where, table: str, column: str, condition: str, most: int) -> list[Any]:
    """Values of `column` in up to `most` rows that fulfil `condition`; raises ProofFailed."""
    sql = f"SELECT {quoted(column)} FROM {quoted(table)}{_chosen(condition)}"
    return [value for (value,) in _asked(live, where, sql, _PEEK_S, most)[1]]


def _chosen(condition: str) -> str:
    """The line break ends a comment at the end of the condition."""
    return f" WHERE (\n{condition}\n)" if condition else ""


def _asked(live: Live, where: Where, sql: str, timeout_s: float, most: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    try:
        with contextlib.closing(_reader(live, where)) as session:
            rows(session, "SET SESSION TRANSACTION READ ONLY")
            rows(session, "SET SESSION max_statement_time=%s, sql_select_limit=%s", (timeout_s, most))
            with _ended_after(live, where, session, timeout_s):
                return _first(session, sql, most)
    except pymysql.err.Error as error:
        # A session that was ended for taking too long looks the same, but for the server that is still there.
        if where.sandbox is not None and sandbox.server_pid(Path(where.sandbox)) is None:
            raise EngineUnavailable("the staging server went away; live is untouched", hint="Try again.") from error
        number = error.args[0] if error.args else 0
        raise ProofFailed(
            f"the question could not be answered (server error {number}: {without_values(str(error.args[-1]))}); "
            "live is untouched",
            hint="It may only read this one database, as one statement.",
        ) from error


def _reader(live: Live, where: Where) -> "Connection[Any]":
    """A session that may read this schema and nothing else.

    On live its account exists for an instant only: sessions keep the rights with which they chose their schema.
    """
    schema = where.schema_name
    if where.sandbox is not None:
        return sandbox.reader(live.sandbox(where), schema)
    with reading(f"a reading account for {schema}"), contextlib.closing(live.connect()) as session:
        must_exist(session, schema, live.name)
        name, secret = f"rk_read_{secrets.token_hex(6)}", secrets.token_urlsafe(24) + "aA1!"
        account = f"{quoted(name)}@{quoted(str(one(session, _OUR_HOST)))}"
        rows(session, f"CREATE USER {account} IDENTIFIED BY %s", (secret,))
        try:
            rows(session, f"GRANT SELECT, SHOW VIEW ON {sandbox.schema_pattern(schema)}.* TO {account}")
            return connect.as_account(live.settings, live.home.base, (name, secret), schema=schema)
        finally:
            rows(session, f"DROP USER {account}")


def _first(session: "Connection[Any]", sql: str, most: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Unbuffered: an answer that is longer in spite of the limit ends at the time limit, not in our memory."""
    cursor = session.cursor(SSCursor)
    try:
        # no arguments: a % in the text is a %
        cursor.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        return names, list(cursor.fetchmany(most)) if names else []
    finally:
        with contextlib.suppress(pymysql.err.Error):
            cursor.close()


@contextlib.contextmanager
def _ended_after(live: Live, where: Where, session: "Connection[Any]", timeout_s: float) -> Iterator[None]:
    """`SET STATEMENT max_statement_time=0 FOR …` would run for ever: after a grace the session is killed."""
    number = int(one(session, "SELECT CONNECTION_ID()"))

    def end() -> None:
        with contextlib.suppress(pymysql.err.Error), live.where_connect(where) as other:
            rows(other, f"KILL {number}")

    timer = threading.Timer(timeout_s + 1, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def samples(live: Live, where: Where, most: int) -> list[str]:
    """Up to `most` short fragments around non-ASCII characters per text table, as `table.column: xx ä xxx`.

    Letters and digits are masked; what is left shows whether the encoding is right (`Ã¤` is not).
    """
    found: list[str] = []
    with contextlib.closing(live.where_connect(where)) as session:
        for table in tables(session, where.schema_name):
            texts = [c.name for c in table.stored if c.charset is not None]
            if not texts:
                continue
            shown = [f"LEFT(CONVERT({quoted(n)} USING utf8mb4),{_LOOKED_AT})" for n in texts]
            wider = " OR ".join(f"LENGTH({text})<>CHAR_LENGTH({text})" for text in shown)
            answer = rows(session, f"SELECT {','.join(shown)} FROM {table.full} WHERE {wider} LIMIT {int(most)}")
            fragments = [
                f"{table.name}.{name}: {masked(match.group(0))}"
                for row in answer
                for name, text in zip(texts, row, strict=True)
                if text and (match := _FRAGMENT.search(str(text)))
            ]
            found += fragments[:most]
    return found


def masked(text: str) -> str:
    """ASCII letters as x, digits as 0; everything else stays."""
    return re.sub(r"[0-9]", "0", re.sub(r"[A-Za-z]", "x", text))

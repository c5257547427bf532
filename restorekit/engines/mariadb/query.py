"""Questions of customers and admins to a restored database, asked as a user who can do nothing.

The account's rights are the wall; the statement's text is not looked at. A statement can lift its own time limit, so
a second session ends it from outside.
"""

import contextlib
import re
import threading
from collections.abc import Iterator
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import SSCursor

from restorekit.engines.mariadb import sandbox
from restorekit.engines.mariadb.connect import one, quoted, rows
from restorekit.engines.mariadb.live import Live, without_values
from restorekit.engines.mariadb.tables import tables
from restorekit.errors import ProofFailed, Refused
from restorekit.model.database import Where

_MOST = 1000
_PEEK_S = 30.0
_FRAGMENT = re.compile(r"[^\n]{0,12}[^\x00-\x7f][^\n]{0,12}")
_LOOKED_AT = 4000
"""Characters of a text that are looked at for something beyond ASCII."""


def ask(live: Live, where: Where, sql: str, timeout_s: float) -> list[tuple[Any, ...]]:
    """Up to 1000 rows of one reading statement; raises ProofFailed without any value in its text."""
    return _asked(live, where, sql, timeout_s, _MOST)[1]


def peek(live: Live, where: Where, table: str, condition: str, most: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and up to `most` rows of a table or view, for showing at once; `condition` is SQL or empty."""
    # the line break ends a comment at the end of the condition
    chosen = f" WHERE (\n{condition}\n)" if condition else ""
    return _asked(live, where, f"SELECT * FROM {quoted(table)}{chosen} LIMIT {int(most)}", _PEEK_S, most)


def _asked(live: Live, where: Where, sql: str, timeout_s: float, most: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    if where.sandbox is None:
        raise Refused(f"{where.schema_name} lies on live; questions are asked in a sandbox only")
    try:
        with contextlib.closing(sandbox.reader(live.sandbox(where), where.schema_name)) as session:
            rows(session, "SET SESSION max_statement_time=%s, sql_select_limit=%s", (timeout_s, most))
            with _ended_after(live, where, session, timeout_s):
                return _first(session, sql, most)
    except pymysql.err.Error as error:
        number = error.args[0] if error.args else 0
        raise ProofFailed(
            f"the question could not be answered (server error {number}: {without_values(str(error.args[-1]))}); "
            "live is untouched",
            hint="It may only read the restored database, as one statement.",
        ) from error


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

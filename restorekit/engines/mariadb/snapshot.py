"""One moment, seen by one or more sessions."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pymysql.connections import Connection

from restorekit.engines.mariadb import connect
from restorekit.engines.mariadb.connect import one, rows
from restorekit.engines.mariadb.live import Live
from restorekit.model.database import Where

_TRIES = 5


@dataclass(frozen=True)
class Snapshot:
    """Sessions that all see the same state; `position` is its place in the binary log, if there is one.

    Everything that was committed before `began_at` is in it.
    """

    sessions: Sequence["Connection[Any]"]
    position: str
    began_at: datetime

    @property
    def session(self) -> "Connection[Any]":
        """The first of them."""
        return self.sessions[0]


@contextlib.contextmanager
def snapshot(live: Live, where: Where, wanted: int, *, still: bool = False) -> Iterator[Snapshot]:
    """Up to `wanted` sessions in one consistent snapshot; they are closed at the end.

    In a sandbox, in our own schemas, and where the caller knows that nobody writes (`still`), any sessions see the
    same. Elsewhere more than one is used only if the positions in the binary log prove that they see the same.
    """
    quiet = still or where.sandbox is not None or connect.is_own(where.schema_name)
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(contextlib.closing(live.where_connect(where)))]
        most = max(1, wanted) if quiet or one(sessions[0], "SELECT @@log_bin") else 1
        more = [live.where_connect(where) for _ in range(most - 1)]
        sessions += [stack.enter_context(contextlib.closing(s)) for s in more]
        began_at, positions = datetime.now(UTC), [begin(s) for s in sessions]
        for _ in range(_TRIES):
            if quiet or len(set(positions)) == 1:
                break
            began_at, positions = datetime.now(UTC), [begin(s) for s in sessions]
        else:
            sessions = sessions[:1]
        yield Snapshot(sessions, positions[0], began_at)


def begin(session: "Connection[Any]") -> str:
    """Start a (new) consistent read-only snapshot and say its position in the binary log ("" without one)."""
    with session.cursor() as cursor:
        cursor.execute("SET SESSION tx_isolation='REPEATABLE-READ', sql_quote_show_create=1")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    status = dict(rows(session, "SHOW STATUS LIKE 'Binlog_snapshot%'"))
    file = status.get("Binlog_snapshot_file", "")
    if file in ("", "none"):
        return ""
    return f"{file}:{status.get('Binlog_snapshot_position', '')}"

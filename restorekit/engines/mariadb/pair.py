"""Two sessions that are asked at the same time: live and staging."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import one, rows
from restorekit.engines.mariadb.live import Live
from restorekit.engines.mariadb.snapshot import begin
from restorekit.model.database import Where
from restorekit.ports import Watch

Rows = list[tuple[Any, ...]]
_LOOK_S = 0.2
_PACKED = 256 << 20
"""group_concat_max_len of our sessions: bytes of one packed chunk, far above any chunk we make."""


@dataclass(frozen=True)
class Pair:
    """Both sessions, each in its own snapshot, and how to stop what runs in them."""

    live: "Connection[Any]"
    staging: "Connection[Any]"
    pool: ThreadPoolExecutor
    watch: Watch
    stop: Callable[[], None]

    def ask(self, live_sql: str, staging_sql: str) -> tuple[Rows, Rows]:
        """Both answers. Looks at the watch meanwhile; on cancel both statements are stopped on their servers."""
        asked = [self.pool.submit(rows, self.live, live_sql), self.pool.submit(rows, self.staging, staging_sql)]
        try:
            self._patiently(asked)
        except BaseException:
            self.stop()
            wait(asked)
            raise
        return asked[0].result(), asked[1].result()

    def _patiently(self, asked: list["Future[Rows]"]) -> None:
        while wait(asked, timeout=_LOOK_S).not_done:
            self.watch.check()
            failed = next((f for f in asked if f.done() and f.exception() is not None), None)
            if failed is not None:
                failed.result()


@contextlib.contextmanager
def pair(live: Live, live_where: Where, staging: Where, watch: Watch) -> Iterator[Pair]:
    """Open both sides, each in a consistent snapshot of its own; closed at the end."""
    with contextlib.ExitStack() as stack:
        sessions = []
        for where in (live_where, staging):
            session = stack.enter_context(contextlib.closing(live.where_connect(where)))
            rows(session, f"SET SESSION group_concat_max_len={_PACKED}")
            begin(session)
            sessions.append(session)
        places = (live_where, staging)
        threads = [(w, int(one(s, "SELECT CONNECTION_ID()"))) for w, s in zip(places, sessions, strict=True)]
        pool = stack.enter_context(ThreadPoolExecutor(2, thread_name_prefix="compare"))
        yield Pair(sessions[0], sessions[1], pool, watch, lambda: _kill(live, threads))


def _kill(live: Live, threads: list[tuple[Where, int]]) -> None:
    for where, thread in threads:
        # 1094: the statement ended by itself in the meantime
        with contextlib.suppress(pymysql.err.Error), live.where_connect(where) as session:
            rows(session, f"KILL QUERY {thread}")

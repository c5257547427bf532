"""Statements on several connections at once; every one can be stopped at any moment.

Only the thread that reads the dump hands out work. While it waits it looks after cancellation and disk space, also
during an ALTER that takes an hour; whatever ends it early kills the statements on the server.
"""

import contextlib
import os
from collections.abc import Callable
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Self

import pymysql
from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import one
from restorekit.errors import DiskFull
from restorekit.ports import Watch

Job = Callable[["Connection[Any]"], object]
_POLL_S = 0.2
RESERVE = 32 << 20
"""Bytes that stay free: a MyISAM table on a full disk does not fail, it waits."""


class Crew:
    """`size` connections with one thread each. Leaving the context waits for all work or, on an error, kills it."""

    def __init__(self, connect: "Callable[[], Connection[Any]]", size: int, watch: Watch, folder: Path) -> None:
        self._watch = watch
        self._folder = folder
        self._connect = connect
        self.connections: list[Connection[Any]] = []
        self._ids: dict[int, int] = {}
        self._size = size
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="load")
        self._busy: dict[Future[object], Connection[Any]] = {}

    def __enter__(self) -> Self:
        try:
            for _ in range(self._size):
                connection = self._connect()
                self.connections.append(connection)
                self._ids[id(connection)] = int(one(connection, "SELECT CONNECTION_ID()"))
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._kill()
        self._close()

    def spread(self, job: Job) -> None:
        """Run on the first connection that is free; waits for one. Raises what an earlier job raised."""
        while len(self._busy) >= self._size:
            self._reap(FIRST_COMPLETED)
        taken = list(self._busy.values())
        self._start(next(c for c in self.connections if c not in taken), job)

    def settle(self) -> None:
        """Wait until nothing runs; raises what a job raised."""
        while self._busy:
            self._reap(ALL_COMPLETED)

    def alone(self, job: Job) -> None:
        """Run on the first connection while nothing else runs."""
        self.settle()
        self._start(self.connections[0], job)
        self.settle()

    def everywhere(self, job: Job) -> None:
        """Run on each connection while nothing else runs; for statements that take no time."""
        self.settle()
        for connection in self.connections:
            job(connection)

    def _start(self, connection: "Connection[Any]", job: Job) -> None:
        self._busy[self._pool.submit(job, connection)] = connection

    def _reap(self, until: str) -> None:
        done, _ = wait(self._busy, timeout=_POLL_S, return_when=until)
        for future in done:
            del self._busy[future]
        for future in done:
            future.result()
        self._watch.check()
        self._check_space()

    def _check_space(self) -> None:
        found = os.statvfs(self._folder)
        if found.f_bavail * found.f_frsize < RESERVE:
            raise DiskFull(
                f"less than {RESERVE >> 20} MiB are left in {self._folder}; the load was stopped, live is untouched",
                hint="Free space or move `staging`, then try again.",
            )

    def _kill(self) -> None:
        """End what runs on the server: closing a connection alone would let an ALTER go on to its end."""
        with contextlib.suppress(Exception), contextlib.closing(self._connect()) as session:
            for connection in self._busy.values():
                with contextlib.suppress(pymysql.err.MySQLError):
                    session.query(f"KILL {self._ids[id(connection)]}")

    def _close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        for connection in self.connections:
            with contextlib.suppress(pymysql.err.MySQLError):
                connection.close()

"""A real PostgreSQL server for tests: own temporary folder, unix socket, unprivileged user, stopped by pid.

with PostgresServer.running() as server:
    url = server.new_database()
"""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psycopg

OS_USER = "postgres"


def programs() -> Path:
    """Where initdb and postgres are: the newest installed version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: float(p.parts[-3]))
    if not found:
        raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql")
    return found[-1].parent


def _as_user() -> list[str]:
    """Words that start a server as nobody special, and end it when the test process dies."""
    drop = [f"--reuid={OS_USER}", f"--regid={OS_USER}", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", "--pdeathsig", "KILL", *drop, "--"]


def _short_folder() -> Path:
    """Short, because socket paths are limited to 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="rk-pg-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(folder, OS_USER, OS_USER)
    return folder


@dataclass
class PostgresServer:
    """A server without network; `fsync` off unless the disk is the point. `args` are further `name=value` settings."""

    fsync: bool = False
    args: tuple[str, ...] = ()
    folder: Path = field(default_factory=_short_folder)
    _process: "subprocess.Popen[bytes] | None" = None
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @classmethod
    @contextlib.contextmanager
    def running(cls, **options: Any) -> Iterator[Self]:
        """A started server that is stopped and deleted at the end, also when the test fails."""
        server = cls(**options)
        try:
            server.start()
            yield server
        finally:
            server.stop()
            shutil.rmtree(server.folder, ignore_errors=True)

    def url(self, database: str = "postgres") -> str:
        """SQLAlchemy's address of a database on this server."""
        return f"postgresql+psycopg://{OS_USER}@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres") -> "psycopg.Connection[Any]":
        """A connection of the superuser that commits by itself."""
        return psycopg.connect(host=str(self.folder), dbname=database, user=OS_USER, autocommit=True)

    def new_database(self) -> str:
        """The URL of a fresh, empty database."""
        name = f"state_{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def start(self) -> None:
        """Start it (again) and wait until it answers."""
        data = self.folder / "data"
        if not data.exists():
            words = ["--no-sync", "--auth=trust", f"--username={OS_USER}", "--encoding=UTF8", "--locale=C.UTF-8"]
            command = [*_as_user(), str(programs() / "initdb"), *words, str(data)]
            subprocess.run(command, check=True, capture_output=True, timeout=120, cwd="/")
        settings = ["listen_addresses=", f"unix_socket_directories={self.folder}", "shared_buffers=16MB"]
        settings += [f"fsync={'on' if self.fsync else 'off'}", "autovacuum=off", *self.args]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_as_user(), str(programs() / "postgres"), "-D", str(data), *(f"--{s}" for s in settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
            )
        end = time.monotonic() + 60
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"postgres did not start:\n{self.log()[-3000:]}") from None
                time.sleep(0.02)  # the end of another process's start can only be polled
            else:
                return

    def log(self) -> str:
        """What the server wrote to its log."""
        return (self.folder / "log").read_text(errors="replace")

    def stop(self) -> None:
        """Stop it at once (immediate shutdown ends its children, too); idempotent."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None

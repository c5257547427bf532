"""Sandboxes as the product makes them, and what tests do with them."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from servers.mariadb import LiveServer, server_folder
from servers.mariadb_live import Quiet, cache

from restorekit.engines.mariadb import load, sandbox, witness
from restorekit.engines.mariadb.connect import Settings, one, rows
from restorekit.model.artifact import Loaded
from restorekit.model.home import Home
from restorekit.model.staged import Sandbox, SandboxSpec
from restorekit.model.verdict import Check

LIKE_LIVE = {
    "sql_mode": "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION",
    "character_set_server": "utf8mb4",
    "collation_server": "utf8mb4_general_ci",
    "schema_charset": "utf8mb4",
    "schema_collation": "utf8mb4_general_ci",
    "time_zone": "+02:00",
}


def chunked(data: bytes, size: int = 1 << 16) -> Iterator[bytes]:
    """A stream of it."""
    return (data[at : at + size] for at in range(0, len(data), size))


@dataclass
class Stage:
    """One sandbox and its house."""

    settings: Settings
    home: Home
    spec: SandboxSpec
    sandbox: Sandbox

    def load(self, data: bytes | Iterable[bytes], watch: Any = None, compression: Any = "none") -> Loaded:
        stream = chunked(data) if isinstance(data, bytes) else data
        return load.load(self.settings, self.home, self.sandbox, stream, ("sql", compression), watch or Quiet())

    def witness(self, loaded: Loaded) -> list[Check]:
        return witness.witness(self.settings, self.home, self.sandbox, loaded)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(sandbox.admin(self.sandbox, self.sandbox.schema_name)) as session:
            return rows(session, sql)

    def script(self, sql: str) -> None:
        """Several statements in one session."""
        with contextlib.closing(sandbox.admin(self.sandbox, self.sandbox.schema_name)) as session:
            for statement in sql.split(";"):
                rows(session, statement)

    def one(self, sql: str) -> Any:
        with contextlib.closing(sandbox.admin(self.sandbox, self.sandbox.schema_name)) as session:
            return one(session, sql)

    def dump(self, *words: str) -> bytes:
        """mariadb-dump of the sandbox with these words."""
        marker = sandbox.running_marker(self.sandbox)
        login = ["--no-defaults", f"--socket={marker.socket}", f"-u{marker.admin}", f"-p{marker.password}"]
        done = subprocess.run(["mariadb-dump", *login, *words], capture_output=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout


def house(**settings: Any) -> tuple[Settings, Home]:
    """Settings and a home in a new folder that the server's user may enter."""
    folder = server_folder("rk-home-")
    return Settings(**settings), Home(staging=folder / "staging", cache=cache(), base=folder, timezone="Europe/Berlin")


@contextlib.contextmanager
def staged(
    schema: str = "zoo", like: dict[str, str] | None = None, *, disk: str = "", **settings: Any
) -> Iterator[Stage]:
    """A running sandbox, discarded at the end, also when the test fails; on a `disk` of that size, if given."""
    made, home = house(**settings)
    spec = SandboxSpec(id="r1", schema_name=schema, settings=LIKE_LIVE | (like or {}), size_hint_bytes=1 << 20)
    place = Sandbox(id="r1", engine="mariadb", folder=str(home.staging / "r1"), schema_name=schema)
    with small_disk(home.staging, disk) if disk else contextlib.nullcontext():
        try:
            yield Stage(made, home, spec, sandbox.open_sandbox(made, home, spec))
        finally:
            sandbox.discard(place)
    shutil.rmtree(home.base, ignore_errors=True)


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of that size (`60m`) at `folder`; the test is skipped where none can be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=711", "rk", str(folder)], check=False)
    if done.returncode:
        pytest.skip("no file system of its own can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def without_comments(dump: bytes) -> list[bytes]:
    """A dump's lines that mean something."""
    return [line for line in dump.splitlines() if line and not line.startswith(b"--")]


__all__ = ["LIKE_LIVE", "LiveServer", "Quiet", "Stage", "chunked", "house", "small_disk", "staged", "without_comments"]

"""A hoster: a live MariaDB, its nightly snapshots in restic, a folder of plain dumps, and restorekit beside them.

Commands are real processes out of a nursery (see `scenarios.nursery`): starting Python anew for each would cost more
than what they do.
"""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from scenarios.house import FastInstallation
from servers.mariadb import LiveServer, server_folder
from servers.mariadb_live import cache
from servers.restic import Repository

NAMES = ("{engine}/{database}.sql", "{engine}/{database}.sql.zst")
GRANTS = (
    "SELECT * FROM mysql.db WHERE db NOT IN ('sys', 'test') ORDER BY 1, 2, 3",
    "SELECT host, db, user, table_name, table_priv, column_priv FROM mysql.tables_priv ORDER BY 1, 2, 3, 4",
    "SELECT host, db, user, table_name, column_name, column_priv FROM mysql.columns_priv ORDER BY 1, 2, 3, 4, 5",
    "SELECT host, db, user, routine_name, routine_type, proc_priv FROM mysql.procs_priv ORDER BY 1, 2, 3, 4, 5",
    # A lock that was set and opened again stays behind as a word that says no.
    "SELECT host, user, REPLACE(priv, ',\"account_locked\":false', '') FROM mysql.global_priv ORDER BY 1, 2",
)


def contents(live: LiveServer, schema: str) -> list[bytes]:
    """The whole database as a dump without its date: rows, their history, counters, objects; line by line.

    A view that an accident has broken is in it as the server keeps it.
    """
    words = ["--skip-dump-date", "--order-by-primary", "--dump-history", "--hex-blob", "--force", "-R", "-E", schema]
    argv = ["mariadb-dump", "--no-defaults", f"--socket={live.socket}", "-uroot", "--default-character-set=utf8mb4"]
    done = subprocess.run([*argv, *words], capture_output=True, check=False)
    assert b"-- Dump completed" in done.stdout, done.stderr
    views = "SELECT table_name, view_definition, definer, security_type FROM information_schema.views"
    kept = live.rows(f"{views} WHERE table_schema = '{schema}' ORDER BY 1")
    return [*done.stdout.splitlines(), *(repr(view).encode() for view in kept)]


def rights(live: LiveServer) -> list[tuple[Any, ...]]:
    """All accounts and what they may do."""
    return [row for sql in GRANTS for row in live.rows(sql)]


def everything(live: LiveServer, schema: str) -> tuple[Any, ...]:
    """The whole database and all rights."""
    return (*contents(live, schema), *rights(live))


@dataclass
class Hoster:
    """One per test module; each test uses databases of its own."""

    live: LiveServer
    house: FastInstallation
    repository: Repository

    @classmethod
    @contextlib.contextmanager
    def open(cls, live: LiveServer, **settings: Any) -> Iterator[Self]:
        """In a new folder; `settings` are further ones of the installation."""
        folder = server_folder("rk-hoster-")
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            repository = Repository(folder / "repository").init()
            (folder / "house").mkdir()
            (folder / "house" / "cache").symlink_to(cache())
            (folder / "dumps" / "db1").mkdir(parents=True)
            plain = {"kind": "directory", "path": str(folder / "dumps"), "quiet_s": 0}
            house = FastInstallation(
                folder=folder / "house",
                engines={"db1": {"kind": "mariadb", "socket": str(live.socket), "user": "root"}},
                sources={
                    "nightly": {**repository.settings(), "kind": "restic", "layout": "{database}.sql", "engine": "db1"},
                    "plain": {**plain, "layout": ["{engine}/all.sql#{database}", *NAMES]},
                },
                **settings,
            )
            stack.callback(house.end)
            yield cls(live, house, repository)

    @property
    def dumps(self) -> Path:
        """Where `{database}.sql` is found."""
        return self.house.folder.parent / "dumps" / "db1"

    def file(self, name: str, data: bytes, manifest: bytes | None = None, *, into: str = "") -> str:
        """A plain dump of that database (`into` a file of another name), perhaps its manifest; its point's id."""
        for old in self.dumps.iterdir():
            old.unlink()
        path = self.dumps / (into or f"{name}.sql")
        path.write_bytes(data)
        if manifest is not None:
            path.with_name(f"{path.name}.manifest.json").write_bytes(manifest)
        found = self.house.ok("points", f"db1/{name}", "--scan", "--json").json
        return str(next(p["id"] for p in found if p["source"] == "plain" and p["state"] == "usable"))

    @contextlib.contextmanager
    def database(self, name: str) -> Iterator[str]:
        """An empty one, gone afterwards with all that restores of it left on live."""
        self.live.script(f"CREATE DATABASE `{name}`")
        try:
            yield name
        finally:
            self.clean(name)

    def clean(self, *names: str) -> None:
        """Cancel what rests; drop these databases, the plain dumps, and everything of ours."""
        for dump in self.dumps.iterdir():
            dump.unlink()
        for run in self.house.run("status", "--json").json:
            if run["state"] in ("awaiting_approval", "staged", "verified", "compared"):
                self.house.run("cancel", run["id"])
        self.house.end()
        for (schema,) in self.live.rows("SHOW DATABASES"):
            if schema in names or schema.startswith("rk_"):
                self.live.script(f"DROP DATABASE `{schema}`")

    def restore(self, database: str, *words: str) -> dict[str, Any]:
        """Approved in advance, to the end; what it told."""
        return dict(self.house.ok("restore", f"db1/{database}", *words, "--yes", "--json").json)

    def undo(self, told: dict[str, Any]) -> None:
        """Take it back, and say so."""
        assert self.house.ok("undo", told["id"], "--json").json["state"] == "undone"

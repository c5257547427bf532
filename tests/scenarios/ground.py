"""Ground for bad input: a live MariaDB with customers, two sources, an installation; proof that live kept still.

Commands are real processes out of a nursery (see `scenarios.nursery`), so that forty of them fit into a minute.
"""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from scenarios.house import Answer, FastInstallation
from scenarios.nursery import Command
from servers.mariadb import LiveServer, server_folder
from servers.restic import Repository

from restorekit.engines.mariadb.sandbox import server_pid

TABLES = """
CREATE TABLE customers (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(60) NOT NULL);
CREATE TABLE orders (id INT PRIMARY KEY, customer INT NOT NULL, amount INT, note TEXT,
  FOREIGN KEY (customer) REFERENCES customers (id));
CREATE TABLE visits (who VARCHAR(20));
INSERT INTO customers (name) VALUES ('Jürgen Müller'), ('O''Neill; --'), ('Zoë 🎈');
INSERT INTO orders SELECT seq, 1 + seq % 3, seq, CONCAT('note (', seq, '), ') FROM seq_1_to_200;
INSERT INTO visits VALUES ('a'), ('a'), ('b');
"""
T = TypeVar("T")
DAMAGE = "DELETE FROM orders WHERE id > 100; UPDATE customers SET name = 'nobody' WHERE id = 2"
SAID_UNTOUCHED = ("live untouched", "live is untouched", "live is as before")


@dataclass
class Customer:
    """A database of that name, damaged after its backup, with an account of the same name."""

    name: str
    ground: "Ground"

    @property
    def live(self) -> LiveServer:
        return self.ground.live

    def sql(self, text: str) -> None:
        self.live.script(text, self.name)

    def dump(self, *options: str) -> bytes:
        return self.live.dump(self.name, *options)

    def file(self, data: bytes | None = None) -> str:
        """A dump in the folder of plain dumps (the whole one by default); its point's id."""
        path = self.ground.dumps / "db1" / f"{self.name}.sql"
        path.write_bytes(self.dump() if data is None else data)
        return self.point("plain")

    def snapshot(self, data: bytes | None = None, at: str = "2026-01-17 02:00:00") -> str:
        """A dump in the shared repository; its point's id."""
        self.ground.repository.stream(f"db1/{self.name}.sql", self.dump() if data is None else data, at)
        return self.point("nightly")

    def point(self, source: str) -> str:
        """The newest point that the source has now, usable or not."""
        found = self.ground.house.ok("points", self.database, "--scan", "--json").json
        return str(next(p["id"] for p in found if p["source"] == source and p["state"] != "expired"))

    @property
    def database(self) -> str:
        return f"db1/{self.name}"

    def restore(self, *words: str, **env: str) -> Answer:
        return self.ground.house.run("restore", self.database, *words, "--json", env=env)


@dataclass
class Ground:
    """One for all tests of bad input; `shop` gives each a customer of its own. `empty` is a repository to be copied."""

    live: LiveServer
    house: FastInstallation
    repository: Repository
    empty: Repository
    folder: Path
    _count: int = 0
    playbook: str = "name: default\nproof: {min_level: 5}\nswap: {gate_max: 30s}\n"

    @classmethod
    @contextlib.contextmanager
    def open(cls, live: LiveServer) -> Iterator[Self]:
        folder = server_folder("rk-bad-")
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            live.script("CREATE DATABASE IF NOT EXISTS neighbour; CREATE OR REPLACE TABLE neighbour.t (v INT)")
            empty = Repository(folder / "empty").init()
            repository = empty.copy(folder / "repository")
            (folder / "dumps" / "db1").mkdir(parents=True)
            (folder / "dumps" / "db1" / "neighbour.sql").write_bytes(live.dump("neighbour"))  # a folder in use
            house = FastInstallation(
                folder=folder / "house",
                engines={"db1": {"kind": "mariadb", "socket": str(live.socket), "user": "root"}},
                sources={
                    "nightly": {"kind": "restic", **repository.settings()},
                    "plain": {
                        "kind": "directory",
                        "path": str(folder / "dumps"),
                        "layout": "{engine}/{database}.sql",
                        "quiet_s": 0,
                    },
                },
                playbooks={"default": cls.playbook},
            )
            stack.callback(house.end)
            yield cls(live, house, repository, empty, folder)

    @property
    def dumps(self) -> Path:
        return self.folder / "dumps"

    @contextlib.contextmanager
    def shop(self) -> Iterator[Customer]:
        """A fresh customer; whatever is left of it afterwards is removed."""
        self._count += 1
        one = Customer(f"shop_{self._count}", self)
        account, pattern = f"{one.name}@localhost", one.name.replace("_", "\\_")
        self.live.script(
            f"CREATE DATABASE {one.name}; CREATE USER {account} IDENTIFIED BY 'pw';"
            f"GRANT ALL ON `{pattern}`.* TO {account};"
        )
        one.sql(TABLES)
        one.sql(f"CREATE DEFINER={account} VIEW big AS SELECT * FROM orders WHERE amount > 100")
        try:
            yield one
        finally:
            self._clean(one)

    def _clean(self, one: Customer) -> None:
        for run in self.house.run("status", "--json").json:
            if run["state"] in ("awaiting_approval", "staged", "verified", "compared"):
                self.house.run("cancel", run["id"])
        self.house.end()
        for schema in [n for (n,) in self.live.rows("SHOW DATABASES") if n == one.name or n.startswith("rk_")]:
            self.live.script(f"DROP DATABASE `{schema}`")
        self.live.script(f"DROP USER IF EXISTS {one.name}@localhost")
        (self.dumps / "db1" / f"{one.name}.sql").unlink(missing_ok=True)

    @contextlib.contextmanager
    def configured(self, **changes: dict[str, Any]) -> Iterator[None]:
        """Other sections of `restorekit.yaml` for a while; entries are added to what is there."""
        kept = {name: dict(getattr(self.house, name)) for name in changes}
        for name, more in changes.items():
            setattr(self.house, name, kept[name] | more)
        self.house.write()
        try:
            yield
        finally:
            for name, section in kept.items():
                setattr(self.house, name, section)
            self.house.write()

    # ---- what live is, and what must not be left ----

    def everything(self) -> tuple[Any, ...]:
        """Every schema that is not the server's, holding schemas and undo copies included, and every account."""
        own = {"mysql", "sys", "information_schema", "performance_schema", "_restorekit"}
        names = [n for (n,) in self.live.rows("SHOW DATABASES") if n not in own]
        words = ("--skip-dump-date", "--single-transaction", "-R", "-E", "--databases", *names)
        ask = (
            "SELECT * FROM mysql.db ORDER BY 1, 2, 3",
            "SELECT host, db, user, table_name, table_priv, column_priv FROM mysql.tables_priv ORDER BY 1, 2, 3, 4",
            "SELECT host, user, REPLACE(priv, ',\"account_locked\":false', '') FROM mysql.global_priv ORDER BY 1, 2",
        )
        return (self.live.dumped(*words), *(row for sql in ask for row in self.live.rows(sql)))

    def left_over(self) -> list[str]:
        """Folders of sandboxes, schemas and accounts of ours."""
        staging = self.house.folder / "staging"
        folders = [p.name for p in staging.iterdir() if p.name != "locks"] if staging.exists() else []
        accounts = self.live.rows("SELECT user FROM mysql.global_priv WHERE user LIKE 'rk\\_%'")
        schemas = self.live.rows("SHOW DATABASES LIKE 'rk\\_%'")
        return folders + [name for (name,) in (*accounts, *schemas)]

    @contextlib.contextmanager
    def untouched(self) -> Iterator[None]:
        """Live is the same afterwards to the last byte and right, and nothing of ours is left anywhere."""
        before = self.everything()
        yield
        assert self.everything() == before, "live has changed"
        assert not (left := self.left_over()), left
        self.house.nothing_runs()

    def refused(self, *words: str, code: str, exit_code: int, says: Sequence[str] = (), **env: str) -> dict[str, Any]:
        """Run it as a program and look at it as a person: stable code, clear words, what is untouched, a hint."""
        answer = self.house.run(*words, "--json", env=env)
        told = answer.json
        error = told["error"]
        assert (answer.code, error and error["code"]) == (exit_code, code), (told.get("state"), error, answer.err)
        assert error["exit_code"] == exit_code
        assert error["hint"], error
        shown = self.house.run("status", told["id"]) if "id" in told else self.house.run(*words, env=env)
        text = " ".join(f"{shown.out} {shown.err}".split())
        assert "Traceback" not in text, shown
        assert any(phrase in text for phrase in SAID_UNTOUCHED), shown
        for piece in (error["message"], error["hint"], *says):
            assert " ".join(piece.split()) in text, (piece, shown)
        return dict(told)

    # ---- catching things in the act ----

    def sandbox(self, run_id: str) -> int | None:
        """The pid of that restore's staging server."""
        return server_pid(self.house.folder / "staging" / run_id)

    def run_of(self, command: Command) -> str:
        """The id that a running command has said."""
        return until(lambda: next(iter(_ids(command)), ""), "the restore says its id")


def _ids(command: Command) -> list[str]:
    lines = [line for text in command.said for line in text.splitlines() if line.startswith("Restore ")]
    return [line.split()[1] for line in lines]


def until(look: Callable[[], T], what: str, patience_s: float = 60) -> T:
    """The first true answer; what other processes do can only be polled."""
    end = time.monotonic() + patience_s
    while not (answer := look()):
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(0.01)
    return answer


@dataclass
class Tap:
    """A restic that stops in the middle of `dump`, until `open` is called: a slow medium."""

    folder: Path
    after_bytes: int = 4000

    def __post_init__(self) -> None:
        os.mkfifo(self.valve)
        self.binary.write_text(
            "#!/bin/sh\n"
            'case " $* " in\n'
            f'*" dump "*) restic "$@" | {{ head -c {self.after_bytes}; : > {self.reached}; read -r _ < {self.valve};'
            " cat; } ;;\n"
            '*) exec restic "$@" ;;\nesac\n'
        )
        self.binary.chmod(0o755)

    @property
    def binary(self) -> Path:
        return self.folder / "slow-restic"

    @property
    def valve(self) -> Path:
        return self.folder / "valve"

    @property
    def reached(self) -> Path:
        return self.folder / "reached"

    def open(self) -> None:
        """Let the rest through, as soon as somebody waits for it."""
        until(self._opened, "somebody waits at the valve")

    def _opened(self) -> bool:
        try:
            fd = os.open(self.valve, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # the shell has not come to its `read` yet
            return False
        os.write(fd, b"\n")
        os.close(fd)
        return True


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A little file system of its own in `folder`; raises OSError where mounting is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(done.stderr.strip())
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)

"""An installation on SQLite databases and a folder of captured backups, driven in this process: quick to ask."""

import io
import re
import sqlite3
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from scenarios.house import Answer, Installation

from restorekit.cli import main  # noqa: F401 - registers the commands
from restorekit.cli.run import run

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@dataclass
class Desk:
    """Somebody at a keyboard. `wide` is None in a pipe, else the columns of a terminal."""

    house: Installation
    live: Path
    dumps: Path

    def type(self, *words: str, terminal: bool = False) -> Answer:
        out, err = (Screen(), Screen()) if terminal else (io.StringIO(), io.StringIO())
        with redirect_stdout(out), redirect_stderr(err):
            code = run(["--config", str(self.house.config), *words])
        return Answer(code, *(COLOUR.sub("", text.getvalue()) for text in (out, err)))

    def ok(self, *words: str) -> Answer:
        answer = self.type(*words)
        assert answer.code == 0, f"restorekit {' '.join(words)}: {answer}"
        return answer

    def sql(self, *statements: str, name: str = "acme_shop") -> list[tuple[Any, ...]]:
        """Run on live; rows of the last one."""
        with closing(sqlite3.connect(self.live / f"{name}.db")) as shop, shop:
            return [shop.execute(s).fetchall() for s in statements][-1]

    def point(self) -> str:
        found = self.ok("points", "files/acme_shop", "--scan", "--json").json
        return str(next(p["id"] for p in found if p["state"] == "usable"))

    def waiting(self, *more: str) -> str:
        """A restore of the damaged shop that waits for approval; its id."""
        answer = self.type("restore", "files/acme_shop", "--point", self.point(), *more, "--json")
        assert answer.code == 6, answer
        return str(answer.json["id"])


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR", "RESTOREKIT_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    live, dumps = tmp_path / "live", tmp_path / "dumps" / "files"
    live.mkdir()
    dumps.mkdir(parents=True)
    house = Installation(
        folder=tmp_path / "house",
        engines={"files": {"kind": "sqlite", "directory": live}},
        sources={
            "plain": {"kind": "directory", "path": tmp_path / "dumps", "layout": "{engine}/{database}.db", "quiet_s": 0}
        },
        databases={"acme_shop": {"customer": "acme", "engine": "files"}},
    )
    desk = Desk(house, live, dumps)
    desk.sql(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, buyer TEXT, total REAL)",
        "CREATE TABLE notes (line TEXT)",
        "INSERT INTO orders VALUES (1, 'Ada Lovelace', 10.5), (2, 'Grace', 20), (3, 'Müller 7', 30)",
        "INSERT INTO notes VALUES ('keep'), ('keep'), ('go')",
    )
    return desk


@pytest.fixture
def damaged(desk: Desk) -> Desk:
    """Backed up, and then: an order gone, one changed, one new, a note gone."""
    desk.ok("capture", "files/acme_shop", "--to", str(desk.dumps / "acme_shop.db"))
    desk.sql(
        "DELETE FROM orders WHERE id = 1",
        "UPDATE orders SET buyer = 'Nobody 99' WHERE id = 2",
        "INSERT INTO orders VALUES (4, 'New buyer', 40)",
        "DELETE FROM notes WHERE line = 'go'",
    )
    return desk

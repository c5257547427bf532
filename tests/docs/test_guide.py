"""docs/guide.md, run as it stands there, on a real MariaDB."""

import io
import os
import re
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from scenarios.house import ROOT, Answer, FastInstallation, Installation
from servers.mariadb import LiveServer

from restorekit import errors
from restorekit.cli import main  # noqa: F401 - registers the commands
from restorekit.cli.run import run

GUIDE = (ROOT / "docs/guide.md").read_text(encoding="utf-8")


def lines() -> list[tuple[str, int]]:
    """(what is typed, expected exit code) of all console blocks, in order."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", GUIDE, re.DOTALL):
        for line in block.splitlines():
            words, _, remark = line.removeprefix("$ ").partition(" #")
            code = re.search(r"exit code (\d+)", remark)
            found.append((words.strip(), int(code.group(1)) if code else 0))
    return found


@pytest.fixture
def live() -> Iterator[LiveServer]:
    with LiveServer.running() as server:
        server.load_chinook("acme_shop")
        yield server


@pytest.fixture
def room() -> Iterator[Path]:
    """A folder that unprivileged staging servers may enter; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory(prefix="rk-guide-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


class Reader:
    """Somebody who types what the guide says, with the id of the last restore for ID."""

    def __init__(self, house: Installation, live: LiveServer, room: Path) -> None:
        self.house, self.live, self.room = house, live, room
        self.run_id = ""

    def type(self, line: str) -> Answer:
        if line.startswith("mariadb acme_shop -e "):
            self.live.rows(re.sub(r"(FROM|UPDATE) (\w+)", r"\1 acme_shop.\2", shlex.split(line)[-1]))
            return Answer(0, "", "")
        line = re.sub(r"/srv|mail\.txt|acme\.svg", lambda name: f"{self.room}/{name[0].strip('/')}", line)
        words = shlex.split(line.partition(" > ")[0])
        answer = self._run([self.run_id if w == "ID" else w for w in words[1:]])
        found = re.search(r"^Restore ([a-z0-9]{12})$", answer.out, re.MULTILINE)
        self.run_id = found.group(1) if found else self.run_id
        if words[1] == "capture":
            for file in (self.room / "srv/dumps").rglob("*.*"):
                os.utime(file, (1_000_000_000, 1_000_000_000))  # a file this fresh would count as being written
        return answer

    def _run(self, words: list[str]) -> Answer:
        """In this process: two dozen starts of Python would be most of the time."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        with redirect_stdout(out), redirect_stderr(err):
            code = run(["--config", str(self.house.config), *words])
        texts = []
        for screen in (out, err):
            screen.flush()
            texts.append(screen.buffer.getvalue().decode())  # type: ignore[attr-defined]
        return Answer(code, *texts)


def test_guide(live: LiveServer, room: Path) -> None:
    settings = re.search(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    assert settings
    text = settings.group(1).replace("/var/lib/restorekit", str(room)).replace("/srv", str(room / "srv"))
    house = FastInstallation(room / "house", {}, {})
    house.config.write_text(text.replace("/run/mysqld/mysqld.sock", str(live.socket)))
    (room / "srv/dumps/db1/acme_shop").mkdir(parents=True)
    mail = re.search(r"```text\n(.*?)```", GUIDE, re.DOTALL)
    assert mail
    (room / "mail.txt").write_text(mail.group(1))
    reader = Reader(house, live, room)
    for line, code in lines():
        answer = reader.type(line)
        assert answer.code == code, f"{line}: {answer}"
        if code in (3, 4, 9):
            assert re.search("live untouched|nothing was changed", answer.err), f"{line}: {answer}"
    assert live.rows("SELECT COUNT(*) FROM acme_shop_old.InvoiceLine") == [(2240,)]
    assert live.rows("SELECT COUNT(*) FROM acme_shop.Track WHERE UnitPrice = 0") == [(2,)], "undone in the guide"


def test_codes_in_the_guide_exist() -> None:
    codes = {k.code for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.RestorekitError)}
    table = GUIDE.partition("| it says |")[2]
    told = {
        code for row in table.splitlines() for code in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")
    }
    assert told
    assert told <= codes

"""The README's first restore, run as it stands there, on a real MariaDB."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from scenarios.house import ROOT, FastInstallation
from servers.mariadb import LiveServer

from restorekit import errors
from restorekit.cli.app import app

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def live() -> Iterator[LiveServer]:
    with LiveServer.running() as server:
        server.load_chinook("acme_shop")
        yield server


def commands() -> list[tuple[str, int]]:
    """(command line, expected exit code) of the console block."""
    block = re.search(r"```console\n(.*?)```", README, re.DOTALL)
    assert block
    found = []
    for line in block.group(1).splitlines():
        words, _, remark = line.removeprefix("$ restorekit ").partition("#")
        code = re.search(r"exit code (\d+)", remark)
        found.append((words.strip(), int(code.group(1)) if code else 0))
    return found


@pytest.fixture
def room() -> Iterator[Path]:
    """A folder that unprivileged staging servers may enter; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory(prefix="rk-readme-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_first_restore(live: LiveServer, room: Path) -> None:
    settings = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert settings
    text = settings.group(1).replace("/var/lib/restorekit", str(room)).replace("/srv", str(room / "srv"))
    text = text.replace("/run/mysqld/mysqld.sock", str(live.socket))
    (room / "srv/dumps/db1").mkdir(parents=True)
    house = FastInstallation(room / "house", {}, {})
    house.config.write_text(text)
    assert yaml.safe_load(text)["sources"]["nightly"]["layout"]
    mail = re.search(r"A customer writes: \*(.*?)\*", README, re.DOTALL)
    assert mail
    (room / "mail.txt").write_text(mail.group(1))
    run_id = ""
    for line, code in commands():
        words = line.replace("/srv", str(room / "srv")).replace("mail.txt", str(room / "mail.txt"))
        if "POINT" in words:
            words = words.replace("POINT", house.point("db1/acme_shop"))
        answer = house.run(*words.replace(" ID", f" {run_id}").split())
        assert answer.code == code, f"{line}: {answer}"
        if line.startswith("capture "):
            for file in (room / "srv/dumps/db1").iterdir():
                os.utime(file, (1_000_000_000, 1_000_000_000))  # a file this fresh would count as being written
        if line.startswith("restore "):
            found = re.search(r"^Restore ([a-z0-9]{12})$", answer.out, re.MULTILINE)
            assert found, answer
            run_id = found.group(1)
            live.rows("DELETE FROM acme_shop.InvoiceLine WHERE InvoiceLineId = 7")


def test_every_exit_code_is_in_the_readme() -> None:
    table = dict(re.findall(r"^\| (\d+) \| (.*?) \|$", README, re.MULTILINE))
    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}
    assert {str(c) for c in codes} <= set(table)


def test_every_command_has_help_with_an_example() -> None:
    import restorekit.cli.main  # noqa: F401 - registers the commands

    for command in app.registered_commands:
        assert command.callback is not None
        assert "Example: restorekit" in (command.callback.__doc__ or ""), command.callback


def test_make_words_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for word in re.findall(r"`?make (\w+)", README):
        assert re.search(rf"^{word}:", makefile, re.MULTILINE), word
    subprocess.run(["make", "-n", "check"], cwd=ROOT, check=True, capture_output=True)

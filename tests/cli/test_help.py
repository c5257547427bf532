"""Help that fits a terminal and says enough."""

import pytest
import typer

from restorekit.cli.app import app
from restorekit.cli.main import run

GROUP = typer.main.get_command(app)


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_the_list_of_commands_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    assert "..." not in text.partition("Commands:")[2]
    assert "Exit codes: 0 done" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("name", sorted(GROUP.commands))  # type: ignore[attr-defined]
def test_each_has_an_example_and_fits(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Example: restorekit" in text.replace("\n  ", " ")
    assert "[[" not in text
    assert max(map(len, text.splitlines())) <= 80
    unexplained = [line for line in text.splitlines() if line.strip().startswith("--") and len(line.split()) < 2]
    assert not unexplained

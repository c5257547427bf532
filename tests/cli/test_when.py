"""`restorekit when`: words in, an echo or JSON out; it needs no configuration and picks nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from restorekit.cli.main import run

NOW = ("--now", "2009-01-22T10:15:00+01:00", "--tz", "Europe/Berlin")
KEYS = ["text", "now", "tz", "status", "relation", "role", "candidates", "assumptions", "question", "tolerance"]
MAIL = "Es macht nichts, wenn ein paar Tage verloren gehen, die letzte ernsthafte Änderung war am 17.01."


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RESTOREKIT_CONFIG", raising=False)
    monkeypatch.setenv("TZ", "UTC")


def test_echo_says_weekday_date_offset_age_and_assumption(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["when", "17.01.", *NOW, "--locale", "en"]) == 0
    said = capsys.readouterr().out
    for piece in ("Saturday 2009-01-17", "whole day", "Europe/Berlin, +01:00", "5 days ago", "Year not given"):
        assert piece in said
    assert run(["when", "17.01.", *NOW, "--locale", "de"]) == 0
    said = capsys.readouterr().out
    for piece in ("Samstag 2009-01-17", "ganzer Tag", "vor 5 Tagen", "Jahr nicht angegeben"):
        assert piece in said


def test_words_need_no_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["when", "gestern", "Abend", "gegen", "8", *NOW]) == 0
    assert "2009-01-21 19:30" in capsys.readouterr().out


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["when", MAIL, *NOW, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert list(answer) == KEYS
    assert (answer["status"], answer["role"], answer["tolerance"]) == ("ok", "must_contain", "P3D")
    assert list(answer["candidates"][0]) == ["start", "end", "granularity", "why"]
    assert answer["candidates"][0]["start"] == "2009-01-17T00:00:00+01:00"
    assert list(answer["assumptions"][0]) == ["code", "text"]
    assert answer["now"] == "2009-01-22T10:15:00+01:00"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("12/01", "needs_choice"),
        ("gestern um 3", "needs_choice"),
        ("morgen", "future"),
        ("32.01.", "invalid"),
        ("neulich", "vague"),
        ("Die Datenbank ist weg", "none"),
        ("vor dem Deploy", "event"),
        ("letztes Backup", "latest"),
        ("0-1-4711", "position"),
        ("", "none"),
    ],
)
def test_what_is_not_one_moment_is_not_picked(words: str, status: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["when", words, *NOW, "--json"]) == 3
    shown = capsys.readouterr()
    answer = json.loads(shown.out)
    assert answer["status"] == status
    assert "nothing was changed" in shown.err
    assert run(["when", words, *NOW]) == 3
    shown = capsys.readouterr().out
    assert (answer["question"] or "") in shown.replace("\n", " ")
    for number, candidate in enumerate(answer["candidates"], start=1):
        assert f"{number}. " in shown
        assert candidate["start"][:10] in shown


@pytest.mark.parametrize(
    "options", [("--tz", "Mars/Olympus"), ("--now", "yesterday"), ("--locale", "fr"), ("--tz", "../x")]
)
def test_usage(options: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["when", "gestern", *options]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_zone_and_language_of_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "other.yaml"
    config.write_text("timezone: America/New_York\nlocale: de\n")
    assert run(["--config", str(config), "when", "gestern", "--now", "2009-01-22T03:30+01:00"]) == 0
    assert "Dienstag 2009-01-20, ganzer Tag (America/New_York, -05:00)" in capsys.readouterr().out
    assert run(["--config", str(tmp_path / "missing.yaml"), "when", "gestern"]) == 2


def test_without_configuration_the_machines_zone_is_taken_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["when", "yesterday", "--now", "2009-01-22T10:15:00+01:00", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["tz"] == "UTC"
    assert "tz" in {a["code"] for a in answer["assumptions"]}


def test_it_starts_light() -> None:
    program = (
        "import sys; from restorekit.cli.main import main; sys.argv[1:] = ['when', 'gestern', '--tz', 'UTC']; main(); "
        "print('LOADED', *sorted(m for m in sys.modules if '.' not in m))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert "pydantic" in loaded
    assert not loaded & {"dbos", "fastapi", "boto3", "sqlalchemy", "pymysql", "dateparser", "dateutil", "babel"}


def test_a_clock_that_reads_twice_is_not_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    """`--now` in the hour that came twice: counting from the wrong one would be an hour off, without a word."""
    assert run(["when", "vor einer Stunde", "--now", "2026-10-25T02:30", "--tz", "Europe/Berlin"]) == 3
    assert "exists twice" in capsys.readouterr().err

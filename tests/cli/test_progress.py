"""What a followed restore says while it works."""

import io
from contextlib import redirect_stderr
from datetime import UTC, datetime, timedelta

import pytest

from restorekit.cli.out import Out
from restorekit.cli.progress import ProgressLine
from restorekit.model.database import DatabaseId
from restorekit.model.request import Request
from restorekit.model.run import Progress, Run, State

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NAME = DatabaseId(engine="db1", name="acme_shop")


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True

    @property
    def line(self) -> str:
        """What stands in the current line now."""
        return self.getvalue().rpartition("\r\x1b[2K")[2]


def run(state: State, progress: Progress | None = None, changed: datetime = NOW) -> Run:
    request = Request(database=NAME, target=NAME, requested_by="me")
    return Run(id="r1", request=request, state=state, progress=progress, created_at=NOW, changed_at=changed)


def read(done: int, after: float, total: int | None = 1_200_000_000) -> Progress:
    return Progress(phase="stage", done=done, total=total, at=NOW + timedelta(seconds=after))


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    screen = Screen()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    return screen


def test_terminal_names_phase_bytes_rate_and_rest(screen: Screen) -> None:
    with redirect_stderr(screen):
        line = ProgressLine(Out(as_json=False))
        line(run(State.STAGING, read(0, 0)))
        line(run(State.STAGING, read(300_000_000, 10)))
        assert screen.line == "  staging: stage 300.0 MB of 1.2 GB (25 %), 30.0 MB/s, 30 s left"
        line(run(State.STAGING, read(300_000_000, 10, None)))
        assert screen.line == "  staging: stage 300.0 MB, 30.0 MB/s"


def test_an_earlier_phase_is_no_progress_of_the_next(screen: Screen) -> None:
    with redirect_stderr(screen):
        line = ProgressLine(Out(as_json=False))
        line(run(State.STAGING, read(1_200_000_000, 1)))
        line(run(State.VERIFYING, read(1_200_000_000, 1), changed=NOW + timedelta(seconds=2)))
        assert screen.line == "  verifying"
        line(run(State.AWAITING_APPROVAL, read(1_200_000_000, 1)))
        assert screen.line == ""
        line.clear()
        assert screen.line == ""


def test_plain_lines_where_nobody_watches() -> None:
    screen = io.StringIO()
    with redirect_stderr(screen):
        line = ProgressLine(Out(as_json=True))
        line(run(State.REQUESTED))
        line(run(State.STAGING, read(5, 0)))
        line(run(State.STAGING, read(6, 1)))
        line(run(State.SWAPPED))
    assert screen.getvalue() == "queued\nstaging\nswapped\n"

"""Progress of a followed restore: one redrawn line on a terminal, plain lines elsewhere."""

import time

from restorekit.cli import words
from restorekit.cli.out import Out
from restorekit.model.run import WORKING, Progress, Run

_PLAIN_EVERY_S = 10.0


class ProgressLine:
    """Give it every state seen."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._state = ""
        self._since = 0.0
        self._plain_at = 0.0
        self._began: dict[tuple[str, str], Progress] = {}
        self._drawn = False

    def __call__(self, run: Run) -> None:
        """Show what changed."""
        if run.state != self._state:
            self._enter(run)
        if run.state not in WORKING:
            return
        # What an earlier phase said last is no progress of this one.
        fresh = run.progress if run.progress is not None and run.progress.at >= run.changed_at else None
        self._show(run, fresh)

    def clear(self) -> None:
        """Leave the line empty."""
        if self._drawn:
            self._out.redraw("")
            self._drawn = False

    def _enter(self, run: Run) -> None:
        """Say how long the phase before took, or, where nothing is redrawn, that the next one begins."""
        now = time.monotonic()
        self.clear()
        if self._out.live_terminal and self._state and now - self._since >= 1:
            self._out.aside(f"  {words.state(self._state)}: {words.span(now - self._since)}")
        elif not self._out.live_terminal:
            self._out.aside(words.state(run.state), style="")
        self._state, self._since, self._plain_at = run.state, now, now + _PLAIN_EVERY_S

    def _show(self, run: Run, progress: Progress | None) -> None:
        line = words.state(run.state) + (f": {self._line(progress)}" if progress else "")
        if self._out.live_terminal:
            self._out.redraw("  " + line)
            self._drawn = True
        elif progress and time.monotonic() >= self._plain_at:
            self._plain_at = time.monotonic() + _PLAIN_EVERY_S
            self._out.aside("  " + line, style="")

    def _line(self, progress: Progress) -> str:
        """`stage 209 MB of 1.2 GB (17 %), 45 MB/s, 22 s left`; rate and rest as soon as they can be known."""
        first = self._began.setdefault((self._state, progress.phase), progress)
        amount = _amount(progress)
        elapsed = (progress.at - first.at).total_seconds()
        rate = (progress.done - first.done) / elapsed if elapsed > 0 else 0.0
        parts = [f"{progress.phase} {amount}".rstrip()]
        if rate > 0 and progress.unit == "bytes":
            parts.append(f"{words.size(int(rate))}/s")
        if rate > 0 and progress.total and progress.total > progress.done:
            parts.append(f"{words.span((progress.total - progress.done) / rate)} left")
        return ", ".join(parts)


def _amount(progress: Progress) -> str:
    if not progress.unit:
        return ""
    say = words.size if progress.unit == "bytes" else "{:,}".format
    text = say(progress.done)
    if progress.total:
        text += f" of {say(progress.total)}"
    if progress.unit != "bytes":
        text += f" {progress.unit}"
    return f"{text} ({min(100, 100 * progress.done // progress.total)} %)" if progress.total else text

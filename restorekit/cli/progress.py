"""Progress of a followed restore: one redrawn line on a terminal, plain lines elsewhere."""

import time

from restorekit.cli import words
from restorekit.cli.out import Out
from restorekit.model.run import Progress, Run

_PLAIN_EVERY_S = 10.0


class ProgressLine:
    """Give it every state seen."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._seen = ""
        self._plain_at = 0.0
        self._began: dict[str, tuple[float, int]] = {}
        self._drawn = False

    def __call__(self, run: Run) -> None:
        """Show what changed."""
        if str(run.state) != self._seen:
            self._seen = str(run.state)
            self.clear()
            self._out.aside(words.state(self._seen), style="")
        if run.progress is not None:
            self._draw(self._line(run.progress))

    def clear(self) -> None:
        """Leave the line empty."""
        if self._drawn:
            self._out.redraw("")
            self._drawn = False

    def _draw(self, line: str) -> None:
        if self._out.live_terminal:
            self._out.redraw("  " + line)
            self._drawn = True
        elif time.monotonic() >= self._plain_at:
            self._plain_at = time.monotonic() + _PLAIN_EVERY_S
            self._out.aside("  " + line, style="")

    def _line(self, progress: Progress) -> str:
        now = time.monotonic()
        began, first = self._began.setdefault(progress.phase, (now, progress.done))
        if progress.unit != "bytes":
            total = f" of {progress.total}" if progress.total else ""
            return f"{progress.phase} {progress.done}{total} {progress.unit}" if progress.unit else progress.phase
        rate = (progress.done - first) / (now - began) if now > began else 0.0
        text = f"{progress.phase} {words.size(progress.done)}"
        if progress.total:
            text += f" of {words.size(progress.total)} ({100 * progress.done // progress.total} %)"
        if rate > 0:
            text += f"  {words.size(int(rate))}/s"
            if progress.total and progress.total > progress.done:
                text += f"  {words.span((progress.total - progress.done) / rate)} left"
        return text

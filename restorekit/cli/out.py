"""Where output goes: people or programs. Logic never prints; commands hand their answer to `Out`."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from restorekit.errors import RestorekitError


class Out:
    """Answers on stdout, everything else on stderr; with `--json` stdout holds exactly one JSON document."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._out = Console(highlight=False, soft_wrap=True)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)

    @property
    def live_terminal(self) -> bool:
        """True if progress may redraw a line."""
        return self._err.is_terminal

    def say(self, text: str = "", style: str = "") -> None:
        """One line for people; goes to stderr when a program reads stdout."""
        (self._err if self.as_json else self._out).print(escape(text), style=style or None)

    def aside(self, text: str, style: str = "dim") -> None:
        """A remark on stderr."""
        self._err.print(escape(text), style=style)

    def redraw(self, text: str) -> None:
        """Replace the current line of the terminal."""
        sys.stderr.write("\r\x1b[2K" + text[: self._err.width - 1])
        sys.stderr.flush()

    def document(self, value: Any) -> None:
        """The one JSON document, if one is wanted."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, indent=2, default=str, ensure_ascii=False) + "\n")

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> None:
        """Columns for people; `right` are aligned right."""
        if self.as_json:
            return
        table = Table(box=None, pad_edge=False, show_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for index, title in enumerate(head):
            table.add_column(title, justify="right" if index in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self._out.print(table, soft_wrap=False)

    def error(self, error: RestorekitError) -> None:
        """What happened, what was left untouched, what to do next."""
        if self.as_json:
            self.document({"error": described(error)})
        self._err.print(f"[bold red]error[/] {escape(error.message)}")
        for line in error.details:
            self._err.print(f"  {escape(line)}")
        if error.live:
            self._err.print(escape(error.live))
        if error.hint:
            self._err.print(f"[bold]hint[/]  {escape(error.hint)}")


def described(error: RestorekitError) -> dict[str, Any]:
    """The stable shape of an error in JSON."""
    return {
        "code": error.code,
        "exit_code": error.exit_code,
        "message": error.message,
        "hint": error.hint,
        "details": list(error.details),
        "temporary": error.temporary,
        "live": error.live,
    }

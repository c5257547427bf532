"""Where output goes: people or programs. Logic never prints; commands hand their answer to `Out`."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from restorekit.cli.columns import layout, printable, stacked, wrapped
from restorekit.errors import RestorekitError

_LABEL = 10


class Out:
    """Answers on stdout, everything else on stderr; with `--json` stdout holds exactly one JSON document.

    On a terminal lines are broken between words, with an indent; in a pipe never.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._out = Console(highlight=False, soft_wrap=True, emoji=False)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

    @property
    def live_terminal(self) -> bool:
        """True if progress may redraw a line."""
        return self._err.is_terminal and not self._err.is_dumb_terminal

    @property
    def width(self) -> int:
        """Columns there are for a picture; 80 where nobody says (COLUMNS does in a pipe)."""
        return self._out.width

    def say(self, text: str = "", style: str = "", *, hang: int | None = None) -> None:
        """One line for people; goes to stderr when a program reads stdout. Broken lines are indented by `hang`."""
        self._print(self._err if self.as_json else self._out, text, style, hang)

    def pair(self, label: str, text: str, style: str = "", *, wide: int = _LABEL) -> None:
        """`label     text`, indented; broken lines stay beside the label."""
        self.say(f"  {label:{wide}}{text}", style, hang=wide + 2)

    def aside(self, text: str, style: str = "dim") -> None:
        """A remark on stderr."""
        self._print(self._err, text, style, None)

    def _print(self, console: Console, text: str, style: str, hang: int | None) -> None:
        clean = printable(text)
        indent = len(clean) - len(clean.lstrip(" ")) + 2 if hang is None else hang
        for line in wrapped(clean, _width(console), hang=indent):
            console.print(escape(line), style=style or None)

    def redraw(self, text: str) -> None:
        """Replace the current line of the terminal."""
        sys.stderr.write("\r\x1b[2K" + printable(text)[: self._err.width - 1])
        sys.stderr.flush()

    def document(self, value: Any) -> None:
        """The one JSON document, if one is wanted."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, indent=2, default=str, ensure_ascii=False) + "\n")

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> None:
        """Columns for people; `right` are aligned right. A last cell that does not fit stands below its row."""
        if self.as_json:
            return
        cells = [[printable(c).replace("\n", "\\n") for c in row] for row in rows]
        lines = layout(head, cells, right=right, width=_width(self._out))
        for number, line in enumerate(lines):
            self._out.print(escape(line), style="bold" if number == 0 else None)

    def rows(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Rows of a customer's table: beside each other where they fit, else one line per column."""
        if self.as_json:
            return
        cells = [[printable(c).replace("\n", "\\n") for c in row] for row in rows]
        lines, width = layout(head, cells), _width(self._out)
        if width is not None and any(len(line) > width for line in lines):
            lines = stacked(head, cells)
        for line in lines:
            self._out.print(escape(line))

    def error(self, error: RestorekitError) -> None:
        """What happened, what was left untouched, what to do next."""
        if self.as_json:
            self.document({"error": described(error)})
        self._labelled("error", error.message, "bold red")
        for line in error.details:
            self._print(self._err, f"  {line}", "", 4)
        if error.live:
            self._print(self._err, error.live, "", 0)
        if error.hint:
            self._labelled("hint", error.hint, "bold")

    def _labelled(self, label: str, text: str, style: str) -> None:
        first, *rest = wrapped(f"{label:6}{printable(text)}", _width(self._err), hang=6)
        self._err.print(f"[{style}]{label:6}[/]{escape(first[6:])}")
        for line in rest:
            self._err.print(escape(line))


def _width(console: Console) -> int | None:
    """Columns of a terminal; None where a program reads."""
    return console.width if console.is_terminal else None


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

"""Tables for 80 columns: aligned where they fit, stacked where they do not. Pure text, no colour."""

import textwrap
from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size

_GAP = "  "
_INDENT = "    "


def layout(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = (), width: int | None = None
) -> list[str]:
    """Lines of a table, its head first. Without `width` nothing is ever broken: programs read that.

    Where a row is too wide its last cell goes below it; where it still is, its first cell stands alone above it.
    """
    body = [list(row) for row in rows]
    grid = [list(head), *body]
    sizes = [max(cell_len(row[i]) for row in grid) for i in range(len(head))]
    last = len(head) - 1
    below = width is not None and last > 1 and _total(sizes) > width and last not in right
    kept = sizes[:last] if below else sizes
    above = width is not None and len(kept) > 1 and _total(kept) > width
    lines = []
    for number, row in enumerate(grid):
        start = 1 if above else 0
        cells = [_cell(row[i], kept[i], right=i in right) for i in range(start, len(kept))]
        lines += [row[0]] if above else []
        lines.append((_INDENT if above else "") + _GAP.join(cells).rstrip())
        if below and number and row[last]:
            lines += wrapped(_INDENT + row[last], width, hang=len(_INDENT))
    return lines


def _total(sizes: Sequence[int]) -> int:
    return sum(sizes) + len(_GAP) * (len(sizes) - 1)


def _cell(text: str, size: int, *, right: bool) -> str:
    return " " * (size - cell_len(text)) + text if right else set_cell_size(text, size)


def stacked(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Each row as a block of `column: value` lines, for rows that are wider than any terminal."""
    size = max((cell_len(h) for h in head), default=0)
    lines = []
    for number, row in enumerate(rows, 1):
        lines.append(f"row {number}")
        lines += [f"  {set_cell_size(name, size)}  {cell}".rstrip() for name, cell in zip(head, row, strict=True)]
    return lines


def wrapped(text: str, width: int | None, *, hang: int) -> list[str]:
    """The text in lines of at most `width`, those after the first indented by `hang`; ids and paths stay whole."""
    lines = text.split("\n")
    if width is None:
        return lines
    wrapper = textwrap.TextWrapper(
        width=width,
        subsequent_indent=" " * hang,
        break_long_words=False,
        break_on_hyphens=False,
        expand_tabs=False,
    )
    return [part for line in lines for part in (wrapper.wrap(line) or [""])]


def printable(text: str) -> str:
    """The text without anything a terminal would obey; names and values come from customers."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)

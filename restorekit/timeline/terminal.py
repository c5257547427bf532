"""A heat view as plain text: every meaning is a sign, so it needs no colour."""

import textwrap
from collections.abc import Iterable
from unicodedata import combining, east_asian_width

from restorekit.model.changes import Episode
from restorekit.timeline import axis, words
from restorekit.timeline.heatmap import HOLE, LABEL_WIDTH, SOMEWHERE, Heat, Row, sentence, somewhere

_BLOCKS = " ▁▂▃▄▅▆▇█"
_SIGNS = {"accident": "✖", "serious": "●", "minor": ".", "accident?": "✗", "serious?": "○", "minor?": ".", "": " "}
_LATEST = 5


def render_heat(heat: Heat) -> list[str]:
    """Lines of at most the view's width: axis, rows, marks, points, and a list of the same in words."""
    rows = [*heat.rows, *([heat.routine] if heat.routine else [])]
    lines = [*_wrapped([_heading(heat)], heat.width), *_axis(heat), *(_row(row) for row in rows)]
    lines.append(_line(words.text(heat.locale, "marks"), "".join(_SIGNS[mark] for mark in heat.marks)))
    lines += _points(heat)
    lines += ["", *_wrapped(_legend(heat, rows), heat.width)]
    if heat.folded:
        names = words.listed(heat.locale, heat.folded, 8)
        lines += _wrapped([f"{words.text(heat.locale, 'routine')}: {names}"], heat.width)
    return [line.rstrip() for line in [*lines, "", *_list(heat)]]


def _heading(heat: Heat) -> str:
    step = words.text(heat.locale, "column", step=heat.step)
    return f"{words.window(heat.since, heat.until)} {heat.zone}, {step}"


def _axis(heat: Heat) -> list[str]:
    return [_line("", _labels(labels, len(heat.cells))) for labels in axis.labels(heat.cells)]


def _labels(labels: Iterable[axis.Label], width: int) -> str:
    line = ""
    for label in labels:
        if label.column + len(label.text) <= width:
            line = f"{line:<{label.column}}{label.text}"
    return line


def _row(row: Row) -> str:
    signs = {HOLE: "?", SOMEWHERE: "~"}
    return _line(row.label, "".join(signs.get(level) or _BLOCKS[level] for level in row.levels))


def _line(label: str, cells: str) -> str:
    """A label, cut or filled up to its width; letters of some scripts are two columns wide."""
    short = label
    while _columns(short) > LABEL_WIDTH:
        short = f"{short.removesuffix('…')[:-1]}…"
    return f"{short}{' ' * (LABEL_WIDTH - _columns(short))} {cells}"


def _columns(text: str) -> int:
    return sum(0 if combining(letter) else 1 + (east_asian_width(letter) in "WF") for letter in text)


def _points(heat: Heat) -> list[str]:
    """Letters, and below each what is known of it; of several in one column the proven one is shown."""
    if not heat.points:
        return []
    letters, proofs = [" "] * len(heat.cells), [" "] * len(heat.cells)
    for point in sorted(heat.points, key=lambda p: (p.proven and p.state == "usable", p.state == "usable", p.at)):
        column = next(i for i, cell in enumerate(heat.cells) if cell.start <= point.at < cell.end)
        letters[column] = point.letter
        proofs[column] = "x" if point.state != "usable" else "*" if point.proven else " "
    return [
        _line(words.text(heat.locale, "points"), "".join(letters)),
        _line(words.text(heat.locale, "proven"), "".join(proofs)),
    ]


def _legend(heat: Heat, rows: Iterable[Row]) -> list[str]:
    """The signs that occur."""
    levels = {level for row in rows for level in row.levels}
    used: list[str] = [mark for mark in ("accident", "accident?", "serious", "serious?", "minor") if mark in heat.marks]
    used += ["hole"] * (HOLE in levels) + ["somewhere"] * (SOMEWHERE in levels) + ["points"] * bool(heat.points)
    text = "  ".join(words.text(heat.locale, f"legend_{mark}") for mark in used)
    return [text] if text else []


def _list(heat: Heat) -> list[str]:
    """The same in words: latest larger changes, the accident, and what to be careful about."""
    history, locale = heat.history, heat.locale
    larger = [e for e in history.episodes if e.kind != "minor" and e != history.accident][-_LATEST:]
    lines: list[str] = []
    if larger:
        lines.append(words.text(locale, "latest", n=len(larger)))
        lines += [line for episode in reversed(larger) for line in _said(episode, heat)]
    elif history.restless:
        lines.append(words.text(locale, "restless"))
        lines += [
            f"  {words.minute(locale, at)}  {words.shown(t)}" for t, at in [*history.last_change.items()][:_LATEST]
        ]
    elif history.accident is None:
        lines.append(words.text(locale, "nothing" if history.baseline_days else "unknown"))
    if history.accident is not None:
        lines += _wrapped([f"{_sign(history.accident, heat)} {sentence(history.accident, heat)}"], heat.width)
    return [*lines, *_wrapped([history.caution], heat.width)]


def _said(episode: Episode, heat: Heat) -> list[str]:
    vague = somewhere(episode, heat.history.stretches)
    when = "" if vague else f"{words.span(heat.locale, episode.start, episode.end)}  "
    return _wrapped([f"{_sign(episode, heat)} {when}{episode.why}"], heat.width)


def _sign(episode: Episode, heat: Heat) -> str:
    return _SIGNS[f"{episode.kind}?" if somewhere(episode, heat.history.stretches) else episode.kind]


def _wrapped(paragraphs: Iterable[str], width: int) -> list[str]:
    return [line for text in paragraphs for line in textwrap.wrap(text, width, subsequent_indent="  ")]

"""A heat view as one SVG: recovery points, larger changes and tables on one time axis; readable as a list."""

import math
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby

from restorekit.model.changes import Episode
from restorekit.timeline import axis, words
from restorekit.timeline.elements import element, item
from restorekit.timeline.elements import words as written
from restorekit.timeline.heatmap import HOLE, SOMEWHERE, Heat, Point, Row, sentence, somewhere

WIDTH = 960
_LEFT, _RIGHT = 204, 40
_INNER = WIDTH - _LEFT - _RIGHT
_POINTS_TOP, _POINTS_HEIGHT = 58, 54
_EPISODES_TOP, _EPISODES_HEIGHT = 132, 76
_TABLES_TOP, _ROW, _STRIP = 228, 18, 14
_TICKS = 8
_FOOT = 80

_INK, _GREY, _LINE, _PAPER = "#1a1a1a", "#595959", "#d0d0d0", "#ffffff"
_SERIOUS, _ACCIDENT = "#1f4e8c", "#7a0c0c"
_SCALE = ("#ffffff", "#d5e3f2", "#b7cfe8", "#98badd", "#78a3d0", "#5889bd", "#3d6fa6", "#26548a", "#0f3563")
"""Light to dark, so that it reads in grey, too."""

_SHAPES = 4
_NAME_MOST = 24
_FULL_SCORE = 300.0


def svg(heat: Heat) -> str:
    """The drawing, in the language of the view: valid XML, no script, no style, nothing from elsewhere.

    The same view gives the same text.
    """
    rows = [*heat.rows, *([heat.routine] if heat.routine else [])]
    bottom = _TABLES_TOP + _ROW * len(rows) + 8
    title = words.text(
        heat.locale,
        "svg_title",
        start=words.minute(heat.locale, heat.since),
        end=words.minute(heat.locale, heat.until),
        zone=heat.zone,
    )
    return element(
        "svg",
        written("title", title),
        _patterns(),
        element("rect", width=WIDTH, height=bottom + _FOOT, fill=_PAPER),
        written("text", title, x=16, y=24, font_size=15, font_weight="bold", fill=_INK),
        _grid(heat, bottom),
        _lane("lane_points", heat, _POINTS_TOP, _points(heat)),
        _lane("lane_episodes", heat, _EPISODES_TOP, [*_holes(heat, bottom), *_episodes(heat)]),
        _lane("lane_tables", heat, _TABLES_TOP, _tables(heat)),
        _legend(heat, rows, bottom + 50),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {bottom + _FOOT}",
        width=WIDTH,
        height=bottom + _FOOT,
        lang=heat.locale,
        font_family="sans-serif",
        role="group",
        aria_label=title,
    )


def _x(heat: Heat, at: datetime) -> float:
    share = (at - heat.since) / (heat.until - heat.since)
    return _LEFT + _INNER * min(1.0, max(0.0, share))


def _patterns() -> str:
    line = element("path", d="M0 6L6 0", stroke=_GREY, stroke_width=1)
    dots = element("circle", cx=3, cy=3, r=1.4, fill=_SERIOUS)
    box: dict[str, str | float] = {"width": 6, "height": 6, "patternUnits": "userSpaceOnUse"}
    return element("defs", element("pattern", line, id="rk-hole", **box), element("pattern", dots, id="rk-some", **box))


def _grid(heat: Heat, bottom: int) -> str:
    """Lines with their dates, always with the year; the hour where it is not midnight."""
    zone = heat.since.tzinfo
    assert zone is not None
    columns, _ = axis.cells(heat.since, heat.until, _TICKS, zone)
    marks = []
    for start in (cell.start for cell in columns if cell.start >= heat.since):
        x = _x(heat, start)
        marks.append(element("path", d=f"M{x:.1f} {_POINTS_TOP - 14}V{bottom}", stroke=_LINE, stroke_width=1))
        label: dict[str, str | float] = {"x": x, "font_size": 11, "fill": _INK, "text_anchor": "middle"}
        marks.append(written("text", f"{start:%Y-%m-%d}", y=bottom + 14, **label))
        if start.hour or start.minute:
            marks.append(written("text", f"{start:%H:%M}", y=bottom + 27, **label))
    base = _EPISODES_TOP + _EPISODES_HEIGHT
    marks.append(element("path", d=f"M{_LEFT} {base}h{_INNER}", stroke=_LINE, stroke_width=1))
    return element("g", *marks, aria_hidden="true")


def _lane(name: str, heat: Heat, top: int, marks: Iterable[str]) -> str:
    label = words.text(heat.locale, name)
    head = written("text", label, x=16, y=top - 4, font_size=12, font_weight="bold", fill=_INK)
    return element("g", head, element("g", *marks, role="list", aria_label=label))


def _points(heat: Heat) -> list[str]:
    kinds = sorted({point.letter for point in heat.points})
    marks, last, level = [], -math.inf, 0
    for point in heat.points:
        x = _x(heat, point.at)
        level = (level + 1) % 3 if x - last < 13 else 0  # what would overlap goes below
        last = x
        y = _POINTS_TOP + 12 + 16 * level
        marks.append(item(_told(point, heat), *_sign(kinds.index(point.letter) % _SHAPES, x, y, point)))
    return marks


def _told(point: Point, heat: Heat) -> str:
    proof = "is_failed" if point.state != "usable" else "is_proven" if point.proven else "is_untried"
    return words.text(
        heat.locale,
        "point",
        id=words.shown(point.id),
        when=words.minute(heat.locale, point.at.astimezone(heat.since.tzinfo)),
        proof=words.text(heat.locale, proof, state=words.shown(point.state)),
    )


def _sign(shape: int, x: float, y: float, point: Point) -> list[str]:
    """The shape says the kind: circle, square, triangle, diamond. Full: proven. Hollow: not tried. Crossed: failed."""
    fill = _INK if point.proven and point.state == "usable" else _PAPER
    look: dict[str, str | float] = {"fill": fill, "stroke": _INK, "stroke_width": 1.5}
    paths = (
        f"M{x - 5:.1f} {y}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z",
        f"M{x - 5:.1f} {y - 5}h10v10h-10Z",
        f"M{x:.1f} {y - 6}l6 11h-12Z",
        f"M{x:.1f} {y - 7}l6 7l-6 7l-6 -7Z",
    )
    cross = element("path", d=f"M{x - 7:.1f} {y - 7}l14 14m0 -14l-14 14", stroke=_INK, stroke_width=1.5)
    return [element("path", d=paths[shape], **look), *([cross] if point.state != "usable" else [])]


def _holes(heat: Heat, bottom: int) -> list[str]:
    """Hatched: nothing is known there."""
    return [
        item(
            words.text(
                heat.locale,
                "hole",
                start=words.minute(heat.locale, hole.start),
                end=words.minute(heat.locale, hole.end),
            ),
            element(
                "rect",
                x=_x(heat, hole.start),
                y=_EPISODES_TOP,
                width=_x(heat, hole.end) - _x(heat, hole.start),
                height=bottom - _EPISODES_TOP,
                fill="url(#rk-hole)",
            ),
        )
        for hole in heat.holes
    ]


def _episodes(heat: Heat) -> list[str]:
    inside = [e for e in heat.history.episodes if e.end >= heat.since and e.start < heat.until]
    return [item(sentence(e, heat), _bar(e, heat)) for e in inside]


def _bar(episode: Episode, heat: Heat) -> str:
    """Serious: a bar. Accident: a wedge that points down. Minor: a tick. Dashed where only two states are known."""
    left, right = _x(heat, episode.start), _x(heat, episode.end)
    width = max(4.0, right - left)
    height = max(4.0, _EPISODES_HEIGHT * min(1.0, math.log1p(episode.score) / math.log1p(_FULL_SCORE)))
    base = _EPISODES_TOP + _EPISODES_HEIGHT
    if episode.kind == "minor":
        return element("path", d=f"M{left:.1f} {base}v-8", stroke=_GREY, stroke_width=2)
    colour = _ACCIDENT if episode.kind == "accident" else _SERIOUS
    dash: dict[str, str] = {"stroke_dasharray": "3 2"} if somewhere(episode, heat.history.stretches) else {}
    fill = _PAPER if dash else colour
    if episode.kind == "accident":
        half = max(7.0, width / 2)
        path = f"M{left + width / 2:.1f} {base}L{left + width / 2 - half:.1f} {base - _EPISODES_HEIGHT}h{2 * half:.1f}Z"
        return element("path", d=path, fill=fill, stroke=colour, stroke_width=1.5, **dash)
    box = {"x": left, "y": base - height, "width": width, "height": height}
    return element("rect", **box, fill=fill, stroke=colour, stroke_width=1, **dash)


def _tables(heat: Heat) -> list[str]:
    """A strip per table; only what is no routine is worth an entry in the list."""
    marks = [item(*mark) for number, row in enumerate(heat.rows) for mark in _strip(heat, row, number)]
    if heat.routine:
        routine = (rectangle for _, rectangle in _strip(heat, heat.routine, len(heat.rows)))
        marks.append(element("g", *routine, aria_hidden="true"))
    rows = [*heat.rows, *([heat.routine] if heat.routine else [])]
    return [*(_name(row.label, number) for number, row in enumerate(rows)), *marks]


def _name(label: str, number: int) -> str:
    short = label if len(label) <= _NAME_MOST else f"{label[: _NAME_MOST - 1]}…"
    y = _TABLES_TOP + _ROW * number + 15
    return written("text", short, x=16, y=y, font_size=12, fill=_INK, aria_hidden="true")


def _strip(heat: Heat, row: Row, number: int) -> Iterator[tuple[str, str]]:
    """Words and rectangle per mark; neighbours of one level are one."""
    top = _TABLES_TOP + _ROW * number + 4
    column = 0
    for level, run in groupby(row.levels):
        length = len(list(run))
        first, last = heat.cells[column], heat.cells[column + length - 1]
        column += length
        if level in (0, HOLE):
            continue
        said = {"start": words.minute(heat.locale, first.start), "end": words.minute(heat.locale, last.end)}
        key = "cell_somewhere" if level == SOMEWHERE else "cell"
        left, right = _x(heat, first.start), _x(heat, last.end)
        fill = "url(#rk-some)" if level == SOMEWHERE else _SCALE[level]
        box = {"x": left, "y": float(top), "width": right - left, "height": float(_STRIP)}
        label = words.text(heat.locale, key, table=row.label, level=level, **said)
        yield label, element("rect", **box, fill=fill, stroke=_GREY, stroke_width=0.5)


def _legend(heat: Heat, rows: Iterable[Row], y: int) -> str:
    """Only what occurs: shapes of the kinds of points, bars, fillings."""
    entries: list[tuple[list[str], str]] = []
    kinds = sorted({point.letter for point in heat.points})
    for number, kind in enumerate(kinds):
        sample = Point(heat.since, kind, proven=True, state="usable", id="")
        entries.append((_sign(number % _SHAPES, 6, -4, sample), f"{kind} {words.text(heat.locale, 'is_proven')}"))
    if kinds:
        untried = Point(heat.since, "", proven=False, state="usable", id="")
        entries.append((_sign(0, 6, -4, untried), words.text(heat.locale, "is_untried")))
        failed = Point(heat.since, "", proven=False, state="failed", id="")
        entries.append((_sign(0, 6, -4, failed), words.text(heat.locale, "legend_failed")))
    marks = {mark.rstrip("?") for mark in heat.marks}
    somewhere_here = any(level == SOMEWHERE for row in rows for level in row.levels)
    boxes = [
        ("serious_short", _SERIOUS, "M2 -11h5v12h-5Z", "serious" in marks),
        ("accident_short", _ACCIDENT, "M0 -11h12l-6 12Z", "accident" in marks),
        ("hole_short", "url(#rk-hole)", "M0 -11h14v12h-14Z", bool(heat.holes)),
        ("somewhere_short", "url(#rk-some)", "M0 -11h14v12h-14Z", somewhere_here),
    ]
    for name, fill, path, shown in boxes:
        if shown:
            entries.append(([element("path", d=path, fill=fill, stroke=_GREY)], words.text(heat.locale, name)))
    return element("g", *_set(entries, y), aria_hidden="true")


def _set(entries: Iterable[tuple[list[str], str]], y: int) -> list[str]:
    """Signs and their captions side by side, on as many lines as the width needs."""
    marks: list[str] = []
    x = 16.0
    for sign, text in entries:
        width = 36 + 6.3 * len(text)
        if x + width > WIDTH:
            x, y = 16.0, y + 18
        caption = written("text", text, x=20, y=0, font_size=11, fill=_INK)
        marks.append(element("g", *sign, caption, transform=f"translate({x:.1f} {y})"))
        x += width
    return marks

"""A heat view as one SVG: recovery points, larger changes and tables on one time axis; readable as a list."""

import math
from collections.abc import Iterable
from datetime import datetime
from itertools import groupby

from restorekit.model.changes import Episode
from restorekit.timeline import axis, words
from restorekit.timeline.elements import element, item
from restorekit.timeline.elements import words as written
from restorekit.timeline.heatmap import HOLE, SOMEWHERE, Heat, Point, Row, somewhere

WIDTH = 960
_LEFT, _RIGHT = 170, 24
_INNER = WIDTH - _LEFT - _RIGHT
_POINTS_TOP, _POINTS_HEIGHT = 58, 54
_EPISODES_TOP, _EPISODES_HEIGHT = 132, 76
_TABLES_TOP, _ROW, _STRIP = 228, 18, 14
_TICKS = 8

_INK, _GREY, _LINE, _PAPER = "#1a1a1a", "#595959", "#d0d0d0", "#ffffff"
_SERIOUS, _ACCIDENT = "#1f4e8c", "#7a0c0c"
_SCALE = ("#ffffff", "#d5e3f2", "#b7cfe8", "#98badd", "#78a3d0", "#5889bd", "#3d6fa6", "#26548a", "#0f3563")
"""Light to dark, so that it reads in grey, too."""

_SHAPES = 4
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
        element("rect", width=WIDTH, height=bottom + 62, fill=_PAPER),
        written("text", title, x=16, y=24, font_size=15, font_weight="bold", fill=_INK),
        _grid(heat, bottom),
        _lane("lane_points", heat, _POINTS_TOP, _points(heat)),
        _lane("lane_episodes", heat, _EPISODES_TOP, [*_holes(heat, bottom), *_episodes(heat)]),
        _lane("lane_tables", heat, _TABLES_TOP, (mark for i, row in enumerate(rows) for mark in _strip(heat, row, i))),
        _legend(heat, rows, bottom + 50),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {bottom + 62}",
        width=WIDTH,
        height=bottom + 62,
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
        if x > WIDTH - _RIGHT - 70:
            continue
        marks.append(written("text", f"{start:%Y-%m-%d}", x=x, y=bottom + 14, font_size=11, fill=_INK))
        if start.hour or start.minute:
            marks.append(written("text", f"{start:%H:%M}", x=x, y=bottom + 27, font_size=11, fill=_INK))
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
    return [item(_sentence(e, heat), _bar(e, heat)) for e in inside]


def _sentence(episode: Episode, heat: Heat) -> str:
    when = words.span(heat.locale, episode.start, episode.end)
    return words.text(heat.locale, f"{episode.kind}_at", when=when, why=episode.why)


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


def _strip(heat: Heat, row: Row, number: int) -> list[str]:
    """One table; neighbours of one level are one mark. Its name stands once, at the left."""
    top = _TABLES_TOP + _ROW * number + 4
    short = row.label if len(row.label) <= 22 else f"{row.label[:21]}…"
    marks = [written("text", short, x=16, y=top + 11, font_size=12, fill=_INK, aria_hidden="true")]
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
        marks.append(item(label, element("rect", **box, fill=fill, stroke=_GREY, stroke_width=0.5)))
    return marks


def _legend(heat: Heat, rows: Iterable[Row], y: int) -> str:
    """Shapes of the kinds of points, and what the fillings mean."""
    marks: list[str] = []
    x = 16.0
    kinds = sorted({point.letter for point in heat.points})
    for number, kind in enumerate(kinds):
        sample = Point(heat.since, kind, proven=True, state="usable", id="")
        marks += [*_sign(number % _SHAPES, x + 6, y - 4, sample), _caption(kind, x + 18, y)]
        x += 40
    for proven, state, name in ((False, "usable", "is_untried"), (False, "failed", "legend_failed")):
        if kinds:
            sample = Point(heat.since, kinds[0], proven=proven, state=state, id="")
            text = words.text(heat.locale, name)
            marks += [*_sign(0, x + 6, y - 4, sample), _caption(text, x + 18, y)]
            x += 34 + 6.5 * len(text)
    levels = {level for row in rows for level in row.levels}
    fills = [("hole_short", "url(#rk-hole)")] if heat.holes else []
    fills += [("somewhere_short", "url(#rk-some)")] if SOMEWHERE in levels else []
    for name, fill in fills:
        text = words.text(heat.locale, name)
        marks.append(element("rect", x=x, y=y - 11, width=14, height=12, fill=fill, stroke=_GREY))
        marks.append(_caption(text, x + 20, y))
        x += 36 + 6.5 * len(text)
    return element("g", *marks, aria_hidden="true")


def _caption(text: str, x: float, y: float) -> str:
    return written("text", text, x=x, y=y, font_size=11, fill=_INK)

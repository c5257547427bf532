"""The SVG: valid, deterministic, escaped, without anything from elsewhere, and a list for who cannot see it."""

import re
from datetime import timedelta
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from unit.timeline.lives import BERLIN, Life, Nights, clock, story

from restorekit.timeline import Heat, Labels, Point, View, heat, svg

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '"><script>alert(1)</script>&\x00\x1b[2J\ud800\u202e'


def parsed(picture: Heat) -> ET.Element:
    return ET.fromstring(svg(picture))  # noqa: S314 (own output)


def items(root: ET.Element) -> list[str]:
    return [g.attrib["aria-label"] for g in root.iter(f"{SVG}g") if g.attrib.get("role") == "listitem"]


def hostile() -> Heat:
    life = Life("2009-01-08T00:00", "2009-01-22T00:00")
    life.edits("2009-01-15T11:00", "2009-01-15T11:40", tables=(HOSTILE,))
    life.blow("2009-01-18T11:00", HOSTILE, "drop_table", None, HOSTILE)
    points = [Point(clock("2009-01-10T02:00"), "<", False, HOSTILE, HOSTILE)]
    labels = Labels(names={"*": HOSTILE})
    return heat(life.history(labels), life.tallies, life.blows, points, View(life.since, life.until, BERLIN, 160))


def test_it_reads_as_a_list() -> None:
    root = parsed(story(width=160))
    assert root.attrib["aria-label"] == (
        "What happened from Wed 2009-01-07 00:00 to Thu 2009-01-22 10:15 (Europe/Berlin)"
    )
    entries = items(root)
    assert "Recovery point p of Sat 2009-01-10 02:00: proven" in entries
    assert "Recovery point p of Tue 2009-01-13 02:00: failed or not usable (damaged)" in entries
    assert "Recovery point p of Wed 2009-01-14 02:00: not tried yet" in entries
    assert any(e.startswith("Accident Thu 2009-01-22 08:52") for e in entries)
    assert any(e.startswith("Serious change Sat 2009-01-17 15:15") for e in entries)
    assert "Nothing is known from Wed 2009-01-07 00:00 to Thu 2009-01-08 00:00" in entries
    assert any(re.match(r"wp_posts, .*: level \d of 8", e) for e in entries)
    assert not any(e.startswith("sessions") for e in entries)
    for group in (g for g in root.iter(f"{SVG}g") if g.attrib.get("role") == "listitem"):
        assert group[0].tag == f"{SVG}title"
        assert group[0].text == group.attrib["aria-label"]


def test_german() -> None:
    text = svg(story("de", 160))
    assert 'lang="de"' in text
    assert "Wiederherstellungspunkt p von Sa 2009-01-10 02:00: bewiesen" in text
    assert "Unfall Do 2009-01-22 08:52" in text


def test_every_date_on_the_axis_has_its_year() -> None:
    axis = [
        t.text or "" for t in parsed(story(width=160)).iter(f"{SVG}text") if t.attrib.get("text-anchor") == "middle"
    ]
    assert len(axis) >= 4
    assert all(re.fullmatch(r"2009-\d\d-\d\d|\d\d:\d\d", text) for text in axis)


def test_the_same_view_gives_the_same_text() -> None:
    assert svg(story(width=160)) == svg(story(width=160))


def test_names_of_customers_are_text_and_nothing_else() -> None:
    text = svg(hostile())
    root = ET.fromstring(text)  # noqa: S314 (own output)
    allowed = {"svg", "g", "title", "text", "rect", "path", "defs", "pattern", "circle"}
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= allowed
    assert "<script" not in text
    assert "\x1b" not in text


@pytest.mark.parametrize("make", [story, hostile])
def test_no_script_no_style_nothing_from_elsewhere(make: object) -> None:
    assert callable(make)
    root = parsed(make())
    for element in root.iter():
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert name.rpartition("}")[2] not in ("href", "style", "src")
            assert "url(" not in value or value.startswith("url(#rk-")


def test_the_scale_reads_in_grey() -> None:
    from restorekit.timeline.drawing import _SCALE

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    shades = [luminance(colour) for colour in _SCALE]
    assert all(one - other > 0.03 for one, other in pairwise(shades))


def test_what_is_only_between_two_states_is_dashed() -> None:
    nights = Nights()
    nights.differs(16, "wp_posts")
    nights.lost(18, "wp_posts", "mass_delete", 900)
    view = View(nights.first, nights.first + timedelta(days=20), BERLIN, 160)
    root = parsed(heat(nights.history(), nights.tallies, nights.blows, (), view))
    dashed = [e for e in root.iter() if "stroke-dasharray" in e.attrib]
    assert {e.tag for e in dashed} == {f"{SVG}rect", f"{SVG}path"}
    assert any("changed some time between" in entry for entry in items(root))
    assert any(entry.startswith("Accident: Some time between Mon 2009-01-19 02:00 and Tue") for entry in items(root))

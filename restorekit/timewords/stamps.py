"""Fixed formats: log stamps, file names, mail headers, ISO, epochs, positions. Found before any word is read."""

import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from restorekit.timewords.said import Clock, Dated, Frame, Instant, Month, Week, Weekday, Zone

_MONTHS = {
    name: number
    for number, names in enumerate(
        ("jan", "feb", "mar mrz maer mae", "apr", "may mai", "jun", "jul", "aug", "sep", "oct okt", "nov", "dec dez"),
        start=1,
    )
    for name in names.split()
}
_MON = "|".join(_MONTHS)
_WD = "monday|tuesday|wednesday|thursday|friday|saturday|sunday|mon|tue|wed|thu|fri|sat|sun|mo|di|mi|do|fr|sa|so"
_HMS = r"(?P<h>\d{1,2}):(?P<i>\d\d):(?P<s>\d\d)(?:[.,]\d{1,9})?"
_ZONE = r"(?:\s?(?P<z>z(?![a-z])|[+-]\d\d(?::?\d\d)?(?!\d)))"
_COMMENT = r"(?:\s\((?:[a-z]{2,5})\))"
_THEN_YEAR = r"(?:\s(?P<abbr>[a-z]{3,4}))?\s(?P<y>\d{4})\]?"
_ISO = r"(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)"
_NOT_BEFORE = r"(?<![\w@])(?<![a-z][-./])(?<![\d][.:/-])(?<![\w][_])"
_NOT_AFTER = r"(?![\w@]|[-/:]\d|\.\d)"
_IN_FILE = r"(?=\.(?:sql|gz|zst|xz|bz2|tar|tgz|zip|dump|bak|log|db|sqlite)\b|\b(?![\d_]))"


class Stamp(NamedTuple):
    """A fixed format at [start, end) of the plain text. `bare`: digits that could be any number."""

    start: int
    end: int
    frame: Frame
    bare: bool = False


_Build = Callable[[re.Match[str]], Frame]


def _year(text: str) -> int:
    return int(text) if len(text) == 4 else 2000 + int(text)


def _zone(match: re.Match[str]) -> Zone | None:
    text = match.groupdict().get("z")
    return Zone(text) if text else None


def _moment(match: re.Match[str]) -> Frame:
    """Date, time if there is one, zone if there is one."""
    parts = match.groupdict()
    month = _MONTHS[parts["mon"][:3]] if parts.get("mon") else int(parts["m"])
    day = Dated(int(parts["d"]), month, _year(parts["y"]))
    clock = None
    if parts.get("h"):
        second = parts.get("s")
        clock = Clock((int(parts["h"]),), int(parts["i"]), int(second) if second else None)
    zone = _zone(match)
    if zone is None and parts.get("abbr"):
        zone = Zone(parts["abbr"])
    return Frame(day=day, clock=clock, zone=zone)


def _month(match: re.Match[str]) -> Frame:
    return Frame(day=Month(int(match["m"]), int(match["y"])))


def _week(match: re.Match[str]) -> Frame:
    weekday = Weekday(int(match["wd"]) - 1) if match["wd"] else None
    return Frame(day=Week(int(match["w"]), int(match["y"])), weekday=weekday)


def _week_alone(match: re.Match[str]) -> Frame:
    return Frame(day=Week(int(match["w"])))


def _epoch(match: re.Match[str]) -> Frame:
    return Frame(instant=Instant(int(match["e"][:10])))


def _position(_match: re.Match[str]) -> Frame:
    return Frame(position=True)


_BOUNDED: list[tuple[str, _Build, bool]] = [
    (rf"{_ISO}[t ]\s?(?P<h>\d\d):(?P<i>\d\d)(?::(?P<s>\d\d)(?:[.,]\d{{1,9}})?)?{_ZONE}?", _moment, False),
    (rf"{_ISO}t(?P<h>\d\d)(?P<i>\d\d)(?P<s>\d\d)?{_ZONE}?", _moment, False),
    (rf"(?P<y>\d{{4}})(?P<m>\d\d)(?P<d>\d\d)[t_-](?P<h>\d\d)(?P<i>\d\d)(?P<s>\d\d)?{_ZONE}?", _moment, False),
    (rf"(?P<y>\d{{4}})[/.](?P<m>\d\d)[/.](?P<d>\d\d)(?:[ t-]{_HMS}{_ZONE}?)?", _moment, False),
    (rf"\[?(?P<d>\d{{1,2}})[/-](?P<mon>{_MON})[/-](?P<y>\d{{4}})[: ]{_HMS}{_ZONE}?", _moment, False),
    (rf"(?P<d>\d{{1,2}})-(?P<mon>{_MON})-(?P<y>\d{{4}}|\d\d)", _moment, False),
    (
        rf"(?:(?:{_WD}),?\s)?(?P<d>\d{{1,2}})\s(?P<mon>{_MON})\s(?P<y>\d{{4}})\s{_HMS}{_ZONE}?{_COMMENT}?",
        _moment,
        False,
    ),
    (
        rf"\[?(?:{_WD})\.?,?\s(?P<mon>{_MON})\.?\s+(?P<d>\d{{1,2}})\s{_HMS}{_THEN_YEAR}",
        _moment,
        False,
    ),
    (
        rf"\[?(?:{_WD})\.?,?\s(?P<d>\d{{1,2}})\.?\s+(?P<mon>{_MON})\.?\s{_HMS}{_THEN_YEAR}",
        _moment,
        False,
    ),
    (rf"#?(?P<y>\d\d)(?P<m>\d\d)(?P<d>\d\d)\s{{1,2}}{_HMS}", _moment, False),
    (r"(?P<y>\d{4})-?w(?P<w>\d\d)(?:-?(?P<wd>[1-7]))?", _week, False),
    (r"w(?P<w>\d\d)(?P<wd>)(?P<y>)", _week_alone, False),
    (r"(?P<y>\d{4})-(?P<m>\d\d)", _month, False),
    (r"(?<!kw )(?<!kw)(?<!woche )(?<!week )(?P<m>0?[1-9]|1[0-2])/(?P<y>(?:19|20)\d\d)", _month, False),
    (r"(?P<y>(?:19|20)\d\d)(?P<m>\d\d)(?P<d>\d\d)(?P<h>\d\d)(?P<i>\d\d)(?P<s>\d\d)", _moment, True),
    (r"(?P<y>(?:19|20)\d\d)(?P<m>\d\d)(?P<d>\d\d)", _moment, True),
    (r"@?(?P<e>[1-9]\d{9}(?:\d{3})?)(?:\.\d+)?", _epoch, True),
    (r"(?:0|[1-9a-f][0-9a-f]{0,7})/[0-9a-f]{5,8}", _position, True),
    (r"\d{1,4}-\d{1,10}-(?:\d{5,}|[3-9]\d{3})(?:,\d+-\d+-\d+)*", _position, True),
    (r"0-\d{1,10}-\d{1,20}(?:,\d+-\d+-\d+)*", _position, True),
    (r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}:\d+(?:-\d+)?", _position, True),
    (r"[\w-]{0,60}bin(?:log)?[\w-]{0,60}\.\d{6}(?:[: ](?:pos(?:ition)?\s)?\d+)?", _position, False),
]
# Inside the name of a file a full stamp may touch its neighbours by - _ or a dot.
_LOOSE: list[tuple[str, _Build, bool]] = [
    (rf"(?<!\d){_ISO}[_t-](?P<h>\d\d)[-_.:]?(?P<i>\d\d)(?:[-_.:]?(?P<s>\d\d))?(?!\d){_IN_FILE}", _moment, False),
    (
        rf"(?<!\d)(?P<y>20\d\d)(?P<m>\d\d)(?P<d>\d\d)[-_t](?P<h>\d\d)(?P<i>\d\d)(?P<s>\d\d)?z?(?!\d){_IN_FILE}",
        _moment,
        False,
    ),
    (rf"(?<=[a-z][_.-]){_ISO}(?=\.(?:sql|gz|zst|xz|tar|tgz|zip|dump|bak|db|sqlite)\b)", _moment, False),
]


@cache
def _formats() -> list[tuple[re.Pattern[str], _Build, bool]]:
    found = [(re.compile(_NOT_BEFORE + "(?:" + text + ")" + _NOT_AFTER), build, bare) for text, build, bare in _BOUNDED]
    return found + [(re.compile(text), build, bare) for text, build, bare in _LOOSE]


_ISO_DAY = re.compile(_NOT_BEFORE + _ISO + _NOT_AFTER)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{0,15}://\S+")
_DIGIT = re.compile(r"\d")


def find(plain: str) -> list[Stamp]:
    """Stamps in the order of the text, none inside another; earlier formats win."""
    if not _DIGIT.search(plain):
        return []
    found = [Stamp(m.start(), m.end(), Frame()) for m in _ADDRESS.finditer(plain)]
    for pattern, build, bare in [*_formats(), (_ISO_DAY, _moment, False)]:
        for match in pattern.finditer(plain):
            if all(match.end() <= s.start or s.end <= match.start() for s in found):
                found.append(Stamp(match.start(), match.end(), build(match), bare))
    return sorted(s for s in found if s.frame != Frame())

"""Zones by name and abbreviation, and the hours that exist twice or not at all."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from restorekit.timewords.said import Zone


class Meant(NamedTuple):
    """A zone as said. `region`: where its abbreviation is in force only part of the year."""

    zone: tzinfo
    region: str | None = None


def _fixed(hours: float) -> tzinfo:
    return timezone(timedelta(hours=hours))


# Abbreviation → (hours from UTC, region whose clocks use it). Several: it means different things to different people.
_ABBREVIATIONS: dict[str, tuple[tuple[float, str | None], ...]] = {
    "utc": ((0, None),),
    "gmt": ((0, None),),
    "z": ((0, None),),
    "zulu": ((0, None),),
    "mez": ((1, "Europe/Berlin"),),
    "mesz": ((2, "Europe/Berlin"),),
    "cet": ((1, "Europe/Berlin"),),
    "cest": ((2, "Europe/Berlin"),),
    "wet": ((0, "Europe/Lisbon"),),
    "west": ((1, "Europe/Lisbon"),),
    "eet": ((2, "Europe/Athens"),),
    "eest": ((3, "Europe/Athens"),),
    "msk": ((3, None),),
    "est": ((-5, "America/New_York"),),
    "edt": ((-4, "America/New_York"),),
    "cdt": ((-5, "America/Chicago"),),
    "mst": ((-7, "America/Denver"),),
    "mdt": ((-6, "America/Denver"),),
    "pst": ((-8, "America/Los_Angeles"),),
    "pdt": ((-7, "America/Los_Angeles"),),
    "jst": ((9, None),),
    "sgt": ((8, None),),
    "hkt": ((8, None),),
    "aest": ((10, "Australia/Sydney"),),
    "aedt": ((11, "Australia/Sydney"),),
    "nzst": ((12, "Pacific/Auckland"),),
    "nzdt": ((13, "Pacific/Auckland"),),
    "ist": ((5.5, None), (2, None), (1, None)),
    "cst": ((-6, None), (8, None)),
    "bst": ((1, None), (6, None)),
}
# What stands before `Zeit` or `time`.
PLACES = {
    **dict.fromkeys(("berliner", "berlin", "deutsche", "deutscher", "german", "frankfurter"), "Europe/Berlin"),
    **dict.fromkeys(("mitteleuropaeische", "mitteleuropaeischer", "central european"), "Europe/Berlin"),
    **dict.fromkeys(("wiener", "vienna", "oesterreichische", "oesterreichischer"), "Europe/Vienna"),
    **dict.fromkeys(("zuercher", "zurich", "schweizer", "swiss"), "Europe/Zurich"),
    **dict.fromkeys(("londoner", "london", "uk", "british", "britische", "britischer"), "Europe/London"),
    **dict.fromkeys(("new yorker", "new york", "eastern"), "America/New_York"),
    "chicago": "America/Chicago",
    "mountain": "America/Denver",
    "pacific": "America/Los_Angeles",
    **dict.fromkeys(("indian", "indische", "indischer"), "Asia/Kolkata"),
}
AMBIGUOUS_WORDS = frozenset({"ist", "est", "west", "wet", "z", "mst"})
_OFFSET = re.compile(r"([+-])(\d{1,2}):?(\d{2})?")


@cache
def known(name: str) -> bool:
    """True for a zone that `meanings` knows."""
    return bool(meanings(Zone(name)))


@cache
def meanings(said: Zone) -> tuple[Meant, ...]:
    """All zones that the words can mean; empty if none."""
    entries = _ABBREVIATIONS.get(said.name.casefold())
    if entries is not None:
        return tuple(Meant(_fixed(hours), region) for hours, region in entries)
    offset = _OFFSET.fullmatch(said.name)
    if offset is not None:
        sign = -1 if offset[1] == "-" else 1
        minutes = sign * (int(offset[2]) * 60 + int(offset[3] or 0))
        return (Meant(_fixed(minutes / 60)),) if abs(minutes) <= 14 * 60 else ()
    if "/" not in said.name:
        return ()
    found = _region(said.name)
    return (Meant(found),) if found else ()


def _region(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


Existence = Literal["once", "twice", "gap"]


def instants(wall: datetime, zone: tzinfo) -> tuple[Existence, tuple[datetime, ...]]:
    """When a wall clock shows this: once, twice (earlier first), or never (what either offset would make of it)."""
    first, second = wall.replace(tzinfo=zone, fold=0), wall.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return "once", (first,)
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) == wall.replace(fold=0):
        return "twice", (first, second)
    both = sorted(m.astimezone(UTC).astimezone(zone) for m in (first, second))
    return "gap", tuple(both)


def in_force(meant: Meant, at: datetime) -> bool:
    """False if the clocks of its region show another abbreviation at that time: MESZ in January."""
    if meant.region is None:
        return True
    return at.astimezone(ZoneInfo(meant.region)).utcoffset() == at.utcoffset()

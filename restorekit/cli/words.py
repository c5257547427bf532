"""How times, sizes and states are said. Dates are always weekday, YYYY-MM-DD, time, offset and age."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from restorekit.model.database import KnownDatabase

_YEAR = 365.25 * 86_400


def moment(at: datetime | None, zone: str, now: datetime | None = None) -> str:
    """`Sat 2009-01-17 16:41:07 +01:00 (4 d ago)`, or a dash."""
    if at is None:
        return "-"
    local = at.astimezone(ZoneInfo(zone))
    offset = local.strftime("%z")
    return f"{local:%a %Y-%m-%d %H:%M:%S} {offset[:3]}:{offset[3:5]} ({age(at, now)})"


def short_moment(at: datetime | None, zone: str) -> str:
    """`Sat 2009-01-17 16:41`, for narrow tables."""
    return "-" if at is None else f"{at.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M}"


def age(at: datetime, now: datetime | None = None) -> str:
    """How long ago, or in what time, in the largest unit that says enough."""
    seconds = ((now or datetime.now(UTC)) - at).total_seconds()
    return f"{span(seconds)} ago" if seconds >= 0 else f"in {span(-seconds)}"


def span(seconds: float) -> str:
    """A duration: `45 s`, `12 min`, `26 h`, `17 d`, `1.4 years`."""
    for limit, unit, size in ((120, "s", 1), (7200, "min", 60), (172_800, "h", 3600), (_YEAR, "d", 86_400)):
        if seconds < limit:
            number = round(seconds / size, 1 if seconds < 10 else None)
            return f"{number:g} {unit}"
    years = seconds / _YEAR
    return f"{years:.1f} years" if years < 10 else f"{years:.0f} years"


def count(number: int, one: str, many: str = "") -> str:
    """`1 row`, `1,251 rows`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size(count: int | None) -> str:
    """Bytes as `2.1 GB`; a question mark if unknown."""
    if count is None:
        return "?"
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def known(one: KnownDatabase) -> str:
    """`customer 4711, live 2.1 GB, moved from db3/shop on 2026-08-02, 5 points`."""
    parts = [f"customer {one.owner}"] if one.owner else []
    if one.live:
        parts.append(f"live {size(one.size_bytes)}")
    else:
        parts.append(f"gone, last seen {age(one.seen_at)}" if one.seen_at else "only in backups")
    if one.moved_from is not None and one.moved_at is not None:
        there = one.moved_from if one.moved_from.name != one.database.name else one.moved_from.engine
        parts.append(f"moved from {there} on {one.moved_at:%Y-%m-%d}")
    return ", ".join([*parts, count(one.points, "point")])


def level(number: int | None) -> str:
    """`5 equal`, or `not proven`."""
    names = {1: "readable", 2: "complete", 3: "loads", 4: "sound", 5: "equal", 6: "works"}
    return f"{number} {names[number]}" if number else "not proven"


def short_level(number: int | None) -> str:
    """`5 equal`, or a dash, for narrow tables."""
    return level(number) if number else "-"


_STATES = {
    "requested": "queued",
    "warming": "being fetched",
    "awaiting_approval": "waits for approval",
    "compared": "difference shown",
    "cancelling": "being cancelled",
    "undoing": "being undone",
}


def state(name: str) -> str:
    """A state in words."""
    return _STATES.get(name, name)

"""How times, sizes and states are said. Dates are always weekday, YYYY-MM-DD, time, offset and age."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


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
    """How long ago, in the largest unit that says enough."""
    seconds = ((now or datetime.now(UTC)) - at).total_seconds()
    word = "ago" if seconds >= 0 else "ahead"
    return f"{span(abs(seconds))} {word}"


def span(seconds: float) -> str:
    """A duration: `45 s`, `12 min`, `26 h`, `17 d`."""
    for limit, unit, size in ((120, "s", 1), (7200, "min", 60), (172800, "h", 3600)):
        if seconds < limit:
            return f"{seconds / size:.1f} {unit}" if seconds < 10 and unit == "s" else f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"


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


def level(number: int | None) -> str:
    """`5 equal`, or `not proven`."""
    names = {1: "readable", 2: "complete", 3: "loads", 4: "sound", 5: "equal", 6: "works"}
    return f"{number} {names[number]}" if number else "not proven"


def state(name: str) -> str:
    """A state in words."""
    return "waits for approval" if name == "awaiting_approval" else name

"""The echo: what was understood, said so that a wrong year, hour or zone is noticed."""

from datetime import datetime, timedelta

from restorekit.model.locale import Locale
from restorekit.model.resolution import Candidate, Resolution
from restorekit.timewords.sentences import age, text, weekday

_WHOLE = {"day", "weekend", "week", "month", "year"}


def echo(resolution: Resolution, locale: Locale = "de") -> str:
    """Weekday, YYYY-MM-DD, time, zone, offset, age and every assumption; or numbered candidates and the question."""
    lines = [moment(c, resolution, locale) for c in resolution.candidates]
    if resolution.status == "ok":
        said = [a.text for a in resolution.assumptions]
        return " ".join([f"{lines[0]}.", *dict.fromkeys(said)])
    if resolution.status in ("latest", "position"):
        return text(resolution.status, locale)
    both = enumerate(zip(lines, resolution.candidates, strict=True), start=1)
    numbered = [f"{number}. {line}. {candidate.why}" for number, (line, candidate) in both]
    return "\n".join([*numbered, *([resolution.question] if resolution.question else [])])


def moment(candidate: Candidate, resolution: Resolution, locale: Locale = "de") -> str:
    """One interval: `Saturday 2009-01-17, whole day (Europe/Berlin, +01:00), 5 days ago`."""
    begin = candidate.start or candidate.end
    place = f"({resolution.tz}, {_offset(begin)})"
    return f"{_interval(candidate, locale)} {place}, {_age(candidate, resolution.now, locale)}"


def _interval(candidate: Candidate, locale: Locale) -> str:
    start, end = candidate.start, candidate.end
    if start is None:
        return f"{text('before', locale)} {_point(end, locale)}"
    whole = _midnight(start) and _midnight(end)
    if whole and end.date() - start.date() == timedelta(days=1):
        return f"{_day(start, locale)}, {text('whole_day', locale)}"
    if candidate.granularity in ("minute", "second") and end - start <= timedelta(minutes=1):
        return f"{_day(start, locale)} {start:%H:%M:%S}" if candidate.granularity == "second" else _point(start, locale)
    if whole and candidate.granularity in _WHOLE | {"range"}:
        last = end - timedelta(days=1)
        return f"{text('from', locale)} {_day(start, locale)} {text('through', locale)} {_day(last, locale)}"
    to = f"{_clock(end)}" if start.date() == end.date() else _point(end, locale)
    shift = "" if start.utcoffset() == end.utcoffset() else f" {_offset(end)}"
    return f"{_day(start, locale)} {_clock(start)} {text('until', locale)} {to}{shift}"


def _midnight(moment: datetime) -> bool:
    return (moment.hour, moment.minute, moment.second) == (0, 0, 0)


def _day(moment: datetime, locale: Locale) -> str:
    return f"{weekday(moment.weekday(), locale)} {moment:%Y-%m-%d}"


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"


def _point(moment: datetime, locale: Locale) -> str:
    return f"{_day(moment, locale)} {_clock(moment)}"


def _offset(moment: datetime) -> str:
    offset = f"{moment:%z}"
    return f"{offset[:3]}:{offset[3:5]}"


def _age(candidate: Candidate, now: datetime, locale: Locale) -> str:
    """Days between calendar days for what is said in days, else hours and minutes."""
    begin = candidate.start or candidate.end
    if candidate.granularity in _WHOLE:
        days = (now.astimezone(begin.tzinfo).date() - begin.date()).days
        return age(days * 86400, locale) if days else text("today", locale)
    return age((now - begin).total_seconds(), locale)

"""Words at the command line become wishes; what is not clear becomes a question, never a guess."""

import sys
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import typer

from restorekit.cli.app import Door
from restorekit.cli.mails import Mail, read_mail
from restorekit.errors import NeedsChoice, UsageError
from restorekit.model.locale import Locale
from restorekit.model.request import Role, Wish

if TYPE_CHECKING:
    from restorekit.model.database import DatabaseId
    from restorekit.model.resolution import Candidate, Resolution

_ROLES: dict[str, Role] = {"at": "as_of", "before": "before_damage", "contains": "must_contain"}
_MOST_EPISODES = 5
_WORDS_SHOWN = 60
_FIRST_YEAR, _LAST_YEAR = 1970, 2999
_CLOCKS_DIFFER = timedelta(days=1)


class Clock(NamedTuple):
    """When the words were said, where, and in which language they are answered."""

    now: datetime
    zone: str
    locale: "Locale"


class Wanted(NamedTuple):
    """What was understood. `tolerance_s` is how much loss was said not to matter."""

    wishes: tuple[Wish, ...]
    tolerance_s: float
    locale: "Locale"
    said_at: datetime | None


def wanted(hold: Door, options: dict[str, str | None], database: "DatabaseId") -> Wanted:
    """Out of --at, --before, --contains, --mail, --now and --locale; raises NeedsChoice, UsageError."""
    from restorekit.timewords.language import language

    letter = options.get("mail")
    mail = read_mail(Path(letter)) if letter else None
    said = _said_at(hold, options.get("now"), mail)
    words = [text for key in _ROLES if (text := options[key])] + ([mail.text] if mail else [])
    mine = options.get("locale") or language(" ".join(words)) or hold.service.settings.locale
    locale: Locale = "de" if mine == "de" else "en"
    clock = Clock(said or datetime.now(UTC), hold.zone, locale)
    asking = _Asking(hold, database, clock)
    wishes = [asking.wish(text, key, role) for key, role in _ROLES.items() if (text := options[key]) is not None]
    tolerance = timedelta(0)
    if mail is not None:
        understood, tolerance = asking.mail(mail.text)
        wishes += understood
    return Wanted(tuple(wishes), tolerance.total_seconds(), locale, said)


def moment(hold: Door, text: str, option: str, now: datetime | None = None) -> datetime:
    """One moment for sorting: the middle of what is meant, said `now`. Raises NeedsChoice, UsageError."""
    exact = _iso(hold, text, option)
    if exact is not None:
        return exact
    from restorekit.timewords.language import language

    clock = Clock(now or datetime.now(UTC), hold.zone, language(text) or "en")
    found = _iso_day(text, hold.zone) or _Asking(hold, None, clock).candidate(text, option)
    return found.end if found.start is None else found.start + (found.end - found.start) / 2


def beginning(hold: Door, text: str, option: str, now: datetime) -> datetime:
    """Where that time begins, said `now`: of "two weeks ago" that day's morning. Raises NeedsChoice, UsageError."""
    exact = _iso(hold, text, option)
    if exact is not None:
        return exact
    from restorekit.timewords.language import language

    clock = Clock(now, hold.zone, language(text) or "en")
    found = _iso_day(text, hold.zone) or _Asking(hold, None, clock).candidate(text, option)
    return found.start or found.end


def said_now(hold: Door, now: str | None) -> datetime:
    """--now, else this moment. Raises UsageError for the future and for years without databases."""
    return _said_at(hold, now, None) or datetime.now(UTC)


class _Asking:
    """One command's questions."""

    def __init__(self, hold: Door, database: "DatabaseId | None", clock: Clock) -> None:
        self._hold = hold
        self._database = database
        self._clock = clock

    def wish(self, text: str, key: str, role: Role) -> Wish:
        """ISO times to the second mean just that; all else goes through the grammar."""
        exact = _iso(self._hold, text, f"--{key}")
        if exact is not None:
            return Wish(at=exact, role=role, words=text)
        day = _iso_day(text, self._clock.zone)
        if day is not None:
            return _wish(day, role, text)
        return _wish(self.candidate(text, f"--{key}"), role, text)

    def candidate(self, text: str, option: str) -> "Candidate":
        """The one reading; a person at a terminal may choose, nobody else is chosen for."""
        answer = self._resolved(text)
        if answer.status == "latest":
            return _now(answer)
        # "--before 'dem Update gestern'": the option is the preposition, and the update the moment that is meant.
        event = self._resolved(f"{'vor' if self._clock.locale == 'de' else 'before'} {text}")
        if option == "--before" and event.status == "event":
            return self._chosen(event, option)
        if answer.status == "ok":
            return answer.candidates[0]
        return self._chosen(answer, option)

    def mail(self, text: str) -> tuple[list[Wish], timedelta]:
        """What a whole mail says: at most one moment with its role, and what may be lost."""
        answer = self._resolved(text)
        tolerance = answer.tolerance or timedelta(0)
        if answer.status in ("none", "latest"):
            return [], tolerance  # it names no moment: then what happened has to say when
        found = answer.candidates[0] if answer.status == "ok" else self._chosen(answer, "--mail")
        said = " … ".join(answer.text[a:b] for a, b in answer.spans)[:_WORDS_SHOWN]
        role: Role = "as_of" if answer.role == "unknown" else answer.role
        return [_wish(found, role, said or text[:_WORDS_SHOWN])], tolerance

    def _resolved(self, text: str) -> "Resolution":
        from restorekit.timewords import resolve

        clock = self._clock
        return resolve(text, now=clock.now, tz=clock.zone, locale=clock.locale)

    def _chosen(self, answer: "Resolution", option: str) -> "Candidate":
        from restorekit.timewords import echo

        lines = [*echo(answer, self._clock.locale).splitlines(), *self._episodes(answer)]
        short = " ".join(answer.text.split())
        short = short if len(short) <= _WORDS_SHOWN else f"{short[:_WORDS_SHOWN]}…"
        if len(answer.candidates) > 1 and sys.stdin.isatty() and sys.stderr.isatty():
            for line in lines:
                typer.echo(line, err=True)
            number: int = typer.prompt("Which one (number)", type=int, err=True)
            if 1 <= number <= len(answer.candidates):
                return answer.candidates[number - 1]
        raise NeedsChoice(
            f"{option}: “{short}” is not clear enough; nothing was chosen, nothing was changed",
            hint=_hint(answer, option),
            details=tuple(lines),
        )

    def _episodes(self, answer: "Resolution") -> list[str]:
        """For “before the update”: what the history knows to have happened."""
        if answer.status != "event" or self._database is None:
            return []
        history = self._hold.service.planner.told(self._database, self._clock.now).histories[self._clock.locale]
        latest = [e for e in history.episodes if e.kind != "minor"][-_MOST_EPISODES:]
        return [f"{e.start:%Y-%m-%dT%H:%M%z}  {e.why}" for e in reversed(latest)]


def _iso(hold: Door, text: str, option: str) -> datetime | None:
    """A full ISO time, with day and clock; anything less is an interval."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return None
    if "T" not in text.upper() and ":" not in text:
        return None
    return _possible(hold.time(text, option), f"{option} {text}")


def _said_at(hold: Door, now: str | None, mail: Mail | None) -> datetime | None:
    """When the words were said: --now, else the mail's own date; None for this moment. Raises UsageError."""
    said = hold.time(now, "--now") if now else mail.written_at if mail else None
    if said is None:
        return None
    name = f"--now {now}" if now else f"the date of the mail ({said.isoformat()})"
    if _possible(said, name) > datetime.now(UTC) + _CLOCKS_DIFFER:
        raise UsageError(f"{name} lies in the future", hint="Say with --now when the words were said.")
    return said


def _possible(at: datetime, name: str) -> datetime:
    """Within the years in which databases have been: others cannot be moved between zones."""
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise UsageError(f"{name}: no database is of the year {at.year}", hint="Write for example 2009-01-17T16:41.")
    return at


def _iso_day(text: str, zone: str) -> "Candidate | None":
    """`2009-01-17` is that day of the zone, in the future, too: a program wrote it, and no state is later than now."""
    from restorekit.model.resolution import Candidate

    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        return None
    begin, end = (datetime.combine(d, time(), ZoneInfo(zone)) for d in (day, day + timedelta(days=1)))
    return Candidate(start=begin, end=end, granularity="day", why="")


def _wish(found: "Candidate", role: Role, words: str) -> Wish:
    """The interval with its safe end: a day that must be contained is contained at its end."""
    start = found.start or found.end
    exact = found.granularity in ("second", "minute")
    safe = {"must_contain": found.end, "before_damage": start, "as_of": start if exact else found.end}
    return Wish(at=safe[role], role=role, words=words, start=start, end=found.end)


def _now(answer: "Resolution") -> "Candidate":
    from restorekit.model.resolution import Candidate

    return Candidate(start=None, end=answer.now, granularity="second", why="")


def _hint(answer: "Resolution", option: str) -> str:
    if answer.candidates:
        start = answer.candidates[0].start or answer.candidates[0].end
        if option == "--mail":
            return f"Say it in place of the mail: --contains, --before or --at, for example --at {start:%Y-%m-%d}."
        return f"Say which one, for example {option} {start:%Y-%m-%d} or {option} {start:%Y-%m-%dT%H:%M}."
    if answer.status == "position":
        return "Replaying logs to a position is not possible; name a time."
    return "`restorekit when` tries words out."


def no_moment(options: dict[str, str | None]) -> None:
    """A point by its id is a moment already."""
    if options["point"] is not None and any(options.get(key) for key in (*_ROLES, "mail")):
        raise UsageError("--point and a moment exclude each other")

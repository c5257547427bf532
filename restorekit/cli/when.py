"""`when`: what words about a moment mean, and nothing else. Needs no configuration."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import typer

from restorekit.cli.app import Json, app, door, iso_time, out
from restorekit.errors import ConfigError, NeedsChoice, UsageError
from restorekit.model.locale import Locale
from restorekit.model.resolution import Resolution
from restorekit.settings import DEFAULT_PLACES, Settings, load


@app.command()
def when(
    context: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="WORDS", help='The words; "-" reads them from stdin.')],
    *,
    now: Annotated[str | None, typer.Option("--now", help="ISO time to count from (default: now).")] = None,
    tz: Annotated[str | None, typer.Option("--tz", help="Zone of the words, such as Europe/Berlin.")] = None,
    locale: Annotated[Locale | None, typer.Option("--locale", help="Language of the answer.")] = None,
    as_json: Json = False,
) -> None:
    """What words mean as a moment: resolved, or a question.

    Exit code 3 if it needs a choice or nothing is resolved.

    Example: restorekit when "gestern Abend gegen 8"
    """
    from restorekit.timewords import echo, resolve

    settings = _settings(door(context).config)
    zone, said_by = _zone(tz, settings)
    language = locale or ("de" if settings is not None and settings.locale == "de" else "en")
    text = _words(words)
    answer = resolve(text, now=_now(now, zone), tz=zone, locale=language, zone_said_by=said_by)
    screen = out(as_json=as_json)
    screen.document(shape(answer))
    if not as_json:
        for line in echo(answer, language).splitlines():
            screen.say(line)
    if answer.status != "ok":
        screen.aside("nothing was chosen, nothing was changed")
        raise typer.Exit(NeedsChoice.exit_code)


def shape(answer: Resolution) -> dict[str, Any]:
    """The stable JSON. Times are ISO 8601 with offset, `tolerance` is an ISO 8601 duration (`P3D`) or null."""
    document = answer.model_dump(mode="json", include=set(_KEYS))
    return {key: document[key] for key in _KEYS}


_KEYS = (
    "text",
    "now",
    "tz",
    "status",
    "relation",
    "role",
    "candidates",
    "assumptions",
    "question",
    "tolerance",
)


def _words(words: list[str]) -> str:
    if words != ["-"]:
        return " ".join(words)
    return typer.get_text_stream("stdin", encoding="utf-8", errors="replace").read()


def _settings(config: Path | None) -> Settings | None:
    """The configuration if there is one; one that was named but does not exist is an error."""
    try:
        return load(config)
    except ConfigError:
        if config is not None or "RESTOREKIT_CONFIG" in os.environ or any(p.exists() for p in DEFAULT_PLACES):
            raise
        return None


def _zone(tz: str | None, settings: Settings | None) -> tuple[str, Literal["said", "profile", "server"]]:
    if tz is not None:
        return _known(tz), "said"
    if settings is not None:
        return settings.timezone, "profile"
    return _system_zone(), "server"


def _known(tz: str) -> str:
    try:
        ZoneInfo(tz)
    except (KeyError, ValueError, OSError) as error:
        raise UsageError(f"--tz {tz!r} is not a known zone", hint="Write for example Europe/Berlin or UTC.") from error
    return tz


def _system_zone() -> str:
    """The machine's zone by name; UTC where it has none."""
    path = str(Path("/etc/localtime").resolve())
    for name in (os.environ.get("TZ", "").lstrip(":"), path.rpartition("zoneinfo/")[2] if "zoneinfo/" in path else ""):
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            continue
        return name
    return "UTC"


def _now(text: str | None, zone: str) -> datetime:
    return datetime.now(UTC) if text is None else iso_time(text, "--now", zone)

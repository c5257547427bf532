"""`timeline`: what happened to a database: serious changes, accidents, recovery points."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from restorekit.cli.app import Database, Door, Json, app, door, out
from restorekit.cli.moments import beginning, said_now
from restorekit.cli.out import Out
from restorekit.errors import UnknownName, UsageError
from restorekit.model.locale import Locale
from restorekit.model.point import PointState
from restorekit.model.verdict import Level

if TYPE_CHECKING:
    from restorekit.bootstrap.chronicle import Told
    from restorekit.model.changes import Episode
    from restorekit.model.database import DatabaseId
    from restorekit.timeline import Heat, Point, View

_DAYS = 15
_LEAST_COLUMNS = 40
_MOST_COLUMNS = 200


@app.command()
def timeline(
    context: typer.Context,
    database: Database,
    *,
    since: Annotated[str | None, typer.Option("--since", help="From this time on (ISO or words).")] = None,
    now: Annotated[str | None, typer.Option("--now", help="ISO time up to which to look (default: now).")] = None,
    svg: Annotated[Path | None, typer.Option("--svg", help="Draw it into this file, too.")] = None,
    locale: Annotated[Locale | None, typer.Option("--locale", help="Language of the view.")] = None,
    as_json: Json = False,
) -> None:
    """What changed when: serious changes, accidents, recovery points.

    Example: restorekit timeline db1/acme_shop --since "vor zwei Wochen" --svg acme.svg
    """
    from restorekit.timeline import View, render_heat

    answer, hold = out(as_json=as_json), door(context)
    name = hold.service.shelf.identify(database)
    language: Locale = locale or ("de" if hold.service.settings.locale == "de" else "en")
    until = said_now(hold, now)
    window = (beginning(hold, since, "--since", until) if since else until - timedelta(days=_DAYS), until)
    if window[0] >= until:
        raise UsageError(f"--since {since} is not before {until:%Y-%m-%d %H:%M}", hint="Name an earlier time.")
    told = hold.service.planner.told(name, until, window[0])
    points = _points(hold, name)
    if not points and not told.tallies and not told.blows and not hold.service.shelf.is_live(name):
        raise UnknownName(f"nothing is known of a database {name}", hint="Try `restorekit find` or `inventory`.")
    heat = _heat(points, told, View(*window, ZoneInfo(hold.zone), _columns(answer), language))
    if svg is not None:
        _draw(heat, svg)
    answer.document(_shape(hold, name, told, language))
    for problem in told.problems:
        answer.aside(f"not known: {problem}", style="yellow")
    if not as_json:
        for line in render_heat(heat):
            answer.say(line, hang=0)
        if svg is not None:
            answer.aside(f"drawn into {svg}")


def _columns(answer: Out) -> int:
    return max(_LEAST_COLUMNS, min(_MOST_COLUMNS, answer.width))


def _draw(heat: "Heat", path: Path) -> None:
    """Wider than a terminal, for nobody counts columns there."""
    from restorekit.timeline import svg

    try:
        path.write_text(svg(heat), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--svg {path}: {error.strerror}", hint="Name a file in a folder that exists.") from error


def _heat(points: "Sequence[Point]", told: "Told", view: "View") -> "Heat":
    from restorekit.timeline import heat

    known = told.histories["de" if view.locale == "de" else "en"]
    return heat(known, told.tallies, told.blows, points, view)


def _points(hold: Door, name: "DatabaseId") -> list["Point"]:
    from restorekit.timeline import Point

    proofs = hold.service.house.catalog.proofs(name)
    found, _ = hold.service.shelf.points(name)
    return [
        Point(p.consistent_at, p.medium[:1].upper(), proofs.get(p.id, 0) >= Level.EQUAL, str(p.state), p.id)
        for p in found
        if p.consistent_at is not None and p.state != PointState.EXPIRED
    ]


def _shape(hold: Door, name: "DatabaseId", told: "Told", language: Locale) -> dict[str, Any]:
    """The stable JSON; times in the configured zone with their offset."""
    history, zone = told.histories[language], ZoneInfo(hold.zone)
    return {
        "database": str(name),
        "timezone": hold.zone,
        "accident": _episode(history.accident, zone),
        "last_serious": _episode(history.last_serious, zone),
        "restless": history.restless,
        "episodes": [_episode(e, zone) for e in history.episodes],
        "last_change": {table: at.astimezone(zone).isoformat() for table, at in history.last_change.items()},
        "routine": list(history.routine),
        "coverage": [
            {**s.model_dump(), "start": s.start.astimezone(zone).isoformat(), "end": s.end.astimezone(zone).isoformat()}
            for s in told.stretches
        ],
        "baseline_days": history.baseline_days,
        "caution": history.caution,
        "problems": list(told.problems),
        "points": [
            {"id": p.id, "at": p.at.astimezone(zone).isoformat(), "proven": p.proven, "state": p.state}
            for p in _points(hold, name)
        ],
    }


def _episode(episode: "Episode | None", zone: ZoneInfo) -> dict[str, Any] | None:
    if episode is None:
        return None
    shape = episode.model_dump(mode="json")
    return {
        **shape,
        "start": episode.start.astimezone(zone).isoformat(),
        "end": episode.end.astimezone(zone).isoformat(),
    }

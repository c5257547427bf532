"""`timeline`: what happened to a database: serious changes, accidents, recovery points."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo

import typer

from restorekit.cli.app import Database, Door, Json, app, door, out
from restorekit.cli.moments import moment
from restorekit.model.point import PointState

if TYPE_CHECKING:
    from restorekit.bootstrap.chronicle import Told
    from restorekit.model.changes import Episode
    from restorekit.model.database import DatabaseId
    from restorekit.timeline import Heat, Point

Locale = Literal["de", "en"]
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
    from restorekit.timeline import render_heat
    from restorekit.timeline import svg as drawn

    answer, hold = out(as_json=as_json), door(context)
    name = hold.service.shelf.identify(database)
    language: Locale = locale or ("de" if hold.service.settings.locale == "de" else "en")
    until = hold.time(now, "--now") if now else datetime.now(UTC)
    window = (moment(hold, since, "--since") if since else until - timedelta(days=_DAYS), until)
    told = hold.service.planner.told(name, until, window[0])
    width = max(_LEAST_COLUMNS, min(_MOST_COLUMNS, answer.width))
    heat = _heat(hold, name, told, window, (width, language))
    if svg is not None:
        svg.write_text(drawn(heat), encoding="utf-8")
    answer.document(_shape(hold, name, told, language))
    for problem in told.problems:
        answer.aside(f"not known: {problem}", style="yellow")
    if not as_json:
        for line in render_heat(heat):
            answer.say(line, hang=0)
        if svg is not None:
            answer.aside(f"drawn into {svg}")


def _heat(
    hold: Door, name: "DatabaseId", told: "Told", window: tuple[datetime, datetime], look: tuple[int, Locale]
) -> "Heat":
    from restorekit.timeline import View, heat

    view = View(*window, ZoneInfo(hold.zone), width=look[0], locale=look[1])
    return heat(told.histories[look[1]], told.tallies, told.blows, _points(hold, name), view)


def _points(hold: Door, name: "DatabaseId") -> list["Point"]:
    from restorekit.timeline import Point

    proofs = hold.service.house.catalog.proofs(name)
    found, _ = hold.service.shelf.points(name)
    return [
        Point(p.consistent_at, p.medium[:1].upper(), p.id in proofs, str(p.state), p.id)
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

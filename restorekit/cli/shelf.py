"""Commands that read: doctor, inventory, find, points, peek, capture."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from restorekit.cli import completion, shapes, words
from restorekit.cli.app import Database, Json, app, door, out
from restorekit.cli.moments import moment
from restorekit.cli.stocktaking import show_inventory
from restorekit.errors import Refused, UsageError
from restorekit.model.point import PointState, RecoveryPoint


@app.command()
def doctor(context: typer.Context, *, as_json: Json = False) -> None:
    """Tools, servers, rights, credentials, disk: each with its hint. Changes nothing.

    Example: restorekit doctor
    """
    from restorekit.bootstrap.doctor import examine

    answer = out(as_json=as_json)
    findings = examine(door(context).config)
    answer.document([{"where": where, **f.model_dump(mode="json")} for where, f in findings])
    if not as_json:
        for where, finding in findings:
            style = {"refuse": "red", "wait": "yellow", "warn": "yellow"}.get(finding.severity, "")
            answer.say(f"{finding.severity:7}{where}: {finding.text}", style=style, hang=7)
            if finding.hint and finding.severity != "ok":
                answer.say("       " + finding.hint.replace("\n", "\n       "), hang=9)
    if any(f.severity == "refuse" for _, f in findings):
        answer.aside("what is marked refuse makes a restore impossible; nothing was changed", style="bold")
        raise typer.Exit(Refused.exit_code)


@app.command()
def inventory(
    context: typer.Context,
    *,
    source: Annotated[str | None, typer.Option(help="Only this source.", autocompletion=completion.sources)] = None,
    logs: Annotated[
        bool, typer.Option("--logs", help="Read on the engines' logs, too, before they are purged.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Scan the sources; per database: points, newest, proven, gaps.

    With --logs in a nightly run the history outlives the engines' logs.

    Example: restorekit inventory --source nightly
    """
    answer, hold = out(as_json=as_json), door(context)
    found = hold.service.shelf.inventory(source)
    for engine in hold.service.settings.engines if logs else ():
        for problem in hold.service.chronicle.read_on(engine):
            answer.aside(f"not known: {problem}", style="yellow")
    answer.document(shapes.inventory(found))
    if not as_json:
        show_inventory(answer, found, hold.zone)


@app.command()
def find(
    context: typer.Context, text: Annotated[list[str], typer.Argument(metavar="WORDS")], *, as_json: Json = False
) -> None:
    """Databases by name, engine, customer, host or earlier name.

    Example: restorekit find acme shop
    """
    answer = out(as_json=as_json)
    hits, silent = door(context).service.shelf.find(" ".join(text))
    answer.document([shapes.known(one) for one in hits])
    if as_json:
        return
    for one in hits:
        answer.say(f"{one.database}  {words.known(one)}", hang=4)
    if not hits:
        answer.say("nothing found")
    for problem in silent:
        answer.aside(f"did not answer: {problem}", style="yellow")


@app.command()
def points(
    context: typer.Context,
    database: Database,
    *,
    around: Annotated[str | None, typer.Option(help="Nearest to this time first (ISO or words).")] = None,
    scan: Annotated[bool, typer.Option(help="Look at the sources first.")] = False,
    as_json: Json = False,
) -> None:
    """Recovery points of a database: moment, level proven, usability.

    Example: restorekit points db1/acme_shop --around 2009-01-17T16:41
    """
    answer, hold = out(as_json=as_json), door(context)
    shelf = hold.service.shelf
    name = shelf.identify(database)
    found, problems = shelf.points(name, fresh=scan)
    for problem in problems:
        answer.aside(f"could not be read: {problem}", style="yellow")
    if around is not None:
        near = moment(hold, around, "--around")
        found = sorted(found, key=lambda p: abs((p.consistent_at - near).total_seconds()) if p.consistent_at else 1e18)
    proofs = hold.service.house.catalog.proofs(name)
    answer.document([shapes.point(p, proofs.get(p.id)) for p in found])
    answer.table(
        ("point", "its data", "source", "size", "proven", "consistent", "note"),
        [
            (
                p.id,
                words.short_moment(p.consistent_at, hold.zone),
                p.source,
                words.size(p.size_bytes),
                words.short_level(proofs.get(p.id)),
                p.consistency,
                _note(p),
            )
            for p in found
        ],
        right=(3,),
    )
    if not found and not as_json:
        answer.say(f"no recovery point of {name} is known")


def _note(point: RecoveryPoint) -> str:
    """Which tapes or buckets, where its source has many; and why it cannot be used."""
    where = point.medium if " " in point.medium else ""
    bad = "" if point.state == PointState.USABLE else f"{point.state}: {point.why}"
    return "; ".join(filter(None, (where, bad or point.why)))


@app.command()
def capture(
    context: typer.Context,
    database: Database,
    *,
    to: Annotated[Path | None, typer.Option("--to", help="File to write (default: stdout).")] = None,
    as_json: Json = False,
) -> None:
    """A consistent dump of live with its manifest.

    Both are out of one snapshot.

    Example: restorekit capture db1/acme_shop --to acme_shop.sql
    """
    hold = door(context)
    name = hold.service.shelf.identify(database)
    act = hold.act("capture", database=str(name))
    watch = Quiet()
    if to is None:
        if as_json:
            raise UsageError("--json needs --to FILE: the dump itself goes to stdout")
        if sys.stdout.isatty():
            raise UsageError("a dump is not written to a terminal", hint="Use --to FILE or redirect stdout.")
        hold.service.looking.capture(name, sys.stdout.buffer, act, watch)
        return
    part = to.with_name(to.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        contents = hold.service.looking.capture(name, file, act, watch)
        file.flush()
        os.fsync(file.fileno())
    manifest = to.with_name(to.name + ".manifest.json")
    manifest.write_text(contents.model_dump_json(), encoding="utf-8")
    part.rename(to)
    rows, answer = sum(t.rows or 0 for t in contents.tables), out(as_json=as_json)
    answer.document({"file": str(to), "manifest": str(manifest), "tables": len(contents.tables), "rows": rows})
    if not as_json:
        tables = words.count(len(contents.tables), "table")
        answer.say(f"{to}: {tables}, {words.count(rows, 'row')}; manifest in {manifest.name}")


class Quiet:
    """A watch for short commands: nothing to report, nothing to cancel but Ctrl-C."""

    def progress(self, phase: str, done: int, total: int | None, unit: str = "bytes") -> None:
        """Nothing."""

    def check(self) -> None:
        """Nothing."""

"""`restorekit diff`: what differs between the restored database and live."""

from typing import Annotated, Any

import typer

from restorekit.cli import picked, shapes, show
from restorekit.cli.app import Json, RunId, app, door, out
from restorekit.cli.masking import cell
from restorekit.cli.out import Out
from restorekit.cli.shelf import Quiet
from restorekit.errors import UsageError
from restorekit.model.shown import ShownRow

_MOST = 20


@app.command()
def diff(
    context: typer.Context,
    run_id: RunId,
    *,
    summary: Annotated[bool, typer.Option("--summary", help="Tables only, no rows.")] = False,
    rows: Annotated[str | None, typer.Option("--rows", metavar="TABLE", help="Rows of this table, read anew.")] = None,
    reveal: Annotated[
        str, typer.Option("--reveal", metavar="REASON", help="With --rows: show values; the reason is audited.")
    ] = "",
    as_json: Json = False,
) -> None:
    """What differs between the restored database and live.

    Values are masked and never stored.

    Example: restorekit diff k3f9 --summary; restorekit diff k3f9 --rows orders --reveal "ticket 4711"
    """
    answer, hold = out(as_json=as_json), door(context)
    if rows is not None:
        act = hold.act("reveal" if reveal else "rows", restore_id=run_id, shown=rows, confirmed=reveal)
        found = hold.service.looking.rows(run_id, rows, _MOST, act, Quiet())
        _show_rows(answer, rows, found, reveal=bool(reveal))
        return
    if reveal:
        raise UsageError("--reveal needs --rows TABLE")
    story = hold.service.desk.story(run_id)
    if story.difference is None:
        raise UsageError(f"restore {story.run.id} is {story.run.state}: there is no difference yet")
    answer.document(_shape(shapes.difference(story.difference), summary=summary))
    if not as_json:
        show.difference(answer, story.difference, hold.zone, summary=summary)
        if story.difference.pick is not None:
            picked.rows(answer, story.difference)


def _shape(shape: dict[str, Any], *, summary: bool) -> dict[str, Any]:
    if summary:
        for table in shape["tables"]:
            table.pop("rows", None)
    return shape


def _show_rows(answer: Out, table: str, found: list[ShownRow], *, reveal: bool) -> None:
    shown = [_row(row, reveal=reveal) for row in found]
    answer.document({"table": table, "masked": not reveal, "rows": shown})
    if answer.as_json:
        return
    answer.say(f"{table}: the first {len(shown)} rows that differ now" if shown else f"{table}: no row differs now")
    lines = [line for row in shown for line in _lines(row)]
    if lines:
        answer.rows(("row", "key", "column", "live", "backup"), lines)
    if shown and not reveal:
        answer.aside("values are masked; --reveal REASON shows them")


def _row(row: ShownRow, *, reveal: bool) -> dict[str, Any]:
    """Texts only, already masked where they must be."""
    cells = {
        name: {"live": cell(live, reveal=reveal), "backup": cell(backup, reveal=reveal)}
        for name, (live, backup) in row.cells.items()
    }
    for one in cells.values():
        one.pop({"missing": "live", "extra": "backup"}.get(row.kind, ""), None)
    return {"kind": row.kind, "key": {n: cell(v, reveal=reveal) for n, v in row.key.items()}, "cells": cells}


def _lines(row: dict[str, Any]) -> list[tuple[str, ...]]:
    """One line per column; kind and key stand in the first."""
    key = ", ".join(f"{name}={value}" for name, value in row["key"].items())
    cells = [(name, one.get("live", "-"), one.get("backup", "-")) for name, one in row["cells"].items()]
    first, *rest = cells or [("", "", "")]
    return [(row["kind"], key, *first), *(("", "", *other) for other in rest)]

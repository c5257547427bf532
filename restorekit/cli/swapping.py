"""Consent at the command line: approve all of a difference, or swap, perhaps a part of it."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from restorekit.cli import picked, shapes
from restorekit.cli.app import Door, Json, RunId, app, door, out
from restorekit.cli.out import Out
from restorekit.cli.restores import end, follow
from restorekit.cli.shelf import Quiet
from restorekit.errors import UNTOUCHED, NeedsChoice, RestorekitError, UsageError
from restorekit.model.difference import Difference, Wanted

if TYPE_CHECKING:
    from restorekit.bootstrap.picking import Part

Only = Annotated[str | None, typer.Option("--only", metavar="A,B", help="Rows of these tables, comma separated.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="SQL", help="Rows that fulfil this SQL; 'table: SQL' for one table. May be repeated."
    ),
]
Rows = Annotated[
    Literal["missing", "changed", "all"] | None,
    typer.Option("--rows", help="Rows that are gone, rows that are different, or (all) also rows that came."),
]
KeepNew = Annotated[bool, typer.Option("--keep-new", help="Never touch rows that only live has.")]
OnConflict = Annotated[
    Literal["ours", "theirs", "skip"] | None,
    typer.Option("--on-conflict", help="Where live has no free place for a row: the backup's, live's, or neither."),
]
Method = Annotated[
    Literal["delta", "exchange"] | None,
    typer.Option("--method", help="Row by row, or whole tables; without it the cheaper way is taken."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what it would come to; changes nothing.")]


@app.command()
def approve(context: typer.Context, run_id: RunId, *, as_json: Json = False) -> None:
    """Agree to exactly the difference shown, and follow the swap.

    Example: restorekit approve k3f9
    """
    answer, hold = out(as_json=as_json), door(context)
    _approve(hold, answer, run_id, accept_changes=False)


@app.command()
def swap(
    context: typer.Context,
    run_id: RunId,
    *,
    only: Only = None,
    where: Where = None,
    rows: Rows = None,
    keep_new: KeepNew = False,
    on_conflict: OnConflict = None,
    method: Method = None,
    dry_run: DryRun = False,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Also if live has changed since; what slips is named and kept.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Approve and swap: all that was shown, or only a part of it.

    Rows that chosen ones need come along and are listed. With --keep-new, --where or --rows nobody is held back, and
    every row is proven by itself.

    Example: restorekit swap k3f9 --only orders --rows missing --keep-new
    """
    answer, hold = out(as_json=as_json), door(context)
    run = hold.service.house.catalog.run(run_id)
    part = _part(hold, run.id, (only, where or [], rows), keep_new=keep_new, rest=(on_conflict, method))
    if part is not None or dry_run:
        _choose(hold, answer, run.id, part, dry_run=dry_run)
    if not dry_run:
        _approve(hold, answer, run.id, accept_changes=accept_changes)


def _part(
    hold: Door,
    run_id: str,
    asked: tuple[str | None, list[str], str | None],
    *,
    keep_new: bool,
    rest: tuple[str | None, Wanted | None],
) -> "Part | None":
    """The part of the difference that the options name; None if they name none."""
    from restorekit.bootstrap.picking import Part, Pick

    (only, where, rows), (on_conflict, method) = asked, rest
    if not (only or where or rows or keep_new or on_conflict or method):
        return None
    before = hold.service.desk.story(run_id).difference
    if not (only or where or rows or keep_new):  # the same part as before, decided otherwise
        pick = before.pick if before is not None else None
        pick = (pick or Pick()).model_copy(update={"conflicts": on_conflict}) if on_conflict else pick
        return Part(pick, None, method or (before.method if before else None))
    tables = _names(only) if only else None
    pick = Pick.model_validate(
        {
            "tables": tables,
            "rows": rows or "all",
            "keep_new": keep_new,
            "filtered": bool(where),
            "conflicts": on_conflict,
        }
    )
    return Part(pick, _conditions(where, tables, before), method)


def _names(only: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(t.strip() for t in only.split(",") if t.strip()))
    if not names:
        raise UsageError("--only names no table", hint="For example: --only orders,order_items")
    return names


def _conditions(where: list[str], tables: tuple[str, ...] | None, before: Difference | None) -> dict[str, str]:
    """`orders: id > 5` is about orders; what begins with no table's name is about every table without its own."""
    known = tables or tuple(t.name for t in before.tables) if before is not None else tables or ()
    found: dict[str, str] = {}
    for text in where:
        name, colon, sql = text.partition(":")
        table = name.strip() if colon and name.strip() in known else ""
        condition = sql.strip() if table else text.strip()
        if not condition or table in found:
            about = f"for {table}" if table else "without a table"
            raise UsageError(f"--where {about} is empty or there twice", hint="Join conditions with AND or OR.")
        found[table] = condition
    return found


def _choose(hold: Door, answer: Out, run_id: str, part: "Part | None", *, dry_run: bool) -> None:
    """Choose and show; leaves with exit code 3 where somebody has to decide."""
    picking = hold.service.picking
    part = part or picking.same(run_id)
    act = hold.act("look" if dry_run else "choose", restore_id=run_id, details=picked.told(part))
    try:
        found = picking.look(run_id, part, act, Quiet()) if dry_run else picking.choose(run_id, part, act, Quiet())
    except RestorekitError as error:
        error.live = UNTOUCHED
        raise
    picked.show(answer, found)
    if dry_run and answer.as_json:
        answer.document(shapes.difference(found.difference))
        raise typer.Exit(NeedsChoice.exit_code if picking.undecided(found) else 0)
    if undecided := picking.undecided(found):
        raise undecided
    if dry_run:
        answer.say("Nothing was changed; the same without --dry-run does this.")


def _approve(hold: Door, answer: Out, run_id: str, *, accept_changes: bool) -> None:
    run = hold.service.house.catalog.run(run_id)
    act = hold.act(
        "approve", restore_id=run.id, database=str(run.request.target), confirmed="approve at the command line"
    )
    hold.service.desk.approve(run.id, act, accept_changes=accept_changes)
    follow(hold, answer, run.id)
    end(hold, answer, run.id)

"""Receipts, notes, audit, export, peek, retirement."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from restorekit.cli import completion, ending, show, words
from restorekit.cli.app import Database, Door, Json, RunId, app, door, out
from restorekit.cli.masking import cell
from restorekit.cli.shelf import Quiet
from restorekit.errors import AuditBroken, UsageError
from restorekit.model.receipt import Receipt
from restorekit.model.request import Request
from restorekit.model.run import State


def _read_receipt(path: Path) -> Receipt:
    try:
        return Receipt.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise UsageError(f"{path} is not a receipt") from error


@app.command()
def receipt(
    context: typer.Context,
    what: Annotated[str, typer.Argument(metavar="ID|verify", help="A restore's id, or `verify` and a file.")],
    file: Annotated[Path | None, typer.Argument(metavar="FILE")] = None,
    *,
    as_json: Json = False,
) -> None:
    """The signed receipt of a swap, or the check of one, offline.

    Example: restorekit receipt k3f9 --json > receipt.json; restorekit receipt verify receipt.json
    """
    answer = out(as_json=as_json)
    if what != "verify":
        hold = door(context)
        value = hold.service.desk.receipt(what)
        answer.document(value.model_dump(mode="json"))
        if not as_json:
            show.receipt(answer, value, hold.zone)
        return
    if file is None:
        raise UsageError("receipt verify needs a file", hint="restorekit receipt verify receipt.json")
    from restorekit.bootstrap.desk import receipt_holds

    value = _read_receipt(file)
    if not receipt_holds(value):
        raise AuditBroken(f"the signature on {file} does not hold: it was changed after it was signed")
    answer.document({"holds": True, "restore": value.restore_id, "public_key": value.public_key})
    if not as_json:
        answer.say(f"the signature holds; signed with {value.public_key}")


@app.command()
def note(
    context: typer.Context, run_id: RunId, text: Annotated[str, typer.Argument()], *, as_json: Json = False
) -> None:
    """Write a remark about a restore into the audit log.

    Example: restorekit note k3f9 "customer called, ticket 4711"
    """
    answer, hold = out(as_json=as_json), door(context)
    hold.service.desk.note(run_id, hold.act("note", restore_id=run_id, confirmed=text))
    answer.document({"noted": text})
    if not as_json:
        answer.say("noted in the audit log")


@app.command()
def audit(
    context: typer.Context,
    what: Annotated[str | None, typer.Argument(metavar="DB|verify|export")] = None,
    *,
    against: Annotated[
        Path | None, typer.Option("--against", help="A receipt whose audit head must be in the log.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many entries.")] = 50,
    as_json: Json = False,
) -> None:
    """Who did what, in a chain that can be checked.

    `audit verify` checks it, `audit export` writes it as JSON lines.

    Example: restorekit audit verify --against receipt.json
    """
    answer, hold = out(as_json=as_json), door(context)
    catalog = hold.service.house.catalog
    if what == "verify":
        head = None
        if against is not None:
            held = _read_receipt(against)
            head = (held.audit_head, held.audit_count)
        count = catalog.audit_verify(head)
        answer.document({"holds": True, "entries": count, "head": catalog.audit_head()[0]})
        if not as_json:
            answer.say(f"the chain of {count} entries holds")
        return
    if what == "export":
        for line in catalog.audit_export():
            sys.stdout.write(line.rstrip("\n") + "\n")
        return
    database = str(hold.service.shelf.identify(what)) if what else ""
    entries = catalog.audit_entries(database, limit)
    answer.document([json.loads(e.model_dump_json()) for e in entries])
    answer.table(
        ("#", "when", "who", "did", "database", "restore"),
        [
            (
                str(e.sequence),
                words.short_moment(e.at, hold.zone),
                e.act.caller,
                e.act.verb,
                e.act.database,
                e.act.restore_id,
            )
            for e in entries
        ],
        right=(0,),
    )


@app.command()
def export(context: typer.Context, run_id: RunId) -> None:
    """A plain dump of what a restore has staged, on stdout.

    Example: restorekit export k3f9 > dump.sql
    """
    hold = door(context)
    if sys.stdout.isatty():
        raise UsageError("a dump is not written to a terminal", hint="Redirect stdout into a file.")
    run = hold.service.house.catalog.run(run_id)
    act = hold.act("export", restore_id=run.id, database=str(run.request.target))
    hold.service.looking.export(run.id, sys.stdout.buffer, act, Quiet())


@app.command()
def peek(
    context: typer.Context,
    database: Database,
    *,
    point: Annotated[str, typer.Option("--point", help="Recovery point id.", autocompletion=completion.points)],
    table: Annotated[str, typer.Option("--table", help="The table to look into.")],
    where: Annotated[str, typer.Option("--where", help="SQL condition.")] = "",
    count: Annotated[bool, typer.Option("--count", help="Only how many rows.")] = False,
    reveal: Annotated[str, typer.Option("--reveal", help="Show values; the reason goes into the audit log.")] = "",
    as_json: Json = False,
) -> None:
    """Look into a backup before restoring it; values are masked.

    It is staged in a sandbox for that; --reveal with a reason shows values, and is audited.

    Example: restorekit peek db1/acme_shop --point 7c1f --table orders --where "id > 100"
    """
    answer, hold = out(as_json=as_json), door(context)
    service = hold.service
    name = service.shelf.identify(database)
    request = Request(
        database=name, target=name, point_id=point, until="staged", requested_by=hold.act("peek").caller, reason=reveal
    )
    run_id = service.desk.request(service.planner.plan(request), hold.act("peek", database=str(name)))
    try:
        run = service.follower().follow(run_id, lambda _run: None)
        if run.state != State.STAGED:
            ending.ended(answer, service.desk.story(run_id), hold.zone)
            raise typer.Exit(run.failure.exit_code if run.failure else 1)
        act = hold.act("reveal" if reveal else "peek", database=str(name), restore_id=run_id, confirmed=reveal)
        _show_peek(hold, run_id, (table, where, 1 if count else 20), act.confirmed, count=count, as_json=as_json)
    finally:
        service.desk.cancel(run_id, hold.act("cancel", database=str(name), restore_id=run_id))
        service.follower().follow(run_id, lambda _run: None)


def _show_peek(hold: Door, run_id: str, look: tuple[str, str, int], reveal: str, *, count: bool, as_json: bool) -> None:
    table, where, most = look
    answer = out(as_json=as_json)
    act = hold.act("peek", restore_id=run_id, shown=table, confirmed=reveal)
    if count:
        found = hold.service.looking.count(run_id, table, where, act)
        answer.document({"table": table, "rows": found})
        if not as_json:
            answer.say(f"{table}: {found:,} rows")
        return
    columns, rows = hold.service.looking.peek(run_id, table, where, most, act)
    cells = [[cell(v, reveal=bool(reveal)) for v in row] for row in rows]
    answer.document({"table": table, "columns": columns, "rows": cells, "masked": not reveal})
    answer.rows(columns, cells)


@app.command()
def retire(
    context: typer.Context,
    run_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="One restore; without it all that are due.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Delete expired undo copies; let go what nobody decided about.

    `undo.keep` of the playbook, `staging_ttl` and `approval_ttl` say when; each deletion is audited. Made for cron.

    Example: restorekit retire
    """
    answer, hold = out(as_json=as_json), door(context)
    desk = hold.service.desk
    due = desk.due_for_retirement(hold.service.house.clock.now(), run_id)
    desk.retire(due, hold.act("retire"))
    undecided = []
    for run in [] if run_id else desk.undecided():
        if desk.let_go(run, hold.act("let go", restore_id=run.id, database=str(run.request.target))):
            hold.service.follower().follow(run.id, lambda _run: None)
            undecided.append(run)
    answer.document({"deleted": [r.restore_id for r in due], "let_go": [r.id for r in undecided]})
    if as_json:
        return
    for receipt in due:
        answer.say(f"{receipt.restore_id}: undo copy of {receipt.database} deleted; live untouched")
    for run in undecided:
        answer.say(f"{run.id}: staged copy for {run.request.target} discarded, nobody decided; live untouched")
    if not due and not undecided:
        answer.say("nothing is due; live untouched")

"""The life of a restore at the command line: plan, restore, status, watch, diff, approve, swap, cancel, undo."""

import sys
from typing import Annotated, Literal

import typer

from restorekit.cli import completion, ending, picked, shapes, show, words
from restorekit.cli.app import Database, Door, Json, RunId, app, caller, door, out
from restorekit.cli.moments import no_moment, wanted
from restorekit.cli.out import Out
from restorekit.cli.progress import ProgressLine
from restorekit.errors import (
    UNTOUCHED,
    ApprovalNeeded,
    NeedsChoice,
    RestorekitError,
    Temporary,
    UnknownName,
    UsageError,
)
from restorekit.model.database import DatabaseId
from restorekit.model.locale import Locale
from restorekit.model.plan import Plan
from restorekit.model.request import Request
from restorekit.model.run import ACTIVE, WORKING, Run, State

At = Annotated[str | None, typer.Option("--at", help="The state at this time (ISO or words, German or English).")]
Before = Annotated[str | None, typer.Option("--before", help="The last state before this time or accident.")]
Contains = Annotated[str | None, typer.Option("--contains", help="A state that holds the last change of this time.")]
MailFile = Annotated[str | None, typer.Option("--mail", help="The customer's mail in a file; it says when.")]
Now = Annotated[str | None, typer.Option("--now", help="ISO time at which the words were said (default: now).")]
Language = Annotated[Locale | None, typer.Option("--locale", help="Language of reasons (default: theirs).")]
Confirm = Annotated[
    str | None,
    typer.Option("--confirm", help="The database's name: yes, although the point already holds the accident."),
]
Tables = Annotated[str | None, typer.Option("--tables", help="Only these, comma separated.")]
Point = Annotated[
    str | None, typer.Option("--point", help="This recovery point, by id.", autocompletion=completion.points)
]
As = Annotated[str | None, typer.Option("--as", help="Restore under another name (engine/name or name).")]
UntilOption = Annotated[
    Literal["staged", "verified", "diff", "swapped"], typer.Option("--until", help="Stop after this step.")
]
Thaw = Annotated[
    str | None, typer.Option("--thaw", help="How to fetch a frozen backup; `plan` shows ways, times and costs.")
]
Method = Annotated[
    Literal["delta", "exchange"] | None,
    typer.Option("--method", help="Row by row, or whole tables; without it the cheaper way is taken for each."),
]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Leave (exit code 8) when it waits for a tape, a thaw or a person.")
]
NoAsk = Annotated[bool, typer.Option("--no-ask", help="Never ask: stop where approval is needed (exit code 6).")]
Yes = Annotated[bool, typer.Option("--yes", help="Approve what the difference shows without asking.")]
ENDINGS = {State.FAILED: 5, State.CANCELLED: 130}


def _request(hold: Door, database: str, options: dict[str, str | None], until: str) -> Request:
    name = hold.service.shelf.identify(database)
    no_moment(options)
    understood = wanted(hold, options, name)
    tables = options["tables"]
    return Request.model_validate(
        {
            "database": name,
            "target": _target(name, options["as"]),
            "wishes": understood.wishes,
            "tolerance_s": understood.tolerance_s,
            "said_at": understood.said_at,
            "locale": understood.locale,
            "point_id": options["point"],
            "tables": tuple(t.strip() for t in tables.split(",") if t.strip()) if tables else None,
            "until": until,
            "way": options["thaw"] or "",
            "method": options["method"],
            "requested_by": caller(),
        }
    )


def _planned(hold: Door, database: str, options: dict[str, str | None], until: str) -> Plan:
    """The plan; whatever keeps it from being made has not touched live."""
    try:
        return hold.service.planner.plan(_request(hold, database, options, until))
    except RestorekitError as error:
        error.live = UNTOUCHED
        raise


def _swap_plan(hold: Door, answer: Out, name: str) -> bool:
    """The plan of the swap, if that is the id of a restore whose difference is known."""
    try:
        hold.service.shelf.identify(name)
    except UnknownName as unknown:
        try:
            story = hold.service.desk.story(name)
        except UnknownName:
            raise unknown from None
    else:
        return False
    if story.difference is None or story.plan is None:
        raise UsageError(f"restore {story.run.id} is {story.run.state}: what its swap would do is not known")
    answer.document(shapes.swap_plan(story.run.id, story.difference))
    if not answer.as_json:
        picked.methods(answer, story.difference, gate_max=words.span(story.plan.policy.gate_max_s))
    return True


def _target(name: DatabaseId, other: str | None) -> DatabaseId:
    if other is None:
        return name
    if "/" not in other:
        return DatabaseId(engine=name.engine, name=other)
    target = DatabaseId.parse(other)
    if target.engine != name.engine:
        raise UsageError("--as names another engine; a restore stays on its engine")
    return target


@app.command()
def plan(
    context: typer.Context,
    database: Database,
    *,
    at: At = None,
    before: Before = None,
    contains: Contains = None,
    mail: MailFile = None,
    now: Now = None,
    locale: Language = None,
    tables: Tables = None,
    point: Point = None,
    other: As = None,
    thaw: Thaw = None,
    method: Method = None,
    as_json: Json = False,
) -> None:
    """What a restore would do, with reasons and refusals. Changes nothing.

    With the id of a restore that waits for approval: method, rows, blocked time and disk of each table.

    Example: restorekit plan db1/acme_shop --before "heute morgen" --contains 17.01.
    """
    answer, hold = out(as_json=as_json), door(context)
    if _swap_plan(hold, answer, database):
        return
    moment = {"at": at, "before": before, "contains": contains, "mail": mail, "now": now, "locale": locale}
    options = {**moment, "tables": tables, "point": point, "as": other, "thaw": thaw, "method": method}
    value = _planned(hold, database, options, "swapped")
    answer.document({**value.model_dump(mode="json"), "fingerprint": value.digest})
    if not as_json:
        show.plan(answer, value, hold.zone)
        frozen = " --thaw WAY" if value.warming and value.warming.ways else ""
        answer.pair(
            "tables", "method, rows, blocked time and disk of each: `restorekit plan ID`, once they are compared"
        )
        answer.say(f"Run it with: restorekit restore {value.request.database} --point {value.point.id}{frozen}")


@app.command()
def restore(
    context: typer.Context,
    database: Database,
    *,
    at: At = None,
    before: Before = None,
    contains: Contains = None,
    mail: MailFile = None,
    now: Now = None,
    locale: Language = None,
    tables: Tables = None,
    point: Point = None,
    other: As = None,
    thaw: Thaw = None,
    method: Method = None,
    until: UntilOption = "swapped",
    confirm: Confirm = None,
    yes: Yes = False,
    no_ask: NoAsk = False,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Restore beside live, prove, compare; swap in when approved.

    Prints the restore's id first, follows it, and survives a lost terminal: `restorekit watch ID` goes on.

    Example: restorekit restore db1/acme_shop --mail mail.txt
    """
    answer, hold = out(as_json=as_json), door(context)
    moment = {"at": at, "before": before, "contains": contains, "mail": mail, "now": now, "locale": locale}
    options = {**moment, "tables": tables, "point": point, "as": other, "thaw": thaw, "method": method}
    value = _planned(hold, database, options, until)
    show.plan(answer, value, hold.zone)
    _confirmed(answer, value, confirm)
    ending.expiring(answer, hold.service.desk.expiring(value.target), hold.zone)
    act = hold.act("request", database=str(value.target), shown=value.digest)
    run_id = hold.service.desk.request(value, act)
    answer.say(f"Restore {run_id}")
    follow(hold, answer, run_id, patient=not no_wait)
    if _story_state(hold, run_id) == State.AWAITING_APPROVAL:
        agreed = yes or value.policy.auto_approve
        _approval(hold, answer, run_id, yes=agreed, ask=not no_ask)
    end(hold, answer, run_id)


def _confirmed(answer: Out, value: Plan, typed: str | None) -> None:
    """A point that already holds the accident is restored only if somebody types the database's name."""
    if not value.damage:
        return
    name = value.target.name
    if typed is None and _somebody_there(answer):
        typed = str(typer.prompt(f"{value.damage}. Type {name} to restore it all the same", err=True, default=""))
    if typed != name:
        raise NeedsChoice(
            f"{value.damage}; nothing was started",
            hint=f"Choose an earlier point, or confirm with --confirm {name}.",
        )


def _story_state(hold: Door, run_id: str) -> State:
    return hold.service.house.catalog.run(run_id).state


def _approval(hold: Door, answer: Out, run_id: str, *, yes: bool, ask: bool) -> None:
    """Show what was found and ask, if somebody is there to be asked."""
    story = hold.service.desk.story(run_id)
    if story.run.failure is not None:
        return
    evidence(hold, answer, run_id)
    answer.say()
    ending.consent(answer, story, hold.zone)
    yes = yes and not (story.plan and story.plan.fallen)  # that was said of another point
    if not yes and not (ask and _somebody_there(answer) and _agreed(answer, run_id)):
        return
    text = "--yes" if yes else "confirmed at the terminal"
    hold.service.desk.approve(run_id, hold.act("approve", restore_id=run_id, confirmed=text))
    follow(hold, answer, run_id)


def _somebody_there(answer: Out) -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty() and not answer.as_json


def _agreed(answer: Out, run_id: str) -> bool:
    """The answer at the terminal; whoever leaves the question open has not agreed, and loses nothing."""
    try:
        return typer.confirm("Swap this into live now?", default=False, err=True)
    except (typer.Abort, KeyboardInterrupt):
        answer.aside(f"\nlive untouched; it waits for approval: restorekit approve {run_id}", style="")
        raise


def evidence(hold: Door, answer: Out, run_id: str, *, summary: bool = True) -> None:
    """What is proven and what differs."""
    story = hold.service.desk.story(run_id)
    if story.verdict is not None:
        show.verdict(answer, story.verdict)
    if story.difference is not None:
        show.difference(answer, story.difference, hold.zone, summary=summary)
        if story.difference.pick is not None:
            picked.rows(answer, story.difference)


def follow(hold: Door, answer: Out, run_id: str, *, patient: bool = True) -> None:
    """Follow it with a progress line until it rests; Ctrl-C leaves it to others."""
    line = ProgressLine(answer)
    try:
        hold.service.follower().follow(run_id, line, patient=patient)
    except KeyboardInterrupt:
        line.clear()
        answer.aside(f"interrupted; `restorekit watch {run_id}` carries on")
        raise
    finally:
        line.clear()


def end(hold: Door, answer: Out, run_id: str) -> None:
    """Say how it ended and leave with its exit code."""
    story = hold.service.desk.story(run_id)
    answer.document(shapes.story(story))
    if not answer.as_json:
        if story.run.request.until in ("verified", "diff") and story.run.state in (State.VERIFIED, State.COMPARED):
            evidence(hold, answer, run_id)
        ending.ended(answer, story, hold.zone)
    code = _exit_code(story.run.state, story.run.failure.exit_code if story.run.failure else None)
    if code:
        raise typer.Exit(code)


def _exit_code(state: State, failed: int | None) -> int:
    if failed is not None:
        return failed
    if state == State.AWAITING_APPROVAL:
        return ApprovalNeeded.exit_code
    if state == State.WAITING:
        return Temporary.exit_code
    return ENDINGS.get(state, 0)


@app.command()
def status(
    context: typer.Context,
    run_id: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="One restore; without it the last ones.", autocompletion=completion.runs),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """One restore, or the last ones and whether a worker runs.

    Example: restorekit status
    """
    answer, hold = out(as_json=as_json), door(context)
    if run_id is not None:
        story = hold.service.desk.story(run_id)
        answer.document(shapes.story(story))
        if not as_json:
            evidence(hold, answer, story.run.id)
            ending.ended(answer, story, hold.zone)
            _remarks(hold, answer, [story.run])
        return
    runs = hold.service.house.catalog.runs(limit=20)
    answer.document([shapes.story(hold.service.desk.story(r.id)) for r in runs])
    answer.table(
        ("restore", "database", "state", "proven", "since", "by"),
        [
            (
                r.id,
                str(r.request.target),
                words.state(r.state),
                words.short_level(r.level),
                words.age(r.changed_at).removesuffix(" ago"),
                r.request.requested_by,
            )
            for r in runs
        ],
    )
    if not as_json:
        _remarks(hold, answer, runs)


def _remarks(hold: Door, answer: Out, runs: list[Run]) -> None:
    """What somebody should know who looks: that nobody works, that nothing was ever done, that undo ends soon."""
    waiting = [r for r in runs if r.state in WORKING]
    if waiting and not hold.service.worker_present():
        answer.say(f"no worker runs: `restorekit watch {waiting[0].id}` carries on", style="yellow")
    if not runs:
        answer.say("no restores yet")
    mine = {r.id for r in runs}
    ending.expiring(answer, [r for r in hold.service.desk.expiring() if r.restore_id in mine], hold.zone)


@app.command()
def watch(context: typer.Context, run_id: RunId, *, no_wait: NoWait = False, as_json: Json = False) -> None:
    """Follow a restore until it rests; carry it on if nobody does.

    Example: restorekit watch k3f9
    """
    answer, hold = out(as_json=as_json), door(context)
    full = hold.service.house.catalog.run(run_id).id
    follow(hold, answer, full, patient=not no_wait)
    end(hold, answer, full)


@app.command()
def cancel(context: typer.Context, run_id: RunId, *, as_json: Json = False) -> None:
    """Stop a restore before its swap; the staged copy is discarded. Refused once the swap has begun.

    Example: restorekit cancel k3f9
    """
    answer, hold = out(as_json=as_json), door(context)
    run = hold.service.house.catalog.run(run_id)
    hold.service.desk.cancel(run.id, hold.act("cancel", restore_id=run.id, database=str(run.request.target)))
    follow(hold, answer, run.id)
    story = hold.service.desk.story(run.id)
    answer.document(shapes.story(story))
    if not as_json:
        ending.ended(answer, story, hold.zone)
    if story.run.state in ACTIVE:
        raise typer.Exit(RestorekitError.exit_code)


@app.command()
def undo(context: typer.Context, run_id: RunId, *, as_json: Json = False) -> None:
    """Take a swap back: live becomes exactly what it was.

    The other side is kept, too.

    Example: restorekit undo k3f9
    """
    answer, hold = out(as_json=as_json), door(context)
    run = hold.service.house.catalog.run(run_id)
    hold.service.desk.undo(run.id, hold.act("undo", restore_id=run.id, database=str(run.request.target)))
    follow(hold, answer, run.id)
    end(hold, answer, run.id)

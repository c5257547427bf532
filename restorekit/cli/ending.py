"""How a restore stands: always what is true of live, and what to do next. And what consent would mean."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from restorekit.cli import show, words
from restorekit.cli.out import Out
from restorekit.model.difference import Difference
from restorekit.model.exchange import Applied
from restorekit.model.locale import Locale
from restorekit.model.plan import Plan
from restorekit.model.receipt import Receipt
from restorekit.model.run import WORKING, Run, State
from restorekit.model.waiting import Waiting

if TYPE_CHECKING:
    from restorekit.bootstrap.desk import Story

UNTOUCHED = "live untouched"


def ended(out: Out, story: "Story", zone: str) -> None:
    """State, reason, what is true of live, what to do next."""
    run = story.run
    out.say(f"Restore {run.id} of {run.request.target}: {words.state(run.state)}", style="bold")
    if run.failure:
        out.say(f"  {run.failure.message}")
        for line in run.failure.details:
            out.say(f"    {line}")
        out.say(f"  {run.failure.live}")
        if run.failure.hint:
            out.pair("hint", run.failure.hint, wide=6)
    if story.waiting is not None:
        waits(out, story.waiting, run.request.locale, zone)
    for line in fallen(story.plan):
        out.pair("note", line, wide=6)
    for line in _next(run, story.receipt, zone):
        out.say(f"  {line}")


def waits(out: Out, waiting: Waiting, locale: Locale, zone: str) -> None:
    """What it waits for, what a person has to do, and until when."""
    text = waiting.words.get(locale) or waiting.readiness.why
    out.pair("waits", text, wide=6)
    if waiting.readiness.notice:
        out.pair("DO", waiting.readiness.notice, wide=6, style="yellow")
    ready = waiting.late_at or waiting.readiness.ready_at
    if ready is not None:
        out.pair("ready", f"about {words.moment(ready, zone)}", wide=6)


def fallen(plan: Plan | None) -> list[str]:
    """Why the point is not the one that was planned first."""
    if plan is None or not plan.fallen:
        return []
    return [*plan.fallen, f"instead: {plan.point.id} from {plan.point.source}"]


_STEPS = {
    State.SWAPPING: ("live is being exchanged right now; follow it with: restorekit watch {id}",),
    State.UNDOING: ("live is being exchanged back right now; follow it with: restorekit watch {id}",),
    State.AWAITING_APPROVAL: ("look:    restorekit diff {id}", "approve: restorekit approve {id}"),
    State.RETIRED: ("the undo copy is deleted; undo is no longer possible",),
    **dict.fromkeys(WORKING - {State.SWAPPING, State.UNDOING}, ("follow it with: restorekit watch {id}",)),
    **dict.fromkeys(
        (State.STAGED, State.VERIFIED, State.COMPARED),
        ("export:  restorekit export {id} > dump.sql", "discard: restorekit cancel {id}"),
    ),
}
_LIVE_IS_ANOTHER = frozenset({State.SWAPPING, State.UNDOING, State.SWAPPED, State.UNDONE, State.RETIRED})


def _next(run: Run, receipt: Receipt | None, zone: str) -> list[str]:
    if receipt is not None and run.state == State.SWAPPED:
        return _swapped(run, receipt, zone)
    if receipt is not None and run.state == State.UNDONE:
        return [_back(receipt), f"the other side is kept {_until(receipt)}"]
    live = [] if run.failure or run.state in _LIVE_IS_ANOTHER else [UNTOUCHED]
    return live + [line.format(id=run.id) for line in _STEPS.get(run.state, ())]


def _back(receipt: Receipt) -> str:
    methods = {a.method for a in receipt.exchanged.actions} - {"same"}
    if methods <= {"delta"}:
        return "live changed back: these rows are as they were before the swap, what was written beside them stays"
    if "delta" in methods:
        return (
            "live changed back: it is as it was just before the swap; what was written since beside single rows stays"
        )
    return "live changed back: it is as it was just before the swap"


def _until(receipt: Receipt) -> str:
    return f"until {receipt.undo_until:%Y-%m-%d}"


def _swapped(run: Run, receipt: Receipt, zone: str) -> list[str]:
    done = receipt.exchanged
    until = words.moment(receipt.undo_until, zone)
    if receipt.undo_until > datetime.now(UTC):
        lines = [f"live changed, undo with: restorekit undo {run.id}", f"undo possible until {until}"]
    else:
        lines = [f"live changed; undo was possible until {until}"]
    waited = f"writers waited {done.blocked_s:.2f} s (gate: {done.gate})"
    if done.gate == "row_locks":
        waited = f"writers were not held back; rows were locked for {done.blocked_s:.2f} s"
    lines.append(f"{waited}; earlier state in {done.undo.schema_name}")
    lines += [_applied(each) for each in done.applied]
    lines += [f"written meanwhile, kept in {done.undo.schema_name}: {s.name}: {s.note}" for s in done.slipped]
    return [*lines, *done.notes]


def _applied(done: Applied) -> str:
    """`orders: 4,000 rows inserted, 4 changed; 3 left as they are: they changed meanwhile`."""
    parts = [(done.inserted, "inserted"), (done.changed, "changed"), (done.removed, "removed")]
    said = ", ".join(f"{words.count(n, 'row')} {word}" for n, word in parts if n) or "no row written"
    moved = f"; {words.count(done.moved, 'row')} left alone: changed meanwhile" if done.moved else ""
    return f"{done.name}: {said}{moved}"


def expiring(out: Out, receipts: list[Receipt], zone: str) -> None:
    """Warn of undo copies that can soon no longer be used."""
    for receipt in receipts:
        out.aside(
            f"undo of {receipt.restore_id} ({receipt.database}) ends {words.moment(receipt.undo_until, zone)}: "
            f"is all well? If not: restorekit undo {receipt.restore_id}",
            style="yellow",
        )


def consent(out: Out, story: "Story", zone: str) -> None:
    """All that somebody should know who is asked to agree."""
    plan, found = story.plan, story.difference
    assert plan is not None
    assert found is not None
    policy, run = plan.policy, story.run
    out.say(f"If you agree, {_what(plan, found)}:", style="bold")
    for line in fallen(plan):
        out.pair("NOTE", line, style="yellow")
    out.pair("moment", show.data_of(plan.point, zone))
    out.pair("back", _comes_back(found))
    out.pair("lost", _would_go(found))
    names = [a.name for a in found.actions if a.method not in ("same", "delta")]
    if names:
        out.pair("swapped", f"{words.count(len(names), 'table')}, in one step: {_some(names)}")
    by_row = [f"{a.name} ({a.rows:,})" for a in found.actions if a.method == "delta"]
    if by_row:
        out.pair("by row", f"{words.count(len(by_row), 'table')}, in one transaction: {_some(by_row)}")
    held = f"wait at most {words.span(policy.gate_max_s)}; if that is not enough, live stays as it is"
    out.pair("writers", "are not held back" if found.gate == "open" else held)
    kept = words.span(policy.keep_undo_s)
    out.pair("undo", f"restorekit undo {run.id}; all that leaves live is kept for {kept}")


def _what(plan: Plan, found: Difference) -> str:
    pick = found.pick
    if pick is not None and pick.partial:
        tables = f" of the tables {', '.join(pick.tables)}" if pick.tables else ""
        return f"{'chosen' if pick.filtered else pick.rows} rows{tables} of {plan.target} come back"
    scope = "the tables " + ", ".join(pick.tables) if pick is not None and pick.tables else "all"
    return f"{scope} of {plan.target} becomes what it was"


def _written(found: Difference) -> tuple[int, int, int]:
    """Rows that would be inserted, changed and removed."""
    rows = {t.name: (t.insert, t.change, t.remove) for t in (found.selection.tables if found.selection else ())}
    moving = {a.name for a in found.actions if a.method not in ("same", "delta")}
    rows |= {t.name: (t.missing, t.changed, t.extra) for t in found.tables if t.name in moving}
    missing, changed, extra = zip(*rows.values(), strict=True) if rows else ((), (), ())
    return sum(missing), sum(changed), sum(extra)


def _comes_back(found: Difference) -> str:
    missing, changed, _ = _written(found)
    objects = [f"{o.kind} {o.name}" for o in found.objects if o.change != "extra"]
    parts = [words.count(missing, "missing row")] if missing else []
    parts += [f"{words.count(changed, 'changed row')} as backed up"] if changed else []
    parts += [_some(objects)] if objects else []
    return ", ".join(parts) or "nothing: live holds all of it"


def _would_go(found: Difference) -> str:
    """What live has and would no longer have."""
    _, changed, extra = _written(found)
    gone = [a.name for a in found.actions if a.method == "remove"]
    objects = [f"{o.kind} {o.name}" for o in found.objects if o.change == "extra"]
    parts = [f"{words.count(extra, 'row')} that only live has"] if extra else []
    parts += [f"the present values of {words.count(changed, 'row')}"] if changed else []
    parts += [f"{words.count(len(gone), 'table')} that the backup lacks: {_some(gone)}"] if gone else []
    parts += [_some(objects)] if objects else []
    return "; ".join(parts) or "nothing"


def _some(names: list[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more

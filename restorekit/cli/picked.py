"""Rows chosen of a difference, for people: what comes, what changes, what goes, what stays, and what is in the way."""

from typing import TYPE_CHECKING, Any

from restorekit.cli import words
from restorekit.cli.masking import cell
from restorekit.cli.out import Out
from restorekit.model.difference import Difference, TableAction
from restorekit.model.pick import ConflictKind
from restorekit.model.shown import ShownConflict

if TYPE_CHECKING:
    from restorekit.bootstrap.picking import Found, Part

_IN_THE_WAY: dict[ConflictKind, str] = {
    "id_reused": "another row of live bears its key",
    "unique_taken": "another row of live has its value of the unique key {by}",
    "parent_missing": "it needs a row of {by} that neither the backup nor live has",
    "has_children": "it would be removed, and rows of {by} point at it",
}


def told(part: "Part") -> dict[str, str]:
    """The part for the audit log: never the text of a condition, which may hold values."""
    pick = part.pick
    if pick is None:
        return {"part": "everything", "method": part.method or ""}
    return {
        "tables": ", ".join(pick.tables) if pick.tables else "all",
        "rows": pick.rows,
        "keep_new": "yes" if pick.keep_new else "no",
        "filtered": "yes" if pick.filtered else "no",
        "conflicts": pick.conflicts or "",
        "method": part.method or "",
    }


def show(answer: Out, found: "Found") -> None:
    """All that was found, with conflicts masked."""
    rows(answer, found.difference)
    conflicts(answer, found)


def rows(answer: Out, value: Difference) -> None:
    """Per table: rows inserted, changed, removed, and those of live that stay."""
    selection = value.selection
    tables = [] if selection is None else [t for t in selection.tables if t.writes or t.keep or t.left]
    how = {a.name: a.method for a in value.actions}
    others = [a for a in value.actions if a.method not in ("same", "delta")]
    answer.say("What would be done", style="bold")
    if not tables and not others:
        answer.say("  nothing: no row that differs is chosen")
        return
    lines = [
        (
            t.name,
            f"{t.insert:,}" + (f" ({t.pulled:,} needed)" if t.pulled else ""),
            *(f"{n:,}" for n in (t.change, t.remove, t.keep, t.left)),
            how.get(t.name, "same"),
        )
        for t in tables
    ]
    if lines:
        head = ("table", "insert", "change", "remove", "only live: stay", "as live has it", "by")
        answer.table(head, lines, right=(1, 2, 3, 4, 5))
    for action in others:
        answer.say(f"  {action.name}: {action.method}, {action.why}")
    for action in value.actions:
        if action.method == "delta" and "not asked for" in action.why:
            answer.say(f"  {action.name}: {action.why}")
    if value.gate == "open":
        answer.say("  writers are not held back; each row is locked, compared and proven by itself")


def conflicts(answer: Out, found: "Found") -> None:
    """Rows that cannot be brought back without deciding, one line each; values masked."""
    selection = found.difference.selection
    if selection is None or not selection.conflict_count:
        return
    count = words.count(selection.conflict_count, "row")
    pick = found.difference.pick
    chosen = f" ({pick.conflicts})" if pick is not None and pick.conflicts else ""
    answer.say(f"In the way of {count}{chosen}:", style="yellow")
    for one in found.conflicts:
        answer.say(f"  {_conflict(one)}", hang=4)
    if selection.conflict_count > len(found.conflicts):
        answer.say(f"  and {selection.conflict_count - len(found.conflicts):,} more")


def _conflict(one: ShownConflict) -> str:
    said = _IN_THE_WAY[one.kind].format(by=one.by)
    if one.kind == "id_reused" and one.by:
        said += f" ({one.by} differs)"
    other = f": {_key(one.other)}" if one.other and one.other != one.key else ""
    return f"{one.table} {_key(one.key)}: {said}{other}"


def _key(key: dict[str, Any]) -> str:
    return ", ".join(f"{name}={cell(value, reveal=False)}" for name, value in key.items())


def methods(answer: Out, value: Difference, *, gate_max: str) -> None:
    """Per table: method, rows, for how long writers wait, what it takes on disk, and why."""
    actions = [a for a in value.actions if a.method != "same"]
    answer.say("What the swap does", style="bold")
    answer.table(
        ("table", "method", "rows", "writers wait", "disk", "why"),
        [_method(a, open_gate=value.gate == "open") for a in actions],
        right=(2,),
    )
    same = len(value.actions) - len(actions)
    if same:
        answer.say(f"  {words.count(same, 'table')} not touched")
    gate = "are not held back" if value.gate == "open" else f"wait at most {gate_max}"
    answer.pair("writers", gate)


def _method(action: TableAction, *, open_gate: bool) -> tuple[str, ...]:
    wait = "0 s" if open_gate else "?" if action.blocked_s is None else words.span(action.blocked_s)
    disk = "?" if action.size_bytes is None else words.size(action.size_bytes)
    return action.name, action.method, f"{action.rows:,}", wait, disk, action.why

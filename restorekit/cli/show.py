"""Plans, verdicts, differences and receipts as text for tired people; 80 columns, no colour needed."""

from restorekit.cli import words
from restorekit.cli.out import Out
from restorekit.model.difference import Difference, TableDifference
from restorekit.model.locale import Locale
from restorekit.model.plan import Plan
from restorekit.model.point import RecoveryPoint
from restorekit.model.receipt import Receipt
from restorekit.model.verdict import Verdict
from restorekit.model.waiting import Warming

_MOST_SAMPLES = 8
_WAYS = {"recommended": "proposal", "least_loss": "least loss", "fastest": "fastest"}
_MARK = {"passed": "ok", "failed": "FAILED", "skipped": "skipped", "not_applicable": "n/a"}


def plan(out: Out, value: Plan, zone: str) -> None:
    """What will run, why, and what it costs."""
    point, policy = value.point, value.policy
    what = "whole database" if value.scope is None else "tables " + ", ".join(value.scope)
    out.say(f"Plan for {value.target} ({what})", style="bold")
    out.pair("point", f"{point.id} from {point.source} ({point.medium}, {words.size(point.size_bytes)})")
    out.pair("its data", data_of(point, zone))
    for reason in value.reasons:
        out.pair("because", reason)
    for option in value.options:
        out.pair(_WAYS[option.kind], option.sentences[value.request.locale])
        if option.point_id != point.id:
            out.pair("", f"--point {option.point_id}", style="dim")
    if value.damage:
        out.pair("DAMAGE", value.damage, style="red")
    warming(out, value.warming, value.request.locale)
    low, high = words.span(value.estimate.low_s), words.span(value.estimate.high_s)
    out.pair("takes", f"{low} to {high} until the difference is shown ({value.estimate.basis})")
    for caution in value.cautions:
        out.pair("note", caution)
    live = "kept and named" if policy.on_live_change == "keep_and_report" else "refused"
    out.pair(
        "policy",
        f"playbook {policy.playbook}: level {words.level(policy.min_level)} before a swap; writes that slip in are "
        f"{live}; undo for {words.span(policy.keep_undo_s)}",
    )
    for choice in value.refused[:5]:
        out.pair("refused", f"{choice.point.id}: {choice.reason}", style="dim")
    if len(value.refused) > 5:
        out.pair("", f"and {len(value.refused) - 5} more; `restorekit points` lists them all", style="dim")


def warming(out: Out, value: Warming | None, locale: Locale) -> None:
    """What has to happen before the backup can be read, if anything; what it costs, if somebody has to choose."""
    if value is None:
        return
    out.pair("first", value.words[locale])
    if value.notice:
        out.pair("DO", value.notice, style="yellow")
    for way in [w for w in value.ways if w.name == value.way] or value.ways:
        mark = "chosen" if way.name == value.way else "--thaw"
        out.pair(mark, way.said)


def data_of(point: RecoveryPoint, zone: str) -> str:
    """The moment of its data, and how well that is known."""
    if point.consistent_at is None:
        return "not known" + (f", not after {words.moment(point.latest, zone)}" if point.latest else "")
    known = {"exact": "", "bounded": ", bounded", "claimed": ", as it claims", "none": ", not certain"}
    return words.moment(point.consistent_at, zone) + known[point.quality]


def verdict(out: Out, value: Verdict) -> None:
    """The level proven, and every check."""
    out.say(f"Proven: level {words.level(int(value.level))} (equal to: {value.equal_to})", style="bold")
    for check in value.checks:
        style = "red" if check.outcome == "failed" else ""
        reason = f": {check.reason}" if check.reason else ""
        out.say(f"  {int(check.level)} {_MARK[check.outcome]:8} {check.name}{reason}", style=style, hang=13)
        if check.outcome == "failed":
            for line in check.evidence[:5]:
                out.say(f"             {line}", style=style)
    one_each = {sample.partition(": ")[0]: sample for sample in reversed(value.samples)}
    for sample in list(reversed(one_each.values()))[:_MOST_SAMPLES]:
        out.say(f"    encoding {sample}", style="dim")


def difference(out: Out, value: Difference, zone: str, *, summary: bool = False) -> None:
    """Per table what is missing, changed and extra in live, and what the swap would do."""
    method = {a.name: a for a in value.actions}
    out.say(f"Difference of live at {words.moment(value.compared_at, zone)}", style="bold")
    shown = [t for t in value.tables if not t.same]
    if not shown and not value.objects:
        out.say("  none: live equals the backup")
        return
    out.table(
        ("table", "live", "backup", "missing", "changed", "extra", "swap"),
        [_table_row(t, method[t.name].method) for t in shown],
        right=(1, 2, 3, 4, 5),
    )
    differing = {t.name for t in shown}
    linked = [a for a in value.actions if a.method != "same" and a.name not in differing]
    if linked:
        out.say(f"  the same, but swapped along with them ({len(linked)}):")
        for action in linked[:10]:
            out.say(f"    {action.name}: {action.why}")
    same = len([a for a in value.actions if a.method == "same"])
    if same:
        out.say(f"  {same} {'table is' if same == 1 else 'tables are'} the same and not touched")
    for item in value.objects:
        out.say(f"  {item.kind} {item.name}: {item.change} in live")
    if not summary:
        _rows(out, shown)


def _table_row(table: TableDifference, method: str) -> tuple[str, ...]:
    schema = " *" if table.schema_changed else ""
    numbers = (table.live_rows, table.staging_rows, table.missing, table.changed, table.extra)
    return (table.name + schema, *(f"{n:,}" for n in numbers), method)


def _rows(out: Out, tables: list[TableDifference]) -> None:
    if any(t.schema_changed for t in tables):
        out.say("  * definition differs")
    for table in tables:
        for row in table.rows[:5]:
            columns = f" ({', '.join(row.columns)})" if row.columns else ""
            out.say(f"  {table.name} row {row.key[:12]} {row.kind}{columns}", style="dim")
        hidden = table.missing + table.changed + table.extra - min(5, len(table.rows))
        if table.rows and hidden > 0:
            out.say(f"  {table.name}: {hidden:,} more rows", style="dim")


def receipt(out: Out, value: Receipt, zone: str) -> None:
    """The receipt for people; the signed one is the JSON."""
    out.say(f"Receipt for restore {value.restore_id}", style="bold")
    rows = (
        ("database", str(value.database)),
        ("data of", words.moment(value.consistent_at, zone)),
        ("point", f"{value.point_id} from {value.source}"),
        ("sha256", value.artifact_sha256),
        ("proven", f"level {words.level(value.level)}, equal to {value.equal_to}"),
        ("asked by", value.requested_by),
        ("approved by", value.approved_by),
        ("swapped", words.moment(value.exchanged.exchanged_at, zone)),
        *(
            (
                "rows",
                f"{a.name}: {a.inserted:,} inserted, {a.changed:,} changed, {a.removed:,} removed, hash {a.keyed[:16]}",
            )
            for a in value.exchanged.applied
        ),
        ("undo until", words.moment(value.undo_until, zone)),
        ("audit", f"entry {value.audit_count}, {value.audit_head}"),
        ("signed with", value.public_key),
    )
    for name, text in rows:
        out.pair(name, text, wide=12)

"""The inventory as text."""

from datetime import datetime
from typing import TYPE_CHECKING

from restorekit.cli import words
from restorekit.cli.out import Out

if TYPE_CHECKING:
    from restorekit.bootstrap.stock import Inventory, Stock

_MOST_GAPS = 10


def show_inventory(out: Out, found: "Inventory", zone: str) -> None:
    """A line per database, then what is missing, then totals that add up."""
    out.table(
        ("database", "customer", "live", "points", "newest", "proven"),
        [_row(s, zone) for s in found.stocks],
        right=(3,),
    )
    missing = [f"{s.database}: {_gap(g.since, g.until, zone)}" for s in found.stocks for g in s.gaps]
    for line in missing[:_MOST_GAPS]:
        out.say(f"gap: {line}", style="yellow", hang=5)
    if len(missing) > _MOST_GAPS:
        out.say(f"and {words.count(len(missing) - _MOST_GAPS, 'more gap')}; --json lists all")
    total = found.totals
    out.say(
        f"{words.count(total['databases'], 'database')}: {total['live']} live, {total['with_points']} of them with a "
        f"usable point, {total['without_points']} without; {total['orphans']} only in backups"
    )
    out.say(f"{words.count(total['points'], 'point')}: {total['usable']} usable, {total['unusable']} not")
    if found.unparsed:
        out.say(f"{words.count(found.unparsed, 'name')} in the sources fit no layout")
    for problem in found.problems:
        out.say(f"problem: {problem}", style="yellow", hang=9)


def _row(stock: "Stock", zone: str) -> tuple[str, ...]:
    return (
        str(stock.database),
        stock.customer,
        words.size(stock.live.size_bytes) if stock.live else "no",
        str(len(stock.points)),
        words.short_moment(stock.newest, zone),
        words.short_level(stock.best_level),
    )


def _gap(since: datetime, until: datetime | None, zone: str) -> str:
    if until is None:
        return f"nothing since {words.moment(since, zone)}"
    return f"nothing between {words.short_moment(since, zone)} and {words.short_moment(until, zone)}"

"""Which way an order takes into live."""

from restorekit.engines.sqlite import connect, schema
from restorekit.engines.sqlite.journal import Way
from restorekit.engines.sqlite.places import Places
from restorekit.model.exchange import ExchangeOrder


def rows_only(places: Places, order: ExchangeOrder) -> bool:
    """True if the order writes rows and nothing else: no table as a whole, no view, trigger or version of its own."""
    if order.live is None or any(a.method not in ("same", "delta") for a in order.actions):
        return False
    if not any(a.method == "delta" for a in order.actions):
        return False
    if not order.objects:
        return True
    with connect.reader(places.live(order.target)) as live, connect.frozen(places.path(order.staging)) as staged:
        versions = ("user_version", "application_id")
        said = [(set(schema.things(c)), [connect.pragma(c, name) for name in versions]) for c in (live, staged)]
    return said[0] == said[1]


def way(places: Places, order: ExchangeOrder) -> Way:
    """Pages where nothing of live stays; tables or rows where some of it is left alone; create where there is none."""
    if order.live is None:
        return "create"
    if rows_only(places, order):
        return "rows"
    touched = {a.name for a in order.actions if a.method not in ("same", "delta")}
    with connect.reader(places.live(order.target)) as live:
        there = {t.name for t in schema.tables(live)}
    damaged = any(t.rows is None for t in order.live.tables)  # only whole pages can replace what cannot be read
    return "pages" if order.objects and (damaged or (there and there <= touched)) else "tables"

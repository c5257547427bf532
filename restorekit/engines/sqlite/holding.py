"""The holding copy: what was proven, carried beside live and proven there again."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from restorekit import crashpoint
from restorekit.engines.sqlite import connect
from restorekit.engines.sqlite.contents import describe
from restorekit.engines.sqlite.delta import changeset
from restorekit.engines.sqlite.gate import plain_copy
from restorekit.engines.sqlite.journal import Record
from restorekit.engines.sqlite.places import HOLD, Places, flush, remove_database
from restorekit.engines.sqlite.schema import MARKER
from restorekit.errors import ProofFailed
from restorekit.model.contents import Contents
from restorekit.model.database import Where
from restorekit.model.difference import TableAction
from restorekit.model.exchange import ExchangeOrder, Promoted
from restorekit.model.pick import Selection
from restorekit.ports import Watch

_LAYOUT = ("page_size", "auto_vacuum")


def hold(
    source: Path, target: Path, layout: dict[str, str] | None, watch: Watch, *, tolerant: bool = False
) -> Contents:
    """Copy `source` (nobody writes it) to `target`, describe the copy. `layout`: live's page_size and auto_vacuum.

    The copy is in rollback mode: taken into a WAL database that stays WAL, and the other way round WAL would be
    carried into a database that was not. A different page size would be refused by one and taken over by the other.
    With `tolerant` damaged tables are described as unreadable: an undo brings back what was there.
    """
    half = target.with_suffix(".half")
    remove_database(half)
    remove_database(target)

    def step(done: int, total: int) -> None:
        watch.check()
        watch.progress("promote", done, total, "pages")

    with connect.explained("the staged database"), connect.frozen(source) as staged:
        plain_copy(staged, half, step)
        ours = {name: str(connect.pragma(staged, name)) for name in _LAYOUT}
    if layout is not None and ours != {name: layout[name] for name in _LAYOUT}:
        _relaid(half, layout)
    crashpoint.here("sqlite.promote.copied")
    half.replace(target)
    flush(target)
    with connect.frozen(target) as connection:
        return describe(connection, tolerant=tolerant)


def carry_rows(places: Places, order: ExchangeOrder, watch: Watch) -> None:
    """Put the rows that the order writes one by one beside live. Raises ProofFailed."""
    tables = frozenset(a.name for a in order.actions if a.method == "delta")
    if tables:
        selection = order.selection or Selection(tables=())
        staged = places.path(order.staging)
        changeset.carry(staged, places.rows_held(order.id), (selection, tables, places.row_key), watch)


def rows_held(places: Places, order_id: str) -> Contents:
    """What the file of the rows holds."""
    with connect.frozen(places.rows_held(order_id)) as connection:
        return describe(connection)


def complete(places: Places, order: ExchangeOrder, *, whole: bool) -> bool:
    """True if everything that the order needs is beside live; `whole`: the copy of the database, too."""
    rows = any(a.method == "delta" for a in order.actions)
    return (not rows or places.rows_held(order.id).exists()) and (not whole or places.hold(order.id).exists())


def hold_back(places: Places, before: Record, order_id: str, layout: dict[str, str] | None, watch: Watch) -> Contents:
    """Put what `before` has kept beside live again, for the order that takes it back.

    `layout` None: the copy of the database stays as it is.
    """
    if before.rows_of:
        with connect.frozen(places.rows_undo(before.order_id)) as kept:
            plain_copy(kept, places.rows_held(order_id))
    if before.way == "rows":
        return rows_held(places, order_id)
    source = places.undo(before.order_id)
    if layout is None:
        with connect.frozen(source) as copy:
            layout = {name: str(connect.pragma(copy, name)) for name in _LAYOUT}
    return hold(source, places.hold(order_id), layout, watch, tolerant=True)


def promoted(order_id: str, contents: Contents, began: float) -> Promoted:
    """The answer of a promotion that began at `began` (monotonic seconds)."""
    return Promoted(
        order_id=order_id,
        holding=Where(schema_name=f"{HOLD}{order_id}"),
        contents=contents,
        promoted_at=datetime.now(UTC),
        duration_s=round(time.monotonic() - began, 3),
    )


def mark(path: Path, order_id: str) -> None:
    """Put our marker table into a holding copy: it arrives in live with the data, and tells which side is live."""
    with connect.writer(path) as connection:
        connection.execute(f"DROP TABLE IF EXISTS {MARKER}")
        connection.execute(f"CREATE TABLE {MARKER} (id TEXT NOT NULL)")
        connection.execute(f"INSERT INTO {MARKER} VALUES (?)", (order_id,))


def check_equal(proven: Contents, held: Contents, actions: Iterable[TableAction]) -> None:
    """Raises ProofFailed unless the holding copy is what was proven, table by table."""

    def state(contents: Contents, name: str) -> object:
        table = contents.table(name)
        return table and (table.rows, table.schema_hash, table.fingerprint)

    wrong = sorted(a.name for a in actions if state(proven, a.name) != state(held, a.name))
    if wrong:
        raise ProofFailed(
            f"the copy beside live is not what was proven: {', '.join(wrong)}; live is untouched",
            hint="Stage and verify again.",
        )


def _relaid(path: Path, layout: dict[str, str]) -> None:
    """Rewrite the copy with another page size and auto_vacuum; VACUUM INTO keeps rowids, VACUUM would not."""
    other = path.with_suffix(".laid")
    remove_database(other)
    with connect.writer(path) as connection:
        connection.execute(f"PRAGMA page_size={int(layout['page_size'])}")
        connection.execute(f"PRAGMA auto_vacuum={int(layout['auto_vacuum'])}")
        connection.execute("VACUUM INTO ?", (str(other),))
    remove_database(path)
    other.replace(path)

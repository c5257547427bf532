"""Rows that differ, with their values: read anew for somebody who looks, and for nobody else."""

from typing import Any

from restorekit.engines.mariadb import tables as described
from restorekit.engines.mariadb.chunks import Cut
from restorekit.engines.mariadb.compare import Found, carries, changed_columns, look
from restorekit.engines.mariadb.connect import quoted
from restorekit.engines.mariadb.live import Live, reading
from restorekit.engines.mariadb.pair import Pair, Rows, pair
from restorekit.engines.mariadb.tables import Table
from restorekit.errors import UnknownName
from restorekit.model.database import Where
from restorekit.model.shown import ShownRow
from restorekit.ports import Watch

_Row = dict[str, Any]


def shown(live: Live, sides: tuple[Where, Where], name: str, most: int, watch: Watch) -> list[ShownRow]:
    """The first `most` rows of the table that differ; `sides` are staging and live. Raises UnknownName."""
    staging, live_where = sides
    with reading("the rows that differ"), pair(live, live_where, staging, watch) as both:
        wanted = frozenset({name})
        here = next(iter(described.tables(both.live, live_where.schema_name, wanted)), None)
        there = next(iter(described.tables(both.staging, staging.schema_name, wanted)), None)
        if here is not None and there is not None:
            return _both(both, here, there, most)
        if here is None and there is None:
            raise UnknownName(f"there is no table {name} in the backup or in live")
        return _one_sided(both, here, there, most)


def _one_sided(both: Pair, here: Table | None, there: Table | None, most: int) -> list[ShownRow]:
    table = here or there
    assert table is not None
    names = [c.name for c in table.stored]
    sql = f"SELECT {','.join(map(quoted, names))} FROM {table.full} LIMIT {int(most)}"
    left, right = both.ask(sql if here else "SELECT 0", sql if there else "SELECT 0")
    key = list(table.key) or names
    kind = "extra" if here else "missing"
    return [_shown(kind, dict(zip(names, row, strict=True)), key) for row in (left if here else right)]


def _both(both: Pair, here: Table, there: Table, most: int) -> list[ShownRow]:
    carried, found = carries(both, here, there), Found(most)
    way = look(both, (here, there), found, carried=carried, enough=True).way
    columns = changed_columns(both, way, (here, there), found, carried=carried)
    ours, theirs = _values(both, way, (here, there), found, carried=carried)
    key = [c.name for c in way.key] or [c.name for c in way.columns]
    rows = []
    for kind, identity in found.kept:
        mine, other = theirs.get(identity), ours.get(identity)
        if kind == "changed" and mine is not None and other is not None:
            cells = {name: (other[name], mine[name]) for name in columns.get(identity, ())}
            rows.append(ShownRow(kind, {k: mine[k] for k in key}, cells))
        elif (row := mine if kind == "missing" else other) is not None:
            rows.append(_shown(kind, row, key))
    return rows


def _shown(kind: str, row: _Row, key: list[str]) -> ShownRow:
    rest = {name: value for name, value in row.items() if name not in key}
    identified = {name: row[name] for name in key}
    if kind == "missing":
        return ShownRow("missing", identified, {name: (None, value) for name, value in rest.items()})
    return ShownRow("extra", identified, {name: (value, None) for name, value in rest.items()})


def _values(
    both: Pair, way: Cut, sides: tuple[Table, Table], found: Found, *, carried: bool
) -> tuple[dict[str, _Row], dict[str, _Row]]:
    """Identity to values, on live and in staging."""
    wanted = list(dict.fromkeys(identity for _, identity in found.kept))
    if not wanted:
        return {}, {}
    names = [c.name for c in way.columns]
    here, there = sides
    left, right = both.ask(way.values(here, wanted, carried=carried), way.values(there, wanted, carried=False))
    return _by_identity(left, names), _by_identity(right, names)


def _by_identity(answer: Rows, names: list[str]) -> dict[str, _Row]:
    return {_text(identity): dict(zip(names, row, strict=True)) for identity, *row in answer}


def _text(identity: Any) -> str:
    return identity.decode() if isinstance(identity, bytes) else str(identity)

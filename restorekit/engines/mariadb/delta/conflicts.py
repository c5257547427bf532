"""Conflicts told: by keyed hash for keeping, with keys for showing at once."""

from collections.abc import Mapping
from typing import Any

from restorekit.engines.mariadb.connect import one, quoted, rows
from restorekit.engines.mariadb.delta import images
from restorekit.engines.mariadb.delta.edges import Known
from restorekit.engines.mariadb.delta.finding import named
from restorekit.engines.mariadb.delta.names import found
from restorekit.engines.mariadb.delta.resolving import Name, Trouble
from restorekit.engines.mariadb.literals import printable, text
from restorekit.model.pick import Conflict
from restorekit.model.shown import ShownConflict

_TOLD = 20
"""Conflicts that are told; all are counted."""


def told(
    known: Known, row_key: bytes, troubles: Mapping[Name, Trouble]
) -> tuple[tuple[Conflict, ...], tuple[ShownConflict, ...]]:
    """The first conflicts, both ways, in the same order."""
    stored, shown = [], []
    for name in sorted(troubles)[:_TOLD]:
        kind, by, other = troubles[name]
        key = named(row_key, name.table, _literals(known, name))
        stored.append(Conflict(table=name.table, key=key, kind=kind, by=by))
        row, way = _values(known, name, ()), {}
        if other is not None:
            way = _values(known, other, _telling(known, other.table), there=images.live(other.table))
        shown.append(ShownConflict(table=name.table, kind=kind, by=by, key=row, other=way))
    return tuple(stored), tuple(shown)


def _literals(known: Known, name: Name) -> str:
    table = known.staged[name.table]
    key = ",".join(printable(c) for c in table.key_columns)
    sql = f"SELECT CONCAT_WS(',',{key}) FROM {found(name.table)} WHERE {known.no(name.table)}={name.no}"
    return text(one(known.session, sql))


def _telling(known: Known, table: str) -> tuple[str, ...]:
    """Columns that say more about a row than its key: those of its unique keys, and when it was made."""
    there = {c.name for c in known.staged[table].columns}
    uniques = [c for i in known.ground.uniques_of(table, known.staged[table].key) for c in i.columns]
    return tuple(c for c in dict.fromkeys((*uniques, *known.ground.born_of(table))) if c in there)


def _values(known: Known, name: Name, more: tuple[str, ...], there: str = "") -> dict[str, Any]:
    names = list(dict.fromkeys((*known.staged[name.table].key, *more)))
    columns = ",".join(quoted(n) for n in names)
    sql = f"SELECT {columns} FROM {there or found(name.table)} WHERE {known.no(name.table)}={name.no}"
    return next((dict(zip(names, row, strict=True)) for row in rows(known.session, sql)), {})

"""A change set in the middle of being applied: locked, compared with what was shown, and decided about row by row.

The set itself is only read. What becomes of its rows stands in a temporary table of the session, whose columns bear
names that the customer's table does not have: so expressions over live's columns need no qualification.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pymysql
from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import MARKER_SCHEMA, one, quoted, rows
from restorekit.engines.mariadb.delta.changeset import INDEX, Delta, Shape
from restorekit.engines.mariadb.delta.names import free
from restorekit.engines.mariadb.fingerprint import row_value
from restorekit.errors import ProofFailed

_DUPLICATE = 1062
_STAYS = "-"


@dataclass(frozen=True)
class Unique:
    """A unique key besides the one that identifies rows: expressions over a column, `%s` for its alias."""

    name: str
    parts: tuple[str, ...]

    def same(self, left: str, right: str) -> str:
        """Condition that two rows have the same values of it; never true with a NULL among them."""
        return " AND ".join(f"{part % left}={part % right}" for part in self.parts)


@dataclass(frozen=True)
class Working:
    """One table's change set at work. `source` is the set, `ids` its identities, `rows` these with what live has."""

    delta: Delta
    shape: Shape
    source: str
    ids: str
    rows: str
    now: str
    act: str
    uniques: tuple[Unique, ...] = field(default=())

    @property
    def live(self) -> str:
        """The customer's table, quoted."""
        return self.shape.table.full

    @property
    def wanted(self) -> str:
        """The change set as `s`, to be joined by its key."""
        return f"{self.source} AS s FORCE INDEX ({INDEX})"

    def keys(self, alias: str = "") -> str:
        """The key's columns in the working copies, as a list."""
        return ",".join(f"{alias}{quoted(k)}" for k in self.shape.keys)

    def at(self, working: str, other: str) -> str:
        """Condition that a row of a working copy and one with the customer's names are the same."""
        pairs = zip(self.shape.keys, self.shape.table.key, strict=True)
        return " AND ".join(f"{other}.{quoted(name)}={working}.{quoted(key)}" for key, name in pairs)

    def absent(self, alias: str) -> str:
        """Condition that an outer join found nothing."""
        return f"{alias}.{quoted(self.shape.table.key[0])} IS NULL"

    def value(self, *, carried: bool = False) -> str:
        """`row_value` of live's row; its columns stand unqualified."""
        return row_value(self.shape.table.stored, carried=carried)


def open_working(session: "Connection[Any]", delta: Delta, shape: Shape, source: str, number: int) -> Working:
    """Working copies of the change set in the schema `source`; the session's own, gone with it.

    Raises ProofFailed if live would take two rows of the set for the same one.
    """
    taken = [c.name for c in shape.table.columns]
    place = quoted(MARKER_SCHEMA)
    made = Working(
        delta=delta,
        shape=shape,
        source=shape.set_in(source),
        ids=f"{place}.rk_ids_{number}",
        rows=f"{place}.rk_rows_{number}",
        now=quoted(free("rk_now", taken)),
        act=quoted(free("rk_act", taken)),
        uniques=tuple(_uniques(session, shape)),
    )
    ours = (
        f"{shape.op} CHAR(1) CHARACTER SET ascii NOT NULL DEFAULT '',{shape.live} BIGINT UNSIGNED NULL,"
        f"{shape.proven} BIGINT UNSIGNED NULL"
    )
    found = f"{made.now} BIGINT UNSIGNED NULL,{made.act} CHAR(1) CHARACTER SET ascii NOT NULL DEFAULT ''"
    pairs = zip(shape.table.key, shape.keys, strict=True)
    key = ",".join(f"l.{quoted(name)} AS {quoted(k)}" for name, k in pairs)
    for name, columns in ((made.ids, ours), (made.rows, f"{ours},{found}")):
        rows(session, f"DROP TEMPORARY TABLE IF EXISTS {name}")
        # ALTER and TRUNCATE commit even for temporary tables: whoever starts again makes them anew.
        rows(
            session,
            f"CREATE TEMPORARY TABLE {name} ({columns},PRIMARY KEY ({made.keys()})) ENGINE=InnoDB "
            f"AS SELECT {key} FROM {made.live} AS l WHERE 0",
        )
    try:
        rows(
            session,
            f"INSERT INTO {made.ids} ({shape.ours},{made.keys()}) "
            f"SELECT {shape.ours},{shape.key()} FROM {made.source} ORDER BY {shape.key()}",
        )
    except pymysql.err.IntegrityError as error:
        if error.args[0] != _DUPLICATE:
            raise
        raise ProofFailed(
            f"rows of {shape.table.name} that were chosen bear one and the same key on live; live is as before"
        ) from None
    return made


def close_working(session: "Connection[Any]", working: Working) -> None:
    """Drop the working copies."""
    for name in (working.ids, working.rows):
        rows(session, f"DROP TEMPORARY TABLE IF EXISTS {name}")


def _uniques(session: "Connection[Any]", shape: Shape) -> Iterator[Unique]:
    """Unique keys besides the one that identifies rows; those over generated columns only show in writing."""
    found = rows(
        session,
        "SELECT index_name, column_name, sub_part FROM information_schema.statistics WHERE table_schema=%s "
        "AND table_name=%s AND non_unique=0 ORDER BY index_name, seq_in_index",
        [shape.table.schema_name, shape.table.name],
    )
    stored = {c.name for c in shape.table.stored}
    for index in dict.fromkeys(name for name, _, _ in found):
        parts = [(column, most) for name, column, most in found if name == index]
        if tuple(column for column, _ in parts) == shape.table.key or not {column for column, _ in parts} <= stored:
            continue
        plain = [(f"%s.{quoted(column).replace('%', '%%')}", most) for column, most in parts]
        yield Unique(index, tuple(f"LEFT({text},{int(most)})" if most else text for text, most in plain))


def lock(session: "Connection[Any]", working: Working) -> int:
    """Lock every row of the set in the order of the key, and decide what becomes of each; answers how many moved.

    What live has now is read by the locking read itself: a plain one would show an older state. Keys that are not
    there are locked as gaps, so that nobody can take them before we do.
    """
    shape = working.shape
    seen = f"IF({working.absent('l')},NULL,{working.value(carried=working.delta.carried)})"
    rows(
        session,
        f"INSERT INTO {working.rows} ({shape.ours},{working.now},{working.keys()}) "
        f"SELECT {shape.ours},{seen},{working.keys('i.')} FROM {working.ids} AS i "
        f"LEFT JOIN {working.live} AS l ON {working.at('i', 'l')} FOR UPDATE",
    )
    as_shown = f"IF({shape.op}='I',{working.now} IS NULL,{working.now}<=>{shape.live})"
    if working.delta.stray == "overwrite":
        act = (
            f"CASE WHEN {shape.op}='D' THEN IF({working.now} IS NULL,'{_STAYS}','D') WHEN {working.now} IS NULL THEN "
            f"'I' WHEN {working.now}={shape.proven} THEN '{_STAYS}' ELSE 'U' END"
        )
    else:
        act = f"IF({as_shown},{shape.op},'{_STAYS}')"
    _decide(session, working, act)
    return int(one(session, f"SELECT COUNT(*) FROM {working.rows} WHERE NOT ({as_shown})"))


def _decide(session: "Connection[Any]", working: Working, act: str, joined: str = "", which: str = "TRUE") -> int:
    # Setting the key to itself keeps a key of type TIMESTAMP from moving to now.
    still = "".join(f",w.{quoted(k)}=w.{quoted(k)}" for k in working.shape.keys)
    sql = f"UPDATE {working.rows} AS w {joined} SET w.{working.act}={act}{still} WHERE {which}"
    with session.cursor() as cursor:
        return int(cursor.execute(sql))


def yield_uniques(session: "Connection[Any]", working: Working) -> int:
    """Leave out rows whose unique values another row of live has now; answers how many.

    A row that the set itself removes or changes gives its values free. One that is left out does not: so again, until
    nothing more is left out.
    """
    total = 0
    while left := sum(_taken(session, working, unique) for unique in working.uniques):
        total += left
    return total


def _taken(session: "Connection[Any]", working: Working, unique: Unique) -> int:
    other = (
        f"STRAIGHT_JOIN {working.wanted} ON {working.at('w', 's')} "
        f"STRAIGHT_JOIN {working.live} AS l ON {unique.same('l', 's')} "
        f"LEFT JOIN {working.rows} AS o FORCE INDEX (PRIMARY) "
        f"ON {working.at('o', 'l')} AND o.{working.act} IN ('D','U')"
    )
    which = f"w.{working.act} IN ('I','U') AND {_missing(working)} AND NOT ({working.at('w', 'l')})"
    # Read with locks, as all that an UPDATE reads: nobody can take one of these values before we do.
    return _decide(session, working, f"'{_STAYS}'", other, which)


def _missing(working: Working) -> str:
    return f"o.{quoted(working.shape.keys[0])} IS NULL"

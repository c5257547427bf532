"""Staging against live, table by table: sums of chunks on both servers at once, then the rows of differing chunks.

Only sums, hashes and counts leave the servers; no value does.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from restorekit.engines.mariadb import tables as described
from restorekit.engines.mariadb.chunks import Cut, common, cut, integer_key
from restorekit.engines.mariadb.connect import quoted
from restorekit.engines.mariadb.live import Live, reading
from restorekit.engines.mariadb.pair import Pair, Rows, pair
from restorekit.engines.mariadb.tables import Table
from restorekit.errors import RestorekitError
from restorekit.model.database import Where
from restorekit.model.difference import RowDifference, TableDifference
from restorekit.ports import Watch

_BATCH = 256
"""Differing chunks looked at in one statement: bounds the memory here and the temporary table there."""

Kind = Literal["missing", "changed", "extra"]
_Sums = dict[int, tuple[int, int]]
"""Chunk to rows and sum."""


@dataclass
class Found:
    """Exact totals, and the first rows that differ."""

    most: int
    totals: dict[Kind, int] = field(default_factory=lambda: {"missing": 0, "changed": 0, "extra": 0})
    kept: list[tuple[Kind, str]] = field(default_factory=list)

    def add(self, kind: Kind, identity: str, times: int = 1) -> None:
        """One more row that differs, or several of the same."""
        self.totals[kind] += times
        room = self.most - len(self.kept)
        self.kept += [(kind, identity)] * min(times, room)


def compare(
    live: Live, staging: Where, live_where: Where, names: Sequence[str], most_rows: int, watch: Watch
) -> list[TableDifference]:
    """Differences of these tables, in their order; a name that is on neither side is left out.

    Columns and keys that only one side has make `schema_changed`; rows are compared by what both have. Where the
    backup carries FLOAT values with the 6 digits of a dump, live's are compared with 6 digits, too.
    """
    found = []
    wanted = frozenset(names)
    with reading("the difference"), pair(live, live_where, staging, watch) as both:
        ours = {t.name: t for t in described.tables(both.staging, staging.schema_name, wanted)}
        theirs = {t.name: t for t in described.tables(both.live, live_where.schema_name, wanted)}
        for done, name in enumerate(names):
            watch.check()
            watch.progress("diff", done, len(names), "tables")
            here, there = theirs.get(name), ours.get(name)
            if here is not None and there is not None:
                found.append(_both(both, here, there, most_rows, live.home.row_key))
            elif here is not None or there is not None:
                found.append(_one_sided(both, here, there))
    return found


def _one_sided(both: Pair, here: Table | None, there: Table | None) -> TableDifference:
    table = here or there
    assert table is not None
    sql = f"SELECT COUNT(*) FROM {table.full}"
    counts = both.ask(sql if here else "SELECT 0", sql if there else "SELECT 0")
    live_rows, staging_rows = int(counts[0][0][0]), int(counts[1][0][0])
    return TableDifference(
        name=table.name,
        in_live=here is not None,
        in_staging=there is not None,
        live_rows=live_rows,
        staging_rows=staging_rows,
        missing=staging_rows,
        extra=live_rows,
    )


def _both(both: Pair, here: Table, there: Table, most_rows: int, row_key: bytes) -> TableDifference:
    carried, found = carries(both, here, there), Found(most_rows)
    way, sums = look(both, (here, there), found, carried=carried)
    columns = changed_columns(both, way, (here, there), found, carried=carried)
    return TableDifference(
        name=here.name,
        in_live=True,
        in_staging=True,
        live_rows=sum(int(n) for n, _ in sums[0].values()),
        staging_rows=sum(int(n) for n, _ in sums[1].values()),
        **found.totals,
        schema_changed=here.schema_hash != there.schema_hash,
        chunks=len(sums[0].keys() | sums[1].keys()),
        chunks_changed=len(_dirty(*sums)),
        rows=tuple(
            RowDifference(kind=kind, key=_keyed(row_key, here.name, identity), columns=columns.get(identity, ()))
            for kind, identity in found.kept
        ),
    )


def look(
    both: Pair, sides: tuple[Table, Table], found: Found, *, carried: bool, enough: bool = False
) -> tuple[Cut, tuple[_Sums, _Sums]]:
    """Fill `found` (with `enough` only until it keeps as many as it may); the cut, and the sums of live and staging."""
    here, there = sides
    way = _cut(both, here, there)
    left, right = both.ask(way.sums(here, carried=carried), way.sums(there, carried=False))
    sums = _by_chunk(left), _by_chunk(right)
    dirty = _dirty(*sums)
    for start in range(0, len(dirty), _BATCH):
        if enough and len(found.kept) >= found.most:
            break
        part = dirty[start : start + _BATCH]
        left, right = both.ask(way.rows(here, part, carried=carried), way.rows(there, part, carried=False))
        _look(way, left, right, found)
    return way, sums


def _dirty(ours: _Sums, theirs: _Sums) -> list[int]:
    return sorted(c for c in ours.keys() | theirs.keys() if ours.get(c) != theirs.get(c))


def _cut(both: Pair, here: Table, there: Table) -> Cut:
    name = integer_key(here, there)
    reach = f",MIN({quoted(name)}),MAX({quoted(name)})" if name else ""
    (left,), (right,) = both.ask(*(f"SELECT COUNT(*){reach} FROM {t.full}" for t in (here, there)))
    ends = [int(e) for e in (*left[1:], *right[1:]) if e is not None]
    return cut(here, there, max(left[0], right[0]), (min(ends), max(ends)) if ends else None)


def carries(both: Pair, here: Table, there: Table) -> bool:
    """True if staging's FLOAT values have no more digits than a dump carries: then live's are cut to these, too."""
    names = [quoted(c.name) for c in common(here, there) if c.data_type == "float"]
    if not names:
        return False
    finer = " OR ".join(f"CAST({n} AS DOUBLE)<>CAST(CAST(CAST({n} AS CHAR) AS FLOAT) AS DOUBLE)" for n in names)
    return not both.ask("SELECT 0", f"SELECT 1 FROM {there.full} WHERE {finer} LIMIT 1")[1]


def _by_chunk(answer: Rows) -> _Sums:
    return {int(chunk): (int(count), int(total)) for chunk, count, total in answer}


def _look(way: Cut, left: Rows, right: Rows, found: Found) -> None:
    """Find the differing rows of chunks whose sums differ."""
    ours, theirs = _unpacked(left), _unpacked(right)
    for chunk in sorted(ours.keys() | theirs.keys()):
        live, staging = ours.get(chunk, set()), theirs.get(chunk, set())
        only_live = dict(_split(live - staging))
        only_staging = dict(_split(staging - live))
        for identity in sorted(only_live.keys() | only_staging.keys()):
            a, b = only_live.get(identity), only_staging.get(identity)
            if way.kind == "bag":
                more = int(b or 0) - int(a or 0)
                found.add("missing" if more > 0 else "extra", identity, abs(more))
            else:
                found.add("missing" if a is None else "extra" if b is None else "changed", identity)


def _unpacked(answer: Rows) -> dict[int, set[str]]:
    chunks = {}
    for chunk, count, text in answer:
        packed = set(_text(text).split(","))
        if len(packed) != int(count):
            # a shortened answer must never look like missing rows
            raise RestorekitError("the server shortened an answer; nothing was changed", hint="Try again.")
        chunks[int(chunk)] = packed
    return chunks


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _split(packed: set[str]) -> Iterator[tuple[str, str]]:
    for item in packed:
        identity, _, rest = item.partition(":")
        yield identity, rest


def changed_columns(
    both: Pair, way: Cut, sides: tuple[Table, Table], found: Found, *, carried: bool
) -> dict[str, tuple[str, ...]]:
    """Names of the columns that differ, for the kept rows that are on both sides."""
    wanted = [identity for kind, identity in found.kept if kind == "changed"]
    if not wanted:
        return {}
    here, there = sides
    left, right = both.ask(way.cells(here, wanted, carried=carried), way.cells(there, wanted, carried=False))
    names = [c.name for c in way.columns if c not in way.key]
    other = {_text(str(row[0])): row[1:] for row in right}
    changed = {}
    for identity, *cells in left:
        pairs = zip(names, cells, other.get(str(identity), cells), strict=True)
        changed[str(identity)] = tuple(name for name, a, b in pairs if a != b)
    return changed


def _keyed(row_key: bytes, table: str, identity: str) -> str:
    """A name for the row that says nothing about it to those without the key."""
    return hashlib.blake2b(f"{table}\0{identity}".encode(), key=row_key[:64], digest_size=16).hexdigest()

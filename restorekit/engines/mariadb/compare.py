"""Staging against live, table by table: sums of chunks on both servers at once, then the rows of differing chunks.

Only sums, hashes and counts leave the servers; of rows that differ also the key, for as long as it takes to write it
into the sandbox.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pymysql.connections import Connection

from restorekit.engines.mariadb import tables as described
from restorekit.engines.mariadb.chunks import Cut, common, cut, integer_key
from restorekit.engines.mariadb.connect import one, quoted
from restorekit.engines.mariadb.delta import barriers, finding
from restorekit.engines.mariadb.delta.costs import costs
from restorekit.engines.mariadb.delta.ground import Ground, ground
from restorekit.engines.mariadb.delta.names import MOST, WIDER
from restorekit.engines.mariadb.live import Live, reading
from restorekit.engines.mariadb.pair import Pair, Rows, pair
from restorekit.engines.mariadb.tables import Table
from restorekit.errors import LiveChanged, RestorekitError
from restorekit.model.database import Where
from restorekit.model.difference import Costs, RowDifference, TableDifference
from restorekit.ports import Watch

Kind = Literal["missing", "changed", "extra"]
_Sums = dict[int, str]
"""Number of a pack to the sums of its chunks."""


@dataclass
class Found:
    """Exact totals, the first rows that differ, and (up to a limit) what is to be remembered of all of them."""

    most: int
    totals: dict[Kind, int] = field(default_factory=lambda: {"missing": 0, "changed": 0, "extra": 0})
    kept: list[tuple[Kind, str]] = field(default_factory=list)
    rows: list[finding.Row] = field(default_factory=list)

    def add(self, kind: Kind, identity: str, times: int = 1) -> None:
        """One more row that differs, or several of the same."""
        self.totals[kind] += times
        room = self.most - len(self.kept)
        self.kept += [(kind, identity)] * min(times, room)

    def remember(self, identity: str, live: str | None, proven: str | None) -> None:
        """One more row, by its values on both sides."""
        if len(self.rows) <= MOST:
            self.rows.append(finding.Row(identity, live, proven))


@dataclass(frozen=True)
class _Comparison:
    """What every table of one comparison is compared with."""

    both: Pair
    notes: "Connection[Any]"
    ground: Ground
    packet: int
    most_rows: int
    row_key: bytes


@dataclass(frozen=True)
class Looked:
    """How a table was cut, and how many rows and chunks there were. `scan_s`: what reading both sides took."""

    way: Cut
    rows: tuple[int, int]
    chunks: int
    dirty: int
    scan_s: float


def compare(
    live: Live, staging: Where, live_where: Where, names: Sequence[str], most_rows: int, watch: Watch
) -> list[TableDifference]:
    """Differences of these tables, in their order; a name that is on neither side is left out.

    Columns and keys that only one side has make `schema_changed`; rows are compared by what both have. Where the
    backup carries FLOAT values with the 6 digits of a dump, live's are compared with 6 digits, too.

    The rows that differ are remembered in the sandbox (`delta.names`), instead of those of any earlier comparison.
    """
    found = []
    wanted = frozenset(names)
    with (
        reading("the difference"),
        contextlib.closing(live.where_connect(staging)) as notes,
        pair(live, live_where, staging, watch) as both,
    ):
        finding.forget(notes)
        ours = {t.name: t for t in described.tables(both.staging, staging.schema_name, wanted)}
        theirs = {t.name: t for t in described.tables(both.live, live_where.schema_name, wanted)}
        packet = int(one(both.live, "SELECT @@max_allowed_packet"))
        known = ground(both.live, live_where.schema_name)
        comparison = _Comparison(both, notes, known, packet, most_rows, live.home.row_key)
        for done, name in enumerate(names):
            watch.check()
            watch.progress("diff", done, len(names), "tables")
            here, there = theirs.get(name), ours.get(name)
            if here is not None and there is not None:
                found.append(_both(comparison, here, there))
            elif here is not None or there is not None:
                found.append(_one_sided(both, here, there))
    return found


def find_again(live: Live, sides: tuple[Where, Where], names: Sequence[str], watch: Watch) -> list[Table]:
    """Rows that differ now, written to `rk_wider` in the sandbox; answers staging's tables. `sides`: staging, live.

    What an earlier comparison and a choice left there stays. Raises LiveChanged where more rows differ than can be
    written one by one.
    """
    staging, live_where = sides
    wanted = frozenset(names)
    with (
        reading("the difference"),
        contextlib.closing(live.where_connect(staging)) as notes,
        pair(live, live_where, staging, watch) as both,
    ):
        finding.begin(notes, WIDER)
        ours = described.tables(both.staging, staging.schema_name, wanted)
        theirs = {t.name: t for t in described.tables(both.live, live_where.schema_name, wanted)}
        for there in ours:
            here, found = theirs[there.name], Found(0)
            seen = look(both, (here, there), found, carried=carries(both, here, there))
            if len(found.rows) > MOST:
                raise LiveChanged(
                    f"more than {MOST} rows of {there.name} differ by now; live is as before",
                    hint="Approve the new difference, or use --method exchange.",
                )
            finding.keep(notes, there, seen.way, found.rows, WIDER)
        return ours


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


def _both(comparison: _Comparison, here: Table, there: Table) -> TableDifference:
    both, found = comparison.both, Found(comparison.most_rows)
    carried = carries(both, here, there)
    seen = look(both, (here, there), found, carried=carried)
    columns = changed_columns(both, seen.way, (here, there), found, carried=carried)
    no_delta = _remember(comparison, (here, there), seen.way, found, carried=carried)
    return TableDifference(
        name=here.name,
        in_live=True,
        in_staging=True,
        live_rows=seen.rows[0],
        staging_rows=seen.rows[1],
        **found.totals,
        schema_changed=here.schema_hash != there.schema_hash,
        chunks=seen.chunks,
        chunks_changed=seen.dirty,
        rows=tuple(
            RowDifference(
                kind=kind,
                key=finding.named(comparison.row_key, here.name, seen.way.literals(identity)),
                columns=columns.get(identity, ()),
            )
            for kind, identity in found.kept
        ),
        no_delta=no_delta,
        triggers=here.name in comparison.ground.triggers,
        costs=_costs(comparison, here, seen, sum(found.totals.values())),
    )


def _remember(comparison: _Comparison, sides: tuple[Table, Table], way: Cut, found: Found, *, carried: bool) -> str:
    """Write the findings down; answers why rows of this table cannot be written one by one, or ""."""
    here, there = sides
    notes, known = comparison.notes, comparison.ground
    reason = barriers.against(known, here, there, len(found.rows))
    recorded = way.kind != "bag" and barriers.identified(known, here) and len(found.rows) <= MOST
    if recorded:
        alike = finding.keep(notes, there, way, found.rows)
        found.totals["missing"] -= alike
        found.totals["extra"] -= alike
        found.totals["changed"] += alike
        reason = reason or barriers.too_large(notes, comparison.packet, there)
    finding.note(notes, here.name, carried=carried, no_delta=reason, recorded=recorded)
    return reason


def _costs(comparison: _Comparison, table: Table, seen: Looked, differing: int) -> Costs | None:
    if not differing:
        return None
    indexes = sum(i.name != "PRIMARY" for i in comparison.ground.indexes_of(table.name))
    return costs(max(seen.rows), differing, indexes, table.size_bytes, seen.scan_s)


def look(both: Pair, sides: tuple[Table, Table], found: Found, *, carried: bool, enough: bool = False) -> Looked:
    """Fill `found` (with `enough` only until it keeps as many as it may)."""
    here, there = sides
    way = _cut(both, here, there)
    began = time.monotonic()
    left, right = both.ask(way.sums(here, carried=carried), way.sums(there, carried=False))
    took = time.monotonic() - began
    chunks, dirty = _dirty(_packs(left), _packs(right))
    for part in way.batches(dirty):
        if enough and len(found.kept) >= found.most:
            break
        ours, theirs = both.ask(way.rows(here, part, carried=carried), way.rows(there, part, carried=False))
        _look(way, ours, theirs, found)
    counts = sum(int(n) for _, n, _ in left), sum(int(n) for _, n, _ in right)
    return Looked(way, counts, chunks, len(dirty), took)


def _packs(answer: Rows) -> _Sums:
    return {int(pack): _text(text) for pack, _, text in answer}


def _dirty(ours: _Sums, theirs: _Sums) -> tuple[int, list[int]]:
    """How many chunks there are on either side, and those that differ."""
    chunks, dirty = 0, set[int]()
    for pack in ours.keys() | theirs.keys():
        left, right = ours.get(pack, ""), theirs.get(pack, "")
        if left == right:
            chunks += left.count(",") + 1
            continue
        one, other = set(left.split(",")) - {""}, set(right.split(",")) - {""}
        numbers = {int(c.partition(":")[0]) for c in one ^ other}
        chunks += len(one & other) + len(numbers)
        dirty |= numbers
    return chunks, sorted(dirty)


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


def _look(way: Cut, left: Rows, right: Rows, found: Found) -> None:
    """Find the differing rows of chunks whose sums differ."""
    ours, theirs = _whole(left), _whole(right)
    for chunk in sorted(ours.keys() | theirs.keys()):
        live, staging = ours.get(chunk, ""), theirs.get(chunk, "")
        if live == staging:
            continue
        here, there = set(live.split(",")) - {""}, set(staging.split(",")) - {""}
        only_live, only_staging = dict(_split(here - there)), dict(_split(there - here))
        for identity in sorted(only_live.keys() | only_staging.keys()):
            a, b = only_live.get(identity), only_staging.get(identity)
            if way.kind == "bag":
                more = int(b or 0) - int(a or 0)
                found.add("missing" if more > 0 else "extra", identity, abs(more))
            else:
                found.add("missing" if a is None else "extra" if b is None else "changed", identity)
                found.remember(identity, a, b)


def _whole(answer: Rows) -> dict[int, str]:
    chunks = {}
    for chunk, count, text in answer:
        packed = _text(text)
        if packed.count(",") + 1 != int(count):
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

"""How two tables are cut into chunks that can be summed and compared on their own servers.

Dense integer keys are cut by range, so that a chunk can be read by its key. All other keys are cut by a hash of the
key, which needs no common order of texts. Tables without a key are cut by the hash of the row: they are bags of rows.

Chunks are small: where one row in a hundred differs, every chunk of 2000 rows does, but only one in seven of 16. Their
sums travel packed, many in one row of the answer.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from restorekit.engines.mariadb.connect import quoted
from restorekit.engines.mariadb.fingerprint import Column, parts, quick_hash, row_hash, row_text, row_value
from restorekit.engines.mariadb.literals import printable
from restorekit.engines.mariadb.tables import Table

ROWS = 16
"""Rows wanted per chunk."""

_CHUNKS = 100_000
"""Chunks at most: their sums lie in a temporary table of the server, and should do so in memory."""

_PACKED = 256
"""Chunks whose sums travel in one row."""

_LOOKED_AT = 500_000
"""Rows looked at in one statement: bounds the memory here and the temporary table there."""

_RUNS = 100
"""Ranges in one statement: the server looks every row that it reads up in all of them."""

_DENSE, _GAP = 4, 3

_INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_SPARSE = 4
_SPARSE_ROWS = 2000
_MATERIALISE = "LIMIT 18446744073709551615"
"""Without it the server merges the inner select into the outer one and sorts whole rows."""


@dataclass(frozen=True)
class Cut:
    """The same cut for both sides. `width`: range of a chunk, or number of chunks; `each`: rows in one, about."""

    kind: Literal["range", "hash", "bag"]
    key: tuple[Column, ...]
    columns: tuple[Column, ...]
    width: int
    each: int = ROWS

    def sums(self, table: Table, *, carried: bool) -> str:
        """Select of (number of a pack, its rows, its chunks as `chunk:rows:sum of row hashes`, joined by commas)."""
        if self.kind == "bag":
            row = row_hash(self.columns, carried=carried)
            source = f"(SELECT {row} AS rk_row FROM {table.full} {_MATERIALISE}) AS rk_rows"
            inner = f"SELECT rk_row%{self.width} AS rk_chunk,COUNT(*) AS rk_count,SUM(rk_row) AS rk_sum FROM {source}"
        else:
            row = quick_hash(self.columns, carried=carried)
            chunk = self._chunk(carried=carried)
            inner = f"SELECT {chunk} AS rk_chunk,COUNT(*) AS rk_count,SUM({row}) AS rk_sum FROM {table.full}"
        return (
            f"SELECT rk_chunk DIV {_PACKED},SUM(rk_count),GROUP_CONCAT(CONCAT_WS(':',rk_chunk,rk_count,rk_sum)) "
            f"FROM ({inner} GROUP BY 1 ORDER BY NULL) AS rk_sums GROUP BY 1 ORDER BY NULL"
        )

    def batches(self, chunks: Sequence[int]) -> Iterator[Sequence[int]]:
        """Parts of `chunks` (rising) that one statement looks at; some between them may be looked at, too."""
        most = max(1, _LOOKED_AT // self.each)
        batch: list[int] = []
        runs = 0
        for chunk in _bridged(chunks) if self.kind == "range" else chunks:
            runs += self.kind == "range" and not (batch and batch[-1] == chunk - 1)
            if len(batch) >= most or runs > _RUNS:
                yield batch
                batch, runs = [], 1
            batch.append(chunk)
        if batch:
            yield batch

    def rows(self, table: Table, chunks: Sequence[int], *, carried: bool) -> str:
        """Select of (chunk, rows, `identity:value` or `hash:count` of each, packed with commas)."""
        if self.kind == "bag":
            row = row_hash(self.columns, carried=carried)
            inner = f"SELECT {row} AS rk_row FROM {table.full} {_MATERIALISE}"
            inner = (
                f"SELECT rk_row%{self.width} AS rk_chunk,CONCAT_WS(':',rk_row,COUNT(*)) AS rk_text "
                f"FROM ({inner}) AS rk_rows WHERE rk_row%{self.width} IN ({_list(chunks)}) GROUP BY rk_row"
            )
        else:
            value = row_value(self.columns, carried=carried)
            chunk, text = self._chunk(carried=carried), f"CONCAT_WS(':',{self.identity()},{value})"
            within = self.within(chunks, carried=carried)
            inner = f"SELECT {chunk} AS rk_chunk,{text} AS rk_text FROM {table.full} WHERE {within}"
        return (
            f"SELECT rk_chunk,COUNT(*),GROUP_CONCAT(rk_text) FROM ({inner} {_MATERIALISE}) AS rk_rows "
            "GROUP BY rk_chunk ORDER BY NULL"
        )

    def cells(self, table: Table, identities: Sequence[str], *, carried: bool) -> str:
        """Select of (identity, a hash of each column that is no part of the key) for these rows."""
        names = [c for c in self.columns if c not in self.key]
        cells = "".join(f",MD5(CONCAT_WS('#',{parts(c, carried=carried)}))" for c in names)
        return self._of(table, identities, cells, carried=carried)

    def values(self, table: Table, identities: Sequence[str], *, carried: bool) -> str:
        """Select of (identity, every column) for these rows; a row of a bag comes as often as it is there."""
        columns = "".join(f",{quoted(c.name)}" for c in self.columns)
        return self._of(table, identities, columns, carried=carried)

    def _of(self, table: Table, identities: Sequence[str], what: str, *, carried: bool) -> str:
        """Rows with other keys may come along, where the key's collation takes them for equal."""
        if self.kind == "bag":
            row = row_hash(self.columns, carried=carried)
            return f"SELECT {row}{what} FROM {table.full} WHERE {row} IN ({','.join(identities)})"
        key = ",".join(quoted(c.name) for c in self.key)
        wanted = " OR ".join(f"({key})=({self.literals(i)})" for i in identities)
        return f"SELECT {self.identity()}{what} FROM {table.full} WHERE {wanted}"

    def identity(self) -> str:
        """What tells a row from all others: the integer, or the key's values as SQL literals, in hex."""
        if self.kind == "range":
            return quoted(self.key[0].name)
        return f"HEX(CONCAT_WS(',',{','.join(printable(c) for c in self.key)}))"

    def literals(self, identity: str) -> str:
        """The key's values as SQL, in the order of `key`; of a row of a bag its hash."""
        return bytes.fromhex(identity).decode() if self.kind == "hash" else identity

    def _chunk(self, *, carried: bool) -> str:
        if self.kind == "range":
            return f"{quoted(self.key[0].name)} DIV {self.width}"
        return f"CRC32({row_text(self.key, carried=carried)})%{self.width}"

    def within(self, chunks: Sequence[int], *, carried: bool) -> str:
        """Condition of the rows in these chunks; ranges can use the index."""
        if self.kind == "range":
            name = quoted(self.key[0].name)
            return " OR ".join(f"{name} BETWEEN {low} AND {high}" for low, high in self._ranges(chunks))
        return f"{self._chunk(carried=carried)} IN ({_list(chunks)})"

    def _ranges(self, chunks: Iterable[int]) -> list[tuple[int, int]]:
        """First and last key of each run of neighbouring chunks; DIV rounds towards zero."""
        runs: list[tuple[int, int]] = []
        for chunk in sorted(chunks):
            low = chunk * self.width - (self.width - 1 if chunk <= 0 else 0)
            high = chunk * self.width + (self.width - 1 if chunk >= 0 else 0)
            if runs and runs[-1][1] + 1 == low:
                runs[-1] = (runs[-1][0], high)
            else:
                runs.append((low, high))
        return runs


def _bridged(chunks: Sequence[int]) -> Iterator[int]:
    """Where many differ, with the few that lie between two of them: one range instead of two."""
    dense = bool(chunks) and len(chunks) * _DENSE > chunks[-1] - chunks[0]
    last = None
    for chunk in chunks:
        if dense and last is not None and chunk - last <= _GAP:
            yield from range(last + 1, chunk)
        yield chunk
        last = chunk


def _list(chunks: Iterable[int]) -> str:
    return ",".join(map(str, chunks))


def common(live: Table, staging: Table) -> tuple[Column, ...]:
    """The stored columns of staging that live has, too."""
    names = {c.name for c in live.stored}
    return tuple(c for c in staging.stored if c.name in names)


def common_key(live: Table, staging: Table) -> tuple[Column, ...]:
    """The key of staging if it is one on live, too; else nothing. A FLOAT with fewer digits identifies nothing."""
    if set(live.key) != set(staging.key) or any(c.data_type == "float" for c in staging.key_columns):
        return ()
    return staging.key_columns


def cut(live: Table, staging: Table, rows: int, span: tuple[int, int] | None) -> Cut:
    """The cut that fits: `rows` of the larger side, `span` of an integer key over both sides."""
    key, columns = common_key(live, staging), common(live, staging)
    chunks = min(_CHUNKS, max(1, rows // ROWS))
    each = max(ROWS, rows // chunks)
    if span is not None:
        reach = span[1] - span[0] + 1
        if reach <= _SPARSE * max(rows, _SPARSE_ROWS):
            return Cut("range", key, columns, max(ROWS, reach // chunks), each)
    return Cut("hash" if key else "bag", key, columns, chunks, each)


def integer_key(live: Table, staging: Table) -> str | None:
    """The name of the key if it is a single integer column on both sides."""
    key = common_key(live, staging)
    if len(key) != 1 or key[0].data_type not in _INTEGERS:
        return None
    other = next(c for c in live.columns if c.name == key[0].name)
    return key[0].name if other.data_type in _INTEGERS else None

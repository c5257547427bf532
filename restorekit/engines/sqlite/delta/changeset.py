"""Chosen rows with their values, beside live: carried there to be written, or kept there for the way back.

A file per order, and in it per table an entry for each row: the operation, the hash expected in live, the hash proven
afterwards, the key, and all stored columns as c0, c1, … (NULL where a row is to be removed).

    I  the row comes in          expected: no row    proven: this row
    U  it becomes this row       expected: a row     proven: this row
    D  it goes                   expected: a row     proven: no row
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from restorekit import crashpoint
from restorekit.engines.sqlite import connect, rows
from restorekit.engines.sqlite.connect import literal
from restorekit.engines.sqlite.delta import findings
from restorekit.engines.sqlite.delta.findings import Keyed
from restorekit.engines.sqlite.delta.relations import NEW
from restorekit.engines.sqlite.delta.shape import Shape, shapes
from restorekit.engines.sqlite.places import flush, remove_database
from restorekit.errors import ProofFailed
from restorekit.model.exchange import Applied
from restorekit.model.pick import ChosenTable, Selection
from restorekit.ports import Watch

_FOUND = "rk_found"


@dataclass(frozen=True)
class Set:
    """The entries of one table. `text` is the hash of its definition.

    Of rows that were not as they had been shown, `moved` were left alone, and `replaced` are kept as they were then.
    """

    number: int
    name: str
    text: str
    whole: bool
    moved: int
    replaced: int
    keyed: str

    @property
    def rows(self) -> str:
        """The table with the entries."""
        return f"rows_{self.number}"


@contextlib.contextmanager
def created(path: Path, encoding: str) -> Iterator[sqlite3.Connection]:
    """An empty file, filled in one transaction and forced to the medium at the end."""
    remove_database(path)
    with connect.writer(path, create=True) as connection:
        connection.execute(f"PRAGMA encoding = {literal(encoding)}")
        connection.execute("PRAGMA synchronous=OFF")  # forced as a whole below
        connection.execute(
            "CREATE TABLE sets (number INTEGER PRIMARY KEY, name TEXT, text TEXT, whole INTEGER, "
            "moved INTEGER DEFAULT 0, replaced INTEGER DEFAULT 0, keyed TEXT DEFAULT '')"
        )
        connection.execute("CREATE TABLE orphans (child TEXT, link INTEGER, row INTEGER)")
        yield connection
    flush(path)


def add(connection: sqlite3.Connection, shape: Shape, *, whole: bool) -> Set:
    """A set without entries."""
    sql = "INSERT INTO main.sets (name, text, whole) VALUES (?, ?, ?)"
    number = connection.execute(sql, (shape.name, shape.text, whole)).lastrowid
    made = Set(int(number or 0), shape.name, shape.text, whole, 0, 0, "")
    kinds = [*zip(shape.parts, shape.key_types, strict=True), *zip(stored(shape), shape.affinities, strict=True)]
    columns = ", ".join(f"{name} {kind}" for name, kind in kinds)
    connection.execute(
        f"CREATE TABLE main.{made.rows} (n INTEGER PRIMARY KEY, op TEXT, live INTEGER, proven INTEGER, {columns})"
    )
    connection.execute(f"CREATE INDEX main.{made.rows}_key ON {made.rows} ({shape.index()})")
    return made


def stored(shape: Shape) -> list[str]:
    """Names of a row's values in an entry."""
    return [f"c{number}" for number in range(len(shape.columns))]


def sets(connection: sqlite3.Connection, side: str = "main") -> list[Set]:
    """The sets of a file, attached as `side`."""
    query = f"SELECT number, name, text, whole, moved, replaced, keyed FROM {side}.sets ORDER BY number"
    return [
        Set(number, name, text, bool(whole), *rest) for number, name, text, whole, *rest in connection.execute(query)
    ]


def carry(staged: Path, target: Path, wanted: tuple[Selection, frozenset[str], bytes], watch: Watch) -> None:
    """Put the choice that lies beside the staged database into the file `target`, with the values of its rows.

    `wanted`: the order's selection, its tables, and the key of its hashes. Raises ProofFailed if the choice is another
    one, or a row that arrived is not the one that was proven.
    """
    selection, tables, row_key = wanted
    found = staged.parent / findings.FOUND
    if not found.exists():
        raise _another(", ".join(sorted(tables)))
    with connect.frozen(staged) as source:
        encoding = str(connect.pragma(source, "encoding"))
    with created(target, encoding) as connection:
        connection.execute(f"ATTACH {literal(connect.uri(found, 'mode=ro'))} AS {_FOUND}")
        connection.execute(f"ATTACH {literal(connect.uri(staged, 'mode=ro&immutable=1'))} AS {NEW}")
        known = findings.known(connection, _FOUND)
        by_name = shapes(connection, sorted(tables), NEW)
        connection.execute("BEGIN")
        for name in sorted(tables):
            watch.check()
            chosen = selection.table(name)
            if chosen is None or name not in known or name not in by_name or known[name].text != by_name[name].text:
                raise _another(name)
            _carry(connection, by_name[name], f"{_FOUND}.{known[name].chosen}", (chosen, row_key))
        connection.execute("COMMIT")
        crashpoint.here("sqlite.delta.carried")


def _carry(connection: sqlite3.Connection, shape: Shape, source: str, wanted: tuple[ChosenTable, bytes]) -> None:
    chosen, row_key = wanted
    made = add(connection, shape, whole=chosen.whole)
    parts = ", ".join(f"e.{k}" for k in shape.parts)
    values = ", ".join(f"t.{connect.quoted(c)}" for c in shape.columns)
    there = connection.execute(f"SELECT 1 FROM {_FOUND}.sqlite_schema WHERE name = ?", (source.split(".")[1],))
    if there.fetchone() is None:
        raise _another(shape.name)
    connection.execute(
        f"INSERT INTO main.{made.rows} SELECT e.n, e.op, e.live, e.proven, {parts}, {values} FROM {source} e "
        f"LEFT JOIN {NEW}.{connect.quoted(shape.name)} t ON e.op <> 'D' AND {shape.at('t', 'e')} ORDER BY e.n"
    )
    counted = dict(connection.execute(f"SELECT op, COUNT(*) FROM main.{made.rows} GROUP BY op"))
    numbers = tuple(counted.get(op, 0) for op in "IUD")
    keyed = hash_of(connection, f"main.{made.rows}", shape, row_key)
    if numbers != (chosen.insert, chosen.change, chosen.remove) or keyed != chosen.keyed:
        raise _another(shape.name)
    check(connection, f"main.{made.rows}", shape)


def check(connection: sqlite3.Connection, entries: str, shape: Shape) -> None:
    """Raises ProofFailed unless each row carried is the one that was proven."""
    columns = ", ".join(stored(shape))
    with rows.as_stored(connection):
        carried = connection.execute(f"SELECT proven, {columns} FROM {entries} WHERE op <> 'D'")
        wrong = sum(rows.hashed(values) != proven for proven, *values in carried)
    if wrong:
        raise ProofFailed(
            f"{wrong} rows of {shape.name} beside live are not what was proven; live is untouched",
            hint="Look at the difference again; if this repeats, stage and verify again.",
        )


def hash_of(connection: sqlite3.Connection, entries: str, shape: Shape, row_key: bytes) -> str:
    """The keyed hash over entries: operation, key and both states; equal for equal sets."""
    whole = Keyed(row_key)
    with rows.as_stored(connection):
        for op, live, proven, *key in connection.execute(
            f"SELECT op, live, proven, {', '.join(shape.parts)} FROM {entries}"
        ):
            whole.add(bytes(op).decode(), (live, proven), key)
    return whole.hexdigest()


def applied(back: Path) -> list[tuple[Applied, int]]:
    """What was done, told by what is kept for the way back; and how many rows had changed and were replaced."""
    found = []
    with connect.frozen(back) as connection:
        for one in sets(connection):
            counted = dict(connection.execute(f"SELECT op, COUNT(*) FROM {one.rows} GROUP BY op"))
            done = Applied(
                name=one.name,
                inserted=counted.get("D", 0),
                changed=counted.get("U", 0),
                removed=counted.get("I", 0),
                moved=one.moved,
                keyed=one.keyed,
            )
            found.append((done, one.replaced))
    return found


def _another(table: str) -> ProofFailed:
    return ProofFailed(
        f"the rows chosen in {table} are not those that were agreed to; live is untouched",
        hint="Look at the difference again and agree to it.",
    )

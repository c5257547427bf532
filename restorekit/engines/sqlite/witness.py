"""Level 5 without a manifest: what arrived against what was delivered. It never proves that the delivery was whole."""

import json
import sqlite3
from pathlib import Path

from restorekit.engines.sqlite import connect, files, replay, rows
from restorekit.engines.sqlite.connect import quoted
from restorekit.engines.sqlite.tally import ALGORITHM, row_tables
from restorekit.model.artifact import Loaded
from restorekit.model.contents import Fingerprint
from restorekit.model.verdict import Check, Level, Outcome

_MOST = 20


def witness(staged: Path, loaded: Loaded) -> list[Check]:
    """For a database file: the staged bytes are the delivered bytes. For a dump: per table, rows and typed sums."""
    if loaded.dialect.get("producer") == files.PRODUCER:
        return [_same_bytes(staged, loaded)]
    columns = json.loads((staged.parent / replay.COLUMNS).read_text(encoding="utf-8"))
    with connect.frozen(staged) as connection:
        there = set(row_tables(connection))
        rows.typed(connection)
        return _tables(connection, loaded, there, columns)


def _check(name: str, outcome: Outcome, reason: str, evidence: tuple[str, ...] = ()) -> Check:
    return Check(level=Level.EQUAL, name=name, outcome=outcome, reason=reason, evidence=evidence)


def _same_bytes(staged: Path, loaded: Loaded) -> Check:
    size, digest = files.digest_of(staged)
    name = "the staged file is the delivered file"
    if (str(size), digest) == (loaded.dialect.get("bytes"), loaded.dialect.get("sha256")):
        reason = "byte for byte (SHA-256); whether the delivered file was live at its moment, no file can tell"
        return _check(name, "passed", reason, (f"sha256 {digest}",))
    return _check(name, "failed", "the staged file was changed after it was delivered", (f"sha256 {digest}",))


def _tables(
    connection: sqlite3.Connection, loaded: Loaded, there: set[str], columns: dict[str, list[str]]
) -> list[Check]:
    summed = [t for t in loaded.tables if t.witness is not None]
    wrong = [f"table {name} is not in the dump" for name in sorted(there - {t.name for t in loaded.tables})]
    for table in summed:
        if table.name not in there:
            wrong.append(f"table {table.name} is missing")
        elif _measured(connection, table.name, columns.get(table.name, [])) != table.witness:
            wrong.append(f"table {table.name}: not the rows of the dump")
    checks = []
    name = "every row of the dump arrived"
    if wrong:
        checks.append(_check(name, "failed", f"{len(wrong)} differences", tuple(wrong[:_MOST])))
    elif summed:
        total = sum(t.witness.rows for t in summed if t.witness)
        checks.append(_check(name, "passed", f"{len(summed)} tables, {total} rows equal to the text of the dump"))
    blind = [f"{t.name} {t.why_no_witness}" for t in loaded.tables if t.witness is None]
    if blind:
        checks.append(
            _check("tables without a witness", "skipped", f"{len(blind)} not comparable", tuple(blind[:_MOST]))
        )
    return checks


def _measured(connection: sqlite3.Connection, name: str, columns: list[str]) -> Fingerprint:
    """The same sum over what is staged; a table without INSERTs must have no row."""
    total = rows.Sum(ALGORITHM)
    names = ", ".join(quoted(c) for c in columns) or "1"
    for batch in rows.batches(connection.execute(f"SELECT {names} FROM {quoted(name)}")):
        for row in batch:
            total.add(row)
    return total.fingerprint()

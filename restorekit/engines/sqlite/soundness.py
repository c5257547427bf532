"""Level 4: is the file sound in itself."""

import sqlite3

from restorekit.engines.sqlite import schema
from restorekit.engines.sqlite.connect import literal, quoted, safe_text
from restorekit.model.verdict import Check, Level, Outcome

_MOST = 20


def sound(connection: sqlite3.Connection, *, report_orphans: bool) -> list[Check]:
    """integrity_check, foreign keys, AUTOINCREMENT counters. Definers do not exist here."""
    return [
        _integrity(connection),
        _orphans(connection, report=report_orphans),
        _counters(connection),
        _virtual(connection),
    ]


def _check(name: str, outcome: Outcome, reason: str = "", evidence: tuple[str, ...] = ()) -> Check:
    return Check(level=Level.SOUND, name=name, outcome=outcome, reason=reason, evidence=evidence)


def _integrity(connection: sqlite3.Connection) -> Check:
    try:
        found = [str(r[0]) for r in connection.execute(f"PRAGMA integrity_check({_MOST})")]
    except sqlite3.DatabaseError as error:
        found = [safe_text(error)]
    if found == ["ok"]:
        return _check("integrity_check", "passed")
    return _check("integrity_check", "failed", f"{len(found)} problems (at most {_MOST} are listed)", tuple(found))


def _orphans(connection: sqlite3.Connection, *, report: bool) -> Check:
    try:
        counted: dict[str, int] = {}
        for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check"):
            pair = f"{table} without its row in {parent}"
            counted[pair] = counted.get(pair, 0) + 1
    except sqlite3.DatabaseError as error:
        return _check("foreign keys", "failed", safe_text(error))
    evidence = tuple(f"{n} rows of {pair}" for pair, n in sorted(counted.items())[:_MOST])
    if not counted:
        return _check("foreign keys", "passed")
    reason = f"{sum(counted.values())} rows point to rows that do not exist"
    if report:
        return _check("foreign keys", "not_applicable", f"{reason}; SQLite did not enforce them", evidence)
    hint = "if the application lives with that, set `orphans: report` for this engine"
    return _check("foreign keys", "failed", f"{reason}; {hint}", evidence)


def _counters(connection: sqlite3.Connection) -> Check:
    """A counter that stands before the largest id would hand out an id twice."""
    try:
        name = literal("sqlite_sequence")
        if connection.execute(f"SELECT 1 FROM sqlite_schema WHERE name = {name}").fetchone() is None:
            return _check("counters", "not_applicable", "no table uses AUTOINCREMENT")
        behind = []
        there = {t.name for t in schema.tables(connection)}
        for table, value in connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall():
            if table in there:
                top = connection.execute(f"SELECT MAX(rowid) FROM {quoted(table)}").fetchone()[0]
                behind += [str(table)] if top is not None and (value is None or value < top) else []
    except sqlite3.DatabaseError as error:
        return _check("counters", "failed", safe_text(error))
    if behind:
        return _check("counters", "failed", f"the counter stands before the largest id: {', '.join(behind)}")
    return _check("counters", "passed")


def _virtual(connection: sqlite3.Connection) -> Check:
    """Virtual tables must be readable here, or nothing can be said about them."""
    broken = []
    try:
        virtual = [t for t in schema.tables(connection) if t.virtual]
    except sqlite3.DatabaseError as error:
        return _check("virtual tables", "failed", safe_text(error))
    for table in virtual:
        try:
            connection.execute(f"SELECT * FROM {quoted(table.name)} LIMIT 1").fetchone()
        except sqlite3.DatabaseError as error:
            broken.append(f"{table.name}: {safe_text(error)}")
    if broken:
        return _check("virtual tables", "failed", f"{len(broken)} cannot be read", tuple(broken))
    if not virtual:
        return _check("virtual tables", "not_applicable", "there are none")
    return _check("virtual tables", "passed")

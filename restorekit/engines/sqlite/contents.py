"""What a database holds, in one consistent read."""

import sqlite3
from datetime import UTC, datetime

from restorekit.engines.sqlite import rows, schema
from restorekit.engines.sqlite.connect import literal, pragma, primary, quoted
from restorekit.model.contents import Contents, ObjectContents, Origin, TableContents

SETTINGS = ("page_size", "encoding", "journal_mode", "auto_vacuum", "user_version", "application_id")


def settings(connection: sqlite3.Connection) -> dict[str, str]:
    """The settings that decide what the file means and how it may be exchanged."""
    return {name: str(pragma(connection, name)) for name in SETTINGS}


def describe(
    connection: sqlite3.Connection,
    tables: frozenset[str] | None = None,
    *,
    fingerprints: bool = True,
    tolerant: bool = False,
    origin: Origin = "measured",
) -> Contents:
    """Tables (or only `tables`), views, triggers and settings, all in one read transaction.

    A virtual table whose module is missing here has rows None: it cannot be read, and nothing is claimed of it. With
    `tolerant` the same goes for a damaged table: a damaged live must not keep anybody from replacing it.
    """
    began_at = datetime.now(UTC)
    own = not connection.in_transaction
    if own:
        connection.execute("BEGIN")
    try:
        known = settings(connection)
        all_tables = schema.tables(connection)
        wanted = [t for t in all_tables if tables is None or t.name in tables]
        counters = _counters(connection)
        things = schema.things(connection)
        factory = connection.text_factory
        rows.typed(connection)
        try:
            described = tuple(_table(connection, t, counters, (fingerprints, tolerant)) for t in wanted)
        finally:
            connection.text_factory = factory
    finally:
        if own:
            connection.execute("ROLLBACK")
    return Contents(
        origin=origin,
        taken_at=began_at,
        tables=described,
        objects=tuple(ObjectContents(kind=t.kind, name=t.name, hash=t.hash) for t in things),
        settings=known,
    )


def _table(
    connection: sqlite3.Connection, table: schema.Table, counters: dict[str, int], how: tuple[bool, bool]
) -> TableContents:
    fingerprints, tolerant = how
    taken, count = None, None
    try:
        if fingerprints:
            taken = rows.fingerprint(connection, table)
            count = taken.rows
        else:
            count = connection.execute(f"SELECT COUNT(*) FROM {quoted(table.name)}").fetchone()[0]
    except sqlite3.DatabaseError as error:
        damaged = tolerant and primary(error) == sqlite3.SQLITE_CORRUPT
        if not (damaged or (table.virtual and primary(error) == sqlite3.SQLITE_ERROR)):
            raise
        taken = count = None
    used = counters.get(table.name)
    return TableContents(
        name=table.name,
        rows=count,
        fingerprint=taken,
        schema_hash=table.hash,
        key=table.key,
        references=table.references,
        next_id=None if used is None else used + 1,
    )


def _counters(connection: sqlite3.Connection) -> dict[str, int]:
    """AUTOINCREMENT state; the table exists only where something uses it."""
    name = literal("sqlite_sequence")
    if connection.execute(f"SELECT 1 FROM sqlite_schema WHERE name = {name}").fetchone() is None:
        return {}
    return {
        str(t): int(seq) for t, seq in connection.execute("SELECT name, seq FROM sqlite_sequence") if seq is not None
    }

"""The end of an exchange that has reached live: look at it, take our mark away, say what slipped."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from restorekit import crashpoint
from restorekit.engines.sqlite import connect, journal, schema
from restorekit.engines.sqlite.connect import quoted
from restorekit.engines.sqlite.contents import describe
from restorekit.engines.sqlite.delta import changeset
from restorekit.engines.sqlite.gate import lock
from restorekit.engines.sqlite.journal import Record
from restorekit.engines.sqlite.places import Places, remove_database
from restorekit.engines.sqlite.schema import MARKER
from restorekit.errors import EngineUnavailable, GateTimeout
from restorekit.model.contents import Contents, TableContents
from restorekit.model.exchange import Applied, Exchanged, SlippedTable

_UNMARK_WAIT_S = 60.0


def found_in_live(places: Places, record: Record) -> bool:
    """True if the exchange was committed: live bears its mark. Raises UnknownName if live is gone."""
    if record.way == "create":
        made = places.candidates(record.target)
        return bool(made) and _same_file(made[0], places.hold(record.order_id))
    with connect.reader(places.live(record.target)) as live:
        return record.order_id in _marks(live)


def _same_file(one: Path, other: Path) -> bool:
    return other.exists() and one.samefile(other)


def discard(places: Places, record: Record) -> None:
    """Forget an exchange that never reached live. Its undo copy is a copy of what live still is."""
    for path in (places.undo(record.order_id), places.rows_undo(record.order_id)):
        remove_database(path)
    crashpoint.here("sqlite.settle.discarded")
    journal.forget(places, record.order_id)


def look(places: Places, record: Record) -> str:
    """Read a little of every table that was brought, as any reader would; what is wrong with it, or nothing.

    Raises sqlite3.OperationalError if live is locked: then nothing is known, and the same command looks again.
    """
    brought = [a.name for a in record.actions if a.method in ("exchange", "create")]
    try:
        with connect.reader(places.live(record.target)) as live:
            there = {t.name for t in schema.tables(live)}
            for name in brought:
                if name not in there:
                    return f"table {name} is missing"
                live.execute(f"SELECT * FROM {quoted(name)} LIMIT 1").fetchone()
                live.execute(f"SELECT COUNT(*) FROM {quoted(name)}").fetchone()
    except sqlite3.DatabaseError as error:
        if connect.primary(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return connect.safe_text(error)
        raise
    return ""


def finish(places: Places, record: Record) -> Exchanged:
    """From `exchanged` to `done`; every part may run again."""
    if record.way != "create":
        _unmark(places, record)
    crashpoint.here("sqlite.exchange.unmarked")
    with connect.frozen(places.path(journal.undo_place(record))) as copy:
        kept = describe(copy, tolerant=True)
    done = changeset.applied(places.rows_undo(record.order_id)) if record.rows_of else []
    exchanged = Exchanged(
        order_id=record.order_id,
        target=record.target,
        undo=journal.undo_place(record),
        undo_contents=kept,
        actions=record.actions,
        created=record.way == "create",
        gate="none" if record.way == "create" else "file_lock",
        slipped=(*(slipped(record, kept) if record.way != "rows" else ()), *_moved(record, done)),
        blocked_s=record.blocked_s,
        exchanged_at=record.exchanged_at or datetime.now(UTC),
        notes=record.notes,
        applied=tuple(one for one, _ in done),
    )
    journal.write(places, record.model_copy(update={"phase": "done", "exchanged": exchanged}))
    crashpoint.here("sqlite.exchange.done")
    remove_database(places.hold(record.order_id))
    remove_database(places.rows_held(record.order_id))
    return exchanged


def _moved(record: Record, done: list[tuple[Applied, int]]) -> Iterator[SlippedTable]:
    """Rows that were not any more as they had been shown, or as an exchange had left them."""
    for one, replaced in done:
        shown = record.shown.table(one.name) if record.shown else None
        notes = [f"{one.moved} rows had changed meanwhile and are left as they are"] if one.moved else []
        notes += [f"{replaced} rows had changed meanwhile; what they had become is kept"] if replaced else []
        if notes:
            count = shown.rows if shown else None
            yield SlippedTable(name=one.name, live_rows_shown=count, live_rows_found=None, note="; ".join(notes))


def slipped(record: Record, found: Contents) -> list[SlippedTable]:
    """Tables of which the exchange took something that nobody was shown."""
    if record.shown is None:
        return []
    names = {t.name for t in (*record.shown.tables, *found.tables)}
    if record.way == "tables":
        names &= record.touched
    wanted = sorted(n for n in names if not any(fnmatchcase(n, v) for v in record.volatile))
    return list(_slipped(record.shown, found, wanted))


def _slipped(shown: Contents, found: Contents, names: list[str]) -> Iterator[SlippedTable]:
    for name in names:
        before, now = shown.table(name), found.table(name)
        note = _note(before, now)
        if note:
            yield SlippedTable(
                name=name,
                live_rows_shown=before.rows if before else None,
                live_rows_found=now.rows if now else None,
                note=note,
            )


def _note(before: TableContents | None, now: TableContents | None) -> str:
    if before is None or now is None:
        return "" if before is now else "appeared" if before is None else "was removed"
    if before.schema_hash != now.schema_hash:
        return "its definition was changed"
    if before.rows != now.rows:
        return f"{now.rows} rows instead of {before.rows}"
    comparable = before.fingerprint is not None and now.fingerprint is not None
    return "other content in the same number of rows" if comparable and before.fingerprint != now.fingerprint else ""


def _marks(connection: sqlite3.Connection) -> set[str]:
    there = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (MARKER,)).fetchone()
    return {str(row[0]) for row in connection.execute(f"SELECT id FROM {quoted(MARKER)}")} if there else set()


def _unmark(places: Places, record: Record) -> None:
    """Take our table out of live; writers may have to wait for it, and it for them."""
    with connect.writer(places.live(record.target)) as live:
        try:
            lock(live, "BEGIN IMMEDIATE", _UNMARK_WAIT_S)
            if record.order_id in _marks(live):
                live.execute(f"DROP TABLE {MARKER}")
            lock(live, "COMMIT", _UNMARK_WAIT_S)
        except GateTimeout:
            raise EngineUnavailable(
                f"{record.target} was exchanged, but is locked by another program",
                hint="Run the same command again: it finishes what is left and changes nothing else.",
            ) from None

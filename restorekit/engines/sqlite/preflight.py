"""Everything that speaks against an exchange, found before anything happens."""

import os
import sqlite3
from collections.abc import Iterator

from restorekit.engines.sqlite import connect, journal, ways
from restorekit.engines.sqlite.places import Places
from restorekit.engines.sqlite.schema import MARKER
from restorekit.errors import LiveChanged, PreflightRefused
from restorekit.model.exchange import ExchangeOrder, Finding

_COPY_BYTES_S = 200e6
"""Faster than any copy measured: what is over budget at this speed is over budget for certain."""


def preflight(places: Places, order: ExchangeOrder) -> list[Finding]:
    """Findings about the target, the two files and the room on disk."""
    staged = places.path(order.staging)
    if not staged.exists():
        return [_refuse("staging_gone", f"the staged database of {order.id} is gone", "Stage again.")]
    if order.live is None:
        return [*_new_name(places, order), *_room(places, staged.stat().st_size, 0)]
    if not places.candidates(order.target):
        return [
            _refuse("live_gone", f"the database {order.target} is no longer there", "Look at the difference again.")
        ]
    found = [*_layout(places, order), *_blocked(order)]
    with connect.explained(f"database {order.target}"):
        rows_only = ways.rows_only(places, order)
    if rows_only:
        return [*found, *_room(places, sum(a.size_bytes or 0 for a in order.actions), 0)]
    size = staged.stat().st_size
    return [*found, *_room(places, size, places.live(order.target).stat().st_size), *_gate(order, size)]


def refuse_what_preflight_refuses(places: Places, order: ExchangeOrder) -> None:
    """Raises LiveChanged or PreflightRefused with the first finding that forbids the exchange."""
    if order.live is None and places.candidates(order.target):
        raise LiveChanged(
            f"a database {order.target} has appeared since the difference was shown; it is untouched",
            hint="Look at the difference again.",
        )
    refused = [f for f in preflight(places, order) if f.severity == "refuse"]
    if refused:
        raise PreflightRefused(
            f"{refused[0].text}; live is untouched",
            hint=refused[0].hint,
            details=tuple(f"{f.code}: {f.text}" for f in refused),
        )


def _refuse(code: str, text: str, hint: str) -> Finding:
    return Finding(severity="refuse", code=code, text=text, hint=hint)


def _new_name(places: Places, order: ExchangeOrder) -> Iterator[Finding]:
    if places.candidates(order.target):
        yield _refuse("target_exists", f"a database {order.target} exists already", "Look at the difference again.")
    if not os.access(places.directory, os.W_OK):
        yield _refuse("not_writable", f"{places.directory} cannot be written", "Give restorekit's user the right.")


def _layout(places: Places, order: ExchangeOrder) -> Iterator[Finding]:
    with (
        connect.explained(f"database {order.target}"),
        connect.reader(places.live(order.target)) as live,
        connect.frozen(places.path(order.staging)) as staged,
    ):
        theirs, ours = (
            {name: str(connect.pragma(c, name)) for name in ("encoding", "page_size", "auto_vacuum")}
            for c in (live, staged)
        )
        yield from _foreign_mark(places, live, order)
    if ours["encoding"] != theirs["encoding"]:
        # Measured: it is accepted, and then every open connection of the customer fails until it reconnects.
        yield _refuse(
            "encoding",
            f"the backup's text is {ours['encoding']}, live's is {theirs['encoding']}",
            "Restore under another name and carry the rows over.",
        )
    for name in ("page_size", "auto_vacuum"):
        if ours[name] != theirs[name]:
            text = f"{name} is {ours[name]} in the backup and stays {theirs[name]} in live"
            yield Finding(severity="warn", code=name, text=text)


def _foreign_mark(places: Places, live: sqlite3.Connection, order: ExchangeOrder) -> Iterator[Finding]:
    """Our marker's name must be free, or bear a mark of ours that the exchange will finish first."""
    if live.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (MARKER,)).fetchone() is None:
        return
    columns = [r[1] for r in live.execute(f"PRAGMA table_info({MARKER})")]
    ids = [str(r[0]) for r in live.execute(f"SELECT id FROM {MARKER} LIMIT 10")] if columns == ["id"] else []
    if not ids or any(i != order.id and journal.read(places, i) is None for i in ids):
        yield _refuse("marker_name", f"live has a table {MARKER} that is not ours", "Rename that table.")


def _room(places: Places, new: int, old: int) -> Iterator[Finding]:
    """Holding copy, undo copy, and the journal or WAL that grows with the exchange."""
    state = os.statvfs(places.directory)
    free, needed = state.f_bavail * state.f_frsize, new + old + max(new, old)
    if free < needed:
        text = f"{needed} bytes are needed beside live and {free} are free"
        yield Finding(severity="wait", code="disk", text=text, hint="Free some space and try again.")


def _blocked(order: ExchangeOrder) -> Iterator[Finding]:
    """Rows written while a whole table is proven: as long as was foretold."""
    foretold = sum(a.blocked_s or 0.0 for a in order.actions if a.method == "delta")
    if order.gate == "closed" and foretold > order.policy.gate_max_s:
        yield _refuse(
            "gate_budget",
            f"writers would be held for about {foretold:.1f} s, {order.policy.gate_max_s:g} s are allowed",
            "Allow a longer `gate_max` in the playbook, or bring back only the rows that are missing.",
        )


def _gate(order: ExchangeOrder, size: int) -> Iterator[Finding]:
    least = size / _COPY_BYTES_S
    if least > order.policy.gate_max_s:
        yield _refuse(
            "gate_budget",
            f"writers would be held for {least:.1f} s at least, {order.policy.gate_max_s:g} s are allowed",
            "Allow a longer `gate_max` in the playbook, or restore single tables.",
        )

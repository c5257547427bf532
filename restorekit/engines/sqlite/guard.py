"""What a dump may do while it is loaded: make tables and rows in its own file. Everything else is refused."""

import sqlite3
from typing import Any

from restorekit.ports import Watch

_MODULES = frozenset({"fts3", "fts4", "fts5", "rtree", "rtree_i32"})
_PRAGMAS = frozenset({"user_version", "application_id", "data_version"})
_REFUSED = {
    sqlite3.SQLITE_ATTACH: "ATTACH (another file)",
    sqlite3.SQLITE_DETACH: "DETACH",
    sqlite3.SQLITE_TRANSACTION: "a transaction of its own",
    sqlite3.SQLITE_CREATE_TEMP_TABLE: "a temporary table",
    sqlite3.SQLITE_CREATE_TEMP_VIEW: "a temporary view",
    sqlite3.SQLITE_CREATE_TEMP_TRIGGER: "a temporary trigger",
    sqlite3.SQLITE_CREATE_TEMP_INDEX: "a temporary index",
}
_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer"})
_CHANGES = (sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE)
_STEPS = 100_000


class Guard:
    """SQLite's authorizer and progress handler for one load.

    `denied` says what the last refusal was about, `stopped` is what the watch raised; `disturbed` are tables whose rows
    were changed by something other than an INSERT of the stream.
    """

    def __init__(self, watch: Watch) -> None:
        """`watch.check` is asked during long statements, too."""
        self._watch = watch
        self.denied = ""
        self.stopped: BaseException | None = None
        self.disturbed: set[str] = set()

    def on(self, connection: sqlite3.Connection) -> None:
        """From now on statements are guarded."""
        connection.set_authorizer(self._allow)
        connection.set_progress_handler(self._go_on, _STEPS)

    def off(self, connection: sqlite3.Connection) -> None:
        """For statements of our own."""
        connection.set_authorizer(None)
        connection.set_progress_handler(None, 0)

    def _go_on(self) -> int:
        try:
            self._watch.check()
        except BaseException as error:  # noqa: BLE001 - SQLite would swallow it; it is raised again after the statement
            self.stopped = error
            return 1
        return 0

    def _allow(self, action: int, first: str | None, second: str | None, _schema: Any, trigger: str | None) -> int:
        if action in _CHANGES or (action == sqlite3.SQLITE_INSERT and trigger is not None):
            self.disturbed.add(str(first))
        reason = _REFUSED.get(action) or _reason(action, first, second)
        if reason:
            self.denied = reason
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK


def _reason(action: int, first: str | None, second: str | None) -> str:
    if action == sqlite3.SQLITE_PRAGMA and (first or "").lower() not in _PRAGMAS:
        return f"PRAGMA {first}"
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _FUNCTIONS:
        return f"the function {second}"
    if action == sqlite3.SQLITE_CREATE_VTABLE and (second or "").lower() not in _MODULES:
        return f"a virtual table of module {second}"
    return ""

"""What every part of the store works with."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table, insert, update

from restorekit.catalog.database import Database
from restorekit.ports import Clock


class SystemClock:
    """The machine's time in UTC."""

    def now(self) -> datetime:
        """Now."""
        return datetime.now(UTC)


class Part:
    """One topic of the store, on the same database and clock as all others."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._db = database
        self._clock = clock or SystemClock()


def put(connection: Connection, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Overwrite the row of that key, or add it; the write lock of the transaction keeps the two apart from others."""
    same = [table.c[name] == value for name, value in key.items()]
    if connection.execute(update(table).where(*same).values(dict(values))).rowcount == 0:
        connection.execute(insert(table).values({**key, **values}))

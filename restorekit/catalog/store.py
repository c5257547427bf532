"""The catalog over one database; everything it keeps, by topic."""

from sqlalchemy import Engine

from restorekit.catalog.database import open_database
from restorekit.catalog.names import NamesPart
from restorekit.catalog.past import PastPart
from restorekit.catalog.points import PointsPart
from restorekit.catalog.runs import RunsPart
from restorekit.catalog.values import ValuesPart
from restorekit.ports import Clock


class Store(PointsPart, NamesPart, RunsPart, ValuesPart, PastPart):
    """Implements `restorekit.ports.Catalog`."""

    @property
    def engine(self) -> Engine:
        """The one engine, handed to the workflow engine, which keeps its tables in the same database."""
        return self._db.engine

    def close(self) -> None:
        """Give back all connections."""
        self._db.engine.dispose()


def open_store(url: str, clock: Clock | None = None) -> Store:
    """Open the state database, creating and migrating it where needed; two processes at once are fine.

    Raises ConfigError for a URL that is not `sqlite:////…` or `postgresql+psycopg://…`, and for tables that are
    newer than this program; Temporary when the server does not answer.
    """
    return Store(open_database(url), clock)

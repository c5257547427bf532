"""SQLite: a folder of database files, restored beside live and exchanged under the database's own lock."""

from restorekit import ports
from restorekit.engines.sqlite.engine import SQLite
from restorekit.engines.sqlite.journal import CRASH_POINTS

__all__ = ["CRASH_POINTS", "PROVIDER", "SQLite"]

PROVIDER = SQLite
_conforms: type[ports.Engine] = SQLite

"""Statements as events of a log carry them."""

from typing import NamedTuple

from restorekit.engines.mariadb.binlog import events
from restorekit.engines.mariadb.binlog.events import HEADER_BYTES, Unreadable
from restorekit.engines.mariadb.binlog.images import Uncountable, inflated
from restorekit.engines.mariadb.binlog.text import Mode

_NO_BACKSLASH_ESCAPES, _ANSI_QUOTES = 1 << 20, 4
_HAS_FLAGS, _HAS_SQL_MODE = b"\x00", b"\x01"


class Statement(NamedTuple):
    """Its default database, what quotes mean in it, its text, and its bytes in the log.

    How long it took is not said: the log's figure includes a replica's lag and is absurd under SET TIMESTAMP.
    """

    database: str
    mode: Mode
    text: bytes
    size: int


def statement(kind: int, data: bytes, span: tuple[int, int]) -> Statement:
    """Read the event in data[span]. Raises Unreadable for a compressed text that is none."""
    at, end = span
    status = at + HEADER_BYTES + (26 if kind == events.EXECUTE_LOAD else 13)
    default = status + int.from_bytes(data[at + 30 : at + 32], "little")
    after = default + data[at + 27]
    text = data[after + 1 : end]
    if kind == events.QUERY_COMPRESSED:
        try:
            text = inflated(text)
        except (Uncountable, IndexError) as error:
            raise Unreadable("holds a compressed statement that cannot be read") from error
    database = data[default:after].decode("utf-8", "replace")
    return Statement(database, _mode(data[status:default]), text, end - at)


def _mode(status: bytes) -> Mode:
    """What the session's sql_mode says about quotes; it stands first, or behind the five bytes of the flags."""
    at = 5 if status[:1] == _HAS_FLAGS else 0
    if status[at : at + 1] != _HAS_SQL_MODE:
        return Mode()
    sql_mode = int.from_bytes(status[at + 1 : at + 9], "little")
    return Mode(not sql_mode & _NO_BACKSLASH_ESCAPES, bool(sql_mode & _ANSI_QUOTES))

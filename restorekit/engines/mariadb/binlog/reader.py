"""One file of a binary log, event by event. What reaches the ledger are whole transactions, never a part of one.

The hot path is a loop over headers with one call per event that matters; everything else happens once per
transaction. A file is read in windows, so memory holds one window or the largest single event.
"""

import os
import struct
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

from restorekit.engines.mariadb.binlog import events
from restorekit.engines.mariadb.binlog.deeds import Deed, deeds
from restorekit.engines.mariadb.binlog.events import HEADER, HEADER_BYTES, Cut, Unreadable
from restorekit.engines.mariadb.binlog.images import Table, Uncountable, counted, described, inflated
from restorekit.engines.mariadb.binlog.ledger import MINUTE_S, Ledger
from restorekit.engines.mariadb.binlog.statements import Statement, statement
from restorekit.engines.mariadb.binlog.text import digest
from restorekit.engines.mariadb.binlog.transaction import Transaction
from restorekit.model.changes import Blow, Op

WINDOW = 1 << 22
_MOST_TABLES = 1 << 16
_LONGEST_TEXT = 1 << 16
_POSITIONS = 0xFFFFFFFF
_NOBODYS = Table(-1, None)
_STATEMENT_ENDS = 1
_NO_TABLE = b"\xff" * 6
"""A row event of this table has no rows: it only ends a statement."""

Event = Callable[[bytes, int, int, int], None]
"""Gets the window, where in it the event begins, where its body ends, and its seconds since the epoch."""


class Reader:
    """Reads one file into `ledger`; the attributes say how far it came and what could not be known."""

    def __init__(self, path: Path, ledger: Ledger) -> None:
        self.path = path
        self.born = 0
        self.safe = 0
        """Where the next transaction begins: everything before it is booked."""
        self.last = 0
        """Seconds since the epoch of the last event that was booked."""
        self.minutes: defaultdict[int, int] = defaultdict(int)
        self.by_statement = False
        self.incidents: list[int] = []
        self.uncounted: set[int] = set()
        self._ledger = ledger
        self._open = self._outside = Transaction()
        self._tables: dict[bytes, Table] = {}
        self._maps: dict[bytes, Table] = {}
        self._base = self._checksum = self._file = 0
        self._handlers = self._dispatch()

    def _dispatch(self) -> list[Event | None]:
        """By kind of event: what to do with it, None for one that says nothing about changes."""
        found: list[Event | None] = [self._strange] * 256
        for kind in (*events.WITHOUT_CHANGES, events.FORMAT):
            found[kind] = None
        ops: dict[Op, frozenset[int]] = {"I": events.INSERTS, "U": events.UPDATES, "D": events.DELETES}
        for op, kinds in ops.items():
            for kind in kinds:
                found[kind] = partial(self._rows, op, kind)
        for kind in (events.QUERY, events.QUERY_COMPRESSED, events.EXECUTE_LOAD):
            found[kind] = partial(self._query, kind)
        for kind in (events.XID, events.XA_PREPARE):
            found[kind] = self._end
        for kind in (events.ROTATE, events.STOP):
            found[kind] = self._close
        for kind in (events.MYSQL_GTID, events.MYSQL_ANONYMOUS):
            found[kind] = self._begin_mysql
        found[events.GTID] = self._begin
        found[events.TABLE_MAP] = self._table
        found[events.ANNOTATE] = self._annotate
        found[events.INCIDENT] = self._incident
        return found

    def read(self, position: int = 0) -> None:
        """Read from `position` (0: the beginning) to the end. Raises Cut, Unreadable, OSError.

        Whatever is raised, whole transactions before it are in the ledger, and `safe` is where to go on.
        """
        with self.path.open("rb") as file:
            form = events.format_of(file)
            self.born = self.last = form.born
            self._checksum, self._file = form.checksum, file.fileno()
            self.safe = at = max(position, form.end)
            size = os.fstat(self._file).st_size
            if at > size:
                raise Unreadable(f"has {size} bytes, and {at} were read before")
            while at + HEADER_BYTES <= size:
                at = self._window(at, size)
            if at < size or self._open.at >= 0:
                raise Cut(f"ends inside a transaction that begins at {self.safe}")

    def _window(self, at: int, size: int) -> int:
        """Read the window that begins at `at`, at least one event; where the next window begins."""
        data = os.pread(self._file, WINDOW, at)
        if len(data) < HEADER_BYTES:
            raise Cut(f"has become shorter than {size}")
        _, _, need, position = HEADER(data)
        if (at + need) & _POSITIONS != position:  # before memory is asked for on the word of a damaged length
            raise _damaged(at, need)
        if at + need > size:
            raise Cut(f"ends inside an event that begins at {at}")
        if need > len(data) and len(data := os.pread(self._file, need, at)) < need:
            raise Cut(f"has become shorter than {size}")
        self._base = at
        try:
            return at + self._events(data)
        except (IndexError, struct.error) as error:
            raise Unreadable(f"is damaged behind {self.safe}: an event is shorter than its kind") from error

    def _events(self, data: bytes) -> int:
        at, most = 0, len(data)
        base, handlers, checksum = self._base, self._handlers, self._checksum
        while at + HEADER_BYTES <= most:
            ts, kind, size, position = HEADER(data, at)
            after = at + size
            if after > most:
                break
            if size < HEADER_BYTES or (base + after) & _POSITIONS != position:
                raise _damaged(base + at, size)
            handle = handlers[kind]
            if handle is not None:
                handle(data, at, after - checksum, ts)
            at = after
        return at

    def _strange(self, data: bytes, at: int, _end: int, _ts: int) -> None:
        """An event of a kind that is not known here; whoever wrote it may call it ignorable."""
        if not data[at + 17] & events.IGNORABLE:
            raise _unknown(data[at + 4], self._base + at)

    # ---- transactions ----

    def _begin(self, data: bytes, at: int, end: int, ts: int) -> None:
        if self._open.at >= 0:
            self._abandon(ts, self._base + at)
        self._open = Transaction(self._base + at, data[at:end])
        self.minutes[ts // MINUTE_S] += 1

    def _begin_mysql(self, _data: bytes, at: int, _end: int, ts: int) -> None:
        if self._open.at >= 0:
            self._abandon(ts, self._base + at)
        self._open = Transaction(self._base + at)
        self.minutes[ts // MINUTE_S] += 1

    def _end(self, _data: bytes, _at: int, end: int, ts: int) -> None:
        self._commit(ts, self._base + end + self._checksum)

    def _commit(self, ts: int, after: int) -> None:
        """Everything of the open transaction counts from now on, and nothing of it will be read again."""
        transaction, self._open = self._open, self._outside
        self.safe, self.last = after, ts
        if transaction.remarkable:
            self._judge(transaction, ts)
        if transaction.changes:
            self._ledger.book(transaction.changes)

    def _abandon(self, ts: int, after: int) -> None:
        """The log goes on, and the open transaction has had no end that we know: how much of it counts is unknown."""
        if self._open.at >= 0:
            self._open.doubtful = True
        self._commit(ts, after)

    def _close(self, _data: bytes, _at: int, end: int, ts: int) -> None:
        self._abandon(ts, self._base + end + self._checksum)

    def _judge(self, transaction: Transaction, ts: int) -> None:
        """Blows, and what is not certain."""
        if transaction.doubtful and transaction.changes:
            self.by_statement = True
            transaction.doubt()
        for number, kind, total in transaction.masses():
            rows = None if transaction.doubtful else total.rows
            database, table = self._ledger.names[number]
            culprit = self._annotation(total.culprit)
            self._blow(transaction, Deed(database, table, kind=kind), (total.began, ts, rows, culprit))
        for deed, began, text in transaction.blows:
            self._blow(transaction, deed, (began, began, None, text))

    def _blow(self, transaction: Transaction, deed: Deed, found: tuple[int, int, int | None, str]) -> None:
        began, ended, rows, text = found
        assert deed.kind is not None
        position = f"{self.path.name}:{transaction.at}"
        blow = Blow(began, max(began, ended), deed.table, deed.kind, rows, text, position, transaction.gtid)
        self._ledger.blow(deed.database, blow)

    def _incident(self, _data: bytes, _at: int, end: int, ts: int) -> None:
        self.incidents.append(ts)
        self._abandon(ts, self._base + end + self._checksum)

    # ---- rows ----

    def _annotate(self, _data: bytes, at: int, _end: int, _ts: int) -> None:
        self._open.annotated = self._base + at

    def _annotation(self, at: int) -> str:
        if at < 0:
            return ""
        size = HEADER(os.pread(self._file, HEADER_BYTES, at))[2] - HEADER_BYTES - self._checksum
        return digest(os.pread(self._file, min(size, _LONGEST_TEXT), at + HEADER_BYTES))

    def _table(self, data: bytes, at: int, end: int, _ts: int) -> None:
        body = data[at + HEADER_BYTES : end]
        table = self._maps.get(body)
        if table is None:
            if len(self._maps) >= _MOST_TABLES:
                self._maps.clear()
            schema, name, sizes = described(body)
            table = self._maps[body] = Table(self._ledger.number(schema, name), sizes)
        self._tables[body[:6]] = table

    def _rows(self, op: Op, kind: int, data: bytes, at: int, end: int, ts: int) -> None:
        transaction = self._open
        table = self._tables.get(data[at + 19 : at + 25])
        if table is None or transaction.at < 0:
            table = self._nobodys(data, at)
        if table.number >= 0:
            change = transaction.change(ts, table.number, op)
            change.bytes += end - at + self._checksum
            try:
                rows = _rows_in(table, (op, kind), data, at + 27, end)
            except (Uncountable, IndexError):
                change.unknown = self.by_statement = True
                self.uncounted.add(table.number)
            else:
                change.rows += rows
                if op != "I":
                    transaction.mass += rows
                    change.rows_now += rows
                    if change.rows_now > change.most:
                        change.most, change.culprit = change.rows_now, transaction.annotated
        if data[at + 25] & _STATEMENT_ENDS:
            transaction.statement += 1

    def _nobodys(self, data: bytes, at: int) -> Table:
        if data[at + 19 : at + 25] != _NO_TABLE:
            raise Unreadable(f"is damaged at {self._base + at}: rows of an unknown table")
        return _NOBODYS

    # ---- statements ----

    def _query(self, kind: int, data: bytes, at: int, end: int, ts: int) -> None:
        said = statement(kind, data, (at, end))
        transaction = self._open
        if transaction.at < 0:  # a log without names of transactions
            transaction = self._open = Transaction(self._base + at)
            transaction.single = said.text != b"BEGIN"
        if said.text in {b"COMMIT", b"ROLLBACK"}:
            transaction.doubtful |= said.text == b"ROLLBACK"
            self._commit(ts, self._base + end + self._checksum)
            return
        if said.text == b"BEGIN":
            transaction.single = False
        elif said.text.startswith(b"ROLLBACK TO"):
            transaction.doubtful = True
        elif not transaction.in_between:
            self._did(said, ts)
        if transaction.single:
            self._commit(ts, self._base + end + self._checksum)

    def _did(self, said: Statement, ts: int) -> None:
        done = deeds(said.text, said.database, said.mode)
        if self._open.defines:
            done = [d if d.op != "?" else Deed(d.database, "", kind="other_ddl") for d in done]
        if blows := [deed for deed in done if deed.kind is not None]:
            shown = digest(said.text[:_LONGEST_TEXT], said.mode)
            self._open.blows += [(deed, ts, shown) for deed in blows]
        for database, table, op, _ in done:
            if op is None:
                continue
            self.by_statement = True
            number = self._ledger.number(database, table)
            if number >= 0:
                change = self._open.change(ts, number, op)
                change.unknown = True
                change.bytes += said.size
        self._open.statement += 1


def _damaged(at: int, size: int) -> Unreadable:
    return Unreadable(f"is damaged at {at}: an event of {size} bytes cannot be there")


def _unknown(kind: int, at: int) -> Unreadable:
    if kind == events.START_ENCRYPTION:
        return Unreadable("is encrypted")
    if kind == events.MYSQL_PAYLOAD:
        return Unreadable(f"holds compressed transactions of MySQL (at {at})")
    return Unreadable(f"holds an event of an unknown kind, {kind}, at {at}")


def _rows_in(table: Table, what: tuple[Op, int], data: bytes, at: int, end: int) -> int:
    op, kind = what
    if kind in events.SECOND_VERSION:
        at += data[at] | data[at + 1] << 8
    rows = table.last.get(op)
    if rows is None or not data.startswith(rows.head, at):
        rows = table.rows(data, at, op)
    at += len(rows.head)
    if kind in events.COMPRESSED_ROWS:
        data = inflated(data[at:end])
        at, end = 0, len(data)
    return counted(data, at, end, rows.images)

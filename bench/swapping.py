"""For how long writers are held back by a swap: the longest gap between a real writer's acknowledged writes."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pymysql

from bench.ground import Ground
from bench.table import Line

_ROWS = 200
_PAUSE_S = 0.001
_PASSWORD = "pw"  # noqa: S105


class Writer:
    """A customer's application: one row after the other, a new connection when it has lost its own."""

    def __init__(self, ground: Ground, schema: str, tables: int) -> None:
        self._ground, self._schema, self._tables = ground, schema, tables
        self._stop = threading.Event()
        self._last = 0.0
        self.acknowledged = 0
        self.longest_s = 0.0

    @contextlib.contextmanager
    def at_work(self) -> Iterator["Writer"]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            self.some_more(100)
            self.longest_s = 0.0
            yield self
            self.some_more(100)
        finally:
            self._stop.set()
            thread.join()

    def some_more(self, writes: int) -> None:
        """Wait until that many more have been acknowledged."""
        wanted, end = self.acknowledged + writes, time.monotonic() + 60
        while self.acknowledged < wanted:
            assert time.monotonic() < end, "the writer is held back for a minute"
            time.sleep(0.001)

    def _run(self) -> None:
        self._last = time.perf_counter()
        while not self._stop.is_set():
            with contextlib.suppress(pymysql.err.MySQLError):
                self._session()
            time.sleep(_PAUSE_S)

    def _session(self) -> None:
        with (
            self._ground.live.connect(self._schema, user=self._schema, password=_PASSWORD) as connection,
            connection.cursor() as cursor,
        ):
            while not self._stop.is_set():
                number = self.acknowledged % self._tables
                cursor.execute(f"UPDATE t{number} SET n = n + 1 WHERE id = 1")
                now = time.perf_counter()
                self.longest_s = max(self.longest_s, now - self._last)
                self._last = now
                self.acknowledged += 1
                time.sleep(_PAUSE_S)


@dataclass
class Swapping:
    """A database of so many tables; all of them are exchanged."""

    ground: Ground
    tables: int
    line: Line = field(init=False)
    _point: str = ""

    def __post_init__(self) -> None:
        what = f"writer blocked by a swap, {self.tables} tables"
        self.line = Line(what, "blocked by a bare RENAME of them", demand="<= 5 s")

    @property
    def name(self) -> str:
        return f"wide{self.tables}"

    def prepare(self) -> None:
        """The customer, his backup, and a second database for the bare RENAME."""
        live = self.ground.live
        for schema in (self.name, f"bare{self.tables}"):
            live.script(
                f"CREATE DATABASE {schema}; CREATE USER {schema}@localhost IDENTIFIED BY '{_PASSWORD}';"
                f"GRANT ALL ON {schema}.* TO {schema}@localhost;"
            )
            live.script(self._made(), schema)
        target = self.ground.folder / "dumps" / "db1" / f"{self.name}.sql"
        self.ground.ok("capture", self.name, "--to", str(target))
        self._point = self.ground.house.point(self.name)

    def round(self) -> None:
        """The swap, then the bare RENAME, each under its writer."""
        damage = "".join(f"UPDATE t{n} SET n = -1 WHERE id > 1;" for n in range(self.tables))
        self.ground.live.script(damage, self.name)
        with Writer(self.ground, self.name, self.tables).at_work() as swapped:
            told = self.ground.ok("restore", self.name, "--point", self._point, "--yes", "--json").json
        assert told["state"] == "swapped"
        assert self.ground.live.one(f"SELECT MIN(n) FROM t{self.tables - 1}", self.name) >= 0
        renamed = self._bare()
        self.line.pairs.append((swapped.longest_s, renamed.longest_s))
        self.line.held = self.line.held and swapped.longest_s <= 5

    def _bare(self) -> Writer:
        live, schema = self.ground.live, f"bare{self.tables}"
        live.script(f"CREATE OR REPLACE DATABASE {schema}_new; CREATE OR REPLACE DATABASE {schema}_old")
        live.script(self._made(), f"{schema}_new")
        away = [f"{schema}.t{n} TO {schema}_old.t{n}" for n in range(self.tables)]
        here = [f"{schema}_new.t{n} TO {schema}.t{n}" for n in range(self.tables)]
        with Writer(self.ground, schema, self.tables).at_work() as writer:
            live.rows(f"RENAME TABLE {', '.join(away + here)}")
        return writer

    def _made(self) -> str:
        return "".join(
            f"CREATE TABLE t{n} (id INT PRIMARY KEY, n INT, word VARCHAR(40), KEY (word));"
            f"INSERT INTO t{n} SELECT seq, seq, MD5(seq) FROM seq_1_to_{_ROWS};"
            for n in range(self.tables)
        )

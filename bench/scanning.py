"""How fast a binary log becomes a history of changes, against the server's own tool and a counting script."""

import contextlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from servers.mariadb import LiveServer

from bench.table import Line, timed
from restorekit.engines.mariadb.binlog import scan_files

_SCHEMAS = ("shop", "blog", "forum", "wiki")
_LOOPS_PER_MB = 430
_TABLES = """
CREATE TABLE sessions (id INT PRIMARY KEY, token CHAR(32), data TEXT, at TIMESTAMP(6));
CREATE TABLE visits (id INT PRIMARY KEY AUTO_INCREMENT, url VARCHAR(300), ip INET6, agent VARCHAR(200), at DATETIME);
CREATE TABLE counter (id INT PRIMARY KEY, n BIGINT, seen DATE);
CREATE TABLE posts (id INT PRIMARY KEY, author BIGINT UNSIGNED, made DATETIME, body LONGTEXT, title TEXT, excerpt TEXT,
  state VARCHAR(20), comments VARCHAR(20), name VARCHAR(200), ping TEXT, parent BIGINT, guid VARCHAR(255),
  position INT, kind VARCHAR(20), mime VARCHAR(100), amount BIGINT);
CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, price DECIMAL(12,2), state ENUM('open','paid'),
  note VARCHAR(80));
CREATE TABLE items (id INT PRIMARY KEY AUTO_INCREMENT, of_order INT, sku CHAR(12), qty SMALLINT, price DECIMAL(9,2));
INSERT INTO sessions SELECT seq, MD5(seq), '', NOW(6) FROM seq_1_to_500;
INSERT INTO counter SELECT seq, 0, CURDATE() FROM seq_1_to_50;
INSERT INTO posts SELECT seq, 1, NOW(), REPEAT('Lorem ipsum ', 150), SHA1(seq), '', 'publish', 'open', MD5(seq), NULL,
  0, CONCAT('https://example.org/?p=', seq), 0, 'post', '', 0 FROM seq_1_to_300;
DELIMITER //
CREATE PROCEDURE traffic(n INT)
FOR i IN 1..n DO
  UPDATE sessions SET data = REPEAT(MD5(i), 9), at = NOW(6) WHERE id = 1 + i % 500;
  INSERT INTO visits (url, ip, agent, at) VALUES (CONCAT('/page/', i, '?q=', MD5(i)), '2001:db8::1', SHA2(i, 512),
    NOW());
  UPDATE counter SET n = n + 1 WHERE id = 1 + i % 50;
  IF i % 5 = 0 THEN
    START TRANSACTION;
    INSERT INTO orders (price, state, note) VALUES (i / 7, 'open', IF(i % 2, NULL, MD5(i)));
    INSERT INTO items (of_order, sku, qty, price) VALUES (i, LEFT(MD5(i), 12), 1, 3.5),
      (i, 'x', 2, NULL), (i, '', 3, 1);
    UPDATE orders SET state = 'paid' ORDER BY id DESC LIMIT 1;
    COMMIT;
  END IF;
  IF i % 10 = 0 THEN UPDATE posts SET body = CONCAT(body, '.'), amount = i WHERE id = 1 + i % 300; END IF;
  IF i % 400 = 0 THEN
    DELETE FROM visits WHERE id % 3 = 0;
    INSERT INTO items (of_order, sku) SELECT seq, LEFT(MD5(seq), 12) FROM seq_1_to_500;
  END IF;
END FOR//
"""
COUNTING = r"""
import collections, re, sys
row = re.compile(rb"### (INSERT INTO|UPDATE|DELETE FROM) (`.*`\.`.*`)\n")
found, minute = collections.Counter(), b""
for line in sys.stdin.buffer:
    if line.startswith(b"### ") and (hit := row.fullmatch(line)):
        found[minute, hit[2], hit[1]] += 1
    elif line.startswith(b"#") and b" server id " in line:
        minute = line[:13]
for (minute, table, op), rows in found.items():
    print(minute.decode(), table.decode(), op.decode()[0], rows, sep="\t")
"""
Counts = dict[tuple[str, str], int]
"""Rows by ("database.table", op)."""


@dataclass
class Scanning:
    """One file of mixed traffic in several databases; both sides count all of it by minute, table and operation."""

    path: Path
    line: Line = field(
        default_factory=lambda: Line("a binary log, all databases", "mariadb-binlog -v | python", 0.25, held=True)
    )

    @classmethod
    @contextlib.contextmanager
    def made(cls, megabytes: int) -> Iterator[Self]:
        """Let a real server write about that much."""
        fast = ("--binlog-format=ROW", "--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0", "--max-binlog-size=1G")
        with LiveServer.running(log_bin=True, args=(*fast, "--innodb-log-file-size=256M")) as server:
            for schema in _SCHEMAS:
                server.script(f"CREATE DATABASE {schema}; USE {schema}; {_TABLES}")
            loops = max(1, megabytes * _LOOPS_PER_MB // len(_SCHEMAS))
            for schema in _SCHEMAS:
                server.rows(f"CALL traffic({loops})", schema)
            yield cls(server.data / str(server.one("SHOW MASTER STATUS")))

    @property
    def megabytes(self) -> float:
        return self.path.stat().st_size / 1e6

    def round(self) -> None:
        found: list[Any] = []
        ours = timed(lambda: found.append(self._ours()))
        theirs = timed(lambda: found.append(self._theirs()))
        assert found[0] == found[1], f"ours {found[0]} against {found[1]}"
        assert sum(found[0].values()) > 1000
        self.line.pairs.append((ours, theirs))
        self.line.what = f"a binary log of {self.megabytes:.0f} MB, all databases"

    def _ours(self) -> Counts:
        found: Counter[tuple[str, str]] = Counter()
        reading = scan_files([self.path])
        assert not reading.problems, reading.problems
        for changes in reading.changes:
            for tally in changes.tallies:
                assert tally.rows is not None
                found[f"{changes.database}.{tally.table}", tally.op] += tally.rows
        return dict(found)

    def _theirs(self) -> Counts:
        argv = ["mariadb-binlog", "--no-defaults", "-v", str(self.path)]
        printing = subprocess.Popen(argv, stdout=subprocess.PIPE, env={**os.environ, "TZ": "UTC"})
        counting = subprocess.run(
            [sys.executable, "-c", COUNTING], stdin=printing.stdout, capture_output=True, text=True, check=True
        )
        assert printing.stdout is not None
        printing.stdout.close()
        assert printing.wait() == 0
        found: Counter[tuple[str, str]] = Counter()
        for row in counting.stdout.splitlines():
            _, table, op, rows = row.split("\t")
            found[table.replace("`", ""), op] += int(rows)
        return dict(found)

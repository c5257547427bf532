"""A large table with a parent and a child, a backup of it in a sandbox, accidents of all sizes, and what is written."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from scenarios.house import Installation
from servers.mariadb import LiveServer, server_folder
from servers.mariadb_live import Quiet

from restorekit.bootstrap import open_service
from restorekit.model.artifact import Artifact
from restorekit.model.database import DatabaseId, Where
from restorekit.model.plan import Plan
from restorekit.model.request import Request
from restorekit.model.staged import Staged
from restorekit.model.verdict import Verdict
from restorekit.relay import CHUNK
from restorekit.steps import stage, verify

DATABASE = "large"
TABLE = "orders"
LIMIT_S = 3600
_PLAYBOOK = "name: default\nswap: {on_live_change: keep_and_report, gate_max: 120s, lock_wait: 60s, dead_man: 600s}\n"
# Keys are even, so that rows which only live has find room between the others.
_MADE = """
CREATE TABLE customers (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(60) NOT NULL);
CREATE TABLE orders (id BIGINT PRIMARY KEY AUTO_INCREMENT, customer INT NOT NULL, token CHAR(20) NOT NULL,
  placed DATETIME NOT NULL, state ENUM('open', 'paid', 'sent') NOT NULL, total DECIMAL(10,2), note VARCHAR(120),
  ref CHAR(32) NOT NULL, UNIQUE KEY (ref), KEY (token), KEY (placed),
  CONSTRAINT o_c FOREIGN KEY (customer) REFERENCES customers (id));
CREATE TABLE items (id BIGINT PRIMARY KEY AUTO_INCREMENT, of_order BIGINT NOT NULL, sku CHAR(12) NOT NULL,
  CONSTRAINT i_o FOREIGN KEY (of_order) REFERENCES orders (id) ON DELETE CASCADE);
SET foreign_key_checks = 0, unique_checks = 0;
INSERT INTO customers SELECT seq, MD5(seq) FROM seq_1_to_{customers};
INSERT INTO orders SELECT 2 * seq, {values} FROM seq_1_to_{rows};
INSERT INTO items SELECT seq, 2 * (1 + CRC32(CONCAT('i', seq)) % {rows}), LEFT(SHA1(seq), 12) FROM seq_1_to_{items};
"""
_VALUES = """1 + CRC32(CONCAT('o', seq)) % {customers}, LEFT(SHA1(CONCAT('{salt}', seq)), 20),
  TIMESTAMP '2005-01-01 00:00:00' + INTERVAL CRC32(seq) % 500000000 SECOND, 1 + seq % 3,
  CRC32(CONCAT('t', seq)) % 100000 / 100, CONCAT('note ', SHA1(CONCAT('n', seq))), MD5(CONCAT('{salt}', seq))"""
_HARM = """
SET foreign_key_checks = 0;
CREATE TEMPORARY TABLE hit (id BIGINT PRIMARY KEY) AS SELECT 2 * seq AS id FROM seq_1_to_{rows} WHERE {chosen};
DELETE o FROM hit STRAIGHT_JOIN orders o USING (id) WHERE id % 10 IN (0, 2);
UPDATE hit STRAIGHT_JOIN orders o USING (id) SET o.state = 3, o.note = 'damaged' WHERE id % 10 IN (4, 6);
INSERT INTO orders SELECT id + 1, {values} FROM (SELECT id, id AS seq FROM hit WHERE id % 10 = 8) AS more;
"""


@dataclass(frozen=True)
class Damage:
    """A share of the rows: two fifths of it deleted, two changed, one fifth more rows that only live has."""

    name: str
    share: float
    clustered: bool = False

    def sql(self, rows: int) -> str:
        """The accident."""
        chosen = f"(seq = {rows // 2} OR CRC32(CONCAT('hit', seq)) % 1000000 < {self.share * 1_000_000:.0f})"
        if self.clustered:
            chosen = f"seq BETWEEN {rows // 3} AND {rows // 3 + max(1, round(rows * self.share)) - 1}"
        values = _VALUES.format(customers=_customers(rows), salt="late")
        return _HARM.format(rows=rows, chosen=chosen, values=values)


def _customers(rows: int) -> int:
    return max(1, rows // 100)


@dataclass
class Written:
    """Bytes that a server wrote: its redo log and its binary log."""

    redo: int
    binlog: int

    @property
    def megabytes(self) -> float:
        return (self.redo + self.binlog) / 1e6

    def __sub__(self, other: "Written") -> "Written":
        return Written(self.redo - other.redo, self.binlog - other.binlog)


@dataclass
class Accident:
    """Live with the table, its dump, and the proven backup in a sandbox whose server runs."""

    folder: Path
    live: LiveServer
    rows: int
    house: Installation
    dump: Path
    plan: Plan
    staged: Staged
    verdict: Verdict

    @classmethod
    @contextlib.contextmanager
    def made(cls, rows: int) -> Iterator[Self]:
        """Generate, back up, load, prove. The sandbox is gone at the end, and everything else with it."""
        folder = server_folder("rk-bench-")
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            log = ("--binlog-format=ROW", "--max-binlog-size=1G")
            pool = ("--innodb-buffer-pool-size=2G", "--innodb-log-file-size=1G", "--max-allowed-packet=64M")
            live = stack.enter_context(LiveServer.running(log_bin=True, args=(*log, *pool)))
            house = _installed(folder, live)
            live.script(f"CREATE DATABASE {DATABASE}")
            values = _VALUES.format(customers=_customers(rows), salt="o")
            filled = _MADE.format(rows=rows, customers=_customers(rows), items=rows // 3, values=values)
            live.script(filled, DATABASE)
            answer = house.run(
                "capture", DATABASE, "--to", str(folder / "dumps" / "db1" / f"{DATABASE}.sql"), timeout=LIMIT_S
            )
            assert answer.code == 0, answer
            dump = folder / f"{TABLE}.sql"
            dump.write_bytes(live.dumped("--single-transaction", "--skip-triggers", DATABASE, TABLE))
            yield stack.enter_context(_proven(cls, folder, live, rows, house, dump))

    @cached_property
    def engine(self) -> Any:
        return open_service(self.house.config).house.engine("db1")

    def harm(self, damage: Damage) -> None:
        """Do it, and wait until the server has done with it in the background as well."""
        self.live.script(damage.sql(self.rows), DATABASE)
        end = time.monotonic() + 300
        while self._status("Innodb_history_list_length") > 100 and time.monotonic() < end:
            time.sleep(0.2)

    def written(self) -> Written:
        """All bytes so far."""
        logs = sum(int(row[1]) for row in self.live.rows("SHOW BINARY LOGS"))
        return Written(self._status("Innodb_lsn_current"), logs)

    def reload(self) -> None:
        """What an admin types."""
        with self.dump.open("rb") as text:
            subprocess.run([*self.live.client(), DATABASE], stdin=text, check=True, timeout=LIMIT_S)

    def whole(self) -> None:
        """Nothing differs from the backup any more; else the bench ends here."""
        found = self.engine.contents(Where(schema_name=DATABASE)).tables
        proven = self.verdict.contents
        assert [(t.name, t.fingerprint) for t in found] == [(t.name, t.fingerprint) for t in proven.tables]

    def _status(self, name: str) -> int:
        return int(self.live.rows(f"SHOW GLOBAL STATUS LIKE '{name}'")[0][1])


def _installed(folder: Path, live: LiveServer) -> Installation:
    (folder / "dumps" / "db1").mkdir(parents=True)
    return Installation(
        folder=folder / "house",
        engines={"db1": {"kind": "mariadb", "socket": str(live.socket), "user": "root"}},
        sources={
            "plain": {
                "kind": "directory",
                "path": str(folder / "dumps"),
                "layout": "{engine}/{database}.sql",
                "quiet_s": 0,
            }
        },
        playbooks={"default": _PLAYBOOK},
    )


@contextlib.contextmanager
def _proven(
    made: type[Accident], folder: Path, live: LiveServer, rows: int, house: Installation, dump: Path
) -> Iterator[Accident]:
    service = open_service(house.config)
    name = DatabaseId(engine="db1", name=DATABASE)
    wish = Request(database=name, target=name, point_id=house.point(DATABASE), requested_by="bench")
    plan = service.planner.plan(wish)
    engine = service.house.engine("db1")
    sandbox = engine.open_sandbox(stage.spec("bench", plan))
    try:
        with service.house.source(plan.point.source).deliver(plan.point, Quiet()) as delivery:
            stream = iter(lambda: delivery.read(CHUNK), b"")
            loaded = engine.load(sandbox, stream, (plan.point.format, plan.point.compression), Quiet())
            delivery.finish()
        staged = Staged(
            restore_id=sandbox.id,
            sandbox=sandbox,
            where=Where(schema_name=DATABASE, sandbox=sandbox.folder),
            artifact=Artifact(format="sql", compression="none", size_bytes=0, sha256="", digests_held=True),
            loaded=loaded,
            staged_at=datetime.now(UTC),
            duration_s=0,
        )
        playbook = service.house.playbook("default")
        verdict = verify.verify(staged, engine, playbook, verify.Known(), datetime.now(UTC), Quiet())
        assert verdict.level >= 5, verdict.checks
        yield made(folder, live, rows, house, dump, plan, staged, verdict)
    finally:
        engine.discard(sandbox)

# ruff: noqa: E501 - SQL and figures stay on their lines
"""Staging against what an admin would type: `mariadb < dump` into a server with default settings.

    python bench/stage.py [MB] [ROUNDS]

Both run in each round, one after the other, on the same generated dump: four tables, nine secondary indexes with
random keys, two foreign keys. Only the ratios mean anything; CPU seconds are those of the server.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from servers.mariadb import LiveServer
from servers.mariadb_sandbox import Stage, house

from restorekit.engines.mariadb import sandbox
from restorekit.model.staged import SandboxSpec

SCHEMA = """
CREATE TABLE customers (id INT PRIMARY KEY AUTO_INCREMENT, email VARCHAR(80) NOT NULL, name VARCHAR(60), city VARCHAR(40),
  created DATETIME, note TEXT, UNIQUE KEY e (email), KEY c (city), KEY cr (created));
CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, customer_id INT NOT NULL, status ENUM('open','paid','sent','gone'),
  total DECIMAL(10,2), placed DATETIME, ref CHAR(32), KEY cu (customer_id), KEY st (status, placed), KEY rf (ref),
  CONSTRAINT fk1 FOREIGN KEY (customer_id) REFERENCES customers (id));
CREATE TABLE items (id BIGINT PRIMARY KEY AUTO_INCREMENT, order_id INT NOT NULL, sku VARCHAR(20), qty INT, price DOUBLE,
  memo VARCHAR(120), KEY o (order_id), KEY sk (sku), KEY pr (price),
  CONSTRAINT fk2 FOREIGN KEY (order_id) REFERENCES orders (id));
CREATE TABLE logs (id BIGINT PRIMARY KEY AUTO_INCREMENT, at TIMESTAMP(3), who INT, msg VARCHAR(255), bin VARBINARY(40),
  KEY w (who));
SET foreign_key_checks=0, unique_checks=0;
INSERT INTO customers SELECT seq, CONCAT(MD5(RAND()),'@ex',seq,'.org'), CONCAT('Müller ''',seq,''' 😀'),
  LEFT(MD5(FLOOR(RAND()*5000)),10), NOW()-INTERVAL FLOOR(RAND()*1e7) SECOND,
  REPEAT(CONCAT('It''s "fine"; (really), -- \\\\ ok\\n',seq,' '),3) FROM seq_1_to_{customers};
INSERT INTO orders SELECT seq, 1+FLOOR(RAND()*{customers}), 1+FLOOR(RAND()*4), RAND()*1000,
  NOW()-INTERVAL FLOOR(RAND()*1e7) SECOND, MD5(RAND()) FROM seq_1_to_{orders};
INSERT INTO items SELECT seq, 1+FLOOR(RAND()*{orders}), LEFT(MD5(RAND()),12), FLOOR(RAND()*9), RAND()*100,
  CONCAT('memo (',MD5(RAND()),'), ',MD5(RAND())) FROM seq_1_to_{items};
INSERT INTO logs SELECT seq, NOW(3)-INTERVAL FLOOR(RAND()*1e7) SECOND, FLOOR(RAND()*1e6),
  CONCAT_WS(' ',MD5(RAND()),MD5(RAND()),'wörld'), UNHEX(MD5(RAND())) FROM seq_1_to_{logs};
"""


def generated(megabytes: int, target: Path) -> None:
    thousands = megabytes * 1000 / 71
    counts = {"customers": 60, "orders": 150, "items": 250, "logs": 80}
    fast = ("--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M", "--innodb-flush-log-at-trx-commit=0")
    with LiveServer.running(args=fast) as live:
        live.script("CREATE DATABASE shop")
        live.script(SCHEMA.format(**{name: int(n * thousands) for name, n in counts.items()}), "shop")
        target.write_bytes(live.dump("shop", "--hex-blob"))


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def typed_by_hand(dump: Path) -> tuple[float, float]:
    with LiveServer.running() as live, dump.open("rb") as source:
        live.script("CREATE DATABASE shop")
        began, before = time.monotonic(), cpu_s(live.pid)
        subprocess.run([*live.client(), "shop"], stdin=source, check=True)
        return time.monotonic() - began, cpu_s(live.pid) - before


def staged_by_us(dump: Path) -> tuple[float, float, float]:
    settings, home = house()
    spec = SandboxSpec(id="r1", schema_name="shop", size_hint_bytes=dump.stat().st_size)
    began = time.monotonic()
    stage = Stage(settings, home, spec, sandbox.open_sandbox(settings, home, spec))
    try:
        with dump.open("rb") as source:
            loaded = stage.load(iter(lambda: source.read(1 << 20), b""))
        took = time.monotonic() - began
        pid = sandbox.server_pid(Path(stage.sandbox.folder))
        used = cpu_s(pid) if pid else 0.0
        began = time.monotonic()
        assert {c.outcome for c in stage.witness(loaded)} == {"passed"}
        return took, used, time.monotonic() - began
    finally:
        sandbox.discard(stage.sandbox)


def main() -> None:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    _, home = house()
    dump = home.base / "dump.sql"
    generated(megabytes, dump)
    print(f"dump {dump.stat().st_size / 1e6:.0f} MB")
    for _ in range(rounds):
        by_hand, hand_cpu = typed_by_hand(dump)
        by_us, our_cpu, witness = staged_by_us(dump)
        print(
            f"by hand {by_hand:.1f} s (CPU {hand_cpu:.1f}), staged {by_us:.1f} s (CPU {our_cpu:.1f}), ratio "
            f"{by_us / by_hand:.2f} (CPU {our_cpu / hand_cpu:.2f}); witness {witness:.1f} s = {witness / by_us:.2f} of it"
        )
    dump.unlink()


if __name__ == "__main__":
    main()

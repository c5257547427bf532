"""A live server with a generated customer's database, its backup in restic, and an installation beside them."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from scenarios.house import Installation
from servers.mariadb import LiveServer, server_folder
from servers.restic import Repository

DATABASE = "bench"
LIMIT_S = 3600
TABLES = ("customers", "products", "orders", "items", "messages")
# Every n-th row of each table differs on live: 0.01 %.
EVERY = 10_000
PLAYBOOK = "name: default\nswap: {on_live_change: keep_and_report, gate_max: 30s, lock_wait: 60s}\n"
_ROWS_PER_MB = {"customers": 700, "products": 100, "orders": 2700, "items": 8000, "messages": 460}
_SCHEMA = """
CREATE TABLE customers (id INT PRIMARY KEY AUTO_INCREMENT, email VARCHAR(60) NOT NULL, name VARCHAR(60) NOT NULL,
  city VARCHAR(40), joined DATE);
CREATE TABLE products (id INT PRIMARY KEY AUTO_INCREMENT, sku CHAR(12) NOT NULL, title VARCHAR(80), price DECIMAL(9,2));
CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, customer INT NOT NULL, token CHAR(20) NOT NULL,
  placed DATETIME NOT NULL, state ENUM('open', 'paid', 'sent') NOT NULL);
CREATE TABLE items (id INT PRIMARY KEY AUTO_INCREMENT, of_order INT NOT NULL, product INT NOT NULL,
  serial BIGINT UNSIGNED NOT NULL, qty SMALLINT NOT NULL, price DECIMAL(9,2));
CREATE TABLE messages (id INT PRIMARY KEY AUTO_INCREMENT, customer INT NOT NULL, subject VARCHAR(80), body TEXT);
"""
_FILL = """
INSERT INTO customers SELECT seq, CONCAT(LEFT(MD5(seq), 10), '@example.org'), CONCAT('Jürgen O''Neill ', seq),
  SHA1(CONCAT('c', seq)) , DATE '2001-01-01' + INTERVAL CRC32(seq) % 8000 DAY FROM seq_1_to_{customers};
INSERT INTO products SELECT seq, LEFT(SHA1(seq), 12), CONCAT('Größe "', seq, '" \\\\ rund'), CRC32(seq) % 100000 / 100
  FROM seq_1_to_{products};
INSERT INTO orders SELECT seq, 1 + CRC32(CONCAT('o', seq)) % {customers}, LEFT(SHA1(CONCAT('t', seq)), 20),
  TIMESTAMP '2005-01-01 00:00:00' + INTERVAL CRC32(seq) % 500000000 SECOND, 1 + seq % 3 FROM seq_1_to_{orders};
INSERT INTO items SELECT seq, 1 + CRC32(CONCAT('i', seq)) % {orders}, 1 + CRC32(CONCAT('p', seq)) % {products},
  CRC32(seq) * 1048583 + seq, 1 + seq % 9, CRC32(CONCAT('q', seq)) % 100000 / 100 FROM seq_1_to_{items};
INSERT INTO messages SELECT seq, 1 + CRC32(CONCAT('m', seq)) % {customers}, LEFT(SHA1(CONCAT('s', seq)), 30),
  REPEAT(CONCAT(MD5(seq), ' it''s späte Ware,\n'), 12) FROM seq_1_to_{messages};
"""
_KEYS = """
ALTER TABLE customers ADD UNIQUE KEY (email), ADD KEY (city);
ALTER TABLE products ADD KEY (sku);
ALTER TABLE orders ADD KEY (token), ADD CONSTRAINT o_c FOREIGN KEY (customer) REFERENCES customers (id);
ALTER TABLE items ADD KEY (serial), ADD CONSTRAINT i_o FOREIGN KEY (of_order) REFERENCES orders (id),
  ADD CONSTRAINT i_p FOREIGN KEY (product) REFERENCES products (id);
ALTER TABLE messages ADD KEY (subject), ADD CONSTRAINT m_c FOREIGN KEY (customer) REFERENCES customers (id);
"""
_DAMAGE = """
UPDATE customers SET city = 'nowhere' WHERE id % {every} = 7;
UPDATE products SET price = -1 WHERE id % {every} = 7;
UPDATE orders SET token = 'damaged' WHERE id % {every} = 7;
UPDATE items SET qty = -1 WHERE id % {every} = 7;
UPDATE messages SET body = 'damaged' WHERE id % {every} = 7;
"""


@dataclass
class Ground:
    """Everything lies under `folder` and is gone afterwards, however the run ends."""

    folder: Path
    live: LiveServer
    repository: Repository
    house: Installation
    dump_bytes: int = 0
    point: str = ""

    @classmethod
    @contextlib.contextmanager
    def made(cls, megabytes: int) -> Iterator[Self]:
        """Generate, back up with a manifest inside the dump, then damage one row in ten thousand on live."""
        folder = server_folder("rk-bench-")
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            pool = ("--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M")
            fast = ("--innodb-flush-log-at-trx-commit=0", "--max-allowed-packet=64M")
            live = stack.enter_context(LiveServer.running(args=(*pool, *fast)))
            repository = Repository(folder / "repository").init()
            dumps = folder / "dumps" / "db1"
            dumps.mkdir(parents=True)
            house = Installation(
                folder=folder / "house",
                engines={"db1": {"kind": "mariadb", "socket": str(live.socket), "user": "root"}},
                sources={
                    "nightly": {**repository.settings(), "kind": "restic", "layout": "{database}.sql", "engine": "db1"},
                    "plain": {
                        "kind": "directory",
                        "path": str(folder / "dumps"),
                        "layout": "{engine}/{database}.sql",
                        "quiet_s": 0,
                    },
                },
                playbooks={"default": PLAYBOOK},
            )
            ground = cls(folder, live, repository, house)
            ground._generate(megabytes)
            ground._back_up()
            live.script(_DAMAGE.format(every=EVERY), DATABASE)
            yield ground

    def _generate(self, megabytes: int) -> None:
        counts = {name: rows * megabytes for name, rows in _ROWS_PER_MB.items()}
        self.live.script(f"CREATE DATABASE {DATABASE}")
        self.live.script(_SCHEMA + _FILL.format(**counts) + _KEYS, DATABASE)

    def _back_up(self) -> None:
        dump = self.folder / f"{DATABASE}.sql"
        self.ok("capture", DATABASE, "--to", str(dump))
        self.dump_bytes = dump.stat().st_size
        self.repository.backup(dump.name, cwd=self.folder)
        dump.unlink()
        self.point = self.house.point(DATABASE)

    def ok(self, *words: str) -> Any:
        """A command of the product as a process; its exit code must be 0."""
        answer = self.house.run(*words, timeout=LIMIT_S)
        assert answer.code == 0, f"restorekit {' '.join(words)}: {answer}"
        return answer

    def restic_dump(self) -> "subprocess.Popen[bytes]":
        """What an admin types to get the dump back."""
        (snapshot,) = self.repository.ids()
        words = ["-r", str(self.repository.folder), "--password-file", str(self.repository.password_file)]
        cache = ["--cache-dir", str(self.folder / "admin-cache")]
        argv = [self.repository.binary, "-q", *words, *cache, "dump", snapshot, f"/{DATABASE}.sql"]
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)

    def rows(self, server: LiveServer) -> list[int]:
        """How many rows each table has."""
        return [server.one(f"SELECT COUNT(*) FROM {table}", DATABASE) for table in TABLES]

"""A live server with a customer's database, a second server in which its earlier state is staged, and orders."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers.mariadb import LiveServer
from servers.mariadb_live import Quiet, live_on

from restorekit.engines.mariadb import connect, exchange
from restorekit.engines.mariadb.contents import contents
from restorekit.engines.mariadb.delta.keyed import keyed
from restorekit.engines.mariadb.delta.names import CHOSEN, NOTED, chosen, own
from restorekit.engines.mariadb.fingerprint import row_value
from restorekit.engines.mariadb.live import Live
from restorekit.engines.mariadb.objects import harvest
from restorekit.engines.mariadb.tables import Table
from restorekit.engines.mariadb.tables import tables as described
from restorekit.model.contents import Contents
from restorekit.model.database import Where
from restorekit.model.difference import TableAction
from restorekit.model.exchange import Exchanged, ExchangeOrder
from restorekit.model.pick import ChosenTable, Selection
from restorekit.model.plan import Policy

SHOP = """
CREATE TABLE customers (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(40) NOT NULL, score FLOAT) ;
CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, customer INT NOT NULL, total DECIMAL(10,2), note TEXT,
  CONSTRAINT orders_customer FOREIGN KEY (customer) REFERENCES customers (id));
CREATE TABLE log (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(80));
CREATE TABLE settings (k VARCHAR(20) PRIMARY KEY, v TEXT);
INSERT INTO customers (name, score) VALUES ('Ada', 0.1), ('Zoë 🎈', 0.123456789), ('O''Neil\\\\', NULL);
INSERT INTO orders (customer, total, note) SELECT 1 + seq % 3, seq, CONCAT('note ', seq) FROM seq_1_to_200;
INSERT INTO settings VALUES ('siteurl', 'http://x'), ('empty', ''), ('null', NULL);
CREATE DEFINER=owner@localhost TRIGGER t_first BEFORE INSERT ON orders FOR EACH ROW
  SET NEW.note = CONCAT(NEW.note, '1');
CREATE DEFINER=owner@localhost TRIGGER t_second BEFORE INSERT ON orders FOR EACH ROW
  SET NEW.note = CONCAT(NEW.note, '2');
CREATE DEFINER=owner@localhost TRIGGER a_third AFTER INSERT ON orders FOR EACH ROW
  INSERT INTO log (what) VALUES ('neu ü');
CREATE DEFINER=owner@localhost VIEW paid AS SELECT id, customer, total FROM orders;
CREATE DEFINER=owner@localhost VIEW big AS SELECT * FROM paid WHERE total > 100;
CREATE DEFINER=owner@localhost PROCEDURE tidy() SELECT 'ü' AS what;
CREATE DEFINER=owner@localhost FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN n * 2;
CREATE DEFINER=owner@localhost EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 00:00:00' DO DELETE FROM log;
"""

OTHER_KINDS = """
CREATE SEQUENCE numbers START 100;
CREATE TABLE numbered (id BIGINT PRIMARY KEY DEFAULT NEXTVAL(numbers), x INT);
INSERT INTO numbered (x) VALUES (1), (2);
CREATE TABLE plain (id INT PRIMARY KEY, b BIT(5), raw VARBINARY(20)) ENGINE=MyISAM;
INSERT INTO plain VALUES (1, b'10101', x'00FF275C0A'), (2, NULL, '');
CREATE TABLE aria (a INT, d DOUBLE, dd DOUBLE(8,2)) ENGINE=Aria;
INSERT INTO aria VALUES (1, 0.1, 0.125), (1, 1e300, NULL), (NULL, -0.0, 3);
CREATE TABLE past (id INT PRIMARY KEY, x INT) WITH SYSTEM VERSIONING;
INSERT INTO past VALUES (1, 1), (2, 2);
UPDATE past SET x = 10 WHERE id = 1;
DELETE FROM past WHERE id = 2;
CREATE TABLE parts (id INT, y INT, PRIMARY KEY (id, y)) PARTITION BY RANGE (y)
  (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE);
INSERT INTO parts VALUES (1, 5), (2, 50);
CREATE TABLE places (id INT PRIMARY KEY, at POINT NOT NULL, words TEXT, hidden INT INVISIBLE DEFAULT 7,
  twice INT AS (id * 2) VIRTUAL, thrice INT AS (id * 3) STORED, j JSON, e ENUM('a','ß'), s SET('x','y'), u UUID,
  SPATIAL KEY (at), FULLTEXT KEY (words));
INSERT INTO places (id, at, words, j, e, s, u) VALUES
  (1, POINT(1, 2), 'hello world', '{"a": 1}', 'ß', 'x,y', 'e7e1a9f0-0000-4000-8000-000000000001'),
  (2, POINT(-1, 0.5), 'Grüße 🎈', NULL, NULL, '', NULL);
CREATE TABLE latin (t VARCHAR(20) CHARACTER SET latin1, u16 VARCHAR(20) CHARACTER SET utf16, ts TIMESTAMP NULL,
  y YEAR, tm TIME(3), dt DATETIME(6));
INSERT INTO latin VALUES ('Müller', 'ß🎈', '2020-05-05 05:05:05', 1999, '-12:00:00.5', '2020-01-01 00:00:00.000001');
CREATE TABLE `we``ird; na'me` (`a``b` INT, `select` INT);
INSERT INTO `we``ird; na'me` VALUES (1, 2);
CREATE TABLE nothing (id INT PRIMARY KEY);
"""


def _everything(_: tuple[Any, ...]) -> bool:
    return True


@dataclass(frozen=True)
class TwoServers(Live):
    """Live whose sandboxes are folders of test servers."""

    def where_connect(self, where: Where) -> Any:
        if where.sandbox is None:
            return self.connect()
        return connect.to_socket(Path(where.sandbox) / "s", "root")


@dataclass
class Lab:
    """One customer `shop` (schema, account `owner`), staged as it was before the accident."""

    server: LiveServer
    staging: LiveServer
    schema: str
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1000)))

    @property
    def live(self) -> Live:
        plain = live_on(self.server)
        return TwoServers(plain.name, plain.settings, plain.home)

    @property
    def staged(self) -> Where:
        return Where(schema_name=self.schema, sandbox=str(self.staging.folder))

    def sql(self, text: str) -> None:
        """Run statements as root in the customer's schema on live."""
        self.server.script(text, self.schema)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.server.rows(sql, self.schema)

    def contents(self, schema: str | None = None) -> Contents:
        return contents(self.live, Where(schema_name=schema or self.schema))

    def order(
        self,
        order_id: str,
        *,
        target: str | None = None,
        tables: Sequence[str] | None = None,
        actions: Sequence[TableAction] | None = None,
        accept_changes: bool = False,
        **policy: Any,
    ) -> ExchangeOrder:
        """The order a planner would give: what differs is exchanged, with its foreign keys, the rest is the same."""
        name = target or self.schema
        proven = contents(self.live, self.staged)
        there = bool(self.server.rows(f"SELECT 1 FROM information_schema.schemata WHERE schema_name='{name}'"))
        live = contents(self.live, Where(schema_name=name)) if there else None
        settings = {"playbook": "default", "min_level": 5, "on_live_change": "refuse", "gate_max_s": 60.0} | policy
        return ExchangeOrder(
            id=order_id,
            target=name,
            staging=self.staged,
            actions=tuple(actions if actions is not None else planned(proven, live, tables)),
            objects=tables is None,
            proven=proven,
            live=live,
            policy=Policy(**settings),
            accept_changes=accept_changes,
        )

    def by_rows(
        self,
        order_id: str,
        tables: Sequence[str],
        *,
        rows: str = "all",
        keep_new: bool = False,
        only: Callable[[tuple[Any, ...]], bool] = _everything,
        gate: str = "closed",
        actions: Sequence[TableAction] = (),
        **policy: Any,
    ) -> ExchangeOrder:
        """An order that writes the differing rows of these tables one by one; they are chosen here and now.

        `only` is asked for the key of each. `actions` are of further tables.
        """
        whole = rows == "all" and not keep_new and only is _everything
        picked = [choose(self, t, (rows, keep_new, only)).model_copy(update={"whole": whole}) for t in tables]
        mine = [TableAction(name=t, method="delta", why="test") for t in tables]
        plain = self.order(order_id, tables=(), actions=[*mine, *actions], **policy)
        selection = Selection(tables=tuple(picked))
        return plain.model_copy(update={"selection": selection, "gate": gate})

    def swap(self, order: ExchangeOrder) -> Exchanged:
        promoted = exchange.promote(self.live, order, Quiet())
        return exchange.exchange(self.live, order, promoted, Quiet())

    def undo(self, exchanged: Exchanged, order_id: str) -> Exchanged:
        return exchange.undo(self.live, exchanged, order_id, 60.0, Quiet())

    def state(self, schema: str | None = None) -> tuple[Any, ...]:
        """Everything of a schema that must be the same before and after: rows, definitions, objects, grants."""
        name = schema or self.schema
        seen = self.contents(name)
        with contextlib.closing(self.live.connect()) as connection:
            objects = harvest(connection, name).stored
        tables = tuple(t.model_copy(update={"size_bytes": 0}) for t in seen.tables)
        return tables, seen.objects, objects, self.grants()

    def grants(self) -> list[tuple[Any, ...]]:
        """Every account's rights and lock state as the server keeps them (without who granted when)."""
        ask = (
            "SELECT * FROM mysql.db ORDER BY 1, 2, 3",
            "SELECT host, db, user, table_name, table_priv, column_priv FROM mysql.tables_priv ORDER BY 1, 2, 3, 4",
            "SELECT host, db, user, table_name, column_name, column_priv FROM mysql.columns_priv ORDER BY 1,2,3,4,5",
            "SELECT host, db, user, routine_name, routine_type, proc_priv FROM mysql.procs_priv ORDER BY 1, 2, 3, 4",
            "SELECT host, user, role FROM mysql.roles_mapping ORDER BY 1, 2, 3",
            "SELECT host, user, REPLACE(priv, ',\"account_locked\":false', '') FROM mysql.global_priv ORDER BY 1, 2",
        )
        return [row for sql in ask for row in self.server.rows(sql)]


def _values(server: LiveServer, table: Table, *, carried: bool = False) -> dict[tuple[Any, ...], int]:
    """Key of each row to its value."""
    key = ",".join(connect.quoted(k) for k in table.key)
    value = row_value(table.stored, carried=carried)
    with contextlib.closing(connect.to_socket(server.socket, "root")) as session:
        return {tuple(row[:-1]): row[-1] for row in connect.rows(session, f"SELECT {key},{value} FROM {table.full}")}


def _short(session: Any, table: Table) -> bool:
    """True if the FLOAT values there have no more digits than a dump carries."""
    names = [connect.quoted(c.name) for c in table.stored if c.data_type == "float"]
    finer = " OR ".join(f"CAST({n} AS DOUBLE)<>CAST(CAST(CAST({n} AS CHAR) AS FLOAT) AS DOUBLE)" for n in names)
    return bool(names) and not connect.rows(session, f"SELECT 1 FROM {table.full} WHERE {finer}")


def choose(shop: Lab, name: str, which: tuple[str, bool, Callable[[tuple[Any, ...]], bool]]) -> ChosenTable:
    """Choose among the differing rows of one table by comparing all of them, and write the choice into the sandbox."""
    kinds, keep_new, only = which
    with contextlib.closing(connect.to_socket(shop.staging.socket, "root", schema=shop.schema)) as session:
        (table,) = described(session, shop.schema, frozenset({name}))
        carried = _short(session, table)
        live, proven = _values(shop.server, table, carried=carried), _values(shop.staging, table)
        found = [
            (op, live.get(key), proven.get(key), *key)
            for key in sorted(live.keys() | proven.keys())
            if live.get(key) != proven.get(key)
            for op in ["I" if key not in live else "D" if key not in proven else "U"]
            if op in {"missing": "I", "changed": "U", "all": "IU" if keep_new else "IUD"}[kinds] and only(key)
        ]
        for schema in (CHOSEN, NOTED):
            connect.rows(session, f"CREATE DATABASE IF NOT EXISTS {schema}")
        mine, full, key = own(table.columns), chosen(name), ",".join(connect.quoted(k) for k in table.key)
        connect.rows(session, f"CREATE TABLE IF NOT EXISTS {NOTED}.tables (name VARCHAR(64) PRIMARY KEY, carried BOOL)")
        connect.rows(session, f"REPLACE INTO {NOTED}.tables VALUES (%s,%s)", [name, carried])
        connect.rows(session, f"DROP TABLE IF EXISTS {full}")
        connect.rows(
            session,
            f"CREATE TABLE {full} ({mine.op} CHAR(1) NOT NULL DEFAULT '', {mine.live} BIGINT UNSIGNED, "
            f"{mine.proven} BIGINT UNSIGNED, KEY ({key})) AS SELECT {key} FROM {table.full} WHERE 0",
        )
        if found:
            with session.cursor() as cursor:
                places = ",".join(["%s"] * len(found[0]))
                cursor.executemany(f"INSERT INTO {full} ({','.join(mine)},{key}) VALUES ({places})", found)
        same = " AND ".join(f"i.{k}=d.{k}" for k in key.split(","))
        pairs = f"{full} i JOIN {full} d ON {same} AND i.{mine.op}='I' AND d.{mine.op}='D'"
        # Where only the collation takes two keys for equal, a missing and an extra row are one that changed.
        connect.rows(session, f"UPDATE {pairs} SET i.{mine.live}=d.{mine.live}")
        connect.rows(
            session,
            f"DELETE d FROM {full} d JOIN {full} i ON {same} AND i.{mine.live}=d.{mine.live} "
            f"WHERE d.{mine.op}='D' AND i.{mine.op}='I'",
        )
        connect.rows(session, f"UPDATE {full} SET {mine.op}='U' WHERE {mine.op}='I' AND {mine.live} IS NOT NULL")
        ops = [op for (op,) in connect.rows(session, f"SELECT {mine.op} FROM {full}")]
        return ChosenTable(
            name=name,
            insert=ops.count("I"),
            change=ops.count("U"),
            remove=ops.count("D"),
            keyed=keyed(session, full, mine, table.key_columns, shop.live.home.row_key),
        )


def planned(proven: Contents, live: Contents | None, only: Sequence[str] | None) -> list[TableAction]:
    """Actions by fingerprint; `only` are the wanted tables."""
    actions = []
    for table in proven.tables:
        if only is not None and table.name not in only:
            continue
        here = live.table(table.name) if live else None
        method = "create" if here is None else "exchange"
        if here is not None and here.fingerprint == table.fingerprint and here.schema_hash == table.schema_hash:
            method = "same"
        actions.append(TableAction(name=table.name, method=method, why="test"))
    if only is None and live is not None:
        extra = [t.name for t in live.tables if proven.table(t.name) is None]
        actions += [TableAction(name=name, method="remove", why="only in live") for name in extra]
    return _closed(actions, proven)


def _closed(actions: list[TableAction], proven: Contents) -> list[TableAction]:
    """With every moving table its parents and children move, too."""
    moving = {a.name for a in actions if a.method != "same"}
    grown = True
    while grown:
        ties = {(t.name, p) for t in proven.tables for p in t.references}
        more = {a for pair in ties for a in pair if set(pair) & moving} - moving
        grown = bool(more)
        moving |= more
    return [
        a.model_copy(update={"method": "exchange"}) if a.method == "same" and a.name in moving else a for a in actions
    ]


@contextlib.contextmanager
def lab(schema: str, text: str = SHOP, *, server: LiveServer, staging: LiveServer) -> Iterator[Lab]:
    """A fresh customer on both servers; everything of it is removed afterwards."""
    for each in (server, staging):
        each.script(
            f"CREATE OR REPLACE USER owner@localhost IDENTIFIED BY 'pw'; CREATE DATABASE {schema};"
            f"GRANT ALL ON `{schema}`.* TO owner@localhost;"
        )
        each.script(text, schema)
    try:
        yield Lab(server, staging, schema)
    finally:
        for each in (server, staging):
            names = [n for (n,) in each.rows("SHOW DATABASES") if n == schema or n.startswith(("rk_", "_restorekit"))]
            each.script("SET foreign_key_checks=0;" + "".join(f"DROP DATABASE IF EXISTS `{n}`;" for n in names))
            each.script("DROP USER IF EXISTS owner@localhost")

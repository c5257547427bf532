"""Rows written one by one on SQLite: traps of types, keys, triggers and conflict clauses; lies; the way back."""

import contextlib
import multiprocessing
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from contract.engine import QUIET, Stage, facts, live, policy, stage
from servers.sqlite import SQLiteLab

from restorekit.engines.sqlite.delta import findings, writing
from restorekit.errors import GateTimeout, LiveChanged, PreflightRefused, ProofFailed, RestorekitError, UndoImpossible
from restorekit.model.difference import TableAction, TableDifference
from restorekit.model.exchange import Exchanged, ExchangeOrder
from restorekit.model.pick import Pick, Selection
from restorekit.model.shown import Choice

FORK = multiprocessing.get_context("fork")


@pytest.fixture(params=["wal", "delete"])
def lab(tmp_path: Path, request: pytest.FixtureRequest) -> SQLiteLab:
    made = SQLiteLab(tmp_path, journal=request.param)
    made.create("shop")
    return made


@pytest.fixture
def wal(tmp_path: Path) -> SQLiteLab:
    made = SQLiteLab(tmp_path, journal="wal")
    made.create("shop")
    return made


@dataclass
class Case:
    """A backup in a sandbox, and live, which has gone on."""

    lab: SQLiteLab
    staged: Stage

    @classmethod
    def of(cls, lab: SQLiteLab, made: tuple[str, ...], damage: tuple[str, ...]) -> "Case":
        lab.run("shop", *made)
        case = cls(lab, stage(lab, lab.backup("shop")))
        lab.run("shop", *damage)
        return case

    def now(self) -> dict[str, object]:
        return facts(self.lab.engine.contents(live()))

    def look(self) -> dict[str, TableDifference]:
        names = sorted(t.name for t in (*self.staged.proven.tables, *self.lab.engine.contents(live()).tables))
        found = self.lab.engine.compare(self.staged.where, live(), sorted(set(names)), 20, QUIET)
        return {d.name: d for d in found}

    def choose(self, *tables: str, conditions: Mapping[str, str] | None = None, **how: Any) -> Choice:
        self.look()
        return self.again(*tables, conditions=conditions, **how)

    def again(self, *tables: str, conditions: Mapping[str, str] | None = None, **how: Any) -> Choice:
        pick = Pick(tables=tables, filtered=bool(conditions), **how)
        return self.lab.engine.choose(self.staged.where, live(), pick, conditions or {}, QUIET)

    def order(self, selection: Selection, order_id: str = "r1", **changes: Any) -> ExchangeOrder:
        chosen = {t.name for t in selection.tables if t.writes or t.whole}
        names = [t.name for t in self.staged.proven.tables]
        actions = tuple(TableAction(name=n, method="delta" if n in chosen else "same", why="test") for n in names)
        return ExchangeOrder(
            id=order_id,
            target="shop",
            staging=self.staged.where,
            actions=actions,
            objects=False,
            proven=self.staged.proven,
            live=self.lab.engine.contents(live()),
            policy=policy(on_live_change="refuse"),
            selection=selection,
            gate="closed" if all(t.whole for t in selection.tables if t.writes) else "open",
        ).model_copy(update=changes)

    def swap(self, order: ExchangeOrder) -> Exchanged:
        return self.lab.engine.exchange(order, self.lab.engine.promote(order, QUIET), QUIET)

    def undo(self, done: Exchanged, order_id: str = "r1u") -> Exchanged:
        return self.lab.engine.undo(done, order_id, 60, QUIET)

    def there_and_back(self, *tables: str) -> Exchanged:
        """These tables become the backup's to the last bit, and live's again, and the backup's again."""
        before = self.now()
        done = self.swap(self.order(self.choose(*tables).selection))
        assert self.now() == facts(self.staged.proven)
        back = self.undo(done)
        assert self.now() == before
        self.undo(back, "r1uu")
        assert self.now() == facts(self.staged.proven)
        return done

    def own_files(self) -> list[str]:
        return sorted(p.name for p in (self.lab.live / ".restorekit").iterdir() if p.suffix != ".lock")


def series(table: str, rows: int, values: str) -> str:
    """One INSERT of so many rows; `i` counts."""
    counting = f"WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {rows})"
    return f"{counting} INSERT INTO {table} SELECT {values} FROM c"


@contextlib.contextmanager
def refused(case: Case, error: type[RestorekitError]) -> Iterator[pytest.ExceptionInfo[RestorekitError]]:
    """Live is as before, bears no mark, and there is nothing to settle."""
    before = case.now()
    with pytest.raises(error) as raised:
        yield raised
    assert case.now() == before
    assert case.lab.rows("shop", "SELECT 1 FROM sqlite_schema WHERE name = '_restorekit'") == []
    assert case.lab.engine.settle() == []


# types

ODD = [
    ("1", "1.0"),
    ("'1'", "1"),
    ("'A'", "x'41'"),
    ("'a'", "'A'"),
    ("NULL", "''"),
    ("0.0", "-0.0"),
    ("char(65, 0, 66)", "char(65, 0, 67)"),
    ("CAST(x'ff41' AS TEXT)", "CAST(x'fe41' AS TEXT)"),
    ("9223372036854775807", "9223372036854775806"),
    ("1e308", "1e307"),
    ("zeroblob(3)", "x'0000'"),
    ("0.1 + 0.2", "0.3"),
]


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le"])
def test_every_value_comes_back_as_it_was_stored(wal: SQLiteLab, encoding: str) -> None:
    wal.path("shop").unlink()
    with closing(wal.connect("shop")) as shop:
        shop.execute(f"PRAGMA encoding = '{encoding}'")
        shop.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v, w TEXT COLLATE NOCASE, x REAL)")
    odd = [pair for pair in ODD if encoding == "UTF-8" or "CAST" not in pair[0]]
    rows = (f"INSERT INTO t VALUES ({n}, {was}, 'Grüße', {n})" for n, (was, _) in enumerate(odd))
    damage = (f"UPDATE t SET v = {now} WHERE id = {n}" for n, (_, now) in enumerate(odd))
    case = Case.of(wal, tuple(rows), (*damage, "UPDATE t SET w = 'GRÜßE' WHERE id = 1", "DELETE FROM t WHERE id = 3"))
    assert case.look()["t"].changed == len(odd) - 1
    case.there_and_back("t")


KEYS = {
    "rowid": "CREATE TABLE t (k INTEGER PRIMARY KEY, v)",
    "text": "CREATE TABLE t (k TEXT PRIMARY KEY, v)",
    "no type": "CREATE TABLE t (k PRIMARY KEY, v)",
    "descending": "CREATE TABLE t (k INTEGER PRIMARY KEY DESC, v)",
    "without rowid": "CREATE TABLE t (k, j DEFAULT 'j', v, PRIMARY KEY (j, k)) WITHOUT ROWID",
    "unique only": "CREATE TABLE t (k NOT NULL UNIQUE, v)",
    "strict": "CREATE TABLE t (k ANY NOT NULL PRIMARY KEY, v ANY) STRICT",
    "folded": "CREATE TABLE t (k TEXT COLLATE NOCASE PRIMARY KEY, v)",
    "told apart by its key only": "CREATE TABLE t (k TEXT COLLATE NOCASE, v, PRIMARY KEY (k COLLATE BINARY))",
    "folded by its key only": "CREATE TABLE t (k TEXT, v, PRIMARY KEY (k COLLATE NOCASE))",
    "blobs": "CREATE TABLE t (k BLOB PRIMARY KEY, v)",
    "alias taken": "CREATE TABLE t (k INT PRIMARY KEY, v, rowid, _rowid_, oid)",
}


@pytest.mark.parametrize("kind", KEYS)
def test_rows_are_found_by_any_kind_of_key(wal: SQLiteLab, kind: str) -> None:
    names = ["a", "b", "ä", "c ", "d"] if "folded" in kind or kind in ("text", "told apart by its key only") else []
    keys = [f"'{n}'" for n in names] or [f"{n}" for n in range(1, 6)]
    if kind in ("no type", "strict", "without rowid", "unique only"):
        keys = ["1", "'1'", "x'31'", "2.5", "'b'"]  # one key each
    if kind == "blobs":
        keys = ["x''", "x'00'", "x'ff'", "x'0001'", "x'31'"]
    if kind == "told apart by its key only":
        keys += ["'A'", "'B'"]  # other rows than 'a' and 'b'
    made = (KEYS[kind], *(f"INSERT INTO t (k, v) VALUES ({k}, 'v {n}')" for n, k in enumerate(keys)))
    first, second, third = keys[:3]
    damage = [
        f"DELETE FROM t WHERE typeof(k) = typeof({first}) AND k = {first} COLLATE BINARY",
        f"UPDATE t SET v = NULL WHERE typeof(k) = typeof({second}) AND k = {second} COLLATE BINARY",
        f"UPDATE t SET v = 1 WHERE typeof(k) = typeof({third}) AND k = {third} COLLATE BINARY",
        f"INSERT INTO t (k, v) VALUES ({'x' + chr(39) + 'aa' + chr(39) if kind == 'blobs' else 77}, 'new')",
    ]
    if "folded" in kind:
        damage.append("UPDATE t SET k = 'D' WHERE k = 'd' COLLATE BINARY")  # the same row for its key
    case = Case.of(wal, made, tuple(damage))
    found = case.look()["t"]
    assert (found.missing, found.changed, found.extra, found.no_delta) == (1, 2 + ("folded" in kind), 1, "")
    assert Counter(r.kind for r in found.rows) == {"missing": 1, "changed": found.changed, "extra": 1}
    case.there_and_back("t")


@pytest.mark.parametrize(
    ("made", "damage", "why"),
    [
        (("CREATE TABLE t (v)", "INSERT INTO t VALUES (1)"), "DELETE FROM t", "no key"),
        (("CREATE VIRTUAL TABLE t USING fts5(v)", "INSERT INTO t VALUES ('x')"), "DELETE FROM t", "virtual"),
        (("CREATE TABLE t (k INTEGER PRIMARY KEY)",), "ALTER TABLE t ADD COLUMN w", "definition"),
        (("CREATE TABLE t (k INTEGER PRIMARY KEY)",), "CREATE INDEX i ON t (k)", "definition"),
        (("CREATE TABLE t (k TEXT PRIMARY KEY)", "INSERT INTO t VALUES (NULL)"), "DELETE FROM t", "no key"),
        (
            ("CREATE TABLE t (k TEXT PRIMARY KEY)", "INSERT INTO t VALUES (CAST(x'ff' AS TEXT))"),
            "DELETE FROM t",
            "text",
        ),
        (("CREATE TABLE t (k TEXT, UNIQUE (k))", "INSERT INTO t VALUES ('a')"), "DELETE FROM t", "no key"),
        (
            ("CREATE TABLE t (k NOT NULL)", "CREATE UNIQUE INDEX u ON t (k) WHERE k > 0", "INSERT INTO t VALUES (1)"),
            "DELETE FROM t",
            "no key",
        ),
    ],
)
def test_tables_whose_rows_cannot_be_written_one_by_one_say_why(
    wal: SQLiteLab, made: tuple[str, ...], damage: str, why: str
) -> None:
    case = Case.of(wal, made, (damage,))
    found = case.look()["t"]
    assert why in found.no_delta
    with refused(case, PreflightRefused) as raised:
        case.again("t", rows="missing")
    assert found.no_delta in raised.value.message


def test_more_rows_than_are_remembered(wal: SQLiteLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "MOST", 3)
    rows = tuple(f"INSERT INTO t VALUES ({n}, 'a')" for n in range(5))
    case = Case.of(wal, ("CREATE TABLE t (k INTEGER PRIMARY KEY, v)", *rows), ("UPDATE t SET v = 'b' WHERE k < 3",))
    assert case.look()["t"].no_delta == ""
    wal.run("shop", "DELETE FROM t WHERE k = 4")
    found = case.look()["t"]
    assert "100,000" in found.no_delta
    assert (found.missing, found.changed) == (1, 3)


def test_rows_without_a_key_do_not_matter_as_long_as_they_are_the_same(wal: SQLiteLab) -> None:
    made = ("CREATE TABLE t (k TEXT PRIMARY KEY, v)", "INSERT INTO t VALUES (NULL, 1), (NULL, 1), ('a', 1), ('b', 1)")
    case = Case.of(wal, made, ("UPDATE t SET v = 2 WHERE k = 'a'", "DELETE FROM t WHERE k = 'b'"))
    found = case.look()["t"]
    assert (found.missing, found.changed, found.no_delta) == (1, 1, "")
    case.there_and_back("t")
    wal.run("shop", "DELETE FROM t WHERE k IS NULL")
    assert "no key" in case.look()["t"].no_delta


def test_only_one_side_has_it(wal: SQLiteLab) -> None:
    case = Case.of(wal, ("CREATE TABLE a (k INTEGER PRIMARY KEY)", "CREATE TABLE b (v)"), ("DROP TABLE a",))
    found = case.look()["a"]
    assert (found.in_live, found.no_delta, found.costs) == (False, "", None)


# what a table says of itself

ORDERS = (
    (
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, code TEXT UNIQUE ON CONFLICT REPLACE, v CHECK (v <> 'never'),"
        " twice AS (v || v), thrice AS (v || v || v) STORED)"
    ),
    "CREATE UNIQUE INDEX lowered ON orders (lower(code) || '!')",
    *(f"INSERT INTO orders (id, code, v) VALUES ({n}, 'c{n}', 'v{n}')" for n in range(1, 9)),
)


def test_values_that_change_hands_replace_no_other_row(lab: SQLiteLab) -> None:
    rotate = [f"UPDATE orders SET code = 'x{n}' WHERE id = {n}" for n in (1, 2, 3)]
    rotate += [f"UPDATE orders SET code = 'c{n % 3 + 1}' WHERE id = {n}" for n in (1, 2, 3)]
    case = Case.of(
        lab, ORDERS, (*rotate, "DELETE FROM orders WHERE id = 7", "UPDATE orders SET v = 'new' WHERE id = 8")
    )
    done = case.there_and_back("orders")
    (one,) = done.applied
    assert (one.inserted, one.changed, one.removed, one.moved) == (1, 4, 0, 0)
    assert lab.rows("shop", "PRAGMA integrity_check") == [("ok",)]
    assert lab.rows("shop", "SELECT twice, thrice FROM orders WHERE id = 8") == [("v8v8", "v8v8v8")]


def test_a_unique_value_that_only_an_expression_shows_is_never_replaced(wal: SQLiteLab) -> None:
    """`lowered` is no key over columns, so that nobody foresees it: the transaction must find out."""
    damage = ("DELETE FROM orders WHERE id = 7", "INSERT INTO orders (id, code, v) VALUES (70, 'C7', 'of today')")
    case = Case.of(wal, ORDERS, damage)
    order = case.order(case.choose("orders", rows="missing").selection)
    with refused(case, LiveChanged) as raised:
        case.swap(order)
    assert "C7" not in raised.value.message
    assert case.own_files() == ["hold_r1.rows"]


def test_no_trigger_sees_our_rows_and_all_are_there_afterwards(lab: SQLiteLab) -> None:
    triggers = [
        f"CREATE TRIGGER {when}_{what} {when} {what} ON orders BEGIN INSERT INTO log VALUES ('{what}'); END"
        for what in ("INSERT", "UPDATE", "DELETE")
        for when in ("BEFORE", "AFTER")
    ]
    more = ("CREATE TABLE log (v)", "CREATE VIEW some AS SELECT * FROM orders", *triggers)
    damage = (
        "PRAGMA recursive_triggers = ON",
        "DELETE FROM orders WHERE id = 1",
        "UPDATE orders SET v = 'x' WHERE id = 2",
        "INSERT INTO orders (id, v) VALUES (50, 'new')",
        "DELETE FROM log",
    )
    case = Case.of(lab, (*ORDERS, *more), damage)
    assert not case.look()["orders"].triggers
    done = case.there_and_back("orders")
    assert lab.rows("shop", "SELECT * FROM log") == []
    assert done.gate == "file_lock"
    lab.run("shop", "UPDATE orders SET v = 'y' WHERE id = 2")
    assert lab.rows("shop", "SELECT COUNT(*) FROM log") == [(2,)]


def test_counters_end_above_the_highest_id(wal: SQLiteLab) -> None:
    made = ("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v)", "INSERT INTO t VALUES (5, 'a'), (90, 'b')")
    case = Case.of(wal, made, ("DELETE FROM t", "UPDATE sqlite_sequence SET seq = 5"))
    case.swap(case.order(case.choose("t", rows="missing").selection))
    wal.run("shop", "INSERT INTO t (v) VALUES ('next')")
    assert wal.rows("shop", "SELECT id FROM t WHERE v = 'next'") == [(91,)]


def test_a_changed_row_keeps_its_place(wal: SQLiteLab) -> None:
    """A hidden rowid is what others (an external full-text index) may know a row by."""
    made = ("CREATE TABLE t (k TEXT PRIMARY KEY, v)", "INSERT INTO t (rowid, k, v) VALUES (7, 'a', 1), (9, 'b', 2)")
    case = Case.of(wal, made, ("UPDATE t SET v = 0 WHERE k = 'a'",))
    case.swap(case.order(case.choose("t", rows="changed").selection))
    assert wal.rows("shop", "SELECT rowid, k, v FROM t ORDER BY 1") == [(7, "a", 1), (9, "b", 2)]


# one unit with tables that change places

MIXED = (
    *ORDERS,
    "CREATE TABLE bag (v)",
    "INSERT INTO bag VALUES (1), (1), (2)",
    "CREATE TABLE lost (k INTEGER PRIMARY KEY)",
    "INSERT INTO lost VALUES (1)",
)
MIXED_DAMAGE = (
    "DELETE FROM orders WHERE id < 4",
    "DELETE FROM bag WHERE v = 1",
    "DROP TABLE lost",
    "CREATE TABLE later (k INTEGER PRIMARY KEY)",
)


@pytest.mark.parametrize("objects", [True, False])
def test_rows_and_tables_in_one_transaction_and_back(lab: SQLiteLab, objects: bool) -> None:
    case = Case.of(lab, MIXED, (*MIXED_DAMAGE, "CREATE VIEW added AS SELECT 1"))
    before = case.now()
    selection = case.choose("orders").selection
    methods = {"orders": "delta", "bag": "exchange", "lost": "create", "later": "remove"}
    actions = tuple(TableAction(name=n, method=m, why="test") for n, m in sorted(methods.items()))  # type: ignore[arg-type]
    done = case.swap(case.order(selection, actions=actions, objects=objects))
    after = case.now()
    assert after["tables"] == facts(case.staged.proven)["tables"]
    assert (after["objects"] == facts(case.staged.proven)["objects"]) is objects
    assert case.own_files() == ["order_r1.json", "undo_r1.db", "undo_r1.rows"]
    assert [a.inserted for a in done.applied] == [3]
    lab.run("shop", "INSERT INTO orders (id, v) VALUES (100, 'of today')")
    back = case.undo(done)
    assert lab.rows("shop", "SELECT id FROM orders WHERE id > 8") == [(100,)]
    lab.run("shop", "DELETE FROM orders WHERE id = 100")
    assert case.now() == before
    case.undo(back, "r1uu")
    assert case.now() == after
    for one in ("r1", "r1u", "r1uu"):
        lab.engine.retire(done.model_copy(update={"order_id": one}))
    assert case.own_files() == []
    assert case.now() == after


def test_rows_alone_copy_nothing_else(wal: SQLiteLab) -> None:
    case = Case.of(wal, MIXED, ("DELETE FROM orders WHERE id < 4",))
    order = case.order(case.choose("orders").selection, objects=True)
    promoted = wal.engine.promote(order, QUIET)
    assert case.own_files() == ["hold_r1.rows"]
    done = wal.engine.exchange(order, promoted, QUIET)
    assert case.own_files() == ["order_r1.json", "undo_r1.rows"]
    assert done.undo_contents == wal.engine.contents(done.undo).model_copy(
        update={"taken_at": done.undo_contents.taken_at}
    )


def test_views_that_differ_come_along_with_the_whole_database(wal: SQLiteLab) -> None:
    case = Case.of(wal, (*MIXED, "CREATE VIEW old AS SELECT 1"), ("DELETE FROM orders WHERE id < 4", "DROP VIEW old"))
    before = case.now()
    done = case.swap(case.order(case.choose("orders").selection, objects=True))
    assert case.now() == facts(case.staged.proven)
    case.undo(done)
    assert case.now() == before


# lies


def test_a_row_that_was_not_written_as_proven_is_not_committed(wal: SQLiteLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The statements say that all went well, and it did not."""
    case = Case.of(wal, ORDERS, ("UPDATE orders SET v = 'x' WHERE id IN (2, 3)", "DELETE FROM orders WHERE id = 1"))
    order = case.order(case.choose("orders").selection)
    promoted = wal.engine.promote(order, QUIET)
    for broken in ("_change_rows", "_insert"):
        with monkeypatch.context() as patched:
            patched.setattr(writing._Writing, broken, lambda *_: None)
            with refused(case, ProofFailed) as raised:
                wal.engine.exchange(order, promoted, QUIET)
        assert "orders" in raised.value.message
    wal.engine.exchange(order, promoted, QUIET)
    assert case.now() == facts(case.staged.proven)


@pytest.mark.parametrize(
    "lie", ["UPDATE rows_1 SET c2 = 'forged' WHERE op = 'I'", "UPDATE rows_1 SET proven = 1 WHERE op = 'U'"]
)
def test_rows_beside_live_that_are_not_the_proven_ones(wal: SQLiteLab, lie: str) -> None:
    case = Case.of(wal, ORDERS, ("UPDATE orders SET v = 'x' WHERE id = 2", "DELETE FROM orders WHERE id = 1"))
    order = case.order(case.choose("orders").selection)
    promoted = wal.engine.promote(order, QUIET)
    with closing(sqlite3.connect(wal.live / ".restorekit" / "hold_r1.rows")) as held:
        held.execute(lie)
        held.commit()
    with refused(case, ProofFailed):
        wal.engine.exchange(order, promoted, QUIET)


def test_what_undo_kept_is_not_what_it_was(wal: SQLiteLab) -> None:
    case = Case.of(wal, ORDERS, ("UPDATE orders SET v = 'x' WHERE id = 2",))
    done = case.swap(case.order(case.choose("orders").selection))
    with closing(sqlite3.connect(wal.live / ".restorekit" / "undo_r1.rows")) as kept:
        kept.execute("UPDATE rows_1 SET c2 = 'forged'")
        kept.commit()
    with refused(case, ProofFailed):
        case.undo(done)
    (wal.live / ".restorekit" / "undo_r1.rows").unlink()
    with refused(case, UndoImpossible):
        case.undo(done, "r1v")


def test_another_definition_since_it_was_compared_or_carried(wal: SQLiteLab) -> None:
    case = Case.of(wal, ORDERS, ("UPDATE orders SET v = 'x' WHERE id = 2",))
    order = case.order(case.choose("orders").selection)
    promoted = wal.engine.promote(order, QUIET)
    wal.run("shop", "CREATE INDEX late ON orders (v)")
    with refused(case, PreflightRefused):
        case.again("orders")
    with refused(case, LiveChanged):
        wal.engine.exchange(order, promoted, QUIET)


def test_a_new_load_forgets_what_differed(wal: SQLiteLab) -> None:
    case = Case.of(wal, ORDERS, ("UPDATE orders SET v = 'x' WHERE id = 2",))
    order = case.order(case.choose("orders").selection)
    stage(wal, wal.backup("shop"))
    with refused(case, PreflightRefused):
        case.again("orders")
    with refused(case, ProofFailed):
        wal.engine.promote(order, QUIET)


def test_longer_than_writers_may_wait(lab: SQLiteLab) -> None:
    made = ("CREATE TABLE t (k INTEGER PRIMARY KEY, v)", series("t", 5000, "i, 'a'"))
    case = Case.of(lab, made, ("UPDATE t SET v = 'b'",))
    order = case.order(case.choose("t").selection, policy=policy(gate_max_s=1e-6))
    promoted = lab.engine.promote(order, QUIET)
    with refused(case, GateTimeout):
        lab.engine.exchange(order, promoted, QUIET)
    foretold = order.model_copy(
        update={"actions": tuple(a.model_copy(update={"blocked_s": 1.0}) for a in order.actions)}
    )
    assert [f.code for f in lab.engine.preflight(foretold)] == ["gate_budget"]
    assert lab.engine.preflight(foretold.model_copy(update={"gate": "open"})) == []


@pytest.mark.parametrize("beside", ["DELETE FROM orders WHERE id = 6", "UPDATE orders SET v = -0.0 WHERE id = 6"])
def test_what_is_written_beside_a_whole_table_is_refused_or_kept(lab: SQLiteLab, beside: str) -> None:
    case = Case.of(lab, (*ORDERS, "UPDATE orders SET v = 0.0 WHERE id = 6"), ("DELETE FROM orders WHERE id = 1",))
    order = case.order(case.choose("orders").selection)
    promoted = lab.engine.promote(order, QUIET)
    lab.run("shop", beside, "INSERT INTO orders (id, v) VALUES (90, 'beside')")
    since = case.now()
    with refused(case, LiveChanged):
        lab.engine.exchange(order, promoted, QUIET)
    allowed = order.model_copy(update={"accept_changes": True})
    done = lab.engine.exchange(allowed, promoted, QUIET)
    assert case.now() == facts(case.staged.proven)
    assert [s.note for s in done.slipped] == ["2 rows had changed meanwhile; what they had become is kept"]
    case.undo(done)
    assert case.now() == since


# the way back, when live has gone on


def test_a_unique_value_taken_since_then_makes_the_undo_impossible(wal: SQLiteLab) -> None:
    case = Case.of(wal, ORDERS, ("UPDATE orders SET code = 'mine' WHERE id = 2",))
    done = case.swap(case.order(case.choose("orders").selection))
    wal.run("shop", "INSERT INTO orders (id, code, v) VALUES (60, 'mine', 'of today')")
    with refused(case, UndoImpossible) as raised:
        case.undo(done)
    assert "orders" in raised.value.message
    assert "mine" not in raised.value.message


def test_what_customers_made_of_our_rows_comes_back_with_an_undo_of_the_undo(wal: SQLiteLab) -> None:
    damage = ("DELETE FROM orders WHERE id IN (1, 2, 3)", "UPDATE orders SET v = 'x' WHERE id IN (4, 5)")
    case = Case.of(wal, ORDERS, (*damage, "INSERT INTO orders (id, v) VALUES (40, 'extra'), (41, 'extra')"))
    before = case.now()
    done = case.swap(case.order(case.choose("orders").selection))
    wal.run(
        "shop",
        "DELETE FROM orders WHERE id IN (1, 4)",  # one brought back, one changed back
        "UPDATE orders SET v = 'of today' WHERE id IN (2, 5)",
        "INSERT INTO orders (id, v) VALUES (40, 'of today')",  # removed, and made anew
    )
    since = case.now()
    back = case.undo(done)
    assert case.now() == before
    assert [s.note for s in back.slipped] == ["5 rows had changed meanwhile; what they had become is kept"]
    case.undo(back, "r1uu")
    assert case.now() == since


# somebody writes all the time


def count_up(lab: SQLiteLab, log: Path) -> None:
    """A customer who counts in every row of a table in turn, and notes each commit after it was acknowledged."""
    with log.open("a", buffering=1) as acknowledged, closing(lab.connect("shop", timeout=20)) as shop:
        turn = 0
        while True:
            turn += 1
            if shop.execute("UPDATE counts SET n = n + 1 WHERE id = ?", (turn % 40,)).rowcount:
                acknowledged.write(f"{turn % 40}\n")
            time.sleep(0.001)  # in rollback mode a writer that never rests starves every reader


def test_rows_that_customers_write_meanwhile_are_left_or_kept_never_lost(lab: SQLiteLab) -> None:
    rows = tuple(f"INSERT INTO counts VALUES ({n}, 1000)" for n in range(40))
    case = Case.of(
        lab,
        ("CREATE TABLE counts (id INTEGER PRIMARY KEY, n INTEGER)", *rows),
        ("UPDATE counts SET n = 0", "DELETE FROM counts WHERE id >= 30"),
    )
    log = lab.folder / "acknowledged"
    log.touch()
    order = case.order(case.choose("counts", rows="all", keep_new=True).selection)
    order = order.model_copy(update={"gate": "open", "policy": policy(lock_wait_s=20)})
    promoted = lab.engine.promote(order, QUIET)
    writer = FORK.Process(target=count_up, args=(lab, log))
    writer.start()
    try:
        while log.stat().st_size < 20:
            assert writer.is_alive()
            time.sleep(0.002)  # another process's progress can only be polled
        done = lab.engine.exchange(order, promoted, QUIET)
        seen = log.stat().st_size
        while log.stat().st_size < seen + 100:
            assert writer.is_alive()
            time.sleep(0.002)
    finally:
        writer.kill()
        writer.join()
    (one,) = done.applied
    assert one.moved
    assert (one.inserted, one.changed, one.inserted + one.changed + one.moved) == (10, 30 - one.moved, 40)
    with closing(sqlite3.connect(lab.live / ".restorekit" / "undo_r1.rows")) as kept:
        written = {k: n for op, k, n in kept.execute("SELECT op, k0, c1 FROM rows_1") for n in [n if op == "U" else 0]}
    counted = Counter(int(line) for line in log.read_text().splitlines())
    for key, value in lab.rows("shop", "SELECT id, n FROM counts"):
        now = value - 1000 + written[key] if key in written else value
        assert now - counted[key] in (0, 1)  # the last one may have been committed and not noted


# costs


def test_few_rows_are_cheaper_than_a_table_and_a_whole_database_is_copied(wal: SQLiteLab) -> None:
    made = [f"CREATE TABLE {t} (k INTEGER PRIMARY KEY, v, w)" for t in ("a", "b")]
    made += [series(t, n, f"i, 'value ' || i, randomblob({size})") for t, n, size in (("a", 500, 60), ("b", 900, 3000))]
    case = Case.of(wal, tuple(made), ("DELETE FROM a WHERE k % 100 = 0",))
    one = case.look()["a"].costs
    assert one
    assert one.delta_s < one.exchange_s
    assert one.delta_bytes < one.exchange_bytes
    wal.run("shop", "UPDATE a SET v = 1", "UPDATE b SET v = 1")
    both = [d.costs for d in case.look().values()]
    assert all(c and c.exchange_s < c.delta_s for c in both)

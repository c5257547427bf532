"""Rows of a backup brought back one by one, said in the words of those who ask for it; run by every engine.

A subclass of DeltaContract gives a fixture `lab`, as in `contract.engine`.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from contract.engine import QUIET, Lab, Stage, facts, insert, live, open_box, policy, stage

from restorekit.errors import LiveChanged, PreflightRefused, ProofFailed, RestorekitError, UndoImpossible, UsageError
from restorekit.model.contents import Contents
from restorekit.model.difference import TableAction, TableDifference
from restorekit.model.exchange import Exchanged, ExchangeOrder, Promoted
from restorekit.model.pick import ChosenTable, Pick, Rows, Selection
from restorekit.model.shown import Choice

SHOP = (
    (
        "CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(60) NOT NULL, mail VARCHAR(60) NOT NULL UNIQUE,"
        " town VARCHAR(60))"
    ),
    (
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, status VARCHAR(20), note VARCHAR(200),"
        " FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE CASCADE)"
    ),
    (
        "CREATE TABLE order_lines (order_id INTEGER NOT NULL, pos INTEGER NOT NULL, item VARCHAR(40), amount INTEGER,"
        " PRIMARY KEY (order_id, pos), FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE)"
    ),
    (
        "CREATE TABLE pages (id INTEGER PRIMARY KEY, parent INTEGER, title VARCHAR(60),"
        " FOREIGN KEY (parent) REFERENCES pages (id))"
    ),
    "CREATE TABLE visits (who VARCHAR(20), what VARCHAR(40))",
    insert("customers", (f"{i}, 'Jürgen Müller {i}', 'm{i}@example.org', 'Köln'" for i in range(1, 31))),
    insert("orders", (f"{i}, {i % 30 + 1}, 'open', 'it''s no. {i}'" for i in range(1, 61))),
    insert("order_lines", (f"{i}, {p}, 'item {p}', {i + p}" for i in range(1, 61) for p in (1, 2))),
    insert("pages", ("1, NULL, 'home'", "2, 1, 'shop'", "3, 2, 'socks'", "4, 3, 'red'", "5, NULL, 'other'")),
    insert("visits", (f"'v{i % 3}', 'page'" for i in range(9))),
)
OF_TODAY = ("INSERT INTO orders VALUES (1, 9, 'new', 'of today'), (2, 10, 'new', 'of today')",)
CANARY = "kanarienvogel"


class Shop:
    """A shop with a backup of it in a sandbox; `staged`, if somebody has it from an equal shop."""

    def __init__(self, lab: Lab, *more: str, staged: Stage | None = None) -> None:
        self.lab, self.engine = lab, lab.engine
        lab.create("shop")
        lab.run("shop", *SHOP, *more)
        self.staged = staged or stage(lab, lab.backup("shop"))
        self.found: dict[str, TableDifference] = {}

    def happens(self, *statements: str) -> Contents:
        """The accident, or what customers do; live afterwards."""
        self.lab.run("shop", *self._unchecked, *statements)
        return self.now()

    @property
    def _unchecked(self) -> Sequence[str]:
        return getattr(self.lab, "dialect").before  # noqa: B009

    def now(self) -> Contents:
        return self.engine.contents(live())

    def ids(self, table: str, condition: str = "1 = 1", column: str = "id") -> list[Any]:
        return [
            r[0] for r in self.lab.rows("shop", f"SELECT {column} FROM {table} WHERE {condition} ORDER BY {column}")
        ]

    def look(self) -> dict[str, TableDifference]:
        """The difference, of all tables that are not equal."""
        ours, theirs = facts(self.staged.proven)["tables"], facts(self.now())["tables"]
        assert isinstance(ours, dict)
        assert isinstance(theirs, dict)
        unequal = sorted(n for n in ours.keys() | theirs.keys() if ours.get(n) != theirs.get(n))
        found = self.engine.compare(self.staged.where, live(), unequal, 20, QUIET)
        self.found = {d.name: d for d in found}
        return self.found

    def choose(self, pick: Pick, conditions: Mapping[str, str] | None = None) -> Choice:
        return self.engine.choose(self.staged.where, live(), pick, conditions or {}, QUIET)

    def pick(self, *tables: str, conditions: Mapping[str, str] | None = None, **how: Any) -> Choice:
        """Look, then choose."""
        self.look()
        return self.choose(Pick(tables=tables, filtered=bool(conditions), **how), conditions)

    def order(self, selection: Selection, order_id: str = "r1", **changes: Any) -> ExchangeOrder:
        chosen = {t.name for t in selection.tables if t.writes or t.whole}
        names = [t.name for t in self.staged.proven.tables]
        return ExchangeOrder(
            id=order_id,
            target="shop",
            staging=self.staged.where,
            actions=tuple(TableAction(name=n, method="delta" if n in chosen else "same", why="test") for n in names),
            objects=False,
            proven=self.staged.proven,
            live=self.now(),
            policy=policy(on_live_change="refuse"),
            selection=selection,
            gate="open",
        ).model_copy(update=changes)

    def swap(self, order: ExchangeOrder) -> Exchanged:
        return self.engine.exchange(order, self.engine.promote(order, QUIET), QUIET)

    def bring_back(self, *tables: str, **how: Any) -> Exchanged:
        """Look, choose, swap."""
        return self.swap(self.order(self.pick(*tables, **how).selection))

    def undo(self, done: Exchanged, order_id: str = "r1u") -> Exchanged:
        return self.engine.undo(done, order_id, 60, QUIET)


def rows_of(done: Exchanged) -> dict[str, tuple[int, int, int]]:
    """Rows inserted, changed, removed."""
    return {a.name: (a.inserted, a.changed, a.removed) for a in done.applied if a.inserted or a.changed or a.removed}


def chosen(choice: Choice, table: str) -> ChosenTable:
    found = choice.selection.table(table)
    assert found is not None
    return found


def kinds(choice: Choice) -> set[tuple[str, str, str]]:
    """Conflicts by table, kind, and by which table they came; not by which key, whose name an engine makes."""
    tables = ("parent_missing", "has_children")
    return {(c.table, c.kind, c.by if c.kind in tables else "") for c in choice.selection.conflicts}


@contextlib.contextmanager
def refused(shop: Shop, error: type[RestorekitError]) -> Iterator[Any]:
    """Live is as before, and the engine has nothing to settle."""
    before = facts(shop.now())
    with pytest.raises(error) as raised:
        yield raised
    assert facts(shop.now()) == before
    assert shop.engine.settle() == []
    assert CANARY not in str(raised.value) + raised.value.hint + "".join(raised.value.details)


class DeltaContract:
    """Picking, conflicts, live that moves on, undo, and what never leaves."""

    @pytest.fixture
    def shop(self, lab: Lab) -> Shop:
        return Shop(lab)

    # only what was asked for

    def test_the_deleted_orders_come_back_and_todays_orders_stay(self, shop: Shop) -> None:
        before = shop.happens(
            "DELETE FROM order_lines WHERE order_id BETWEEN 10 AND 30",
            "DELETE FROM orders WHERE id BETWEEN 10 AND 30",
            "UPDATE orders SET status = 'paid' WHERE id IN (1, 2)",
            "INSERT INTO orders VALUES (61, 3, 'open', 'today'), (62, 4, 'open', 'today')",
            "INSERT INTO order_lines VALUES (61, 1, 'new', 1)",
        )
        done = shop.bring_back("orders", "order_lines", rows="missing")
        assert rows_of(done) == {"orders": (21, 0, 0), "order_lines": (42, 0, 0)}
        assert shop.ids("orders") == list(range(1, 63))
        assert shop.ids("orders", "status = 'paid'") == [1, 2]
        assert shop.ids("order_lines", "order_id = 61", "item") == ["new"]
        assert shop.now().table("customers") == before.table("customers")
        assert done.gate in ("row_locks", "file_lock")
        shop.undo(done)
        assert facts(shop.now()) == facts(before)

    def test_only_the_changed_rows(self, shop: Shop) -> None:
        shop.happens(
            "UPDATE customers SET town = 'Bonn' WHERE id IN (1, 2)",
            "DELETE FROM order_lines WHERE order_id = 29",
            "DELETE FROM orders WHERE customer = 30",
            "DELETE FROM customers WHERE id = 30",
            "INSERT INTO customers VALUES (31, 'new', 'new@example.org', NULL)",
        )
        picked = shop.pick("customers", rows="changed")
        one = chosen(picked, "customers")
        assert (one.insert, one.change, one.remove, one.keep, one.left, one.whole) == (0, 2, 0, 1, 1, False)
        done = shop.swap(shop.order(picked.selection))
        assert rows_of(done) == {"customers": (0, 2, 0)}
        assert shop.ids("customers", "town = 'Bonn'") == []
        assert shop.ids("customers") == [*range(1, 30), 31]

    def test_all_that_differs_but_nothing_new_is_removed(self, shop: Shop) -> None:
        shop.happens(
            "UPDATE orders SET status = 'x'",
            "DELETE FROM order_lines WHERE order_id > 50",
            "DELETE FROM orders WHERE id > 50",
            "INSERT INTO orders VALUES (70, 3, 'open', 'today')",
        )
        done = shop.bring_back("orders", rows="all", keep_new=True)
        assert rows_of(done) == {"orders": (10, 50, 0)}
        assert shop.ids("orders") == [*range(1, 61), 70]
        assert shop.ids("orders", "status = 'open'") == [*range(1, 61), 70]

    def test_rows_that_only_live_has_go_where_all_is_wanted(self, shop: Shop) -> None:
        before = shop.happens(
            "INSERT INTO orders VALUES (70, 3, 'open', 'x')", "UPDATE pages SET title = 'y' WHERE id = 5"
        )
        picked = shop.pick("orders", "pages", conditions={"pages": "id > 100"})
        assert (chosen(picked, "orders").remove, chosen(picked, "pages").writes) == (1, 0)
        done = shop.swap(shop.order(picked.selection))
        assert 70 not in shop.ids("orders")
        assert shop.now().table("orders") == shop.staged.proven.table("orders")
        shop.undo(done)
        assert facts(shop.now()) == facts(before)

    def test_a_condition_is_asked_of_the_backups_row_and_of_lives_where_only_live_has_it(self, shop: Shop) -> None:
        shop.happens(
            "UPDATE customers SET town = 'Bonn' WHERE id IN (1, 2, 3)",
            "INSERT INTO customers VALUES (40, 'a', 'a@example.org', 'Köln'), (41, 'b', 'b@example.org', 'Rom')",
        )
        picked = shop.pick("customers", conditions={"customers": "town = 'Köln' AND id <> 2"})
        one = chosen(picked, "customers")
        assert (one.insert, one.change, one.remove, one.keep, one.left) == (0, 2, 1, 1, 1)
        again = shop.engine.choose(
            shop.staged.where, live(), Pick(tables=("customers",), filtered=True), None, QUIET
        )  # the condition of the last choice
        assert again.selection == picked.selection
        shop.swap(shop.order(picked.selection))
        assert shop.ids("customers", "town = 'Bonn'") == [2]
        assert 41 in shop.ids("customers")
        assert 40 not in shop.ids("customers")

    @pytest.mark.parametrize(
        "condition", [f"no_such_column = '{CANARY}'", f"'{CANARY}", f"1 = 1); DROP TABLE orders; -- {CANARY}"]
    )
    def test_a_condition_that_cannot_be_asked(self, shop: Shop, condition: str) -> None:
        shop.happens("DELETE FROM order_lines WHERE order_id = 4", "DELETE FROM orders WHERE id = 4")
        shop.look()
        with refused(shop, UsageError):
            shop.choose(Pick(tables=("orders",), filtered=True), {"orders": condition})
        assert facts(shop.engine.contents(shop.staged.where)) == facts(shop.staged.proven)

    def test_a_condition_on_a_table_that_is_not_picked(self, shop: Shop) -> None:
        shop.happens("DELETE FROM order_lines WHERE order_id = 4")
        shop.look()
        with refused(shop, UsageError):
            shop.choose(Pick(tables=("order_lines",), filtered=True), {"orders": "id = 4"})

    def test_nothing_that_fits_is_nothing_written(self, shop: Shop) -> None:
        shop.happens("DELETE FROM order_lines WHERE order_id = 4")
        picked = shop.pick("order_lines", rows="changed")
        assert chosen(picked, "order_lines").writes == 0
        assert chosen(picked, "order_lines").left == 2

    # what chosen rows need

    def test_the_parents_that_rows_need_are_pulled_in_and_counted(self, shop: Shop) -> None:
        before = shop.happens(
            "DELETE FROM order_lines WHERE order_id IN (4, 5)",
            "DELETE FROM orders WHERE id IN (4, 5, 34, 35)",
            "DELETE FROM order_lines WHERE order_id IN (34, 35)",
            "DELETE FROM customers WHERE id IN (5, 6)",
            "UPDATE customers SET town = 'Bonn' WHERE id = 7",
        )
        picked = shop.pick("order_lines", rows="missing", conditions={"order_lines": "order_id = 4"})
        assert (chosen(picked, "order_lines").insert, chosen(picked, "order_lines").pulled) == (2, 0)
        assert (chosen(picked, "orders").insert, chosen(picked, "orders").pulled) == (1, 1)
        assert (chosen(picked, "customers").insert, chosen(picked, "customers").pulled) == (1, 1)
        done = shop.swap(shop.order(picked.selection))
        assert shop.ids("orders", "id IN (4, 5, 34, 35)") == [4]
        assert shop.ids("customers", "id IN (5, 6)") == [5]
        assert shop.ids("customers", "town = 'Bonn'") == [7]
        shop.undo(done)
        assert facts(shop.now()) == facts(before)

    def test_a_page_brings_the_pages_above_it(self, shop: Shop) -> None:
        shop.happens("DELETE FROM pages WHERE id IN (2, 3, 4)")
        picked = shop.pick("pages", rows="missing", conditions={"": "id = 4"})
        one = chosen(picked, "pages")
        assert (one.insert, one.pulled, one.left) == (3, 2, 0)
        shop.swap(shop.order(picked.selection))
        assert shop.ids("pages") == [1, 2, 3, 4, 5]

    def test_rows_in_a_circle(self, lab: Lab) -> None:
        shop = Shop(lab, *lab.dialect.before, "UPDATE pages SET parent = 4 WHERE id = 1")  # type: ignore[attr-defined]
        before = shop.happens("DELETE FROM pages WHERE id < 5")
        picked = shop.pick("pages", rows="missing", conditions={"pages": "id = 2"})
        assert (chosen(picked, "pages").insert, chosen(picked, "pages").pulled) == (4, 3)
        done = shop.swap(shop.order(picked.selection))
        assert shop.now().table("pages") == shop.staged.proven.table("pages")
        shop.undo(done)
        assert facts(shop.now()) == facts(before)

    def test_a_parent_that_nobody_has(self, lab: Lab) -> None:
        orphan = "INSERT INTO order_lines VALUES (999, 1, 'lost', 1), (998, 1, 'lost', 1)"
        shop = Shop(lab, *lab.dialect.before, orphan)  # type: ignore[attr-defined]
        shop.happens("DELETE FROM order_lines WHERE order_id > 50")
        picked = shop.pick("order_lines", rows="missing")
        assert kinds(picked) == {("order_lines", "parent_missing", "orders")}
        assert picked.selection.conflict_count == 2
        assert chosen(picked, "order_lines").insert == 20
        skipped = shop.choose(Pick(tables=("order_lines",), rows="missing", conflicts="skip"))
        assert (chosen(skipped, "order_lines").insert, chosen(skipped, "order_lines").skipped) == (20, 2)
        shop.swap(shop.order(skipped.selection))
        assert shop.ids("order_lines", "order_id > 900", "order_id") == []

    # conflicts

    @pytest.mark.parametrize(("rows", "missing"), [("missing", 58), ("changed", 0), ("all", 58)])
    def test_an_id_that_another_row_took_is_a_conflict(self, shop: Shop, rows: Rows, missing: int) -> None:
        """After a TRUNCATE the counter starts again: order 1 is a new order, and the old one must not go under."""
        shop.happens("DELETE FROM order_lines", "DELETE FROM orders", *OF_TODAY)
        shop.look()
        pick, every = Pick(tables=("orders",), rows=rows, filtered=True), {"": "id > 0"}
        picked = shop.choose(pick, every)
        assert kinds(picked) == {("orders", "id_reused", "")}
        assert picked.selection.conflict_count == 2
        assert {c.key["id"] for c in picked.conflicts} == {1, 2}
        assert (chosen(picked, "orders").insert, chosen(picked, "orders").change) == (missing, 0)
        for said, change, skipped in (("ours", 2, 0), ("theirs", 0, 2), ("skip", 0, 2)):
            one = chosen(shop.choose(pick.model_copy(update={"conflicts": said}), every), "orders")
            assert (one.insert, one.change, one.skipped) == (missing, change, skipped)

    def test_columns_that_nobody_fills_do_not_make_two_rows_one(self, lab: Lab) -> None:
        shop = Shop(lab, "INSERT INTO orders VALUES (100, 1, 'open', NULL)")
        shop.happens("DELETE FROM orders WHERE id = 100", "INSERT INTO orders VALUES (100, 2, 'new', NULL)")
        assert kinds(shop.pick("orders", rows="missing")) == {("orders", "id_reused", "")}

    def test_the_order_of_today_or_that_of_the_backup(self, shop: Shop) -> None:
        before = shop.happens("DELETE FROM order_lines", "DELETE FROM orders", *OF_TODAY)
        done = shop.bring_back("orders", rows="missing", conflicts="theirs")
        assert shop.ids("orders") == list(range(1, 61))
        assert shop.ids("orders", "note = 'of today'") == [1, 2]
        shop.undo(done)
        assert facts(shop.now()) == facts(before)
        ours = shop.pick("orders", rows="missing", conflicts="ours").selection
        done = shop.swap(shop.order(ours, "r2"))
        assert shop.now().table("orders") == shop.staged.proven.table("orders")
        shop.undo(done, "r2u")
        assert facts(shop.now()) == facts(before)

    def test_new_rows_are_kept_even_under_an_id_of_the_backup(self, shop: Shop) -> None:
        shop.happens("DELETE FROM order_lines", "DELETE FROM orders", *OF_TODAY)
        picked = shop.pick("orders", keep_new=True, conflicts="ours")
        assert (chosen(picked, "orders").insert, chosen(picked, "orders").change) == (58, 0)
        shop.swap(shop.order(picked.selection))
        assert shop.ids("orders", "note = 'of today'") == [1, 2]

    def test_an_order_does_not_hang_on_a_stranger_without_a_word(self, shop: Shop) -> None:
        shop.happens(
            "DELETE FROM order_lines WHERE order_id = 4",
            "DELETE FROM orders WHERE id = 4",
            "UPDATE customers SET name = 'somebody', mail = 'else@example.org', town = 'Rom' WHERE id = 5",
        )
        picked = shop.pick("orders", rows="missing")
        assert {(c.table, c.kind, c.by) for c in picked.selection.conflicts} == {("orders", "id_reused", "customers")}
        assert chosen(picked, "orders").insert == 0
        theirs = shop.choose(Pick(tables=("orders",), rows="missing", conflicts="theirs"))
        assert chosen(theirs, "orders").insert == 1
        ours = shop.choose(Pick(tables=("orders",), rows="missing", conflicts="ours"))
        assert (chosen(ours, "orders").insert, chosen(ours, "customers").change) == (1, 1)
        shop.swap(shop.order(ours.selection))
        assert shop.now().table("customers") == shop.staged.proven.table("customers")

    def test_a_unique_value_that_another_row_took(self, shop: Shop) -> None:
        before = shop.happens(
            "DELETE FROM order_lines WHERE order_id IN (4, 34)",
            "DELETE FROM orders WHERE customer = 5",
            "DELETE FROM customers WHERE id = 5",
            "INSERT INTO customers VALUES (50, 'again', 'm5@example.org', NULL)",
        )
        picked = shop.pick("customers", rows="missing")
        assert kinds(picked) == {("customers", "unique_taken", "")}
        assert picked.conflicts[0].other["id"] == 50
        assert chosen(picked, "customers").writes == 0
        theirs = shop.choose(Pick(tables=("customers", "orders"), rows="missing", conflicts="theirs"))
        # nobody bears the id 5, so that orders of 5 would hang in the air
        assert (chosen(theirs, "customers").writes, chosen(theirs, "orders").writes) == (0, 0)
        ours = shop.choose(Pick(tables=("customers", "orders"), rows="missing", conflicts="ours"))
        one = chosen(ours, "customers")
        assert (one.insert, one.remove, chosen(ours, "orders").insert) == (1, 1, 2)
        done = shop.swap(shop.order(ours.selection))
        assert shop.ids("customers") == list(range(1, 31))
        shop.undo(done)
        assert facts(shop.now()) == facts(before)

    def test_rotated_unique_values_of_a_whole_table(self, shop: Shop) -> None:
        before = shop.happens(
            "UPDATE customers SET mail = 'x' WHERE id = 1",
            "UPDATE customers SET mail = 'm1@example.org' WHERE id = 2",
            "UPDATE customers SET mail = 'm2@example.org' WHERE id = 3",
            "UPDATE customers SET mail = 'm3@example.org' WHERE id = 1",
        )
        picked = shop.pick("customers")
        assert (picked.selection.conflict_count, chosen(picked, "customers").change) == (0, 3)
        assert chosen(picked, "customers").whole
        done = shop.swap(shop.order(picked.selection, gate="closed"))
        assert facts(shop.now()) == facts(shop.staged.proven)
        shop.undo(done)
        assert facts(shop.now()) == facts(before)

    def test_children_of_rows_that_would_be_removed_are_not_torn_off(self, shop: Shop) -> None:
        before = shop.happens(
            "INSERT INTO customers VALUES (60, 'new', 'new@example.org', NULL), (61, 'no', 'no@example.org', NULL)",
            "INSERT INTO orders VALUES (70, 60, 'open', 'of the new one')",
        )
        picked = shop.pick("customers")
        assert kinds(picked) == {("customers", "has_children", "orders")}
        assert (chosen(picked, "customers").remove, chosen(picked, "customers").keep) == (1, 1)
        skipped = shop.choose(Pick(tables=("customers",), conflicts="skip"))
        assert not chosen(skipped, "customers").whole
        done = shop.swap(shop.order(skipped.selection, gate="closed"))
        assert shop.ids("customers", "id > 30") == [60]
        assert shop.ids("orders", "id = 70") == [70]
        shop.undo(done)
        assert facts(shop.now()) == facts(before)
        both = shop.choose(Pick(tables=("customers", "orders")))
        assert both.selection.conflict_count == 0
        shop.swap(shop.order(both.selection, "r2", gate="closed"))
        assert facts(shop.now()) == facts(shop.staged.proven)

    # the whole table, row by row

    def test_whole_tables_become_the_backups_to_the_last_bit(self, shop: Shop) -> None:
        before = shop.happens(
            "UPDATE orders SET status = 'paid' WHERE id IN (3, 4)",
            "DELETE FROM order_lines WHERE order_id > 40",
            "DELETE FROM orders WHERE id > 40",
            "INSERT INTO orders VALUES (70, 3, 'open', 'today')",
        )
        picked = shop.pick("orders", "order_lines")
        assert {t.name: t.whole for t in picked.selection.tables} == {"orders": True, "order_lines": True}
        done = shop.swap(shop.order(picked.selection, gate="closed"))
        assert rows_of(done) == {"orders": (20, 2, 1), "order_lines": (40, 0, 0)}
        assert facts(shop.now()) == facts(shop.staged.proven)
        assert all(a.keyed for a in done.applied)
        back = shop.undo(done)
        assert rows_of(back) == {"orders": (1, 2, 20), "order_lines": (0, 0, 40)}
        assert facts(shop.now()) == facts(before)

    def test_a_write_beside_the_difference_is_found_before_a_whole_table_is_committed(self, shop: Shop) -> None:
        shop.happens("UPDATE orders SET status = 'paid' WHERE id IN (3, 4)")
        order = shop.order(shop.pick("orders").selection, gate="closed")
        promoted = shop.engine.promote(order, QUIET)
        shop.happens("UPDATE orders SET status = 'sent' WHERE id = 9")
        with refused(shop, LiveChanged) as raised:
            shop.engine.exchange(order, promoted, QUIET)
        assert "orders" in " ".join([raised.value.message, *raised.value.details])
        assert shop.engine.outcome(order.id) is None

    @pytest.mark.parametrize("leave", [{"accept_changes": True}, {"policy": policy()}], ids=["said", "policy"])
    def test_whole_tables_do_not_wait_until_nobody_writes_where_that_is_allowed(self, shop: Shop, leave: Any) -> None:
        """Writers never rest. What they wrote since it was shown is kept and named, as where tables are exchanged."""
        shop.happens("UPDATE orders SET status = 'paid' WHERE id IN (3, 4)", "DELETE FROM order_lines WHERE pos = 2")
        selection = shop.pick("orders", "order_lines").selection
        order = shop.order(selection, gate="closed").model_copy(update=leave)
        promoted = shop.engine.promote(order, QUIET)
        wrote = shop.happens(
            "UPDATE orders SET status = 'sent' WHERE id IN (4, 9)",
            "INSERT INTO orders VALUES (80, 1, 'open', 'beside')",
        )
        done = shop.engine.exchange(order, promoted, QUIET)
        assert facts(shop.now()) == facts(shop.staged.proven)
        assert [s.name for s in done.slipped] == ["orders"]
        shop.undo(done)
        assert facts(shop.now()) == facts(wrote)

    # live moves on

    def _moved(self, shop: Shop) -> tuple[ExchangeOrder, Promoted]:
        shop.happens(
            "UPDATE orders SET status = 'paid' WHERE id IN (3, 4, 5)",
            "DELETE FROM order_lines WHERE order_id IN (20, 21)",
            "DELETE FROM orders WHERE id IN (20, 21)",
        )
        order = shop.order(shop.pick("orders", rows="all", keep_new=True).selection)
        promoted = shop.engine.promote(order, QUIET)
        shop.happens(
            f"UPDATE orders SET status = '{CANARY}' WHERE id = 3",
            f"INSERT INTO orders VALUES (20, 1, 'open', '{CANARY}')",
            "DELETE FROM orders WHERE id = 5",
            "INSERT INTO orders VALUES (80, 1, 'open', 'beside')",
        )
        return order, promoted

    def test_rows_that_moved_since_they_were_shown_are_refused(self, shop: Shop) -> None:
        order, promoted = self._moved(shop)
        with refused(shop, LiveChanged) as raised:
            shop.engine.exchange(order, promoted, QUIET)
        assert "orders" in " ".join([raised.value.message, *raised.value.details])
        assert shop.engine.outcome(order.id) is None

    @pytest.mark.parametrize("leave", [{"accept_changes": True}, {"policy": policy()}], ids=["said", "policy"])
    def test_rows_that_moved_are_left_alone_and_named_where_that_is_allowed(self, shop: Shop, leave: Any) -> None:
        order, _ = self._moved(shop)
        order = order.model_copy(update=leave)
        before = shop.now()
        done = shop.engine.exchange(order, shop.engine.promote(order, QUIET), QUIET)
        (one,) = [a for a in done.applied if a.name == "orders"]
        assert (one.inserted, one.changed, one.removed, one.moved) == (1, 1, 0, 3)
        assert [s.name for s in done.slipped] == ["orders"]
        assert shop.ids("orders", f"status = '{CANARY}' OR note = '{CANARY}'") == [3, 20]
        assert shop.ids("orders", "id IN (4, 5, 21, 80)") == [4, 21, 80]
        assert CANARY not in done.model_dump_json()
        shop.undo(done)
        assert facts(shop.now()) == facts(before)

    def test_a_unique_value_taken_since_it_was_shown(self, shop: Shop) -> None:
        shop.happens(
            "DELETE FROM order_lines WHERE order_id IN (4, 34)",
            "DELETE FROM orders WHERE customer = 5",
            "DELETE FROM customers WHERE id IN (5)",
        )
        order = shop.order(shop.pick("customers", "orders", rows="missing").selection)
        promoted = shop.engine.promote(order, QUIET)
        shop.happens("INSERT INTO customers VALUES (50, 'again', 'm5@example.org', NULL)")
        with refused(shop, LiveChanged) as raised:
            shop.engine.exchange(order, promoted, QUIET)
        assert "m5@" not in str(raised.value) + "".join(raised.value.details)

    # the way back

    def test_undo_of_undo_of_undo(self, shop: Shop) -> None:
        before = facts(
            shop.happens("DELETE FROM order_lines WHERE order_id < 9", "UPDATE orders SET note = NULL WHERE id = 1")
        )
        done = shop.bring_back("orders", "order_lines", rows="all", keep_new=True)
        after = facts(shop.now())
        for turn, wanted in enumerate((before, after, before, after)):
            done = shop.undo(done, f"r1u{turn}")
            assert facts(shop.now()) == wanted

    def test_the_same_undo_asked_for_twice_is_one(self, shop: Shop) -> None:
        before = facts(shop.happens("DELETE FROM order_lines WHERE order_id < 9"))
        done = shop.bring_back("order_lines", rows="missing")
        first = shop.undo(done)
        assert shop.undo(done) == first
        assert facts(shop.now()) == before

    def test_undo_after_customers_wrote_beside_takes_back_our_rows_only(self, shop: Shop) -> None:
        shop.happens("DELETE FROM order_lines WHERE order_id < 9", "UPDATE orders SET note = 'x' WHERE id < 4")
        done = shop.bring_back("orders", "order_lines", rows="all", keep_new=True)
        shop.happens(
            "INSERT INTO orders VALUES (80, 1, 'open', 'later')",
            "UPDATE orders SET note = 'later' WHERE id = 40",
            "INSERT INTO order_lines VALUES (80, 1, 'later', 1)",
        )
        shop.undo(done)
        assert shop.ids("orders", "note = 'later'") == [40, 80]
        assert shop.ids("orders", "note = 'x'") == [1, 2, 3]
        assert shop.ids("order_lines", "order_id < 9 OR order_id = 80", "order_id") == [80]

    def test_undo_after_customers_wrote_into_our_rows_keeps_what_they_wrote(self, shop: Shop) -> None:
        shop.happens("UPDATE orders SET note = 'x' WHERE id < 4", "DELETE FROM order_lines WHERE order_id = 7")
        done = shop.bring_back("orders", "order_lines", rows="all", keep_new=True)
        wrote = shop.happens(
            "UPDATE orders SET note = 'customer' WHERE id = 2",
            "UPDATE order_lines SET amount = 77 WHERE order_id = 7 AND pos = 1",
        )
        back = shop.undo(done)
        assert shop.ids("orders", "note = 'x'") == [1, 2, 3]
        assert shop.ids("order_lines", "order_id = 7", "pos") == []
        assert {s.name for s in back.slipped} == {"orders", "order_lines"}
        shop.undo(back, "r1uu")
        assert facts(shop.now()) == facts(wrote)

    def test_undo_is_refused_where_new_rows_hang_on_what_it_would_remove(self, shop: Shop) -> None:
        shop.happens("DELETE FROM order_lines WHERE order_id = 7", "DELETE FROM orders WHERE id = 7")
        done = shop.bring_back("orders", rows="missing")
        shop.happens("INSERT INTO order_lines VALUES (7, 1, 'later', 1), (7, 2, 'later', 1)")
        with refused(shop, UndoImpossible) as raised:
            shop.undo(done)
        said = " ".join([raised.value.message, *raised.value.details])
        assert "order_lines" in said
        assert "2" in said

    def test_undo_of_rows_whose_children_were_orphans_meanwhile(self, shop: Shop) -> None:
        """Somebody deleted orders without their lines; they hang on the orders again, and on nothing after undo."""
        before = shop.happens("DELETE FROM orders WHERE id < 9")
        done = shop.bring_back("orders", rows="missing")
        assert facts(shop.now()) == facts(shop.staged.proven)
        shop.undo(done)
        assert facts(shop.now()) == facts(before)

    def test_retired_is_retired(self, shop: Shop) -> None:
        shop.happens("DELETE FROM order_lines WHERE order_id = 7")
        done = shop.bring_back("order_lines", rows="missing")
        shop.engine.retire(done)
        shop.engine.retire(done)
        with refused(shop, UndoImpossible):
            shop.undo(done)

    # what was agreed to is what is done

    def test_another_choice_than_the_order_s_is_not_promoted(self, shop: Shop) -> None:
        shop.happens("DELETE FROM order_lines WHERE order_id IN (7, 8)")
        first = shop.pick("order_lines", rows="missing", conditions={"": "order_id = 7"})
        order = shop.order(first.selection)
        shop.choose(Pick(tables=("order_lines",), rows="missing", filtered=True), {"": "order_id = 8"})
        with refused(shop, ProofFailed):
            shop.engine.promote(order, QUIET)
        again = shop.choose(Pick(tables=("order_lines",), rows="missing", filtered=True), {"": "order_id = 7"})
        assert again.selection == first.selection
        assert rows_of(shop.swap(order)) == {"order_lines": (2, 0, 0)}

    def test_counts_alone_do_not_make_a_choice_the_same(self, shop: Shop) -> None:
        shop.happens("UPDATE order_lines SET amount = 0 WHERE order_id IN (7, 8)")
        one = shop.pick("order_lines", rows="changed", conditions={"": "order_id = 7"})
        other = shop.choose(Pick(tables=("order_lines",), rows="changed", filtered=True), {"": "order_id = 8"})
        assert chosen(one, "order_lines").keyed != chosen(other, "order_lines").keyed
        shop.happens("UPDATE order_lines SET amount = 1 WHERE order_id = 8")
        moved = shop.pick("order_lines", rows="changed", conditions={"": "order_id = 8"})
        assert chosen(moved, "order_lines").keyed != chosen(other, "order_lines").keyed

    def test_a_later_comparison_leaves_nothing_of_an_earlier_one(self, shop: Shop) -> None:
        shop.happens("DELETE FROM order_lines WHERE order_id = 7", "UPDATE pages SET title = 'x' WHERE id = 5")
        shop.look()
        shop.happens("INSERT INTO order_lines VALUES (7, 1, 'item 1', 8), (7, 2, 'item 2', 9)")
        shop.look()
        picked = shop.choose(Pick(tables=("order_lines", "pages")))
        one = picked.selection.table("order_lines")
        assert one is None or one.writes == 0
        assert chosen(picked, "pages").change == 1

    def test_rows_without_a_key_are_refused_before_anything_happens(self, shop: Shop) -> None:
        shop.happens("DELETE FROM visits WHERE who = 'v1'", "INSERT INTO visits VALUES ('new', 'page')")
        assert shop.look()["visits"].no_delta
        with refused(shop, PreflightRefused):
            shop.choose(Pick(tables=("visits",), rows="changed"))

    def test_while_somebody_thinks_the_sandbox_sleeps(self, shop: Shop) -> None:
        shop.happens("DELETE FROM order_lines WHERE order_id IN (7, 8)")
        picked = shop.pick("order_lines", rows="missing", conditions={"order_lines": "order_id = 7"})
        shop.engine.cool(shop.staged.sandbox)
        assert open_box(shop.lab, shop.staged.sandbox.id) == shop.staged.sandbox
        assert rows_of(shop.swap(shop.order(picked.selection))) == {"order_lines": (2, 0, 0)}

    def test_promoting_and_exchanging_twice_is_once(self, shop: Shop) -> None:
        shop.happens("DELETE FROM order_lines WHERE order_id IN (7, 8)")
        order = shop.order(shop.pick("order_lines", rows="missing").selection)
        promoted = shop.engine.promote(order, QUIET)
        assert shop.engine.promote(order, QUIET).contents.tables == promoted.contents.tables
        done = shop.engine.exchange(order, promoted, QUIET)
        shop.happens("UPDATE order_lines SET amount = 0 WHERE order_id = 7")
        assert shop.engine.exchange(order, promoted, QUIET) == done
        assert shop.engine.outcome(order.id) == done
        assert shop.ids("order_lines", "order_id = 7", "amount") == [0, 0]

    # what never leaves

    def test_no_value_of_a_row_is_in_anything_that_is_kept(self, lab: Lab) -> None:
        secret = f"INSERT INTO customers VALUES (99, '{CANARY}', '{CANARY}@example.org', '{CANARY}')"
        shop = Shop(lab, secret, f"INSERT INTO orders VALUES (99, 99, '{CANARY}', '{CANARY}')")
        shop.happens(
            "DELETE FROM orders WHERE id = 99",
            "DELETE FROM customers WHERE id = 99",
            f"INSERT INTO customers VALUES (98, 'x', '{CANARY}@example.org', '{CANARY}')",
            f"UPDATE orders SET customer = 9, status = '{CANARY}', note = '{CANARY}' WHERE id = 2",
        )
        found = shop.look()
        pick, conditions = (
            Pick(tables=("customers", "orders"), rows="missing", filtered=True),
            {"": f"'{CANARY}' <> 'x'"},
        )
        undecided = shop.choose(pick, conditions)
        assert undecided.selection.conflict_count == 2
        choice = shop.choose(pick.model_copy(update={"conflicts": "ours"}), conditions)
        order = shop.order(choice.selection)
        promoted = shop.engine.promote(order, QUIET)
        done = shop.engine.exchange(order, promoted, QUIET)
        back = shop.undo(done)
        values = [*found.values(), undecided.selection, choice.selection, order, promoted, done, back]
        assert CANARY not in "".join(v.model_dump_json() for v in values)
        assert rows_of(done) == {"customers": (1, 0, 1), "orders": (1, 1, 0)}

"""What every engine must do, whatever it keeps its databases in.

A subclass of EngineContract gives a fixture `lab` (see Lab): one engine with an empty live server, fresh for each
test or at least free of databases and of staging from other tests.

    class TestSQLite(EngineContract):
        @pytest.fixture
        def lab(self, tmp_path) -> Iterator[Lab]: ...
"""

import contextlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from restorekit.errors import (
    Cancelled,
    LiveChanged,
    ProofFailed,
    RestorekitError,
    UndoImpossible,
    UnknownName,
    UsageError,
)
from restorekit.model.artifact import Loaded
from restorekit.model.changes import DatabaseChanges
from restorekit.model.contents import Contents, Fingerprint
from restorekit.model.database import Where
from restorekit.model.difference import TableAction, TableDifference
from restorekit.model.exchange import Exchanged, ExchangeOrder, Promoted
from restorekit.model.plan import Policy
from restorekit.model.point import Compression, Format
from restorekit.model.staged import Sandbox, SandboxSpec
from restorekit.ports import Engine
from restorekit.timeline.states import between

_ORDERS = (
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, status VARCHAR(20), note VARCHAR(200),"
    " FOREIGN KEY (customer) REFERENCES customers (id))"
)
_LINES = (
    "CREATE TABLE order_lines (order_id INTEGER NOT NULL, pos INTEGER NOT NULL, item VARCHAR(40), amount INTEGER,"
    " PRIMARY KEY (order_id, pos))"
)


def _mail(number: int) -> str:
    return f"'m{number}@example.org'" if number % 3 else "NULL"


def insert(table: str, rows: Iterable[str]) -> str:
    """One INSERT with many rows, each given as SQL between parentheses."""
    return f"INSERT INTO {table} VALUES {', '.join(f'({row})' for row in rows)}"


SHOP = (
    "CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(60), mail VARCHAR(60))",
    _ORDERS,
    _LINES,
    "CREATE TABLE options_ (k VARCHAR(40) NOT NULL PRIMARY KEY, v VARCHAR(200))",
    "CREATE TABLE visits (who VARCHAR(20), what VARCHAR(40))",
    "CREATE TABLE nothing_yet (id INTEGER PRIMARY KEY, t VARCHAR(10))",
    insert("customers", (f"{i}, 'Jürgen Müller {i}', {_mail(i)}" for i in range(1, 41))),
    insert("orders", (f"{i}, {i % 40 + 1}, 'open', 'it''s no. {i}'" for i in range(1, 81))),
    insert("order_lines", (f"{i}, {p}, 'item {p}', {i + p}" for i in range(1, 41) for p in (1, 2))),
    insert("options_", (f"'option {i}', 'v{i}'" for i in range(10))),
    insert("visits", (f"'v{i % 3}', 'page'" for i in range(9))),
)
DAMAGE = (
    "DELETE FROM order_lines WHERE order_id > 20",
    "UPDATE orders SET status = 'paid' WHERE id IN (3, 4)",
    "INSERT INTO orders VALUES (900, 1, 'open', 'came later')",
)
TABLES = ("customers", "nothing_yet", "options_", "order_lines", "orders", "visits")


class Lab(Protocol):
    """One engine with its live server, and the ways of a customer."""

    engine: Engine
    form: tuple[Format, Compression]
    extras: Sequence[str]
    """Statements of this engine's dialect that add views, triggers, routines … to the shop."""

    def create(self, database: str) -> None:
        """Make an empty database on live."""
        ...

    def run(self, database: str, *statements: str) -> None:
        """Run statements on live as the customer would, each committed."""
        ...

    def rows(self, database: str, query: str) -> list[tuple[Any, ...]]:
        """Ask live as the customer would."""
        ...

    def quoted(self, name: str) -> str:
        """An identifier in this engine's SQL."""
        ...

    def backup(self, database: str) -> bytes:
        """A backup of live in `form`, made by the tool that an admin would use."""
        ...


class Quiet:
    """A watch that nobody looks at."""

    def progress(self, phase: str, done: int, total: int | None, unit: str = "bytes") -> None:
        pass

    def check(self) -> None:
        pass


class Impatient(Quiet):
    """A watch that says stop after `after` looks."""

    def __init__(self, after: int = 0) -> None:
        self.left = after

    def check(self) -> None:
        if self.left <= 0:
            raise Cancelled
        self.left -= 1


QUIET = Quiet()


def policy(**changes: Any) -> Policy:
    return Policy(playbook="test", min_level=5, on_live_change="keep_and_report", gate_max_s=30).model_copy(
        update=changes
    )


def pieces(data: bytes, size: int = 4096) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def live(database: str = "shop") -> Where:
    return Where(schema_name=database)


@dataclass
class Stage:
    """A staged backup: where it is, and what was measured in it."""

    lab: Lab
    sandbox: Sandbox
    where: Where
    loaded: Loaded
    proven: Contents


def make_shop(lab: Lab, database: str = "shop") -> bytes:
    """A shop on live, and a backup of it."""
    lab.create(database)
    lab.run(database, *SHOP, *lab.extras)
    return lab.backup(database)


def open_box(lab: Lab, sandbox_id: str = "r1", database: str = "shop") -> Sandbox:
    spec = SandboxSpec(id=sandbox_id, schema_name=database, settings=lab.engine.settings(database))
    return lab.engine.open_sandbox(spec)


def stage(lab: Lab, data: bytes, sandbox_id: str = "r1", database: str = "shop") -> Stage:
    box = open_box(lab, sandbox_id, database)
    loaded = lab.engine.load(box, pieces(data), lab.form, QUIET)
    where = Where(schema_name=database, sandbox=box.folder)
    return Stage(lab, box, where, loaded, lab.engine.contents(where))


def facts(contents: Contents) -> dict[str, object]:
    """All that must be the same where two states are the same."""
    return {
        "tables": {t.name: (t.rows, t.fingerprint, t.schema_hash) for t in contents.tables},
        "objects": {(o.kind, o.name): o.hash for o in contents.objects if o.kind != "grant"},
    }


def differences(staged: Stage, database: str = "shop", most: int = 20) -> dict[str, TableDifference]:
    engine = staged.lab.engine
    names = sorted({t.name for t in staged.proven.tables} | {t.name for t in engine.contents(live(database)).tables})
    return {d.name: d for d in engine.compare(staged.where, live(database), names, most, QUIET)}


def actions(found: Iterable[TableDifference]) -> tuple[TableAction, ...]:
    def method(one: TableDifference) -> Any:
        if one.same:
            return "same"
        return "create" if not one.in_live else "remove" if not one.in_staging else "exchange"

    return tuple(TableAction(name=d.name, method=method(d), why="test") for d in found)


def closed(wanted: tuple[TableAction, ...], *states: Contents) -> tuple[TableAction, ...]:
    """The plan's duty: what a foreign key links with a touched table moves with it."""
    links = {frozenset((t.name, parent)) for state in states for t in state.tables for parent in t.references}
    moving = {a.name for a in wanted if a.method != "same"}
    while more := {name for link in links if link & moving for name in link} - moving:
        moving |= more
    return tuple(
        a.model_copy(update={"method": "exchange"}) if a.method == "same" and a.name in moving else a for a in wanted
    )


def order(staged: Stage, order_id: str = "r1", database: str = "shop", **changes: Any) -> ExchangeOrder:
    """The order that brings everything staged back into an existing database."""
    shown = staged.lab.engine.contents(live(database))
    return ExchangeOrder(
        id=order_id,
        target=database,
        staging=staged.where,
        actions=closed(actions(differences(staged, database).values()), staged.proven, shown),
        objects=True,
        proven=staged.proven,
        live=shown,
        policy=policy(),
    ).model_copy(update=changes)


def order_new(staged: Stage, target: str, order_id: str = "r1") -> ExchangeOrder:
    """The order that makes a database that is not there yet."""
    everything = tuple(TableAction(name=t.name, method="create", why="test") for t in staged.proven.tables)
    return ExchangeOrder(
        id=order_id,
        target=target,
        staging=staged.where,
        actions=everything,
        objects=True,
        proven=staged.proven,
        live=None,
        policy=policy(),
    )


def swap(staged: Stage, wanted: ExchangeOrder) -> tuple[Promoted, Exchanged]:
    promoted = staged.lab.engine.promote(wanted, QUIET)
    return promoted, staged.lab.engine.exchange(wanted, promoted, QUIET)


class LoadingContract:
    """Sandboxes, and backups that become databases in them."""

    def test_a_sandbox_is_found_again_cooled_and_discarded_any_number_of_times(self, lab: Lab) -> None:
        data = make_shop(lab)
        staged = stage(lab, data)
        assert open_box(lab) == staged.sandbox
        assert facts(lab.engine.contents(staged.where)) == facts(staged.proven)
        lab.engine.cool(staged.sandbox)
        lab.engine.cool(staged.sandbox)
        assert open_box(lab) == staged.sandbox
        assert facts(lab.engine.contents(staged.where)) == facts(staged.proven)
        lab.engine.discard(staged.sandbox)
        lab.engine.discard(staged.sandbox)
        with pytest.raises(RestorekitError):
            lab.engine.contents(staged.where)

    def test_a_half_made_sandbox_is_completed(self, lab: Lab) -> None:
        data = make_shop(lab)
        box = open_box(lab)
        lab.engine.discard(box)
        Path(box.folder).mkdir()  # a worker died right after its first step
        assert facts(stage(lab, data).proven) == facts(lab.engine.contents(live()))

    def test_what_is_loaded_is_what_live_held(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        assert facts(staged.proven) == facts(lab.engine.contents(live()))
        assert staged.loaded.complete == "yes", staged.loaded.complete_why
        assert {t.name for t in staged.loaded.tables} >= set(TABLES)
        assert all(c.outcome in ("passed", "not_applicable") for c in lab.engine.sound(staged.where))
        witnessed = lab.engine.witness(staged.sandbox, staged.loaded)
        assert witnessed
        assert all(c.outcome in ("passed", "not_applicable") for c in witnessed), witnessed

    def test_loading_twice_gives_the_same_as_once(self, lab: Lab) -> None:
        data = make_shop(lab)
        first = stage(lab, data)
        assert facts(stage(lab, data).proven) == facts(first.proven)

    def test_a_later_load_leaves_nothing_of_an_earlier_one(self, lab: Lab) -> None:
        data = make_shop(lab)
        lab.run("shop", "CREATE TABLE only_in_the_first (id INTEGER PRIMARY KEY)")
        assert stage(lab, lab.backup("shop")).proven.table("only_in_the_first")
        assert stage(lab, data).proven.table("only_in_the_first") is None

    @pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
    def test_a_stream_that_breaks_is_never_taken_for_whole(self, lab: Lab, share: float) -> None:
        data = make_shop(lab)
        whole = stage(lab, data).proven
        broken = RuntimeError("the source died")

        def stream() -> Iterator[bytes]:
            yield from pieces(data[: int(len(data) * share)])
            raise broken

        box = open_box(lab)
        with pytest.raises(RuntimeError) as raised:
            lab.engine.load(box, stream(), lab.form, QUIET)
        assert raised.value is broken
        where = Where(schema_name="shop", sandbox=box.folder)
        try:
            taken = facts(lab.engine.contents(where))
        except RestorekitError:
            taken = {}  # nothing there at all is as good
        assert taken != facts(whole)
        assert facts(stage(lab, data).proven) == facts(whole)

    def test_a_stop_is_heard_while_loading(self, lab: Lab) -> None:
        data = make_shop(lab)
        box = open_box(lab)

        def stream() -> Iterator[bytes]:
            stop = Impatient(2)
            for piece in pieces(data, 512):
                stop.check()
                yield piece

        with pytest.raises(Cancelled):
            lab.engine.load(box, stream(), lab.form, QUIET)


class ReadingContract:
    """Contents, differences, captures, and reading for people."""

    # each change must be seen

    @pytest.mark.parametrize(
        ("table", "change"),
        [
            ("orders", ["UPDATE orders SET status = 'paid' WHERE id = 5"]),
            ("orders", ["UPDATE orders SET status = 'paid' WHERE id IN (5, 6)"]),
            ("orders", ["UPDATE orders SET status = 'paid'"]),
            (
                "options_",
                [
                    "UPDATE options_ SET v = 'v2' WHERE k = 'option 1'",
                    *["UPDATE options_ SET v = 'v1' WHERE k = 'option 2'"],
                ],
            ),
            ("customers", ["UPDATE customers SET mail = '' WHERE mail IS NULL"]),
            ("customers", ["UPDATE customers SET name = 'm1@example.org', mail = 'Jürgen Müller 1' WHERE id = 1"]),
            ("visits", ["DELETE FROM visits", *[f"INSERT INTO visits VALUES ('v{i // 4}', 'page')" for i in range(9)]]),
            ("nothing_yet", ["INSERT INTO nothing_yet VALUES (1, NULL)"]),
            ("order_lines", ["UPDATE order_lines SET pos = 3 WHERE order_id = 7 AND pos = 2"]),
        ],
        ids=[
            "one value",
            "same change twice",
            "same change on all",
            "swapped",
            "null",
            "columns",
            "pairs",
            "empty",
            "key",
        ],
    )
    def test_a_change_changes_the_fingerprint(self, lab: Lab, table: str, change: list[str]) -> None:
        make_shop(lab)
        before = facts(lab.engine.contents(live()))["tables"]
        lab.run("shop", *change)
        after = facts(lab.engine.contents(live()))["tables"]
        assert isinstance(before, dict)
        assert isinstance(after, dict)
        assert [name for name in before if before[name] != after[name]] == [table]

    def test_row_order_does_not_change_the_fingerprint(self, lab: Lab) -> None:
        make_shop(lab)
        before = facts(lab.engine.contents(live()))
        lab.run("shop", "DELETE FROM visits", *(f"INSERT INTO visits VALUES ('v{i}', 'page')" for i in (2, 1, 0) * 3))
        assert facts(lab.engine.contents(live())) == before

    def test_contents_of_some_tables_only(self, lab: Lab) -> None:
        make_shop(lab)
        some = lab.engine.contents(live(), frozenset({"orders"}))
        assert [t.name for t in some.tables] == ["orders"]
        assert some.tables[0] == lab.engine.contents(live()).table("orders")
        assert lab.engine.contents(live(), fingerprints=False).tables[0].fingerprint is None

    def test_totals_are_exact_and_rows_are_bounded(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        lab.run(
            "shop",
            *DAMAGE,
            "DELETE FROM visits WHERE who = 'v1'",
            "INSERT INTO visits VALUES ('new', 'page')",
            "DELETE FROM options_ WHERE k = 'option 3'",
            "UPDATE options_ SET v = NULL WHERE k IN ('option 4', 'option 5')",
            "INSERT INTO options_ VALUES ('zz', NULL)",
        )
        found = differences(staged, most=3)
        counted = {n: (d.missing, d.changed, d.extra) for n, d in found.items() if not d.same}
        assert counted == {
            "order_lines": (40, 0, 0),
            "orders": (0, 2, 1),
            "visits": (3, 0, 1),
            "options_": (1, 2, 1),
        }
        assert all(len(d.rows) <= 3 for d in found.values())
        assert (found["orders"].live_rows, found["orders"].staging_rows) == (81, 80)
        changed = [r for r in found["orders"].rows if r.kind == "changed"]
        assert all(r.columns == ("status",) for r in changed)
        assert "option" not in "".join(r.key for d in found.values() for r in d.rows)

    def test_rows_that_differ_are_read_anew_with_their_values(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        lab.run(
            "shop",
            *DAMAGE,
            "DELETE FROM visits WHERE who = 'v1'",
            "UPDATE options_ SET v = NULL WHERE k = 'option 4'",
            "DELETE FROM options_ WHERE k = 'option 3'",
            "CREATE TABLE later (id INTEGER PRIMARY KEY, t VARCHAR(9))",
            "INSERT INTO later VALUES (1, 'x')",
        )
        seen = {}
        for table in (*TABLES, "later"):
            seen[table] = lab.engine.rows(staged.where, live(), table, 3, QUIET)
            assert len(seen[table]) <= 3
        assert not seen["customers"]
        orders = {r.kind: r for r in seen["orders"]}
        assert orders["changed"].cells.keys() == {"status"}
        now, backup = orders["changed"].cells["status"]
        assert now != backup == "open"
        assert orders["extra"].key == {"id": 900}
        assert orders["extra"].cells["note"] == ("came later", None)
        assert {r.kind for r in seen["order_lines"]} == {"missing"}
        assert set(seen["order_lines"][0].key) == {"order_id", "pos"}
        assert [(r.kind, r.key["who"], r.cells) for r in seen["visits"]] == [("missing", "v1", {})] * 3
        by_key = {r.key["k"]: r for r in seen["options_"]}
        assert by_key["option 3"].kind == "missing"
        assert by_key["option 4"].cells["v"][0] is None
        assert [(r.kind, r.key, r.cells) for r in seen["later"]] == [("extra", {"id": 1}, {"t": ("x", None)})]
        with pytest.raises(UnknownName):
            lab.engine.rows(staged.where, live(), "nowhere", 3, QUIET)

    def test_a_table_on_one_side_only(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        lab.run(
            "shop", "DROP TABLE options_", "CREATE TABLE later (id INTEGER PRIMARY KEY)", "INSERT INTO later VALUES (1)"
        )
        found = differences(staged)
        assert (found["options_"].in_live, found["options_"].missing) == (False, 10)
        assert (found["later"].in_staging, found["later"].extra) == (False, 1)

    def test_a_column_added_later_is_a_changed_definition(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        lab.run("shop", "ALTER TABLE orders ADD COLUMN extra_note VARCHAR(10)")
        found = differences(staged)["orders"]
        assert found.schema_changed
        assert not found.same

    def test_the_manifest_of_a_capture_is_what_is_restored(self, lab: Lab) -> None:
        make_shop(lab)
        out = io.BytesIO()
        manifest = lab.engine.capture("shop", out, QUIET)
        assert manifest.origin == "captured"
        staged = stage(lab, out.getvalue())
        assert facts(staged.proven) == facts(manifest)
        assert staged.loaded.complete == "yes"

    def test_an_export_can_be_staged_again(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        out = io.BytesIO()
        lab.engine.export(staged.where, out, QUIET)
        again = stage(lab, out.getvalue(), "r2")
        assert facts(again.proven)["tables"] == facts(staged.proven)["tables"]

    def test_only_databases_of_customers_are_listed(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        lab.run("shop", *DAMAGE)
        swap(staged, order(staged))
        listed = lab.engine.databases()
        assert [(d.database.name, d.tables) for d in listed] == [("shop", len(TABLES))]
        assert listed[0].database.engine == lab.engine.name
        assert listed[0].size_bytes > 0

    def test_what_is_not_there_is_unknown(self, lab: Lab) -> None:
        with pytest.raises(UnknownName):
            lab.engine.contents(live("nobody_knows"))
        assert isinstance(lab.engine.settings("nobody_knows"), dict)

    def test_checks_can_ask_and_cannot_write(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        assert lab.engine.ask(staged.where, "SELECT COUNT(*) FROM orders", 10) == [(80,)]
        for sql in ("DELETE FROM orders", "DROP TABLE orders", "SELECT nonsense FROM nowhere", "not even sql"):
            with pytest.raises(ProofFailed):
                lab.engine.ask(staged.where, sql, 10)
        assert facts(lab.engine.contents(staged.where)) == facts(staged.proven)

    def test_a_look_at_rows(self, lab: Lab) -> None:
        make_shop(lab)
        names, rows = lab.engine.peek(live(), "orders", "id < 10", 3)
        assert names == ["id", "customer", "status", "note"]
        assert len(rows) == 3
        assert lab.engine.count(live(), "orders", "id < 10") == 9
        assert lab.engine.count(live(), "orders", "") == 80
        with pytest.raises(RestorekitError):
            lab.engine.peek(live(), "no_such_table", "", 3)
        with pytest.raises(RestorekitError):
            lab.engine.peek(live(), "orders", "1=1); DROP TABLE orders; --", 3)
        assert lab.engine.count(live(), "orders", "") == 80

    def test_samples_show_umlauts_and_hide_the_rest(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        shown = " ".join(lab.engine.samples(staged.where, 3))
        assert "ü" in shown
        assert "Müller" not in shown

    def test_doctor_has_something_to_say_and_nothing_to_refuse(self, lab: Lab) -> None:
        findings = lab.engine.check()
        assert findings
        assert not [f for f in findings if f.severity == "refuse"]


class ExchangingContract:
    """Promote, exchange, undo, settle, retire."""

    def test_exchange_undo_and_undo_of_the_undo(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        engine = lab.engine
        lab.run("shop", *DAMAGE)
        damaged = facts(engine.contents(live()))
        wanted = order(staged)
        assert not [f for f in engine.preflight(wanted) if f.severity in ("refuse", "wait")]
        promoted, done = swap(staged, wanted)
        assert facts(engine.contents(live())) == facts(staged.proven)
        assert (done.created, done.target, done.slipped) == (False, "shop", ())
        assert engine.exchange(wanted, promoted, QUIET) == done
        assert [engine.outcome(wanted.id), engine.outcome(wanted.id)] == [done, done]
        assert engine.outcome("r1u") is None
        assert facts(engine.contents(live())) == facts(staged.proven)

        undone = engine.undo(done, "r1u", 60, QUIET)
        assert facts(engine.contents(live())) == damaged
        assert engine.undo(done, "r1u", 60, QUIET) == undone
        assert facts(engine.contents(live())) == damaged

        engine.undo(undone, "r1uu", 60, QUIET)
        assert facts(engine.contents(live())) == facts(staged.proven)
        assert engine.settle() == []

    def test_a_table_that_was_dropped_and_one_that_came_later(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        lab.run(
            "shop", "DROP TABLE options_", "CREATE TABLE later (id INTEGER PRIMARY KEY)", "INSERT INTO later VALUES (1)"
        )
        before = facts(lab.engine.contents(live()))
        _, done = swap(staged, order(staged))
        assert facts(lab.engine.contents(live())) == facts(staged.proven)
        lab.engine.undo(done, "r1u", 60, QUIET)
        assert facts(lab.engine.contents(live())) == before
        assert lab.rows("shop", "SELECT id FROM later") == [(1,)]

    def test_promoting_twice_is_promoting_once(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        lab.run("shop", *DAMAGE)
        wanted = order(staged)
        first = lab.engine.promote(wanted, QUIET)
        second = lab.engine.promote(wanted, QUIET)
        assert first.holding == second.holding
        lab.engine.exchange(wanted, second, QUIET)
        assert facts(lab.engine.contents(live())) == facts(staged.proven)

    def test_promoting_touches_nothing_of_live(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        lab.run("shop", *DAMAGE)
        before = facts(lab.engine.contents(live()))
        lab.engine.promote(order(staged), QUIET)
        assert facts(lab.engine.contents(live())) == before
        assert [d.database.name for d in lab.engine.databases()] == ["shop"]

    def test_what_was_not_proven_is_not_promoted(self, lab: Lab) -> None:
        """The lie: staging is not what verification measured."""
        staged = stage(lab, make_shop(lab))
        lab.run("shop", *DAMAGE)
        before = facts(lab.engine.contents(live()))
        honest = order(staged)
        other = [
            t.model_copy(
                update={"fingerprint": Fingerprint(algorithm=t.fingerprint.algorithm, rows=t.rows or 0, value="0" * 16)}
            )
            if t.name == "orders" and t.fingerprint
            else t
            for t in staged.proven.tables
        ]
        lie = honest.model_copy(update={"proven": staged.proven.model_copy(update={"tables": tuple(other)})})
        with pytest.raises(ProofFailed):
            lab.engine.promote(lie, QUIET)
        assert facts(lab.engine.contents(live())) == before

    def test_tables_named_same_are_left_alone(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        lab.run("shop", *DAMAGE)
        wanted = order(staged)
        moving = {a.name for a in wanted.actions if a.method != "same"}
        assert moving == {"orders", "order_lines", "customers"}  # the last one for its foreign key
        lab.run("shop", "INSERT INTO options_ VALUES ('after the look', 'x')")
        _, done = swap(staged, wanted)
        assert lab.rows("shop", "SELECT v FROM options_ WHERE k = 'after the look'") == [("x",)]
        assert done.slipped == ()
        lab.run("shop", "INSERT INTO options_ VALUES ('after the swap', 'y')")
        lab.engine.undo(done, "r1u", 60, QUIET)
        assert lab.rows("shop", "SELECT v FROM options_ WHERE k = 'after the swap'") == [("y",)]

    def test_single_tables(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        lab.run("shop", *DAMAGE, "DELETE FROM options_")
        only = tuple(TableAction(name=n, method="exchange", why="asked for") for n in ("options_",))
        swap(staged, order(staged, actions=only, objects=False))
        assert lab.rows("shop", "SELECT COUNT(*) FROM options_") == [(10,)]
        assert lab.rows("shop", "SELECT COUNT(*) FROM order_lines") == [(40,)]

    def test_a_database_under_another_name(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        before = facts(lab.engine.contents(live()))
        _, done = swap(staged, order_new(staged, "shop_copy"))
        assert done.created
        assert {d.database.name for d in lab.engine.databases()} == {"shop", "shop_copy"}
        copied = facts(lab.engine.contents(live("shop_copy")))
        assert copied["tables"] == facts(staged.proven)["tables"]
        lab.run("shop_copy", "INSERT INTO options_ VALUES ('written', 'there')")
        undone = lab.engine.undo(done, "r1u", 60, QUIET)
        with contextlib.suppress(UnknownName):  # gone is as good as empty
            assert lab.engine.contents(live("shop_copy")).tables == ()
        assert lab.engine.count(undone.undo, "options_", "k = 'written'") == 1
        assert facts(lab.engine.contents(live())) == before

    def test_a_name_taken_meanwhile_is_not_overwritten(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        wanted = order_new(staged, "shop_copy")
        promoted = lab.engine.promote(wanted, QUIET)
        lab.create("shop_copy")
        lab.run("shop_copy", "CREATE TABLE mine (id INTEGER PRIMARY KEY)", "INSERT INTO mine VALUES (7)")
        with pytest.raises(RestorekitError):
            lab.engine.exchange(wanted, promoted, QUIET)
        assert lab.rows("shop_copy", "SELECT id FROM mine") == [(7,)]

    def test_names_that_need_quoting(self, lab: Lab) -> None:
        lab.create("shop")
        odd = lab.quoted("od'd \"tabl`e; ü")
        column, key = lab.quoted("sel ect"), lab.quoted("x\"y`z'")
        lab.run(
            "shop",
            f"CREATE TABLE {odd} ({key} INTEGER PRIMARY KEY, {column} VARCHAR(20))",
            f"INSERT INTO {odd} VALUES (1, 'a')",
            f"INSERT INTO {odd} VALUES (2, 'b')",
        )
        staged = stage(lab, lab.backup("shop"))
        assert facts(staged.proven) == facts(lab.engine.contents(live()))
        lab.run("shop", f"UPDATE {odd} SET {column} = 'c' WHERE {key} = 1", f"DELETE FROM {odd} WHERE {key} = 2")
        found = differences(staged)["od'd \"tabl`e; ü"]
        assert (found.missing, found.changed, found.extra) == (1, 1, 0)
        _, done = swap(staged, order(staged))
        assert lab.rows("shop", f"SELECT {column} FROM {odd} ORDER BY {key}") == [("a",), ("b",)]
        lab.engine.undo(done, "r1u", 60, QUIET)
        assert lab.rows("shop", f"SELECT {column} FROM {odd}") == [("c",)]

    # live moves on

    def test_live_that_moved_is_refused_where_the_policy_says_so(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        lab.run("shop", *DAMAGE)
        wanted = order(staged, policy=policy(on_live_change="refuse"))
        promoted = lab.engine.promote(wanted, QUIET)
        lab.run("shop", "UPDATE orders SET status = 'sent' WHERE id IN (7, 8)")
        before = facts(lab.engine.contents(live()))
        with pytest.raises(LiveChanged) as raised:
            lab.engine.exchange(wanted, promoted, QUIET)
        assert "orders" in " ".join([raised.value.message, *raised.value.details])
        assert lab.engine.outcome(wanted.id) is None
        assert facts(lab.engine.contents(live())) == before
        lab.run("shop", "UPDATE orders SET status = 'back' WHERE id = 7")  # the gate is open again
        assert lab.engine.settle() == []

        accepted = wanted.model_copy(update={"accept_changes": True})
        promoted = lab.engine.promote(accepted, QUIET)
        done = lab.engine.exchange(accepted, promoted, QUIET)
        assert [s.name for s in done.slipped] == ["orders"]
        assert facts(lab.engine.contents(live())) == facts(staged.proven)

    def test_live_that_did_not_move_is_not_refused(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        lab.run("shop", *DAMAGE)
        swap(staged, order(staged, policy=policy(on_live_change="refuse")))
        assert facts(lab.engine.contents(live())) == facts(staged.proven)

    def test_what_slipped_is_named_and_kept(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        lab.run("shop", *DAMAGE)
        wanted = order(staged)
        promoted = lab.engine.promote(wanted, QUIET)
        lab.run("shop", "INSERT INTO orders VALUES (901, 2, 'open', 'slipped')")
        done = lab.engine.exchange(wanted, promoted, QUIET)
        assert [(s.name, s.live_rows_shown, s.live_rows_found) for s in done.slipped] == [("orders", 81, 82)]
        assert lab.engine.count(done.undo, "orders", "note = 'slipped'") == 1
        assert lab.engine.count(live(), "orders", "note = 'slipped'") == 0
        assert done.undo_contents.table("orders") == lab.engine.contents(done.undo).table("orders")

    def test_volatile_tables_do_not_matter(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        lab.run("shop", "DELETE FROM visits WHERE who = 'v1'", *DAMAGE)
        wanted = order(staged, policy=policy(on_live_change="refuse", volatile=("vis*",)))
        promoted = lab.engine.promote(wanted, QUIET)
        lab.run("shop", "INSERT INTO visits VALUES ('late', 'page')")
        assert lab.engine.exchange(wanted, promoted, QUIET).slipped == ()

    # what is kept

    def test_dropping_the_holding_copy_keeps_the_way_back(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        lab.run("shop", *DAMAGE)
        damaged = facts(lab.engine.contents(live()))
        _, done = swap(staged, order(staged))
        lab.engine.drop_holding("r1")
        lab.engine.drop_holding("r1")
        lab.engine.discard(staged.sandbox)
        lab.engine.undo(done, "r1u", 60, QUIET)
        assert facts(lab.engine.contents(live())) == damaged

    def test_dropping_what_was_never_exchanged(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        lab.run("shop", *DAMAGE)
        before = facts(lab.engine.contents(live()))
        promoted = lab.engine.promote(order(staged), QUIET)
        lab.engine.drop_holding("r1")
        with pytest.raises(UnknownName):
            lab.engine.contents(promoted.holding)
        assert facts(lab.engine.contents(live())) == before

    def test_retiring_deletes_the_undo_copy_and_nothing_else(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        lab.run("shop", *DAMAGE)
        _, done = swap(staged, order(staged))
        lab.engine.retire(done)
        lab.engine.retire(done)
        with pytest.raises(UnknownName):
            lab.engine.contents(done.undo)
        with pytest.raises(UndoImpossible):
            lab.engine.undo(done, "r1u", 60, QUIET)
        assert facts(lab.engine.contents(live())) == facts(staged.proven)

    def test_a_stop_before_the_swap_changes_nothing(self, lab: Lab) -> None:
        staged = stage(lab, make_shop(lab))
        lab.run("shop", *DAMAGE)
        before = facts(lab.engine.contents(live()))
        wanted = order(staged)
        with pytest.raises(Cancelled):
            lab.engine.promote(wanted, Impatient())
        assert facts(lab.engine.contents(live())) == before


class Chronicle:
    """One look after the other, kept as the catalog keeps them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._cursor = ""
        self._states: dict[str, Contents] = {}
        self.look()

    def look(self) -> dict[tuple[str, str], list[tuple[str, int | None]]]:
        """What happened since the last look: by database and table the kind (operation or blow) and its rows."""
        found: dict[tuple[str, str], list[tuple[str, int | None]]] = {}
        more = True
        while more:
            reading = self._engine.changes(self._cursor)
            assert reading.problems == ()
            assert not set(reading.states) & set(reading.unchanged)
            for one in [*reading.changes, *(self._since_last(n, state) for n, state in reading.states.items())]:
                for tally in one.tallies:
                    found.setdefault((one.database, tally.table), []).append((tally.op, tally.rows))
                for blow in one.blows:
                    found.setdefault((one.database, blow.table), []).append((blow.kind, blow.rows))
            self._cursor, more = reading.cursor, reading.more
        return found

    def _since_last(self, database: str, state: Contents) -> DatabaseChanges:
        before = self._states.get(database, state)
        self._states[database] = state
        tallies, blows, _ = between([before, state])
        return DatabaseChanges(database=database, tallies=tuple(tallies), blows=tuple(blows))


class ChroniclingContract:
    """What changed, whether a log tells it or the states do."""

    def test_where_nothing_happens_nothing_is_told(self, lab: Lab) -> None:
        make_shop(lab)
        chronicle = Chronicle(lab.engine)
        assert [chronicle.look() for _ in range(3)] == [{}, {}, {}]

    def test_a_change_is_told_once_and_of_its_table_only(self, lab: Lab) -> None:
        make_shop(lab)
        make_shop(lab, "other")
        chronicle = Chronicle(lab.engine)
        lab.run("shop", insert("visits", ["'x', 'y'"] * 3), "UPDATE options_ SET v = 'other' WHERE k = 'option 1'")
        found = chronicle.look()
        assert set(found) == {("shop", "visits"), ("shop", "options_")}
        assert found["shop", "visits"] == [("I", 3)]
        lab.run("other", insert("visits", ["'x', 'y'"]))
        assert chronicle.look() == {("other", "visits"): [("I", 1)]}
        assert chronicle.look() == {}

    def test_what_is_destroyed_is_told(self, lab: Lab) -> None:
        make_shop(lab)
        chronicle = Chronicle(lab.engine)
        lab.run("shop", "DELETE FROM order_lines", "DROP TABLE visits")
        found = chronicle.look()
        assert set(found) == {("shop", "order_lines"), ("shop", "visits")}
        assert ("D", 80) in found["shop", "order_lines"]
        assert "mass_delete" in [kind for kind, _ in found["shop", "order_lines"]]
        assert "drop_table" in [kind for kind, _ in found["shop", "visits"]]

    def test_the_same_look_may_be_repeated(self, lab: Lab) -> None:
        make_shop(lab)
        first = lab.engine.changes("")
        lab.run("shop", "DELETE FROM visits")
        once, again = lab.engine.changes(first.cursor), lab.engine.changes(first.cursor)
        assert once.changes == again.changes
        assert {n: facts(s) for n, s in once.states.items()} == {n: facts(s) for n, s in again.states.items()}

    @pytest.mark.parametrize("cursor", ["nonsense", "{}", '{"binlog": 4}', "x:y", " "])
    def test_a_cursor_of_nobody_is_refused(self, lab: Lab, cursor: str) -> None:
        with pytest.raises(UsageError):
            lab.engine.changes(cursor)


class EngineContract(LoadingContract, ReadingContract, ExchangingContract, ChroniclingContract):
    """All of it."""

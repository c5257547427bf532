"""What the swap would do to each table: row by row where that is cheaper and possible, closed over foreign keys."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorekit.choosing import methods as ways
from restorekit.choosing.methods import Ground, actions, closure, open_gate
from restorekit.errors import PreflightRefused, UsageError
from restorekit.model.contents import Contents, TableContents
from restorekit.model.difference import Costs, TableAction, TableDifference, Wanted
from restorekit.model.pick import ChosenTable, Pick, Selection

NOW = datetime(2009, 1, 22, tzinfo=UTC)
MANY = 1000


def contents(**references: tuple[str, ...]) -> Contents:
    tables = tuple(
        TableContents(name=name, rows=MANY, schema_hash="x", references=refs) for name, refs in references.items()
    )
    return Contents(origin="measured", taken_at=NOW, tables=tables)


def table(name: str, **more: object) -> TableDifference:
    sides = {"in_live": True, "in_staging": True, "live_rows": MANY, "staging_rows": MANY}
    return TableDifference.model_validate({"name": name, **sides, **more})


def costs(delta_s: float, exchange_s: float) -> Costs:
    return Costs(
        delta_s=delta_s,
        exchange_s=exchange_s,
        delta_blocked_s=0.1,
        exchange_blocked_s=0.2,
        delta_bytes=10,
        exchange_bytes=20,
    )


def chosen(
    tables: list[TableDifference],
    ours: Contents,
    live: Contents | None,
    pick: Pick | None = None,
    wanted: Wanted | None = None,
) -> dict[str, TableAction]:
    return {a.name: a for a in actions(Ground(tables, ours, live, pick, wanted))}


def methods(*args: object) -> dict[str, str]:
    return {name: action.method for name, action in chosen(*args).items()}  # type: ignore[arg-type]


SHOP = contents(customers=(), orders=("customers",), items=("orders",), posts=())


def test_a_few_rows_are_written_one_by_one_and_take_nobody_along() -> None:
    tables = [table("customers"), table("orders", missing=3), table("items"), table("posts")]
    assert methods(tables, SHOP, SHOP) == {"customers": "same", "orders": "delta", "items": "same", "posts": "same"}


def test_what_is_exchanged_takes_its_relations_along() -> None:
    tables = [table("customers"), table("orders", missing=3, no_delta="no key"), table("items"), table("posts")]
    assert methods(tables, SHOP, SHOP) == {
        "customers": "exchange",
        "items": "exchange",
        "orders": "exchange",
        "posts": "same",
    }


def test_a_table_tied_to_an_exchanged_one_is_exchanged_too() -> None:
    tables = [table("customers", changed=1), table("orders", missing=3, schema_changed=True), table("items")]
    found = chosen(tables, SHOP, SHOP)
    assert {a.method for a in found.values()} == {"exchange"}
    assert "1 changed; linked by a foreign key with orders" in found["customers"].why


@pytest.mark.parametrize(("delta_s", "expected"), [(1.0, "delta"), (2.0, "delta"), (2.1, "exchange")])
def test_the_cheaper_way_is_taken_and_rows_on_a_tie(delta_s: float, expected: str) -> None:
    tables = [table("posts", missing=3, costs=costs(delta_s, 2.0))]
    found = chosen(tables, SHOP, SHOP)["posts"]
    assert found.method == expected
    assert (found.blocked_s, found.size_bytes) == ((0.1, 10) if expected == "delta" else (0.2, 20))
    assert ("cheaper" in found.why) == (expected == "exchange")


def test_an_exchange_pays_for_what_it_takes_along() -> None:
    tables = [table("orders", missing=3, costs=costs(2.9, 1.0))]  # three equally large tables
    assert methods(tables, SHOP, SHOP)["orders"] == "delta"


def test_rows_that_would_hold_writers_back_for_too_long_are_not_written_one_by_one() -> None:
    tables = [table("posts", missing=3, costs=costs(0.1, 0.5).model_copy(update={"delta_blocked_s": 6.0}))]
    (found,) = actions(Ground(tables, SHOP, SHOP, most_blocked_s=5.0))
    assert (found.method, "held back for about 6.0 s" in found.why) == ("exchange", True)


def test_what_costs_little_goes_in_one_step_with_what_is_exchanged() -> None:
    """Whoever is not held back never sees one table new and another old, if that can be had for a second."""
    for seconds, expected in ((0.9, "exchange"), (2.0, "delta")):
        tables = [table("posts", missing=3, costs=costs(0.1, seconds)), table("other", changed=1, no_delta="no key")]
        ours = contents(posts=(), other=())
        assert methods(tables, ours, ours)["posts"] == expected


def test_without_figures_a_tenth_is_the_limit() -> None:
    assert methods([table("posts", changed=100)], SHOP, SHOP)["posts"] == "delta"
    assert methods([table("posts", changed=101)], SHOP, SHOP)["posts"] == "exchange"


def test_somebody_may_insist() -> None:
    tables = [table("posts", changed=999)]
    assert methods(tables, SHOP, SHOP, None, "delta")["posts"] == "delta"
    assert methods([table("posts", changed=1)], SHOP, SHOP, None, "exchange")["posts"] == "exchange"
    with pytest.raises(PreflightRefused, match="no key"):
        methods([table("posts", changed=1, no_delta="no key")], SHOP, SHOP, None, "delta")
    with pytest.raises(PreflightRefused, match="foreign key"):
        methods(
            [table("orders", changed=1), table("items", in_live=False)],
            SHOP,
            contents(customers=(), orders=("customers",)),
            None,
            "delta",
        )


def test_triggers_must_not_see_what_is_written() -> None:
    tables = [table("posts", changed=1, triggers=True)]
    assert methods(tables, SHOP, SHOP)["posts"] == "exchange"
    assert methods(tables, SHOP, SHOP, None, "delta")["posts"] == "delta"


def test_tables_on_one_side() -> None:
    ours, live = contents(a=(), dropped=()), contents(a=(), new=())
    tables = [table("a"), table("dropped", in_live=False), table("new", in_staging=False)]
    assert methods(tables, ours, live) == {"a": "same", "dropped": "create", "new": "remove"}


def test_a_foreign_key_that_only_live_has_counts_too() -> None:
    ours, live = contents(a=(), b=()), contents(a=("b",), b=())
    tables = [table("a"), table("b", changed=1, no_delta="no key")]
    assert methods(tables, ours, live) == {"a": "exchange", "b": "exchange"}


def test_a_wanted_table_pulls_in_what_was_not_asked_for_and_says_so() -> None:
    schema = contents(customers=(), orders=("customers",))
    tables = [table("orders", missing=1, no_delta="no key"), table("customers", extra=2)]
    pulled = chosen(tables, schema, schema, Pick(tables=("orders",)))["customers"]
    assert pulled.method == "exchange"
    assert "not asked for" in pulled.why


def test_a_child_that_live_lacks_comes_back_only_when_asked_for() -> None:
    ours = contents(customers=(), orders=("customers",), items=("orders",), notes=("customers",))
    live = contents(items=("orders",), customers=())
    tables = [table("items", missing=1), table("orders", in_live=False), table("customers")]
    assert methods(tables, ours, live, Pick(tables=("items",))) == {
        "items": "exchange",
        "orders": "create",
        "customers": "exchange",
    }


MISSING = Pick(rows="missing", keep_new=True)


def test_a_part_never_takes_whole_tables_along() -> None:
    tables = [table("orders", missing=900), table("items", extra=2), table("posts", changed=1), table("customers")]
    picked = MISSING.model_copy(update={"tables": ("orders", "items")})
    assert methods(tables, SHOP, SHOP, picked) == {
        "orders": "delta",
        "items": "delta",
        "posts": "same",
        "customers": "same",
    }


def test_a_part_of_a_table_that_has_no_single_rows_is_refused() -> None:
    with pytest.raises(PreflightRefused, match="posts cannot be brought back one by one: no key"):
        methods([table("posts", missing=1, no_delta="no key")], SHOP, SHOP, MISSING)
    with pytest.raises(PreflightRefused, match="depends on orders"):
        methods([table("items", missing=1)], SHOP, contents(items=()), MISSING)
    with pytest.raises(UsageError):
        methods([table("posts", missing=1)], SHOP, SHOP, MISSING, "exchange")


def test_a_table_that_live_lost_comes_back_with_a_part_only_if_it_depends_on_nothing() -> None:
    assert methods([table("posts", in_live=False)], SHOP, contents(), MISSING)["posts"] == "create"
    only_changed = Pick(rows="changed")
    assert methods([table("posts", in_live=False)], SHOP, contents(), only_changed)["posts"] == "same"
    with pytest.raises(PreflightRefused, match="customers"):
        methods([table("orders", in_live=False)], SHOP, contents(), MISSING)


def test_what_only_live_has_stays_when_a_part_is_wanted() -> None:
    tables = [table("new", in_staging=False)]
    assert methods(tables, contents(), contents(new=()), MISSING)["new"] == "same"


def test_tables_whose_rows_are_needed_come_along_and_untouched_ones_stay() -> None:
    ground = Ground([table("orders", missing=3), table("customers", missing=2), table("posts", extra=1)], SHOP, SHOP)
    found = actions(Ground(ground.tables, SHOP, SHOP, MISSING.model_copy(update={"tables": ("orders", "posts")})))
    ground = Ground(ground.tables, SHOP, SHOP, Pick(tables=("orders", "posts"), keep_new=True))
    rows = (ChosenTable(name="orders", insert=3, whole=True), ChosenTable(name="customers", insert=1, pulled=1))
    after = {a.name: a for a in ways.chosen(found, Selection(tables=rows), ground)}
    assert {n: a.method for n, a in after.items()} == {"customers": "delta", "orders": "delta", "posts": "same"}
    assert "1 rows that chosen ones need (not asked for)" in after["customers"].why


def test_writers_are_held_back_unless_only_single_rows_are_written() -> None:
    delta = TableAction(name="orders", method="delta", why="")
    create = TableAction(name="posts", method="create", why="")
    assert open_gate(MISSING, [delta], [table("orders")])
    assert not open_gate(MISSING, [delta, create], [table("orders")])
    assert not open_gate(MISSING, [delta], [table("orders", triggers=True)])
    assert not open_gate(Pick(tables=("orders",)), [delta], [table("orders")])
    assert not open_gate(None, [delta], [table("orders")])


@given(
    st.sets(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh")), max_size=12),
    st.sets(st.sampled_from("abcdefgh")),
)
def test_no_foreign_key_leaves_the_closure(edges: set[tuple[str, str]], touched: set[str]) -> None:
    closed = touched | closure(touched, edges).keys()
    assert all((a in closed) == (b in closed) for a, b in edges)

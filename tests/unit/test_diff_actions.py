"""What the swap would do to each table: closed over foreign keys of both sides."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from restorekit.model.contents import Contents, TableContents
from restorekit.model.difference import TableDifference
from restorekit.steps.diff import _actions, _closure

NOW = datetime(2009, 1, 22, tzinfo=UTC)


def contents(**references: tuple[str, ...]) -> Contents:
    tables = tuple(
        TableContents(name=name, rows=1, schema_hash="x", references=refs) for name, refs in references.items()
    )
    return Contents(origin="measured", taken_at=NOW, tables=tables)


def table(name: str, **more: object) -> TableDifference:
    values = {"name": name, "in_live": True, "in_staging": True, "live_rows": 1, "staging_rows": 1, **more}
    return TableDifference.model_validate(values)


def methods(tables: list[TableDifference], ours: Contents, live: Contents | None, scope: tuple[str, ...] | None = None):
    return {a.name: a.method for a in _actions(tables, ours, live, scope)}


def test_only_what_differs_moves_with_its_relations() -> None:
    schema = contents(customers=(), orders=("customers",), items=("orders",), posts=())
    tables = [table("customers"), table("orders", missing=3), table("items"), table("posts")]
    assert methods(tables, schema, schema) == {
        "customers": "exchange",
        "items": "exchange",
        "orders": "exchange",
        "posts": "same",
    }


def test_tables_on_one_side() -> None:
    ours, live = contents(a=(), dropped=()), contents(a=(), new=())
    tables = [table("a"), table("dropped", in_live=False), table("new", in_staging=False)]
    assert methods(tables, ours, live) == {"a": "same", "dropped": "create", "new": "remove"}


def test_a_foreign_key_that_only_live_has_counts_too() -> None:
    ours, live = contents(a=(), b=()), contents(a=("b",), b=())
    assert methods([table("a"), table("b", changed=1)], ours, live) == {"a": "exchange", "b": "exchange"}


def test_a_wanted_table_pulls_in_what_was_not_asked_for_and_says_so() -> None:
    schema = contents(customers=(), orders=("customers",))
    actions = _actions([table("orders", missing=1)], schema, schema, ("orders",))
    pulled = next(a for a in actions if a.name == "customers")
    assert pulled.method == "exchange"
    assert "not asked for" in pulled.why


def test_a_child_that_live_lacks_comes_back_only_when_asked_for() -> None:
    ours = contents(customers=(), orders=("customers",), items=("orders",), notes=("customers",))
    live = contents(items=("orders",), customers=())
    tables = [table("items", missing=1)]
    assert methods(tables, ours, live, ("items",)) == {"items": "exchange", "orders": "create", "customers": "exchange"}


@given(
    st.sets(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh")), max_size=12),
    st.sets(st.sampled_from("abcdefgh")),
)
def test_no_foreign_key_leaves_the_closure(edges: set[tuple[str, str]], touched: set[str]) -> None:
    closed = touched | _closure(touched, edges).keys()
    assert all((a in closed) == (b in closed) for a, b in edges)

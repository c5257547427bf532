"""Levels: what counts, what caps, and that a lie at any level stays a failure."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorekit.errors import ProofFailed
from restorekit.model.contents import Contents, Fingerprint, ObjectContents, TableContents
from restorekit.model.verdict import Check, Level, Outcome, proven
from restorekit.steps.verify import against, expected

NOW = datetime(2009, 1, 22, tzinfo=UTC)


def check(level: Level, outcome: Outcome) -> Check:
    return Check(level=level, name="x", outcome=outcome)


def contents(value: str = "1", rows: int = 2, objects: tuple[ObjectContents, ...] = ()) -> Contents:
    table = TableContents(
        name="t", rows=rows, schema_hash="s", fingerprint=Fingerprint(algorithm="a", rows=rows, value=value)
    )
    return Contents(origin="captured", taken_at=NOW, tables=(table,), objects=objects)


def test_a_level_needs_all_below_it() -> None:
    checks = (check(Level.READABLE, "passed"), check(Level.LOADS, "passed"))
    assert proven(checks) == Level.READABLE


@pytest.mark.parametrize(("outcome", "level"), [("passed", 2), ("not_applicable", 2), ("skipped", 1), ("failed", 1)])
def test_skipped_never_counts(outcome: Outcome, level: int) -> None:
    assert proven((check(Level.READABLE, "passed"), check(Level.COMPLETE, outcome))) == level


@given(st.lists(st.tuples(st.sampled_from(list(Level)[1:]), st.sampled_from(["passed", "failed", "skipped"]))))
def test_nothing_above_a_failure_is_ever_proven(parts: list[tuple[Level, Outcome]]) -> None:
    level = proven(tuple(check(*p) for p in parts))
    assert all(bad > level for bad, outcome in parts if outcome != "passed")


@pytest.mark.parametrize(
    "other",
    [
        contents(value="2"),
        contents(rows=3),
        Contents(origin="measured", taken_at=NOW, tables=()),
        contents(objects=(ObjectContents(kind="trigger", name="tr", hash="h"),)),
    ],
)
def test_any_difference_to_the_manifest_fails(other: Contents) -> None:
    assert against(contents(), other, "manifest")[0].outcome == "failed"
    assert against(other, contents(), "manifest")[0].outcome == "failed"


def test_a_table_that_could_not_be_measured_is_never_proven() -> None:
    unclear = contents().tables[0].model_copy(update={"fingerprint": None, "rows": None})
    checks = against(contents().model_copy(update={"tables": (unclear,)}), contents(), "manifest")
    assert [c.outcome for c in checks] == ["passed", "skipped"]


def test_earlier_versions_of_rows_count() -> None:
    def versions(value: str) -> Contents:
        history = Fingerprint(algorithm="h", rows=9, value=value)
        return contents().model_copy(update={"tables": (contents().tables[0].model_copy(update={"history": history}),)})

    assert against(versions("1"), versions("2"), "manifest")[0].outcome == "failed"


def test_equal_is_equal_and_a_sequence_may_stand_later() -> None:
    def sequence(value: int) -> Contents:
        return contents(objects=(ObjectContents(kind="sequence", name="s", hash="h", next_value=value),))

    assert against(sequence(5), sequence(7), "manifest")[0].outcome == "passed"
    assert against(sequence(7), sequence(5), "manifest")[0].outcome == "failed"


@pytest.mark.parametrize(
    ("expect", "value", "holds"),
    [(">= 1", 1, True), (">= 1", 0, False), ("== 0", "0", True), ("empty", None, True), ("not empty", "x", True)],
)
def test_expectations(expect: str, value: object, holds: bool) -> None:
    assert expected(expect, value) is holds


def test_an_expectation_in_other_words_is_an_error() -> None:
    with pytest.raises(ProofFailed):
        expected("about 5", 5)

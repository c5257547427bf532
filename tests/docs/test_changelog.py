"""Fragments of the changelog: one file per issue and kind, in the user's words."""

import re

import pytest
from scenarios.house import ROOT

KINDS = {"added", "changed", "fixed", "removed", "security"}
FRAGMENTS = sorted((ROOT / "changelog.d").iterdir())


def test_there_is_one() -> None:
    assert FRAGMENTS


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda p: str(p.name))
def test_shape(path) -> None:
    name = re.fullmatch(r"(\d+)\.([a-z]+)\.md", path.name)
    assert name, f"{path.name} is not <issue>.<kind>.md"
    assert name.group(2) in KINDS
    text = path.read_text(encoding="utf-8")
    assert text.endswith(".\n")
    assert text.strip()
    assert not text.startswith(("#", "-", "*", " ")), "plain sentences: headings and lists come from the name"
    assert all(len(line) <= 120 for line in text.splitlines())
    # The user's words, not those of who wrote it.
    assert not re.search(r"\b(refactor\w*|mypy|ruff|pytest|class|function|module)\b", text)

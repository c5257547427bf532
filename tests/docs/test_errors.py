"""docs/errors.md is what restorekit/errors.py says. To write it anew: python tests/docs/test_errors.py"""

from pathlib import Path

from restorekit import errors

PAGE = Path(__file__).parents[2] / "docs/errors.md"
HEAD = """\
# Errors
Every error says what happened, what is true of live, and what to do next; with `--json` it is one document
`{"error": {"code", "exit_code", "message", "hint", "details", "temporary"}}` on stdout. Codes and exit codes are only
ever added. Trying again can help where the third column says so; elsewhere it cannot.

| code | exit code | try again | meaning |
|---|---|---|---|
"""


def kinds() -> list[type[errors.RestorekitError]]:
    """In the order of the tree."""
    found = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.RestorekitError)]
    return [k for k in found if k.__module__ == errors.__name__]


def page() -> str:
    rows = (
        f"| `{k.code}` | {k.exit_code} | {'yes' if k.temporary else ''} | {(k.__doc__ or '').splitlines()[0]} |"
        for k in kinds()
    )
    return HEAD + "\n".join(rows) + "\n"


def test_page() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python tests/docs/test_errors.py"


def test_tree_in_the_docstring() -> None:
    tree = errors.__doc__ or ""
    for kind in kinds():
        line = next((one for one in tree.splitlines() if kind.__name__ in one.replace("─", " ").split()), "")
        assert kind.code in line.split(), kind


def test_codes_are_unique() -> None:
    codes = [k.code for k in kinds()]
    assert len(codes) == len(set(codes))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

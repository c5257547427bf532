"""The house keeps its shape: sizes, names, import contracts, and that every kind of provider is tested."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ROOT / "restorekit"
SOURCES = sorted(p for p in PRODUCT.rglob("*.py") if "migrations/versions" not in str(p))
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "misc", "handler"}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body without its docstring."""
    body = function.body
    first = body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        body = body[1:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PRODUCT)))
def test_sizes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    too_long = {f.name: length(f) for f in functions(ast.parse(text)) if length(f) > 40}
    assert not too_long


def test_no_room_without_a_question() -> None:
    assert not [p for p in PRODUCT.rglob("*") if p.stem in FORBIDDEN_NAMES]


def test_every_provider_runs_its_contract_suite() -> None:
    for room in ("engines", "sources"):
        kinds = {p.stem for p in (PRODUCT / room).iterdir() if p.stem not in ("__init__", "__pycache__")}
        for kind in kinds:
            tests = ROOT / "tests" / room / f"test_{kind}.py"
            assert tests.exists(), f"{kind} has no {tests}"
            assert re.search(rf"contract[./]{room[:-1]}|contract import {room[:-1]}", tests.read_text()), kind


def test_import_contracts() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("argv", "unwanted"),
    [
        (["--help"], ("dbos", "fastapi", "boto3", "sqlalchemy", "pymysql")),
        (["points", "--help"], ("dbos", "fastapi", "boto3", "sqlalchemy", "pymysql")),
    ],
)
def test_reading_commands_start_light(argv: list[str], unwanted: tuple[str, ...]) -> None:
    program = (
        "import sys; from restorekit.cli.main import main; sys.argv[1:] = sys.argv[2:]; code = main(); "
        "print('LOADED', *sorted(m for m in sys.modules if '.' not in m))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "x", *argv], cwd=ROOT, capture_output=True, text=True, check=False
    )
    loaded = done.stdout.rpartition("LOADED")[2].split()
    assert loaded, done.stderr
    assert not set(unwanted) & set(loaded)


def test_no_address_and_no_path_of_a_machine_is_committed() -> None:
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    pinned = [f for f in files if "requirements" in f or f in ("pyproject.toml", "Makefile", ".ci/run", "setup/need")]
    for name in pinned:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"--(extra-)?index-url|--find-links|https?://\S*(simple|packages)", text), name

"""docs/configuration.md against the models: every key is there, none is made up, defaults are true."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from scenarios.house import ROOT

from restorekit import discovery
from restorekit.playbook import Playbook, SqlCheck
from restorekit.settings import DatabaseEntry, Settings

TEXT = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
PROVIDERS = [(room, kind) for room in ("engines", "sources") for kind in discovery.kinds(f"restorekit.{room}")]
COMPUTED = {"host", "sandbox_user", "name", "since", "cache", "timezone"}
"""Their defaults are told in words: they are taken from elsewhere."""


def documented(after: str) -> dict[str, str]:
    """Key to default, of the first table after that line."""
    assert f"\n{after}\n" in TEXT, f"docs/configuration.md lacks {after!r}"
    table = re.search(r"(?:^\|.*\n)+", TEXT.partition(f"\n{after}\n")[2], re.MULTILINE)
    assert table
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.group().splitlines()[2:]]
    assert all(len(row) == 3 and row[2] for row in rows), after
    return {row[0].strip("`"): row[1].strip("`") for row in rows}


def real(model: type[BaseModel], prefix: str = "") -> dict[str, FieldInfo]:
    """Keys as one writes them; parts of a playbook are one level deeper."""
    found = {}
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found |= real(inner, f"{prefix}{name}.")
        elif name != "folder":
            found[prefix + name] = field
    return found


def said(value: Any) -> str:
    """A default as the page writes it."""
    if value is None or value in ((), [], {}, ""):
        return "none"
    return str(value)


def seconds(text: str) -> str:
    match = re.fullmatch(r"(\d+)([smhd])", text)
    return str(int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]) if match else text


def check(heading: str, model: type[BaseModel]) -> None:
    told, fields = documented(heading), real(model)
    assert set(told) == set(fields)
    for key, field in fields.items():
        if field.is_required():
            assert told[key] == "required", key
        elif key not in COMPUTED:
            assert seconds(told[key]) == said(field.get_default(call_default_factory=True)), key


def test_restorekit_yaml() -> None:
    check("## restorekit.yaml", Settings)
    check("## databases", DatabaseEntry)


def test_playbooks() -> None:
    check("## Playbooks", Playbook)
    check("Each entry of `checks`:", SqlCheck)


@pytest.mark.parametrize(("room", "kind"), PROVIDERS)
def test_providers(room: str, kind: str) -> None:
    import importlib

    provider = importlib.import_module(f"restorekit.{room}.{kind}").PROVIDER
    check(f"## {room}: {kind}", provider.Settings)


def test_shipped_playbooks_are_named() -> None:
    for book in Path(ROOT / "restorekit/playbooks").glob("*.yaml"):
        assert f"`{book.stem}`" in TEXT

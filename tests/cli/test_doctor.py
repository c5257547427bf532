"""Doctor finds what is wrong, before and after anything is configured, and changes nothing."""

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml

from restorekit.cli.run import run


def findings(desk: Any) -> dict[str, dict[str, Any]]:
    """What doctor says, by place; the worst of each place."""
    answer = desk.type("doctor", "--json")
    worst: dict[str, dict[str, Any]] = {}
    for one in answer.json:
        if one["where"] not in worst or worst[one["where"]]["severity"] == "ok":
            worst[one["where"]] = one
    assert (answer.code == 9) == any(f["severity"] == "refuse" for f in worst.values())
    return worst


def everything(folder: Path) -> list[str]:
    return sorted(str(p) for p in folder.rglob("*"))


def test_without_any_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RESTOREKIT_CONFIG", raising=False)
    screen = io.StringIO()
    with redirect_stdout(screen):
        assert run(["doctor", "--json"]) == 9
    first, *tools = json.loads(screen.getvalue())
    assert first["severity"] == "refuse"
    lines = first["hint"].splitlines()
    shown = yaml.safe_load("\n".join(line for line in lines if line.startswith("  ")))
    assert shown["engines"]["db1"]["kind"] == "mariadb"
    assert {t["code"] for t in tools} == {"tool"}
    assert not everything(tmp_path)


def test_all_is_well_and_nothing_is_created(desk: Any) -> None:
    before = everything(desk.house.folder)
    found = findings(desk)
    assert {f["severity"] for f in found.values()} <= {"ok", "warn"}
    assert "does not exist yet" in found["state"]["text"]
    assert "Europe/Berlin" in found["clock"]["text"]
    assert everything(desk.house.folder) == before


def test_what_is_wrong_is_named(desk: Any) -> None:
    desk.ok("status")
    (desk.house.folder / "keys/receipts.key").chmod(0o644)
    desk.house.databases["bolt_shop"] = {"engine": "nowhere"}
    desk.house.playbooks["own"] = "name: own\nswap: {gate_maks: 5s}\n"
    desk.house.write()
    found = findings(desk)
    assert "receipts.key" in found["keys"]["text"]
    assert "databases.bolt_shop.engine" in found["configuration"]["text"]
    assert "swap.gate_maks" in found["playbook own"]["text"]
    assert found["state"]["text"].startswith("answers")


def test_state_that_is_none(desk: Any) -> None:
    state = desk.house.folder / "state/state.db"
    state.parent.mkdir()
    state.write_bytes(b"no database at all" * 100)
    assert findings(desk)["state"]["severity"] == "refuse"

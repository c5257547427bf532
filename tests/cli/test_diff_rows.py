"""`diff --rows`: keys and values read anew, masked unless somebody says why, audited, and kept nowhere."""

from pathlib import Path
from typing import Any

CANARY = "Nobody 99"


def kept_anywhere(folder: Path, text: str) -> list[str]:
    return [str(p) for p in folder.rglob("*") if p.is_file() and text.encode() in p.read_bytes()]


def by_kind(answer: Any) -> dict[str, Any]:
    return {row["kind"]: row for row in answer.json["rows"]}


def test_masked_by_default(damaged: Any) -> None:
    run = damaged.waiting()
    answer = damaged.ok("diff", run, "--rows", "orders", "--json")
    rows = by_kind(answer)
    assert answer.json["masked"] is True
    assert rows["changed"] == {
        "kind": "changed",
        "key": {"id": "0"},
        "cells": {"buyer": {"live": "xxxxxx 00", "backup": "xxxxx"}},
    }
    assert rows["missing"]["cells"]["buyer"] == {"backup": "xxx xxxxxxxx"}
    assert rows["extra"]["cells"]["total"] == {"live": "00.0"}
    shown = damaged.type("diff", run, "--rows", "orders", terminal=True)
    assert "Lovelace" not in shown.out
    assert "--reveal" in shown.err


def test_revealed_with_a_reason_and_kept_nowhere(damaged: Any) -> None:
    run = damaged.waiting()
    answer = damaged.ok("diff", run, "--rows", "orders", "--reveal", "ticket 4711", "--json")
    rows = by_kind(answer)
    assert rows["changed"]["key"] == {"id": "2"}
    assert rows["changed"]["cells"] == {"buyer": {"live": CANARY, "backup": "Grace"}}
    assert rows["missing"]["cells"]["buyer"] == {"backup": "Ada Lovelace"}
    acts = [e["act"] for e in damaged.ok("audit", "--json").json]
    assert [(a["verb"], a["shown"], a["confirmed"]) for a in acts if a["verb"] == "reveal"] == [
        ("reveal", "orders", "ticket 4711")
    ]
    assert not kept_anywhere(damaged.house.folder, CANARY)


def test_live_as_it_is_now(damaged: Any) -> None:
    run = damaged.waiting()
    damaged.sql("UPDATE orders SET buyer = 'Grace' WHERE id = 2")
    assert set(by_kind(damaged.ok("diff", run, "--rows", "orders", "--json"))) == {"missing", "extra"}
    notes = damaged.ok("diff", run, "--rows", "notes", "--json").json["rows"]
    assert notes == [{"kind": "missing", "key": {"line": "xx"}, "cells": {}}]


def test_what_cannot_be_shown(damaged: Any) -> None:
    run = damaged.waiting()
    assert damaged.type("diff", run, "--rows", "nowhere").code == 2
    assert damaged.type("diff", run, "--reveal", "why").code == 2
    damaged.ok("approve", run)
    gone = damaged.type("diff", run, "--rows", "orders", "--json")
    assert (gone.code, gone.json["error"]["code"]) == (9, "refused")
    assert "nothing is staged" in gone.err

"""The life of a restore at the keyboard: consent, endings, what nobody decided about, and undo that ends soon."""

import json
import os
import pty
import re
import select
import subprocess
import time
from typing import Any

import pytest
from scenarios.house import ROOT

from restorekit.bootstrap import remembered


def configure(desk: Any, **changes: Any) -> None:
    settings = json.loads(desk.house.config.read_text())
    desk.house.config.write_text(json.dumps(settings | changes))


def verbs(desk: Any) -> list[str]:
    return [e["act"]["verb"] for e in desk.ok("audit", "--json").json]


def typed_at_a_terminal(desk: Any, answer: bytes, *words: str) -> tuple[int, str]:
    """A real terminal of 80 columns; `answer` is typed when the question stands there."""
    master, slave = pty.openpty()
    command = desk.house.argv(*words)
    env = desk.house.environment(TERM="xterm")
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=env, cwd=ROOT) as process:
        os.close(slave)
        text, asked, until = "", False, time.monotonic() + 60
        while time.monotonic() < until and select.select([master], [], [], 60)[0]:
            try:
                piece = os.read(master, 65536)
            except OSError:  # Linux says so when the other side is closed
                break
            text += piece.decode()
            if "[y/N]" in text and not asked:
                asked = True
                os.write(master, answer)
        os.close(master)
        code = process.wait(30)
    return code, re.sub(r"\x1b\[[0-9;]*[mK]", "", text)


def test_the_question_says_what_will_happen_and_no_is_no(damaged: Any) -> None:
    before = damaged.sql("SELECT * FROM orders")
    code, text = typed_at_a_terminal(damaged, b"n\n", "restore", "files/acme_shop", "--point", damaged.point())
    assert code == 6, text
    for said in (
        r"becomes what it was",
        r"moment +not known, not after \w{3} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:\d\d \((?s:.*?)ago\)",
        r"back +2 missing rows, 1 changed row as backed up",
        r"lost +1 row that only live has; the present values of 1 row",
        r"writers +wait at most 5 s",
        r"undo +restorekit undo \w{12}",
        r"live untouched",
    ):
        assert re.search(said, text), f"{said}\n{text}"
    assert "  staging" not in text.split("Swap this")[0].splitlines()[-3:], "a line of progress is left behind"
    assert max(len(line.rpartition("\r")[2]) for line in text.replace("\r\n", "\n").splitlines()) <= 80
    assert damaged.sql("SELECT * FROM orders") == before


def test_undo_that_ends_soon_is_said(damaged: Any) -> None:
    damaged.house.playbooks["default"] = "name: default\nundo: {keep: 5h}\n"
    damaged.house.write()
    run = damaged.waiting("--no-ask")
    swapped = damaged.ok("approve", run)
    assert f"live changed, undo with: restorekit undo {run}" in swapped.out
    assert f"undo of {run} (files/acme_shop) ends" in damaged.ok("status").err
    assert "(in 5 h)" in damaged.ok("status", run).err
    second = damaged.type("restore", "acme_shop", "--point", damaged.point(), "--until", "staged", "--json")
    assert f"undo of {run}" in second.err
    assert damaged.ok("retire").out == "nothing is due; live untouched\n"
    assert "live changed back" in damaged.ok("undo", run).out


def test_what_is_past_its_time_is_let_go(damaged: Any) -> None:
    damaged.house.playbooks["default"] = "name: default\nundo: {keep: 0s}\n"
    damaged.house.write()
    done = damaged.waiting()
    damaged.ok("approve", done)
    staged = damaged.ok("restore", "acme_shop", "--point", damaged.point(), "--until", "verified", "--json").json["id"]
    waits = damaged.waiting()
    configure(damaged, staging_ttl="0s", approval_ttl="1h")
    live = damaged.sql("SELECT * FROM orders")
    # While one restore of a database is active, an older staging of it has to wait.
    assert damaged.ok("retire", "--json").json == {"deleted": [done], "let_go": []}
    configure(damaged, staging_ttl="0s", approval_ttl=0)
    assert damaged.ok("retire").out.count("nobody decided; live untouched") == 2
    states = {r["id"]: r["state"] for r in damaged.ok("status", "--json").json}
    assert states == {done: "retired", staged: "cancelled", waits: "cancelled"}
    assert [v for v in verbs(damaged) if v in ("retire", "let go")] == ["retire", "let go", "let go"]
    assert damaged.sql("SELECT * FROM orders") == live
    assert "undo is no longer possible" in damaged.ok("status", done).out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("restore", "x", "--befor", "2026-01-01"), "--befor"),
        (("restore", "x", "--until", "never"), "--until"),
        (("restore", "files/acme_shop", "--now", "yesterday"), "--now"),
        (("frobnicate",), "frobnicate"),
        (("diff",), "ID"),
    ],
)
def test_usage_errors_name_what_is_wrong(desk: Any, words: tuple[str, ...], named: str) -> None:
    plain, as_json = desk.type(*words), desk.type(*words, "--json")
    assert plain.code == as_json.code == 2
    assert named in plain.err
    assert as_json.json["error"]["exit_code"] == 2
    assert named in as_json.json["error"]["message"]


def test_completion_asks_nobody_but_memory(damaged: Any) -> None:
    point = damaged.point()
    damaged.ok("inventory")
    run = damaged.waiting()
    (damaged.live / "acme_shop.db").rename(damaged.live.parent / "away.db")

    config = damaged.house.config
    assert ("files/acme_shop", "acme") in remembered.databases(config)
    assert ("acme_shop", "acme") in remembered.databases(config)
    assert remembered.runs(config) == [(run, "files/acme_shop awaiting_approval")]
    line = "restorekit restore acme_shop --point "
    env = {"_RESTOREKIT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    assert damaged.house.run(env=env).out.split() == [point]


def test_every_reading_command_gives_one_document(damaged: Any) -> None:
    run = damaged.waiting()
    commands = ["doctor", "inventory", "find acme", "points files/acme_shop", "status", f"status {run}", f"diff {run}"]
    commands += [f"note {run} hello", "audit", "audit verify", f"cancel {run}", "retire"]
    for line in commands:
        answer = damaged.ok(*line.split(), "--json")
        json.loads(answer.out)

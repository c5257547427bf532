"""The command that tells an operator may be of any kind: it ends nothing, and holds nothing for ever."""

import contextlib
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from restorekit import shell
from restorekit.bootstrap import messenger
from restorekit.bootstrap.messenger import Messenger
from restorekit.catalog.store import open_store
from restorekit.model.database import DatabaseId
from restorekit.model.notice import Notice

NOTICE = Notice(
    kind="operator",
    restore_id="",
    database=DatabaseId(engine="db1", name="shop"),
    text="Please insert volume V0012 into the library.",
    at=datetime(2009, 1, 22, tzinfo=UTC),
)


@pytest.mark.parametrize(
    ("command", "outcome"),
    [
        (None, "nobody: `notify` is not configured"),
        ("true", "sent"),
        ("sh -c 'exec <&-'", "sent"),
        ("sh -c 'cat > {folder}/told'", "sent"),
        ("sh -c 'exit 3'", "failed: exit code 3"),
        ("/nonexistent/notify", "failed: engine_unavailable"),
        ("sleep 60", "failed: temporary"),
    ],
)
def test_whatever_it_does_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str | None, outcome: str
) -> None:
    monkeypatch.setattr(messenger, "_PATIENCE_S", 0.3)
    with contextlib.closing(open_store(f"sqlite:///{tmp_path}/state.db")) as store:
        began = time.monotonic()
        Messenger(command and command.replace("{folder}", str(tmp_path)), store)(NOTICE)
        assert time.monotonic() - began < 10
        (entry,) = store.audit_entries("db1/shop")
    assert (entry.act.verb, entry.act.details["outcome"]) == ("notified", outcome)
    if "told" in (command or ""):
        assert Notice.model_validate_json((tmp_path / "told").read_text()) == NOTICE


def test_who_reads_nothing_is_no_failure() -> None:
    for _ in range(20):  # whether it ends before or after it was told is a race
        assert shell.run(shell.Spec(["true"]), feed=b"x" * 300).returncode == 0


@pytest.mark.long
def test_what_it_leaves_behind_holds_nobody() -> None:
    began = time.monotonic()
    assert shell.run(shell.Spec(["setsid", "-f", "sleep", "40"]), feed=b"x", timeout_s=2).returncode == 0
    assert time.monotonic() - began < 30

"""Two hundred kills at random moments, while a customer keeps writing and somebody keeps looking.

Every restore ends; no effect happens twice; live is never absent or half swapped; the gate is open again within a
minute of any death; no acknowledged write is lost without being named and kept.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from crash.shops import DAMAGE, NAME, MariaDBShop, Shop, SQLiteShop
from scenarios.house import ROOT
from servers.mariadb import LiveServer, server_folder

from restorekit.catalog.store import open_store
from restorekit.model.difference import Difference
from restorekit.model.exchange import Exchanged
from restorekit.model.plan import Approval
from restorekit.model.receipt import Receipt
from restorekit.model.undone import Undone

KILLS = {"sqlite": 140, "mariadb": 70}
LIMIT_S = 560.0
PATIENCE_S = 60.0
KEYED = "customers,orders,totals"
WORKING = ("requested", "staging", "verifying", "comparing", "approved", "swapping", "undoing", "cancelling")


@contextlib.contextmanager
def traffic(kind: str, place: Path, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Customer and onlooker, in a process of their own."""
    argv = [sys.executable, str(Path(__file__).with_name("traffic.py")), kind, str(place), str(folder)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    with subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *argv], env=environment, stdin=subprocess.PIPE) as process:
        try:
            yield process
            process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()


@dataclass
class Campaign:
    """Restores one after the other, each killed again and again; the seed makes its dice fall the same way."""

    shop: Shop
    wanted: int
    seed: int
    kills: int = 0
    longest_s: float = 1.0
    ended: Counter[str] = field(default_factory=Counter)
    slipped: int = 0
    ways: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.house = self.shop.house
        self.dice = random.Random(self.seed)
        self.point = self.shop.back_up()
        self.catalog = open_store(f"sqlite:///{self.house.folder}/state/state.db")
        self.known: set[str] = set()

    def run(self) -> None:
        end = time.monotonic() + LIMIT_S
        while self.kills < self.wanted and time.monotonic() < end:
            mode = self.dice.choice(("refusing", "keeping"))
            self.house.databases[NAME]["playbook"] = mode
            self.house.write()
            way = self.dice.choice(("exchange", "delta"))
            # A table without a key has no single rows: the others only are restored row by row.
            self.shop.run(*DAMAGE[: 4 if way == "exchange" else 3])
            run_id = self.restore("--method", way, *(() if way == "exchange" else ("--tables", KEYED)))
            self.ways[way] += 1
            self.check(run_id, mode, way)

    def restore(self, *how: str) -> str:
        """One restore to its end; who gives the commands knows only what `status` says."""
        run_id = ""
        for turn in range(60):
            deadly = turn < 12 and self.dice.random() < 0.75
            if not run_id:
                yes = self.dice.choice(((), ("--yes",)))
                self.command("restore", NAME, "--point", self.point, *how, *yes, deadly=deadly)
                run_id = self.newest()
                continue
            told = self.house.ok("status", run_id, "--json").json
            words = self.next_words(told, 0 if "delta" in how else turn)
            if words is None:
                return run_id
            self.command(words[0], run_id, *words[1:], deadly=deadly)
        raise AssertionError(f"restore {run_id} does not end: {told}")

    def next_words(self, told: dict[str, Any], turn: int) -> tuple[str, ...] | None:
        """What an admin types next; None if it has ended."""
        state, failure = told["state"], told["error"]
        if state in WORKING:
            return ("watch",)
        if state == "awaiting_approval":
            if failure is None or failure["exit_code"] != 7:
                return ("approve",)
            self.ended["7, live changed"] += 1
            return self.dice.choice((("cancel",), ("approve",), ("swap", "--accept-changes")))
        if state == "swapped" and failure is None and turn % 2:  # of rows the undo leaves alone what came since
            return ("undo",)
        assert state in ("swapped", "undone", "cancelled"), told["error"]
        self.ended[state] += 1
        return None

    def newest(self) -> str:
        """The id of the restore just ordered, if it came so far."""
        found = {run["id"] for run in self.house.ok("status", "--json").json} - self.known
        self.known |= found
        assert len(found) <= 1
        return found.pop() if found else ""

    def command(self, *words: str, deadly: bool) -> None:
        """Give a command; kill it at a random moment of its life (now and then by Ctrl-C)."""
        began = time.monotonic()
        with self.house.start(*words) as command:
            if deadly:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    command.wait(self.dice.uniform(0, self.longest_s))
                if command.poll() is None:
                    sign = signal.SIGINT if self.dice.random() < 0.05 else signal.SIGKILL
                    command.send_signal(sign)
                    self.kills += command.wait() == -signal.SIGKILL
                    return
            code = command.wait(240)
            self.longest_s = 0.7 * self.longest_s + 0.3 * (time.monotonic() - began)
            assert code in (0, 6, 7, 8, 130), (words, command.said)

    def check(self, run_id: str, mode: str, way: str) -> None:
        """One effect, one trace; what slipped is named and kept; nothing is left over."""
        self.house.nothing_runs()
        verbs = Counter(e.act.verb for e in self.catalog.audit_entries(limit=10_000) if e.act.restore_id == run_id)
        receipt, undone = self.catalog.kept(run_id, Receipt), self.catalog.kept(run_id, Undone)
        assert (verbs["swapped"], verbs["undone"]) == (int(receipt is not None), int(undone is not None)), verbs
        assert self.shop.left_beside()[0] == []
        assert [p.name for p in (self.house.folder / "staging").iterdir() if p.name != "locks"] == []
        if receipt is None:
            return
        shown = self.catalog.kept(run_id, Difference)
        assert shown is not None
        assert shown.live is not None
        if way == "delta":  # its copy holds the rows that were written, not the table
            self.slipped += len(receipt.exchanged.slipped)
        elif undone is None:
            self.named(receipt.exchanged, shown.live.table("orders").rows)
        else:
            self.named(undone.exchanged, 400)
        if mode == "refusing" and receipt.exchanged.slipped:
            approval = self.catalog.kept(run_id, Approval)
            assert approval is not None
            assert approval.accept_changes

    def named(self, exchanged: Exchanged, expected: int | None) -> None:
        """The copy holds as many orders as were shown, or the receipt says how many came since."""
        copy = exchanged.undo.schema_name.replace("rk_undo", self.shop.copy_prefix)
        ((kept,),) = self.shop.read(copy, "SELECT COUNT(*) FROM orders")
        slipped = {s.name: s.live_rows_found for s in exchanged.slipped}
        assert kept == (slipped["orders"] if kept != expected else expected), (kept, expected, slipped)
        self.slipped += kept - (expected or 0)


def _acks(folder: Path) -> list[tuple[int, float, float]]:
    lines = (folder / "acks").read_text().splitlines()
    return [(int(a), float(b), float(c)) for a, b, c in (line.split() for line in lines)]


def _campaign(shop: Shop, folder: Path, kind: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    campaign = Campaign(shop, KILLS[kind], seed=random.SystemRandom().randrange(10_000))
    began = time.monotonic()
    with capsys.disabled():
        print(f"\n{kind}: seed {campaign.seed}")
    with traffic(kind, place, folder):
        campaign.run()
    acks = _acks(folder)
    copies = ["", *shop.left_beside()[1]]
    found = {row[0] for copy in copies for row in shop.read(copy, "SELECT id FROM orders")} | shop.kept_rows("orders")
    lost = [number for number, _, _ in acks if number not in found]
    longest = max(acknowledged - began for _, began, acknowledged in acks)
    with capsys.disabled():
        print(
            f"{kind}: {campaign.kills} kills in {time.monotonic() - began:.0f} s, "
            f"{len(campaign.known)} restores, ended {dict(campaign.ended)}, by {dict(campaign.ways)}, "
            f"{len(acks)} writes acknowledged, "
            f"{campaign.slipped} slipped (named and kept), {len(lost)} lost, "
            f"longest wait of the writer {longest:.2f} s, {(folder / 'looks').read_text()} looks at live"
        )
    assert lost == []
    assert not (folder / "problems").exists(), (folder / "problems").read_text()[:2000]
    assert longest < PATIENCE_S
    assert campaign.kills >= KILLS[kind]
    shop.house.ok("audit", "verify")


@pytest.mark.long
@pytest.mark.timeout(900)
def test_sqlite_campaign(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with SQLiteShop.open(tmp_path) as shop:
        _campaign(shop, tmp_path, "sqlite", shop.path, capsys)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_mariadb_campaign(server: LiveServer, capsys: pytest.CaptureFixture[str]) -> None:
    folder = server_folder("rk-crash-")
    try:
        with MariaDBShop.open(folder, server) as shop:
            _campaign(shop, folder, "mariadb", server.socket, capsys)
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""One restore of a damaged shop, told by commands, some of which die; and what must be true at its end."""

import contextlib
import re
import signal
import sqlite3
import time
from pathlib import Path

import pymysql
from crash.shops import DAMAGE, NAME, Shop
from scenarios.house import Answer


class Story:
    """A damaged shop and one restore of it; what must be true at its end."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        self.shop = shop
        self.house = shop.house
        self.stamps = folder / "stamps"
        self.stamps.mkdir(exist_ok=True)
        self.whole = shop.everything()
        self.point = shop.back_up()
        shop.run(*DAMAGE)
        self.damaged = shop.everything()
        self.id = ""

    def at(self, place: str) -> dict[str, str]:
        """The environment of a command that dies there, once."""
        return {"RESTOREKIT_CRASH_AT": place, "RESTOREKIT_CRASH_ONCE": str(self.stamps)}

    def died(self, place: str) -> bool:
        return (self.stamps / f"crashed.{place}").exists()

    def ask(self, **env: str) -> Answer:
        """Order the restore; its id is said before anything can go wrong."""
        answer = self.house.run("restore", NAME, "--point", self.point, env=env)
        said = re.search(r"^Restore ([a-z0-9]+)$", answer.out, re.MULTILINE)
        assert said, answer
        self.id = said[1]
        return answer

    def watched(self, **env: str) -> Answer:
        return self.house.run("watch", self.id, "--json", env=env)

    def die_at(self, place: str) -> None:
        """Give the next command, and the next, until one dies there."""
        env = self.at(place)
        for _ in range(3):
            word = {"swapped": "undo", "awaiting_approval": "approve"}.get(self.state(), "watch")
            answer = self.house.run(word, self.id, env=env) if self.id else self.ask(**env)
            if self.died(place):
                assert answer.code == -signal.SIGKILL, answer
                return
        raise AssertionError(f"nothing came to {place}: {answer}")

    def state(self) -> str:
        return "" if not self.id else str(self.house.ok("status", self.id, "--json").json["state"])

    def customer_writes(self) -> None:
        """Within a minute after any death the customer can write again, though no command of ours has run since."""
        end = time.monotonic() + 60
        while True:
            try:
                with contextlib.closing(self.shop.connect()) as session:
                    session.cursor().execute("UPDATE totals SET amount = amount + 1")
                    session.rollback()
            except (sqlite3.Error, pymysql.err.Error):
                assert time.monotonic() < end
                time.sleep(0.1)  # when the gate opens can only be tried
            else:
                return

    def carry_through(self, **env: str) -> None:
        """What somebody does who knows nothing but `watch` and `approve`, until it is swapped."""
        for _ in range(4):
            answer = self.watched(**env)
            if answer.code == 0:
                break
            assert answer.code in (6, -signal.SIGKILL), answer
            if answer.code == 6:
                answer = self.house.run("approve", self.id, "--json", env=env)
                if answer.code == 0:
                    break
                assert answer.code == -signal.SIGKILL, answer
        assert answer.json["state"] == "swapped", answer

    def swapped_once(self) -> None:
        """Live is what the backup was; one effect, one trace of it, nothing left over."""
        assert self.shop.everything() == self.whole
        self.traces("swapped", 1)
        self.house.ok("receipt", self.id, "--json")

    def undone_once(self) -> None:
        """Live is what it was before the restore; what the restore had made of it is kept."""
        assert self.shop.everything() == self.damaged
        self.traces("undone", self.shop.copies_after_undo)

    def traces(self, verb: str, undo_copies: int) -> None:
        entries = self.house.ok("audit", NAME, "--json").json
        assert [e["act"]["verb"] for e in entries if e["act"]["restore_id"] == self.id].count(verb) == 1
        holding, kept = self.shop.left_beside()
        assert (holding, len(kept)) == ([], undo_copies), (holding, kept)
        assert self.sandboxes() == []
        self.house.nothing_runs()
        self.house.ok("audit", "verify")

    def sandboxes(self) -> list[str]:
        return sorted(p.name for p in (self.house.folder / "staging").iterdir() if p.name != "locks")

    def undo(self, **env: str) -> Answer:
        return self.house.run("undo", self.id, "--json", env=env)

    def undo_through(self) -> None:
        """`undo`, or `watch` where it has been asked for already."""
        answer = self.watched()
        if answer.json["state"] == "swapped":
            answer = self.undo()
        assert (answer.code, answer.json["state"]) == (0, "undone"), answer

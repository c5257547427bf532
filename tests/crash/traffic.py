"""A customer who writes and somebody who looks, all the time: `traffic.py KIND PLACE FOLDER`, until stdin ends.

FOLDER/acks gets a line per acknowledged write, after its commit: `order, began, acknowledged` (seconds).
FOLDER/problems gets whatever a look found wrong.
"""

import contextlib
import random
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
from crash.shops import AGREE, NAME

FIRST = 1000
Failed = (sqlite3.Error, pymysql.err.Error, OSError)


class Traffic:
    """One writer and one reader."""

    def __init__(self, kind: str, place: str, folder: Path) -> None:
        self.kind = kind
        self.place = place
        self.folder = folder
        self.over = threading.Event()
        self.looks = 0

    def session(self, user: str) -> Any:
        if self.kind == "sqlite":
            return sqlite3.connect(self.place, timeout=90, isolation_level=None, check_same_thread=False)
        return pymysql.connect(unix_socket=self.place, user=user, database=NAME, charset="utf8mb4", autocommit=True)

    def write(self) -> None:
        """Orders with new numbers, each with its total in one transaction; now and then a pause."""
        order, dice = FIRST, random.Random(1)
        with (self.folder / "acks").open("a", buffering=1) as acks:
            while not self.over.is_set():
                began = time.monotonic()
                while not self._written(order := order + 1):
                    if self.over.wait(0.02):
                        return
                acks.write(f"{order} {began} {time.monotonic()}\n")
                self.over.wait(dice.uniform(0.5, 3.0) if dice.random() < 0.03 else 0.02)

    def _written(self, order: int) -> bool:
        """True if it was acknowledged; a number is never used twice, so that nobody need know what became of it."""
        try:
            with contextlib.closing(self.session("acme")) as session:
                cursor = session.cursor()
                cursor.execute("BEGIN IMMEDIATE" if self.kind == "sqlite" else "BEGIN")
                cursor.execute(f"INSERT INTO orders VALUES ({order}, 1, 3)")
                cursor.execute("UPDATE totals SET amount = amount + 3")
                cursor.execute("COMMIT")
        except Failed:
            return False
        return True

    def look(self) -> None:
        """Live must always be there, and whole."""
        while not self.over.wait(0.005):
            for answer in self._answers():
                self.looks += 1
                if answer != 1:
                    self.note(f"{time.monotonic()} {answer!r}")

    def _answers(self) -> Iterator[object]:
        try:
            with contextlib.closing(self.session("root")) as session:
                cursor = session.cursor()
                for _ in range(50):
                    cursor.execute(AGREE)
                    yield cursor.fetchone()[0]
                    if self.over.wait(0.005):
                        return
        except Failed as error:
            yield f"{type(error).__name__} {error.args}"

    def note(self, line: str) -> None:
        with (self.folder / "problems").open("a") as problems:
            problems.write(line + "\n")

    def run(self) -> None:
        threads = [threading.Thread(target=run) for run in (self.write, self.look)]
        for thread in threads:
            thread.start()
        sys.stdin.read()
        self.over.set()
        for thread in threads:
            thread.join()
        (self.folder / "looks").write_text(str(self.looks))


if __name__ == "__main__":
    Traffic(sys.argv[1], sys.argv[2], Path(sys.argv[3])).run()

"""A tape library that the tests write to as a backup job would, through the real director."""

import os
import re
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from servers.bacula import Library
from servers.bacula_conf import Sizes

from restorekit.discovery import provider
from restorekit.model.home import Home
from restorekit.ports import Source

BIG = Sizes(volume=30_000_000, piece=1_000_000)
"""The contract's largest dumps fit on one of these."""


class Lab:
    """A library of its own; every backup is a Full of just the file it is of."""

    def __init__(self, library: Library, base: Path) -> None:
        self.library, self.base = library, base
        self.jobs: dict[str, int] = {}

    def source(self, **settings: Any) -> Source:
        section = self.library.settings(**settings)
        return provider("restorekit.sources", "tape", section, home(self.base))  # type: ignore[no-any-return]

    @property
    def medium(self) -> Path:
        """The cartridges; what lies in a drive is one of them."""
        shelf = self.base / "cartridges"
        shelf.mkdir(exist_ok=True)
        for slot in self.library.tape.glob("slot*"):
            link = shelf / slot.name
            if not link.exists():
                link.symlink_to(slot)
        return shelf

    def back_up(self, database: str, data: bytes, at: datetime) -> None:
        self.jobs[database] = self.run(f"/backup/db1/{database}.sql", data, at)

    def run(self, name: str, data: bytes, at: datetime) -> int:
        """The JobId of a Full that holds only this file, written at that time."""
        source = self.library.folder / "source"
        shutil.rmtree(source / "backup", ignore_errors=True)
        self.library.place(name, data, at)
        os.utime(source / name.lstrip("/"), (at.timestamp(), at.timestamp()))
        said = self.library.console("run job=Dumps level=Full yes")
        found = re.search(r"Job queued\. JobId=(\d+)", said)
        assert found, said
        job = int(found[1])
        assert self.library.ended(job) == "T", self.library.log(job)
        return job

    def add_stranger(self) -> None:
        self.run("/backup/readme.txt", b"hello", datetime.fromtimestamp(0).astimezone())

    def volume(self, database: str) -> str:
        """The cartridge that a backup begins on."""
        rows = self.library.sql(
            "SELECT VolumeName FROM JobMedia JOIN Media USING (MediaId) WHERE JobId = ? ORDER BY JobMediaId",
            self.jobs[database],
        )
        return str(rows[0][0])

    def remove(self, database: str) -> None:
        self.library.console(f"delete jobid={self.jobs[database]} yes")

    def flip(self, database: str) -> None:
        self.library.damage(self.volume(database))

    def truncate(self, database: str) -> None:
        self.library.truncate(self.volume(database))

    def unmount(self) -> None:
        self.library.stop()
        self.library.catalog.unlink()


def home(base: Path, timezone: str = "Europe/Berlin") -> Home:
    return Home(staging=base, cache=base / "cache", base=base, timezone=timezone)

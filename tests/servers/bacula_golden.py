"""A library with the backups of January 2009, made once per test run and unpacked by each test that wants it.

with Library.running(bacula_golden) as library:
    library.sql("SELECT JobId, Level, StartTime FROM Job")
    content("shop", 17)  # what db1/shop was on 2009-01-17
"""

import fcntl
import random
from datetime import date
from pathlib import Path

import pytest
from servers.bacula import Library

DAYS = (
    (5, "Full", ("shop", "blog", "crm")),
    (8, "Incremental", ("shop",)),
    (12, "Full", ("shop", "crm")),
    (14, "Incremental", ("shop", "blog")),
    (17, "Incremental", ("shop", "crm")),
    (19, "Incremental", ("shop", "crm")),
    (21, "Incremental", ("shop", "blog")),
)
"""Day of January 2009, level, and the databases that were dumped anew on it. A Full takes the others as they were."""
SIZES = {"shop": 300_000, "blog": 500_000, "crm": 900_000}
VOLUMES = tuple(f"TAPE{slot:02d}L8" for slot in range(1, 11))


def path(database: str) -> str:
    """Under which name a dump is in the catalog."""
    return f"/backup/db1/{database}.sql"


def content(database: str, day: int) -> bytes:
    """The dump of a database as it was last written on or before that day: text that does not compress away."""
    written = max(d for d, _, names in DAYS if d <= day and database in names)
    rows = random.Random(f"{database} {written}").randbytes(SIZES[database] // 2).hex()
    lines = (f"INSERT INTO t VALUES ('{rows[at : at + 1000]}');\n" for at in range(0, len(rows), 1000))
    return f"-- {database} of 2009-01-{written:02d}\n{''.join(lines)}-- Dump completed\n".encode()


def piped() -> bytes:
    """What the bpipe plugin read."""
    return b"-- piped\n" + random.Random("piped").randbytes(20_000).hex().encode() + b"\n-- Dump completed\n"


def _build(golden: Path) -> None:
    library = Library()
    try:
        library.start()
        for day, level, names in DAYS:
            library.backup(date(2009, 1, day), {path(name): content(name, day) for name in names}, level)
        (library.folder / "piped.sql").write_bytes(piped())
        library.backup(date(2009, 1, 21), {}, "Full", job="Pipe")
        library.stop()
        library.save(golden)
    finally:
        library.close()


@pytest.fixture(scope="session")
def bacula_golden(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The saved library; whichever worker comes first makes it, the others wait."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    golden = shared / "bacula-golden.tar"
    with (shared / "bacula-golden.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not golden.exists():
            _build(golden)
    return golden

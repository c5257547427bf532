"""The mark of a database file: equal marks mean that nobody has changed it. Run as a program of its own.

To look into a live file is to open it, and to close it again would drop every lock that the looking process holds on
it. So this file is started as a child (`python marks.py`, standard library only): file names come in on standard
input, each ended by a NUL, and for each a pair `[kind, mark]` goes out, as JSON in the same order.
"""

import contextlib
import hashlib
import json
import os
import stat
import sys
import time
from collections.abc import Iterator

HEADER = 100
MAGIC = b"SQLite format 3\x00"
SIDES = ("-journal", "-wal")
MOST = 64 << 20
"""Bytes of a journal or -wal that are read; a database with more is in doubt, and read whole at each look."""

_FINE_NS, _COARSE_NS = 50_000_000, 2_500_000_000
"""How long after a write another one may get the same time: kernels count in ticks, FAT in two seconds."""


class _InDoubt(Exception):
    """Whatever the file says, it may be changed without a trace."""


def looked(path: str) -> tuple[str, str]:
    """What lies there (`database`, `empty`, `other`, `gone`, `unreadable`), and its mark, empty if in doubt."""
    try:
        real = os.path.realpath(path)  # SQLite puts its side files beside the file itself, not beside a link to it
        digest = hashlib.blake2b(digest_size=16)
        try:
            # Before the database: what moves from the -wal into it meanwhile is then seen there, else nowhere.
            for side in SIDES:
                _add_side(digest, real + side)
            kind = _add_database(digest, real)
        except _InDoubt:
            return _add_database(digest, real, settled=False), ""
    except FileNotFoundError:
        return "gone", ""
    except OSError:
        return "unreadable", ""
    return kind, digest.hexdigest()


def _add_database(digest: "hashlib.blake2b", path: str, *, settled: bool = True) -> str:
    """Its header (change counter, schema cookie, page count) and which file it is, written when.

    In WAL mode the counter does not move with each commit, and a file copied in may bring the same one: the time of
    the last change, which nobody can set, decides, if it is old enough that the next change must have another.
    """
    now_ns = time.time_ns()
    with _opened(path) as fd:
        head = os.pread(fd, HEADER, 0)
        found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        return "other"
    tick = _FINE_NS if found.st_ctime_ns % 1_000_000_000 else _COARSE_NS
    if settled and now_ns - found.st_ctime_ns < tick:
        raise _InDoubt
    identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    digest.update(repr((identity, head)).encode())
    return "database" if head.startswith(MAGIC) else "other" if head else "empty"


def _add_side(digest: "hashlib.blake2b", path: str) -> None:
    """All bytes of a side file; an empty one is as good as none."""
    with contextlib.suppress(FileNotFoundError), _opened(path) as fd:
        size, inside = 0, hashlib.blake2b()
        while piece := os.read(fd, 1 << 20):
            size += len(piece)
            if size > MOST:
                raise _InDoubt
            inside.update(piece)
        if size:
            digest.update(repr((path[-4:], size, inside.hexdigest())).encode())


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    """A descriptor for reading; a customer's FIFO under such a name keeps nobody waiting."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def main() -> None:
    """Answer for all names on standard input."""
    names = [os.fsdecode(name) for name in sys.stdin.buffer.read().split(b"\0")[:-1]]
    json.dump([looked(name) for name in names], sys.stdout)


if __name__ == "__main__":
    main()

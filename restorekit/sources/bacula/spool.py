"""The folder the restore client writes to: restores under way, and what of them is proven and waits to be delivered.

    WHERE/orders/ID/order.json   a restore that was, or may have been, submitted; its lock is held by who works on it
    WHERE/orders/ID/out/         what the director's `where=` names: fresh for each job, the client writes here
    WHERE/points/KEY/data        a restored file (a hard link per point that needs it), ours alone
    WHERE/points/KEY/ready.json  written last: size and digest that were proven

An order is on disk before the director hears of it, so that a repetition finds the job instead of starting another.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import pwd
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from restorekit.errors import ConfigError, DiskFull, SourceDamaged, SourceUnavailable
from restorekit.model.value import Value
from restorekit.sources.bacula.wanted import Reading, Wanted, opened

_RECORD = "order.json"
_READY = "ready.json"
_ABANDONED_S = 24 * 3600
"""After that long a folder without a record is of somebody who died before the director was asked."""
_SPARE = 64 << 20
"""Bytes that must stay free beside what is restored."""


class Order(Value):
    """One restore job for files of one client; `points` maps ids of points to the file each needs.

    `volume` is the tape that it reads first. `job` is its JobId once known. None: submitted or not, nobody here knows;
    the comment of the job tells.
    """

    id: str
    client: str
    files: tuple[Wanted, ...]
    points: dict[str, int]
    volume: str = ""
    job: int | None = None

    @property
    def size(self) -> int:
        """Bytes it brings, as far as the catalog knows."""
        return sum(max(file.size or 0, 0) for file in self.files)


class Kept(Value):
    """A restored file that waits: what was proven of it. `held`: the catalog's digest is that of the file."""

    wanted: Wanted
    size: int
    hexdigest: str
    held: bool


class Spool:
    """One such folder, ours. `user` is who the restore client runs as, if it is another: only root can serve it."""

    def __init__(self, where: Path, user: str | None) -> None:
        self.where, self._user = where, user

    def prepare(self) -> None:
        """Make what is missing. Raises SourceUnavailable where that is not possible."""
        try:
            for folder in (self.where / "orders", self.where / "points"):
                folder.mkdir(exist_ok=True)
                folder.chmod(0o711)  # the restore client passes through, nobody looks around
            for folder in (self.where / "orders").iterdir():
                if not (folder / _RECORD).exists() and time.time() - folder.stat().st_mtime > _ABANDONED_S:
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError as error:
            raise SourceUnavailable(
                f"{self.where} cannot be written to: {error.strerror}",
                hint="`where` must exist and belong to the user restorekit runs as.",
            ) from error

    def check_user(self) -> None:
        """Raises ConfigError if what the restore client writes would be nobody's here to read."""
        if self._user is not None and os.geteuid() != 0 and pwd.getpwuid(os.geteuid()).pw_name != self._user:
            raise ConfigError(
                f"the restore client runs as {self._user}, and only root can give it folders and read its files",
                hint="Run the restore client as the user restorekit runs as.",
            )

    # -- orders -------------------------------------------------------------------------------------------------

    def out(self, order: Order) -> Path:
        """Where the director is told to restore to."""
        return self._folder(order.id) / "out"

    def _folder(self, order_id: str) -> Path:
        return self.where / "orders" / order_id

    def orders(self) -> list[Order]:
        """All that are on disk."""
        read = (self.order(folder.name) for folder in sorted((self.where / "orders").glob("*")))
        return [order for order in read if order is not None]

    def order(self, order_id: str) -> Order | None:
        """One that is on disk; None for one that is over, or whose record was never finished: not submitted."""
        try:
            return Order.model_validate_json((self._folder(order_id) / _RECORD).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def begin(self, order: Order) -> None:
        """Put it on disk with a fresh folder that belongs to the restore client. Raises DiskFull, SourceUnavailable."""
        self.prepare()
        free = shutil.disk_usage(self.where).free
        if free < order.size + _SPARE:
            raise DiskFull(
                f"{self.where} has {free >> 20} MiB free, {order.size >> 20} MiB and some room are needed",
                hint="Nothing was read from tape. Make room, or name another folder as `where`.",
            )
        self._folder(order.id).mkdir(mode=0o711)
        self._folder(order.id).chmod(0o711)
        out = self.out(order)
        out.mkdir(mode=0o700)
        if self._user is not None and os.geteuid() == 0:
            shutil.chown(out, self._user)
        self.record(order)

    def record(self, order: Order) -> None:
        """Write its record, for good."""
        _write(self._folder(order.id) / _RECORD, order.model_dump_json().encode())

    def drop(self, order: Order) -> None:
        """Delete it with all it has brought, partial files above all. Idempotent."""
        with contextlib.suppress(FileNotFoundError):
            (self._folder(order.id) / _RECORD).unlink()
        shutil.rmtree(self._folder(order.id), ignore_errors=True)

    def brought(self, order: Order) -> int:
        """Bytes that lie there so far."""
        total = 0
        for folder, _, names in os.walk(self.out(order)):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118  called often
        return total

    @contextlib.contextmanager
    def held(self, order_id: str) -> Iterator[bool]:
        """Who works on an order holds it; False if somebody else does. Ends with the process, however that ends."""
        with self._locked(f"order-{order_id}", fcntl.LOCK_EX | fcntl.LOCK_NB) as got:
            yield got
        if not self._folder(order_id).exists():
            with contextlib.suppress(FileNotFoundError):
                (self.where / f".order-{order_id}.lock").unlink()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Between counting jobs at the director and submitting one, nobody else does."""
        self.prepare()
        with self._locked("submit", fcntl.LOCK_EX):
            yield

    @contextlib.contextmanager
    def _locked(self, name: str, how: int) -> Iterator[bool]:
        fd = os.open(self.where / f".{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, how)
        except BlockingIOError:
            os.close(fd)
            yield False
            return
        try:
            yield True
        finally:
            os.close(fd)

    # -- points -------------------------------------------------------------------------------------------------

    def _place(self, point_id: str) -> Path:
        return self.where / "points" / hashlib.sha256(point_id.encode()).hexdigest()[:32]

    def kept(self, point_id: str, wanted: Wanted) -> Kept | None:
        """What waits for a point; None if nothing does, or another file than it names now."""
        try:
            kept = Kept.model_validate_json((self._place(point_id) / _READY).read_bytes())
        except (OSError, ValidationError):
            return None
        return kept if kept.wanted == wanted and self.data(point_id).exists() else None

    def data(self, point_id: str) -> Path:
        """The file that waits for a point."""
        return self._place(point_id) / "data"

    def prove(self, order: Order, wanted: Wanted) -> tuple[Path, Kept]:
        """Read a restored file to its end. Raises SourceDamaged, SourceUnavailable (not ours to read)."""
        if os.geteuid() == 0:  # from here on the restore client can no longer reach it
            os.chown(self.out(order), 0, 0)
        path = self._restored(order, wanted)
        if not path.parent.resolve().is_relative_to(self.out(order).resolve()):
            raise SourceDamaged(f"{wanted} came back behind a link; live is untouched")
        with opened(path) as file:
            if os.geteuid() == 0:
                os.fchown(file.fileno(), 0, 0)
            reading = Reading(file, wanted)
            for _ in reading:
                pass
            held = reading.prove()
            os.fsync(file.fileno())
        return path, Kept(wanted=wanted, size=reading.size, hexdigest=reading.digest, held=held)

    def _restored(self, order: Order, wanted: Wanted) -> Path:
        """Where it came out: below `where` under its full name, or, for a writer's, wherever the only file is."""
        path = Path(f"{self.out(order)}/{wanted.path.lstrip('/')}")
        if not os.path.lexists(path) and len(order.files) == 1:
            found = [p for p in self.out(order).rglob("*") if not p.is_dir() or p.is_symlink()]
            return found[0] if len(found) == 1 else path
        return path

    def keep(self, point_id: str, path: Path, kept: Kept) -> None:
        """Put a proven file aside for a point. Idempotent."""
        place = self._place(point_id)
        place.mkdir(mode=0o700, exist_ok=True)
        (place / _READY).unlink(missing_ok=True)
        self.data(point_id).unlink(missing_ok=True)
        os.link(path, self.data(point_id), follow_symlinks=False)
        self.data(point_id).chmod(0o400)
        _write(place / _READY, kept.model_dump_json().encode())

    def forget(self, point_id: str) -> None:
        """Delete what waits for a point. Idempotent."""
        (self._place(point_id) / _READY).unlink(missing_ok=True)
        shutil.rmtree(self._place(point_id), ignore_errors=True)

    # -- the last look at the shelves ---------------------------------------------------------------------------

    def slots_age_s(self, now: float) -> float:
        """How long ago the catalog was last told what is in the library."""
        try:
            return now - (self.where / ".slots").stat().st_mtime
        except FileNotFoundError:
            return float("inf")

    def slots_looked_at(self) -> None:
        """It was told now."""
        (self.where / ".slots").touch()


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, and still there after a power cut."""
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def order_id(points: dict[str, int]) -> str:
    """A new name: the same points get another one each time, for each job has a folder of its own."""
    told = json.dumps([sorted(points), os.urandom(8).hex()])
    return hashlib.sha256(told.encode()).hexdigest()[:16]

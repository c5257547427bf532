"""What restorekit asks of places where backups rest."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from restorekit.model.exchange import Finding
from restorekit.model.point import RecoveryPoint, Scan
from restorekit.model.readiness import READY, Readiness
from restorekit.ports.around import Watch


class Delivery(Protocol):
    """The bytes of one recovery point, read once from front to end."""

    size: int | None
    """Bytes that must come, if the source knows."""

    def read(self, most: int) -> bytes:
        """Up to `most` bytes; b"" at the end. Raises SourceDamaged, SourceUnavailable."""
        ...

    def finish(self) -> bool:
        """Called after the last read: True if the source's own digests hold for what was read.

        False if it has none. Raises SourceDamaged or SourceUnavailable when the medium or its process
        ended badly. Until this returned, the reader must not let its last bytes take effect.
        """
        ...


class Source(Protocol):
    """A place where backups rest. It only delivers; it never writes to the medium."""

    name: str

    def check(self) -> list[Finding]:
        """Is everything in place (tool, credentials, medium)? Read-only, safe to repeat."""
        ...

    def scan(self, known: Sequence[RecoveryPoint]) -> Scan:
        """Look for points; `known` are those of the last scan. Costs a listing when nothing is new. Safe to repeat.

        What is damaged or does not fit any layout is reported in the Scan, never dropped. Raises
        SourceUnavailable; ConfigError for a wrong password.
        """
        ...

    def readiness(self, points: Sequence[RecoveryPoint]) -> list[Readiness]:
        """What stands between each point and its bytes, in the order of `points`. Reads only; safe to repeat.

        Raises PointExpired, PointUnusable, SourceUnavailable.
        """
        ...

    def warm(self, points: Sequence[RecoveryPoint], way: str, watch: Watch) -> list[Readiness]:
        """Do what brings the points nearer, as one job; answers how each stands afterwards. May run twice.

        Asks for a thaw (`way` is the name of one of the offered) or reads tapes into the spool, which takes as long
        as it takes. A repetition goes on with what an earlier call, of a dead process too, has begun; it asks for
        nothing twice. Where a person is needed it gives the drive back and answers `operator`. Every answer `ready`
        is proven: the bytes are there and the source's own digest holds for them.

        Raises PointExpired, PointUnusable, SourceDamaged, SourceUnavailable, Cancelled.
        """
        ...

    def cool(self, point: RecoveryPoint) -> None:
        """Nobody needs the point's bytes any more: what `warm` has put aside for it may go. Idempotent."""
        ...

    def deliver(self, point: RecoveryPoint, watch: Watch) -> AbstractContextManager[Delivery]:
        """Open the point's bytes. Leaving the context ends every process it started.

        A point that is not ready raises SourceUnavailable and never warms itself. Raises PointExpired when the point
        is gone, SourceUnavailable, SourceDamaged. Not to be repeated in
        the middle: a broken stream restarts the whole step.
        """
        ...

    def manifest(self, point: RecoveryPoint) -> bytes | None:
        """The manifest lying beside the point (JSON of Contents), or None. Safe to repeat."""
        ...


class Cloning(Protocol):
    """A source that delivers whole data directories: points of format `datadir`."""

    def clone(self, point: RecoveryPoint, watch: Watch) -> AbstractContextManager[Path]:
        """A writable copy of the data directory of the point's server, for an engine to start in.

        Only our own copy is ever written to, and only that is destroyed when the context is left; one that a dead
        process left behind is destroyed before the next is made. Raises PointExpired, PointUnusable (not one
        subvolume, a link that leads out of it), SourceUnavailable, DiskFull.
        """
        ...


class AtHand:
    """The part of a source whose points are always ready: nothing is frozen, nothing lies on a shelf."""

    def readiness(self, points: Sequence[RecoveryPoint]) -> list[Readiness]:
        """See `Source.readiness`."""
        return [READY] * len(points)

    def warm(self, points: Sequence[RecoveryPoint], way: str, watch: Watch) -> list[Readiness]:  # noqa: ARG002
        """See `Source.warm`."""
        return [READY] * len(points)

    def cool(self, point: RecoveryPoint) -> None:
        """See `Source.cool`."""


class Stream(Protocol):
    """An iterable of chunks whose last chunk comes only after the source has ended well."""

    def __iter__(self) -> Iterator[bytes]:
        """The chunks."""
        ...

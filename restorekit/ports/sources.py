"""What restorekit asks of places where backups rest."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from restorekit.model.exchange import Finding
from restorekit.model.point import RecoveryPoint, Scan
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

    def deliver(self, point: RecoveryPoint, watch: Watch) -> AbstractContextManager[Delivery]:
        """Open the point's bytes. Leaving the context ends every process it started.

        Raises PointExpired when the point is gone, SourceUnavailable, SourceDamaged. Not to be repeated in
        the middle: a broken stream restarts the whole step.
        """
        ...

    def manifest(self, point: RecoveryPoint) -> bytes | None:
        """The manifest lying beside the point (JSON of Contents), or None. Safe to repeat."""
        ...


class Stream(Protocol):
    """An iterable of chunks whose last chunk comes only after the source has ended well."""

    def __iter__(self) -> Iterator[bytes]:
        """The chunks."""
        ...

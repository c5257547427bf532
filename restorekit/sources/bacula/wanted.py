"""One file of one backup, as a point names it; and what proves that it came back whole."""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

from restorekit.errors import PointUnusable, SourceDamaged, SourceUnavailable
from restorekit.model.point import RecoveryPoint
from restorekit.model.value import Value

BPIPE = "/@"
"""How the names of files begin that a plugin wrote: restoring hands them to its writer command."""
_CHUNK = 1 << 20


class Wanted(Value):
    """A file in the catalog. `fileid` is empty where only the job is known, `known` its digest: `sha256:<hex>`."""

    job: str
    fileid: str
    path: str
    client: str
    size: int | None
    known: str

    @classmethod
    def of(cls, point: RecoveryPoint) -> Self:
        """The file a point needs. Raises PointUnusable for a point of another kind."""
        told = point.locator
        try:
            return cls(
                job=told["job"],
                fileid=told.get("fileid", ""),
                path=told["path"],
                client=told["client"],
                size=int(told["size"]) if told.get("size") else None,
                known=told.get("digest", ""),
            )
        except (KeyError, ValueError) as error:
            raise PointUnusable(f"point {point.id} names no file of a backup", hint="Scan the source again.") from error

    def __str__(self) -> str:
        return f"{self.path} of {self.job}"

    @property
    def piped(self) -> bool:
        """True if a plugin's writer decides where it goes, whatever `where` says."""
        return self.path.startswith(BPIPE)

    @property
    def expected(self) -> tuple[str, str] | None:
        """Algorithm and digest (hex) by the catalog; None if it has none, or one that nobody here can compute."""
        name, _, value = self.known.partition(":")
        return (name, value) if value and name in hashlib.algorithms_guaranteed else None


class Reading:
    """The bytes of a restored file, with size and digest of what was read."""

    def __init__(self, file: BinaryIO, wanted: Wanted) -> None:
        self.wanted, self._file = wanted, file
        self._expected = wanted.expected
        self._hash = hashlib.new(self._expected[0] if self._expected else "sha256", usedforsecurity=False)
        self.size = 0

    def read(self, most: int) -> bytes:
        """Up to `most` bytes; b"" at the end."""
        data = self._file.read(most)
        self._hash.update(data)
        self.size += len(data)
        return data

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(_CHUNK), b"")

    @property
    def digest(self) -> str:
        """Hex, by the catalog's algorithm, or SHA-256 where the catalog has none."""
        return self._hash.hexdigest()

    def prove(self) -> bool:
        """After the last byte: True if size and digest are the catalog's, False if it has no digest.

        Raises SourceDamaged.
        """
        if self.wanted.size is not None and self.wanted.size >= 0 and self.size != self.wanted.size:
            raise self.damaged(f"should have {self.wanted.size} bytes and has {self.size}")
        if self._expected is None:
            return False
        if self.digest != self._expected[1]:
            raise self.damaged(f"has another {self._expected[0].upper()} than when it was written")
        return True

    def damaged(self, how: str) -> SourceDamaged:
        """The error that says so."""
        return SourceDamaged(f"{self.wanted} {how}; live is untouched", hint="Choose another recovery point.")


def opened(path: Path) -> BinaryIO:
    """A restored file, opened for reading. Raises SourceDamaged for anything but a plain file: no link is followed."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except PermissionError as error:
        raise SourceUnavailable(
            f"{path.name} was restored and belongs to another user",
            hint="The restore client must run as the user restorekit runs as; see `restore_user`.",
        ) from error
    except OSError as error:
        raise SourceDamaged(f"{path.name} cannot be read back: {error.strerror}; live is untouched") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise SourceDamaged(f"{path.name} came back as something that is no file; live is untouched")
    return os.fdopen(fd, "rb")

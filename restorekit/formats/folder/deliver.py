"""One file's bytes, guarded: the file must be the one that was scanned, and must stay it while it is read."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from restorekit.errors import PointExpired, PointUnusable, SourceDamaged, SourceUnavailable
from restorekit.formats.beside import named_digest
from restorekit.formats.compression import compression_of, decompressed
from restorekit.formats.folder.files import found
from restorekit.formats.multidump import DumpIndex, Shelf, cut, index
from restorekit.model.point import RecoveryPoint
from restorekit.ports import Delivery, Watch

CHUNK = 1 << 20
_ANOTHER = "Choose another recovery point; live is untouched."


@contextmanager
def opened(root: Path, point: RecoveryPoint, shelf: Shelf, watch: Watch) -> Iterator[Delivery]:
    """The bytes of `point`. Raises PointExpired, PointUnusable, SourceUnavailable, SourceDamaged."""
    path = root / point.locator["path"].lstrip("/")
    with _open(root, path) as file:
        _same(path, point, PointExpired, "was replaced since it was scanned")
        database = point.locator.get("database")
        if database is None:
            yield _Whole(path, point, file, _digest(root, point))
        else:
            yield _Part(path, point, file, _ranges(file, point, database, shelf, watch))


def _open(root: Path, path: Path) -> BinaryIO:
    try:
        return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb", buffering=0)
    except FileNotFoundError as error:
        if not root.is_dir():
            raise SourceUnavailable(f"the folder {root} is not there", hint="Is the medium mounted?") from error
        raise PointExpired(f"{path} is no longer there; live is untouched", hint=_ANOTHER) from error
    except OSError as error:
        hint = "May this user read it? Live is untouched."
        raise SourceUnavailable(f"{path} cannot be opened: {error.strerror}", hint=hint) from error


def _same(path: Path, point: RecoveryPoint, raised: type[PointExpired | SourceDamaged], what: str) -> None:
    try:
        now = found(path, point.locator["path"]).pins
    except OSError as error:
        raise raised(f"{path} is no longer there; live is untouched", hint=_ANOTHER) from error
    if any(point.locator[pin] != value for pin, value in now.items()):
        raise raised(f"{path} {what}; live is untouched", hint="Scan again and choose another recovery point.")


def sidecar(root: Path, key: str, suffix: str) -> bytes | None:
    """The small file lying beside a backup, or None. Raises SourceUnavailable if it cannot be read."""
    path = root / (key.lstrip("/") + suffix)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SourceUnavailable(f"{path} cannot be read: {error.strerror}") from error


def _digest(root: Path, point: RecoveryPoint) -> str | None:
    """The digest the sidecar names, or None without one."""
    text = sidecar(root, point.locator["path"], ".sha256")
    if text is None:
        return None
    return named_digest(text, f"{point.locator['path']}.sha256")


class _Whole:
    """The file from front to end."""

    def __init__(self, path: Path, point: RecoveryPoint, file: BinaryIO, digest: str | None) -> None:
        self.size: int | None = int(point.locator["size"])
        self._path, self._point, self._file = path, point, file
        self._digest = digest
        self._hash = hashlib.sha256()
        self._read = 0

    def read(self, most: int) -> bytes:
        data = _read(self._path, self._file, most)
        if self._digest is not None:
            self._hash.update(data)
        self._read += len(data)
        return data

    def finish(self) -> bool:
        """True if the digest in the sidecar holds; False if there is none."""
        _same(self._path, self._point, SourceDamaged, "was written to while it was read")
        if self._read != self.size:
            text = f"{self._path} gave {self._read} of {self.size} bytes; live is untouched"
            raise SourceDamaged(text, hint=_ANOTHER)
        if self._digest is not None and self._hash.hexdigest() != self._digest:
            text = f"{self._path} does not have the SHA-256 digest its sidecar names; live is untouched"
            raise SourceDamaged(text, hint=_ANOTHER)
        return self._digest is not None


class _Part:
    """One database out of a dump of many; only its ranges are read where the file is not compressed."""

    def __init__(self, path: Path, point: RecoveryPoint, file: BinaryIO, ranges: tuple[tuple[int, int], ...]) -> None:
        self.size: int | None = sum(end - start for start, end in ranges)
        self._path, self._point = path, point
        plain = compression_of(path.name) == "none"
        self._pieces = _ranged(path, file, ranges) if plain else cut(_text(path, file), ranges)
        self._left = b""
        self._read = 0

    def read(self, most: int) -> bytes:
        if not self._left:
            self._left = next(self._pieces, b"")
        data, self._left = self._left[:most], self._left[most:]
        self._read += len(data)
        return data

    def finish(self) -> bool:
        """False: no digest covers a part. Raises SourceDamaged if the file changed or ended early."""
        _same(self._path, self._point, SourceDamaged, "was written to while it was read")
        if self._read != self.size:
            text = f"{self._path} gave {self._read} of {self.size} bytes; live is untouched"
            raise SourceDamaged(text, hint=_ANOTHER)
        return False


def _ranges(
    file: BinaryIO, point: RecoveryPoint, database: str, shelf: Shelf, watch: Watch
) -> tuple[tuple[int, int], ...]:
    made = shelf.get(shelf_key(point.source, point.locator)) or _indexed(file, point, shelf, watch)
    try:
        return made.ranges(database)
    except KeyError as error:
        raise PointUnusable(f"{point.locator['path']} does not hold {database}", hint="Scan again.") from error


def shelf_key(source: str, locator: dict[str, str]) -> str:
    """Under which the index of that very file lies."""
    return "\0".join((source, locator["path"], locator["size"], locator["mtime_ns"]))


def _indexed(file: BinaryIO, point: RecoveryPoint, shelf: Shelf, watch: Watch) -> DumpIndex:
    path = Path(point.locator["path"])

    def watched() -> Iterator[bytes]:
        for done, chunk in enumerate(_text(path, file)):
            watch.check()
            watch.progress("index", done * CHUNK, None)
            yield chunk

    made = index(watched())
    shelf.put(shelf_key(point.source, point.locator), made)
    file.seek(0)
    return made


def _text(path: Path, file: BinaryIO) -> Iterator[bytes]:
    chunks = iter(lambda: _read(path, file, CHUNK), b"")
    return decompressed(chunks, compression_of(path.name))


def _ranged(path: Path, file: BinaryIO, ranges: tuple[tuple[int, int], ...]) -> Iterator[bytes]:
    for start, end in ranges:
        file.seek(start)
        left = end - start
        while left > 0 and (data := _read(path, file, min(CHUNK, left))):
            left -= len(data)
            yield data


def _read(path: Path, file: BinaryIO, most: int) -> bytes:
    try:
        return file.read(most)
    except OSError as error:
        raise SourceDamaged(f"{path} cannot be read: {error.strerror}; live is untouched", hint=_ANOTHER) from error

"""One object's bytes, or one database's out of it; whole only when the size is right and a digest did not say no."""

from collections.abc import Iterator
from contextlib import contextmanager

from restorekit.errors import PointExpired, PointUnusable, SourceDamaged
from restorekit.formats.beside import DIGEST, named_digest
from restorekit.formats.compression import compression_of, decompressed
from restorekit.formats.multidump import DumpIndex, Shelf, cut, index
from restorekit.model.point import RecoveryPoint
from restorekit.ports import Delivery, Watch
from restorekit.sources.s3.bucket import Bucket
from restorekit.sources.s3.digest import Witness, parts_of, witness
from restorekit.sources.s3.objects import Locator, head, part_size, pieces, small

_ANOTHER = "Choose another recovery point; live is untouched."


@contextmanager
def opened(bucket: Bucket, point: RecoveryPoint, shelf: Shelf, watch: Watch, *, md5: bool) -> Iterator[Delivery]:
    """The bytes of `point`. `md5`: an ETag may be one. Raises what `Bucket.explained` does, and PointUnusable."""
    locator = point.locator
    told = head(bucket, locator)
    whole = ((0, int(locator["size"])),)
    if "database" not in locator:
        part = _part(bucket, locator, parts_of(told)) if md5 else None
        digest = witness(told, _sidecar(bucket, locator), part)
        with pieces(bucket, locator, whole, watch) as chunks:
            yield _Reading(chunks, point, int(locator["size"]), digest)
        return
    ranges = _ranges(bucket, point, shelf, watch)
    size = sum(end - start for start, end in ranges)
    packed = compression_of(locator["key"])
    with pieces(bucket, locator, ranges if packed == "none" else whole, watch) as chunks:
        text = chunks if packed == "none" else cut(decompressed(chunks, packed), ranges)
        yield _Reading(text, point, size, None)


def _sidecar(bucket: Bucket, locator: dict[str, str]) -> str | None:
    """The digest the sidecar names, or None without one, also where it has gone since."""
    if "sha256" not in locator:
        return None
    key = locator["key"] + DIGEST
    try:
        return named_digest(small(bucket, key, locator["sha256"]), key)
    except PointExpired:
        return None


def _part(bucket: Bucket, locator: Locator, parts: int) -> int | None:
    return part_size(bucket, locator, parts) if parts else 0


class _Reading:
    """What comes, counted and held against a digest."""

    def __init__(self, chunks: Iterator[bytes], point: RecoveryPoint, size: int, digest: Witness | None) -> None:
        self.size: int | None = size
        self._chunks, self._key, self._digest = chunks, point.locator["key"], digest
        self._left = memoryview(b"")
        self._read = 0

    def read(self, most: int) -> bytes:
        if not self._left:
            self._left = memoryview(next(self._chunks, b""))
        data, self._left = bytes(self._left[:most]), self._left[most:]
        if self._digest is not None:
            self._digest.hasher.update(data)
        self._read += len(data)
        return data

    def finish(self) -> bool:
        """True if a digest the bucket knows holds; False if it knows none, and for one database out of many."""
        if self._read != self.size:
            raise SourceDamaged(f"{self._key} gave {self._read} of {self.size} bytes; live is untouched", hint=_ANOTHER)
        if self._digest is not None and not self._digest.holds:
            text = f"{self._key} does not have the {self._digest.name}; live is untouched"
            raise SourceDamaged(text, hint=_ANOTHER)
        return self._digest is not None


def _ranges(bucket: Bucket, point: RecoveryPoint, shelf: Shelf, watch: Watch) -> tuple[tuple[int, int], ...]:
    made = indexed(bucket, point.source, point.locator, shelf, watch)
    try:
        return made.ranges(point.locator["database"])
    except KeyError as error:
        text = f"{point.locator['key']} does not hold {point.database.name}"
        raise PointUnusable(text, hint="Scan again.") from error


def indexed(bucket: Bucket, source: str, locator: Locator, shelf: Shelf, watch: Watch) -> DumpIndex:
    """Where which database lies in a dump of many; the first time, all of it is read."""
    key = _shelf_key(source, locator)
    made = shelf.get(key)
    if made is None:
        size = int(locator["size"])
        with pieces(bucket, locator, ((0, size),), watch) as chunks:
            counted = _counted(chunks, size, watch)
            made = index(decompressed(counted, compression_of(locator["key"])))
        shelf.put(key, made)
    return made


def is_indexed(source: str, locator: Locator, shelf: Shelf) -> bool:
    """True if `indexed` need not read the object."""
    return shelf.get(_shelf_key(source, locator)) is not None


def _shelf_key(source: str, locator: Locator) -> str:
    return "\0".join((source, locator["key"], locator.get("version", ""), locator["etag"], locator["size"]))


def _counted(chunks: Iterator[bytes], size: int, watch: Watch) -> Iterator[bytes]:
    done = 0
    for chunk in chunks:
        done += len(chunk)
        watch.progress("index", done, size)
        yield chunk

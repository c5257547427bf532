"""One file out of one snapshot, streamed by `restic dump`; whole only when restic ended well and the size is right."""

from collections.abc import Iterator
from contextlib import contextmanager

from restorekit.errors import PointUnusable, SourceDamaged
from restorekit.formats.compression import compression_of, decompressed
from restorekit.formats.multidump import Shelf, cut, index
from restorekit.model.point import RecoveryPoint
from restorekit.ports import Delivery, Watch
from restorekit.sources.restic.medium import Medium
from restorekit.sources.restic.points import shelf_key
from restorekit.sources.restic.tool import Running

_ANOTHER = "Choose another recovery point; live is untouched."


@contextmanager
def opened(medium: Medium, point: RecoveryPoint, shelf: Shelf, watch: Watch) -> Iterator[Delivery]:
    """The bytes of `point`. Never a directory: `restic dump` of one ends with 0 where a tree is damaged."""
    snapshot, path = point.locator["snapshot"], point.locator["path"]
    ranges = _ranges(medium, point, shelf, watch) if "database" in point.locator else None
    with medium.tool.running("dump", snapshot, path, watch=watch) as restic:
        whole = _Whole(medium, point, restic)
        yield whole if ranges is None else _Part(whole, ranges)


def _ranges(medium: Medium, point: RecoveryPoint, shelf: Shelf, watch: Watch) -> tuple[tuple[int, int], ...]:
    snapshot, path, database = (point.locator[k] for k in ("snapshot", "path", "database"))
    made = shelf.get(shelf_key(snapshot, path))
    if made is None:
        made = index(decompressed(medium.stream(snapshot, path, watch), compression_of(path)))
        shelf.put(shelf_key(snapshot, path), made)
    try:
        return made.ranges(database)
    except KeyError as error:
        raise PointUnusable(f"{path} in {snapshot[:8]} does not hold {database}", hint="Scan again.") from error


class _Whole:
    """The file from front to end."""

    def __init__(self, medium: Medium, point: RecoveryPoint, restic: Running) -> None:
        self.size: int | None = int(point.locator["size"])
        self.where = (point.locator["snapshot"], point.locator["path"])
        self._medium, self._restic = medium, restic
        self._read = 0

    def read(self, most: int) -> bytes:
        with self._medium.explained(*self.where):
            data = self._restic.read(most)
        self._read += len(data)
        return data

    def finish(self) -> bool:
        """True: restic checked the hash of every blob, ended well, and the size is the one it recorded."""
        with self._medium.explained(*self.where):
            self._restic.end()
        if self._read != self.size:
            snapshot, path = self.where
            text = f"{path} in {snapshot[:8]} should have {self.size} bytes, restic gave {self._read}"
            raise SourceDamaged(f"{text}; live is untouched", hint=_ANOTHER)
        return True


class _Part:
    """One database out of a dump of many; the whole file is read, so restic's digests hold for the part, too."""

    def __init__(self, whole: _Whole, ranges: tuple[tuple[int, int], ...]) -> None:
        self.size: int | None = sum(end - start for start, end in ranges)
        self._whole = whole
        chunks = iter(lambda: whole.read(1 << 20), b"")
        self._pieces = cut(decompressed(chunks, compression_of(whole.where[1])), ranges)
        self._left = b""

    def read(self, most: int) -> bytes:
        if not self._left:
            self._left = next(self._pieces, b"")
        data, self._left = self._left[:most], self._left[most:]
        return data

    def finish(self) -> bool:
        """True if the whole file ended well."""
        return self._whole.finish()

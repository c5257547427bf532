"""From files to recovery points: only what is new or changed is opened, nothing is dropped without a word."""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from restorekit.errors import SourceUnavailable
from restorekit.formats.folder.files import Found, found, walk
from restorekit.formats.folder.look import Looker
from restorekit.formats.multidump import Shelf
from restorekit.formats.naming import Reading, Rules
from restorekit.model.point import PointState, RecoveryPoint, Scan


class Scanner:
    """One scan of one folder."""

    def __init__(self, source: str, root: Path, rules: Rules, shelf: Shelf, quiet_s: float) -> None:
        self._source, self._root, self._rules, self._quiet_s = source, root, rules, quiet_s
        self._looker = Looker(source, "directory", rules, shelf)
        self._points: list[RecoveryPoint] = []
        self._problems: list[str] = []
        self._kept: set[str] = set()
        self._closed: list[str] = []
        self._unparsed = 0

    def scan(self, known: Sequence[RecoveryPoint]) -> Scan:
        """See `ports.Source.scan`."""
        seen = walk(self._root)
        alive = [p for p in known if p.source == self._source and p.state != PointState.EXPIRED]
        if alive and not seen.files and not seen.closed:
            raise SourceUnavailable(
                f"{self._root} is empty, but {len(alive)} recovery points lay in it",
                hint="Is the medium mounted? Nothing was changed in the inventory.",
            )
        self._problems += seen.problems
        self._closed += seen.closed
        before: dict[str, list[RecoveryPoint]] = {}
        for point in alive:
            before.setdefault(point.locator["path"], []).append(point)
        for file in seen.files:
            self._file(file, before.get(file.key, []))
        gone = self._gone(alive)
        return Scan(
            source=self._source,
            scanned_at=datetime.now(UTC),
            points=(*self._points, *gone),
            gone=tuple(p.id for p in gone),
            problems=(*self._problems, *self._looker.problems),
            unparsed=self._unparsed,
        )

    def _file(self, file: Found, before: list[RecoveryPoint]) -> None:
        reading = self._rules.read(file.key)
        if reading is None:
            self._unparsed += 1
            return
        pins = self._looker.locator(file).items()
        if before and all(p.locator.items() >= pins for p in before):
            self._kept |= {p.id for p in before}
        elif abs(time.time() - file.mtime_ns / 1e9) < self._quiet_s:
            self._problems.append(f"{file.key}: changed less than {self._quiet_s:g} s ago, perhaps still being written")
        else:
            self._look(file, reading)

    def _look(self, file: Found, reading: Reading) -> None:
        try:
            points = self._looker.points(self._root, file, reading)
            changed = found(self._root / file.key.lstrip("/"), file.key) != file
        except OSError as error:
            self._problems.append(f"{file.key}: cannot be read: {error.strerror}")
            self._closed.append(file.key)
            return
        if changed:
            self._problems.append(f"{file.key}: changed while it was looked at, so it is still being written")
            return
        self._points += points

    def _gone(self, alive: Iterable[RecoveryPoint]) -> list[RecoveryPoint]:
        """Points whose file is gone or is another one now; not those that merely could not be looked at."""
        here = self._kept | {p.id for p in self._points}
        return [
            p.model_copy(update={"state": PointState.EXPIRED, "why": "the file is gone or was replaced"})
            for p in alive
            if p.id not in here and not self._is_closed(p.locator["path"])
        ]

    def _is_closed(self, key: str) -> bool:
        return any(key == closed or key.startswith(f"{closed}/") for closed in self._closed)

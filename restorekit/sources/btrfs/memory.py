"""Which snapshots were looked into, so that none is walked twice. Losing it costs only time."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from restorekit.sources.btrfs.snapshots import Snapshot


class Memory:
    """Per snapshot (uuid): at which change it was seen, and how many files in it fit no layout."""

    def __init__(self, file: Path, rules: str, known: frozenset[str]) -> None:
        """What was seen under other `rules`, or for points that are not `known` (any more), is forgotten."""
        self._file, self._rules = file, rules
        self._seen: dict[str, tuple[int, int]] = {}
        try:
            told = json.loads(file.read_bytes())
            if told["rules"] == rules and known.issuperset(told["points"]):
                self._seen = {
                    uuid: (int(changes), int(strangers)) for uuid, (changes, strangers) in told["seen"].items()
                }
        except (OSError, ValueError, KeyError, TypeError):
            self._seen = {}

    @property
    def uuids(self) -> set[str]:
        """Snapshots that were looked into, and so were ours."""
        return set(self._seen)

    @property
    def strangers(self) -> int:
        """How many files in all snapshots fit no layout."""
        return sum(strangers for _, strangers in self._seen.values())

    def has(self, snapshot: Snapshot) -> bool:
        """True if it was looked into and has not changed since."""
        return self._seen.get(snapshot.kernel.uuid, (None,))[0] == snapshot.kernel.changes

    def note(self, snapshot: Snapshot, strangers: int) -> None:
        """It was looked into, to its end."""
        self._seen[snapshot.kernel.uuid] = (snapshot.kernel.changes, strangers)

    def write(self, here: Iterable[Snapshot], points: Iterable[str]) -> None:
        """Store what was seen of the snapshots that are `here`, whole or not at all."""
        uuids = {s.kernel.uuid for s in here}
        self._seen = {uuid: seen for uuid, seen in self._seen.items() if uuid in uuids}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        passing = self._file.with_suffix(f".{os.getpid()}")  # two commands may look at once
        told = {"rules": self._rules, "points": sorted(points), "seen": self._seen}
        passing.write_text(json.dumps(told), encoding="utf-8")
        passing.replace(self._file)

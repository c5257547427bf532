"""From snapshots to recovery points: only new ones are asked for, and every one asked for is accounted for."""

import json
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from restorekit.formats.naming import Rules, clashes
from restorekit.model.point import PointState, RecoveryPoint, Scan
from restorekit.sources.restic.classify import excerpt
from restorekit.sources.restic.medium import Medium, Record
from restorekit.sources.restic.points import MANIFEST, Found, Maker


class Scanner:
    """One scan of one repository."""

    def __init__(self, medium: Medium, maker: Maker, rules: Rules, memory: "Memory", tags: Iterable[str]) -> None:
        self._medium, self._maker, self._rules, self._memory = medium, maker, rules, memory
        self._tags = frozenset(tags)
        self._points: dict[str, RecoveryPoint] = {}
        self._problems: list[str] = []

    def scan(self, source: str, known: Sequence[RecoveryPoint]) -> Scan:
        """See `ports.Source.scan`."""
        here = self._medium.ids()
        alive = [p for p in known if p.source == source and p.state != PointState.EXPIRED]
        settled = {p.locator["snapshot"] for p in alive if self._is_settled(p)} & here
        self._memory.keep(here)
        new = sorted(here - settled - self._memory.barren - self._memory.twins(settled))
        if new:
            self._look(new)
            self._memory.write()
        gone = [
            p.model_copy(update={"state": PointState.EXPIRED, "why": "the snapshot is no longer in the repository"})
            for p in alive
            if p.id not in self._points and p.locator["snapshot"] not in settled
        ]
        past = {p.id for p in gone}
        present = {p.id: p for p in alive if p.id not in past} | self._points
        self._points |= {p.id: p for p in clashes(present.values())}
        return Scan(
            source=source,
            scanned_at=datetime.now(UTC),
            points=(*self._points.values(), *gone),
            gone=tuple(past),
            problems=tuple(self._problems),
            unparsed=self._memory.strangers,
        )

    def _is_settled(self, point: RecoveryPoint) -> bool:
        """Damaged ones are asked for again (a disk may come back), so are those read by other rules."""
        return point.state != PointState.DAMAGED and point.locator["rules"] == self._rules.digest

    def _look(self, ids: list[str]) -> None:
        records, said = self._medium.records(ids)
        lost = {i for i in ids if i not in records}
        # What was forgotten since the listing is no damage; what is still there was skipped by restic with exit 0.
        for snapshot in sorted(lost & self._medium.ids()) if lost else ():
            why = f"restic cannot read the snapshot: {excerpt(said)}"
            lost_one = Record(id=snapshot, time="")
            self._take(lost_one, self._maker.of_damaged(lost_one, why))
        wanted = [i for i, record in records.items() if self._concerns_us(record)]
        for snapshot in records.keys() - set(wanted):
            self._take(records[snapshot], Found(()))
        files, damaged = self._medium.files(wanted, self._globs())
        for snapshot, why in damaged.items():
            text = f"restic cannot read what lies in the snapshot: {why}"
            self._take(records[snapshot], self._maker.of_damaged(records[snapshot], text))
        for snapshot, nodes in files.items():
            self._take(records[snapshot], self._maker.of_snapshot(records[snapshot], nodes))

    def _globs(self) -> list[str]:
        globs = {layout.glob for layout in self._rules.layouts}
        return sorted(globs | {glob + MANIFEST for glob in globs})

    def _concerns_us(self, record: Record) -> bool:
        """Not those with other tags, nor those that hold only the manifest of another snapshot."""
        only_manifest = record.paths and all(p.endswith(MANIFEST) for p in record.paths)
        return self._tags <= set(record.tags or ()) and not only_manifest

    def _take(self, record: Record, found: Found) -> None:
        self._points |= {p.id: p for p in found.points}
        self._problems += found.problems
        self._memory.note(record.id, _Seen(len(found.points), found.strangers, record.native))


class _Seen(NamedTuple):
    """What one snapshot held."""

    points: int
    strangers: int
    native: str


class Memory:
    """What the last scans saw in each snapshot: those without points need not be asked again.

    Losing it costs only time.
    """

    def __init__(self, file: Path, rules: str) -> None:
        """Kept in `file`; what was seen under other `rules` is forgotten."""
        self._file, self._rules = file, rules
        self._seen: dict[str, _Seen] = {}
        try:
            told = json.loads(file.read_bytes())
            if told["rules"] == rules:
                self._seen = {i: _Seen(*seen) for i, seen in told["seen"].items()}
        except (OSError, ValueError, KeyError, TypeError):
            self._seen = {}

    @property
    def barren(self) -> set[str]:
        """Snapshots that hold no backup of ours."""
        return {i for i, seen in self._seen.items() if seen.points == 0}

    @property
    def strangers(self) -> int:
        """How many files in all snapshots fit no layout."""
        return sum(seen.strangers for seen in self._seen.values())

    def twins(self, ids: set[str]) -> set[str]:
        """Snapshots that are the same backups as `ids` under another name."""
        natives = {self._seen[i].native for i in ids if i in self._seen}
        return {i for i, seen in self._seen.items() if seen.native in natives}

    def keep(self, ids: set[str]) -> None:
        """Forget all others."""
        self._seen = {i: seen for i, seen in self._seen.items() if i in ids}

    def note(self, snapshot: str, seen: "_Seen") -> None:
        """Remember one."""
        self._seen[snapshot] = seen

    def write(self) -> None:
        """Store it whole or not at all."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        passing = self._file.with_suffix(f".{os.getpid()}")  # two commands may look at once
        passing.write_text(json.dumps({"rules": self._rules, "seen": self._seen}), encoding="utf-8")
        passing.replace(self._file)

"""What lies in a repository: names of snapshots, their records, the files in them."""

import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel

from restorekit.errors import SourceUnavailable
from restorekit.sources.restic.classify import Kind, error
from restorekit.sources.restic.tool import Checked, Failed, Tool

_ID = re.compile(r"[0-9a-f]{64}")
_CHUNK = 2000
_YOUNG_LOCK_S = 30 * 60
_MOST_FAILURES = 32
_SKIPPED = re.compile(r"Ignoring |could not load", re.IGNORECASE)
_UNREAD = re.compile(rb"Unable to load tree [0-9a-f]+\s+\.\.\. which belongs to snapshot [0-9a-f]+\s*")


class Record(BaseModel):
    """A snapshot as `restic snapshots --json` lists it; unknown fields of newer versions are ignored."""

    id: str
    time: str
    paths: list[str] = []
    hostname: str = ""
    tags: list[str] | None = None
    original: str = ""

    @property
    def native(self) -> str:
        """The id under which the backup was born: tagging or copying gives it another one."""
        return self.original or self.id


class Node(BaseModel):
    """A file in a snapshot. `mtime` is restic's text: nanoseconds matter when it is compared."""

    path: str
    type: str = "file"
    size: int = 0
    mtime: str = ""


class Medium:
    """One repository, read-only."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        self._folder = tool.folder

    def ids(self) -> set[str]:
        """Ids of all snapshots: a look into a folder where it is local, else one listing. Raises SourceUnavailable."""
        if self._folder is None:
            with self.tool.explained(repr(self.tool)):
                out, _ = self.tool.ask("list", "snapshots")
            return {line for line in out.decode("utf-8", "replace").split() if _ID.fullmatch(line)}
        try:
            (self._folder / "config").stat()
            with os.scandir(self._folder / "snapshots") as entries:
                return {entry.name for entry in entries if _ID.fullmatch(entry.name)}
        except OSError as closed:
            raise SourceUnavailable(
                f"{self.tool!r} cannot be read: {closed.strerror}",
                hint="Is the medium mounted, and may this user read it? Live is untouched.",
            ) from closed

    def records(self, ids: Sequence[str]) -> tuple[dict[str, Record], str]:
        """Records of those snapshots, and what restic said about those it could not read.

        Those are *not* among the records, and restic ends with 0. They are asked for a second time past the
        cache, because restic 0.14 keeps what it once read damaged.
        """
        found, _ = self._listed(ids, cached=True)
        lost = [i for i in ids if i not in found]
        again, said = self._listed(lost, cached=False) if lost else ({}, "")
        return found | again, said

    def _listed(self, ids: Sequence[str], *, cached: bool) -> tuple[dict[str, Record], str]:
        found: dict[str, Record] = {}
        said = ""
        for first in range(0, len(ids), _CHUNK):
            with self.tool.explained(repr(self.tool)):
                out, stderr = self.tool.ask("snapshots", "--json", *ids[first : first + _CHUNK], cached=cached)
                found |= {r.id: r for r in map(Record.model_validate, _array(out, stderr))}
            said += stderr
        return found, said

    def tagged(self, tags: Sequence[str]) -> list[Record]:
        """Records of snapshots that carry one of `tags`."""
        with self.tool.explained(repr(self.tool)):
            out, stderr = self.tool.ask("snapshots", "--json", *(word for tag in tags for word in ("--tag", tag)))
            return [Record.model_validate(listed) for listed in _array(out, stderr)]

    def files(self, ids: Sequence[str], globs: Sequence[str]) -> tuple[dict[str, list[Node]], dict[str, str]]:
        """Files named like one of `globs` per snapshot, and snapshots whose trees cannot be read, with the reason.

        One process for thousands of snapshots; only around damage it is asked again in halves, because restic
        skips what it cannot read, ends with 0, and leaves out further snapshots that share the damaged tree. The
        second question goes past the cache, which may be what is damaged.
        """
        found: dict[str, list[Node]] = {}
        damaged: dict[str, str] = {}
        groups = [list(ids[i : i + _CHUNK]) for i in range(0, len(ids), _CHUNK)]
        failures = 0
        while groups:
            group = groups.pop()
            if not group:
                continue
            try:
                found |= self._find(group, globs, cached=failures == 0)
            except Failed as failed:
                if failed.kind in (Kind.KEY, Kind.CREDENTIALS, Kind.UNAVAILABLE):
                    raise error(failed.kind, repr(self.tool), failed.stderr) from failed
                failures += 1
                if (len(group) == 1 and failures > 1) or failures > _MOST_FAILURES:
                    damaged |= dict.fromkeys(group, str(failed))
                else:
                    groups += [group[: len(group) // 2], group[len(group) // 2 :]] if len(group) > 1 else [group]
        return found, damaged

    def _find(self, ids: Sequence[str], globs: Sequence[str], *, cached: bool) -> dict[str, list[Node]]:
        asked = [word for i in ids for word in ("--snapshot", i)]
        out, stderr = self.tool.ask("find", "--json", *asked, *globs, cached=cached)
        if (unread := _UNREAD.search(out)) or _SKIPPED.search(stderr):
            raise Failed(Kind.DAMAGED, (unread[0].decode() if unread else "") + stderr)
        found: dict[str, list[Node]] = {i: [] for i in ids}
        for answer in _array(out, stderr):
            nodes = [Node.model_validate(m) for m in answer["matches"]]
            found[answer["snapshot"]] += [n for n in nodes if n.type == "file"]
        return found

    def stream(self, snapshot: str, path: str, watch: Checked) -> Iterator[bytes]:
        """All bytes of one file; raises the error of the house at its end if restic ended badly."""
        with self.explained(snapshot, path), self.tool.running("dump", snapshot, path, watch=watch) as restic:
            yield from iter(lambda: restic.read(1 << 20), b"")
            restic.end()

    @contextmanager
    def explained(self, snapshot: str, path: str) -> Iterator[None]:
        """Inside, Failed becomes the error of the house; what is missing is looked for in the listing once more."""
        try:
            yield
        except Failed as failed:
            if failed.kind in (Kind.MISSING, Kind.DAMAGED):
                self.tool.forget_cache()
            kind = self._really(failed.kind, snapshot)
            raise error(kind, f"{snapshot[:8]}:{path} in {self.tool!r}", failed.stderr) from failed

    def _really(self, kind: Kind, snapshot: str) -> Kind:
        """Missing or unreadable parts: the snapshot may have expired, or a prune may be moving them right now."""
        if kind in (Kind.MISSING, Kind.DAMAGED) and snapshot not in self.ids():
            return Kind.EXPIRED
        return Kind.UNAVAILABLE if kind is Kind.MISSING and self._locked() else kind

    def _locked(self) -> bool:
        """A lock younger than half an hour: somebody may be pruning. Older ones are leftovers."""
        if self._folder is None:
            out, _ = self.tool.ask("list", "locks")
            return bool(out.strip())
        try:
            ages = [time.time() - entry.stat().st_mtime for entry in os.scandir(self._folder / "locks")]
        except OSError:
            return False
        return any(age < _YOUNG_LOCK_S for age in ages)


def _array(out: bytes, stderr: str) -> list[dict[str, Any]]:
    """A JSON array; older versions say nothing or `null` for an empty one."""
    try:
        return json.loads(out or b"[]") or []
    except ValueError as unreadable:
        raise Failed(Kind.DAMAGED, f"an answer that is no JSON ({unreadable}) {stderr}") from unreadable

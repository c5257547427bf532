"""Secondary indexes after the rows, foreign keys after everything.

Rows that come into a table with ten random indexes touch ten random pages each; an index built afterwards is
sorted once. Only tables in the layout of SHOW CREATE TABLE are taken apart, and only large ones lose their indexes:
a table's definition is held back until it is clear how much is coming.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from restorekit.engines.mariadb.screen import Action, Judged

LARGE = 4 << 20
"""Bytes of rows from which on building indexes afterwards pays."""

_FIRST = re.compile(rb"CREATE TABLE (?:IF NOT EXISTS )?(`(?:[^`\n]|``)+`) \($")
_COLUMN = re.compile(rb"  (`(?:[^`\n]|``)+`) ")
_KEY = re.compile(rb"  (UNIQUE KEY|KEY) `(?:[^`\n]|``)+` \((.*?)\)[^()]*$")
_KEPT = re.compile(rb"  (?:PRIMARY KEY|FULLTEXT KEY|CONSTRAINT `(?:[^`\n]|``)+` CHECK) ")
_FOREIGN = re.compile(rb"  CONSTRAINT `(?:[^`\n]|``)+` FOREIGN KEY ")
_PLAIN_TABLE = re.compile(rb"\) ENGINE=InnoDB\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Layout:
    """A CREATE TABLE taken apart. `small` lacks its foreign keys, `large` also the indexes in `keys`."""

    table: bytes
    small: bytes
    large: bytes
    keys: tuple[bytes, ...]
    foreign: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Build:
    """Indexes or foreign keys of one table, to be added by one ALTER."""

    name: str
    sql: bytes
    charset: str
    size: int


def layout(create: bytes) -> Layout | None:
    """Take a definition apart; None where it is not in the known layout or must stay as it is."""
    lines = create.split(b"\n")
    first = _FIRST.match(lines[0])
    end = next((i for i, line in enumerate(lines) if line.startswith(b")")), 0)
    if first is None or not _PLAIN_TABLE.match(lines[end]) or b"PARTITION BY" in create:
        return None
    body = [line.removesuffix(b",") for line in lines[1:end]]
    known = (_COLUMN, _KEY, _KEPT, _FOREIGN)
    # Anything unknown (SPATIAL KEY, PERIOD FOR, a line break in a name): leave the table alone.
    if b"WITH SYSTEM VERSIONING" in lines[end] or not all(any(p.match(line) for p in known) for line in body):
        return None
    foreign = [line for line in body if _FOREIGN.match(line)]
    keys = _movable(body)
    small = [line for line in body if line not in foreign]
    large = [line for line in small if line not in keys]
    tail = b"\n".join(lines[end:])
    return Layout(first.group(1), _joined(lines[0], small, tail), _joined(lines[0], large, tail), keys, tuple(foreign))


def _movable(body: list[bytes]) -> tuple[bytes, ...]:
    """Indexes that can come later without changing the table: neither its clustered key nor their order."""
    columns = [line for line in body if _COLUMN.match(line)]
    if any(b" AS (" in line for line in columns):
        return ()
    primary = next((line for line in body if line.startswith(b"  PRIMARY KEY ")), b"")
    counter = next((m.group(1) for c in columns if b" AUTO_INCREMENT" in c and (m := _COLUMN.match(c))), b"")
    if counter and not primary.startswith(b"  PRIMARY KEY (" + counter):
        return ()
    # Without a primary key the first unique one may be what the rows are sorted by.
    wanted = (b"KEY", b"UNIQUE KEY") if primary else (b"KEY",)
    return tuple(line for line in body if (found := _KEY.match(line)) and found.group(1) in wanted)


def _joined(first: bytes, body: list[bytes], tail: bytes) -> bytes:
    return first + b"\n" + b",\n".join(body) + b"\n" + tail


@dataclass(slots=True)
class Arranger:
    """Puts judged statements into the order in which they run. `pending` are the indexes still to be built."""

    pending: dict[str, list[Build]] = field(default_factory=dict)
    foreign: list[Build] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    _held: list[Judged] = field(default_factory=list)
    _layout: Layout | None = None
    _charset: str = ""

    def take(self, judged: Judged, charset: str) -> Iterator[Judged | Build]:
        """What may run now; definitions are held back until their table's size is known."""
        if self._layout is not None:
            held = self._held[0].name
            if judged.action in (Action.SESSION, Action.DROP):
                self._held.append(judged)
                return
            if _adds_rows(judged) and judged.name == held:
                self._held.append(judged)
                self.sizes[held] = self.sizes.get(held, 0) + len(judged.statement.text)
                if self.sizes[held] >= LARGE:
                    yield from self._release(large=True)
                return
            yield from self._release(large=False)
        yield from self._place(judged, charset)

    def finish(self) -> Iterator[Judged | Build]:
        """What is left: held statements, then indexes (the largest first), then foreign keys."""
        yield from self._release(large=False)
        yield from self._settle()
        yield from self.foreign
        self.foreign.clear()

    def _place(self, judged: Judged, charset: str) -> Iterator[Judged | Build]:
        if _adds_rows(judged):
            self.sizes[judged.name] = self.sizes.get(judged.name, 0) + len(judged.statement.text)
        elif self.pending and _may_need_indexes(judged):
            yield from self._settle()
        if judged.verb == "DROP":
            self.foreign = [build for build in self.foreign if build.name != judged.name]
        found = layout(judged.statement.text) if (judged.verb, judged.kind) == ("CREATE", "TABLE") else None
        if found is None:
            yield judged
        else:
            self._layout, self._charset, self._held = found, charset, [judged]

    def _release(self, *, large: bool) -> Iterator[Judged | Build]:
        found, held = self._layout, self._held
        self._layout, self._held = None, []
        if found is None:
            return
        first = held[0]
        deferred = large and bool(found.keys)
        text = found.large if deferred else found.small
        yield replace(first, statement=replace(first.statement, text=text))
        if deferred:
            self.pending[first.name] = [self._build(first.name, found.table, found.keys)]
        if found.foreign:
            self.foreign.append(self._build(first.name, found.table, found.foreign))
        yield from held[1:]

    def _build(self, name: str, table: bytes, clauses: tuple[bytes, ...]) -> Build:
        added = b", ".join(b"ADD " + clause.strip() for clause in clauses)
        return Build(name, b"ALTER TABLE " + table + b" " + added, self._charset, self.sizes.get(name, 0))

    def _settle(self) -> Iterator[Build]:
        builds = [replace(b, size=self.sizes.get(b.name, 0)) for found in self.pending.values() for b in found]
        self.pending.clear()
        yield from sorted(builds, key=lambda build: -build.size)


def _adds_rows(judged: Judged) -> bool:
    """Rows that fail or land regardless of indexes, in any order."""
    head = judged.statement.insert
    return judged.action is Action.ROWS and head is not None and head.plain and judged.statement.regular


def _may_need_indexes(judged: Judged) -> bool:
    """Anything but what a dump puts between its tables."""
    if judged.action in (Action.SESSION, Action.DROP):
        return False
    harmless = ("TABLE", "VIEW", "TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "PACKAGE", "PACKAGE BODY", "SEQUENCE")
    return not (judged.verb in ("CREATE", "DROP") and judged.kind in harmless)

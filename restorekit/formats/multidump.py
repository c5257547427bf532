"""Byte index of a dump that holds many databases, made in one pass: which bytes belong to which database.

The text is read the way the server's client reads it (strings, comments, DELIMITER, NO_BACKSLASH_ESCAPES),
so that a customer's routine or string that *looks like* the start of another database moves no boundary.
A database may lie in several sections: mariadb-dump writes all tables first and all views at the end.
"""

import hashlib
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError

from restorekit.model.value import Value

SYSTEM = frozenset({"mysql", "information_schema", "performance_schema", "sys"})
_HEAD = 1024
_NAME = rb"(?:`((?:[^`]|``)+)`|\"([^\"]+)\"|([^\s;`\"]+))"
_TURN = re.compile(
    rb"(?:/\*M?!\d*\s*)?(?:CREATE\s+DATABASE(?:\s+/\*M?!\d*\s*IF\s+NOT\s+EXISTS\s*\*/|\s+IF\s+NOT\s+EXISTS)?"
    rb"|DROP\s+DATABASE(?:\s+IF\s+EXISTS)?|USE)\s+" + _NAME + rb"(?=[\s;*])",
    re.IGNORECASE,
)
_RESTORE = re.compile(rb"(?:/\*M?!\d*\s*)?SET\s+[@\w.]+\s*=\s*@(?:OLD_|MYSQLDUMP_TEMP_)", re.IGNORECASE)
_SQL_MODE = re.compile(rb"(?:/\*M?!\d*\s*)?SET\s+(?:@@)?(?:SESSION[. ])?sql_mode\s*=\s*([^;]*)", re.IGNORECASE)
_DELIMITER = re.compile(rb"DELIMITER[ \t]+(\S+)[^\n]*(?:\n|\Z)", re.IGNORECASE)
_COMPLETED = re.compile(rb"-- Dump completed(?: on (\d{4}-\d\d-\d\d +\d{1,2}:\d\d:\d\d))?")


class Section(Value):
    """Bytes `start` to `end` (exclusive) belong to database `name`."""

    name: str
    start: int
    end: int


class DumpIndex(Value):
    """Where what lies; offsets and names only. All bytes before the first section are the header.

    `marker` says that the end marker is there, `torn` that the text ends inside a statement. `completed_at`
    is the marker's clock text, without zone.
    """

    size: int
    header_end: int
    sections: tuple[Section, ...]
    trailer_start: int
    marker: bool
    completed_at: str
    torn: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Customers' databases in the order of their first section."""
        return tuple(name for name in dict.fromkeys(s.name for s in self.sections) if name not in SYSTEM)

    def ranges(self, name: str) -> tuple[tuple[int, int], ...]:
        """Header, the sections of `name`, trailer: a dump of that one database, as whole as the file is.

        Raises KeyError if the file does not hold it.
        """
        own = [(s.start, s.end) for s in self.sections if s.name == name]
        if not own:
            raise KeyError(name)
        return ((0, self.header_end), *own, (self.trailer_start, self.size))


def index(chunks: Iterable[bytes]) -> DumpIndex:
    """Read the whole dump once; memory does not grow with it. What iterating `chunks` raises passes through."""
    reader = _Reader()
    for chunk in chunks:
        reader.feed(chunk)
    return reader.end()


def cut(chunks: Iterable[bytes], ranges: Iterable[tuple[int, int]]) -> Iterator[bytes]:
    """Only the bytes of `ranges` (ascending); the input is still read to its end, so that its errors are met."""
    wanted = [r for r in ranges if r[0] < r[1]]
    at = 0
    for chunk in chunks:
        end = at + len(chunk)
        while wanted and wanted[0][0] < end:
            first, last = wanted[0]
            if piece := chunk[max(first - at, 0) : last - at]:
                yield piece
            if last > end:
                break
            wanted.pop(0)
        at = end


def completed_at(tail: bytes) -> str:
    """The clock text (no zone) of an end marker in the last bytes of a dump, or ""."""
    found = _COMPLETED.search(tail)
    return (found[1] or b"").decode() if found else ""


class Shelf:
    """Indexes already made, one small file each (names and offsets, no data); losing them costs only time."""

    def __init__(self, folder: Path) -> None:
        """Keep them in `folder`, which is made when first needed."""
        self._folder = folder

    def get(self, key: str) -> DumpIndex | None:
        """The index stored under `key`, or None also when its file is damaged."""
        try:
            return DumpIndex.model_validate_json(self._file(key).read_bytes())
        except (OSError, ValidationError):
            return None

    def put(self, key: str, found: DumpIndex) -> None:
        """Store it whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as out:
            out.write(found.model_dump_json().encode())
        Path(out.name).replace(self._file(key))

    def _file(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}.json"


class _Borders:
    """Statement beginnings become sections."""

    def __init__(self) -> None:
        self.starts: list[tuple[str, int]] = []
        self.trailer: int | None = None

    def begin(self, head: bytes, border: int) -> None:
        """A statement begins with `head`; everything after the previous one, from `border`, belongs to it."""
        turn = _TURN.match(head)
        if turn:
            name = _unquoted(turn)
            if not self.starts or self.starts[-1][0] != name:
                self.starts.append((name, border))
        if not _RESTORE.match(head):
            self.trailer = None
        elif self.trailer is None and self.starts:
            self.trailer = border

    def sections(self, end: int) -> tuple[Section, ...]:
        ends = [start for _, start in (*self.starts, ("", end))][1:]
        return tuple(Section(name=n, start=s, end=e) for (n, s), e in zip(self.starts, ends, strict=True))


def _unquoted(match: re.Match[bytes]) -> str:
    name = match[1].replace(b"``", b"`") if match[1] else match[2] or match[3]
    return name.decode("utf-8", "replace")


def _plain(stop: bytes, *, escapes: bool) -> re.Pattern[bytes]:
    """As much as can be read without thinking: whole strings included, up to something that decides."""
    body = rb"'(?:[^'\\]++|\\.)*+'|\"(?:[^\"\\]++|\\.)*+\"" if escapes else rb"'[^']*+'|\"[^\"]*+\""
    lone = b"".join(more for first, more in ((b"-", rb"|-(?=[^-])"), (b"/", rb"|/(?=[^*])")) if first != stop)
    return re.compile(rb"(?:[^'\"`#/\-" + re.escape(stop) + rb"]++|" + body + rb"|`[^`]*+`" + lone + rb")*+", re.DOTALL)


_REST = {
    (quote, escapes): re.compile(
        rb"(?:[^" + quote + rb"\\]++|\\.)*+" if escapes else rb"[^" + quote + rb"]*+", re.DOTALL
    )
    for quote in (b"'", b'"', b"`")
    for escapes in (True, False)
}
_SPACE = re.compile(rb"\s*+")
_COMMENT = re.compile(rb"--(?=[\s])|#|/\*(?!M?!)")
_CLOSE = {b"--": b"\n", b"#": b"\n", b"/*": b"*/"}


class _Reader:
    """A reader that can stop at any byte. `inside` is the open quote or comment, or b""."""

    def __init__(self) -> None:
        self.borders = _Borders()
        self.buffer = b""
        self.base = 0  # offset of buffer[0] in the dump
        self.at = 0
        self.border = 0
        self.fresh = True
        self.inside = b""
        self.delimiter = b";"
        self.escapes = True
        self.plain = _plain(b";", escapes=True)
        self.completed: re.Match[bytes] | None = None  # the marker, if only comments have followed it

    def feed(self, chunk: bytes) -> None:
        self.buffer = self.buffer[self.at :] + chunk
        self.base += self.at
        self.at = 0
        self._read(final=False)

    def end(self) -> DumpIndex:
        self._read(final=True)
        size = self.base + len(self.buffer)
        trailer = size if self.borders.trailer is None else self.borders.trailer
        sections = self.borders.sections(trailer)
        return DumpIndex(
            size=size,
            header_end=sections[0].start if sections else trailer,
            sections=sections,
            trailer_start=trailer,
            marker=self.completed is not None,
            completed_at=(self.completed[1] or b"").decode() if self.completed else "",
            torn=not self.fresh or self.inside not in (b"", b"--", b"#"),
        )

    def _read(self, *, final: bool) -> None:
        """Go on until more bytes are needed to decide."""
        reserve = 0 if final else _HEAD
        while len(self.buffer) - self.at > reserve:
            before = (self.at, self.fresh, self.inside)
            if self.inside:
                self._leave()
            elif self.fresh:
                self._begin()
            else:
                self._walk()
            if before == (self.at, self.fresh, self.inside):  # an open quote or comment at the end of the dump
                break

    def _leave(self) -> None:
        """Go to the end of the open quote or comment, or to the end of the buffer."""
        if close := _CLOSE.get(self.inside):
            found = self.buffer.find(close, self.at)
            done = found >= 0
            self.at = found + len(close) if done else max(self.at, len(self.buffer) - len(close) + 1)
        else:
            self.at = _end(_REST[self.inside, self.escapes and self.inside != b"`"], self.buffer, self.at)
            done = self.buffer.startswith(self.inside, self.at)
            self.at += done
        if done:
            self.inside = b""

    def _begin(self) -> None:
        """Between statements: skip space and comments, obey DELIMITER, take note of the next statement."""
        start = _end(_SPACE, self.buffer, self.at)
        if start > self.at:
            self.at = start
        elif comment := _COMMENT.match(self.buffer, start):
            self.completed = _COMPLETED.match(self.buffer, start) or self.completed
            self.inside, self.at = comment[0], comment.end()
        elif command := _DELIMITER.match(self.buffer, start):
            self.delimiter, self.at = command[1], command.end()
            self.border = self.base + self.at
            self._adapt()
        else:
            head = self.buffer[start : start + _HEAD]
            self.borders.begin(head, self.border)
            if mode := _SQL_MODE.match(head):
                self.escapes = b"NO_BACKSLASH_ESCAPES" not in mode[1].upper()
                self._adapt()
            self.fresh, self.completed = False, None

    def _walk(self) -> None:
        """Inside a statement: on to whatever decides, then decide it."""
        stop = _end(self.plain, self.buffer, self.at)
        if stop > self.at:
            self.at = stop
        elif self.buffer.startswith(self.delimiter, stop):
            stop += len(self.delimiter)
            self.at = stop + self.buffer.startswith(b"\n", stop)
            self.border = self.base + self.at
            self.fresh = True
        elif comment := _COMMENT.match(self.buffer, stop):
            self.inside, self.at = comment[0], comment.end()
        else:
            character = self.buffer[stop : stop + 1]
            self.inside = character if character in b"'\"`" else b""
            self.at = stop + 1

    def _adapt(self) -> None:
        self.plain = _plain(self.delimiter[:1], escapes=self.escapes)


def _end(pattern: re.Pattern[bytes], text: bytes, at: int) -> int:
    """Where `pattern`, which also matches nothing, stops."""
    match = pattern.match(text, at)
    return match.end() if match else at

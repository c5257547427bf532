"""What changed since the last look: here no log tells, so databases whose files were touched are read anew."""

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from restorekit import shell
from restorekit.engines.sqlite import connect, contents, marks
from restorekit.engines.sqlite.places import SUFFIXES, Places
from restorekit.errors import EngineUnavailable, RestorekitError, UsageError
from restorekit.model.changes import LogReading
from restorekit.model.contents import Contents
from restorekit.model.value import Moment, Value

_PATIENCE_S = connect.BUSY_S


class Cursor(Value):
    """A look: when, and the mark of each database; an empty mark fits nothing, so that it is read at the next look."""

    kind: Literal["sqlite"]
    looked_at: Moment | None = None
    marks: dict[str, str] = {}

    @classmethod
    def parsed(cls, text: str) -> "Cursor":
        """The cursor of that text, an empty one for empty text; raises UsageError for what is none of ours."""
        try:
            return cls.model_validate_json(text) if text else cls(kind="sqlite")
        except ValidationError:
            raise UsageError(
                "this is no record of a look at SQLite databases; nothing was read", hint="Begin with an empty one."
            ) from None


@dataclass
class _Look:
    """One pass over the folder."""

    before: Cursor
    at: datetime
    states: dict[str, Contents] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    marks: dict[str, str] = field(default_factory=dict)

    def problem(self, name: str, what: str) -> None:
        """Nothing is claimed of this database; the next look reads it whatever its files say."""
        since = f" since {self.before.looked_at:%Y-%m-%d %H:%M %Z}" if name in self.before.marks else ""
        self.problems.append(f"{what}: nothing is known of it{since}")
        self.marks[name] = ""


def changes(places: Places, cursor: str) -> LogReading:
    """The contents of every database that is new or was touched since `cursor`, and the names of all others.

    A file may be touched without a change (VACUUM, a checkpoint, a new owner): then its state is the same again.
    Raises EngineUnavailable without the folder, and UsageError for a cursor of another engine.
    """
    before = Cursor.parsed(cursor)
    if not places.directory.is_dir():
        raise EngineUnavailable(f"the folder {places.directory} does not exist", hint="Look at `engines.*.directory`.")
    look = _Look(before, datetime.now(UTC))
    named = _clear(places, look)
    for (name, path), (kind, mark) in zip(named.items(), _marked(named.values()), strict=True):
        _one(look, name, path, (kind, mark))
    for name in before.marks.keys() - look.marks.keys():
        look.problem(name, f"the database {name} is no longer in {places.directory}")
        del look.marks[name]
    return LogReading(
        states=look.states,
        unchanged=tuple(look.unchanged),
        looked_at=look.at,
        problems=tuple(look.problems),
        cursor=Cursor(kind="sqlite", looked_at=look.at, marks=look.marks).model_dump_json(),
    )


def _clear(places: Places, look: _Look) -> dict[str, Path]:
    """The files that could be databases, by name, where a name can be stored and leads to one file only."""
    named: dict[str, Path] = {}
    unclear: set[str] = set()
    for name, path in places.names():
        if name in named:
            unclear.add(name)
        elif name != os.fsencode(name).decode(errors="replace"):
            look.problems.append(f"a file's name is not UTF-8 ({name!a}): nothing is known of it")
        else:
            named[name] = path
    for name in sorted(unclear):
        del named[name]
        look.problem(name, f"the name {name!r} fits several files")
    return named


def _one(look: _Look, name: str, path: Path, seen: tuple[str, str]) -> None:
    kind, mark = seen
    known = look.before.marks.get(name)
    if kind == "other" or (kind == "empty" and path.suffix not in SUFFIXES):
        if known is not None:
            look.problem(name, f"the file of database {name} is no SQLite database any more")
    elif kind == "gone":
        return  # since the folder was listed: told with all that are gone
    elif mark and mark == known:
        look.unchanged.append(name)
        look.marks[name] = mark
    else:
        _read(look, name, path, mark)


def _read(look: _Look, name: str, path: Path, mark: str) -> None:
    """Read it whole. Its mark was taken before: whatever is written from then on is read again at the next look."""
    what = f"database {name}"
    try:
        with connect.explained(what), connect.reader(path, _PATIENCE_S) as connection:
            look.states[name] = contents.describe(connection)
    except RestorekitError as error:  # of this database only: the others are looked at all the same
        look.problem(name, error.message)
    else:
        look.marks[name] = mark


def _marked(paths: Iterable[Path]) -> list[tuple[str, str]]:
    """Kind and mark of each file, by a child: in this process a descriptor of a live file would end its locks."""
    names = b"".join(os.fsencode(path) + b"\0" for path in paths)
    child = shell.Spec([sys.executable, "-I", "-S", marks.__file__])
    done = shell.run(child, feed=names)
    if done.returncode != 0:
        raise EngineUnavailable("the database files could not be looked at; nothing was read", hint=done.stderr[-500:])
    return [(kind, mark) for kind, mark in json.loads(done.stdout)]

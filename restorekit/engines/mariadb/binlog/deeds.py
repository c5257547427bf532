"""What one logged statement did, and to which table: the objects it names, whatever its default database was."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from restorekit.engines.mariadb.binlog.text import Mode, Token, tokens
from restorekit.model.changes import BlowKind, Op


class Deed(NamedTuple):
    """A change to one table (empty: to the database, or to a table the statement does not name).

    `op` for rows, `kind` for definitions; both for a statement that changes every row.
    """

    database: str
    table: str
    op: Op | None = None
    kind: BlowKind | None = None


_HARMLESS = frozenset(
    {"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET", "USE", "XA", "START", "GRANT", "REVOKE", "FLUSH"}
    | {"ANALYZE", "OPTIMIZE", "REPAIR", "CHECK", "INSTALL", "UNINSTALL"}
)
_ACCOUNTS = frozenset({"USER", "ROLE", "SERVER"})
_OBJECTS = frozenset({"VIEW", "TRIGGER", "FUNCTION", "PROCEDURE", "EVENT", "INDEX", "SEQUENCE", "PACKAGE"})
_KINDS = _OBJECTS | _ACCOUNTS | {"TABLE", "TABLES", "DATABASE", "SCHEMA"}
_CLAUSES = frozenset({"", "CHARACTER", "CHARSET", "COLLATE", "COMMENT", "DEFAULT", "UPGRADE"})
_HEAD_TOKENS = 60
_LONGEST = 1 << 16
_ALWAYS = re.compile(rb"\bWHERE\s++(?:1\s*+=\s*+1|1|TRUE)\s*+;?\s*+\Z", re.IGNORECASE)
"""What tools write where they must write a condition and mean all rows."""


class _Words:
    """The tokens of a statement, read from left to right."""

    def __init__(self, text: bytes, found: Sequence[Token], default: str) -> None:
        self._text, self._tokens, self._at, self._default = text, found, 0, default

    def peek(self) -> str:
        """The next word in capitals; a quoted name is never a word."""
        if self._at >= len(self._tokens):
            return ""
        kind, text = self._tokens[self._at]
        return text.upper() if kind in {"word", "sign"} else f"`{text}"

    def skip(self, *words: str) -> bool:
        """Step over any of these words; True if there was one."""
        before = self._at
        while self.peek() in words:
            self._at += 1
        return self._at > before

    def until(self, *words: str) -> str:
        """Step over everything up to and including one of these words, and say which; empty if there is none."""
        while self._at < len(self._tokens):
            word = self.peek()
            self._at += 1
            if word in words:
                return word
        return ""

    def name(self) -> tuple[str, str]:
        """`database.name` or `name` in the default database; empty where no name stands."""
        first = self._part()
        if first and self.peek() == ".":
            self._at += 1
            if second := self._part():
                return first, second
        return self._default, first

    def names(self) -> Iterator[tuple[str, str]]:
        """One or more names between commas."""
        yield self.name()
        while self.peek() == ",":
            self._at += 1
            yield self.name()

    def joined(self) -> bool:
        """True if several tables are named before the next SET."""
        start = self._at
        self.until("SET")
        signs = {token.text.upper() for token in self._tokens[start : self._at] if token.kind in {"word", "sign"}}
        return bool(signs & {",", "JOIN", "STRAIGHT_JOIN"})

    def spares(self) -> bool:
        """True if a WHERE or a LIMIT can leave rows alone, and where that cannot be read."""
        words = [token.text.upper() for token in self._tokens if token.kind in {"word", "end"}]
        if "LIMIT" in words or "" in words:
            return True
        return "WHERE" in words and not _ALWAYS.search(self._text)

    def _part(self) -> str:
        if self._at < len(self._tokens) and self._tokens[self._at].kind in {"word", "name"}:
            self._at += 1
            return self._tokens[self._at - 1].text
        return ""


def deeds(text: bytes, default: str, mode: Mode) -> list[Deed]:
    """Everything the statement did to rows or definitions; nothing for one that changes neither.

    A statement that is not understood may have changed anything: one deed with op `?` in the default database.
    """
    verb = _verb(text, mode)
    if verb in _HARMLESS:
        return []
    if verb not in _VERBS:
        return [Deed(default, "", "?")]
    words = _Words(text, _wanted(verb, text, mode), default)
    words.until(verb)
    return list(_VERBS[verb](words))


def _verb(text: bytes, mode: Mode) -> str:
    """What the statement does, behind what MariaDB lets stand before it."""
    words = (token.text.upper() for token in tokens(text, mode) if token.kind == "word")
    verb = next(words, "")
    if verb == "ANALYZE":  # with a table it only counts; with a statement it runs that
        return next((word for word in islice(words, 3) if word in _VERBS), verb)
    if verb == "SET" and next(words, "") == "STATEMENT":
        return next((next(words, "") for word in words if word == "FOR"), "")
    return verb


def _wanted(verb: str, text: bytes, mode: Mode) -> list[Token]:
    """As much of the statement as can matter; of one that changes rows never more than fits into memory easily."""
    if verb in {"ALTER", "DROP", "RENAME"}:
        return list(tokens(text, mode))
    if verb not in {"UPDATE", "DELETE"}:
        return list(islice(tokens(text[:_LONGEST], mode), _HEAD_TOKENS))
    cut = [Token("end", "")] if len(text) > _LONGEST else []
    return [*tokens(text[:_LONGEST], mode), *cut]


def _drop(words: _Words) -> Iterator[Deed]:
    if words.peek() == "TEMPORARY":
        return
    kind = words.until(*_KINDS)
    words.skip("BODY")
    words.skip("IF", "EXISTS")
    if kind in {"TABLE", "TABLES"}:
        yield from (Deed(*name, kind="drop_table") for name in words.names())
    elif kind in {"DATABASE", "SCHEMA"}:
        yield Deed(words.name()[1], "", kind="drop_database")
    elif kind in _OBJECTS:
        yield from _other(words, kind)


def _other(words: _Words, kind: str) -> Iterator[Deed]:
    if kind == "INDEX":
        words.until("ON")
    yield Deed(*words.name(), kind="other_ddl")


def _create(words: _Words) -> Iterator[Deed]:
    replaces = words.skip("OR", "REPLACE")
    if words.peek() == "TEMPORARY":
        return
    kind = words.until(*_KINDS)
    words.skip("BODY")
    words.skip("IF", "NOT", "EXISTS")
    if kind == "TABLE":
        name = words.name()
        if replaces:  # the old table and all its rows are gone
            yield Deed(*name, kind="drop_table")
        yield Deed(*name, kind="create")
    elif kind in {"DATABASE", "SCHEMA"}:
        name = words.name()
        if replaces:
            yield Deed(name[1], "", kind="drop_database")
        yield Deed(name[1], "", kind="create")
    elif kind in _OBJECTS:
        yield from _other(words, kind)


def _alter(words: _Words) -> Iterator[Deed]:
    kind = words.until(*_KINDS)
    words.skip("BODY")
    words.skip("IF", "EXISTS")
    if kind in {"DATABASE", "SCHEMA"}:
        default, named = words.name()
        yield Deed(default if named.upper() in _CLAUSES else named, "", kind="alter")
    elif kind in _OBJECTS:
        yield from _other(words, kind)
    elif kind == "TABLE":
        yield from _alter_table(words)


def _alter_table(words: _Words) -> Iterator[Deed]:
    name = words.name()
    kind: BlowKind = "alter"
    while verb := words.until("RENAME", "DROP", "TRUNCATE"):
        if verb == "RENAME" and words.peek() not in {"COLUMN", "INDEX", "KEY"}:
            words.skip("TO", "AS", "=")
            yield Deed(*name, kind="rename")
            yield Deed(*words.name(), kind="rename")
        elif verb != "RENAME" and words.peek() == "PARTITION":
            kind = "truncate"  # the rows of that partition are gone
    yield Deed(*name, kind=kind)


def _truncate(words: _Words) -> Iterator[Deed]:
    words.skip("TABLE")
    yield Deed(*words.name(), kind="truncate")


def _rename(words: _Words) -> Iterator[Deed]:
    if words.until(*_KINDS) not in {"TABLE", "TABLES"}:
        return
    words.skip("IF", "EXISTS")
    while (name := words.name())[1]:
        yield Deed(*name, kind="rename")
        if not words.until("TO"):
            return
        yield Deed(*words.name(), kind="rename")
        words.until(",")


def _insert(words: _Words) -> Iterator[Deed]:
    words.skip("LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE")
    words.skip("INTO")
    yield Deed(*words.name(), op="I")


def _load(words: _Words) -> Iterator[Deed]:
    words.until("TABLE")
    yield Deed(*words.name(), op="I")


def _update(words: _Words) -> Iterator[Deed]:
    words.skip("LOW_PRIORITY", "IGNORE")
    database, table = words.name()
    if not table or words.joined():
        yield Deed(database, "", "U")  # which of the tables changed stands in the assignments
    else:
        yield Deed(database, table, "U", None if words.spares() else "mass_update")


def _delete(words: _Words) -> Iterator[Deed]:
    words.skip("LOW_PRIORITY", "QUICK", "IGNORE", "HISTORY")
    single = words.skip("FROM")
    database, table = words.name()
    if not single or words.peek() in {",", ".", "*", "USING"}:
        yield Deed(database, "", "D")
    else:
        yield Deed(database, table, "D", None if words.spares() else "mass_delete")


_VERBS: dict[str, Callable[[_Words], Iterator[Deed]]] = {
    "DROP": _drop,
    "CREATE": _create,
    "ALTER": _alter,
    "TRUNCATE": _truncate,
    "RENAME": _rename,
    "INSERT": _insert,
    "REPLACE": _insert,
    "LOAD": _load,
    "UPDATE": _update,
    "DELETE": _delete,
}

"""Which statements of a dump run, which are left out, and which make the whole dump unacceptable.

What dumps do is listed; everything else is refused. This is for clear words early: the wall is the load account,
which has rights on one schema of a throw-away server and nothing else.
"""

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NoReturn

from restorekit.engines.mariadb.lexer import code
from restorekit.engines.mariadb.session import TWO_BYTES, Session
from restorekit.engines.mariadb.split import Statement
from restorekit.errors import DumpRefused

_NAME = rb"(?:`((?:[^`]|``)+)`|\"([^\"]+)\"|([\w$\x80-\xff]+))"
_QUALIFIED = _NAME + rb"(?:\s*\.\s*" + _NAME + rb")?"
_DATABASE = re.compile(
    rb"(USE|(?:CREATE|DROP|ALTER)\s+(?:DATABASE|SCHEMA))(?:\s+IF\s+(?:NOT\s+)?EXISTS)?\s*" + _NAME, re.IGNORECASE
)
_OBJECT = re.compile(
    rb"(CREATE|DROP|ALTER|TRUNCATE)\s+(?:OR\s+REPLACE\s+)?(?:ALGORITHM\s*=\s*\w+\s+)?(?:DEFINER\s*=\s*\S+(?:\s*@\s*\S+)?\s+)?"
    rb"(?:SQL\s+SECURITY\s+\w+\s+)?(?:AGGREGATE\s+|TEMPORARY\s+|UNIQUE\s+|FULLTEXT\s+|SPATIAL\s+)*"
    rb"(TABLES?|VIEW|TRIGGER|PROCEDURE|FUNCTION|EVENT|SEQUENCE|INDEX|PACKAGE(?:\s+BODY)?)\s+"
    rb"(?:IF\s+(?:NOT\s+)?EXISTS\s+)?" + _QUALIFIED,
    re.IGNORECASE,
)
_SETVAL = re.compile(rb"(?:DO|SELECT)\s+SETVAL\s*\(\s*" + _QUALIFIED + rb"\s*,[\s\d,-]*\)\s*$", re.IGNORECASE)
_INSERT = re.compile(
    rb"(?:INSERT|REPLACE)\b(?:\s+(?:IGNORE|DELAYED|INTO|LOW_PRIORITY|HIGH_PRIORITY))*\s+" + _QUALIFIED, re.IGNORECASE
)
_QUIET = re.compile(
    rb"(?:LOCK|UNLOCK)\s+TABLES?\b|START\s+TRANSACTION\b|BEGIN$|COMMIT$|"
    rb"ALTER\s+TABLE\s+\S+\s+(?:DISABLE|ENABLE)\s+KEYS$|(?:ANALYZE|OPTIMIZE)\s+TABLE\b",
    re.IGNORECASE,
)
_SERVER = re.compile(
    rb"(CHANGE\s+MASTER|(?:START|STOP)\s+(?:SLAVE|REPLICA)|FLUSH\s+(?:PRIVILEGES|TABLES|LOGS))\b", re.IGNORECASE
)
_GLOBAL = re.compile(rb"\bGLOBAL\b|@@GLOBAL\s*\.|@@?PERSIST", re.IGNORECASE)
_HARMLESS = re.compile(rb"\b(GTID_PURGED|GTID_SLAVE_POS|SQL_LOG_BIN)\b", re.IGNORECASE)
_ASSIGNED_BINLOG = re.compile(rb"(?:SET|,)\s*(?:@@)?(?:SESSION\s*\.?\s*)?SQL_LOG_BIN\s*=", re.IGNORECASE)
_NOT_VARIABLES = re.compile(rb"SET\s+(PASSWORD|ROLE|DEFAULT\s+ROLE|STATEMENT)\b", re.IGNORECASE)
_FORBIDDEN = re.compile(
    rb"\bLOAD_FILE\s*\(|\bINTO\s+(?:OUTFILE|DUMPFILE)\b|\bSONAME\b|\b(?:DATA|INDEX)\s+DIRECTORY\b", re.IGNORECASE
)
_QUOTED_NAME = re.compile(rb"`(?:[^`]|``)*`")
_STORED = frozenset({b"VIEW", b"TRIGGER", b"PROCEDURE", b"FUNCTION", b"EVENT", b"PACKAGE", b"PACKAGE BODY"})
_DEFINER = re.compile(
    rb"DEFINER\s*=\s*(?:`((?:[^`]|``)*)`|'([^']*)'|\"([^\"]*)\"|([\w.-]+))"
    rb"(?:\s*@\s*(?:`((?:[^`]|``)*)`|'([^']*)'|\"([^\"]*)\"|([\w.%-]+)))?",
    re.IGNORECASE,
)
_HINT = "Nothing of it reached live. Find out who made this dump, or choose another recovery point."


class Action(Enum):
    """What becomes of a statement."""

    ROWS = auto()
    SESSION = auto()
    ALONE = auto()
    DATABASE = auto()
    DROP = auto()


@dataclass(frozen=True, slots=True)
class Judged:
    """`verb` and `kind` in upper case (`CREATE`, `TABLE`); `name` is the object's, decoded."""

    action: Action
    statement: Statement
    code: bytes = b""
    verb: str = ""
    kind: str = ""
    name: str = ""
    definer: tuple[str, str] | None = None


@dataclass(slots=True)
class Screen:
    """Judges statement by statement. `dropped` are sentences about what was left out."""

    schema: str
    own: str = ""
    session: Session = field(default_factory=Session)
    dropped: list[str] = field(default_factory=list)
    _began: bool = False

    def announce(self, database: str) -> None:
        """The dump's header, or the head of one of its sections, names its database."""
        if not self._began and database:
            self.own = database

    def judge(self, statement: Statement) -> Judged:
        """Decide; raises DumpRefused, whose message says what, where and why."""
        head = statement.insert
        if head is not None:
            self._began = True
            self._check_schema(head.schema, statement)
            if b"load_file" in statement.text.lower() and _forbidden(code(statement.text)):
                self._refuse(statement, "LOAD_FILE", "it reads files of the server")
            return Judged(Action.ROWS, statement, verb="INSERT", name=self._text(head.table))
        text = code(statement.text, ansi=self.session.ansi)
        if not text or _QUIET.match(text):
            return Judged(Action.DROP, statement, text)
        if text[:4].upper() in (b"SET ", b"SET\t", b"SET\n", b"SET@"):
            return self._set(statement, text)
        if found := _DATABASE.match(text):
            return self._database(statement, text, found)
        if found := _SERVER.match(text):
            return self._drop(statement, text, f"{_words(found.group(1))} (a setting of the source server)")
        return self._content(statement, text)

    def _text(self, name: bytes) -> str:
        return name.decode(self.session.codec, "replace")

    def _drop(self, statement: Statement, text: bytes, what: str) -> Judged:
        if what not in self.dropped:
            self.dropped.append(what)
        return Judged(Action.DROP, statement, text)

    def _refuse(self, statement: Statement, what: str, why: str) -> NoReturn:
        raise DumpRefused(
            f"the dump was refused: statement {statement.number} at byte {statement.offset} is {what}; {why}; "
            "it was not run, live is untouched",
            hint=_HINT,
        )

    def _content(self, statement: Statement, text: bytes) -> Judged:
        if found := _OBJECT.match(text):
            return self._object(statement, text, found)
        inserted = _INSERT.match(text)
        found = inserted or _SETVAL.match(text)
        if found is None:
            self._refuse(statement, _kind(text), "dumps do not hold such statements")
        if inserted and _forbidden(text):
            self._refuse(statement, _kind(text), "it reads or writes files of the server")
        one, two = _names(found, 1)
        self._check_schema(one if two else b"", statement)
        verb = _words(text.split(None, 1)[0])
        return Judged(Action.ALONE, statement, text, verb=verb, name=self._text(two or one))

    def _object(self, statement: Statement, text: bytes, found: "re.Match[bytes]") -> Judged:
        verb, kind = _words(found.group(1)), _words(found.group(2))
        stored = kind.encode() in _STORED
        bad = _forbidden(text)
        # A stored routine may name files in its body: creating it does not run it, and nobody runs it here.
        if bad and (not stored or b"SONAME" in bad.group().upper()):
            self._refuse(statement, f"{verb} {kind} with {_words(bad.group()).strip('( ')}", "it leaves the database")
        one, two = _names(found, 3)
        self._check_schema(one if two else b"", statement)
        self._began = True
        definer = self._definer(statement.text) if verb == "CREATE" and stored else None
        return Judged(Action.ALONE, statement, text, verb, kind, self._text(two or one), definer)

    def _definer(self, text: bytes) -> tuple[str, str] | None:
        found = _DEFINER.search(code(text, keep_strings=True)[:2000])
        if found is None:
            return None
        user, host = (next((g for g in found.groups()[i : i + 4] if g is not None), b"") for i in (0, 4))
        if user.upper().startswith(b"CURRENT_"):
            return None
        return user.replace(b"``", b"`").decode("utf-8", "replace"), host.decode("utf-8", "replace") or "%"

    def _check_schema(self, schema: bytes, statement: Statement) -> None:
        name = self._text(schema)
        if name and name not in (self.schema, self.own):
            self._refuse(statement, f"addressed to the database {name}", f"this is a dump of {self.own or self.schema}")
        if name and name != self.schema:
            self._refuse(statement, f"addressed to {name} by name", f"it is being loaded under the name {self.schema}")

    def _database(self, statement: Statement, text: bytes, found: "re.Match[bytes]") -> Judged:
        verb, name = _words(found.group(1)), self._text(next(g for g in found.groups()[1:] if g is not None))
        expected = self.own or (self.schema if self._began else "")
        if expected and name not in (expected, self.schema):
            self._refuse(
                statement,
                f"{verb} {name}",
                f"this is a dump of {expected}; a dump of several databases ({expected}, {name}) has to be cut first",
            )
        self.own = self.own or name
        self._drop(statement, text, f"{verb} {name} (the dump's own database)")
        changes = verb.split()[0] in ("CREATE", "ALTER")
        return Judged(Action.DATABASE if changes else Action.DROP, statement, text[found.end() :], verb=verb, name=name)

    def _set(self, statement: Statement, text: bytes) -> Judged:
        if found := _NOT_VARIABLES.match(text):
            self._refuse(statement, f"SET {_words(found.group(1))}", "it changes accounts or runs another statement")
        if _GLOBAL.search(text):
            if _HARMLESS.search(text):
                return self._drop(statement, text, f"SET GLOBAL {_words(_HARMLESS.search(text).group(1))}")  # type: ignore[union-attr]
            self._refuse(statement, "SET GLOBAL", "a dump must not change the server")
        if _ASSIGNED_BINLOG.search(text):
            return self._drop(statement, text, "SET SQL_LOG_BIN (a sandbox writes no binary log)")
        if _forbidden(text) or re.search(rb"\bSELECT\b", text, re.IGNORECASE):
            self._refuse(statement, "SET with a query", "a dump sets variables to values")
        self.session.apply(code(statement.text, keep_strings=True))
        if self.session.charset in TWO_BYTES:
            why = "in that character set a backslash can be half a letter"
            self._refuse(statement, f"SET NAMES {self.session.charset}", why)
        return Judged(Action.SESSION, statement, text, verb="SET")


def _forbidden(text: bytes) -> "re.Match[bytes] | None":
    """Words that reach outside, unless they are a name."""
    return _FORBIDDEN.search(text) and _FORBIDDEN.search(_QUOTED_NAME.sub(b"``", text))


def _words(text: bytes) -> str:
    return " ".join(text.decode("ascii", "replace").upper().split())


def _kind(text: bytes) -> str:
    """The first words of a statement, up to anything that could be a value or a name."""
    found = re.match(rb"(?:[A-Za-z_]+\s*){1,2}", text)
    return _words(found.group()) if found else "not a statement"


def _names(found: "re.Match[bytes]", first: int) -> tuple[bytes, bytes]:
    groups = found.groups()
    one, two = (
        next((g for g in groups[i : i + 3] if g is not None), b"").replace(b"``", b"`") for i in (first - 1, first + 2)
    )
    return one, two

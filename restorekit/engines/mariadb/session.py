"""What a dump's SET statements make of the session, as far as it changes how the following bytes are read."""

import re
from dataclasses import dataclass, field

_ASSIGNMENT = re.compile(
    rb"(@?@?[\w$.]+)\s*:?=\s*(?:'([^']*)'|\"([^\"]*)\"|(@?@?[\w$.]+))|\bNAMES\s+['\"]?(\w+)|\bCHARACTER\s+SET\s+['\"]?(\w+)",
    re.IGNORECASE,
)
_CODECS = {"latin1": "cp1252", "latin2": "iso8859-2", "cp1250": "cp1250", "cp1251": "cp1251", "greek": "iso8859-7"}
_CLIENT, _MODE = "character_set_client", "sql_mode"
TWO_BYTES = frozenset({"gbk", "big5", "sjis", "cp932", "gb18030"})
"""Character sets in which a backslash can be the second half of a letter."""


@dataclass(slots=True)
class Session:
    """Variables by name (`@saved_cs_client`, `sql_mode`), as far as the dump set them to something readable."""

    _values: dict[str, str] = field(default_factory=dict)

    def apply(self, code: bytes) -> None:
        """Follow one SET statement (comments removed, strings kept)."""
        for found in _ASSIGNMENT.finditer(code):
            name, single, double, word, names, charset = found.groups()
            if name is None:
                self._values[_CLIENT] = (names or charset).decode().lower()
            else:
                literal = single if single is not None else double
                self._values[_plain(name)] = self._value(literal, word)

    def _value(self, literal: bytes | None, word: bytes | None) -> str:
        if literal is not None:
            return literal.decode("ascii", "replace")
        name = _plain(word or b"")
        return self._values.get(name, "") if name.startswith("@") or name in (_CLIENT, _MODE) else name

    @property
    def charset(self) -> str:
        """The client's character set; empty where the dump did not say."""
        return self._values.get(_CLIENT, "").lower()

    @property
    def codec(self) -> str:
        """Python's name of that character set, for names of tables."""
        return codec_of(self.charset)

    @property
    def escapes(self) -> bool:
        """False where a backslash in a string is a letter."""
        return "NO_BACKSLASH_ESCAPES" not in self._values.get(_MODE, "").upper()

    @property
    def ansi(self) -> bool:
        """True where text in double quotes is a name."""
        return "ANSI" in self._values.get(_MODE, "").upper()


def _plain(name: bytes) -> str:
    """`@@session.SQL_MODE` and `SQL_MODE` are one variable, `@x` is another."""
    text = name.decode("ascii", "replace").lower()
    return text.removeprefix("@@").removeprefix("session.").removeprefix("local.") if text.startswith("@@") else text


def codec_of(charset: str) -> str:
    """Python's codec for a character set of the server; UTF-8 where nothing else is known."""
    return _CODECS.get(charset, "utf-8")

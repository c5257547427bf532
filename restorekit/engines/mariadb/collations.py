"""What MySQL writes and MariaDB 10.11 does not know, translated to its nearest kin and reported.

MySQL 8's `_0900_` collations do not pad: `'a'` and `'a '` are different keys. Their kin here are the `nopad` ones of
the next Unicode version; `utf8mb4_unicode_ci`, often advised, would find duplicates where the source had none.
"""

import re

_LANGUAGES = {
    "cs": "czech",
    "da": "danish",
    "de_pb": "german2",
    "eo": "esperanto",
    "es": "spanish",
    "es_trad": "spanish2",
    "et": "estonian",
    "hr": "croatian",
    "hu": "hungarian",
    "is": "icelandic",
    "la": "roman",
    "lt": "lithuanian",
    "lv": "latvian",
    "nb": "danish",
    "nn": "danish",
    "pl": "polish",
    "ro": "romanian",
    "sk": "slovak",
    "sl": "slovenian",
    "sv": "swedish",
    "tr": "turkish",
    "vi": "vietnamese",
}
_ROOT = frozenset({"bg", "bs", "gl", "mn_cyrl", "ru", "sr_latn", "ja", "zh"})
_TOKENS = re.compile(
    rb"'(?:[^'\\]++|\\.|'')*+'|\"(?:[^\"\\]++|\\.|\"\")*+\"|`(?:[^`]++|``)*+`|\b(utf8mb4_(?:(\w+)_)?0900_(\w+))\b",
    re.DOTALL,
)
_INDEX_SEEN = re.compile(
    rb"^(\s+(?:UNIQUE |FULLTEXT |SPATIAL )?(?:KEY|INDEX) .*?\))\s+(?:/\*!80000 )?(IN)?VISIBLE(?: \*/)?(?=,?$)",
    re.MULTILINE,
)
_NOT_ENFORCED = re.compile(
    rb",\n\s+CONSTRAINT `[^`\n]+` CHECK [^\n]*?(?:/\*!80016 NOT ENFORCED \*/|\bNOT ENFORCED)(?=,?\n)"
)


def kin(collation: str) -> str:
    """The collation of MariaDB 10.11 that stands for one of MySQL 8; unchanged if there is no need."""
    found = re.fullmatch(r"utf8mb4_(?:(\w+)_)?0900_(bin|as_cs_ks|ai_ci|as_ci|as_cs)", collation)
    if found is None:
        return collation
    language, kind = found.groups()
    if kind == "bin":
        return "utf8mb4_nopad_bin"
    if language and language not in _LANGUAGES and language not in _ROOT:
        return collation
    tailored = f"{_LANGUAGES[language]}_" if language in _LANGUAGES else ""
    return f"utf8mb4_uca1400_{tailored}nopad_{kind.removesuffix('_ks')}"


def translated(text: bytes) -> tuple[bytes, tuple[str, ...]]:
    """A definition or SET that this server understands, and a sentence for each kind of change."""
    notes: dict[str, None] = {}
    if b"_0900_" in text:
        text = _TOKENS.sub(lambda found: _collation(found, notes), text)
    if b"VISIBLE" in text:
        text = _INDEX_SEEN.sub(lambda found: _index(found, notes), text)
    if b"NOT ENFORCED" in text:
        text, count = _NOT_ENFORCED.subn(b"", text)
        notes |= {"a CHECK that is NOT ENFORCED was left out": None} if count else {}
    return text, tuple(notes)


def _collation(found: "re.Match[bytes]", notes: dict[str, None]) -> bytes:
    if found.group(1) is None:
        return found.group()
    old = found.group(1).decode()
    new = kin(old)
    if new != old:
        notes[f"collation {old} became {new}"] = None
    return new.encode()


def _index(found: "re.Match[bytes]", notes: dict[str, None]) -> bytes:
    if not found.group(2):
        return found.group(1)
    notes["an INVISIBLE index became IGNORED"] = None
    return found.group(1) + b" IGNORED"

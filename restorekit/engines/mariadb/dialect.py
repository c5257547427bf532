"""Who wrote this dump, with which options, and whether all of it is there.

A dump that was cut at the end of a statement loads without any error: only the producer's own end marker, and the
tables it announced, tell.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

from restorekit.engines.mariadb import manifest
from restorekit.engines.mariadb.lexer import InsertHead
from restorekit.engines.mariadb.split import Syntax
from restorekit.model.contents import Contents

_HEADERS = (
    (re.compile(rb"-- MariaDB dump (\S+) +Distrib ([^,]+)"), "mariadb-dump"),
    (re.compile(rb"-- MySQL dump (\S+) +Distrib ([^,]+)"), "mysqldump"),
    (re.compile(rb"-- (phpMyAdmin) SQL Dump()"), "phpmyadmin"),
    (re.compile(rb"-- (Adminer) (\S+)"), "adminer"),
    (re.compile(rb"-- (HeidiSQL) Version: +(\S+)"), "heidisql"),
)
_FACTS = (
    (re.compile(rb"-- Host: (?:\S+) +Database: (\S.*)"), "database"),
    (re.compile(rb"-- Database: `([^`]+)`"), "database"),
    (re.compile(rb"-- Server version[:\t ]+(\S+)"), "server_version"),
    (re.compile(rb"-- version (\S+)"), "version"),
    (re.compile(rb"-- Generation Time: (.+)"), "generated"),
    (re.compile(rb"-- CHANGE MASTER TO (MASTER_LOG_FILE=.*?);"), "binlog"),
    (re.compile(rb"-- SET GLOBAL gtid_slave_pos='([^']*)'"), "gtid"),
)
_SECTION = re.compile(rb"-- Current Database: `((?:[^`]|``)+)`")
_COMPLETED = re.compile(rb"-- Dump completed(?: on (\d{4}-\d\d-\d\d) +(\d{1,2}:\d\d:\d\d))?")
_ANNOUNCED = re.compile(rb"-- (?:Table structure for|Dumping data for) table (?:`((?:[^`]|``)+)`|(\S+))")
_TRUSTED = frozenset({"mariadb-dump", "mysqldump", "phpmyadmin"})
_NOTES_SAVED = re.compile(rb"@OLD_SQL_NOTES\s*=\s*@@SQL_NOTES", re.IGNORECASE)
_NOTES_BACK = re.compile(rb"SQL_NOTES\s*=\s*@OLD_SQL_NOTES", re.IGNORECASE)
_CLIENT_SAVED = re.compile(
    rb"@(?:OLD_CHARACTER_SET_CLIENT|saved_cs_client)\s*=\s*@@character_set_client", re.IGNORECASE
)
_CLIENT_BACK = re.compile(rb"CHARACTER_SET_CLIENT\s*=\s*@OLD_CHARACTER_SET_CLIENT", re.IGNORECASE)
_UTC = re.compile(rb"TIME_ZONE\s*=\s*['\"]\+00:00", re.IGNORECASE)
_HEX = re.compile(rb"[(,] ?0x[0-9A-Fa-f]+[,)]")

Complete = tuple[Literal["yes", "no", "unknown"], str]


@dataclass(slots=True)
class Dialect:
    """Watches a dump go by. `facts` is what becomes `Loaded.dialect`."""

    syntax: Syntax
    codec: str = "utf-8"
    facts: dict[str, str] = field(default_factory=dict)
    announced: set[str] = field(default_factory=set)
    created: set[str] = field(default_factory=set)
    _transaction: bool = False
    _notes: bool = False
    _client: bool = False
    _ended: str = ""
    _after_end: bool = False
    _manifest: list[bytes] | None = None
    _manifest_ended: bool = False

    def comment(self, text: bytes) -> None:
        """A comment line between statements."""
        if self._manifest is not None and not self._manifest_ended:
            self._manifest_ended = text == manifest.END
            if not self._manifest_ended:
                self._manifest.append(text)
        elif text == manifest.BEGIN:
            self._manifest = []
        elif found := _COMPLETED.match(text):
            self._end("its trailer `-- Dump completed`")
            if found.group(1):
                self.facts["moment"] = f"{found.group(1).decode()}T{found.group(2).decode():0>8}"
        elif found := _ANNOUNCED.match(text):
            name = found.group(1) or found.group(2)
            self.announced.add(name.replace(b"``", b"`").decode(self.codec, "replace"))
        else:
            self._header(text)

    def _header(self, text: bytes) -> None:
        if "producer" not in self.facts:
            for pattern, producer in _HEADERS:
                if found := pattern.match(text):
                    self.facts["producer"] = producer
                    self._fact("version", found.group(2))
                    self.syntax.trusted = producer in _TRUSTED
        for pattern, name in _FACTS:
            if found := pattern.match(text):
                self._fact(name, found.group(1))
        if found := _SECTION.match(text):
            self.facts["database"] = found.group(1).replace(b"``", b"`").decode(self.codec, "replace")

    def _fact(self, name: str, value: bytes) -> None:
        if value and name not in self.facts:
            self.facts[name] = value.decode("utf-8", "replace").strip()

    def session(self, code: bytes) -> None:
        """A SET statement, without comments."""
        self._notes = self._notes or bool(_NOTES_SAVED.search(code))
        if _CLIENT_SAVED.search(code):
            # mysqldump and its kin write this even with --skip-comments or --compact.
            self._client = self._client or b"OLD_" in code.upper()
            self.syntax.trusted = True
            self.facts.setdefault("producer", "mysqldump style, without comments")
        if _UTC.search(code):
            self.facts["tz_utc"] = "yes"
        if _NOTES_BACK.search(code):
            self._end("its last statement restores SQL_NOTES")
        elif _CLIENT_BACK.search(code) and self.facts.get("producer") == "phpmyadmin" and self._ended:
            self._end("it commits and restores the character set")

    def transaction(self, code: bytes) -> None:
        """START TRANSACTION, COMMIT and their kin."""
        self._transaction = self._transaction or code.upper().startswith((b"START", b"BEGIN"))
        if self.facts.get("producer") == "phpmyadmin" and code.upper().startswith(b"COMMIT"):
            self._end("it commits" if not self._client else "")

    def table(self, name: str) -> None:
        """A CREATE TABLE."""
        self.created.add(name)
        self.content()

    def rows(self, head: InsertHead, text: bytes, *, first: bool) -> None:
        """An INSERT; `first` of its table."""
        self.content()
        if first and "hex_blob" not in self.facts and _HEX.search(text, len(head.text)):
            self.facts["hex_blob"] = "yes"
        if first and b"row_start" in head.columns:
            self.facts["dump_history"] = "yes"

    def content(self) -> None:
        """Anything that belongs to a dump's body."""
        self._after_end = self._after_end or bool(self._ended)

    def _end(self, why: str) -> None:
        self._ended = why or "half"

    def contents(self) -> Contents | None:
        """The manifest inside the dump, if there is a whole one. Raises SourceDamaged."""
        if self._manifest is None or not self._manifest_ended:
            return None
        return manifest.decode(self._manifest)

    def complete(self) -> Complete:
        """Whether it is whole, and how that is known."""
        if missing := sorted(self.announced - self.created):
            return "no", f"announced but not in the dump: {', '.join(missing[:10])}"
        if self._manifest is not None and not self._manifest_ended:
            return "no", "the manifest after the trailer ends too early"
        if self._after_end:
            return "unknown", "statements follow the end marker"
        expected = self._expected()
        if not expected:
            return "unknown", "this kind of dump has no end marker"
        if self._ended and self._ended != "half" and not (expected.startswith("-- ") and "trailer" not in self._ended):
            return "yes", self._ended
        return "no", f"the end marker is missing: {expected}"

    def _expected(self) -> str:
        producer = self.facts.get("producer", "")
        if producer in ("mariadb-dump", "mysqldump"):
            return "-- Dump completed"
        if producer == "phpmyadmin":
            return "COMMIT and the restored character set" if self._transaction or self._client else ""
        return "SET SQL_NOTES=@OLD_SQL_NOTES" if self._notes else ""

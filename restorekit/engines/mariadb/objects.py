"""Views, triggers, routines and events: harvested byte for byte, dropped, created again under their own settings.

`SHOW CREATE` is read with `character_set_results=binary` and sent back under the object's own client character
set, sql_mode and time zone: this is the only way in which non-ASCII text and mode-dependent syntax survive.
`ALTER EVENT` is never used: it would make us the definer.
"""

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import pymysql
from pydantic import ConfigDict
from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import SESSION, quoted, rows
from restorekit.errors import PreflightRefused
from restorekit.model.value import Value

Kind = Literal["procedure", "function", "package", "package body", "view", "trigger", "event"]
ORDER: tuple[Kind, ...] = ("function", "procedure", "package", "package body", "view", "trigger", "event")
ROUTINES = frozenset({"function", "procedure", "package", "package body"})


class Stored(Value):
    """One object: its CREATE statement in the bytes of its own client character set, and the session it needs."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")

    kind: Kind
    name: str
    sql: bytes
    table: str = ""
    sql_mode: str | None = None
    charset: str
    collation: str
    time_zone: str | None = None
    definer: str = ""

    @property
    def title(self) -> str:
        """`trigger audit_orders`."""
        return f"{self.kind} {self.name}"


class Definitions(Value):
    """All objects of one schema, in an order in which they can be created."""

    schema_name: str
    stored: tuple[Stored, ...] = ()

    def only(self, wanted: Callable[[Stored], bool]) -> "Definitions":
        """Those for which `wanted` is true, in the same order."""
        return Definitions(schema_name=self.schema_name, stored=tuple(s for s in self.stored if wanted(s)))

    def of(self, *kinds: Kind) -> tuple[Stored, ...]:
        """Those of these kinds."""
        return tuple(s for s in self.stored if s.kind in kinds)


def harvest(connection: "Connection[Any]", schema: str) -> Definitions:
    """Every view, trigger (in ACTION_ORDER), routine and event of the schema; empty if it does not exist."""
    if not rows(connection, "SELECT 1 FROM information_schema.schemata WHERE schema_name=%s", [schema]):
        return Definitions(schema_name=schema)
    rows(connection, f"USE {quoted(schema)}")  # views name their own schema's tables without it then
    found = [
        *_routines(connection, schema),
        *_views(connection, schema),
        *_triggers(connection, schema),
        *_events(connection, schema),
    ]
    found.sort(key=lambda s: ORDER.index(s.kind))
    return Definitions(schema_name=schema, stored=tuple(found))


def drop(connection: "Connection[Any]", schema: str, definitions: Definitions) -> None:
    """Drop these objects where they exist: events first, so that nothing fires in between. Safe to repeat."""
    packages = bool(definitions.of("package", "package body"))
    if packages:  # their syntax exists in this mode only
        rows(connection, "SET SESSION sql_mode=ORACLE")
    for one in reversed(definitions.stored):
        rows(connection, f"DROP {one.kind} IF EXISTS {quoted(schema)}.{quoted(one.name)}")
    if packages:
        rows(connection, SESSION)


def create(connection: "Connection[Any]", schema: str, definitions: Definitions) -> None:
    """Create these objects in `schema`, each under its own settings; what exists is replaced. Safe to repeat.

    Text that names its own schema follows it to another name. Raises PreflightRefused where such text cannot be
    followed with certainty, and the driver's error if the server refuses an object for good.
    """
    followed = under_name(definitions, schema)
    drop(connection, schema, followed)
    rows(connection, f"USE {quoted(schema)}")
    try:
        for kind in ORDER:
            _to_fixpoint(connection, followed.of(kind))
    finally:
        rows(connection, "SET NAMES utf8mb4")
        rows(connection, SESSION)


def missing_definers(connection: "Connection[Any]", definitions: Definitions) -> tuple[str, ...]:
    """Definers (`user@host` or a role) of these objects that the server does not know."""
    known = {f"{user}@{host}" if host else str(user) for user, host in rows(connection, _ACCOUNTS)}
    return tuple(sorted({s.definer for s in definitions.stored if s.definer and s.definer not in known}))


_ACCOUNTS = "SELECT user, host FROM mysql.global_priv"


def _to_fixpoint(connection: "Connection[Any]", todo: Sequence[Stored]) -> None:
    """Views stand on views: repeat while a round makes progress."""
    while todo:
        left: list[Stored] = []
        error: pymysql.err.MySQLError | None = None
        for one in todo:
            try:
                _create_one(connection, one)
            except pymysql.err.MySQLError as refused:
                if one.kind != "view":
                    raise
                left.append(one)
                error = refused
        if error is not None and len(left) == len(todo):
            raise error
        todo = left


def _create_one(connection: "Connection[Any]", one: Stored) -> None:
    settings = [f"character_set_client={one.charset}", f"collation_connection={one.collation}"]
    values: list[str] = []
    for name, value in (("sql_mode", one.sql_mode), ("time_zone", one.time_zone)):
        if value is not None:
            settings.append(f"{name}=%s")
            values.append(value)
    rows(connection, "SET NAMES utf8mb4")
    rows(connection, f"SET SESSION {', '.join(settings)}, foreign_key_checks=0", values)
    connection.query(one.sql)  # bytes go out as they are
    rows(connection, "SET NAMES utf8mb4")


def _shown(connection: "Connection[Any]", sql: str) -> tuple[Any, ...]:
    """One SHOW CREATE row with its text in raw bytes."""
    rows(connection, "SET character_set_results=binary")
    try:
        return rows(connection, sql)[0]
    finally:
        rows(connection, "SET character_set_results=utf8mb4")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _routines(connection: "Connection[Any]", schema: str) -> Iterable[Stored]:
    listing = (
        "SELECT routine_name, LOWER(routine_type), definer FROM information_schema.routines "
        "WHERE routine_schema=%s ORDER BY routine_type, routine_name"
    )
    for name, kind, definer in rows(connection, listing, [schema]):
        row = _shown(connection, f"SHOW CREATE {kind} {quoted(schema)}.{quoted(name)}")
        if row[2] is None:
            raise PreflightRefused(
                f"the text of {kind} {name} of {schema} is hidden from us; live is untouched",
                hint="Grant SELECT on mysql.proc to restorekit's account.",
            )
        yield Stored(
            kind=kind,
            name=name,
            definer=definer,
            sql_mode=_text(row[1]),
            sql=row[2],
            charset=_text(row[3]),
            collation=_text(row[4]),
        )


def _views(connection: "Connection[Any]", schema: str) -> Iterable[Stored]:
    listing = "SELECT table_name, definer FROM information_schema.views WHERE table_schema=%s ORDER BY table_name"
    for name, definer in rows(connection, listing, [schema]):
        row = _shown(connection, f"SHOW CREATE VIEW {quoted(name)}")
        yield Stored(
            kind="view", name=name, definer=definer, sql=row[1], charset=_text(row[2]), collation=_text(row[3])
        )


def _triggers(connection: "Connection[Any]", schema: str) -> Iterable[Stored]:
    listing = (
        "SELECT trigger_name, event_object_table, definer FROM information_schema.triggers WHERE trigger_schema=%s "
        "ORDER BY event_object_table, event_manipulation, action_timing, action_order"
    )
    for name, table, definer in rows(connection, listing, [schema]):
        row = _shown(connection, f"SHOW CREATE TRIGGER {quoted(schema)}.{quoted(name)}")
        yield Stored(
            kind="trigger",
            name=name,
            table=table,
            definer=definer,
            sql_mode=_text(row[1]),
            sql=row[2],
            charset=_text(row[3]),
            collation=_text(row[4]),
        )


def _events(connection: "Connection[Any]", schema: str) -> Iterable[Stored]:
    listing = "SELECT event_name, definer FROM information_schema.events WHERE event_schema=%s ORDER BY event_name"
    for name, definer in rows(connection, listing, [schema]):
        row = _shown(connection, f"SHOW CREATE EVENT {quoted(schema)}.{quoted(name)}")
        yield Stored(
            kind="event",
            name=name,
            definer=definer,
            sql_mode=_text(row[1]),
            time_zone=_text(row[2]),
            sql=row[3],
            charset=_text(row[4]),
            collation=_text(row[5]),
        )


# ---- text that names its own schema ----

_COMMENT = rb"--[ \t][^\n]*|\#[^\n]*|/\*(?![!M]).*?\*/"
_NAMES = rb"(?P<quoted>`(?:[^`]|``)*`)|(?P<bare>[A-Za-z_$\x80-\xff][\w$\x80-\xff]*)"


@functools.cache
def _tokens(*, ansi: bool, backslash: bool) -> "re.Pattern[bytes]":
    """The lexer for one sql_mode: what quotes mean depends on it."""
    inner = rb"(?:[^%(q)s\\]|\\.|%(q)s%(q)s)*" if backslash else rb"(?:[^%(q)s]|%(q)s%(q)s)*"
    single, double = (q + inner % {b"q": q} + q for q in (b"'", b'"'))
    strings = rb"(?P<string>" + (single if ansi else single + b"|" + double) + rb")"
    names = _NAMES + (rb'|(?P<double>"(?:[^"]|"")*")' if ansi else rb"|(?P<double>(?!))")
    return re.compile(strings + b"|" + _COMMENT + b"|" + names + rb"|\s*\.\s*|\s*@\s*|\s+|.", re.DOTALL)


def under_name(definitions: Definitions, schema: str) -> Definitions:
    """The same objects for another schema name; raises PreflightRefused where text cannot be followed."""
    old = definitions.schema_name
    if old == schema:
        return definitions
    moved = tuple(s.model_copy(update={"sql": _renamed(s, old, schema)}) for s in definitions.stored)
    return Definitions(schema_name=schema, stored=moved)


def _renamed(stored: Stored, old: str, new: str) -> bytes:
    """`old`.x becomes `new`.x. Where the word also stands alone it may be an alias: that is not guessed at."""
    mode = (stored.sql_mode or "").split(",")
    lexer = _tokens(ansi="ANSI_QUOTES" in mode, backslash="NO_BACKSLASH_ESCAPES" not in mode)
    tokens = list(lexer.finditer(stored.sql))
    out = [token[0] for token in tokens]
    in_text = re.compile(rb"(?<![\w$.])" + re.escape(old.encode()) + rb"`?\s*\.")
    in_string = any(token["string"] is not None and in_text.search(token[0]) for token in tokens)
    qualified = alone = False
    for number, token in enumerate(tokens):
        if _identifier(token) != old.encode():
            continue
        before = tokens[number - 1][0].strip() if number else b""
        after = tokens[number + 1][0].strip() if number + 1 < len(tokens) else b""
        if before == b"." or after == b"@":  # a column of that name; a definer named like the schema
            continue
        alone |= after != b"."
        if after == b".":
            qualified = True
            out[number] = quoted(new).encode()
    if in_string or (qualified and alone):
        raise PreflightRefused(
            f"{stored.title} uses the word {old} in places where it may or may not mean its schema, and cannot be "
            f"brought under the name {new} with certainty; live is untouched",
            hint="Restore under the original name, or only the tables, and create this object by hand.",
        )
    return b"".join(out)


def _identifier(token: "re.Match[bytes]") -> bytes | None:
    if token["quoted"] is not None:
        return token["quoted"][1:-1].replace(b"``", b"`")
    if token["double"] is not None:
        return token["double"][1:-1].replace(b'""', b'"')
    return token["bare"]

"""Hashes of all that a schema holds beside its tables: views, triggers, routines, events, sequences.

A hash covers the text and the settings under which it runs, and ignores the schema's own name. The definer stands
beside it: whether that account exists is a question of its own.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import quoted, rows
from restorekit.engines.mariadb.objects import Stored, harvest
from restorekit.engines.mariadb.tables import text_hash, without_schema
from restorekit.model.contents import ObjectContents, ObjectKind

_DEFINER = re.compile(rb"\bDEFINER=`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)? ")


def objects(session: "Connection[Any]", schema: str) -> tuple[ObjectContents, ...]:
    """Everything that is no table, by kind and name; raises PreflightRefused where a definition may not be read."""
    found = [*_stored(session, schema), *_sequences(session, schema)]
    return tuple(sorted(found, key=lambda o: (o.kind, o.name)))


def grants(session: "Connection[Any]", schema: str) -> tuple[ObjectContents, ...]:
    """Who may do what on the schema, for display only: a sandbox has none, so they are no part of `contents`."""
    found = rows(
        session,
        "SELECT grantee, GROUP_CONCAT(privilege_type ORDER BY privilege_type) "
        "FROM information_schema.schema_privileges WHERE %s LIKE table_schema GROUP BY grantee",
        (schema,),
    )
    return tuple(ObjectContents(kind="grant", name=who, hash=text_hash(rights)) for who, rights in found)


def _stored(session: "Connection[Any]", schema: str) -> Iterator[ObjectContents]:
    place: Counter[str] = Counter()
    for stored in harvest(session, schema).stored:
        # triggers of one table run in this order; it is not in their text
        place[stored.table] += 1
        order = place[stored.table] if stored.kind == "trigger" else 0
        body = stored.kind == "package body"
        kind: ObjectKind = "package" if stored.kind == "package body" else stored.kind
        yield ObjectContents(
            kind=kind,
            name=f"{stored.name} body" if body else stored.name,
            hash=_hash(stored, schema, order),
            definer=stored.definer,
        )


def _hash(stored: Stored, schema: str, order: int) -> str:
    name = re.escape(schema).encode()
    own = rb"(?:`" + name + rb"`|(?<![\w$`.])" + name + rb")\s*\.\s*"
    text = re.sub(own, b"", _DEFINER.sub(b"", stored.sql, count=1))
    context = (stored.table, order, stored.sql_mode, stored.charset, stored.collation, stored.time_zone)
    return hashlib.sha256(text + repr(context).encode()).hexdigest()


def _sequences(session: "Connection[Any]", schema: str) -> Iterator[ObjectContents]:
    sql = "SELECT table_name FROM information_schema.tables WHERE table_schema=%s AND table_type='SEQUENCE'"
    for (name,) in rows(session, sql, (schema,)):
        full = f"{quoted(schema)}.{quoted(name)}"
        text = rows(session, f"SHOW CREATE SEQUENCE {full}")[0][1]
        stands = rows(session, f"SELECT next_not_cached_value FROM {full}")[0][0]
        yield ObjectContents(
            kind="sequence", name=name, hash=text_hash(without_schema(text, schema)), next_value=int(stands)
        )

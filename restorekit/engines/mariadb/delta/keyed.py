"""A name for a set of rows that says nothing about them to those without the key of the house."""

import hashlib
from collections.abc import Sequence
from typing import Any

from pymysql.connections import Connection
from pymysql.cursors import SSCursor

from restorekit.engines.mariadb.connect import quoted
from restorekit.engines.mariadb.delta.names import Own
from restorekit.engines.mariadb.fingerprint import Column, row_text


def keyed(session: "Connection[Any]", full: str, mine: Own, key: Sequence[Column], row_key: bytes) -> str:
    """Keyed hash over operation, key and both states of each row of `full`, a table with our columns `mine`.

    The same for the choice in the sandbox and for what arrived of it beside live. "" without the key of the house.
    """
    if not row_key:
        return ""
    # In a change set the key's columns may be NULL, in the sandbox not: the text is the same.
    text = row_text([c.model_copy(update={"nullable": True}) for c in key])
    op, live, proven = (quoted(name) for name in mine)
    made = hashlib.blake2b(key=row_key[:64], digest_size=16)
    with session.cursor(SSCursor) as cursor:
        cursor.execute(f"SELECT {op},MD5({text}),{live},{proven} FROM {full} ORDER BY 2,1,3,4")
        for row in cursor:
            made.update(":".join("" if value is None else str(value) for value in row).encode() + b"\n")
    return made.hexdigest()

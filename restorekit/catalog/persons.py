"""Persons by reference: what is kept names `person:…`; the name behind it can be erased."""

import secrets
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, insert, select, update

from restorekit.catalog.tables import persons

ERASED = "(erased)"
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_NAMED_IN = frozenset({"requested_by", "approved_by"})


def token(length: int) -> str:
    """Random lowercase base32."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def reference(connection: Connection, name: str) -> str:
    """The reference of this name, a new random one the first time; an empty name stays empty."""
    if not name:
        return ""
    known = connection.execute(select(persons.c.ref).where(persons.c.name == name)).scalar()
    if known is not None:
        return str(known)
    ref = f"person:{token(12)}"
    connection.execute(insert(persons).values(ref=ref, name=name))
    return ref


def erase(connection: Connection, name: str) -> int:
    """Forget the name for good; its references stay. Returns how many references it had (0 or 1)."""
    # Cannot be taken back: this row is the only link between the reference and the name.
    return connection.execute(update(persons).where(persons.c.name == name).values(name=None)).rowcount


def names(connection: Connection) -> dict[str, str]:
    """Every reference with its name, or a word that says it was erased."""
    return {ref: ERASED if name is None else name for ref, name in connection.execute(select(persons))}


def hide(connection: Connection, data: Any) -> Any:
    """JSON data with the names of persons replaced by references."""
    return _walk(data, lambda name: reference(connection, name))


def show(data: Any, known: dict[str, str]) -> Any:
    """JSON data with references replaced by names."""
    return _walk(data, lambda ref: known.get(ref, ref))


def _walk(data: Any, swap: Callable[[str], str]) -> Any:
    if isinstance(data, dict):
        return {
            key: swap(value) if key in _NAMED_IN and isinstance(value, str) else _walk(value, swap)
            for key, value in data.items()
        }
    if isinstance(data, list):
        return [_walk(value, swap) for value in data]
    return data

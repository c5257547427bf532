"""Which views, triggers, routines and events must go and which must be made when tables change places.

What is the same on both sides stays untouched: dropping a routine would take its grants with it.
"""

from collections.abc import Set as AbstractSet

from restorekit.engines.mariadb.connect import quoted
from restorekit.engines.mariadb.objects import Definitions, Stored


def arriving(
    now: Definitions, staged: Definitions, *, whole: bool, brought: AbstractSet[str], removed: AbstractSet[str]
) -> Definitions:
    """The objects live shall have afterwards.

    `whole`: those of staging, and live's triggers on tables that staging does not know. Otherwise live's own stay,
    and only tables that live does not have (`brought`) come with their triggers.
    """
    staying = tuple(s for s in now.stored if not (s.kind == "trigger" and s.table in removed))
    if not whole:
        new = tuple(s for s in staged.stored if s.kind == "trigger" and s.table in brought)
        return Definitions(schema_name=now.schema_name, stored=(*staying, *new))
    names = {s.name for s in staged.of("trigger")}
    tables = {s.table for s in staged.of("trigger")} | brought
    own = tuple(s for s in staying if s.kind == "trigger" and s.table not in tables and s.name not in names)
    return Definitions(schema_name=now.schema_name, stored=(*staged.stored, *own))


def returning(now: Definitions, earlier: Definitions, *, whole: bool, moved: AbstractSet[str]) -> Definitions:
    """The objects live had before the exchange that is undone; `moved` are the tables that change places."""
    if whole:
        tables = {s.table for s in earlier.of("trigger")} | moved
        own = tuple(s for s in now.of("trigger") if s.table not in tables)
        return Definitions(schema_name=now.schema_name, stored=(*earlier.stored, *own))
    staying = tuple(s for s in now.stored if not (s.kind == "trigger" and s.table in moved))
    back = tuple(s for s in earlier.of("trigger") if s.table in moved)
    return Definitions(schema_name=now.schema_name, stored=(*staying, *back))


def _plain(one: Stored, schema: str) -> Stored:
    """A view on a missing table is shown with its schema's name before every column: compare without it."""
    return one.model_copy(update={"sql": one.sql.replace(f"{quoted(schema)}.".encode(), b"")})


def _comparable(definitions: Definitions) -> frozenset[Stored]:
    return frozenset(_plain(s, definitions.schema_name) for s in definitions.stored)


def change(now: Definitions, wanted: Definitions, moved: AbstractSet[str]) -> tuple[Definitions, Definitions]:
    """What to drop, and what to make: triggers of moved tables always, table by table for the sake of their order."""

    def triggers(definitions: Definitions, table: str) -> tuple[Stored, ...]:
        return tuple(s for s in definitions.of("trigger") if s.table == table)

    both = _comparable(now) & _comparable(wanted)

    def differs(one: Stored) -> bool:
        if one.kind == "trigger":
            return one.table in moved or triggers(now, one.table) != triggers(wanted, one.table)
        return _plain(one, now.schema_name) not in both

    return now.only(differs), wanted.only(differs)

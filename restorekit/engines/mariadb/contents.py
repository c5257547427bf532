"""What a schema holds at one moment: rows, fingerprints, definitions."""

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import one, rows
from restorekit.engines.mariadb.definitions import objects
from restorekit.engines.mariadb.fingerprint import HISTORY_ALGORITHM, fingerprint, sums
from restorekit.engines.mariadb.live import Live, reading
from restorekit.engines.mariadb.ranges import added, asking
from restorekit.engines.mariadb.server import schema_settings
from restorekit.engines.mariadb.snapshot import Snapshot, snapshot
from restorekit.engines.mariadb.tables import Table, tables
from restorekit.errors import UnknownName
from restorekit.model.contents import Contents, Fingerprint, Origin, TableContents
from restorekit.model.database import Where

T = TypeVar("T")


def contents(
    live: Live,
    where: Where,
    names: frozenset[str] | None = None,
    *,
    fingerprints: bool = True,
    still: bool = False,
) -> Contents:
    """Describe a schema in one consistent snapshot; with `names` those tables only, and no objects.

    Without `fingerprints` no row is read and `rows` is None. `still`: the caller knows that nobody writes, so that
    several sessions may share the work on live, too. Tables of engines without transactions are read as they stand
    (`transactional` says it). Raises UnknownName if the schema is absent; names of absent tables are left out.
    """
    workers = live.settings.workers if fingerprints else 1
    with reading(where.schema_name), snapshot(live, where, workers, still=still) as view:
        must_exist(view.session, where.schema_name, live.name)
        return measure(view, where.schema_name, names, fingerprints=fingerprints)


def must_exist(session: "Connection[Any]", schema: str, engine: str) -> None:
    """Raises UnknownName if the schema is absent."""
    if one(session, "SELECT 1 FROM information_schema.schemata WHERE schema_name=%s", (schema,)) is None:
        raise UnknownName(f"no database {schema} on {engine}", hint="`restorekit inventory` lists what there is.")


def measure(
    view: Snapshot,
    schema: str,
    names: frozenset[str] | None = None,
    *,
    fingerprints: bool = True,
    carried: bool = False,
    origin: Origin = "measured",
) -> Contents:
    """The contents seen by an open snapshot. `carried`: FLOAT values as a dump carries them."""
    found = tables(view.session, schema, names)
    described = objects(view.session, schema) if names is None else ()
    settings = schema_settings(view.session, schema)
    order = sorted(found, key=lambda t: -t.size_bytes) if fingerprints else []
    now = table_sums(view.sessions, order, carried=carried)
    versioned = [t for t in order if t.versioned]
    past = spread(view.sessions, [_past(t, carried=carried) for t in versioned])
    history = dict(zip((t.name for t in versioned), past, strict=True))
    return Contents(
        origin=origin,
        taken_at=view.began_at,
        tables=tuple(_table(t, now.get(t.name), history.get(t.name)) for t in found),
        objects=described,
        settings=settings,
        position=view.position,
    )


def table_sums(
    sessions: Sequence["Connection[Any]"], described: Sequence[Table], *, carried: bool = False
) -> dict[str, Fingerprint]:
    """Fingerprints by name of table. Several sessions share one large table by ranges of its primary key.

    All of them must see the same state of all tables: one snapshot, or READ UNCOMMITTED where nobody writes meanwhile.
    """
    asked = [(t.name, asking(sessions[0], t, len(sessions), carried=carried)) for t in described]
    answers = iter(spread(sessions, [job for _, jobs in asked for job in jobs]))
    return {name: fingerprint(added([next(answers) for _ in jobs])) for name, jobs in asked}


def spread(sessions: Sequence["Connection[Any]"], jobs: Sequence[Callable[["Connection[Any]"], T]]) -> list[T]:
    """Run each job on whichever session is free; answers in the order of `jobs`."""
    free: queue.SimpleQueue[Connection[Any]] = queue.SimpleQueue()
    for session in sessions:
        free.put(session)

    def run(job: Callable[["Connection[Any]"], T]) -> T:
        session = free.get()
        try:
            return job(session)
        finally:
            free.put(session)

    if len(sessions) == 1:
        return [run(job) for job in jobs]
    with ThreadPoolExecutor(len(sessions), thread_name_prefix="contents") as pool:
        return list(pool.map(run, jobs))


def _past(table: Table, *, carried: bool) -> Callable[["Connection[Any]"], Fingerprint]:
    every = f"SELECT {sums(table.history_columns, carried=carried)} FROM {table.full} FOR SYSTEM_TIME ALL"
    return lambda session: fingerprint(rows(session, every)[0], HISTORY_ALGORITHM)


def _table(table: Table, now: Fingerprint | None, history: Fingerprint | None) -> TableContents:
    return TableContents(
        name=table.name,
        rows=None if now is None else now.rows,
        fingerprint=now,
        schema_hash=table.schema_hash,
        key=table.key,
        references=table.references,
        size_bytes=table.size_bytes,
        transactional=table.transactional,
        next_id=table.next_id,
        history=history,
    )

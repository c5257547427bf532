"""Level 4: whether the restored database holds together, and live knows everybody it names."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import pymysql
from pymysql.connections import Connection

from restorekit.engines.mariadb import sandbox
from restorekit.engines.mariadb.connect import quoted, rows
from restorekit.engines.mariadb.contents import spread
from restorekit.engines.mariadb.exchange.accounts import mightier
from restorekit.engines.mariadb.live import Live, reading
from restorekit.engines.mariadb.objects import Definitions, harvest, missing_definers
from restorekit.engines.mariadb.snapshot import snapshot
from restorekit.engines.mariadb.tables import Table, tables
from restorekit.model.database import Where
from restorekit.model.value import Value
from restorekit.model.verdict import Check, Level, Outcome

_DENIED = frozenset({1044, 1142, 1143, 1227})


class _Link(Value):
    """A foreign key: child columns and the parent columns they name, in the same order."""

    name: str
    child: str
    parent_schema: str
    parent: str
    columns: tuple[tuple[str, str], ...]


_MOST_NAMED = 10


def sound(live: Live, where: Where) -> list[Check]:
    """Checks of level 4, in a sandbox or on live. Raises EngineUnavailable."""
    schema = where.schema_name
    with reading(schema), snapshot(live, where, live.settings.workers) as view:
        found = tables(view.session, schema)
        return [
            _files(view.session, found),
            _links(view.sessions, schema),
            _counters(view.session, schema, found),
            _definers(live, view.session, schema),
            _views(live, where, view.session),
        ]


def _check(name: str, problems: Sequence[str], reason: str, hint: str = "") -> Check:
    outcome: Outcome = "failed" if problems else "passed"
    said = f"{len(problems)} problems" + (f"; {hint}" if hint else "") if problems else reason
    return Check(level=Level.SOUND, name=name, outcome=outcome, reason=said, evidence=tuple(problems))


def _files(session: "Connection[Any]", found: Sequence[Table]) -> Check:
    """InnoDB built its indexes a moment ago, in the load; other engines are looked at quickly."""
    name = "integrity of tables"
    others = [t for t in found if not t.transactional]
    if not others:
        reason = "all rows and indexes were written by this load"
        return Check(level=Level.SOUND, name=name, outcome="not_applicable", reason=reason)
    listed = ",".join(t.full for t in others)
    answer = rows(session, f"CHECK TABLE {listed} QUICK")
    problems = [f"{table}: {kind}" for table, _, kind, text in answer if kind.lower() == "error" or text == "Corrupt"]
    return _check(name, problems, f"{len(others)} tables without transactions checked; the others were just written")


def _links(sessions: Sequence["Connection[Any]"], schema: str) -> Check:
    links = _foreign_keys(sessions[0], schema)
    away = [f"{li.child}.{li.name}" for li in links if li.parent_schema != schema]
    inside = [li for li in links if li.parent_schema == schema]
    orphans = spread(sessions, [_orphans(schema, li) for li in inside])
    problems = [
        f"{li.child}.{li.name}: {count} rows name no row of {li.parent}"
        for li, count in zip(inside, orphans, strict=True)
        if count
    ]
    if away and not problems:
        reason = f"the parents of {', '.join(away)} are in another database, which is not here"
        return Check(level=Level.SOUND, name="foreign keys", outcome="skipped", reason=reason)
    hint = "the load ran with foreign key checks off, as dumps do: the rows were orphans in the backup, too"
    return _check("foreign keys", problems, f"{len(inside)} foreign keys without orphans", hint)


def _foreign_keys(session: "Connection[Any]", schema: str) -> list[_Link]:
    sql = (
        "SELECT constraint_name, table_name, referenced_table_schema, referenced_table_name, column_name, "
        "referenced_column_name FROM information_schema.key_column_usage WHERE table_schema=%s "
        "AND referenced_table_name IS NOT NULL ORDER BY table_name, constraint_name, ordinal_position"
    )
    links: dict[tuple[str, str], _Link] = {}
    for name, child, parent_schema, parent, column, other in rows(session, sql, (schema,)):
        known = links.get((child, name))
        columns = (*(known.columns if known else ()), (column, other))
        links[child, name] = _Link(name=name, child=child, parent_schema=parent_schema, parent=parent, columns=columns)
    return list(links.values())


def _orphans(schema: str, link: _Link) -> Callable[["Connection[Any]"], int]:
    """A child with a NULL in its key names nobody. A join looks parents up in order; NOT EXISTS costs twice as much."""
    child, parent = f"{quoted(schema)}.{quoted(link.child)}", f"{quoted(schema)}.{quoted(link.parent)}"
    given = " AND ".join(f"rk_child.{quoted(a)} IS NOT NULL" for a, _ in link.columns)
    same = " AND ".join(f"rk_parent.{quoted(b)}=rk_child.{quoted(a)}" for a, b in link.columns)
    sql = (
        f"SELECT COUNT(*) FROM {child} AS rk_child LEFT JOIN {parent} AS rk_parent ON {same} "
        f"WHERE {given} AND rk_parent.{quoted(link.columns[0][1])} IS NULL"
    )
    return lambda session: int(rows(session, sql)[0][0])


def _counters(session: "Connection[Any]", schema: str, found: Sequence[Table]) -> Check:
    """The next AUTO_INCREMENT or sequence value must be beyond what is used already."""
    sql = (
        "SELECT table_name, column_name, COALESCE(column_default,''), extra LIKE '%%auto_increment%%' "
        "FROM information_schema.columns WHERE table_schema=%s "
        "AND (extra LIKE '%%auto_increment%%' OR column_default LIKE 'nextval(%%')"
    )
    known = {t.name: t for t in found}
    problems = []
    counted = rows(session, sql, (schema,))
    for name, column, default, automatic in counted:
        table = known.get(name)
        if table is None:
            continue
        highest = rows(session, f"SELECT MAX({quoted(column)}) FROM {table.full}")[0][0]
        following = table.next_id if automatic else _next_of(session, default)
        if isinstance(highest, int) and following is not None and following <= highest:
            problems.append(f"{name}.{column}: the next value is in use already")
    return _check("counters", problems, f"{len(counted)} counters stand beyond what is in use")


def _next_of(session: "Connection[Any]", default: str) -> int | None:
    """Where an increasing sequence stands, from a column's default `nextval(…)`."""
    name = default.removeprefix("nextval(").partition(")")[0]
    stands, step = rows(session, f"SELECT next_not_cached_value, increment FROM {name}")[0]
    return int(stands) if int(step) > 0 else None


def _definers(live: Live, session: "Connection[Any]", schema: str) -> Check:
    """Objects run with the rights of their definers: live must know them, or they fail at their first use."""
    name = "definers exist on live"
    definitions = harvest(session, schema)
    try:
        with contextlib.closing(live.connect()) as there:
            missing = missing_definers(there, definitions)
            lent = _lent(there, definitions)
    except pymysql.err.OperationalError as error:
        if error.args[0] not in _DENIED:
            raise
        reason = "the accounts of live may not be read; grant SELECT on mysql.global_priv"
        return Check(level=Level.SOUND, name=name, outcome="skipped", reason=reason)
    hint = "create these accounts on live, or take a backup that names definers; rk_loader stands for none at all"
    return _check(name, missing, f"{len(definitions.stored)} objects, all their definers exist{lent}", hint)


def _lent(there: "Connection[Any]", definitions: Definitions) -> str:
    """The objects that would run on live with more rights than those of their database; somebody should read this."""
    try:
        mighty = mightier(there, (s.definer for s in definitions.stored), frozenset({definitions.schema_name}))
    except pymysql.err.OperationalError:  # without the right to look at grants there is nothing to say
        return ""
    named = [f"{s.title} of {s.definer}" for s in definitions.stored if s.definer in mighty]
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return f"; with rights beyond this database: {', '.join(named[:_MOST_NAMED])}{more}" if named else ""


def _views(live: Live, where: Where, session: "Connection[Any]") -> Check:
    """Each view can be opened. A powerless user asks: customers' functions never run with our rights."""
    sql = "SELECT table_name FROM information_schema.tables WHERE table_schema=%s AND table_type='VIEW'"
    names = [str(name) for (name,) in rows(session, sql, (where.schema_name,))]
    if not names:
        return Check(level=Level.SOUND, name="views", outcome="not_applicable", reason="there are none")
    if where.sandbox is None:
        return Check(level=Level.SOUND, name="views", outcome="skipped", reason="views are opened in a sandbox only")
    problems = []
    with contextlib.closing(sandbox.reader(live.sandbox(where), where.schema_name, timeout_s=10)) as reader:
        for name in names:
            try:
                rows(reader, f"SELECT 1 FROM {quoted(name)} LIMIT 0")
            except pymysql.err.Error as error:
                problems.append(f"view {name}: server error {error.args[0]}")
    return _check("views", problems, f"{len(names)} views can be opened")

"""Choose among the rows that differ, and leave the choice in the sandbox."""

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from restorekit.engines.sqlite import asking, connect, rows
from restorekit.engines.sqlite.delta import findings
from restorekit.engines.sqlite.delta.changeset import hash_of
from restorekit.engines.sqlite.delta.findings import Known
from restorekit.engines.sqlite.delta.picking import Picking
from restorekit.engines.sqlite.delta.relations import Reader, opened
from restorekit.engines.sqlite.delta.shape import Shape
from restorekit.engines.sqlite.delta.telling import told
from restorekit.errors import PreflightRefused, UsageError
from restorekit.model.pick import ChosenTable, Conflict, Pick, Selection
from restorekit.model.shown import Choice, Conditions
from restorekit.ports import Watch

_MOST_SHOWN = 20


def choose(paths: tuple[Path, Path], pick: Pick, conditions: Conditions | None, row_key: bytes, watch: Watch) -> Choice:
    """The choice of `pick` among what the last comparison found. `paths`: the staged database and live.

    `conditions` None: those of the last choice. Raises UsageError, PreflightRefused.
    """
    staged, live = paths
    with opened(staged.parent, staged, live) as connection:
        said = _said(connection, conditions)
        beside = sorted(t for t in said if t and pick.tables is not None and t not in pick.tables)
        if beside:
            raise UsageError(
                f"there is a condition on {beside[0]}, whose rows are not asked for; live is untouched",
                hint="Name that table, too, or leave the condition out.",
            )
        watch.check()
        reader = Reader(connection)
        scope = _scope(connection, pick)
        removing = not pick.keep_new and (pick.rows == "all" or pick.conflicts == "ours")
        relations = reader.read(removing=removing)
        watch.check()
        picking = Picking(relations, pick)
        wanted = {n for n in relations.ops if n[0] in scope and picking.asked(n)}
        for table in scope:
            condition = said.get(table, said.get("", ""))
            if condition.strip():
                kept = _fulfilling(connection, paths, reader, (table, condition))
                wanted = {n for n in wanted if n[0] != table or n[1] in kept}
        picking.run(wanted)
        tables = [_remember(connection, reader, n, picking, row_key) for n in sorted(reader.known)]
        conflicts = told(connection, reader, picking.troubles, _MOST_SHOWN)
    selection = Selection(
        tables=tuple(t for t in tables if t.name in scope or t.writes),
        conflicts=tuple(
            Conflict(table=c.table, key=rows.named(key, row_key), kind=c.kind, by=c.by) for c, key in conflicts
        ),
        conflict_count=len(picking.troubles),
    )
    return Choice(selection, tuple(c for c, _ in conflicts))


def _said(connection: sqlite3.Connection, conditions: Conditions | None) -> Mapping[str, str]:
    """The conditions, kept for the next time; or those of the last time."""
    if conditions is None:
        kept = connection.execute("SELECT conditions FROM said").fetchone()
        return {str(k): str(v) for k, v in json.loads(kept[0]).items()} if kept else {}
    connection.execute("DELETE FROM said")
    connection.execute("INSERT INTO said VALUES (?)", (json.dumps(dict(conditions)),))
    return conditions


def _scope(connection: sqlite3.Connection, pick: Pick) -> list[str]:
    """The tables that the pick is about. Raises PreflightRefused for one that was named and cannot be."""
    known = findings.known(connection)
    against = [known[n] for n in pick.tables or () if n in known and known[n].why_not]
    if against:
        raise PreflightRefused(
            f"rows of {against[0].name} cannot be brought back one by one: {against[0].why_not}; live is untouched",
            hint="Leave this table out, or restore it as a whole.",
        )
    return [n for n, k in known.items() if not k.why_not and (pick.tables is None or n in pick.tables)]


def _fulfilling(
    connection: sqlite3.Connection, paths: tuple[Path, Path], reader: Reader, asked: tuple[str, str]
) -> set[int]:
    """Entries of a table whose row fulfils the condition: the backup's row, or live's if only live has one.

    All rows are asked, by somebody who can only read, so that a condition sees nothing but the table.
    """
    table, condition = asked
    key = reader.shapes[table].key
    with connect.frozen(paths[0]) as staged:
        ours = {rows.encoded(k) for k in asking.fulfilling(staged, table, key, condition)}
    with connect.reader(paths[1]) as live:
        theirs = {rows.encoded(k) for k in asking.fulfilling(live, table, key, condition)}
    names = ", ".join(reader.shapes[table].parts)
    with rows.as_stored(connection):
        entries = connection.execute(f"SELECT n, op, {names} FROM {reader.known[table].found}").fetchall()
    return {n for n, op, *values in entries if rows.encoded(values) in (theirs if bytes(op) == b"D" else ours)}


def _remember(
    connection: sqlite3.Connection, reader: Reader, table: str, picking: Picking, row_key: bytes
) -> ChosenTable:
    """Keep what is chosen of one table, and count."""
    known, shape = reader.known[table], reader.shapes[table]
    chosen = sorted((n, name in picking.pulled) for name in picking.chosen if name[0] == table for n in name[1:])
    findings.create_entries(connection, known.chosen, shape)
    names = ", ".join(("n", "op", "live", "proven", *shape.parts))
    connection.execute("CREATE TEMP TABLE picked (n INTEGER PRIMARY KEY, pulled INTEGER)")
    connection.executemany("INSERT INTO temp.picked VALUES (?, ?)", chosen)
    connection.execute(
        f"INSERT INTO {known.chosen} ({names}, pulled) SELECT {names.replace('n, ', 'p.n, ', 1)}, p.pulled "
        f"FROM temp.picked p CROSS JOIN {known.found} f ON f.n = p.n"
    )
    connection.execute("DROP TABLE temp.picked")
    return _counted(connection, (known, shape), picking, row_key)


def _counted(
    connection: sqlite3.Connection, table: tuple[Known, Shape], picking: Picking, row_key: bytes
) -> ChosenTable:
    known, shape = table
    all_of_it = Counter(dict(connection.execute(f"SELECT op, COUNT(*) FROM {known.found} GROUP BY op")))
    written = Counter(dict(connection.execute(f"SELECT op, COUNT(*) FROM {known.chosen} GROUP BY op")))
    ops = dict(connection.execute(f"SELECT n, op FROM {known.found}"))
    staying = [n for n in picking.out if n[0] == known.name and n not in picking.chosen and ops[n[1]] != "D"]
    return ChosenTable(
        name=known.name,
        insert=written["I"],
        change=written["U"],
        remove=written["D"],
        pulled=sum(n[0] == known.name for n in picking.pulled),
        keep=all_of_it["D"] - written["D"],
        left=all_of_it["I"] + all_of_it["U"] - written["I"] - written["U"],
        skipped=len(staying),
        whole=all_of_it == written,
        keyed=hash_of(connection, known.chosen, shape, row_key),
    )

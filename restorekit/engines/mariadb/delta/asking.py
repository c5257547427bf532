"""Conditions on rows, asked by somebody who can do nothing but read the rows that differ."""

from collections.abc import Mapping, Sequence
from typing import Any

from pymysql.connections import Connection

from restorekit.engines.mariadb import query
from restorekit.engines.mariadb.connect import rows
from restorekit.engines.mariadb.delta import images
from restorekit.engines.mariadb.delta.names import MOST, NOTED, number
from restorekit.engines.mariadb.live import Live
from restorekit.engines.mariadb.tables import Table
from restorekit.errors import ProofFailed, UsageError
from restorekit.model.database import Where
from restorekit.model.shown import Conditions


def conditions(
    session: "Connection[Any]", tables: Sequence[str], scope: Sequence[str], said: Conditions | None
) -> Mapping[str, str]:
    """Conditions by table of `scope`. What was said is kept in the sandbox; None repeats what was said last.

    Raises UsageError for a condition on a table that is not one of `tables`.
    """
    if said is None:
        said = dict(rows(session, f"SELECT name,asked FROM {NOTED}.choice"))
    else:
        if strange := sorted(set(said) - {"", *tables}):
            raise UsageError(
                f"there is a condition on {', '.join(strange)}, and no row is chosen from there; live is untouched",
                hint="Name the table with --only, too.",
            )
        rows(session, f"DELETE FROM {NOTED}.choice")
        for name, text in said.items():
            rows(session, f"INSERT INTO {NOTED}.choice VALUES (%s,%s)", (name, text))
    wanted = {name: said.get(name, said.get("", "")) for name in scope}
    return {name: text for name, text in wanted.items() if text.strip()}


def fulfilled(live: Live, staging: Where, table: Table, condition: str) -> tuple[set[int], set[int]]:
    """Numbers of the findings whose row in the backup fulfils it, and of those whose row in live does.

    Raises UsageError without any value in its text.
    """
    no = number(table.columns)
    answers = []
    for schema in (images.BACK, images.LIVE):
        where = Where(schema_name=schema, sandbox=staging.sandbox)
        try:
            told = query.which(live, where, table.name, no, condition, MOST + 1)
            answers.append({int(n) for n in told if n is not None})
        except ProofFailed as error:
            raise UsageError(
                f"the condition on {table.name} cannot be asked: {error.message}",
                hint="It is SQL about one row of that table, as after WHERE.",
            ) from None
    return answers[0], answers[1]

"""Accounts in a sandbox: one that loads and may touch one schema, and stand-ins for definers that do not exist here.

With SET USER the loader can name any definer, but there is none worth naming: the administrator's name is random,
everybody else can at most read this one schema and cannot log in.
"""

from typing import Any

from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import rows
from restorekit.engines.mariadb.sandbox import schema_pattern

LOADER = "rk_loader"
_READS = "SELECT, EXECUTE, SHOW VIEW"


def let_in(session: "Connection[Any]", schema: str, secret: str) -> None:
    """Make the load account with this password: all rights on the schema, and definers by name."""
    rows(session, f"DROP USER IF EXISTS {LOADER}@localhost")
    rows(session, f"CREATE USER {LOADER}@localhost IDENTIFIED BY %s", (secret,))
    rows(session, f"GRANT ALL PRIVILEGES ON {schema_pattern(schema)}.* TO {LOADER}@localhost")
    rows(session, f"GRANT SET USER ON *.* TO {LOADER}@localhost")


def shut_out(session: "Connection[Any]", schema: str) -> None:
    """Make the load account a stand-in: objects without a definer of their own are its."""
    rows(session, f"ALTER USER {LOADER}@localhost ACCOUNT LOCK")
    rows(session, f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {LOADER}@localhost")
    rows(session, f"GRANT {_READS} ON {schema_pattern(schema)}.* TO {LOADER}@localhost")


def stand_in(session: "Connection[Any]", schema: str, account: tuple[str, str]) -> None:
    """A locked account under a definer's name; reading the schema is all it can do (views need that much)."""
    rows(session, "CREATE USER IF NOT EXISTS %s@%s ACCOUNT LOCK", account)
    rows(session, f"GRANT {_READS} ON {schema_pattern(schema).replace('%', '%%')}.* TO %s@%s", account)


def without_definer(session: "Connection[Any]", schema: str) -> list[str]:
    """One sentence if objects of the schema ended up with the load account as their definer."""
    found = rows(
        session,
        "SELECT COUNT(*) FROM (SELECT definer FROM information_schema.views WHERE table_schema=%s "
        "UNION ALL SELECT definer FROM information_schema.triggers WHERE trigger_schema=%s "
        "UNION ALL SELECT definer FROM information_schema.routines WHERE routine_schema=%s "
        "UNION ALL SELECT definer FROM information_schema.events WHERE event_schema=%s) x WHERE definer=%s",
        (schema,) * 4 + (f"{LOADER}@localhost",),
    )
    count = int(found[0][0])
    return [f"{LOADER}@localhost stands in for {count} objects without a definer"] if count else []

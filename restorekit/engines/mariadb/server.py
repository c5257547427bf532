"""What a server is like, and which databases of customers it has."""

from typing import Any

from pymysql.connections import Connection

from restorekit.engines.mariadb import connect
from restorekit.engines.mariadb.connect import one, rows
from restorekit.engines.mariadb.live import Live, reading
from restorekit.errors import PreflightRefused
from restorekit.model.database import DatabaseId, LiveDatabase

_VARIABLES = (
    "sql_mode",
    "character_set_server",
    "collation_server",
    "lower_case_table_names",
    "explicit_defaults_for_timestamp",
    "innodb_page_size",
    "version",
    "max_allowed_packet",
    "log_bin",
)

_LONGEST_NAME = 64


def settings(live: Live, schema: str) -> dict[str, str]:
    """Live's settings that decide what text, times and names mean; also for a schema that does not exist (yet).

    Raises PreflightRefused for a name that cannot exist.
    """
    if len(schema) > _LONGEST_NAME:
        raise PreflightRefused(
            f"the name {schema} is longer than {_LONGEST_NAME} characters", hint="Choose a shorter one with --as."
        )
    with reading(schema), live.connect() as session:
        found = schema_settings(session, schema)
        if found["log_bin"] == "1":
            found["gtid_binlog_pos"] = str(one(session, "SELECT @@global.gtid_binlog_pos"))
        return found


def schema_settings(session: "Connection[Any]", schema: str) -> dict[str, str]:
    """The same on any session; a schema that does not exist would get the server's character set."""
    answer = rows(session, "SELECT " + ",".join(f"@@global.{name}" for name in _VARIABLES))[0]
    found = {name: str(value) for name, value in zip(_VARIABLES, answer, strict=True)}
    found["time_zone"] = _time_zone(session)
    charset = rows(
        session,
        "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata "
        "WHERE schema_name=%s",
        (schema,),
    )
    own = charset[0] if charset else (found["character_set_server"], found["collation_server"])
    return found | {"schema_charset": str(own[0]), "schema_collation": str(own[1])}


def _time_zone(session: "Connection[Any]") -> str:
    """The server's zone. SYSTEM means nothing elsewhere: its offset of this moment stands for it."""
    zone = str(one(session, "SELECT @@global.time_zone"))
    if zone != "SYSTEM":
        return zone
    with session.cursor() as cursor:
        cursor.execute("SET @rk_zone=@@session.time_zone, SESSION time_zone='SYSTEM'")
        cursor.execute("SELECT TIMESTAMPDIFF(MINUTE, UTC_TIMESTAMP(), NOW())")
        minutes = int(cursor.fetchall()[0][0])
        cursor.execute("SET SESSION time_zone=@rk_zone")
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def databases(live: Live) -> list[LiveDatabase]:
    """All databases of customers with data and index bytes and number of tables; never our own schemas."""
    sql = (
        "SELECT s.schema_name, COALESCE(SUM(t.data_length+t.index_length),0), "
        "COALESCE(SUM(t.table_type IN ('BASE TABLE','SYSTEM VERSIONED')),0) "
        "FROM information_schema.schemata s LEFT JOIN information_schema.tables t ON t.table_schema=s.schema_name "
        "GROUP BY 1 ORDER BY 1"
    )
    with reading("the list of databases"), live.connect() as session:
        return [
            LiveDatabase(database=DatabaseId(engine=live.name, name=name), size_bytes=int(size), tables=int(count))
            for name, size, count in rows(session, sql)
            if name not in connect.SYSTEM_SCHEMAS and not connect.is_own(name)
        ]

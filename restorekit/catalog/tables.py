"""The tables, and the one form in which moments are stored. Tables not named rk_* belong to the workflow engine."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

HEAD = "0002"
"""The newest migration; kept here so that opening an up-to-date database needs no Alembic."""

VERSION_TABLE = "rk_version"


def moment_text(moment: datetime) -> str:
    """YYYY-MM-DDTHH:MM:SS.ffffff+00:00: sorts as text, and is the same on every database and in the audit chain."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


class MomentText(TypeDecorator[datetime]):
    """An aware datetime kept as text in UTC."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> str | None:  # noqa: ARG002
        """Text for the database."""
        return None if value is None else moment_text(value)

    def process_result_value(self, value: str | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        """A datetime in UTC."""
        return None if value is None else datetime.fromisoformat(value)


metadata = MetaData()

points = Table(
    "rk_points",
    metadata,
    Column("id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("consistent_at", MomentText),
    Column("body", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("why", Text, nullable=False),
    # What a run found out about the point; a scan, which only lists, does not overwrite it.
    Column("finding", Text),
    Column("finding_why", Text),
    Column("first_seen_at", MomentText, nullable=False),
    Column("expired_at", MomentText),
    Index("rk_points_by_database", "engine", "name", "consistent_at"),
    Index("rk_points_by_source", "source"),
)

scans = Table(
    "rk_scans",
    metadata,
    Column("source", Text, primary_key=True),
    Column("scanned_at", MomentText, nullable=False),
    Column("body", Text, nullable=False),
)

proofs = Table(
    "rk_proofs",
    metadata,
    Column("point_id", Text, ForeignKey("rk_points.id"), primary_key=True),
    Column("run_id", Text, ForeignKey("rk_runs.id"), primary_key=True),
    Column("level", Integer, nullable=False),
    Column("contents", Text, nullable=False),
    Column("proven_at", MomentText, nullable=False),
)

lineage = Table(
    "rk_lineage",
    metadata,
    Column("engine", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("since", MomentText, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("from_engine", Text),
    Column("from_name", Text),
)

databases = Table(
    "rk_databases",
    metadata,
    Column("engine", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("tables", Integer, nullable=False),
    Column("seen_at", MomentText, nullable=False),
)

runs = Table(
    "rk_runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("target_engine", Text, nullable=False),
    Column("target_name", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("level", Integer),
    Column("point_id", Text),
    Column("failure", Text),
    Column("progress", Text),
    Column("cancel_asked_at", MomentText),
    Column("created_at", MomentText, nullable=False),
    Column("changed_at", MomentText, nullable=False),
    # The newest audit entry about this run: a log whose tail was cut no longer holds it.
    Column("audit_sequence", Integer, nullable=False),
    Index("rk_runs_by_database", "engine", "name", "created_at"),
    Index(
        "rk_one_active_restore",
        "target_engine",
        "target_name",
        unique=True,
        sqlite_where=text("active = 1"),
        postgresql_where=text("active"),
    ),
)

run_values = Table(
    "rk_values",
    metadata,
    Column("run_id", Text, ForeignKey("rk_runs.id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Column("kept_at", MomentText, nullable=False),
)

approvals = Table(
    "rk_approvals",
    metadata,
    Column("audit_sequence", Integer, primary_key=True, autoincrement=False),
    Column("run_id", Text, ForeignKey("rk_runs.id"), nullable=False, index=True),
    Column("body", Text, nullable=False),
)

steps = Table(
    "rk_steps",
    metadata,
    Column("run_id", Text, ForeignKey("rk_runs.id"), primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("step", Text, nullable=False),
    Column("began_at", MomentText, nullable=False),
    Column("ended_at", MomentText),
    Column("outcome", Text, nullable=False),
)

persons = Table(
    "rk_persons",
    metadata,
    Column("ref", Text, primary_key=True),
    Column("name", Text),
    UniqueConstraint("name", name="rk_person_name"),
)

audit = Table(
    "rk_audit",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("door", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("database", Text, nullable=False),
    Column("restore_id", Text, nullable=False),
    Column("shown", Text, nullable=False),
    Column("confirmed", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("rk_audit_by_database", "database"),
    Index("rk_audit_by_restore", "restore_id"),
)

audit_head = Table(
    "rk_audit_head",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("count", Integer, nullable=False),
    Column("hash", Text, nullable=False),
)

logs = Table(
    "rk_logs",
    metadata,
    Column("engine", Text, primary_key=True),
    # Where the next look at the engine's logs goes on; opaque.
    Column("cursor", Text, nullable=False),
    Column("read_at", MomentText, nullable=False),
)

changes = Table(
    "rk_changes",
    metadata,
    Column("engine", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    # Days since 1970-01-01 in UTC, so that a look at a month reads thirty rows.
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

stretches = Table(
    "rk_stretches",
    metadata,
    Column("engine", Text, primary_key=True),
    Column("start", MomentText, primary_key=True),
    Column("until", MomentText, nullable=False),
    Column("coverage", Text, primary_key=True),
    Column("why", Text, nullable=False),
)

states = Table(
    "rk_states",
    metadata,
    Column("engine", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("taken_at", MomentText, primary_key=True),
    Column("origin", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

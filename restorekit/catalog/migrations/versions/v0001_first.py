"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

GENESIS = "0" * 64


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null)


def _number(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=null, autoincrement=False)


def _of_run(table: str, *columns: sa.schema.SchemaItem) -> None:
    op.create_table(table, _text("run_id"), *columns, sa.ForeignKeyConstraint(["run_id"], ["rk_runs.id"]))


def upgrade() -> None:
    _points()
    _names()
    _runs()
    _parts_of_runs()
    _audit()


def _points() -> None:
    op.create_table(
        "rk_points",
        *(_text(name) for name in ("id", "source", "engine", "name")),
        _text("consistent_at", null=True),
        *(_text(name) for name in ("body", "state", "why")),
        *(_text(name, null=True) for name in ("finding", "finding_why")),
        _text("first_seen_at"),
        _text("expired_at", null=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("rk_points_by_database", "rk_points", ["engine", "name", "consistent_at"])
    op.create_index("rk_points_by_source", "rk_points", ["source"])
    scans = (_text("source"), _text("scanned_at"), _text("body"))
    op.create_table("rk_scans", *scans, sa.PrimaryKeyConstraint("source"))


def _names() -> None:
    op.create_table(
        "rk_lineage",
        *(_text(name) for name in ("engine", "name", "since", "owner")),
        *(_text(name, null=True) for name in ("from_engine", "from_name")),
        sa.PrimaryKeyConstraint("engine", "name", "since"),
    )
    op.create_table(
        "rk_databases",
        *(_text(name) for name in ("engine", "name", "host")),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        _number("tables"),
        _text("seen_at"),
        sa.PrimaryKeyConstraint("engine", "name"),
    )


def _runs() -> None:
    op.create_table(
        "rk_runs",
        *(_text(n) for n in ("id", "kind", "engine", "name", "target_engine", "target_name", "request", "state")),
        sa.Column("active", sa.Boolean(), nullable=False),
        _number("level", null=True),
        *(_text(name, null=True) for name in ("point_id", "failure", "progress", "cancel_asked_at")),
        *(_text(name) for name in ("created_at", "changed_at")),
        _number("audit_sequence"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("rk_runs_by_database", "rk_runs", ["engine", "name", "created_at"])
    op.create_index(
        "rk_one_active_restore",
        "rk_runs",
        ["target_engine", "target_name"],
        unique=True,
        sqlite_where=sa.text("active = 1"),
        postgresql_where=sa.text("active"),
    )


def _parts_of_runs() -> None:
    op.create_table(
        "rk_proofs",
        *(_text(name) for name in ("point_id", "run_id")),
        _number("level"),
        *(_text(name) for name in ("contents", "proven_at")),
        sa.ForeignKeyConstraint(["point_id"], ["rk_points.id"]),
        sa.ForeignKeyConstraint(["run_id"], ["rk_runs.id"]),
        sa.PrimaryKeyConstraint("point_id", "run_id"),
    )
    kept = (_text("kind"), _text("body"), _text("kept_at"))
    _of_run("rk_values", *kept, sa.PrimaryKeyConstraint("run_id", "kind"))
    op.create_table(
        "rk_approvals",
        _number("audit_sequence"),
        *(_text(name) for name in ("run_id", "body")),
        sa.ForeignKeyConstraint(["run_id"], ["rk_runs.id"]),
        sa.PrimaryKeyConstraint("audit_sequence"),
    )
    op.create_index("ix_rk_approvals_run_id", "rk_approvals", ["run_id"])
    attempt = (_number("attempt"), _text("step"), _text("began_at"), _text("ended_at", null=True), _text("outcome"))
    _of_run("rk_steps", *attempt, sa.PrimaryKeyConstraint("run_id", "attempt"))


def _audit() -> None:
    op.create_table(
        "rk_persons",
        _text("ref"),
        _text("name", null=True),
        sa.PrimaryKeyConstraint("ref"),
        sa.UniqueConstraint("name", name="rk_person_name"),
    )
    words = ("at", "caller", "door", "verb", "database", "restore_id", "shown", "confirmed", "details")
    op.create_table(
        "rk_audit",
        _number("sequence"),
        *(_text(name) for name in (*words, "previous", "hash")),
        sa.PrimaryKeyConstraint("sequence"),
    )
    op.create_index("rk_audit_by_database", "rk_audit", ["database"])
    op.create_index("rk_audit_by_restore", "rk_audit", ["restore_id"])
    op.create_table("rk_audit_head", _number("one"), _number("count"), _text("hash"), sa.PrimaryKeyConstraint("one"))
    # The head's only row; the chain starts from a hash that no entry can have.
    op.execute(f"INSERT INTO rk_audit_head (one, count, hash) VALUES (1, 0, '{GENESIS}')")

"""What happened to databases: counts by day, how well each stretch is known, states seen."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def upgrade() -> None:
    op.create_table("rk_logs", _text("engine"), _text("cursor"), _text("read_at"), sa.PrimaryKeyConstraint("engine"))
    op.create_table(
        "rk_changes",
        _text("engine"),
        _text("name"),
        sa.Column("day", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("engine", "name", "day"),
    )
    op.create_table(
        "rk_stretches",
        *(_text(name) for name in ("engine", "start", "until", "coverage", "why")),
        sa.PrimaryKeyConstraint("engine", "start", "coverage"),
    )
    op.create_table(
        "rk_states",
        *(_text(name) for name in ("engine", "name", "taken_at", "origin")),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("engine", "name", "taken_at"),
    )

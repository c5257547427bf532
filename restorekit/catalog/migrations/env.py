"""Run by Alembic; the connection, its lock and its transaction are the caller's."""

from typing import Any

from alembic import context

from restorekit.catalog.tables import VERSION_TABLE, metadata


def ours(name: str | None, kind: str, _parent: Any) -> bool:
    """Only rk_* tables; the workflow engine keeps its own beside them and migrates those itself."""
    return kind != "table" or (name or "").startswith("rk_")


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    include_name=ours,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()

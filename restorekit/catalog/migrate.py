"""Alembic, loaded only when tables must change."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from restorekit.catalog.tables import HEAD

PLACE = Path(__file__).with_name("migrations")


def upgrade(connection: Connection) -> None:
    """Bring the tables to HEAD inside the caller's transaction: all or nothing, also when the process dies."""
    config = Config()
    config.set_main_option("script_location", str(PLACE).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)

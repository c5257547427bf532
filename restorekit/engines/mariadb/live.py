"""The live server of one engine, and the way from a `Where` to a session on it or on a sandbox."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymysql.connections import Connection

from restorekit.engines.mariadb import connect
from restorekit.errors import EngineUnavailable
from restorekit.model.database import Where
from restorekit.model.home import Home
from restorekit.model.staged import Sandbox


@dataclass(frozen=True)
class Live:
    """One live server: its name in the configuration, how to reach it, and the house it is served from."""

    name: str
    settings: connect.Settings
    home: Home

    def connect(self, schema: str | None = None) -> "Connection[Any]":
        """A pinned session on live; raises EngineUnavailable."""
        return connect.to_live(self.settings, self.home.base, schema=schema)

    def sandbox(self, where: Where) -> Sandbox:
        """The sandbox in whose folder `where` lies; raises EngineUnavailable for a place on live."""
        if where.sandbox is None:
            raise EngineUnavailable(f"{where.schema_name} lies on {self.name}, not in a sandbox")
        folder = Path(where.sandbox)
        return Sandbox(id=folder.name, engine=self.name, folder=str(folder), schema_name=where.schema_name)

    def where_connect(self, where: Where) -> "Connection[Any]":
        """A pinned session on the server that holds `where` (no schema chosen); raises EngineUnavailable."""
        if where.sandbox is None:
            return self.connect()
        raise EngineUnavailable(f"no way yet into the sandbox {self.sandbox(where).id}")

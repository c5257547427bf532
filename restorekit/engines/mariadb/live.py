"""The live server of one engine, and the way from a `Where` to a session on it or on a sandbox."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
from pymysql.connections import Connection

from restorekit.engines.mariadb import connect, sandbox
from restorekit.errors import EngineUnavailable, Refused, RestorekitError, Temporary
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
        return sandbox.admin(self.sandbox(where))


_GONE = frozenset({0, 1053, 1080, 1152, 1927, 2003, 2006, 2013, 2055})
_DENIED = frozenset({1044, 1045, 1142, 1143, 1227, 1370})
_AGAIN = frozenset({1205, 1213, 1317, 1412, 1969})


@contextlib.contextmanager
def reading(what: str) -> Iterator[None]:
    """Server errors inside become ours: gone (EngineUnavailable), denied (Refused), busy (Temporary), or unexpected.

    Only for statements that change nothing: each message says so.
    """
    try:
        yield
    except pymysql.err.Error as error:
        raise translated(error, what) from error


def translated(error: pymysql.err.Error, what: str) -> RestorekitError:
    """The error of ours that stands for a server's, without any value in its text."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    text = f"{what}: the server answered {number}: {without_values(str(error.args[-1] if error.args else error))}"
    if number in _GONE:
        return EngineUnavailable(f"{text}; nothing was changed", hint="Is the server up? Try again.")
    if number in _DENIED:
        return Refused(f"{text}; nothing was changed", hint="`restorekit doctor` lists the rights that are missing.")
    if number in _AGAIN:
        return Temporary(f"{text}; nothing was changed", hint="Try again.")
    return RestorekitError(f"{text}; nothing was changed")


def without_values(text: str) -> str:
    """A server's message with all that stands in quotes taken out: it may be a customer's value."""
    return re.sub(r"'.*'|\".*\"", "'…'", text, flags=re.DOTALL)

"""The Bacula lab with its catalog in a real PostgreSQL, as directors in production have it.

Two packages that conflict with the installed ones, unpacked by setup/fetch: a library the director loads in place of
the one for SQLite, and the script that makes the tables.

with PostgresLibrary.running() as library:
    library.sql("SELECT JobId, JobStatus FROM Job")
"""

import contextlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from servers.bacula import Library
from servers.bacula_conf import Login, Sizes
from servers.postgres import OS_USER, PostgresServer

UNPACKED = Path(__file__).parents[2] / "build/bacula-pgsql"
DATABASE = "bacula"
DIRECTOR, READER = "bacula", "reader"
PASSWORDS = {DIRECTOR: "of the director", READER: "of the reader"}
_BACKEND = "usr/lib/bacula/libbaccats-postgresql-*.so"
_SCRIPT = "usr/share/bacula-director/make_postgresql_tables"


def lacking() -> str:
    """Why there can be no such director here; empty if there can."""
    if (UNPACKED / "missing").exists():
        return (UNPACKED / "missing").read_text().strip()
    if len(list(UNPACKED.glob(_BACKEND))) != 1 or not (UNPACKED / _SCRIPT).exists():
        return f"{UNPACKED.name} is not unpacked: make fetch-test"
    return ""


class PostgresLibrary(Library):
    """A library whose director keeps its catalog in PostgreSQL. It and restorekit log in with passwords (SCRAM)."""

    def __init__(self, sizes: Sizes | None = None) -> None:
        if why := lacking():
            pytest.skip(why)
        super().__init__(sizes)
        self._server: PostgresServer | None = None
        self._stack = contextlib.ExitStack()

    @property
    def server(self) -> PostgresServer:
        assert self._server is not None, "not started"
        return self._server

    def close(self) -> None:
        super().close()
        self._stack.close()

    # -- catalog ------------------------------------------------------------------------------------------------

    def _login(self) -> Login:
        if self._server is None:
            self._server = self._started()
        return Login(DIRECTOR, PASSWORDS[DIRECTOR], str(self.server.folder))

    def _started(self) -> PostgresServer:
        rules = self.folder / "pg_hba.conf"
        rules.write_text(f"local all {OS_USER} trust\nlocal {DATABASE} {DIRECTOR},{READER} scram-sha-256\n")
        server = self._stack.enter_context(PostgresServer.running(args=(f"hba_file={rules}",)))
        server.folder.chmod(0o755)  # the director is another user than the server
        return server

    def _has_catalog(self) -> bool:
        with self.server.connect() as connection:
            return bool(connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchall())

    def _create_catalog(self) -> None:
        """As Bacula's own scripts do: names of files are bytes, not text."""
        script = (UNPACKED / _SCRIPT).read_text()
        tables = script.partition("<<END-OF-DATA\n")[2].partition("END-OF-DATA")[0]
        with self.server.connect() as connection:
            for user, password in PASSWORDS.items():
                connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{password}'")
            connection.execute(
                f"CREATE DATABASE {DATABASE} OWNER {DIRECTOR} ENCODING SQL_ASCII LOCALE 'C' TEMPLATE template0"
            )
            connection.execute(f"ALTER DATABASE {DATABASE} SET datestyle TO 'ISO, YMD'")
        with self.server.connect(DATABASE) as connection:
            connection.execute(f"GRANT ALL ON SCHEMA public TO {DIRECTOR}")
            connection.execute(f"SET ROLE {DIRECTOR}")
            connection.execute(tables.encode())
            connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER}")

    def _environment(self) -> dict[str, str]:
        """The director finds the backend by a name that is the same for every kind of catalog."""
        (backend,) = UNPACKED.glob(_BACKEND)
        folder = self.folder / "lib"
        if not folder.exists():
            folder.mkdir()
            shutil.copy(backend, folder / backend.name.replace("-postgresql", ""))
        return super()._environment() | {"LD_LIBRARY_PATH": str(folder)}

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask (or change) the catalog; values for each `?`."""
        with self.server.connect(DATABASE) as connection:
            connection.execute("SET client_encoding TO utf8")
            result = connection.execute(query.replace("?", "%s").encode(), values or None)
            return result.fetchall() if result.description else []

    # -- for restorekit -----------------------------------------------------------------------------------------

    def url(self, user: str = READER) -> str:
        """The catalog's address for one who reads it, without a password."""
        return self.server.url(DATABASE).replace(f"{OS_USER}@", f"{user}@")

    def settings(self, **more: Any) -> dict[str, Any]:
        secret = self.folder / "reader.pw"
        secret.write_text(f"{PASSWORDS[READER]}\n")
        secret.chmod(0o600)
        return super().settings(**{"catalog": self.url(), "catalog_password_file": str(secret)} | more)

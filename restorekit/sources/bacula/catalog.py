"""The director's catalog, read only and in short statements.

A reader of a SQLite catalog that keeps a transaction open stalls the whole director (measured: 14 s for 14 s). So
every statement is read to its end at once, outside a transaction, and asks for a bounded number of rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from sqlalchemy import Engine, NullPool, RowMapping, bindparam, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from restorekit.errors import ConfigError, SourceUnavailable
from restorekit.model.home import Home
from restorekit.model.value import Value
from restorekit.sources.bacula.dialects import Dialect, dialect
from restorekit.sources.bacula.settings import BaculaSettings

Row = RowMapping
_BUSY_S = 30
_ROWS = 20_000
"""Rows of File per statement: some tenths of a second."""
_JOBS = 500
"""Ids in one statement."""
_NOT_A_CATALOG = ("no such table", "no such column", "not a database")
_NOT_LET_IN = ("authentication", "no password", "pg_hba.conf", "FATAL: role", 'FATAL: database "')


class Listing(NamedTuple):
    """Rows of `Dialect.jobs`, `parts` and `tapes`."""

    jobs: list[Row]
    parts: list[Row]
    tapes: list[Row]


class Volume(Value):
    """A volume as the catalog remembers it; `slot` and `in_changer` are of the last `update slots`."""

    name: str
    status: str
    enabled: bool
    in_changer: bool
    slot: int
    media_type: str


class Catalog:
    """One catalog. Every method raises SourceUnavailable if it does not answer, ConfigError if it is none."""

    def __init__(self, name: str, settings: BaculaSettings, home: Home) -> None:
        self._key = f"sources.{name}.catalog"
        self._settings, self._home = settings, home

    def __repr__(self) -> str:
        return f"catalog {make_url(self._settings.catalog).render_as_string(hide_password=True)}"

    @cached_property
    def dialect(self) -> Dialect:
        """Which of the three it is."""
        columns = [self._columns(table) for table in ("File", "JobMedia", "Media")]
        found = dialect(columns[0], columns[1], columns[2], postgres=self._url.get_backend_name() == "postgresql")
        if found is None:
            raise ConfigError(f"{self._key}: {self!r} is the catalog of no Bacula and no Bareos that is known")
        return found

    def ask(self, statement: str, **values: Any) -> list[Row]:
        """All rows of one short statement; names of columns as its aliases say, in lower case.

        A sequence among the `values` stands for `IN :name`.
        """
        return self._asked(statement, values)[1]

    def _asked(self, statement: str, values: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
        """Names of columns, and rows."""
        lists: list[Any] = [bindparam(k, expanding=True) for k, v in values.items() if isinstance(v, list | tuple)]
        try:
            with self._engine.connect() as connection:
                result = connection.execute(text(statement).bindparams(*lists), values)
                return list(result.keys()), list(result.mappings())
        except OperationalError as error:
            raise self._refused(error) from error
        except SQLAlchemyError as error:
            raise ConfigError(
                f"{self._key}: {self!r} cannot be asked: {_said(error)}",
                hint="Is it a Bacula or Bareos catalog, and may this user read its tables?",
            ) from error

    def listing(self) -> Listing:
        """All backup jobs and the state of their volumes, without names of files.

        Jobs come first: what a job has written is in the catalog before it is said to have ended well. Three short
        statements, for one that joins them holds the director up (measured: 18 s for 10,000 jobs instead of 0.2).
        """
        return Listing(*(self.ask(asked) for asked in (self.dialect.jobs, self.dialect.parts, self.dialect.tapes)))

    def files(self, jobs: Mapping[int, int]) -> Iterator[Row]:
        """Rows of File of `jobs` (JobId to number of its files), a bounded number per statement."""
        for ids in _batches(jobs):
            after, page = 0, _ROWS
            while page == _ROWS:
                rows = self.ask(self.dialect.files, jobs=ids, after=after, most=_ROWS)
                yield from rows
                page, after = len(rows), rows[-1]["fileid"] if rows else 0

    def pieces(self, jobs: Mapping[int, int]) -> dict[int, list[Row]]:
        """Pieces on volumes per JobId, in the order they were written."""
        found: dict[int, list[Row]] = {}
        for ids in _batches(jobs):
            for row in self.ask(self.dialect.pieces, jobs=ids):
                found.setdefault(row["jobid"], []).append(row)
        return found

    def volumes(self, names: Sequence[str]) -> dict[str, Volume]:
        """The volumes of these names that the catalog knows."""
        rows = (r for ids in _chunks(names) for r in self.ask(self.dialect.volumes, names=ids))
        return {
            r["volume"]: Volume(
                name=r["volume"],
                status=r["vol_status"],
                enabled=r["enabled"] == 1,
                in_changer=bool(r["in_changer"]),
                slot=r["slot"] or 0,
                media_type=r["media_type"],
            )
            for r in rows
        }

    def _columns(self, table: str) -> set[str]:
        return {key.lower() for key in self._asked(f"SELECT * FROM {table} WHERE 1 = 0", {})[0]}

    def _refused(self, error: OperationalError) -> SourceUnavailable | ConfigError:
        said = _said(error)
        if any(words in said for words in _NOT_A_CATALOG):
            return ConfigError(f"{self._key}: {self!r} is the catalog of no Bacula and no Bareos: {said}")
        if any(words in said for words in _NOT_LET_IN):
            return ConfigError(
                f"{self._key}: {self!r} refuses this user: {said}", hint="Check catalog_password_file and the user."
            )
        return SourceUnavailable(
            f"{self!r} does not answer: {said}", hint="Is the server up, the file there? Nothing was changed."
        )

    @cached_property
    def _url(self) -> Any:
        return make_url(self._settings.catalog)

    @property
    def _engine(self) -> Engine:
        """Without a pool: no connection outlives its statement."""
        if self._url.get_backend_name() == "sqlite":
            path = quote(str(self._home.base / Path(self._url.database or "")))
            # mode=ro: never create a file that is not there, never write to one that is.
            return create_engine(f"sqlite:///file:{path}?mode=ro&uri=true&timeout={_BUSY_S}", poolclass=NullPool)
        arguments = {
            "client_encoding": "utf8",
            "connect_timeout": _BUSY_S,
            "options": "-c default_transaction_read_only=on",
        }
        if self._settings.catalog_password_file is not None:
            arguments["password"] = self._password(self._home.base / self._settings.catalog_password_file)
        return create_engine(self._url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=arguments)

    def _password(self, file: Path) -> str:
        try:
            return file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(f"the password file {file} cannot be read: {error.strerror}") from error


def _said(error: SQLAlchemyError) -> str:
    """The driver's own words, one line; never the statement with its values."""
    words = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    return " ".join(words.split())[:300]


def _chunks(names: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(names)
    while some := list(islice(rest, _JOBS)):
        yield some


def _batches(jobs: Mapping[int, int]) -> Iterator[list[int]]:
    """Ids in groups that give about a page of rows together."""
    group: list[int] = []
    rows = 0
    for job, files in jobs.items():
        if group and (rows + files > _ROWS or len(group) == _JOBS):
            yield group
            group, rows = [], 0
        group.append(job)
        rows += files
    if group:
        yield group

"""Which database: always `engine/name`, never the name alone; and where one of its states lies."""

from typing import Self

from restorekit.model.value import Moment, Value


class DatabaseId(Value):
    """Identity of one customer's database."""

    engine: str
    name: str

    def __str__(self) -> str:
        """`engine/name`."""
        return f"{self.engine}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `engine/name`; raises ValueError without exactly one non-empty part on each side."""
        engine, slash, name = text.partition("/")
        if not (slash and engine and name):
            msg = f"{text!r} is not of the form engine/name"
            raise ValueError(msg)
        return cls(engine=engine, name=name)


class Where(Value):
    """One state of a database: a schema on live (`sandbox` None) or in a sandbox folder."""

    schema_name: str
    sandbox: str | None = None


class LiveDatabase(Value):
    """A database as its engine lists it."""

    database: DatabaseId
    size_bytes: int
    tables: int


class Lineage(Value):
    """A dated fact about a name: who owned it from when, and where it lived before."""

    database: DatabaseId
    owner: str
    since: Moment
    moved_from: DatabaseId | None = None


class KnownDatabase(Value):
    """A database that was seen live, owned or backed up at least once; what `find` shows.

    `owner` and `moved_from` come from the newest lineage; `live` is False once its engine no longer lists it.
    """

    database: DatabaseId
    owner: str = ""
    host: str = ""
    live: bool = False
    size_bytes: int | None = None
    tables: int | None = None
    seen_at: Moment | None = None
    moved_from: DatabaseId | None = None
    moved_at: Moment | None = None
    points: int = 0

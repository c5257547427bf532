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

"""What a database holds: one type for manifest, staging and live."""

from typing import Literal

from restorekit.model.value import Moment, Value

Origin = Literal["captured", "witnessed", "first_proof", "measured"]
ObjectKind = Literal["view", "trigger", "procedure", "function", "event", "sequence", "package", "grant", "index"]


class Fingerprint(Value):
    """An order-independent sum over rows, with the name of its algorithm; other names never compare."""

    algorithm: str
    rows: int
    value: str

    def equals(self, other: "Fingerprint") -> bool:
        """True if both are of the same algorithm and equal; raises ValueError for different algorithms."""
        if self.algorithm != other.algorithm:
            msg = f"{self.algorithm} does not compare with {other.algorithm}"
            raise ValueError(msg)
        return self == other


class TableContents(Value):
    """One table. `schema_hash` ignores database name and AUTO_INCREMENT; `next_id` is that counter.

    `history` sums all versions of the rows of a system-versioned table with their times; None for others.
    """

    name: str
    rows: int | None
    fingerprint: Fingerprint | None = None
    schema_hash: str
    key: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    size_bytes: int = 0
    transactional: bool = True
    next_id: int | None = None
    history: Fingerprint | None = None


class ObjectContents(Value):
    """A view, trigger, routine, event or sequence. For sequences `next_value` is state, the hash is the definition."""

    kind: ObjectKind
    name: str
    hash: str
    definer: str = ""
    next_value: int | None = None


class Contents(Value):
    """Tables and objects of one database at one moment, and the settings that decide what its text means."""

    origin: Origin
    taken_at: Moment
    tables: tuple[TableContents, ...]
    objects: tuple[ObjectContents, ...] = ()
    settings: dict[str, str] = {}
    position: str = ""

    def table(self, name: str) -> TableContents | None:
        """The table of that name, or None."""
        return next((t for t in self.tables if t.name == name), None)

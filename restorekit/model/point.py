"""A recovery point: one moment that one source can bring one database to."""

from enum import StrEnum
from typing import Literal

from restorekit.model.database import DatabaseId
from restorekit.model.value import Moment, Value


class Quality(StrEnum):
    """How well `consistent_at` is known."""

    EXACT = "exact"
    BOUNDED = "bounded"
    CLAIMED = "claimed"
    NONE = "none"


class PointState(StrEnum):
    """Whether the point can be used at all."""

    USABLE = "usable"
    EXPIRED = "expired"
    DAMAGED = "damaged"
    SUSPICIOUS = "suspicious"
    AMBIGUOUS = "ambiguous"


Consistency = Literal["snapshot", "per_table", "unknown"]
Format = Literal["sql", "sqlite", "datadir"]
Compression = Literal["none", "gzip", "zstd"]


class RecoveryPoint(Value):
    """One moment that one source can bring one database to.

    `locator` belongs to the source alone (snapshot id, path, byte range); nobody else reads it.
    `consistent_at` is the state the data has; `earliest`/`latest` are its bounds (used at their worst end).
    """

    id: str
    source: str
    medium: str
    database: DatabaseId
    consistent_at: Moment | None
    earliest: Moment | None = None
    latest: Moment | None = None
    quality: Quality
    consistency: Consistency = "unknown"
    format: Format
    compression: Compression = "none"
    size_bytes: int | None = None
    locator: dict[str, str]
    state: PointState = PointState.USABLE
    why: str = ""
    base: str | None = None


class Scan(Value):
    """What one look at a source found.

    `points` are new or changed; `gone` are native ids known before and no longer there; `problems` are
    sentences about what could not be read (shown, never dropped); `unparsed` counts names no layout fits.
    """

    source: str
    scanned_at: Moment
    points: tuple[RecoveryPoint, ...] = ()
    gone: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    unparsed: int = 0

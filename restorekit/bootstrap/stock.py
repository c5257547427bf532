"""What an inventory says: each database with its points, gaps in their series, and totals that add up."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from restorekit.bootstrap.series import Gap
from restorekit.model.database import DatabaseId, LiveDatabase
from restorekit.model.point import PointState, RecoveryPoint


@dataclass(frozen=True)
class Stock:
    """One database in the inventory: live or not, the points that its present owner may see, and the newest ones.

    `others` counts points under its name that are of an owner before, `inherited` those of a name it had before.
    """

    database: DatabaseId
    customer: str
    live: LiveDatabase | None
    points: tuple[RecoveryPoint, ...]
    newest: datetime | None
    newest_proven: datetime | None
    best_level: int | None
    gaps: tuple[Gap, ...] = ()
    others: int = 0
    inherited: int = 0

    @property
    def sources(self) -> dict[str, int]:
        """Points by source."""
        return dict(sorted(Counter(p.source for p in self.points).items()))


@dataclass(frozen=True)
class Inventory:
    """All databases and points; `problems` say what could not be read, `unparsed` counts names no layout fits."""

    stocks: tuple[Stock, ...]
    points: tuple[RecoveryPoint, ...] = ()
    problems: tuple[str, ...] = ()
    unparsed: int = 0
    scanned: dict[str, int] = field(default_factory=dict)

    @property
    def orphans(self) -> tuple[Stock, ...]:
        """Databases that have points but are not live."""
        return tuple(s for s in self.stocks if s.live is None)

    @property
    def bare(self) -> tuple[Stock, ...]:
        """Live databases without a usable point."""
        return tuple(s for s in self.stocks if s.live is not None and not usable(s.points))

    @property
    def totals(self) -> dict[str, int]:
        """Databases: live and orphans; live: with_points and without_points; points: usable and unusable.

        Each point counts once, under the name it was taken of.
        """
        live, good = len(self.stocks) - len(self.orphans), len(usable(self.points))
        return {
            "databases": len(self.stocks),
            "live": live,
            "with_points": live - len(self.bare),
            "without_points": len(self.bare),
            "orphans": len(self.orphans),
            "points": len(self.points),
            "usable": good,
            "unusable": len(self.points) - good,
        }


def usable(points: Iterable[RecoveryPoint]) -> list[RecoveryPoint]:
    """Those that are in their source, whole and of a known database."""
    return [p for p in points if p.state == PointState.USABLE]

"""One plan for a tape library across everything that waits for it."""

from typing import Literal

from restorekit.model.readiness import Piece
from restorekit.model.value import Moment, Value

Priority = Literal["customer", "drill"]


class TapeWish(Value):
    """Something that waits for tapes: `id` is its restore's, `pieces` are read in order, by one drive."""

    id: str
    pieces: tuple[Piece, ...]
    arrived_at: Moment
    priority: Priority = "customer"


class Drive(Value):
    """A drive: the volume in it ("" for none), and in how many seconds the job that has it will be done (0: free).

    `coming` are the volumes that this job will still put in. A job that is late is not done: that drive is not free.
    """

    volume: str = ""
    free_in_s: float = 0.0
    coming: tuple[str, ...] = ()


class Turn(Value):
    """One job for the library: whose, in which drive, from when to when (seconds from now), with how many mounts."""

    ids: tuple[str, ...]
    drive: int
    volumes: tuple[str, ...]
    mounts: int
    starts_s: float
    ends_s: float


class TapePlan(Value):
    """Turns in the order of their beginning. `waiting` are ids whose volumes are not in the library, with those."""

    turns: tuple[Turn, ...] = ()
    waiting: dict[str, tuple[str, ...]] = {}
    mounts: int = 0

    def turn(self, wish_id: str) -> Turn | None:
        """The turn in which that wish is served; None where it waits for somebody."""
        return next((t for t in self.turns if wish_id in t.ids), None)

    def place(self, wish_id: str) -> int | None:
        """How many turns begin before it, plus one."""
        return next((n for n, t in enumerate(self.turns, 1) if wish_id in t.ids), None)

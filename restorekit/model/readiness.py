"""What stands between a recovery point and its bytes: nothing, a tape that must be read, a thaw, an operator."""

from typing import Literal

from restorekit.model.value import Moment, Value

Ready = Literal["ready", "cold", "thawing", "on_tape", "operator"]


class Piece(Value):
    """A stretch of a volume that has to be read for a point.

    `start` and `end` are positions on the volume: they sort, nothing else. `in_library` is False for a volume that
    somebody has to bring.
    """

    volume: str
    start: int
    end: int
    size_bytes: int | None = None
    in_library: bool = True


class Library(Value):
    """A tape library as it is now. `drives` has one entry per drive: the volume in it, or "" for an empty one."""

    name: str
    drives: tuple[str, ...]


class Way(Value):
    """One way to warm a point: how long it takes and what it costs, as far as anybody can say beforehand."""

    name: str
    low_s: float
    high_s: float
    cost: float | None = None
    currency: str = "USD"
    words: str = ""

    @property
    def said(self) -> str:
        """`standard: 3 to 5 h, about 0.05 USD (an estimate)`."""
        size, unit = (3600, "h") if self.high_s >= 3600 else (60, "min")
        cost = "" if self.cost is None else f", about {self.cost:.2f} {self.currency}"
        if self.cost is not None and self.cost < 0.005:
            cost = f", less than 0.01 {self.currency}" if self.cost else ", at no cost"
        more = f" ({self.words})" if self.words else ""
        return f"{self.name}: {self.low_s / size:g} to {self.high_s / size:g} {unit}{cost}{more}"


class Readiness(Value):
    """Whether the bytes of a point can be delivered now, and if not, what they wait for.

    `ready`: deliver it. `cold`: nothing was asked for yet; `ways` are the choices. `thawing`: asked for, wait.
    `on_tape`: needs a drive of `library` to read `pieces`, in order. `operator`: a person must do what `notice` says.

    `why` is a sentence for people. `again_s`: it is useless to ask again earlier. `ready_at`: when it should be ready,
    `until`: how long it then stays so, where anybody knows.
    """

    state: Ready
    why: str = ""
    notice: str = ""
    ways: tuple[Way, ...] = ()
    library: Library | None = None
    pieces: tuple[Piece, ...] = ()
    again_s: float = 60
    ready_at: Moment | None = None
    until: Moment | None = None


READY = Readiness(state="ready")

"""What a restore waits for before it can be staged: a drive, a thaw, a person."""

from restorekit.model.locale import Locale
from restorekit.model.point import RecoveryPoint
from restorekit.model.readiness import Readiness, Way
from restorekit.model.value import Moment, Value


class Waiting(Value):
    """How the medium answered last, and when to ask it again.

    `place` in the queue of its tape library counts from 1; `early_at`/`late_at` bound when the bytes should be there,
    where anybody can say. `host`: whose worker looks after it. `along`: points of others that its job reads as well.
    `words` is the sentence for people; `told` the last notice that somebody was sent.
    """

    readiness: Readiness
    host: str
    since: Moment
    again_at: Moment
    place: int | None = None
    early_at: Moment | None = None
    late_at: Moment | None = None
    words: dict[Locale, str] = {}
    told: str = ""
    along: tuple[RecoveryPoint, ...] = ()


class Warming(Value):
    """The part of a plan that says what has to happen before its point can be read.

    `way` is the one that was chosen of `ways`; "" where nobody chose yet and something has to be paid for.
    """

    words: dict[Locale, str]
    ways: tuple[Way, ...] = ()
    way: str = ""
    notice: str = ""
    low_s: float = 0
    high_s: float = 0

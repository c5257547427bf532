"""What somebody asked for."""

from typing import Literal

from restorekit.model.database import DatabaseId
from restorekit.model.difference import Wanted
from restorekit.model.locale import Locale
from restorekit.model.value import Moment, Value

Until = Literal["staged", "verified", "diff", "swapped"]
Role = Literal["as_of", "must_contain", "before_damage"]


class Wish(Value):
    """The moment that is wanted: the state at `at`, or that contains it, or from before it.

    A vague wish is an interval [start, end) besides; `at` is then its safe end (`must_contain`, `as_of`: the end;
    `before_damage`: the start), until a plan knows better from what happened inside.
    """

    at: Moment
    role: Role = "as_of"
    words: str = ""
    start: Moment | None = None
    end: Moment | None = None


class Act(Value):
    """Who does something, through which door, and what was shown and confirmed; lands in the audit log."""

    caller: str
    door: Literal["cli", "api", "agent", "worker", "portal"]
    verb: str
    database: str = ""
    restore_id: str = ""
    shown: str = ""
    confirmed: str = ""
    details: dict[str, str] = {}


class Request(Value):
    """A restore of one database, whole or some tables; `target` differs when restored under another name.

    `tolerance_s`: how much loss somebody said not to mind; only that much may a proven point be older than another.
    `said_at`: when the words were said, if not now; what happened later is not looked at. `locale`: the language of
    reasons and options. `way`: how a frozen point is to be thawed, one of those its source offers. `method`: how
    tables are to become the proven ones, if the plan may not choose.
    """

    database: DatabaseId
    target: DatabaseId
    wishes: tuple[Wish, ...] = ()
    point_id: str | None = None
    tolerance_s: float = 0
    said_at: Moment | None = None
    locale: Locale = "en"
    tables: tuple[str, ...] | None = None
    until: Until = "swapped"
    requested_by: str
    reason: str = ""
    way: str = ""
    method: Wanted | None = None

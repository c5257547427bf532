"""What somebody asked for."""

from typing import Literal

from restorekit.model.database import DatabaseId
from restorekit.model.value import Moment, Value

Until = Literal["staged", "verified", "diff", "swapped"]
Role = Literal["as_of", "must_contain", "before_damage"]


class Wish(Value):
    """The moment that is wanted: the state at `at`, or that contains it, or from before it."""

    at: Moment
    role: Role = "as_of"
    words: str = ""


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
    """A restore of one database, whole or some tables; `target` differs when restored under another name."""

    database: DatabaseId
    target: DatabaseId
    wishes: tuple[Wish, ...] = ()
    point_id: str | None = None
    tables: tuple[str, ...] | None = None
    until: Until = "swapped"
    requested_by: str
    reason: str = ""

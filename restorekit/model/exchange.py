"""The order to make a proven database live, and what an exchange did."""

from typing import Literal

from restorekit.model.contents import Contents
from restorekit.model.database import Where
from restorekit.model.difference import TableAction
from restorekit.model.pick import Selection
from restorekit.model.plan import Policy
from restorekit.model.value import Moment, Value


class Finding(Value):
    """Something preflight or doctor saw: refuse (permanent), wait (temporary), warn, or ok."""

    severity: Literal["refuse", "wait", "warn", "ok"]
    code: str
    text: str
    hint: str = ""


class ExchangeOrder(Value):
    """All an engine needs to make the staged database live. Names derive from `id`; running it twice is safe.

    `proven` is what verification measured in staging; `live` what live held when the difference was shown
    (None: the target did not exist). Actions named `same` are listed, too, and left alone.

    `selection` are the rows of tables of method `delta`, as the last choice left them in the sandbox. With the `gate`
    closed a `whole` one is proven by its fingerprint inside the transaction, all others by row; `open`: writers are
    not held back at all, every row is proven by itself, and no table has another method than `delta` or `same`.
    """

    id: str
    target: str
    staging: Where
    actions: tuple[TableAction, ...]
    objects: bool
    proven: Contents
    live: Contents | None
    policy: Policy
    accept_changes: bool = False
    selection: Selection | None = None
    gate: Literal["closed", "open"] = "closed"


class Promoted(Value):
    """The proven tables carried beside live, fingerprinted again there."""

    order_id: str
    holding: Where
    contents: Contents
    promoted_at: Moment
    duration_s: float


class SlippedTable(Value):
    """Writes that reached live between the shown difference and the gate; kept in the undo copy, never lost unnamed."""

    name: str
    live_rows_shown: int | None
    live_rows_found: int | None
    note: str


class Applied(Value):
    """What was done to the rows of one table. `moved` ones had changed since they were shown, and stay as they were.

    `keyed` is a keyed hash over all rows written, with what they are now.
    """

    name: str
    inserted: int = 0
    changed: int = 0
    removed: int = 0
    moved: int = 0
    keyed: str = ""


class Exchanged(Value):
    """What a swap (or an undo) did: the names that now hold the other side, and how long writers were blocked."""

    order_id: str
    target: str
    undo: Where
    undo_contents: Contents
    actions: tuple[TableAction, ...]
    created: bool
    gate: Literal["schema_revoke", "account_lock", "optimistic", "file_lock", "row_locks", "none"]
    slipped: tuple[SlippedTable, ...] = ()
    blocked_s: float
    exchanged_at: Moment
    notes: tuple[str, ...] = ()
    applied: tuple[Applied, ...] = ()


class Settled(Value):
    """An unfinished exchange that was found and finished or taken back."""

    order_id: str
    target: str
    outcome: Literal["finished", "taken_back"]
    exchanged: Exchanged | None = None
    note: str = ""

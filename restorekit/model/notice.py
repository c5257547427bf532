"""Something a person has to know or do."""

from typing import Literal

from restorekit.model.database import DatabaseId
from restorekit.model.value import Moment, Value


class Notice(Value):
    """`operator`: somebody must do what `text` says, or the restore goes on waiting."""

    kind: Literal["operator"]
    restore_id: str
    database: DatabaseId
    text: str
    at: Moment

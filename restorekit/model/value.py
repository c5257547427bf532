"""The base of every value: frozen, closed, with a stable digest."""

import hashlib
import json
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        msg = "a time without zone is not accepted"
        raise ValueError(msg)
    return moment


Moment = Annotated[datetime, AfterValidator(_aware)]
"""A datetime that always carries its zone."""


class Value(BaseModel):
    """A frozen value; unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the canonical JSON; equal values have equal digests."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

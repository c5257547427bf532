"""The ways out of the archive classes of S3: how long each takes and what it costs, as far as anybody can say before.

Times and prices are those Amazon publishes (prices: us-east-1); `thaw.prices` replaces what is different elsewhere.
"""

import math
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from restorekit.model.duration import Seconds
from restorekit.model.readiness import Way
from restorekit.model.value import Value

Archive = Literal["GLACIER", "DEEP_ARCHIVE", "ARCHIVE_ACCESS", "DEEP_ARCHIVE_ACCESS"]
"""Where an object is frozen: two storage classes, and two tiers of INTELLIGENT_TIERING."""
Tier = Literal["expedited", "standard", "bulk"]

_GB = 1 << 30
_HOUR = 3600.0
_DAY_S = 86400
_EXPEDITED_BYTES = 250 * 10**6
_EXPEDITED_RATE = 300 * 10**6
"""Expedited: minutes up to so many bytes, so many bytes per second for the rest."""


class Price(Value):
    """What S3 takes per GB thawed and per 1000 requests."""

    per_gb: float = Field(default=0, ge=0)
    per_1000: float = Field(default=0, ge=0)


class _Terms(NamedTuple):
    """Published time range in seconds (0: only the end is named) and price."""

    low_s: float
    high_s: float
    price: Price


_EXPEDITED = _Terms(60, 300, Price(per_gb=0.03, per_1000=10))
_TERMS: dict[Archive, dict[Tier, _Terms]] = {
    "GLACIER": {
        "expedited": _EXPEDITED,
        "standard": _Terms(3 * _HOUR, 5 * _HOUR, Price(per_gb=0.01, per_1000=0.05)),
        "bulk": _Terms(5 * _HOUR, 12 * _HOUR, Price()),
    },
    "DEEP_ARCHIVE": {
        "standard": _Terms(0, 12 * _HOUR, Price(per_gb=0.02, per_1000=0.10)),
        "bulk": _Terms(0, 48 * _HOUR, Price(per_gb=0.0025, per_1000=0.025)),
    },
    "ARCHIVE_ACCESS": {
        "expedited": _EXPEDITED,
        "standard": _Terms(3 * _HOUR, 5 * _HOUR, Price()),
        "bulk": _Terms(5 * _HOUR, 12 * _HOUR, Price()),
    },
    "DEEP_ARCHIVE_ACCESS": {
        "standard": _Terms(0, 12 * _HOUR, Price()),
        "bulk": _Terms(0, 48 * _HOUR, Price()),
    },
}
"""Expedited is not to be had out of the deep ones."""


class ThawSettings(BaseModel):
    """How objects are thawed.

    They stay readable for `days`, and longer when less than `margin` of it is left; S3 is asked every `poll`.
    Where there is no capacity for `expedited`, `expedited_fallback` takes `standard` instead and says so.
    """

    model_config = ConfigDict(extra="forbid")

    days: int = Field(default=5, ge=1)
    margin: Seconds = _DAY_S
    poll: Seconds = Field(default=900, ge=1)
    expedited_fallback: bool = True
    currency: str = "USD"
    prices: dict[Archive, dict[Tier, Price]] = {}

    @model_validator(mode="after")
    def _worth_it(self) -> "ThawSettings":
        if self.margin >= self.days * _DAY_S:
            msg = "margin must be shorter than days: each look would ask for another thaw"
            raise ValueError(msg)
        for archive, tiers in self.prices.items():
            if unknown := tiers.keys() - _TERMS[archive].keys():
                msg = f"prices.{archive}: S3 has no {', '.join(unknown)} thaw there"
                raise ValueError(msg)
        return self


def ways(archive: Archive, size: int, settings: ThawSettings) -> tuple[Way, ...]:
    """What can be asked for to thaw `size` bytes, the fastest first."""
    return tuple(_way(tier, terms, archive, size, settings) for tier, terms in _TERMS[archive].items())


def _way(tier: Tier, terms: _Terms, archive: Archive, size: int, settings: ThawSettings) -> Way:
    price = settings.prices.get(archive, {}).get(tier, terms.price)
    cost = price.per_gb * size / _GB + price.per_1000 / 1000
    high_s = terms.high_s
    if tier == "expedited":
        high_s += max(0, size - _EXPEDITED_BYTES) / _EXPEDITED_RATE
        high_s = 60.0 * math.ceil(high_s / 60)
    words = f"an estimate by the price list, for {_amount(size)}"
    return Way(name=tier, low_s=terms.low_s, high_s=high_s, cost=cost, currency=settings.currency, words=words)


def span(low_s: float, high_s: float) -> str:
    """`3 to 5 hours`, or `up to 12 hours` where only the end is known."""
    unit, name = (_HOUR, "hours") if high_s >= 2 * _HOUR else (60.0, "minutes")
    low, high = low_s / unit, high_s / unit
    return f"{low:.0f} to {high:.0f} {name}" if low_s else f"up to {high:.0f} {name}"


def _amount(size: int) -> str:
    for unit, name in ((_GB, "GB"), (1 << 20, "MB"), (1 << 10, "KB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"

"""The languages in which customers are spoken to."""

from typing import Literal

Locale = Literal["de", "en"]

"""Durations as people write them in configuration."""

import re
from typing import Annotated

from pydantic import BeforeValidator

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(value: object) -> object:
    """`7d`, `72h`, `10m`, `5s` or plain seconds."""
    if isinstance(value, str):
        match = re.fullmatch(r"(\d+)\s*([smhd])", value.strip())
        if match is None:
            msg = f"{value!r} is not a duration like 5s, 10m, 72h or 7d"
            raise ValueError(msg)
        return int(match.group(1)) * _UNITS[match.group(2)]
    return value


Seconds = Annotated[int, BeforeValidator(_seconds)]
"""A number of seconds that configuration may write as `5s`, `10m`, `72h` or `7d`."""

"""Values of customers, for people: by default only their shape."""

from typing import Any

_LONGEST = 40


def cell(value: Any, *, reveal: bool) -> str:
    """The value, or its shape: letters become x, digits 0; NULL stays visible."""
    if value is None:
        return "NULL"
    text = f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
    if reveal:
        return text
    masked = "".join("0" if c.isdigit() else "x" if c.isalpha() else c for c in text[: _LONGEST + 1])
    return masked if len(masked) <= _LONGEST else f"{masked[:_LONGEST]}…"

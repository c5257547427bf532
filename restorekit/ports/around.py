"""What every room may ask of its surroundings: the time, and whether to stop."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The time, always aware."""

    def now(self) -> datetime:
        """Now, with a zone."""
        ...


class Watch(Protocol):
    """How a long operation tells how far it is and learns that it should stop."""

    def progress(self, phase: str, done: int, total: int | None, unit: str = "bytes") -> None:
        """Report; cheap enough to call per chunk."""
        ...

    def check(self) -> None:
        """Raise `Cancelled` if somebody asked for it."""
        ...

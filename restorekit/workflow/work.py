"""What a worker is given: recipes made of steps, and whom to tell."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from restorekit.errors import RestorekitError
from restorekit.model.run import Failure


class Step(Protocol):
    """What a recipe gets: runs a body once and remembers its answer."""

    def __call__(self, name: str, body: Callable[[], str | None]) -> str | None:
        """The body's answer, from memory if it is recorded. Raises the RestorekitError that the body raised."""
        ...


Recipe = Callable[[str, Step], None]


@dataclass(frozen=True)
class Work:
    """What a worker can do: recipes by kind.

    `failed` is told the run and why when a recipe raised; it must bear being told twice. `first` is called by each new
    worker before any recipe runs; `wake` about every second: it orders again what has waited long enough, given
    what tells the ids of runs that have an unfinished order.
    `stopping` is set while the worker stops: long bodies should look at it (through
    their Watch) and raise anything; nothing of it is recorded. `attempts` bounds how often the process may die under a
    run (whoever's fault) before that is given up as failed.
    """

    recipes: Mapping[str, Recipe]
    failed: Callable[[str, Failure], None]
    first: Callable[[], None] = lambda: None
    wake: Callable[[Callable[[], set[str]]], None] = lambda _: None
    attempts: int = 100
    stopping: threading.Event = field(default_factory=threading.Event)


class Unsettled(BaseException):
    """Raised by a body that cannot say now how its effect ended: nothing is recorded, the next worker asks again.

    Not an Exception on purpose: nobody may take it for an answer.
    """

    def __init__(self, why: RestorekitError) -> None:
        """`why` is what the command that followed the run ends with."""
        super().__init__(why.message)
        self.why = why

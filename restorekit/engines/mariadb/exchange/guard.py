"""Our side of the dead-man: started before the gate closes, told when the exchange has ended."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

from restorekit import shell
from restorekit.engines.mariadb.live import Live
from restorekit.errors import EngineUnavailable
from restorekit.model.value import Value

READY = b"ready\n"
DONE = b"done\n"
_START_S = 20.0


class Errand(Value):
    """What the second process is told; a password stays in its file."""

    name: str
    settings: dict[str, Any]
    home: dict[str, Any]
    order_id: str
    dead_man_s: float


@contextlib.contextmanager
def watching(live: Live, order_id: str, dead_man_s: float) -> Iterator[Callable[[], None]]:
    """Inside, a second process watches over this one until the function given is called.

    Left without that call, it looks what state live is in. Raises EngineUnavailable if it cannot be started.
    """
    errand = Errand(
        name=live.name,
        settings=live.settings.model_dump(mode="json"),
        home=live.home.model_dump(mode="json", exclude={"row_key"}),
        order_id=order_id,
        dead_man_s=dead_man_s,
    )
    argv = [sys.executable, "-m", "restorekit.engines.mariadb.exchange.deadman"]
    with shell.companion(shell.Spec(argv)) as other:
        other.send(errand.model_dump_json().encode() + b"\n")
        if other.line(_START_S) != READY:
            raise EngineUnavailable("the second process that guards the gate did not start; live is untouched")
        yield lambda: other.send(DONE)

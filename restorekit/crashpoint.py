"""Named places where a test may kill the process, between "done" and "recorded".

In production the environment variable is unset and a call costs one dictionary look-up.
"""

import os
import signal
from pathlib import Path


def here(name: str) -> None:
    """Kill this process with SIGKILL if `RESTOREKIT_CRASH_AT` is `name` (once, if a stamp folder is given).

    `RESTOREKIT_CRASH_ONCE` names a folder; a stamp in it keeps the rerun from dying at the same place.
    """
    if os.environ.get("RESTOREKIT_CRASH_AT") != name:
        return
    folder = os.environ.get("RESTOREKIT_CRASH_ONCE")
    if folder:
        stamp = Path(folder) / f"crashed.{name}"
        try:
            stamp.touch(exist_ok=False)
        except FileExistsError:
            return
    os.kill(os.getpid(), signal.SIGKILL)

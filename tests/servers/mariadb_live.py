"""A running test server as the product sees it."""

import atexit
import functools
import shutil
from pathlib import Path
from typing import Any

from servers.mariadb import LiveServer, server_folder

from restorekit.engines.mariadb.connect import Settings
from restorekit.engines.mariadb.live import Live
from restorekit.model.home import Home


@functools.cache
def cache() -> Path:
    """Templates of sandboxes, made once per test run."""
    folder = server_folder("rk-cache-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def live_on(server: LiveServer, **settings: Any) -> Live:
    """The engine `db1` on this server; its house lies in the server's folder."""
    base = server.folder
    home = Home(staging=base / "staging", cache=cache(), base=Path("/"), timezone="UTC", row_key=b"a key of this house")
    return Live("db1", Settings(socket=server.socket, **settings), home)


class Quiet:
    """A watch that nobody looks at."""

    def progress(self, phase: str, done: int, total: int | None, unit: str = "bytes") -> None:
        pass

    def check(self) -> None:
        pass

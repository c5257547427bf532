"""mariadb-dump as a child process: how it logs in, what it is told, what its end means."""

import re
from collections.abc import Sequence
from typing import Any

import pymysql

from restorekit import shell
from restorekit.engines.mariadb import connect
from restorekit.engines.mariadb import sandbox as sandboxes
from restorekit.engines.mariadb.live import Live, translated
from restorekit.errors import DumpIncomplete, EngineUnavailable
from restorekit.model.database import Where

COMPLETE = b"-- Dump completed"
_OPTIONS = (
    "--single-transaction",
    "--routines",
    "--triggers",
    "--events",
    "--hex-blob",
    "--default-character-set=utf8mb4",
    "--max-allowed-packet=1G",
    "--dump-date",
    "--no-tablespaces",
)
_NOT_FOUND = 127
_NUMBER = re.compile(r"[Ee]rror:? (\d+)")


def spec(live: Live, where: Where, *, versioned: bool, options: Sequence[str] = ()) -> shell.Spec:
    """The process that writes `where` to its standard output; secrets travel by descriptor."""
    words = [*_OPTIONS, *(["--dump-history"] if versioned else []), *options, "--", where.schema_name]
    return shell.Spec(
        # only this file: an admin's own options must not change what a dump holds
        [live.settings.dump, "--defaults-file={fd:login}", *words],
        secrets={"login": _login(live, where)},
        env={"TZ": live.home.timezone},  # the clock of the trailer, which sources read in the zone of the house
    )


def _login(live: Live, where: Where) -> bytes:
    if where.sandbox is not None:
        marker = sandboxes.running_marker(live.sandbox(where))
        return _client_section({"socket": marker.socket, "user": marker.admin, "password": marker.password})
    settings = live.settings
    place: dict[str, Any] = {"host": settings.host or "127.0.0.1", "port": settings.port}
    if settings.socket is not None:
        place = {"socket": live.home.base / settings.socket}
    secret = connect.password(settings, live.home.base)
    return _client_section({**place, "user": settings.user, "password": secret})


def _client_section(entries: dict[str, Any]) -> bytes:
    lines = ["[client]"]
    for name, value in entries.items():
        text = str(value).replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'{name}="{text}"')
    return ("\n".join(lines) + "\n").encode()


def judge(done: shell.Done, tail: bytes, schema: str) -> None:
    """Raise unless the dump ended well: its exit code, and its own last line."""
    if done.returncode == _NOT_FOUND:
        raise EngineUnavailable(f"cannot start {done.argv[0]}", hint="apt-get install mariadb-client")
    if done.returncode:
        number = _NUMBER.search(done.stderr)
        raise translated(
            pymysql.err.OperationalError(int(number.group(1)) if number else -1, done.stderr[-300:]),
            f"the dump of {schema} ended with exit code {done.returncode}",
        )
    if COMPLETE not in tail:
        raise DumpIncomplete(f"the dump of {schema} has no end marker; live is untouched", hint="Capture it again.")

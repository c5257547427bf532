"""What doctor says about one MariaDB server: tools, rights, settings, and what each missing one makes impossible."""

import contextlib
import re
import time
from collections.abc import Iterator
from typing import Any

import pymysql
from pymysql.connections import Connection

from restorekit import shell
from restorekit.engines.mariadb.connect import one, rows
from restorekit.engines.mariadb.live import Live, without_values
from restorekit.errors import ConfigError, EngineUnavailable
from restorekit.model.exchange import Finding

_RIGHTS = {
    "SELECT": "nothing can be read: no inventory, no fingerprints, no difference",
    "SHOW VIEW": "views are neither captured nor swapped",
    "TRIGGER": "triggers are neither captured nor swapped",
    "EVENT": "events are neither captured nor swapped",
    "LOCK TABLES": "no consistent capture on a server without a binary log and without RELOAD",
    "RELOAD": "no lease against a running backup; capture holds the writers of its database instead",
    "BINLOG MONITOR": "the binary logs are not found: what happened to a database, and when, is not known",
    "PROCESS": "sessions of customers and long transactions are not seen before a swap",
    "CREATE": "no holding copy beside live: no swap",
    "DROP": "no swap, no undo, no retire",
    "ALTER": "no swap",
    "INDEX": "no swap",
    "INSERT": "no holding copy beside live: no swap",
    "UPDATE": "no marker of a running swap: no swap",
    "DELETE": "no marker of a running swap: no swap",
    "REFERENCES": "tables with foreign keys cannot be swapped",
    "CREATE VIEW": "views cannot be recreated",
    "CREATE ROUTINE": "routines cannot be recreated",
    "ALTER ROUTINE": "routines cannot be recreated",
    "EXECUTE": "views that call routines cannot be recreated",
    "CREATE USER": "accounts cannot be locked during a swap, and no account for the check after it can be made",
    "CONNECTION ADMIN": "sessions of customers cannot be ended: writes may slip in during a swap",
    "SET USER": "objects of other definers cannot be recreated",
    "DELETE HISTORY": "system-versioned tables cannot be swapped with their history",
}
_EVERYTHING = frozenset({"ALL PRIVILEGES", "SUPER"})
_GLOBAL = re.compile(r"^GRANT (.*?) ON \*\.\* TO ")
_CLOCK_S = 2.0
_PATIENCE_S = 10.0


def check(live: Live) -> list[Finding]:
    """All findings, `refuse` for what makes restores impossible, `warn` for what narrows them. Changes nothing."""
    findings = list(_tools(live))
    try:
        with contextlib.closing(live.connect()) as session:
            findings += [*_server(session), *_rights(session), *_clock(session)]
    except (EngineUnavailable, ConfigError) as error:
        findings.append(
            Finding(severity="refuse", code="server", text=error.message, hint=error.hint or "Is the server up?")
        )
    except pymysql.err.Error as error:
        text = f"the server answered {error.args[0]}: {without_values(str(error.args[-1]))}"
        findings.append(Finding(severity="refuse", code="server", text=text))
    return findings


def _tools(live: Live) -> Iterator[Finding]:
    for tool in (live.settings.mariadbd, live.settings.dump, live.settings.install_db):
        try:
            # the installer has no --version; its help names the tool as well
            option = "--help" if tool == live.settings.install_db else "--version"
            done = shell.run(shell.Spec([tool, option]), timeout_s=_PATIENCE_S)
        except EngineUnavailable:
            done = None
        if done is None or done.returncode == 127:
            hint = "apt-get install mariadb-server"
            yield Finding(severity="refuse", code="tool", text=f"{tool} is not installed here", hint=hint)
        else:
            first = (done.stdout.decode("utf-8", "replace").strip().splitlines() or [tool])[0]
            yield Finding(severity="ok", code="tool", text=first if option == "--version" else f"{tool} is installed")


def _server(session: "Connection[Any]") -> Iterator[Finding]:
    version = str(one(session, "SELECT VERSION()"))
    series = re.match(r"(\d+)\.(\d+)", version)
    tested = series is not None and (int(series[1]), int(series[2])) >= (10, 6) and "MariaDB" in version
    hint = "" if tested else "MariaDB 10.11 is tested; older than 10.6 cannot rename many tables in one step."
    yield Finding(severity="ok" if tested else "refuse", code="version", text=f"server {version}", hint=hint)
    answer = rows(session, "SELECT @@event_scheduler, @@lower_case_table_names, @@max_allowed_packet")[0]
    events, lower, packet = answer
    yield from _log(session)
    yield Finding(severity="ok", code="event_scheduler", text=f"event scheduler {str(events).lower()}")
    yield Finding(severity="ok", code="names", text=f"lower_case_table_names {lower}, max_allowed_packet {packet}")
    if ("wsrep_on", "ON") in rows(session, "SHOW VARIABLES LIKE 'wsrep_on'"):
        text = "this is a Galera node: swaps are refused"
        yield Finding(severity="warn", code="galera", text=text, hint="Restores can be staged, proven, exported.")


def _log(session: "Connection[Any]") -> Iterator[Finding]:
    """The binary log: what live wrote, for the difference under the gate and for the history."""
    log_bin, form = rows(session, "SELECT @@log_bin, @@global.binlog_format")[0]
    if not log_bin:
        text = (
            "binary log off: what happened is known from backup to backup only, and under the gate all changed tables "
            "are read once more"
        )
        yield Finding(severity="warn", code="log_bin", text=text, hint="Set log_bin and binlog_format=ROW.")
    elif form != "ROW":
        text = f"binlog_format {form}: of changes logged as statements the history does not know how many rows they met"
        yield Finding(severity="warn", code="log_bin", text=text, hint="Set binlog_format=ROW.")
    else:
        yield Finding(severity="ok", code="log_bin", text="binary log on, by rows")


def _rights(session: "Connection[Any]") -> Iterator[Finding]:
    """Global rights only: databases of customers come and go."""
    user = str(one(session, "SELECT CURRENT_USER()"))
    granted: set[str] = set()
    for (line,) in rows(session, "SHOW GRANTS"):
        match = _GLOBAL.match(str(line))
        granted |= set(match[1].split(", ")) if match else set()
    if "ALL PRIVILEGES" in granted:
        yield Finding(severity="ok", code="rights", text=f"{user} has all rights")
        return
    missing = {right: loss for right, loss in _RIGHTS.items() if right not in granted}
    account = "@".join(f"'{part}'" for part in user.rsplit("@", 1))
    for right, loss in missing.items():
        severity = "refuse" if right == "SELECT" else "warn"
        hint = f"GRANT {right} ON *.* TO {account};"
        yield Finding(severity=severity, code="right", text=f"{user} lacks {right}: {loss}", hint=hint)
    if not missing:
        yield Finding(severity="ok", code="rights", text=f"{user} has all {len(_RIGHTS)} rights that are used")
    elif len(missing) > 1:
        every = f"GRANT {', '.join(_RIGHTS)} ON *.* TO {account};"
        yield Finding(severity="warn", code="rights", text=f"{len(missing)} rights are missing", hint=every)


def _clock(session: "Connection[Any]") -> Iterator[Finding]:
    off = float(one(session, "SELECT UNIX_TIMESTAMP(SYSDATE(6))")) - time.time()
    if abs(off) > _CLOCK_S:
        text = f"the server's clock is {off:+.1f} s away from ours: times of points and writes do not compare"
        yield Finding(severity="warn", code="clock", text=text, hint="Set both clocks (NTP).")
    else:
        yield Finding(severity="ok", code="clock", text=f"clocks agree ({off:+.1f} s)")

"""What a server in a copied data directory said before it ended, and what that means."""

import re
from pathlib import Path

from restorekit import shell
from restorekit.engines.mariadb.live import without_values
from restorekit.engines.mariadb.template import is_full
from restorekit.errors import DiskFull, EngineUnavailable, PointUnusable, RestorekitError, SourceDamaged

_OURS = re.compile(
    r"Permission denied|Errcode: 13\b|unknown (?:option|variable)|unix socket|[Cc]annot allocate memory|Out of memory"
)
_ENCRYPTED = re.compile(r"[Ee]ncrypt|[Dd]ecrypt")
_UNDECIDED = re.compile(r"prepared transactions")
_ANSWERED = re.compile(r"the server answered (\d+)")
_BROKEN = frozenset({1017, 1030, 1033, 1034, 1035, 1194, 1195, 1712, 1877, 1932})
_ANOTHER = "Choose another recovery point; live is untouched."


def not_started(said: str, datadir: Path) -> RestorekitError:
    """The error for a server that ended before it answered anybody."""
    words = _last(said)
    if is_full(said):
        return DiskFull(f"no space left to recover {datadir}; live is untouched", hint="Free some space, try again.")
    if _ENCRYPTED.search(words):
        return PointUnusable(f"the data directory is encrypted, and its keys are not here: {words}", hint=_ANOTHER)
    if _UNDECIDED.search(words):
        text = "the binary log, which says what was committed last, does not lie in the data directory"
        return PointUnusable(text, hint=_ANOTHER)
    if _OURS.search(words) or "[ERROR]" not in said:
        return EngineUnavailable(f"no server could be started in {datadir}: {words}", hint="Try again.")
    return SourceDamaged(f"no server can recover the data directory: {words}", hint=_ANOTHER)


def damage_in(error: RestorekitError, process: shell.Process) -> SourceDamaged | None:
    """The error for a dump that failed because of what lies in the directory; None if that was not the reason."""
    answered = _ANSWERED.search(error.message)
    if answered and int(answered[1]) in _BROKEN:
        return SourceDamaged(f"a table in the data directory is broken: {error.message}", hint=_ANOTHER)
    if isinstance(error, EngineUnavailable) and not shell.alive(process.pid, "--datadir="):
        return SourceDamaged(
            f"the server died of what lies in the data directory: {_last(process.stderr)}", hint=_ANOTHER
        )
    return None


def _last(said: str) -> str:
    """Its last errors, without what stands in quotes: it may be a customer's."""
    lines = [line for line in said.splitlines() if "[ERROR]" in line] or said.splitlines()[-3:]
    return " / ".join(without_values(line.partition("[ERROR] ")[2] or line) for line in lines[-4:])

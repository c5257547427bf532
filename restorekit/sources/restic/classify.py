"""What restic's exit codes and words mean. One table, measured on 0.14 and 0.18; new words go here.

Exit 0 alone proves nothing with restic: `snapshots` and `find` skip what they cannot read and end with 0.
"""

import re
from enum import Enum

from restorekit.errors import (
    ConfigError,
    PointExpired,
    PointUnusable,
    RestorekitError,
    SourceDamaged,
    SourceUnavailable,
)

SHOWN = 400


class Kind(Enum):
    """Why restic failed. MISSING: an object is not there, which prune, an expiry or damage can explain."""

    TOOL = "tool"
    KEY = "key"
    CREDENTIALS = "credentials"
    UNAVAILABLE = "unavailable"
    EXPIRED = "expired"
    ABSENT = "absent"
    MISSING = "missing"
    DAMAGED = "damaged"


_BY_CODE = {10: Kind.UNAVAILABLE, 11: Kind.UNAVAILABLE, 12: Kind.KEY}
"""Since 0.17; older ones use only 1 and 2, for everything."""

_REFUSED = r"request signature|SignatureDoesNotMatch|InvalidAccessKeyId|Access Key Id you provided|no valid credentials"

_BY_WORDS = tuple(
    (re.compile(words, re.IGNORECASE), kind)
    for words, kind in (
        (r"wrong password or no key found|empty password|Resolving password failed", Kind.KEY),
        (_REFUSED, Kind.CREDENTIALS),
        (r"no matching ID|no snapshot found|invalid id |no matching snapshot", Kind.EXPIRED),
        (r"setpriv: failed to execute", Kind.TOOL),
        (r"not found in snapshot", Kind.ABSENT),
        (r"unable to open config file|Is there a repository|repository does not exist", Kind.UNAVAILABLE),
        (r"ciphertext verification failed|invalid data returned|invalid header", Kind.DAMAGED),
        (r"Unmarshal|LoadRaw|LoadUnpacked", Kind.DAMAGED),
        (r"Unable to load tree|^panic:|not found in (repository|index)|does not match", Kind.DAMAGED),
        (r"file is too short|\bEOF\b|InvalidRange", Kind.DAMAGED),
        (r"no such file or directory|does not exist|NoSuchKey|404 Not Found", Kind.MISSING),
        (r"already locked|connection (refused|reset)|no such host|timeout|timed out|TLS", Kind.UNAVAILABLE),
        (r"permission denied|Access ?Denied|403 Forbidden|unreachable", Kind.UNAVAILABLE),
    )
)

_RETRIED = re.compile(rf"returned error, retrying after .*?(no such file or directory|NoSuchKey|{_REFUSED}|(\bEOF\b))")


def kind_of(stderr: str, code: int) -> Kind:
    """The first words that are known decide; unknown ones count as damage: permanent, and shown to somebody."""
    if code in _BY_CODE:
        return _BY_CODE[code]
    return next((kind for words, kind in _BY_WORDS if words.search(stderr)), Kind.DAMAGED)


def hopeless(stderr: str, *, local: bool) -> bool:
    """True if restic retries (0.14: for 45 s) what will not come back by waiting. Over a network an EOF may pass."""
    return any(local or match[2] is None for match in _RETRIED.finditer(stderr))


def excerpt(stderr: str) -> str:
    """The end of what it said, in one line, without credentials of a repository address."""
    line = " ".join(re.sub(r"//[^/@\s]*@", "//***@", stderr).split())
    return line if len(line) <= SHOWN else f"…{line[-SHOWN:]}"


_ANOTHER = "Choose another recovery point; live is untouched."
_ERRORS: dict[Kind, tuple[type[RestorekitError], str, str]] = {
    Kind.TOOL: (ConfigError, "the restic binary cannot be started", "apt-get install restic, or set `restic`."),
    Kind.KEY: (ConfigError, "wrong password", "Check password_file or password_command."),
    Kind.CREDENTIALS: (ConfigError, "the S3 credentials are refused", "Check s3_credentials_file."),
    Kind.UNAVAILABLE: (SourceUnavailable, "the repository does not answer", "Is it mounted and reachable? Try again."),
    Kind.EXPIRED: (PointExpired, "the snapshot is no longer in the repository", _ANOTHER),
    Kind.ABSENT: (PointUnusable, "the snapshot does not hold that file (an empty dump leaves none)", _ANOTHER),
    Kind.MISSING: (SourceDamaged, "a part of the repository is missing", "Run `restic check`; choose another point."),
    Kind.DAMAGED: (SourceDamaged, "the repository is damaged here", "Run `restic check`; choose another point."),
}


def error(kind: Kind, where: str, stderr: str = "") -> RestorekitError:
    """The error to raise, with restic's own words as detail."""
    raised, sentence, hint = _ERRORS[kind]
    details = (f"restic: {excerpt(stderr)}",) if stderr else ()
    return raised(f"{where}: {sentence}", hint=hint, details=details)

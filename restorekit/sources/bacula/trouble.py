"""What the director's words about a failed restore mean. Measured on 9.6.7; new words go here.

The status alone does not tell: E is damage as well as a full disk, f is a destroyed label as well as a client that
does not answer, and the storage daemon calls a restore from a torn tape OK. Unknown words: E is damage, f is not.
"""

import re

from restorekit.errors import DiskFull, RestorekitError, SourceDamaged, SourceUnavailable

_DAMAGE = re.compile(
    r"Block checksum mismatch|Short block|restored file .{0,200}not correct|not a Bacula labeled Volume|"
    r"Unable to read|Volume data error|Error reading|Read error|Invalid block|Expected .{0,40} got |"
    r"Label.{0,20}(bad|corrupt)|Forward spac\w+ .{0,40}error|stream.{0,20}out of",
    re.IGNORECASE | re.DOTALL,
)
_FULL = re.compile(r"No space left|Disk quota exceeded", re.IGNORECASE)
_DENIED = re.compile(r"Permission denied|Could not create|Cannot create|Read-only file system", re.IGNORECASE)
_AWAY = re.compile(
    r"Unable to connect|Failed to connect|Connection refused|Network error|Could not connect|Bad response from|"
    r"Bad autochanger|Unable to authenticate|Storage daemon .{0,40}not|lost connection",
    re.IGNORECASE,
)
_WORDS = re.compile(
    r"error|mismatch|fatal|warning|cannot|could not|unable|short block|not a bacula|not correct|canceled|please mount",
    re.IGNORECASE,
)
_SHOWN = 6
_ANOTHER = "Choose another recovery point."
_CANCELLED, _FATAL = "A", "f"


def words(log: str) -> tuple[str, ...]:
    """The lines of a job's log that matter, the first of them; names of daemons and files, never contents."""
    lines = (" ".join(line.strip(" \\").split()) for line in log.splitlines())
    return tuple(line[:300] for line in lines if _WORDS.search(line))[:_SHOWN]


def trouble(status: str, log: str, what: str) -> RestorekitError:
    """The error for a restore that ended with `status`; `what` is what it should have brought."""
    details = words(log)
    end = "its partial files are deleted; live is untouched"
    if status == _CANCELLED:
        return SourceUnavailable(f"the restore of {what} was cancelled at the director; {end}", hint="Try again.")
    if _FULL.search(log):
        return DiskFull(f"no room for {what}; {end}", hint="Make room in `where`.", details=details)
    if _DENIED.search(log):
        hint = "May the restore client write below `where`, and enter the folders above it? See `restore_user`."
        return SourceUnavailable(f"the restore client could not write {what}; {end}", hint=hint, details=details)
    if _DAMAGE.search(log):
        return SourceDamaged(f"{what} cannot be read from its tape; {end}", hint=_ANOTHER, details=details)
    if _AWAY.search(log) or status == _FATAL:
        hint = "Are storage daemon, library and restore client up? Try again."
        return SourceUnavailable(f"{what} was not restored; {end}", hint=hint, details=details)
    return SourceDamaged(f"the director could not restore {what} ({status}); {end}", hint=_ANOTHER, details=details)

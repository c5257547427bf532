"""The error tree. Each error has a stable code, a sentence, a hint and an exit code.

A door turns an error into text, JSON and an exit code in one place. Whether trying again can help is a
property of the type, never guessed from a message.

    RestorekitError            unexpected              1
    ├── UsageError             usage                   2
    │   ├── ConfigError        config
    │   ├── PlaybookError      playbook
    │   └── UnknownName        unknown_name
    ├── NeedsChoice            needs_choice            3
    ├── NoPoint                no_point                4
    │   ├── PointExpired       point_expired
    │   └── PointUnusable      point_unusable
    ├── ProofFailed            proof_failed            5
    │   ├── SourceDamaged      source_damaged
    │   ├── DumpIncomplete     dump_incomplete
    │   ├── DumpRefused        dump_refused
    │   └── LoadFailed         load_failed
    ├── ApprovalNeeded         approval_needed         6
    ├── LiveChanged            live_changed            7
    ├── Temporary              temporary               8   (trying again can help)
    │   ├── SourceUnavailable  source_unavailable
    │   ├── EngineUnavailable  engine_unavailable
    │   ├── GateTimeout        gate_timeout
    │   ├── BackupRunning      backup_running
    │   ├── DiskFull           disk_full
    │   └── RestoreActive      restore_active
    ├── Refused                refused                 9
    │   └── PreflightRefused   preflight_refused
    ├── UndoImpossible         undo_impossible         9
    ├── AuditBroken            audit_broken            5
    └── Cancelled              cancelled             130
"""

from typing import ClassVar

UNTOUCHED = "live untouched"


class RestorekitError(Exception):
    """Something unexpected happened."""

    code: ClassVar[str] = "unexpected"
    exit_code: ClassVar[int] = 1
    temporary: ClassVar[bool] = False
    live: str = ""
    """What is true of live where the error ends a command; empty if only the restore's own state can say."""

    def __init__(self, message: str = "", *, hint: str = "", details: tuple[str, ...] = ()) -> None:
        """Say what happened (`message`), what to do next (`hint`) and, line by line, the `details`."""
        super().__init__(message or (type(self).__doc__ or "").splitlines()[0])
        self.hint = hint
        self.details = details

    @property
    def message(self) -> str:
        """The sentence, without hint and details."""
        return str(self.args[0])


class UsageError(RestorekitError):
    """The command or its options cannot be understood."""

    code, exit_code = "usage", 2
    live = UNTOUCHED


class ConfigError(UsageError):
    """The configuration is not valid; the message names the key path."""

    code = "config"


class PlaybookError(UsageError):
    """A playbook is not valid; the message names the key path."""

    code = "playbook"


class UnknownName(UsageError):
    """No database, point, restore, engine or source of that name."""

    code = "unknown_name"


class NeedsChoice(RestorekitError):
    """More than one thing fits and restorekit does not guess."""

    code, exit_code = "needs_choice", 3
    live = UNTOUCHED


class NoPoint(RestorekitError):
    """No usable recovery point."""

    code, exit_code = "no_point", 4
    live = UNTOUCHED


class PointExpired(NoPoint):
    """The recovery point is no longer in its source."""

    code = "point_expired"


class PointUnusable(NoPoint):
    """The recovery point cannot be used."""

    code = "point_unusable"


class ProofFailed(RestorekitError):
    """Verification failed; live is untouched."""

    code, exit_code = "proof_failed", 5


class SourceDamaged(ProofFailed):
    """The backup medium is damaged or its digests do not hold."""

    code = "source_damaged"


class DumpIncomplete(ProofFailed):
    """The dump ends too early."""

    code = "dump_incomplete"


class DumpRefused(ProofFailed):
    """The dump holds a statement that must not run."""

    code = "dump_refused"


class LoadFailed(ProofFailed):
    """The staging server refused a statement of the dump."""

    code = "load_failed"


class ApprovalNeeded(RestorekitError):
    """The restore waits for approval."""

    code, exit_code = "approval_needed", 6


class LiveChanged(RestorekitError):
    """Live changed since the difference was shown."""

    code, exit_code = "live_changed", 7


class Temporary(RestorekitError):
    """A temporary failure; try again."""

    code, exit_code, temporary = "temporary", 8, True


class SourceUnavailable(Temporary):
    """The source does not answer."""

    code = "source_unavailable"


class EngineUnavailable(Temporary):
    """The database server does not answer."""

    code = "engine_unavailable"


class GateTimeout(Temporary):
    """Writers could not be held back within the budget; live is as before."""

    code = "gate_timeout"


class BackupRunning(Temporary):
    """A backup of the live server is running."""

    code = "backup_running"


class DiskFull(Temporary):
    """Not enough disk space."""

    code = "disk_full"


class RestoreActive(Temporary):
    """Another restore of this database is active."""

    code = "restore_active"
    live = UNTOUCHED


class Refused(RestorekitError):
    """Refused by policy."""

    code, exit_code = "refused", 9


class PreflightRefused(Refused):
    """The live server is in a state in which a swap would not be safe."""

    code = "preflight_refused"


class UndoImpossible(Refused):
    """The earlier state can no longer be brought back."""

    code = "undo_impossible"


class AuditBroken(RestorekitError):
    """The audit log does not verify."""

    code, exit_code = "audit_broken", 5


class Cancelled(RestorekitError):
    """Cancelled on request."""

    code, exit_code = "cancelled", 130

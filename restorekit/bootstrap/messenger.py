"""Tells somebody: the configured command gets the notice as JSON on stdin; the audit log has it in any case."""

import logging
import shlex

from restorekit import shell
from restorekit.errors import RestorekitError
from restorekit.model.notice import Notice
from restorekit.model.request import Act
from restorekit.ports import Catalog

_LOG = logging.getLogger(__name__)
_PATIENCE_S = 60.0


class Messenger:
    """Called with each notice; a command that fails is logged and audited, never a reason to stop a restore."""

    def __init__(self, command: str | None, catalog: Catalog) -> None:
        """`command` is split like a shell would, and run without one."""
        self._argv = shlex.split(command) if command else []
        self._catalog = catalog

    def __call__(self, notice: Notice) -> None:
        """Send it; may be called twice with the same one."""
        outcome = self._sent(notice)
        act = Act(
            caller="worker",
            door="worker",
            verb="notified",
            database=str(notice.database),
            restore_id=notice.restore_id,
            shown=notice.text,
            details={"kind": notice.kind, "outcome": outcome},
        )
        self._catalog.audit(act)

    def _sent(self, notice: Notice) -> str:
        if not self._argv:
            return "nobody: `notify` is not configured"
        try:
            done = shell.run(shell.Spec(self._argv), feed=notice.model_dump_json().encode(), timeout_s=_PATIENCE_S)
        except RestorekitError as error:
            _LOG.warning("the notify command failed: %s", error.message)
            return f"failed: {error.code}"
        return "sent" if done.returncode == 0 else f"failed: exit code {done.returncode}"

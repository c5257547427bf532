"""YAML policy for a group of databases becomes a validated Playbook; errors name the key path."""

import re
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from restorekit.errors import PlaybookError
from restorekit.model.duration import Seconds
from restorekit.model.plan import Policy


def _expectation(text: str) -> str:
    if text not in ("empty", "not empty") and re.fullmatch(r"(>=|<=|==)\s*-?\d+", text) is None:
        msg = f"{text!r} is not one of >= N, <= N, == N, empty, not empty"
        raise ValueError(msg)
    return text


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SqlCheck(_Part):
    """One application check: `sql` in staging must give one value for which `expect` holds.

    `expect` is one of `>= N`, `<= N`, `== N`, `not empty`, `empty`. `when` is a query that must give a
    non-zero value for the check to apply; where it does not, or `needs` names a table that is not there,
    the check is not applicable.
    """

    name: str
    sql: str
    expect: Annotated[str, AfterValidator(_expectation)]
    needs: tuple[str, ...] = ()
    when: str | None = None
    hint: str = ""


class Swap(_Part):
    """How the swap may go."""

    on_live_change: Literal["refuse", "keep_and_report"] = "keep_and_report"
    volatile: tuple[str, ...] = ()
    gate_max: Seconds = 5
    kill_wait: Seconds = 10
    lock_wait: Seconds = 3
    dead_man: Seconds = 60
    privileged_definers: Literal["accept", "refuse"] = "accept"


class Undo(_Part):
    """How long the earlier state is kept."""

    keep: Seconds = 7 * 86400


class Proof(_Part):
    """What must be proven before a swap."""

    min_level: int = 5
    timeout: Seconds = 30


class Approvals(_Part):
    """Who must agree."""

    auto: bool = False


class Timeline(_Part):
    """How tables are spoken of when it is told what happened.

    Changes to muted tables (patterns such as `*_sessions`) never matter; `labels` maps patterns to words.
    """

    mute: tuple[str, ...] = ()
    labels: dict[str, str] = {}


class Playbook(_Part):
    """Policy and application checks for a group of databases."""

    name: str
    checks: tuple[SqlCheck, ...] = ()
    swap: Swap = Swap()
    undo: Undo = Undo()
    proof: Proof = Proof()
    approval: Approvals = Approvals()
    timeline: Timeline = Timeline()

    def policy(self) -> Policy:
        """The part that is copied into a plan."""
        return Policy(
            playbook=self.name,
            min_level=self.proof.min_level,
            on_live_change=self.swap.on_live_change,
            volatile=self.swap.volatile,
            gate_max_s=self.swap.gate_max,
            kill_wait_s=self.swap.kill_wait,
            lock_wait_s=self.swap.lock_wait,
            dead_man_s=self.swap.dead_man,
            privileged_definers=self.swap.privileged_definers,
            keep_undo_s=self.undo.keep,
            auto_approve=self.approval.auto,
        )


def parse(text: str, where: str) -> Playbook:
    """Read a playbook; raises PlaybookError naming `where` and the key path."""
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        msg = f"{where} is not valid YAML: {error}"
        raise PlaybookError(msg) from error
    try:
        return Playbook.model_validate(raw)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(str(p) for p in e['loc']) or '(top)'}: {e['msg']}" for e in error.errors()[:5])
        msg = f"{where}: {problems}"
        raise PlaybookError(msg, hint="Correct the key named here; nothing was started.") from error


def load(name: str, folder: Path | None) -> Playbook:
    """The playbook of that name: from `folder` if it is there, else the shipped one."""
    own = folder / f"{name}.yaml" if folder else None
    if own is not None and own.exists():
        return parse(own.read_text(encoding="utf-8"), str(own))
    shipped = resources.files("restorekit") / "playbooks" / f"{name}.yaml"
    if not shipped.is_file():
        msg = f"there is no playbook {name!r}"
        raise PlaybookError(msg, hint="Look at `databases.*.playbook` in restorekit.yaml.")
    return parse(shipped.read_text(encoding="utf-8"), str(shipped))

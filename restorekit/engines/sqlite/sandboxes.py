"""A sandbox is a folder of its own with one database file; there is no server to start or stop."""

import json
import os
import shutil
from pathlib import Path

from restorekit.engines.sqlite.places import STAGED, safe_id
from restorekit.errors import DiskFull, DumpIncomplete, EngineUnavailable, UnknownName, UsageError
from restorekit.model.staged import Sandbox, SandboxSpec

_NOTE = "sandbox.json"
_CUT = "incomplete"


def open_sandbox(staging: Path, engine: str, spec: SandboxSpec) -> Sandbox:
    """The sandbox of that id, new or found again; a half-made one is completed. Raises DiskFull."""
    folder = staging / safe_id(spec.id)
    _check_room(staging, spec.size_hint_bytes or 0)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    note = folder / _NOTE
    half = folder / f"{_NOTE}.part"
    half.write_text(json.dumps({"schema": spec.schema_name, "settings": spec.settings}), encoding="utf-8")
    half.replace(note)
    return Sandbox(id=spec.id, engine=engine, folder=str(folder), schema_name=spec.schema_name)


def discard(staging: Path, sandbox: Sandbox) -> None:
    """Delete the folder; idempotent. Raises UsageError for a folder that is not a sandbox of this house."""
    folder = Path(sandbox.folder)
    if folder != staging / safe_id(sandbox.id):
        raise UsageError(f"{folder} is not a sandbox of this house; nothing was deleted")
    if folder.exists():
        shutil.rmtree(folder)


def wanted_settings(sandbox: Sandbox) -> dict[str, str]:
    """Live's settings, as they were when the sandbox was opened."""
    try:
        note = json.loads((Path(sandbox.folder) / _NOTE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EngineUnavailable(f"the sandbox {sandbox.id} is gone", hint="Stage again; live is untouched.") from None
    return {str(k): str(v) for k, v in note["settings"].items()}


def mark_cut(folder: Path, why: str | None) -> None:
    """Remember that what was delivered is not whole (None: forget it), so that nobody takes it for a database."""
    if why is None:
        (folder / _CUT).unlink(missing_ok=True)
    else:
        (folder / _CUT).write_text(why, encoding="utf-8")


def staged_file(folder: Path) -> Path:
    """The staged database; raises DumpIncomplete after a load that was cut, UnknownName before any."""
    if (folder / _CUT).exists():
        why = (folder / _CUT).read_text(encoding="utf-8")
        raise DumpIncomplete(why, hint="Choose another recovery point; live is untouched.")
    path = folder / STAGED
    if not path.exists():
        raise UnknownName(f"nothing is staged in {folder.name}", hint="Stage again; live is untouched.")
    return path


def _check_room(staging: Path, size: int) -> None:
    staging.mkdir(parents=True, exist_ok=True)
    state = os.statvfs(staging)
    free = state.f_bavail * state.f_frsize
    if free < size:
        raise DiskFull(
            f"staging needs about {size} bytes and {free} are free",
            hint="Free some space under the staging folder, or move it. Live is untouched.",
        )

"""A sandbox, and a database that lies in it and that nobody uses yet."""

from restorekit.model.artifact import Artifact, Loaded
from restorekit.model.database import Where
from restorekit.model.value import Moment, Value


class SandboxSpec(Value):
    """What sandbox is wanted: its restore's id, the schema in it, and live's settings it must share."""

    id: str
    schema_name: str
    settings: dict[str, str] = {}
    size_hint_bytes: int | None = None


class Sandbox(Value):
    """A throw-away server in a folder. The sandbox *is* the folder; its server may be stopped."""

    id: str
    engine: str
    folder: str
    schema_name: str


class Staged(Value):
    """A restored database that nobody uses yet."""

    restore_id: str
    sandbox: Sandbox
    where: Where
    artifact: Artifact
    loaded: Loaded
    staged_at: Moment
    duration_s: float

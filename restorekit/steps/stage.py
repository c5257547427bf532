"""Plan becomes a staged database: streamed from the source into a sandbox, beside live."""

import time

from restorekit.errors import DumpIncomplete
from restorekit.model.artifact import Artifact
from restorekit.model.database import Where
from restorekit.model.plan import Plan
from restorekit.model.staged import Sandbox, SandboxSpec, Staged
from restorekit.ports import Clock, Loading, Source, Watch
from restorekit.relay import Relay


def spec(run_id: str, plan: Plan) -> SandboxSpec:
    """The sandbox of that restore: the database under its own name, with live's settings."""
    return SandboxSpec(
        id=run_id,
        schema_name=plan.point.database.name,
        settings=plan.live_settings,
        size_hint_bytes=plan.point.size_bytes,
    )


def stage(plan: Plan, sandbox: Sandbox, source: Source, engine: Loading, clock: Clock, watch: Watch) -> Staged:
    """Load the plan's point into `sandbox`. Safe to repeat: the schema is dropped and recreated.

    Raises what source and engine raise; live is never touched.
    """
    began = time.monotonic()
    point = plan.point
    with source.deliver(point, watch) as delivery:
        relay = Relay(delivery, watch)
        loaded = engine.load(sandbox, relay, (point.format, point.compression), watch)
    if relay.size_bytes == 0:
        raise DumpIncomplete("the backup is empty (0 bytes)", hint="Choose another recovery point; live is untouched.")
    artifact = Artifact(
        format=point.format,
        compression=point.compression,
        size_bytes=relay.size_bytes,
        sha256=relay.sha256,
        digests_held=relay.digests_held,
    )
    return Staged(
        restore_id=sandbox.id,
        sandbox=sandbox,
        where=Where(schema_name=sandbox.schema_name, sandbox=sandbox.folder),
        artifact=artifact,
        loaded=loaded,
        staged_at=clock.now(),
        duration_s=round(time.monotonic() - began, 3),
    )

"""Plan becomes a staged database: streamed from the source into a sandbox, beside live."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, cast

from restorekit.errors import DumpIncomplete
from restorekit.model.artifact import Artifact
from restorekit.model.database import Where
from restorekit.model.plan import Plan
from restorekit.model.point import Compression, Format
from restorekit.model.staged import Sandbox, SandboxSpec, Staged
from restorekit.ports import Clock, Cloning, Delivery, Extracting, Extraction, Loading, Source, Watch
from restorekit.relay import Relay


def spec(run_id: str, plan: Plan) -> SandboxSpec:
    """The sandbox of that restore: the database under its own name, with live's settings."""
    return SandboxSpec(
        id=run_id,
        schema_name=plan.point.database.name,
        settings=plan.live_settings,
        size_hint_bytes=plan.point.size_bytes,
    )


class StagingEngine(Loading, Extracting, Protocol):
    """What staging asks of an engine."""


def stage(plan: Plan, sandbox: Sandbox, source: Source, engine: StagingEngine, clock: Clock, watch: Watch) -> Staged:
    """Load the plan's point into `sandbox`. Safe to repeat: the schema is dropped and recreated.

    Raises what source and engine raise; live is never touched.
    """
    began = time.monotonic()
    with _opened(plan, source, engine, watch) as (delivery, form):
        relay = Relay(delivery, watch)
        loaded = engine.load(sandbox, relay, form, watch)
    if relay.size_bytes == 0:
        raise DumpIncomplete("the backup is empty (0 bytes)", hint="Choose another recovery point; live is untouched.")
    artifact = Artifact(
        format=form[0],
        compression=form[1],
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


@contextmanager
def _opened(
    plan: Plan, source: Source, engine: StagingEngine, watch: Watch
) -> Iterator[tuple[Delivery | Extraction, tuple[Format, Compression]]]:
    """The bytes and their form: as the source delivers them, or taken out of a data directory by the engine."""
    point = plan.point
    if point.format != "datadir":
        with source.deliver(point, watch) as delivery:
            yield delivery, (point.format, point.compression)
        return
    cloning = cast(Cloning, source)  # only such sources have points of this format
    with cloning.clone(point, watch) as datadir, engine.extract(datadir, point.database.name, watch) as found:
        yield found, found.form

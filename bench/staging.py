"""Bring back, prove, compare: the product against the pipes an admin would type."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from servers.mariadb import LiveServer
from servers.mariadb_live import Quiet

from bench.ground import DATABASE, LIMIT_S, TABLES, Ground
from bench.table import Line, timed
from restorekit.bootstrap import open_service
from restorekit.engines.mariadb.sandbox import running_marker
from restorekit.model.artifact import Artifact, Loaded
from restorekit.model.database import DatabaseId, Where
from restorekit.model.request import Request
from restorekit.model.staged import Sandbox, Staged
from restorekit.relay import CHUNK
from restorekit.steps import stage, verify


@dataclass
class Staging:
    """One round is three loads of the same backup: an admin's, the engine's, the whole command's."""

    ground: Ground
    stage: Line = field(default_factory=lambda: Line("restore --until staged", "restic dump | mariadb", 0.40))
    command: Line = field(default_factory=lambda: Line("restore --until staged", "the engine's load alone", 1.10))
    manifest: Line = field(default_factory=lambda: Line("verify to level 5, manifest", "the load", 0.35))
    witness: Line = field(default_factory=lambda: Line("verify to level 5, witness", "the load", 0.35))
    diff: Line = field(default_factory=lambda: Line("diff, 0.01 % changed", "reading all rows of both sides"))

    @property
    def lines(self) -> list[Line]:
        return [self.stage, self.command, self.manifest, self.witness, self.diff]

    def round(self) -> None:
        """All variants once."""
        admin = self._admin()
        with self._loaded() as (staged, load):
            self.manifest.pairs.append((self._verify(staged, "manifest"), load))
            bare = staged.model_copy(update={"loaded": staged.loaded.model_copy(update={"manifest": None})})
            self.witness.pairs.append((self._verify(bare, "witness"), load))
            self._compare(staged)
        command = self._command()
        self.stage.pairs.append((command, admin))
        self.command.pairs.append((command, load))

    def _admin(self) -> float:
        """`restic dump | mariadb` into a server with its defaults; the start of that server is a present to it."""
        with LiveServer.running() as server:
            server.script(f"CREATE DATABASE {DATABASE}")

            def pipe() -> None:
                with self.ground.restic_dump() as restic:
                    subprocess.run([*server.client(), DATABASE], stdin=restic.stdout, check=True, timeout=LIMIT_S)
                assert restic.returncode == 0

            spent = timed(pipe)
            assert self.ground.rows(server) == self.ground.rows(self.ground.live)
            return spent

    def _command(self) -> float:
        said: dict[str, Any] = {}

        def whole() -> None:
            words = ("restore", DATABASE, "--point", self.ground.point, "--until", "staged", "--json")
            said.update(self.ground.ok(*words).json)

        spent = timed(whole)
        assert said["state"] == "staged"
        self.ground.ok("cancel", said["id"])
        return spent

    @cached_property
    def _house(self) -> Any:
        return open_service(self.ground.house.config)

    @property
    def _engine(self) -> Any:
        return self._house.house.engine("db1")

    @contextlib.contextmanager
    def _loaded(self) -> Iterator[tuple[Staged, float]]:
        """The engine's load of the stream and nothing around it, not even the start of its server."""
        name = DatabaseId(engine="db1", name=DATABASE)
        wish = Request(database=name, target=name, point_id=self.ground.point, requested_by="bench")
        plan = self._house.planner.plan(wish)
        sandbox = self._engine.open_sandbox(stage.spec("bench", plan))
        try:
            loaded: list[Loaded] = []

            def load() -> None:
                with self._house.house.source(plan.point.source).deliver(plan.point, Quiet()) as delivery:
                    stream = iter(lambda: delivery.read(CHUNK), b"")
                    form = (plan.point.format, plan.point.compression)
                    loaded.append(self._engine.load(sandbox, stream, form, Quiet()))
                    assert delivery.finish()

            spent = timed(load)
            yield self._staged(sandbox, loaded[0]), spent
        finally:
            self._engine.discard(sandbox)

    def _staged(self, sandbox: Sandbox, loaded: Loaded) -> Staged:
        size = self.ground.dump_bytes
        return Staged(
            restore_id=sandbox.id,
            sandbox=sandbox,
            where=Where(schema_name=DATABASE, sandbox=sandbox.folder),
            artifact=Artifact(format="sql", compression="none", size_bytes=size, sha256="", digests_held=True),
            loaded=loaded,
            staged_at=datetime.now(UTC),
            duration_s=0,
        )

    def _verify(self, staged: Staged, equal_to: str) -> float:
        """All checks of levels 1 to 5, not the comparison alone."""
        playbook = self._house.house.playbook("default")
        found = []

        def prove() -> None:
            found.append(verify.verify(staged, self._engine, playbook, verify.Known(), datetime.now(UTC), Quiet()))

        spent = timed(prove)
        assert (found[0].level, found[0].equal_to) == (5, equal_to), found[0].checks
        return spent

    def _compare(self, staged: Staged) -> None:
        marker = running_marker(staged.sandbox)
        login = [f"--socket={marker.socket}", f"-u{marker.admin}", f"-p{marker.password}"]
        sandbox = ["mariadb", "--no-defaults", *login, "--default-character-set=utf8mb4"]
        counts: list[int] = []

        def read() -> None:
            counts.append(sum(different(self.ground.live.client(), sandbox, table) for table in TABLES))

        def compare() -> None:
            live = Where(schema_name=DATABASE)
            found = self._engine.compare(staged.where, live, TABLES, 100, Quiet())
            counts.append(sum(t.missing + t.changed + t.extra for t in found))

        theirs, ours = timed(read), timed(compare)
        assert counts[0] == counts[1] > 0, counts
        self.diff.pairs.append((ours, theirs))


def different(one: list[str], other: list[str], table: str) -> int:
    """Rows that are not the same on both sides, by reading them all in the order of their key."""
    query = ["--quick", "--batch", "--skip-column-names", "-e", f"SELECT * FROM {table} ORDER BY id", DATABASE]
    count = 0
    with (
        subprocess.Popen([*one, *query], stdout=subprocess.PIPE) as first,
        subprocess.Popen([*other, *query], stdout=subprocess.PIPE) as second,
    ):
        assert first.stdout is not None
        assert second.stdout is not None
        # No row is missing on either side here, so that even a merge by key can be spared.
        for left, right in zip(first.stdout, second.stdout, strict=True):
            count += left != right
    assert (first.returncode, second.returncode) == (0, 0)
    return count

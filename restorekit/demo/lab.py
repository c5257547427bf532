"""Builds the lab: databases, a restic repository with several days of backups, a configuration."""

import os
from datetime import datetime, timedelta
from pathlib import Path

from restorekit import shell
from restorekit.bootstrap import open_service
from restorekit.demo import shop
from restorekit.errors import EngineUnavailable
from restorekit.model.request import Act

NIGHTS = 5
_CONFIG = """\
# A lab made by `restorekit demo`. Play with it: nothing here is of value.
state: sqlite:///state/state.db
timezone: {zone}
staging: state/staging
cache: state/cache
keys: state/keys
engines:
  files: {{kind: sqlite, directory: live}}
sources:
  nightly:
    kind: restic
    repository: {repository}
    password_file: restic.password
    layout: "{{engine}}/{{database}}.db"
databases:
  acme_shop: {{customer: acme, engine: files}}
  bolt_shop: {{customer: bolt, engine: files}}
"""


class Lab:
    """A folder with everything in it. `config` is its restorekit.yaml, `live` holds the databases."""

    def __init__(self, folder: Path, zone: str) -> None:
        self.folder = folder
        self.config = folder / "restorekit.yaml"
        self.live = folder / "live"
        self._backup = folder / "backup"
        self._repository = folder / "restic"
        self._zone = zone

    @property
    def acme(self) -> Path:
        """The database of the customer who will write to us."""
        return self.live / "acme_shop.db"

    def build(self, today: datetime) -> list[datetime]:
        """Databases, and a backup at two in each of the last nights; returns when these were."""
        for folder in (self.live, self._backup / "files", self.folder / "state"):
            folder.mkdir(parents=True)
        secret = self.folder / "restic.password"
        secret.touch(mode=0o600)
        secret.write_text("only-a-lab\n", encoding="utf-8")
        text = _CONFIG.format(zone=self._zone, repository=self._repository)
        self.config.write_text(text, encoding="utf-8")
        shop.open_shop(self.acme, seed=1, size=400)
        shop.open_shop(self.live / "bolt_shop.db", seed=2, size=150)
        self._restic("init")
        nights = [
            today.replace(hour=2, minute=0, second=0, microsecond=0) - timedelta(days=NIGHTS - 1 - n)
            for n in range(NIGHTS)
        ]
        for night in nights:
            day = (night - timedelta(days=1)).replace(hour=0)
            shop.trade(self.acme, day, 300)
            shop.trade(self.live / "bolt_shop.db", day, 60)
            self._back_up(night)
        return nights

    def _back_up(self, night: datetime) -> None:
        """A consistent copy and its manifest of each database, then both into the repository."""
        service = open_service(self.config)
        for name in ("acme_shop", "bolt_shop"):
            target = self._backup / "files" / f"{name}.db"
            service.house.catalog.audit(Act(caller="demo", door="cli", verb="capture", database=f"files/{name}"))
            with target.open("wb") as file:  # not by way of the history: it would be remembered as of today
                manifest = service.house.engine("files").capture(name, file, _Silent())
            # The nights of the lab are made up; so that the story is whole, files and manifests carry their times.
            made = manifest.model_copy(update={"taken_at": night - timedelta(seconds=40)})
            beside = target.with_name(f"{name}.db.manifest.json")
            beside.write_text(made.model_dump_json(), encoding="utf-8")
            for made_up in (target, beside):
                os.utime(made_up, (night.timestamp() - 30, night.timestamp() - 30))
        self._restic("backup", "-q", "--host", "lab", "--time", f"{night:%Y-%m-%d %H:%M:%S}", str(self._backup))

    def _restic(self, *words: str) -> None:
        done = shell.run(
            shell.Spec(
                argv=(
                    "restic",
                    "-r",
                    str(self._repository),
                    "--password-file",
                    str(self.folder / "restic.password"),
                    "--no-cache",
                    *words,
                ),
                env={"TZ": self._zone},
            )
        )
        if done.returncode != 0:
            raise EngineUnavailable(f"restic {words[0]} failed: {done.stderr.splitlines()[-1] if done.stderr else ''}")


class _Silent:
    """A watch that nobody looks at."""

    def progress(self, phase: str, done: int, total: int | None, unit: str = "bytes") -> None:
        """Nothing."""

    def check(self) -> None:
        """Nothing."""

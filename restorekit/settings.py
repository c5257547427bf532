"""`restorekit.yaml` and the environment become one typed object; errors name the key path.

Sections of engines and sources stay raw here: each provider validates its own section with its own Settings.
"""

import os
import socket
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from restorekit.errors import ConfigError
from restorekit.model.database import DatabaseId
from restorekit.model.duration import Seconds

DEFAULT_PLACES = (Path("restorekit.yaml"), Path("/etc/restorekit/restorekit.yaml"))


def _aware(value: object) -> object:
    """A day or a time; without offset it is of UTC, so that the same file means the same on every machine."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return moment.replace(tzinfo=UTC) if isinstance(moment, datetime) and moment.tzinfo is None else moment


class DatabaseEntry(BaseModel):
    """A database configured by hand.

    `since` is when it became this customer's (nothing: always, unless another owner is known), `moved_from` the
    `engine/name` it had before then: backups under that name are its own, too.
    """

    model_config = ConfigDict(extra="forbid")

    engine: str
    customer: str = ""
    playbook: str = "default"
    name: str | None = None
    since: Annotated[datetime | None, BeforeValidator(_aware)] = None
    moved_from: str | None = None

    @model_validator(mode="after")
    def _moved_when(self) -> "DatabaseEntry":
        if self.moved_from is not None and (self.since is None or not self.customer):
            msg = "moved_from needs customer and since"
            raise ValueError(msg)
        if self.moved_from is not None:
            DatabaseId.parse(self.moved_from)
        return self


class Settings(BaseModel):
    """The whole configuration. `folder` is where the file lies; relative paths inside it start there.

    `notify` is a command that gets a JSON document on stdin when a person has to do something. `retire` cancels what
    was staged `staging_ttl`, or waits for approval `approval_ttl`, without anybody deciding.
    """

    model_config = ConfigDict(extra="forbid")

    state: str = "sqlite:////var/lib/restorekit/state.db"
    timezone: str = "Europe/Berlin"
    locale: str = "en"
    host: str = Field(default_factory=socket.gethostname)
    staging: Path = Path("/var/lib/restorekit/staging")
    cache: Path = Path("/var/lib/restorekit/cache")
    keys: Path = Path("/var/lib/restorekit/keys")
    playbooks: Path | None = None
    engines: dict[str, dict[str, Any]] = {}
    sources: dict[str, dict[str, Any]] = {}
    databases: dict[str, DatabaseEntry] = {}
    staging_ttl: Seconds = 48 * 3600
    approval_ttl: Seconds = 72 * 3600
    notify: str | None = None
    folder: Path = Path()

    def entry(self, database: DatabaseId) -> DatabaseEntry | None:
        """What is configured by hand for this database."""
        found = ((e.engine, e.name or key, e) for key, e in self.databases.items())
        return next((e for engine, name, e in found if (engine, name) == (database.engine, database.name)), None)

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError) as error:
            msg = f"unknown time zone {name!r}"
            raise ValueError(msg) from error
        return name


def explain(error: ValidationError, where: str) -> str:
    """The first problems of a validation error as `where: key.path: what` lines."""
    lines = []
    for problem in error.errors()[:5]:
        path = ".".join(str(part) for part in problem["loc"])
        lines.append(f"{where}: {path}: {problem['msg']}")
    return "\n".join(lines)


def read_yaml(path: Path) -> Any:
    """Parse a YAML file; raises ConfigError naming file and line."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        msg = f"{path} does not exist"
        raise ConfigError(msg, hint="Write it, or name another file with --config or RESTOREKIT_CONFIG.") from error
    except yaml.YAMLError as error:
        msg = f"{path} is not valid YAML: {error}"
        raise ConfigError(msg) from error


def load(path: Path | None = None) -> Settings:
    """Read the file given, $RESTOREKIT_CONFIG, or the first default place that exists."""
    chosen = path or (Path(os.environ["RESTOREKIT_CONFIG"]) if "RESTOREKIT_CONFIG" in os.environ else None)
    if chosen is None:
        chosen = next((p for p in DEFAULT_PLACES if p.exists()), None)
    if chosen is None:
        places = ", ".join(str(p) for p in DEFAULT_PLACES)
        msg = f"no configuration found ({places})"
        raise ConfigError(msg, hint="Write restorekit.yaml, or try `restorekit demo --keep DIR` for a working one.")
    raw = read_yaml(chosen)
    if not isinstance(raw, dict):
        msg = f"{chosen}: must be a mapping of settings"
        raise ConfigError(msg)
    try:
        settings = Settings.model_validate({**raw, "folder": chosen.resolve().parent})
    except ValidationError as error:
        raise ConfigError(explain(error, str(chosen))) from error
    return _absolute(settings)


def _absolute(settings: Settings) -> Settings:
    """Relative paths start at the file's folder, not at the current one."""
    base = settings.folder
    update: dict[str, Any] = {"staging": base / settings.staging, "keys": base / settings.keys}
    update["cache"] = base / settings.cache
    if settings.playbooks is not None:
        update["playbooks"] = base / settings.playbooks
    if settings.state.startswith("sqlite:///") and not settings.state.startswith("sqlite:////"):
        update["state"] = f"sqlite:///{base / settings.state.removeprefix('sqlite:///')}"
    return settings.model_copy(update=update)

"""Providers are found by name: a module in the room, or an entry point. Nothing to edit for a new one.

A provider module offers `PROVIDER`, a class with an inner `Settings` (pydantic, extra fields forbidden) that is
called as `PROVIDER(name, settings, home)`.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from pydantic import ValidationError

from restorekit.errors import ConfigError
from restorekit.model.home import Home
from restorekit.settings import explain


def kinds(room: str) -> list[str]:
    """Names of the providers in a room (`restorekit.engines`) and of those installed beside it."""
    package = importlib.import_module(room)
    own = {m.name for m in pkgutil.iter_modules(package.__path__)}
    return sorted(own | {e.name for e in entry_points(group=room)})


def provider(room: str, name: str, section: Mapping[str, Any], home: Home) -> Any:
    """Build the provider that `section["kind"]` names; raises ConfigError with the key path."""
    part = room.rpartition(".")[2]
    kind = section.get("kind")
    if kind not in kinds(room):
        known = ", ".join(kinds(room))
        raise ConfigError(f"{part}.{name}.kind: {kind!r} is unknown; known: {known}")
    try:
        module = importlib.import_module(f"{room}.{kind}")
        found = module.PROVIDER
    except ModuleNotFoundError as error:
        installed = [e for e in entry_points(group=room) if e.name == kind]
        if not installed:
            raise ConfigError(f"{part}.{name}: provider {kind!r} cannot be loaded: {error}") from error
        found = installed[0].load()
    try:
        settings = found.Settings.model_validate({k: v for k, v in section.items() if k not in ("kind", "host_id")})
    except ValidationError as error:
        raise ConfigError(explain(error, f"{part}.{name}")) from error
    return found(name, settings, home)

"""Shell completion of names, from memory: it must be quick, and never complain."""

import os
from collections.abc import Callable
from pathlib import Path

import typer

Named = list[tuple[str, str]]


def databases(ctx: typer.Context, incomplete: str) -> Named:
    """Databases as `engine/name` and as bare names."""
    from restorekit.bootstrap import remembered

    return _beginning(lambda: remembered.databases(_config(ctx)), incomplete)


def runs(ctx: typer.Context, incomplete: str) -> Named:
    """Ids of restores."""
    from restorekit.bootstrap import remembered

    return _beginning(lambda: remembered.runs(_config(ctx)), incomplete)


def points(ctx: typer.Context, incomplete: str) -> Named:
    """Ids of points of the database on the same line."""
    from restorekit.bootstrap import remembered

    # While an option lacks its value the arguments before it are not parsed: the shell's own words are looked at.
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
    return _beginning(lambda: remembered.points(_config(ctx), line.split()), incomplete)


def sources(ctx: typer.Context, incomplete: str) -> Named:
    """Names of sources."""
    from restorekit.bootstrap import remembered

    return _beginning(lambda: remembered.sources(_config(ctx)), incomplete)


def _config(ctx: typer.Context) -> Path | None:
    chosen = ctx.find_root().params.get("config")
    return Path(chosen) if chosen else None


def _beginning(names: Callable[[], Named], incomplete: str) -> Named:
    try:
        return [(name, about) for name, about in names() if name.startswith(incomplete)]
    except Exception:  # noqa: BLE001 - whatever is wrong is said by the command, not while somebody types it
        return []

"""Own bootstrap files: one file out of a backup whose records of files are pruned, by its name.

The job's pieces on volumes outlive those records, so the storage daemon can be told which volumes and sessions to read
and which name to hand over. One record per volume: two over one stretch would make it deliver interleaved data.
"""

from collections.abc import Sequence

from restorekit.errors import ConfigError, PointExpired
from restorekit.sources.bacula.catalog import Row

_SPECIAL = frozenset(".*+?(){}|$[]")


def exactly(path: str) -> str:
    """A regular expression for this name; a few characters that its file cannot carry stand for any."""
    return "^" + "".join("." if c in '"\\^\n\r' else f"[{c}]" if c in _SPECIAL else c for c in path) + "$"


def bootstrap(pieces: Sequence[Row], storage: str, path: str) -> str:
    """The file's text. Raises PointExpired where nothing of the job is on any volume."""
    if not pieces:
        raise PointExpired(f"nothing of {path} is on any volume any more", hint="Choose another recovery point.")
    if any(c in storage for c in '"\\'):
        raise ConfigError(f"{storage!r} cannot stand in a bootstrap file")
    stretches: dict[str, list[Row]] = {}
    for piece in pieces:
        stretches.setdefault(piece["volume"], []).append(piece)
    return "".join(_record(volume, own, storage, path) for volume, own in stretches.items())


def _record(volume: str, pieces: Sequence[Row], storage: str, path: str) -> str:
    first = min(_address(p["start_file"], p["start_block"]) for p in pieces)
    last = max(_address(p["end_file"], p["end_block"]) for p in pieces)
    one = pieces[0]
    lines = (
        f'Storage="{storage}"',
        f'Volume="{volume}"',
        f'MediaType="{one["media_type"]}"',
        f"VolSessionId={one['session']}",
        f"VolSessionTime={one['session_time']}",
        f"VolAddr={first}-{last}",
        f'FileRegex="{exactly(path)}"',
    )
    return "\n".join(lines) + "\n"


def _address(file: int, block: int) -> int:
    return (int(file) << 32) + int(block)

"""Is a data directory whole within its snapshot? What lies outside of it was not frozen in the same moment."""

import os
from pathlib import Path

from restorekit.errors import PointExpired, PointUnusable, SourceDamaged
from restorekit.ports import Watch
from restorekit.sources.btrfs.datadirs import is_placeholder

_HINT = "Such a server cannot be brought back from snapshots of this subvolume alone. Live is untouched."


def check_enclosed(datadir: Path, watch: Watch) -> None:
    """Raises PointUnusable for a link that leads out of it or a subvolume within it, PointExpired, SourceDamaged.

    No server keeps data under a hidden name; `.snapshots` is often a subvolume of its own.
    """
    if not datadir.is_dir():
        raise PointExpired(f"{datadir} is no longer there; live is untouched", hint="Scan again.")
    folders = [datadir]
    try:
        while folders:
            watch.check()
            folders += _looked_into(datadir, folders.pop())
    except OSError as error:
        text = f"{error.filename} cannot be read: {error.strerror}; live is untouched"
        raise SourceDamaged(text, hint="Choose another recovery point.") from error


def _looked_into(datadir: Path, folder: Path) -> list[Path]:
    """The folders in it, none of them hidden."""
    below = []
    for entry in list(os.scandir(folder)):
        if entry.name.startswith("."):
            continue
        if entry.is_symlink():
            _check_link(datadir, Path(entry.path))
        elif entry.is_dir(follow_symlinks=False):
            if is_placeholder(entry):
                text = f"{entry.path} is a subvolume of its own, and no snapshot of this one holds it"
                raise PointUnusable(text, hint=_HINT)
            below.append(Path(entry.path))
    return below


def _check_link(datadir: Path, link: Path) -> None:
    """An absolute link leads to live, wherever it seems to point to; a relative one must stay inside."""
    target = link.readlink()
    inside = Path(os.path.normpath(link.parent / target)).is_relative_to(datadir)
    if target.is_absolute() or not inside:
        text = f"{link.relative_to(datadir)} in the data directory is a link that leads out of it"
        raise PointUnusable(text, hint=_HINT)

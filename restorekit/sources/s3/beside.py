"""Objects that belong to another one (`F.sha256`, `F.manifest.json`), each to the right version of it."""

from collections.abc import Iterable, Iterator

from restorekit.formats.beside import DIGEST, MANIFEST
from restorekit.sources.s3.listing import Entry

NAMES = {"sha256": DIGEST, "manifest": MANIFEST}
"""Under which name in a locator what lies beside is found."""


def paired(entries: Iterable[Entry]) -> Iterator[tuple[Entry, dict[str, str]]]:
    """Each object with its side objects: name to version, "" where no versions are kept.

    Of several versions the nearest in time belong together: whichever of both was uploaded first, a digest never
    passes for that of the dump of another night.
    """
    objects: dict[str, list[Entry]] = {}
    for entry in entries:
        objects.setdefault(entry.key, []).append(entry)
    sides = {key for key in objects if key.endswith(tuple(NAMES.values()))}
    for key, versions in objects.items():
        if key in sides or key.endswith("/"):
            continue
        beside: dict[int, dict[str, str]] = {}
        for name, suffix in NAMES.items():
            for side in sorted(objects.get(key + suffix, ()), key=lambda e: e.modified):
                if (number := _nearest(side, versions)) is not None:
                    beside.setdefault(number, {})[name] = side.version or ""
        for number, version in enumerate(versions):
            yield version, beside.get(number, {})


def _nearest(side: Entry, versions: list[Entry]) -> int | None:
    """None where two are equally near: S3 counts in whole seconds, and the digest of another dump looks like damage."""
    away = [abs(version.modified - side.modified) for version in versions]
    nearest = min(away)
    found = [number for number, distance in enumerate(away) if distance == nearest]
    return found[0] if len({versions[number].etag for number in found}) == 1 else None

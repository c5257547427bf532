"""What lies in a bucket, from listings alone: no object is asked for."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from restorekit.sources.s3.bucket import Bucket


class Entry(NamedTuple):
    """One object, or one version of it where the bucket keeps versions (`version` is None where it keeps none)."""

    key: str
    size: int
    etag: str
    modified: datetime
    storage: str = "STANDARD"
    version: str | None = None


def entries(bucket: Bucket, *, versioned: bool) -> Iterator[Entry]:
    """Everything below the bucket's folder, also what was overwritten or deleted where versions are kept.

    A thousand to a request. Raises what `Bucket.explained` does.
    """
    name, field = ("list_object_versions", "Versions") if versioned else ("list_objects_v2", "Contents")
    with bucket.explained("listing"):
        for page in bucket.client.get_paginator(name).paginate(Bucket=bucket.name, Prefix=bucket.folder):
            for found in page.get(field, ()):
                yield _entry(found)


def _entry(found: dict[str, Any]) -> Entry:
    return Entry(
        key=found["Key"],
        size=found["Size"],
        etag=found.get("ETag", "").strip('"'),
        modified=found["LastModified"],
        storage=found.get("StorageClass") or "STANDARD",
        version=found.get("VersionId"),
    )

"""What lies in a bucket, from listings alone: no object is asked for."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from restorekit.errors import ConfigError
from restorekit.sources.s3.bucket import Bucket
from restorekit.sources.s3.explain import code_of

_KEEPS_NONE = frozenset({"NotImplemented", "501", "MethodNotAllowed", "405", "UnsupportedOperation"})
_REFUSED = frozenset({"AccessDenied", "403"})


class Entry(NamedTuple):
    """One object, or one version of it where the bucket keeps versions (`version` is None where it keeps none)."""

    key: str
    size: int
    etag: str
    modified: datetime
    storage: str = "STANDARD"
    version: str | None = None


def entries(bucket: Bucket, *, versioned: bool, under: str | None = None, after: str = "") -> Iterator[Entry]:
    """Everything below the bucket's folder, also what was overwritten or deleted where versions are kept.

    Keys come in order; `under` is another beginning of keys than the folder, `after` the last key not wanted. A
    thousand to a request. Raises what `Bucket.explained` does.
    """
    name, field = ("list_object_versions", "Versions") if versioned else ("list_objects_v2", "Contents")
    start = {"KeyMarker" if versioned else "StartAfter": after} if after else {}
    prefix = bucket.folder if under is None else under
    with bucket.explained("listing"):
        for page in bucket.client.get_paginator(name).paginate(Bucket=bucket.name, Prefix=prefix, **start):
            for found in page.get(field, ()):
                yield _entry(found)


def folders(bucket: Bucket, under: str) -> Iterator[str]:
    """Beginnings of keys right below `under`, each with a slash at its end. Raises what `Bucket.explained` does."""
    pages = {"Bucket": bucket.name, "Prefix": under, "Delimiter": "/"}
    with bucket.explained("listing"):
        for page in bucket.client.get_paginator("list_objects_v2").paginate(**pages):
            for found in page.get("CommonPrefixes", ()):
                yield found["Prefix"]


def keeps_versions(bucket: Bucket) -> bool:
    """Whether overwritten and deleted objects may still be there.

    Raises ConfigError where this may not be asked: a listing without them would let old points pass for expired.
    """
    with bucket.explained("versioning"):
        try:
            told = bucket.client.get_bucket_versioning(Bucket=bucket.name)
        except ClientError as error:
            if code_of(error) in _KEEPS_NONE:
                return False
            if code_of(error) not in _REFUSED:
                raise
            text = f"{bucket!r}: it may not be asked whether versions are kept"
            raise ConfigError(text, hint="Allow s3:GetBucketVersioning, or set `versions: false`.") from error
    return told.get("Status") in ("Enabled", "Suspended")


def _entry(found: dict[str, Any]) -> Entry:
    return Entry(
        key=found["Key"],
        size=found["Size"],
        etag=found.get("ETag", "").strip('"'),
        modified=found["LastModified"],
        storage=found.get("StorageClass") or "STANDARD",
        version=found.get("VersionId"),
    )

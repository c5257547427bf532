"""Reading one object: pinned to what was scanned, in parts that are fetched ahead and resumed where they break."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from typing import Any

from botocore import exceptions as boto

from restorekit.errors import Cancelled, PointExpired, SourceDamaged, SourceUnavailable
from restorekit.ports import Watch
from restorekit.sources.s3.bucket import Bucket

PART = 16 << 20
AHEAD = 3
"""Parts in flight; memory is bounded by one more of them."""
_PAUSES_S = (0.0, 0.1, 0.3, 1.0, 3.0)
"""Before each attempt at a part; boto3 itself tries again where not even an answer began."""
_CHUNK = 1 << 20
_TICK_S = 0.2
_SHORT = (boto.IncompleteReadError, boto.ResponseStreamingError)
_BROKEN = (*_SHORT, boto.HTTPClientError)
_ANOTHER = "Choose another recovery point; live is untouched."
Locator = dict[str, str]
Ranges = Iterable[tuple[int, int]]


class Unwatched:
    """Nobody looks, nobody can cancel."""

    def progress(self, phase: str, done: int, total: int | None, unit: str = "bytes") -> None:
        """Say nothing."""

    def check(self) -> None:
        """Go on."""


def pinned(locator: Locator) -> dict[str, str]:
    """What makes a request be about this very object or about none."""
    if "version" in locator:
        return {"Key": locator["key"], "VersionId": locator["version"]}
    return {"Key": locator["key"], **({"IfMatch": f'"{locator["etag"]}"'} if locator["etag"] else {})}


def head(bucket: Bucket, locator: Locator) -> dict[str, Any]:
    """What the service says about the object now, its checksum included. Raises what `Bucket.explained` does."""
    try:
        with bucket.explained(locator["key"]):
            told: dict[str, Any] = bucket.client.head_object(
                Bucket=bucket.name, ChecksumMode="ENABLED", **pinned(locator)
            )
    except PointExpired:
        with bucket.explained():  # an answer to HEAD has no body: it may be the bucket that is not there
            bucket.client.list_objects_v2(Bucket=bucket.name, Prefix=bucket.folder, MaxKeys=1)
        raise
    _check_same(locator, told, told["ContentLength"])
    return told


def part_size(bucket: Bucket, locator: Locator, parts: int) -> int | None:
    """The size of the parts it was uploaded in: all but the last, of which there are `parts`. None if they differ.

    None also where the service does not tell. Without If-Match: some compare it with the ETag of the part.
    """
    about = {name: value for name, value in pinned(locator).items() if name != "IfMatch"}
    sizes = []
    with bucket.explained(locator["key"]):
        for number in (1, parts):
            try:
                told = bucket.client.head_object(Bucket=bucket.name, PartNumber=number, **about)
            except boto.ClientError:
                return None
            sizes.append(int(told["ContentLength"]))
    even = sizes[0] * (parts - 1) + sizes[1] == int(locator["size"]) and sizes[1] <= sizes[0]
    return sizes[0] if even else None


def small(bucket: Bucket, key: str, version: str) -> bytes:
    """A small object that lies beside another. Raises what `Bucket.explained` does."""
    which = {"VersionId": version} if version else {}
    with (
        bucket.explained(key),
        closing(bucket.client.get_object(Bucket=bucket.name, Key=key, **which)["Body"]) as body,
    ):
        data: bytes = body.read()
        return data


@contextmanager
def pieces(bucket: Bucket, locator: Locator, ranges: Ranges, watch: Watch) -> Iterator[Iterator[bytes]]:
    """The bytes of `ranges`, in order. Leaving early stops what is in flight."""
    stop = threading.Event()
    pool = ThreadPoolExecutor(AHEAD, thread_name_prefix="s3")
    try:
        yield _ordered(pool, _Fetch(bucket, locator, stop), ranges, watch)
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)  # whoever waits for a silent service sees `stop` afterwards


def _ordered(pool: ThreadPoolExecutor, fetch: "_Fetch", ranges: Ranges, watch: Watch) -> Iterator[bytes]:
    ahead: deque[Future[list[bytes]]] = deque()
    for start, end in _spans(ranges):
        ahead.append(pool.submit(fetch.part, start, end))
        if len(ahead) == AHEAD:
            yield from _result(ahead.popleft(), watch)
    while ahead:
        yield from _result(ahead.popleft(), watch)


def _spans(ranges: Ranges) -> Iterator[tuple[int, int]]:
    for start, end in ranges:
        for at in range(start, end, PART):
            yield at, min(at + PART, end)


def _result(future: "Future[list[bytes]]", watch: Watch) -> list[bytes]:
    while not wait((future,), _TICK_S).done:
        watch.check()
    return future.result()


class _Fetch:
    """Fetches parts; used by several threads."""

    def __init__(self, bucket: Bucket, locator: Locator, stop: threading.Event) -> None:
        self._bucket, self._locator, self._stop = bucket, locator, stop

    def part(self, start: int, end: int) -> list[bytes]:
        """Bytes `start` to `end` (exclusive), in chunks. Goes on where a connection broke, a few times."""
        got: list[bytes] = []
        ends: set[int] = set()
        with self._bucket.explained(self._locator["key"]):
            for pause in _PAUSES_S:
                if self._stop.wait(pause):
                    raise Cancelled(f"{self._locator['key']}: nobody reads on")
                try:
                    self._read_on(got, start + sum(map(len, got)), end)
                except _BROKEN as error:
                    failure = error
                    ends.add(start + sum(map(len, got)))
                else:
                    return got
            if len(ends) > 1 or not isinstance(failure, _SHORT):
                raise failure
        text = f"{self._locator['key']} ends at byte {ends.pop()} of {self._locator['size']}, however often it is asked"
        raise SourceDamaged(f"{text}; live is untouched", hint=_ANOTHER) from failure

    def _read_on(self, got: list[bytes], at: int, end: int) -> None:
        wanted = f"bytes={at}-{end - 1}"
        answer = self._bucket.client.get_object(Bucket=self._bucket.name, Range=wanted, **pinned(self._locator))
        with closing(answer["Body"]) as body:
            self._check_range(answer, at, end)
            while not self._stop.is_set() and (chunk := body.read(_CHUNK)):
                got.append(chunk)
                at += len(chunk)
        if at != end:
            raise boto.IncompleteReadError(actual_bytes=at, expected_bytes=end)

    def _check_range(self, answer: dict[str, Any], at: int, end: int) -> None:
        """Services that do not know ranges send everything; those that do not know If-Match send something else."""
        _, _, total = answer.get("ContentRange", "").rpartition("/")
        if answer.get("ContentRange", "").partition("/")[0] != f"bytes {at}-{end - 1}":
            raise SourceUnavailable(
                f"{self._bucket!r}: it does not send the part of an object that is asked for",
                hint="Is there a proxy in between? Live is untouched.",
            )
        _check_same(self._locator, answer, int(total) if total.isdigit() else None)


def _check_same(locator: Locator, answer: dict[str, Any], size: int | None) -> None:
    key, etag = locator["key"], str(answer.get("ETag", "")).strip('"')
    if locator["etag"] and etag and etag != locator["etag"]:
        raise PointExpired(f"{key} is no longer the object that was scanned; live is untouched", hint=_ANOTHER)
    if size is not None and size != int(locator["size"]):
        text = f"{key} should have {locator['size']} bytes and has {size}; live is untouched"
        raise SourceDamaged(text, hint=_ANOTHER)
